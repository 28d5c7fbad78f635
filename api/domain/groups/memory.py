"""The memory of a group: written from any of its boards or by people, heard by agents of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, func, select

from api.domain import access
from api.domain.activity import record
from api.domain.actor import Agent as AgentActor
from api.domain.actor import User as UserActor
from api.domain.agents.tables import Agent
from api.domain.boards.tables import Board, BoardGroup
from api.domain.context import Context
from api.domain.errors import Invalid, NotFound
from api.domain.groups import operations as groups
from api.domain.memory import rules
from api.domain.memory.tables import GroupMemoryEntry
from api.domain.mentions import snippet
from api.domain.paging import Listing, Order


def listing(*where: ColumnElement[bool]) -> Listing:
    """Newest first; blank entries of older databases are never shown."""
    shown = func.trim(GroupMemoryEntry.content) != ""
    order = (Order(GroupMemoryEntry.created_at, descending=True),)
    return Listing(GroupMemoryEntry, order, (shown, *where), GroupMemoryEntry.board_group_id)


async def group_of_board(ctx: Context, board: Board) -> BoardGroup:
    """The group of a board. Raises `Invalid` for a board without one."""
    if board.board_group_id is None:
        raise Invalid("The board is in no group.")
    group = await groups.find(ctx, board.board_group_id)
    if group is None:
        raise NotFound()
    return group


async def write(
    ctx: Context, content: str, tags: Sequence[str] | None = None, source: str | None = None, *,
    group_id: UUID | None = None, board_id: UUID | None = None,
) -> GroupMemoryEntry:  # fmt: skip
    """Add an entry to a group, named itself or by one of its boards that the caller writes."""
    actor = access.signed_in(ctx.actor)
    text = rules.text(content, tags, source)
    async with ctx.write():
        if board_id is not None:
            board = access.write_board(actor, await ctx.one(select(Board).where(Board.id == board_id)))
            group = await group_of_board(ctx, board)
        else:
            if group_id is None:
                raise Invalid("Name a group, or one of its boards.")
            group = await groups.reachable(ctx, group_id, write=True)
        agents = await ctx.rows(
            select(Agent, Board).join(Board, Board.id == Agent.board_id).where(Board.board_group_id == group.id)
            .order_by(Agent.created_at, Agent.id)
        )  # fmt: skip
        notices = rules.group_notices(text, tags, [agent for agent, _ in agents], actor.id)
        chat = rules.is_chat(tags)
        heard = chat or rules.is_broadcast(text, tags)
        entry = GroupMemoryEntry(
            id=uuid4(), board_group_id=group.id, content=text, tags=list(tags) if tags is not None else None,
            is_chat=chat, source=source or (actor.name if heard else None), created_at=ctx.now(),
            author_user_id=actor.id if isinstance(actor, UserActor) else None,
            author_agent_id=actor.id if isinstance(actor, AgentActor) else None,
        )  # fmt: skip
        ctx.add(entry)
        await ctx.flush()
        ctx.emit("group.memory_written", subject_id=entry.id, organization_id=group.organization_id)
        boards = {agent.id: board for agent, board in agents}
        for notice in notices:
            own = boards[notice.agent_id]
            reply = f"{ctx.settings.public_url}/api/v1/boards/{own.id}/group-memory"
            lines = [
                notice.header or "", f"Group: {group.name}", f"From: {actor.name}", "", snippet(text, rules.SNIPPET),
                "", f'Reply with POST {reply} and a body with "content" and "tags": ["chat"].',
            ]  # fmt: skip
            ctx.tell(
                notice.agent_id, "group.chat", "\n".join(lines), board_id=own.id, data={"memory_id": str(entry.id)}
            )
        if any(notice.header == "GROUP BROADCAST" for notice in notices):
            for told in sorted({boards[notice.agent_id].id for notice in notices}):
                record(ctx, "board.group.broadcast", f"{actor.name} told everybody in {group.name}", board_id=told)
    return entry
