"""Agents, and what they tell each other."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field

from api.rest_compat.wire.base import HealthStatusResponse, Model, NonBlank


class AgentCreate(Model):
    """A new agent."""

    name: NonBlank
    board_id: UUID | None = None
    status: str = "provisioning"
    heartbeat_config: dict[str, Any] | None = None
    identity_profile: Annotated[
        dict[str, Any] | None, BeforeValidator(lambda value: value if isinstance(value, dict) else None)
    ] = None
    identity_template: str | None = None
    soul_template: str | None = None


class AgentUpdate(Model):
    """What to change of an agent."""

    name: str | None = Field(None, json_schema_extra={"minLength": 1})
    board_id: UUID | None = None
    is_gateway_main: bool | None = None
    status: str | None = None
    heartbeat_config: dict[str, Any] | None = None
    identity_profile: Annotated[
        dict[str, Any] | None, BeforeValidator(lambda value: value if isinstance(value, dict) else None)
    ] = None
    identity_template: str | None = None
    soul_template: str | None = None


class AgentRead(Model):
    """An agent."""

    id: UUID
    name: str = Field(min_length=1)
    board_id: UUID | None = None
    gateway_id: UUID | None
    status: str = "provisioning"
    heartbeat_config: dict[str, Any] | None = None
    identity_profile: dict[str, Any] | None = None
    identity_template: str | None = None
    soul_template: str | None = None
    is_board_lead: bool = False
    is_gateway_main: bool = False
    openclaw_session_id: str | None = None
    last_seen_at: datetime | None = None
    created_at: datetime
    updated_at: datetime


class AgentHeartbeat(Model):
    """A sign of life."""

    status: str | None = None


class AgentHeartbeatCreate(AgentHeartbeat):
    """A sign of life of an agent that may not exist yet."""

    name: NonBlank
    board_id: UUID | None = None


class AgentHealthStatusResponse(HealthStatusResponse):
    """Whether an agent's token works, and whose it is."""

    agent_id: UUID
    board_id: UUID | None = None
    gateway_id: UUID | None
    status: str
    is_board_lead: bool


class AgentNudge(Model):
    """A push from the lead."""

    message: NonBlank


class InboxMessage(Model):
    """Something an agent was told."""

    id: UUID
    created_at: datetime
    reason: str
    text: str
    board_id: UUID | None = None
    task_id: UUID | None = None


class AgentInboxRead(Model):
    """What an agent was told after the cursor, oldest first; `cursor` continues after it."""

    cursor: str
    has_more: bool
    messages: list[InboxMessage]


class SoulUpdateRequest(Model):
    """A new soul for an agent."""

    content: str
    reason: str | None = None
    source_url: str | None = None


class GatewayMainAskUserRequest(Model):
    """A question for a person, carried by the main agent."""

    content: NonBlank
    correlation_id: str | None = None
    preferred_channel: str | None = None
    reply_source: str | None = "user_via_gateway_main"
    reply_tags: list[str] = Field(default_factory=list)


class GatewayMainAskUserResponse(Model):
    """The question is on its way."""

    board_id: UUID
    main_agent_id: UUID | None = None
    main_agent_name: str | None = None
    ok: bool = True


class GatewayLeadMessageRequest(Model):
    """A message to the lead of a board."""

    content: NonBlank
    correlation_id: str | None = None
    kind: Literal["question", "handoff"] = "question"
    reply_source: str | None = "lead_to_gateway_main"
    reply_tags: list[str] = Field(default_factory=list)


class GatewayLeadMessageResponse(Model):
    """The lead has the message."""

    board_id: UUID
    lead_agent_id: UUID | None = None
    lead_agent_name: str | None = None
    lead_created: bool = False
    ok: bool = True


class GatewayLeadBroadcastRequest(Model):
    """A message to several leads."""

    content: NonBlank
    board_ids: list[UUID] | None = None
    correlation_id: str | None = None
    kind: Literal["question", "handoff"] = "question"
    reply_source: str | None = "lead_to_gateway_main"
    reply_tags: list[str] = Field(default_factory=list)


class GatewayLeadBroadcastBoardResult(Model):
    """What became of a broadcast on one board."""

    board_id: UUID
    error: str | None = None
    lead_agent_id: UUID | None = None
    lead_agent_name: str | None = None
    ok: bool = False


class GatewayLeadBroadcastResponse(Model):
    """What became of a broadcast."""

    failed: int = 0
    ok: bool = True
    results: list[GatewayLeadBroadcastBoardResult] = Field(default_factory=list)
    sent: int = 0
