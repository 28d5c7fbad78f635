"""Agents: the status people see, and what profiles and heartbeats may hold. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from api.domain.errors import Code, Conflict, Forbidden, Invalid, field_error

OFFLINE_AFTER = timedelta(minutes=10)
TOUCH_EVERY = timedelta(seconds=30)
DEFAULT_HEARTBEAT: Mapping[str, Any] = {"every": "10m", "target": "last", "includeReasoning": False}
LEAD_PROFILE: Mapping[str, Any] = {
    "role": "Board Lead", "communication_style": "direct, concise, practical", "emoji": ":gear:",
}  # fmt: skip
#: Statuses that the server sets; a heartbeat may not claim them.
RESERVED = {"updating", "deleting", "provisioning"}
_EVERY = re.compile(r"\d+(\.\d+)?\s*(s|m|h|d|w)")


def shown_status(agent: Any, now: datetime) -> str:
    """The status that answers show; computed at reading, never stored."""
    if agent.status in ("updating", "deleting"):
        return str(agent.status)
    if agent.last_seen_at is None:
        given_up = agent.last_provision_error and agent.checkin_deadline_at is None
        return "offline" if given_up else "provisioning"
    if now - agent.last_seen_at > OFFLINE_AFTER:
        return "offline"
    return str(agent.status)


def identity_profile(value: Any) -> dict[str, str] | None:
    """A profile as it is stored: texts, trimmed; lists joined with commas; blanks dropped; nothing left is null."""
    if not isinstance(value, Mapping):
        return None
    found = {}
    for key, entry in value.items():
        name = str(key).strip()
        if isinstance(entry, list):
            text = ", ".join(part for part in (str(item).strip() for item in entry) if part)
        else:
            text = "" if entry is None else str(entry).strip()
        if name and text:
            found[name] = text
    return found or None


def heartbeat_config(value: Any) -> dict[str, Any]:
    """A heartbeat configuration; null is the default. `every` is a number with a unit."""
    if value is None:
        return dict(DEFAULT_HEARTBEAT)
    if not isinstance(value, Mapping):
        raise field_error("heartbeat_config", "heartbeat_config must be an object", value)
    every = value.get("every")
    if every is not None and not (isinstance(every, str) and _EVERY.fullmatch(every.strip())):
        raise field_error("heartbeat_config", "every must be a number with s, m, h, d or w, like 10m", value)
    return dict(value)


def template(value: str | None) -> str | None:
    """A custom identity or soul: plain text, trimmed; blank is null."""
    return (value or "").strip() or None


def name(value: Any) -> str:
    """A trimmed name that is not blank."""
    text = value.strip() if isinstance(value, str) else ""
    if not text:
        raise field_error("name", "name must not be blank", value, "string_too_short")
    return text


def heartbeat_status(stored: str, sent: str | None) -> str:
    """The stored status after a heartbeat."""
    text = (sent or "").strip()
    if text in RESERVED:
        raise Invalid(f"The status {text!r} is set by the server.")
    if text:
        return text
    return "online" if stored in ("provisioning", "updating", "offline") else stored


def check_limit(workers: int, max_agents: int) -> None:
    """A lead makes workers up to the board's limit; the lead itself does not count."""
    if workers >= max_agents:
        raise Conflict(
            f"The board has reached its limit of workers (max_agents={max_agents}, the lead is not counted).",
            code=Code.AGENT_LIMIT_REACHED, max_agents=max_agents,
        )  # fmt: skip


def session_key(agent_id: UUID, board_id: UUID | None, gateway_id: UUID | None, *, is_lead: bool) -> str:
    """The gateway session of an agent; a rename keeps it."""
    if board_id is None:
        return f"agent:mc-gateway-{gateway_id}:main"
    return f"agent:lead-{board_id}:main" if is_lead else f"agent:mc-{agent_id}:main"


def refuse_status(change: Mapping[str, Any]) -> None:
    """The status of an agent is reported by the agent, not set by people."""
    if "status" in change:
        raise Forbidden("The status of an agent cannot be set.")
