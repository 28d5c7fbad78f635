"""Board groups and their memory as GraphQL sees them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry
from sqlalchemy import func

from api.domain import access
from api.domain.boards.operations import readable
from api.domain.boards.tables import Board as BoardRow
from api.domain.boards.tables import BoardGroup as GroupRow
from api.domain.context import Context
from api.domain.groups import memory, operations
from api.domain.memory.tables import GroupMemoryEntry as EntryRow
from api.domain.paging import Listing, OffsetPage, Order, Slice, by_ids, offset_page
from api.schema.batching import Info, batch_field
from api.schema.memory import MemoryFilter, load_authors, memory_conditions
from api.schema.mutations import DeletedPayload, Payload, TargetInput, delete_target, mutate
from api.schema.node import Actor, Node
from api.schema.paging import After, Before, Connection, First, Last, connect, connect_one
from api.schema.scalars import as_uuid, given, optional, optional_uuid, shape

if TYPE_CHECKING:
    from api.schema.boards import Board
    from api.schema.organizations import Organization


async def load_boards(
    ctx: Context, groups: Sequence[BoardGroup], first: First = None, after: After = None, last: Last = None,
    before: Before = None,
) -> list[Connection[Board]]:  # fmt: skip
    """The boards of each group that the caller reads."""
    from api.schema.boards import Board

    order = (Order(func.lower(BoardRow.name)), Order(BoardRow.created_at))
    listing = Listing(BoardRow, order, (access.reachable_boards(ctx.actor),), BoardRow.board_group_id)
    return await connect(ctx, listing, Board.of, Slice(first, after, last, before), [g.row.id for g in groups])


async def load_memory(
    ctx: Context, groups: Sequence[BoardGroup],
    filter: Annotated[MemoryFilter | None, strawberry.argument(description="Which entries.")] = None,
    first: First = None, after: After = None, last: Last = None, before: Before = None,
) -> list[Connection[GroupMemoryEntry]]:  # fmt: skip
    """The memory of each group, newest first."""
    listing = memory.listing(*memory_conditions(filter, EntryRow))
    part = Slice(first, after, last, before)
    return await connect(ctx, listing, GroupMemoryEntry.of, part, [group.row.id for group in groups])


async def load_organizations(ctx: Context, groups: Sequence[BoardGroup]) -> list[Organization]:
    """The organisation of each group."""
    from api.schema.organizations import load_own_organizations

    return await load_own_organizations(ctx, groups)


@strawberry.type(description="Boards that share memory and are looked at together.")
class BoardGroup(Node):
    """A row of `board_groups`."""

    row: strawberry.Private[Any]
    name: str = strawberry.field(description="Its name.")
    slug: str = strawberry.field(description="Its name for addresses.")
    description: str | None = strawberry.field(description="What it is for.")
    created_at: datetime = strawberry.field(description="When it was made.")
    updated_at: datetime = strawberry.field(description="When it changed last.")
    organization: Annotated[Organization, strawberry.lazy("api.schema.organizations")] = batch_field(
        load_organizations, description="Whose group it is."
    )
    boards: Connection[Annotated[Board, strawberry.lazy("api.schema.boards")]] = batch_field(
        load_boards, description="Its boards that the caller reads, by name."
    )
    memory: Connection[GroupMemoryEntry] = batch_field(load_memory, description="Its memory, newest first.")

    @classmethod
    def of(cls, row: GroupRow) -> BoardGroup:
        """From a row."""
        return shape(cls, row)


async def load_groups(ctx: Context, entries: Sequence[GroupMemoryEntry]) -> list[BoardGroup]:
    """The group of each entry."""
    rows = await by_ids(ctx, GroupRow, [entry.row.board_group_id for entry in entries])
    return [BoardGroup.of(rows[entry.row.board_group_id]) for entry in entries]


@strawberry.type(description="A note or chat message that all boards of a group share.")
class GroupMemoryEntry(Node):
    """A row of `board_group_memory`."""

    row: strawberry.Private[Any]
    content: str = strawberry.field(description="The text.")
    tags: list[str] = strawberry.field(description="Its tags; `chat` and `broadcast` tell agents.")
    is_chat: bool = strawberry.field(description="Whether it is a chat message.")
    source: str | None = strawberry.field(description="A free label; `author` says who really wrote it.")
    created_at: datetime = strawberry.field(description="When it was written.")
    author: Actor | None = batch_field(load_authors, description="Who wrote it; null when unknown or gone.")
    group: BoardGroup = batch_field(load_groups, description="Its group.")

    @classmethod
    def of(cls, row: EntryRow) -> GroupMemoryEntry:
        """From a row."""
        return shape(cls, row, tags=row.tags or [])


# -- resolvers that REST rows use -------------------------------------------------------------------------------------


async def group_page(ctx: Context, limit: int, offset: int) -> OffsetPage:
    """The groups of the active organisation that the caller sees."""
    page = await offset_page(ctx, operations.listing(ctx), limit, offset)
    page.rows = [BoardGroup.of(row) for row in page.rows]
    return page


async def group(ctx: Context, group_id: UUID) -> BoardGroup:
    """One group."""
    return BoardGroup.of(await operations.reachable(ctx, group_id))


async def create_group(ctx: Context, draft: dict[str, Any]) -> BoardGroup:
    """Make a group."""
    return BoardGroup.of(await operations.create(ctx, draft))


async def update_group(ctx: Context, group_id: UUID, change: dict[str, Any]) -> BoardGroup:
    """Change a group."""
    return BoardGroup.of(await operations.update(ctx, group_id, change))


async def delete_group(ctx: Context, group_id: UUID) -> None:
    """Take a group away."""
    await operations.remove(ctx, group_id)


async def memory_page(
    ctx: Context, limit: int, offset: int, group_id: UUID | None = None, board_id: UUID | None = None,
    is_chat: bool | None = None,
) -> OffsetPage:  # fmt: skip
    """The memory of a group, or of the group of a board (empty for a board in none)."""
    if board_id is not None:
        group_id = (await readable(ctx, board_id)).board_group_id
    where = [EntryRow.board_group_id == group_id, *memory_conditions(MemoryFilter(is_chat=is_chat), EntryRow)]
    page = await offset_page(ctx, memory.listing(*where), limit, offset)
    page.rows = [GroupMemoryEntry.of(row) for row in page.rows]
    return page


async def write_memory(
    ctx: Context, draft: dict[str, Any], group_id: UUID | None = None, board_id: UUID | None = None
) -> GroupMemoryEntry:
    """Add an entry to a group, or to the group of a board."""
    row = await memory.write(
        ctx, draft["content"], draft.get("tags"), draft.get("source"), group_id=group_id, board_id=board_id
    )
    return GroupMemoryEntry.of(row)


async def set_rhythm(ctx: Context, group_id: UUID, every: str, include_board_leads: bool = False) -> operations.Applied:
    """Give the agents of a group a heartbeat interval."""
    return await operations.set_rhythm(ctx, group_id, every, include_board_leads=include_board_leads)


# -- GraphQL ----------------------------------------------------------------------------------------------------------


@strawberry.input(description="A new group of boards; administrators only.")
class CreateBoardGroupInput:
    """Input of `createBoardGroup`."""

    name: str = strawberry.field(description="Its name.")
    organization_id: strawberry.ID | None = optional("Whose group; by default the active organisation's.")
    slug: str | None = optional("Its name for addresses; by default made from the name.")
    description: str | None = optional("What it is for.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.input(description="What to change of a group; omitted fields stay.")
class UpdateBoardGroupInput:
    """Input of `updateBoardGroup`."""

    id: strawberry.ID = strawberry.field(description="The group.")
    name: str | None = optional("Its name.")
    slug: str | None = optional("Its name for addresses; blank makes it from the name.")
    description: str | None = optional("What it is for; null clears.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.type(description="The group.")
class BoardGroupPayload(Payload):
    """Payload of group mutations."""

    group: BoardGroup = strawberry.field(description="The group as it is now.")


@strawberry.input(description="A new entry of a group's memory.")
class WriteGroupMemoryInput:
    """Input of `writeGroupMemory`: a group, or the board whose group is meant."""

    content: str = strawberry.field(description="The text. `@name` tells an agent in chat, `@all` tells everybody.")
    group_id: strawberry.ID | None = optional("The group.")
    board_id: strawberry.ID | None = optional("A board: its group is meant, and write access to it is enough.")
    tags: list[str] | None = optional("Tags; `chat` makes it a chat message, `broadcast` tells every agent.")
    source: str | None = optional("A free label; filled with the author's name where agents are told.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.type(description="The new entry.")
class WriteGroupMemoryPayload(Payload):
    """Payload of `writeGroupMemory`."""

    entry: GroupMemoryEntry = strawberry.field(description="The entry.")


@strawberry.input(description="How often the agents of a group shall be woken.")
class SetGroupHeartbeatInput:
    """Input of `setGroupHeartbeat`."""

    group_id: strawberry.ID = strawberry.field(description="The group.")
    every: str = strawberry.field(description="The interval, like `10m`.")
    include_leads: bool = strawberry.field(default=False, description="Leads as well.")


@strawberry.type(description="Which agents have the new rhythm.")
class SetGroupHeartbeatPayload:
    """Payload of `setGroupHeartbeat`."""

    updated_agent_ids: list[strawberry.ID] = strawberry.field(description="Agents with the new interval.")
    failed_agent_ids: list[strawberry.ID] = strawberry.field(description="Those whose gateway cannot be told.")


@strawberry.type
class GroupQuery:
    """Query fields of groups."""

    @strawberry.field(description="One group of boards.")
    async def board_group(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The group's id.")]
    ) -> BoardGroup | None:
        return await group(info.context, as_uuid(id))

    @strawberry.field(description="The groups of the active organisation that the caller sees, by name.")
    async def board_groups(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[BoardGroup]:
        listing = operations.listing(info.context)
        return await connect_one(info.context, listing, BoardGroup.of, Slice(first, after, last, before))


@strawberry.type
class GroupMutation:
    """Mutations of groups."""

    @strawberry.mutation(description="Make a group of boards; administrators only.")
    async def create_board_group(self, info: Info, input: CreateBoardGroupInput) -> BoardGroupPayload:
        values = given(input, "client_mutation_id")
        organization = optional_uuid(values.pop("organization_id", None), "organizationId")
        return await mutate(
            info, input, lambda: operations.create(info.context, values, organization), _reload_groups,
            lambda row: {"group": BoardGroup.of(row)}, BoardGroupPayload,
        )  # fmt: skip

    @strawberry.mutation(description="Change a group; administrators with write access to it.")
    async def update_board_group(self, info: Info, input: UpdateBoardGroupInput) -> BoardGroupPayload:
        change = given(input, "id", "client_mutation_id")
        return await mutate(
            info, input, lambda: operations.update(info.context, as_uuid(input.id), change), _reload_groups,
            lambda row: {"group": BoardGroup.of(row)}, BoardGroupPayload,
        )  # fmt: skip

    @strawberry.mutation(description="Take a group away with its memory; its boards stay.")
    async def delete_board_group(self, info: Info, input: TargetInput) -> DeletedPayload:
        return await delete_target(info, input, operations.remove)

    @strawberry.mutation(description="Add a note, chat message or broadcast to a group's memory.")
    async def write_group_memory(self, info: Info, input: WriteGroupMemoryInput) -> WriteGroupMemoryPayload:
        values = given(input, "client_mutation_id")
        place = {name: optional_uuid(values.get(name), name) for name in ("group_id", "board_id")}
        return await mutate(
            info, input,
            lambda: memory.write(
                info.context, input.content, values.get("tags"), values.get("source"), **place
            ),
            _reload_entries, lambda row: {"entry": GroupMemoryEntry.of(row)}, WriteGroupMemoryPayload,
        )  # fmt: skip

    @strawberry.mutation(description="Give the agents of a group a heartbeat interval; administrators and its leads.")
    async def set_group_heartbeat(self, info: Info, input: SetGroupHeartbeatInput) -> SetGroupHeartbeatPayload:
        found = await set_rhythm(info.context, as_uuid(input.group_id, "groupId"), input.every, input.include_leads)
        return SetGroupHeartbeatPayload(
            updated_agent_ids=[strawberry.ID(str(one)) for one in found.updated],
            failed_agent_ids=[strawberry.ID(str(one)) for one in found.failed],
        )


async def _reload_groups(ctx: Context, ids: Sequence[UUID]) -> dict[Any, Any]:
    found = await by_ids(ctx, GroupRow, ids)
    return {row_id: row for row_id, row in found.items() if access.sees_organization(ctx.actor, row.organization_id)}


async def _reload_entries(ctx: Context, ids: Sequence[UUID]) -> dict[Any, Any]:
    found = await by_ids(ctx, EntryRow, ids)
    for row in found.values():
        await operations.reachable(ctx, row.board_group_id)
    return found
