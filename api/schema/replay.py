"""What happened before the event log began to hold it, told from the tables, for streams that ask `since` long ago."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, or_, select

from api.domain import access
from api.domain.activity import COMMENT
from api.domain.activity.tables import ActivityEvent
from api.domain.agents import operations as agents
from api.domain.agents.tables import Agent
from api.domain.approvals.tables import Approval
from api.domain.context import Context
from api.domain.events import log
from api.domain.events.cursor import Cursor
from api.domain.events.log import Scope
from api.domain.events.tables import Event, EventLogState
from api.domain.memory.tables import GroupMemoryEntry, MemoryEntry
from api.schema.events import group_in

_TASK_TYPES = ("task.created", "task.updated", "task.status_changed", "task.comment")
LIMIT = 2000
_NOBODY = UUID(int=0)


async def start_since(ctx: Context, scope: Scope, since: datetime) -> tuple[Cursor, bool]:
    """A cursor before the log's events at or after `since`, and whether the tables must tell what came before."""
    oldest, opened = (
        await ctx.run(select(select(func.min(Event.at)).scalar_subquery(), EventLogState.updated_at))
    ).one()
    begins = min(filter(None, (oldest, opened)), default=None)
    found = await log.first_since(ctx, scope, since)
    return found, begins is not None and since < begins


async def before_log(
    ctx: Context, topic: str, path: Mapping[str, UUID], board_id: UUID | None, since: datetime
) -> Sequence[Event]:  # fmt: skip
    """The rows of a topic from `since` to the log's beginning, as events without a place in the log."""
    begins = (await ctx.run(select(func.min(Event.at)))).scalar() or ctx.now()
    # What the log's first moments tell themselves is not told twice.
    told = select(
        func.coalesce(Event.activity_id if topic in ("task", "comment") else Event.subject_id, _NOBODY)
    ).where(Event.at < begins + timedelta(minutes=1))
    if topic == "task":
        rows = await ctx.all(
            select(ActivityEvent)
            .where(
                ActivityEvent.board_id == board_id, ActivityEvent.event_type.in_(_TASK_TYPES),
                ActivityEvent.created_at >= since, ActivityEvent.created_at < begins, ActivityEvent.id.not_in(told),
            )
            .order_by(ActivityEvent.created_at, ActivityEvent.id).limit(LIMIT)
        )  # fmt: skip
        return [
            _event("task.replayed", row.id, row.created_at, task_id=row.task_id, activity_id=row.id) for row in rows
        ]
    if topic == "comment":
        here = ActivityEvent.board_id == board_id if board_id else access.readable_boards(
            ctx.actor, column=ActivityEvent.board_id
        )  # fmt: skip
        rows = await ctx.all(
            select(ActivityEvent)
            .where(here, ActivityEvent.event_type == COMMENT, ActivityEvent.created_at >= since,
                   ActivityEvent.created_at < begins, ActivityEvent.id.not_in(told))
            .order_by(ActivityEvent.created_at, ActivityEvent.id).limit(LIMIT)
        )  # fmt: skip
        return [
            _event("task.replayed", row.id, row.created_at, board_id=row.board_id, task_id=row.task_id,
                   activity_id=row.id) for row in rows
        ]  # fmt: skip
    if topic == "group":
        group_id = await group_in(ctx, path)
        rows = await ctx.all(
            select(GroupMemoryEntry)
            .where(GroupMemoryEntry.board_group_id == group_id, GroupMemoryEntry.created_at >= since,
                   GroupMemoryEntry.created_at < begins, GroupMemoryEntry.id.not_in(told))
            .order_by(GroupMemoryEntry.created_at, GroupMemoryEntry.id).limit(LIMIT)
        )  # fmt: skip
        return [_event("group.replayed", row.id, row.created_at) for row in rows]
    if topic == "approval":
        moment = func.greatest(Approval.created_at, func.coalesce(Approval.resolved_at, Approval.created_at))
        rows = await ctx.all(
            select(Approval)
            .where(Approval.board_id == board_id, moment >= since, moment < begins, Approval.id.not_in(told))
            .order_by(Approval.created_at, Approval.id).limit(LIMIT)
        )  # fmt: skip
        return [_event("approval.replayed", row.id, row.created_at) for row in rows]
    if topic == "memory":
        rows = await ctx.all(
            select(MemoryEntry)
            .where(MemoryEntry.board_id == board_id, MemoryEntry.created_at >= since, MemoryEntry.created_at < begins,
                   MemoryEntry.id.not_in(told))
            .order_by(MemoryEntry.created_at, MemoryEntry.id).limit(LIMIT)
        )  # fmt: skip
        return [_event("memory.replayed", row.id, row.created_at) for row in rows]
    where = [
        agents.visible(ctx),
        or_(Agent.updated_at >= since, Agent.last_seen_at >= since),
        Agent.updated_at < begins,
        Agent.id.not_in(told),
    ]
    if board_id is not None:
        where.append(Agent.board_id == board_id)
    rows = await ctx.all(select(Agent).where(*where).order_by(Agent.updated_at, Agent.id).limit(LIMIT))
    return [_event("agent.replayed", row.id, row.updated_at) for row in rows]


def _event(
    kind: str, subject_id: UUID, at: datetime, *, board_id: UUID | None = None, task_id: UUID | None = None,
    activity_id: UUID | None = None,
) -> Event:  # fmt: skip
    return Event(
        seq=0, xid=0, kind=kind, subject_id=subject_id, at=at, board_id=board_id, task_id=task_id,
        activity_id=activity_id,
        actor_kind="system",
    )  # fmt: skip
