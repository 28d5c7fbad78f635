"""Activity: recording what people read, and the listing of it."""

from __future__ import annotations

from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, and_, func

from api.domain import access
from api.domain.activity.tables import ActivityEvent
from api.domain.actor import Agent, User
from api.domain.context import Context
from api.domain.paging import Listing, Order

COMMENT = "task.comment"
REDACTED = "[redacted]"


def record(
    ctx: Context, event_type: str, message: str, *, task_id: UUID | None = None, board_id: UUID | None = None,
    agent_id: UUID | None = None, from_status: str | None = None, to_status: str | None = None,
) -> ActivityEvent:  # fmt: skip
    """Add one row in this write; the acting agent or person is recorded unless another agent is named."""
    actor = ctx.actor
    row = ActivityEvent(
        id=uuid4(), event_type=event_type, message=message, task_id=task_id, board_id=board_id,
        agent_id=agent_id or (actor.id if isinstance(actor, Agent) else None),
        user_id=actor.id if isinstance(actor, User) else None,
        from_status=from_status, to_status=to_status, created_at=ctx.now(),
    )  # fmt: skip
    ctx.add(row)
    return row


def listing(*where: ColumnElement[bool]) -> Listing:
    """Newest first."""
    return Listing(ActivityEvent, (Order(ActivityEvent.created_at, descending=True),), where, ActivityEvent.board_id)


def is_comment() -> ColumnElement[bool]:
    """Comments that say something, on tasks that still exist."""
    return and_(
        ActivityEvent.event_type == COMMENT, func.trim(ActivityEvent.message) != "", ActivityEvent.task_id.is_not(None)
    )


def visible(ctx: Context) -> ColumnElement[bool]:
    """The rows the caller may see: an agent its own, a person those of readable boards."""
    if isinstance(ctx.actor, Agent):
        return ActivityEvent.agent_id == ctx.actor.id
    access.membership(ctx.actor)
    return access.readable_boards(ctx.actor, column=ActivityEvent.board_id)
