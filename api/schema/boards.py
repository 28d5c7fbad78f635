"""Boards as GraphQL sees them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry
from sqlalchemy import func, select
from strawberry.scalars import JSON

from api.domain import access
from api.domain.actor import Agent as AgentActor
from api.domain.agents import operations as agent_operations
from api.domain.agents.tables import Agent as AgentRow
from api.domain.approvals import operations as approval_operations
from api.domain.approvals.tables import Approval as ApprovalRow
from api.domain.boards import operations
from api.domain.boards.tables import Board as BoardRow
from api.domain.boards.tables import BoardGroup as GroupRow
from api.domain.boards.tables import Gateway as GatewayRow
from api.domain.context import Context, naive_utc
from api.domain.memory import operations as memory_operations
from api.domain.organizations.tables import Organization as OrganizationRow
from api.domain.paging import OffsetPage, Slice, by_ids, offset_page
from api.domain.tasks import queries as task_queries
from api.domain.tasks.tables import Task as TaskRow
from api.schema.agent_inputs import AgentFilter
from api.schema.agents import Agent, narrowed
from api.schema.approvals import Approval, ApprovalFilter, approval_conditions
from api.schema.batching import Info, batch_field
from api.schema.board_inputs import (
    BoardFilter,
    BoardOrder,
    CreateBoardInput,
    DeleteBoardInput,
    UpdateBoardInput,
)
from api.schema.event_kinds import EventKind
from api.schema.gateways import Gateway
from api.schema.groups import BoardGroup
from api.schema.memory import MemoryEntry, MemoryFilter, memory_conditions
from api.schema.mutations import Payload, delete_once, mutate
from api.schema.node import Node
from api.schema.onboarding import OnboardingSession, load_onboarding
from api.schema.organizations import Organization
from api.schema.paging import After, Before, Connection, First, Last, connect, connect_one
from api.schema.scalars import Cursor, as_uuid, given, optional_uuid, shape
from api.schema.tags import CustomField, Tag, load_board_fields, load_board_tags
from api.schema.task_inputs import TaskFilter, TaskOrder, TaskStatus
from api.schema.tasks import ByField, Task, task_conditions, task_order
from api.schema.webhooks import Webhook, load_webhooks

if TYPE_CHECKING:
    from api.schema.events import BoardEventConnection


@strawberry.enum(description="What a board is for.")
class BoardType(Enum):
    """Closed here, free text on the wire."""

    GOAL = strawberry.enum_value("goal", description="Works towards an objective with measured success.")
    GENERAL = strawberry.enum_value("general", description="Any work.")
    OTHER = strawberry.enum_value("other", description="Another text; see typeLabel.")


@strawberry.type(description="The gates a board has switched on.")
class BoardSettings:
    """The flags of a board row."""

    require_approval_for_done: bool = strawberry.field(description="Done needs an approved approval.")
    require_review_before_done: bool = strawberry.field(description="Done only from review.")
    comment_required_for_review: bool = strawberry.field(description="Review needs a comment with it.")
    block_status_changes_with_pending_approval: bool = strawberry.field(
        description="A pending approval holds a task in its status."
    )
    only_lead_can_change_status: bool = strawberry.field(description="Workers may not change statuses.")
    max_agents: int = strawberry.field(description="How many workers the lead may make.")
    stalled_release_minutes: int | None = strawberry.field(
        description="After so many minutes a stalled task goes back to the inbox; null leaves it."
    )


@strawberry.type(description="What the caller may do on a board, from the rules themselves.")
class BoardPermissions:
    """Answers of access.py."""

    read: bool = strawberry.field(description="See the board and its work.")
    write: bool = strawberry.field(description="Change tasks, comment, ask for approvals, write memory.")
    decide: bool = strawberry.field(description="Decide approvals.")
    administer: bool = strawberry.field(description="Make agents and tokens, redact texts.")


@strawberry.type(description="How many tasks are in a status.")
class TaskStatusCount:
    """One status."""

    status: TaskStatus = strawberry.field(description="The status.")
    count: int = strawberry.field(description="How many tasks.")


# -- loaders ----------------------------------------------------------------------------------------------------------


def _ids(boards: Sequence[Board]) -> list[UUID]:
    return [board.row.id for board in boards]


async def load_organizations(ctx: Context, boards: Sequence[Board]) -> list[Organization]:
    """The organisation of each board."""
    rows = await by_ids(ctx, OrganizationRow, [board.row.organization_id for board in boards])
    return [Organization.of(rows[board.row.organization_id]) for board in boards]


async def load_groups(ctx: Context, boards: Sequence[Board]) -> list[BoardGroup | None]:
    """The group of each board."""
    rows = await by_ids(ctx, GroupRow, [board.row.board_group_id for board in boards])
    return [BoardGroup.of(rows[b.row.board_group_id]) if b.row.board_group_id in rows else None for b in boards]


async def load_gateways(ctx: Context, boards: Sequence[Board]) -> list[Gateway | None]:
    """The gateway of each board."""
    rows = await by_ids(ctx, GatewayRow, [board.row.gateway_id for board in boards])
    return [Gateway.of(rows[board.row.gateway_id]) if board.row.gateway_id in rows else None for board in boards]


async def load_leads(ctx: Context, boards: Sequence[Board]) -> list[Agent | None]:
    """The lead of each board."""
    rows = await ctx.all(select(AgentRow).where(AgentRow.board_id.in_(_ids(boards)), AgentRow.is_board_lead.is_(True)))
    found = {row.board_id: Agent.of(row) for row in rows}
    return [found.get(board.row.id) for board in boards]


async def load_agents(
    ctx: Context, boards: Sequence[Board],
    filter: Annotated[AgentFilter | None, strawberry.argument(description="Which agents.")] = None,
    first: First = None, after: After = None, last: Last = None, before: Before = None,
) -> list[Connection[Agent]]:  # fmt: skip
    """The agents of each board, newest first."""
    listing = narrowed(ctx, agent_operations.listing(), filter)
    return await connect(ctx, listing, Agent.of, Slice(first, after, last, before), _ids(boards))


async def load_tasks(
    ctx: Context, boards: Sequence[Board],
    filter: Annotated[TaskFilter | None, strawberry.argument(description="Which tasks.")] = None,
    order_by: Annotated[list[TaskOrder] | None, strawberry.argument(description="The order; default: newest.")] = None,
    order_by_field: ByField = None,
    first: First = None, after: After = None, last: Last = None, before: Before = None,
) -> list[Connection[Task]]:  # fmt: skip
    """The tasks of each board."""
    listing = task_queries.listing(*task_conditions(filter), order=task_order(order_by, order_by_field))
    return await connect(ctx, listing, Task.of, Slice(first, after, last, before), _ids(boards))


async def load_task_counts(ctx: Context, boards: Sequence[Board]) -> list[list[TaskStatusCount]]:
    """How many tasks each board has in each status."""
    statement = (
        select(TaskRow.board_id, TaskRow.status, func.count())
        .where(TaskRow.board_id.in_(_ids(boards)))
        .group_by(TaskRow.board_id, TaskRow.status)
    )
    counts = {(board, status): count for board, status, count in await ctx.rows(statement)}
    return [
        [TaskStatusCount(status=status, count=counts.get((board.row.id, status.value), 0)) for status in TaskStatus]
        for board in boards
    ]


async def load_approvals(
    ctx: Context, boards: Sequence[Board],
    filter: Annotated[ApprovalFilter | None, strawberry.argument(description="Which approvals.")] = None,
    first: First = None, after: After = None, last: Last = None, before: Before = None,
) -> list[Connection[Approval]]:  # fmt: skip
    """The approvals of each board, newest first."""
    listing = approval_operations.listing(*approval_conditions(filter))
    return await connect(ctx, listing, Approval.of, Slice(first, after, last, before), _ids(boards))


async def load_pending_counts(ctx: Context, boards: Sequence[Board]) -> list[int]:
    """How many approvals of each board wait."""
    statement = (
        select(ApprovalRow.board_id, func.count())
        .where(ApprovalRow.board_id.in_(_ids(boards)), ApprovalRow.status == "pending")
        .group_by(ApprovalRow.board_id)
    )
    counts = dict(await ctx.rows(statement))
    return [counts.get(board.row.id, 0) for board in boards]


async def load_memory(
    ctx: Context, boards: Sequence[Board],
    filter: Annotated[MemoryFilter | None, strawberry.argument(description="Which entries.")] = None,
    first: First = None, after: After = None, last: Last = None, before: Before = None,
) -> list[Connection[MemoryEntry]]:  # fmt: skip
    """The memory of each board, newest first."""
    listing = memory_operations.listing(*memory_conditions(filter))
    return await connect(ctx, listing, MemoryEntry.of, Slice(first, after, last, before), _ids(boards))


async def load_event_cursors(ctx: Context, boards: Sequence[Board]) -> list[Cursor]:
    """The log's position of this answer."""
    return [Cursor(str(await ctx.cursor()))] * len(boards)


async def load_event_history(
    ctx: Context, boards: Sequence[Board],
    after: Annotated[Cursor | None, strawberry.argument(description="Events after it; omitted: the oldest.")] = None,
    first: Annotated[int, strawberry.argument(description="At most so many events.")] = 50,
    kinds: Annotated[list[EventKind] | None, strawberry.argument(description="Only these kinds.")] = None,
) -> list[BoardEventConnection]:  # fmt: skip
    """What happened on each board."""
    from api.schema.events import histories

    return await histories(ctx, _ids(boards), after, first, kinds)


@strawberry.type(description="A place of work: tasks, agents, approvals and memory, and the rules that govern them.")
class Board(Node):
    """A row of `boards`."""

    row: strawberry.Private[Any]
    name: str = strawberry.field(description="Its name.")
    slug: str = strawberry.field(description="Its name for addresses.")
    description: str = strawberry.field(description="What happens here.")
    type: BoardType = strawberry.field(description="What it is for.")
    type_label: str = strawberry.field(description="The type in words.")
    objective: str | None = strawberry.field(description="What a goal board works towards.")
    success_metrics: JSON | None = strawberry.field(description="How success is measured.")
    target_date: datetime | None = strawberry.field(description="By when.")
    goal_confirmed: bool = strawberry.field(description="Whether people confirmed the goal.")
    goal_source: str | None = strawberry.field(description="Where the goal came from.")
    settings: BoardSettings = strawberry.field(description="The gates it has switched on.")
    created_at: datetime = strawberry.field(description="When it was made.")
    updated_at: datetime = strawberry.field(description="When its settings changed last.")
    organization: Organization = batch_field(load_organizations, description="Whose board it is.")
    group: BoardGroup | None = batch_field(load_groups, description="The group it belongs to.")
    gateway: Gateway | None = batch_field(load_gateways, description="Where its agents live; boards may have none.")
    lead: Agent | None = batch_field(load_leads, description="The agent that leads it.")
    agents: Connection[Agent] = batch_field(load_agents, description="Its agents, newest first.")
    tasks: Connection[Task] = batch_field(load_tasks, description="Its tasks.")
    task_counts: list[TaskStatusCount] = batch_field(load_task_counts, description="How many tasks in each status.")
    approvals: Connection[Approval] = batch_field(load_approvals, description="Its approvals, newest first.")
    pending_approval_count: int = batch_field(load_pending_counts, description="How many approvals wait.")
    memory: Connection[MemoryEntry] = batch_field(load_memory, description="Its shared memory, newest first.")
    tags: list[Tag] = batch_field(load_board_tags, description="The tags its tasks may carry.")
    custom_fields: list[CustomField] = batch_field(load_board_fields, description="The fields its tasks carry.")
    webhooks: Connection[Webhook] = batch_field(load_webhooks, description="Its webhooks, newest first; for people.")
    onboarding: OnboardingSession | None = batch_field(
        load_onboarding, description="The conversation that sets it up; null before it begins."
    )
    event_cursor: Cursor = batch_field(
        load_event_cursors,
        description="The moment of this answer: subscribe `after` it and nothing is missed.",
    )
    event_history: Annotated[BoardEventConnection, strawberry.lazy("api.schema.events")] = batch_field(
        load_event_history, description="The same events that `boardEvents` streams, as pages."
    )

    @strawberry.field(description="What the caller may do here.")
    def viewer_can(self, info: Info) -> BoardPermissions:
        actor, member = info.context.actor, None
        if actor.kind == "user":
            member = actor.memberships.get(self.row.organization_id)  # type: ignore[union-attr]
        write = access.can_write_board(actor, self.row)
        return BoardPermissions(
            read=access.can_read_board(actor, self.row), write=write,
            decide=write and not isinstance(actor, AgentActor), administer=member is not None and member.is_admin,
        )  # fmt: skip

    @classmethod
    def of(cls, row: BoardRow) -> Board:
        """From a row."""
        known = row.board_type in BoardType._value2member_map_
        settings = BoardSettings(**{name: getattr(row, name) for name in BoardSettings.__annotations__})
        return shape(
            cls, row, type=BoardType(row.board_type) if known else BoardType.OTHER, type_label=row.board_type,
            settings=settings,
        )  # fmt: skip


# -- resolvers that REST rows use -------------------------------------------------------------------------------------


async def board(ctx: Context, board_id: UUID) -> Board:
    """One board that the caller may read."""
    return Board.of(await operations.readable(ctx, board_id))


async def board_page(
    ctx: Context, limit: int, offset: int, gateway_id: UUID | None = None, board_group_id: UUID | None = None
) -> OffsetPage:
    """Boards the caller reads."""
    where = []
    if gateway_id is not None:
        where.append(BoardRow.gateway_id == gateway_id)
    if board_group_id is not None:
        where.append(BoardRow.board_group_id == board_group_id)
    page = await offset_page(ctx, operations.listing(ctx, *where), limit, offset)
    page.rows = [Board.of(row) for row in page.rows]
    return page


async def create_board(ctx: Context, draft: dict[str, Any]) -> Board:
    """Make a board."""
    return Board.of(await operations.create_board(ctx, _times(draft)))


async def update_board(ctx: Context, board_id: UUID, change: dict[str, Any]) -> Board:
    """Change a board."""
    return Board.of(await operations.update_board(ctx, board_id, _times(change)))


async def delete_board(ctx: Context, board_id: UUID) -> None:
    """Take a board away."""
    await operations.delete_board(ctx, board_id)


def _times(change: dict[str, Any]) -> dict[str, Any]:
    return {**change, "target_date": naive_utc(change["target_date"])} if "target_date" in change else change


# -- GraphQL ----------------------------------------------------------------------------------------------------------


@strawberry.type(description="The new board.")
class CreateBoardPayload(Payload):
    """Payload of `createBoard`."""

    board: Board = strawberry.field(description="The board.")


@strawberry.type(description="The changed board.")
class UpdateBoardPayload(Payload):
    """Payload of `updateBoard`."""

    board: Board = strawberry.field(description="The board.")


@strawberry.type(description="The board is gone, with everything on it.")
class DeleteBoardPayload(Payload):
    """Payload of `deleteBoard`."""

    board_id: strawberry.ID = strawberry.field(description="The board that was.")


@strawberry.type
class BoardQuery:
    """Query fields of boards."""

    @strawberry.field(description="One board.")
    async def board(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The board's id.")]
    ) -> Board | None:
        return await board(info.context, as_uuid(id))

    @strawberry.field(description="The boards of an organisation that the caller reads, by name unless ordered.")
    async def boards(
        self, info: Info,
        filter: Annotated[BoardFilter | None, strawberry.argument(description="Which boards.")] = None,
        order_by: Annotated[list[BoardOrder] | None, strawberry.argument(description="The order.")] = None,
        first: First = None, after: After = None, last: Last = None, before: Before = None,
    ) -> Connection[Board]:  # fmt: skip
        ctx = info.context
        organization = optional_uuid(filter.organization_id, "organizationId") if filter else None
        listing = operations.listing(ctx, *(filter.conditions() if filter else []), organization_id=organization)
        if order_by:
            listing = type(listing)(listing.entity, tuple(key.key for key in order_by), listing.where, listing.parent)
        return await connect_one(ctx, listing, Board.of, Slice(first, after, last, before))


@strawberry.type
class BoardMutation:
    """Mutations of boards."""

    @strawberry.mutation(description="Make a board; administrators only.")
    async def create_board(self, info: Info, input: CreateBoardInput) -> CreateBoardPayload:
        draft = given(input, "client_mutation_id", "organization_id", "settings")
        draft.update(given(input.settings) if input.settings else {})
        organization = optional_uuid(given(input).get("organization_id"), "organizationId")
        return await mutate(
            info, input, lambda: operations.create_board(info.context, _references(draft), organization),
            _reload, lambda row: {"board": Board.of(row)}, CreateBoardPayload,
        )  # fmt: skip

    @strawberry.mutation(description="Change a board; omitted fields stay, null clears.")
    async def update_board(self, info: Info, input: UpdateBoardInput) -> UpdateBoardPayload:
        change = given(input, "id", "client_mutation_id", "settings")
        change.update(given(input.settings) if input.settings else {})
        return await mutate(
            info, input, lambda: operations.update_board(info.context, as_uuid(input.id), _references(change)),
            _reload, lambda row: {"board": Board.of(row)}, UpdateBoardPayload,
        )  # fmt: skip

    @strawberry.mutation(description="Take a board away with everything on it.")
    async def delete_board(self, info: Info, input: DeleteBoardInput) -> DeleteBoardPayload:
        board_id = as_uuid(input.id)
        return await delete_once(
            info, input, board_id, lambda: operations.delete_board(info.context, board_id),
            lambda gone: {"board_id": gone}, DeleteBoardPayload,
        )  # fmt: skip


def _references(change: dict[str, Any]) -> dict[str, Any]:
    renamed = {"group_id": "board_group_id", "type": "board_type"}
    found = {renamed.get(key, key): value for key, value in change.items()}
    for name in ("board_group_id", "gateway_id"):
        if name in found:
            found[name] = optional_uuid(found[name], name)
    return _times(found)


async def _reload(ctx: Context, ids: Sequence[UUID]) -> dict[Any, Any]:
    return await by_ids(ctx, BoardRow, ids, access.reachable_boards(ctx.actor))
