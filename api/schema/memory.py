"""Board memory as GraphQL sees it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry
from sqlalchemy import ColumnElement, cast
from sqlalchemy.dialects.postgresql import JSONB

from api.domain import access
from api.domain.boards.tables import Board as BoardRow
from api.domain.context import Context
from api.domain.memory import operations
from api.domain.memory.tables import MemoryEntry as MemoryRow
from api.domain.paging import OffsetPage, by_ids, offset_page
from api.schema.batching import Info, batch_field
from api.schema.mutations import Payload, mutate
from api.schema.node import Actor, Node, load_actors
from api.schema.scalars import as_uuid, given, optional, shape

if TYPE_CHECKING:
    from api.schema.boards import Board


@strawberry.input(description="Which entries; conditions add up.")
class MemoryFilter:
    """Filter of memory."""

    is_chat: bool | None = strawberry.field(default=None, description="Only chat, or only notes.")
    tags: list[str] | None = strawberry.field(default=None, description="Having all of these tags.")
    source: str | None = strawberry.field(default=None, description="With this source label.")
    contains: str | None = strawberry.field(default=None, description="A part of the text, in any case.")


def memory_conditions(filter: MemoryFilter | None, table: Any = MemoryRow) -> list[ColumnElement[bool]]:
    """The filter as SQL, on the memory of boards or of groups."""
    where: list[ColumnElement[bool]] = []
    if filter is None:
        return where
    if filter.is_chat is not None:
        where.append(table.is_chat.is_(filter.is_chat))
    if filter.tags is not None:
        where.append(cast(table.tags, JSONB).contains(filter.tags))
    if filter.source is not None:
        where.append(table.source == filter.source)
    if filter.contains:
        where.append(table.content.icontains(filter.contains, autoescape=True))
    return where


async def load_authors(ctx: Context, entries: Sequence[MemoryEntry]) -> list[Actor | None]:
    """Who wrote each entry."""
    return await load_actors(
        ctx, [entry.row.author_user_id for entry in entries], [entry.row.author_agent_id for entry in entries]
    )


async def load_boards(ctx: Context, entries: Sequence[MemoryEntry]) -> list[Board]:
    """The board of each entry."""
    from api.schema.boards import Board

    rows = await by_ids(ctx, BoardRow, [entry.row.board_id for entry in entries])
    return [Board.of(rows[entry.row.board_id]) for entry in entries]


@strawberry.type(description="A note or chat message that everybody on the board shares.")
class MemoryEntry(Node):
    """A row of `board_memory`."""

    row: strawberry.Private[Any]
    content: str = strawberry.field(description="The text.")
    tags: list[str] = strawberry.field(description="Its tags; `chat` makes it a chat message.")
    is_chat: bool = strawberry.field(description="Whether it is a chat message.")
    source: str | None = strawberry.field(description="A free label; `author` says who really wrote it.")
    created_at: datetime = strawberry.field(description="When it was written.")
    is_redacted: bool = strawberry.field(description="Whether an administrator took the text away.")
    author: Actor | None = batch_field(load_authors, description="Who wrote it; null when unknown or gone.")
    board: Annotated[Board, strawberry.lazy("api.schema.boards")] = batch_field(load_boards, description="Its board.")

    @classmethod
    def of(cls, row: MemoryRow) -> MemoryEntry:
        """From a row."""
        return shape(cls, row, tags=row.tags or [], is_redacted=row.redacted_at is not None)


# -- resolvers that REST rows use -------------------------------------------------------------------------------------


async def memory_page(ctx: Context, board_id: UUID, limit: int, offset: int, is_chat: bool | None = None) -> OffsetPage:
    """A board's memory, newest first."""
    where = [MemoryRow.board_id == board_id, *memory_conditions(MemoryFilter(is_chat=is_chat))]
    page = await offset_page(ctx, operations.listing(*where), limit, offset)
    page.rows = [MemoryEntry.of(row) for row in page.rows]
    return page


async def write_memory(ctx: Context, board_id: UUID, draft: dict[str, Any]) -> MemoryEntry:
    """Add an entry."""
    return MemoryEntry.of(
        await operations.write_memory(ctx, board_id, draft["content"], draft.get("tags"), draft.get("source"))
    )


# -- GraphQL ----------------------------------------------------------------------------------------------------------


@strawberry.input(description="A new entry.")
class WriteMemoryInput:
    """Input of `writeMemory`."""

    board_id: strawberry.ID = strawberry.field(description="The board.")
    content: str = strawberry.field(description="The text. In chat, `@name` tells an agent, and the lead always hears.")
    tags: list[str] | None = optional("Tags; `chat` makes it a chat message.")
    source: str | None = optional("A free label; in chat it is filled with the author's name.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.type(description="The new entry.")
class WriteMemoryPayload(Payload):
    """Payload of `writeMemory`."""

    entry: MemoryEntry = strawberry.field(description="The entry.")


@strawberry.input(description="An entry whose text shall go.")
class RedactMemoryInput:
    """Input of `redactMemory`."""

    id: strawberry.ID = strawberry.field(description="The entry.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.type(description="The entry without its text.")
class RedactMemoryPayload(Payload):
    """Payload of `redactMemory`."""

    entry: MemoryEntry = strawberry.field(description="The entry.")


@strawberry.type
class MemoryMutation:
    """Mutations of memory."""

    @strawberry.mutation(description="Add a note or chat message to a board's memory.")
    async def write_memory(self, info: Info, input: WriteMemoryInput) -> WriteMemoryPayload:
        values = given(input)
        board_id = as_uuid(input.board_id, "boardId")
        return await mutate(
            info, input,
            lambda: operations.write_memory(
                info.context, board_id, input.content, values.get("tags"), values.get("source")
            ),
            _reload, lambda row: {"entry": MemoryEntry.of(row)}, WriteMemoryPayload,
        )  # fmt: skip

    @strawberry.mutation(description="Take an entry's text away; administrators only. The row stays with a mark.")
    async def redact_memory(self, info: Info, input: RedactMemoryInput) -> RedactMemoryPayload:
        return await mutate(
            info, input, lambda: operations.redact_memory(info.context, as_uuid(input.id)), _reload,
            lambda row: {"entry": MemoryEntry.of(row)}, RedactMemoryPayload,
        )  # fmt: skip


async def _reload(ctx: Context, ids: Sequence[UUID]) -> dict[Any, Any]:
    return await by_ids(ctx, MemoryRow, ids, access.reachable_boards(ctx.actor, MemoryRow.board_id))
