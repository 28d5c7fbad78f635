"""Activity: one row a change, in words for people. A task's comments are rows of this table too."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from api.domain.database.base import Base, Created, Id


class ActivityEvent(Base):
    """`agent_id` is the acting agent, or the recipient for notices; `user_id` is ours: the acting person."""

    __tablename__ = "activity_events"
    id: Mapped[Id]
    event_type: Mapped[str] = mapped_column(index=True)
    message: Mapped[str | None]
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id"), index=True)
    task_id: Mapped[UUID | None] = mapped_column(ForeignKey("tasks.id"), index=True)
    board_id: Mapped[UUID | None] = mapped_column(ForeignKey("boards.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[Created]
    user_id: Mapped[UUID | None]
    #: Ours: the statuses of a move, from which cycle times are computed.
    from_status: Mapped[str | None]
    to_status: Mapped[str | None]
    redacted_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_activity_events_event_type_created_at", "event_type", "created_at"),
        Index(
            "ix_activity_events_task_comment_task_id_created_at", "task_id", "created_at",
            postgresql_where=text("event_type = 'task.comment'"),
        ),
        Index("ix_activity_events_board_id_created_at", "board_id", "created_at"),
    )  # fmt: skip
