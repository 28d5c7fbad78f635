"""The query parameters of the REST routes."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pydantic import Field

from api.domain.errors import Invalid
from api.rest_compat.wire import Decision, Model, RangeKey, Status


class NoQuery(Model):
    """A route without query parameters."""


class PageQuery(Model):
    """Which stretch of a list."""

    limit: int = Field(200, ge=1, le=200)
    offset: int = Field(0, ge=0, lt=2**63)


class BoardQuery(PageQuery):
    """Which boards."""

    gateway_id: UUID | None = None
    board_group_id: UUID | None = None


class TaskQuery(PageQuery):
    """Which tasks; `status` is a comma-separated list."""

    status: str | None = None
    assigned_agent_id: UUID | None = None
    unassigned: bool | None = None

    def bound(self) -> dict[str, Any]:
        """The arguments for the resolver. Raises `Invalid` for an unknown status."""
        values = self.model_dump()
        words = [word.strip() for word in (self.status or "").split(",") if word.strip()]
        unknown = [word for word in words if word not in Status.__args__]  # type: ignore[attr-defined]
        if unknown:
            raise Invalid(f"Unknown status {unknown[0]!r}; known are {', '.join(Status.__args__)}.")  # type: ignore[attr-defined]
        return {**values, "status": words or None}


class ApprovalQuery(PageQuery):
    """Which approvals."""

    status: Decision | None = None


class MemoryQuery(PageQuery):
    """Which entries."""

    is_chat: bool | None = None


class AgentQuery(PageQuery):
    """Which agents, as agents ask."""

    board_id: UUID | None = None


class UserAgentQuery(AgentQuery):
    """Which agents, as people ask."""

    gateway_id: UUID | None = None


class ForceQuery(Model):
    """Whether to set an agent up again although nothing changed."""

    force: bool = False


class StreamQuery(Model):
    """From when; unreadable times count as now."""

    since: str | None = None


class MemoryStreamQuery(StreamQuery):
    """From when, and which entries."""

    is_chat: bool | None = None


class AgentStreamQuery(StreamQuery):
    """From when, and of which board."""

    board_id: UUID | None = None


class PayloadQuery(Model):
    """How much of a payload."""

    max_chars: int | None = Field(None, ge=1, le=1_000_000)


class GroupSnapshotQuery(Model):
    """How much a group's snapshot shows."""

    include_done: bool = False
    per_board_task_limit: int = 5


class BoardGroupSnapshotQuery(Model):
    """How much a snapshot of a board's group shows."""

    include_self: bool = False
    include_done: bool = False
    per_board_task_limit: int = Field(5, ge=0, le=100)


class CommentFeedQuery(PageQuery):
    """Which comments."""

    board_id: UUID | None = None


class CommentStreamQuery(StreamQuery):
    """From when, and of which board."""

    board_id: UUID | None = None


class DashboardQuery(Model):
    """Which window and boards the dashboard is about."""

    range_key: RangeKey = "24h"
    board_id: UUID | None = None
    group_id: UUID | None = None


class GatewayQuery(Model):
    """Which gateway."""

    gateway_id: UUID


class SessionQuery(Model):
    """Through which board's gateway."""

    board_id: UUID | None = None


class GatewayStatusQuery(SessionQuery):
    """Which gateway: a board's, or one by its address."""

    gateway_url: str | None = None
    gateway_token: str | None = None
    gateway_disable_device_pairing: bool | None = None
    gateway_allow_insecure_tls: bool | None = None


class SyncQuery(Model):
    """Which agents get their files anew, and how."""

    include_main: bool = True
    lead_only: bool = False
    reset_sessions: bool = False
    rotate_tokens: bool = False
    force_bootstrap: bool = False
    overwrite: bool = False
    board_id: UUID | None = None

    def bound(self) -> dict[str, Any]:
        """The flags as one argument."""
        return {"flags": self.model_dump()}


class InboxQuery(Model):
    """From where, and how many."""

    after: str | None = None
    limit: int = Field(50, ge=1, le=200)


class SkillQuery(GatewayQuery):
    """Which skills, for which gateway; counted only with a limit."""

    search: str | None = None
    category: str | None = None
    risk: str | None = None
    pack_id: UUID | None = None
    limit: int | None = Field(None, ge=1, le=200)
    offset: int = Field(0, ge=0, lt=2**63)


class SoulQuery(Model):
    """Which souls."""

    q: str = Field("", min_length=0)
    limit: int = Field(20, ge=1, le=100)
