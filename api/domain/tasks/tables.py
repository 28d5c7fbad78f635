"""Tasks, what they wait for, and what is pinned on them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from api.domain.database.base import Base, Created, Id


class Task(Base):
    """A piece of work on a board.

    `in_progress_at` starts the present period of work; `previous_in_progress_at` keeps the last one when work pauses.
    """

    __tablename__ = "tasks"
    id: Mapped[Id]
    board_id: Mapped[UUID] = mapped_column(ForeignKey("boards.id"), index=True, nullable=True)
    title: Mapped[str]
    description: Mapped[str | None]
    status: Mapped[str] = mapped_column(default="inbox", index=True)
    priority: Mapped[str] = mapped_column(default="medium", index=True)
    due_at: Mapped[datetime | None]
    in_progress_at: Mapped[datetime | None]
    previous_in_progress_at: Mapped[datetime | None]
    created_by_user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"), index=True)
    assigned_agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id"), index=True)
    auto_created: Mapped[bool] = mapped_column(default=False)
    auto_reason: Mapped[str | None]
    #: Ours: since when the task stands still because its agent went silent.
    stalled_at: Mapped[datetime | None]
    #: Ours: the worker that brought the task to review last; a returned task goes back to it.
    reviewed_work_of: Mapped[UUID | None]
    created_at: Mapped[Created]
    updated_at: Mapped[Created]

    __table_args__ = (
        Index("ix_tasks_board_id_created_at", "board_id", "created_at"),
        Index("ix_tasks_board_id_created_at_id", "board_id", "created_at", "id"),
        Index("ix_tasks_board_id_status_created_at", "board_id", "status", "created_at"),
        Index("ix_tasks_board_id_assigned_agent_id_created_at", "board_id", "assigned_agent_id", "created_at"),
    )


class TaskDependency(Base):
    """`task_id` waits until `depends_on_task_id` is done; both are on the same board."""

    __tablename__ = "task_dependencies"
    id: Mapped[Id]
    board_id: Mapped[UUID] = mapped_column(ForeignKey("boards.id"), index=True)
    task_id: Mapped[UUID] = mapped_column(ForeignKey("tasks.id"), index=True)
    depends_on_task_id: Mapped[UUID] = mapped_column(ForeignKey("tasks.id"), index=True)
    created_at: Mapped[Created]

    __table_args__ = (
        UniqueConstraint("task_id", "depends_on_task_id", name="uq_task_dependencies_task_id_depends_on_task_id"),
        CheckConstraint("task_id <> depends_on_task_id", name="no_self"),
    )


class TaskFingerprint(Base):
    """Never written by anybody; kept so that a taken-over database can be cleaned up."""

    __tablename__ = "task_fingerprints"
    id: Mapped[Id]
    board_id: Mapped[UUID] = mapped_column(ForeignKey("boards.id"), index=True)
    fingerprint_hash: Mapped[str] = mapped_column(index=True)
    task_id: Mapped[UUID] = mapped_column(ForeignKey("tasks.id"))
    created_at: Mapped[Created]
