"""An agent's inbox: the messages that were written for it, in the order of the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, or_, select, true
from sqlalchemy.orm import aliased

from api.domain import access
from api.domain.actor import Agent as AgentActor
from api.domain.context import Context
from api.domain.errors import Forbidden, Invalid
from api.domain.events.cursor import Cursor
from api.domain.events.log import HORIZON
from api.domain.jobs import Job
from api.domain.paging import uuids


@dataclass(slots=True)
class InboxPage:
    """Messages with their cursors; `end` continues after them, or is where the reader already was."""

    messages: list[Job]
    cursors: list[str]
    end: str
    has_next: bool


async def inboxes(ctx: Context, agent_ids: Sequence[UUID], after: str | None, first: int) -> dict[UUID, InboxPage]:
    """The next messages of each agent after a cursor, in one statement; an agent reads its own inbox only."""
    actor = access.signed_in(ctx.actor)
    if isinstance(actor, AgentActor) and not actor.is_lead and any(agent_id != actor.id for agent_id in agent_ids):
        raise Forbidden("An agent reads its own inbox.")
    maximum = ctx.settings.max_page_size
    if not 0 <= first <= maximum:
        raise Invalid(f"A page holds 0 to {maximum} messages.", asked=first, allowed=maximum)
    epoch = ctx.services.hub.epoch
    start = Cursor.parse(after) if after is not None else Cursor(epoch, 0, 0)
    if start.epoch != epoch:
        start = Cursor(epoch, 0, 0)
    each = select(func.unnest(uuids(agent_ids)).label("agent")).subquery()
    # Of others, only what concerns boards that the caller reads.
    theirs = or_(Job.agent_id == actor.id, access.reachable_boards(actor, Job.board_id))
    inner = (
        select(Job)
        .where(
            Job.agent_id == each.c.agent,
            theirs,
            Job.kind == "message",
            start.condition(Job.xid, Job.seq),
            Job.xid < HORIZON,
        )
        .order_by(Job.xid, Job.seq)
        .limit(first + 1)
        .lateral()
    )
    message = aliased(Job, inner)
    rows = await ctx.all(select(message).select_from(each.join(inner, true())).order_by(inner.c.xid, inner.c.seq))
    found = {}
    for agent_id in agent_ids:
        mine = [row for row in rows if row.agent_id == agent_id]
        page = mine[:first]
        cursors = [str(start.advance(row.xid, row.seq)) for row in page]
        found[agent_id] = InboxPage(page, cursors, cursors[-1] if cursors else str(start), len(mine) > first)
    return found
