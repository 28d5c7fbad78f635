"""Board memory: write, list, redact."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, func, select

from api.domain import access
from api.domain.activity import REDACTED, record
from api.domain.actor import Agent as AgentActor
from api.domain.actor import User as UserActor
from api.domain.agents.tables import Agent
from api.domain.boards.tables import Board
from api.domain.context import Context
from api.domain.errors import NotFound
from api.domain.memory import rules
from api.domain.memory.tables import MemoryEntry
from api.domain.mentions import snippet
from api.domain.paging import Listing, Order


def listing(*where: ColumnElement[bool]) -> Listing:
    """Newest first; blank entries of older databases are never shown."""
    shown = func.trim(MemoryEntry.content) != ""
    order = (Order(MemoryEntry.created_at, descending=True),)
    return Listing(MemoryEntry, order, (shown, *where), MemoryEntry.board_id)


async def write_memory(
    ctx: Context, board_id: UUID, content: str, tags: Sequence[str] | None = None, source: str | None = None
) -> MemoryEntry:
    """Add an entry. With the tag `chat` it is a chat message: the lead and the mentioned are told."""
    actor = access.signed_in(ctx.actor)
    text = rules.text(content, tags, source)
    chat = rules.is_chat(tags)
    async with ctx.write():
        board = access.write_board(actor, await ctx.one(select(Board).where(Board.id == board_id)))
        entry = MemoryEntry(
            id=uuid4(), board_id=board.id, content=text, tags=list(tags) if tags is not None else None, is_chat=chat,
            source=source or (actor.name if chat else None), created_at=ctx.now(),
            author_user_id=actor.id if isinstance(actor, UserActor) else None,
            author_agent_id=actor.id if isinstance(actor, AgentActor) else None,
        )  # fmt: skip
        ctx.add(entry)
        await ctx.flush()
        ctx.emit("memory.written", subject_id=entry.id, board_id=board.id, organization_id=board.organization_id)
        if chat:
            await _tell(ctx, board, entry)
    return entry


async def is_paused(ctx: Context, board_id: UUID) -> bool:
    """Whether the newest command in the board's chat is `/pause`."""
    command = func.lower(func.trim(MemoryEntry.content))
    newest = await ctx.one(
        select(command).where(MemoryEntry.board_id == board_id, MemoryEntry.is_chat, command.in_(rules.COMMANDS))
        .order_by(MemoryEntry.created_at.desc()).limit(1)
    )  # fmt: skip
    return bool(newest == "/pause")


async def redact_memory(ctx: Context, entry_id: UUID) -> MemoryEntry:
    """An administrator takes the text away; the row stays with a mark."""
    async with ctx.write():
        found: MemoryEntry | None = await ctx.one(
            select(MemoryEntry).where(MemoryEntry.id == entry_id).with_for_update()
        )
        if found is None:
            raise NotFound()
        board = access.read_board(ctx.actor, await ctx.one(select(Board).where(Board.id == found.board_id)))
        access.redacts(ctx.actor, board)
        if found.redacted_at is None:
            found.content, found.redacted_at = REDACTED, ctx.now()
            ctx.emit(
                "memory.redacted",
                subject_id=found.id,
                board_id=board.id,
                organization_id=board.organization_id,
            )
    return found


async def _tell(ctx: Context, board: Board, entry: MemoryEntry) -> None:
    agents = await ctx.all(select(Agent).where(Agent.board_id == board.id).order_by(Agent.created_at, Agent.id))
    command = rules.command(entry.content)
    if command is not None:
        record(ctx, f"board.{command[1:]}d", f"{ctx.actor.name} sent {command}", board_id=board.id)
    reply = f"{ctx.settings.public_url}/api/v1/agent/boards/{board.id}/memory"
    for notice in rules.notices(entry.content, agents, ctx.actor.id):
        if notice.header is None:
            ctx.tell(notice.agent_id, "chat.command", command or "", board_id=board.id, deliver=True)
            continue
        lines = [
            notice.header, f"Board: {board.name}", f"From: {ctx.actor.name}", "", snippet(entry.content, rules.SNIPPET),
            "", f'Reply with POST {reply} and a body with "content" and "tags": ["chat"].',
        ]  # fmt: skip
        ctx.tell(notice.agent_id, "chat", "\n".join(lines), board_id=board.id, data={"memory_id": str(entry.id)})
