"""Approvals: a question to a person, with the tasks it is about."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from api.domain.database.base import Base, Created, Id, LongText


class Approval(Base):
    """A request for a decision. `task_id` is the first linked task, kept for older clients."""

    __tablename__ = "approvals"
    id: Mapped[Id]
    board_id: Mapped[UUID] = mapped_column(ForeignKey("boards.id"), index=True)
    task_id: Mapped[UUID | None] = mapped_column(ForeignKey("tasks.id"), index=True)
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id"), index=True)
    action_type: Mapped[str]
    payload: Mapped[dict[str, Any] | None]
    confidence: Mapped[float]
    rubric_scores: Mapped[dict[str, Any] | None]
    status: Mapped[str] = mapped_column(default="pending", index=True)
    created_at: Mapped[Created]
    resolved_at: Mapped[datetime | None]
    #: Ours: who asked, who decided, and what was said with the decision.
    requested_by_user_id: Mapped[UUID | None]
    requested_by_agent_id: Mapped[UUID | None]
    decided_by_user_id: Mapped[UUID | None]
    decision_note: Mapped[LongText | None]

    __table_args__ = (Index("ix_approvals_board_id_created_at", "board_id", "created_at"),)


class ApprovalTaskLink(Base):
    """One task an approval is about."""

    __tablename__ = "approval_task_links"
    id: Mapped[Id]
    approval_id: Mapped[UUID] = mapped_column(ForeignKey("approvals.id"), index=True)
    task_id: Mapped[UUID] = mapped_column(ForeignKey("tasks.id"), index=True)
    created_at: Mapped[Created]

    __table_args__ = (UniqueConstraint("approval_id", "task_id", name="uq_approval_task_links_approval_id_task_id"),)
