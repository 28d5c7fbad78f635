"""Gateways."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from api.rest_compat.wire.base import Model, NonBlank


class GatewayCreate(Model):
    """A new gateway."""

    name: str
    url: str
    workspace_root: str
    allow_insecure_tls: bool = False
    disable_device_pairing: bool = False
    token: str | None = None


class GatewayUpdate(Model):
    """What to change of a gateway."""

    allow_insecure_tls: bool | None = None
    disable_device_pairing: bool | None = None
    name: str | None = None
    token: str | None = None
    url: str | None = None
    workspace_root: str | None = None


class GatewayRead(Model):
    """A gateway."""

    id: UUID
    created_at: datetime
    name: str
    organization_id: UUID
    updated_at: datetime
    url: str
    workspace_root: str
    allow_insecure_tls: bool = False
    disable_device_pairing: bool = False
    token: str | None = None


class GatewaysStatusResponse(Model):
    """Whether a gateway answers."""

    connected: bool
    gateway_url: str
    error: str | None = None
    main_session: Any | None = None
    main_session_error: str | None = None
    sessions: list[Any] | None = None
    sessions_count: int | None = None


class GatewaySessionsResponse(Model):
    """The sessions of a gateway."""

    sessions: list[Any]
    main_session: Any | None = None


class GatewaySessionResponse(Model):
    """A session of a gateway."""

    session: Any


class GatewaySessionHistoryResponse(Model):
    """What was said in a session."""

    history: list[Any]


class GatewaySessionMessageRequest(Model):
    """A message into a session."""

    content: NonBlank


class GatewayCommandsResponse(Model):
    """What the gateway protocol knows."""

    events: list[str]
    methods: list[str]
    protocol_version: int


class GatewayTemplatesSyncError(Model):
    """What went wrong with one agent."""

    message: str
    agent_id: UUID | None = None
    agent_name: str | None = None
    board_id: UUID | None = None


class GatewayTemplatesSyncResult(Model):
    """What a sync of templates did."""

    agents_skipped: int
    agents_updated: int
    gateway_id: UUID
    include_main: bool
    main_updated: bool
    reset_sessions: bool
    errors: list[GatewayTemplatesSyncError] = Field(default_factory=list)
