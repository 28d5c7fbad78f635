"""Tasks and comments."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from api.rest_compat.wire.base import Comment, Model, NonBlank, Status
from api.rest_compat.wire.tags import TagRef


class TaskCreate(Model):
    """A new task."""

    title: str
    description: str | None = None
    status: Status = "inbox"
    priority: str = "medium"
    due_at: datetime | None = None
    assigned_agent_id: UUID | None = None
    depends_on_task_ids: list[UUID] = Field(default_factory=list)
    tag_ids: list[UUID] = Field(default_factory=list)
    custom_field_values: dict[str, Any | None] = Field(default_factory=dict)
    created_by_user_id: UUID | None = None


class TaskUpdate(Model):
    """What to change of a task."""

    title: str | None = None
    description: str | None = None
    status: Status | None = None
    priority: str | None = None
    due_at: datetime | None = None
    assigned_agent_id: UUID | None = None
    depends_on_task_ids: list[UUID] | None = None
    tag_ids: list[UUID] | None = None
    custom_field_values: dict[str, Any | None] | None = None
    comment: Comment = Field(None, json_schema_extra={"minLength": 1})


class TaskRead(Model):
    """A task."""

    title: str
    description: str | None = None
    status: Status = "inbox"
    priority: str = "medium"
    due_at: datetime | None = None
    assigned_agent_id: UUID | None = None
    depends_on_task_ids: list[UUID] = Field(default_factory=list)
    tag_ids: list[UUID] = Field(default_factory=list)
    id: UUID
    board_id: UUID | None
    created_by_user_id: UUID | None
    in_progress_at: datetime | None
    created_at: datetime
    updated_at: datetime
    blocked_by_task_ids: list[UUID] = Field(default_factory=list)
    is_blocked: bool = False
    tags: list[TagRef] = Field(default_factory=list)
    custom_field_values: dict[str, Any | None] | None = None


class TaskCommentCreate(Model):
    """A new comment."""

    message: NonBlank


class TaskCommentRead(Model):
    """A comment."""

    id: UUID
    message: str | None
    agent_id: UUID | None
    task_id: UUID | None
    created_at: datetime
