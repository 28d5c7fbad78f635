"""Memory of boards and groups."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from api.rest_compat.wire.base import Model, NonBlank


class BoardMemoryCreate(Model):
    """A new entry."""

    content: NonBlank
    tags: list[str] | None = None
    source: str | None = None


class BoardMemoryRead(Model):
    """An entry of a board's memory."""

    id: UUID
    board_id: UUID
    content: str
    tags: list[str] | None = None
    is_chat: bool = False
    source: str | None = None
    created_at: datetime


class BoardGroupMemoryCreate(Model):
    """A new entry of a group."""

    content: NonBlank
    source: str | None = None
    tags: list[str] | None = None


class BoardGroupMemoryRead(Model):
    """An entry of a group's memory."""

    id: UUID
    board_group_id: UUID
    content: str
    created_at: datetime
    is_chat: bool = False
    source: str | None = None
    tags: list[str] | None = None
