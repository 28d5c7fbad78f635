"""Boards and the groups they form."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from api.rest_compat.wire.base import Model


class BoardCreate(Model):
    """A new board."""

    name: str
    slug: str
    description: str
    gateway_id: UUID | None = None
    board_group_id: UUID | None = None
    board_type: str = "goal"
    objective: str | None = None
    success_metrics: dict[str, Any] | None = None
    target_date: datetime | None = None
    goal_confirmed: bool = False
    goal_source: str | None = None
    require_approval_for_done: bool = True
    require_review_before_done: bool = False
    comment_required_for_review: bool = False
    block_status_changes_with_pending_approval: bool = False
    only_lead_can_change_status: bool = False
    max_agents: int = Field(1, ge=0)


class BoardUpdate(Model):
    """What to change of a board."""

    name: str | None = None
    slug: str | None = None
    description: str | None = None
    gateway_id: UUID | None = None
    board_group_id: UUID | None = None
    board_type: str | None = None
    objective: str | None = None
    success_metrics: dict[str, Any] | None = None
    target_date: datetime | None = None
    goal_confirmed: bool | None = None
    goal_source: str | None = None
    require_approval_for_done: bool | None = None
    require_review_before_done: bool | None = None
    comment_required_for_review: bool | None = None
    block_status_changes_with_pending_approval: bool | None = None
    only_lead_can_change_status: bool | None = None
    max_agents: int | None = Field(None, ge=0)


class BoardRead(BoardCreate):
    """A board."""

    id: UUID
    organization_id: UUID
    created_at: datetime
    updated_at: datetime


class BoardGroupCreate(Model):
    """A new group of boards."""

    name: str
    slug: str
    description: str | None = None


class BoardGroupUpdate(Model):
    """What to change of a group."""

    description: str | None = None
    name: str | None = None
    slug: str | None = None


class BoardGroupRead(Model):
    """A group of boards."""

    id: UUID
    created_at: datetime
    name: str
    organization_id: UUID
    slug: str
    updated_at: datetime
    description: str | None = None


class BoardGroupHeartbeatApply(Model):
    """How often the agents of a group shall be woken."""

    every: str
    include_board_leads: bool = False


class BoardGroupHeartbeatApplyResult(Model):
    """Which agents have the new rhythm, and which gateways did not take it."""

    board_group_id: UUID
    failed_agent_ids: list[UUID]
    requested: dict[str, Any]
    updated_agent_ids: list[UUID]
