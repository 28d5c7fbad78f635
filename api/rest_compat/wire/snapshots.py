"""Whole boards and groups in one answer."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from api.rest_compat.wire.agents import AgentRead
from api.rest_compat.wire.approvals import ApprovalRead
from api.rest_compat.wire.base import Model, Status
from api.rest_compat.wire.boards import BoardGroupRead, BoardRead
from api.rest_compat.wire.memory import BoardMemoryRead
from api.rest_compat.wire.tags import TagRef


class TaskCardRead(Model):
    """A task as the board shows it."""

    id: UUID
    board_id: UUID | None
    created_at: datetime
    created_by_user_id: UUID | None
    in_progress_at: datetime | None
    title: str
    updated_at: datetime
    approvals_count: int = 0
    approvals_pending_count: int = 0
    assigned_agent_id: UUID | None = None
    assignee: str | None = None
    blocked_by_task_ids: list[UUID] = Field(default_factory=list)
    custom_field_values: dict[str, Any | None] | None = None
    depends_on_task_ids: list[UUID] = Field(default_factory=list)
    description: str | None = None
    due_at: datetime | None = None
    is_blocked: bool = False
    priority: str = "medium"
    status: Status = "inbox"
    tag_ids: list[UUID] = Field(default_factory=list)
    tags: list[TagRef] = Field(default_factory=list)


class BoardSnapshot(Model):
    """A whole board in one answer."""

    agents: list[AgentRead]
    approvals: list[ApprovalRead]
    board: BoardRead
    chat_messages: list[BoardMemoryRead]
    tasks: list[TaskCardRead]
    pending_approvals_count: int = 0


class BoardGroupTaskSummary(Model):
    """A task as group snapshots show it."""

    id: UUID
    board_id: UUID
    board_name: str
    created_at: datetime
    priority: str
    status: str
    title: str
    updated_at: datetime
    assigned_agent_id: UUID | None = None
    assignee: str | None = None
    due_at: datetime | None = None
    in_progress_at: datetime | None = None
    tags: list[TagRef] = Field(default_factory=list)


class BoardGroupBoardSnapshot(Model):
    """A board of a group: counts, and its most urgent tasks."""

    board: BoardRead
    task_counts: dict[str, int] = Field(default_factory=dict)
    tasks: list[BoardGroupTaskSummary] = Field(default_factory=list)


class BoardGroupSnapshot(Model):
    """A group and its boards at a glance."""

    boards: list[BoardGroupBoardSnapshot] = Field(default_factory=list)
    group: BoardGroupRead | None = None
