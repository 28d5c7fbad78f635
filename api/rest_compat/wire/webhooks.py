"""Webhooks of boards."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from api.rest_compat.wire.base import Model, NonBlank


class BoardWebhookCreate(Model):
    """A new webhook."""

    description: NonBlank
    agent_id: UUID | None = None
    enabled: bool = True
    secret: str | None = None
    signature_header: str | None = None


class BoardWebhookUpdate(Model):
    """What to change of a webhook."""

    agent_id: UUID | None = None
    description: NonBlank | None = None
    enabled: bool | None = None
    secret: str | None = None
    signature_header: str | None = None


class BoardWebhookRead(Model):
    """A webhook."""

    id: UUID
    board_id: UUID
    created_at: datetime
    description: str
    enabled: bool
    endpoint_path: str
    updated_at: datetime
    agent_id: UUID | None = None
    endpoint_url: str | None = None
    has_secret: bool = False
    signature_header: str | None = None


class BoardWebhookPayloadRead(Model):
    """One stored delivery."""

    id: UUID
    board_id: UUID
    received_at: datetime
    webhook_id: UUID
    content_type: str | None = None
    headers: dict[str, str] | None = None
    payload: dict[str, Any] | list[Any] | str | int | float | bool | None = None
    source_ip: str | None = None


class BoardWebhookIngestResponse(Model):
    """The delivery is stored."""

    board_id: UUID
    payload_id: UUID
    webhook_id: UUID
    ok: bool = True
