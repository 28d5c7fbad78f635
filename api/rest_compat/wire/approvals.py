"""Approvals."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from api.rest_compat.wire.base import Decision, Model


class ApprovalCreate(Model):
    """A request for a decision."""

    action_type: str
    task_id: UUID | None = None
    task_ids: list[UUID] = Field(default_factory=list)
    payload: dict[str, Any] | None = None
    confidence: float = Field(ge=0, le=100, allow_inf_nan=False)
    rubric_scores: dict[str, int] | None = None
    status: Decision = "pending"
    agent_id: UUID | None = None
    lead_reasoning: str | None = None


class ApprovalUpdate(Model):
    """A decision."""

    status: Decision | None = None


class ApprovalRead(Model):
    """An approval."""

    action_type: str
    task_id: UUID | None = None
    task_ids: list[UUID] = Field(default_factory=list)
    payload: dict[str, Any] | None = None
    confidence: float = Field(ge=0, le=100)
    rubric_scores: dict[str, int] | None = None
    status: Decision = "pending"
    id: UUID
    board_id: UUID
    task_titles: list[str] = Field(default_factory=list)
    agent_id: UUID | None = None
    created_at: datetime
    resolved_at: datetime | None = None
