"""Onboarding conversations."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from api.domain.database.base import Base, Created, Id


class OnboardingSession(Base):
    """One conversation: `active`, then `completed` by the agent's draft, then `confirmed` by a person."""

    __tablename__ = "board_onboarding_sessions"
    id: Mapped[Id]
    board_id: Mapped[UUID] = mapped_column(ForeignKey("boards.id"), index=True)
    session_key: Mapped[str]
    status: Mapped[str] = mapped_column(default="active", index=True)
    messages: Mapped[list[Any] | None]
    draft_goal: Mapped[dict[str, Any] | None]
    created_at: Mapped[Created]
    updated_at: Mapped[Created]
