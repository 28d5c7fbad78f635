"""Approvals: what a request must hold, which tasks it is about, and what a decision does. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any
from uuid import UUID

from api.domain.errors import field_error


class ApprovalStatus(StrEnum):
    """Where an approval stands."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"


def with_reasoning(payload: Mapping[str, Any] | None, lead_reasoning: str | None) -> dict[str, Any] | None:
    """The payload to store. The reason stands in `payload.reason`, `payload.decision.reason` or comes separately."""
    stored = dict(payload) if payload is not None else None
    if _said(stored.get("reason") if stored else None):
        return stored
    decision = stored.get("decision") if stored else None
    if isinstance(decision, Mapping) and _said(decision.get("reason")):
        return stored
    if _said(lead_reasoning):
        assert lead_reasoning is not None
        return {**(stored or {}), "reason": lead_reasoning.strip()}
    raise field_error("", "lead reasoning is required")


def _said(text: Any) -> bool:
    return isinstance(text, str) and bool(text.strip())


def linked_tasks(
    task_id: UUID | None, task_ids: Sequence[UUID] | None, payload: Mapping[str, Any] | None
) -> list[UUID]:
    """The tasks a request is about, first mention first: `task_id`, `task_ids`, then those inside the payload."""
    found = [task_id] if task_id else []
    found += task_ids or []
    payload = payload or {}
    for name in ("task_ids", "taskIds", "taskIDs"):
        if isinstance(payload.get(name), list):
            found += filter(None, map(_uuid, payload[name]))
    for name in ("task_id", "taskId", "taskID"):
        if (one := _uuid(payload.get(name))) is not None:
            found.append(one)
    return list(dict.fromkeys(found))


def _uuid(value: Any) -> UUID | None:
    if isinstance(value, UUID):
        return value
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to an approval."""

    status: ApprovalStatus
    resolved_at: datetime | None
    changed: bool
    #: Back to pending: the tasks must be free of other pending approvals.
    reopens: bool = False
    #: The lead and the asking agent are told.
    told: bool = False


def decide(present: str, resolved_at: datetime | None, wanted: ApprovalStatus, now: datetime) -> Decision:
    """A decision from any status to any; pending to pending is nothing, re-opening keeps the time of the last one."""
    if wanted is ApprovalStatus.PENDING:
        reopens = present != wanted.value
        return Decision(wanted, resolved_at, changed=reopens, reopens=reopens)
    changed = present != wanted.value
    return Decision(wanted, now, changed=changed, told=changed)


# -- what a lead should ask for --------------------------------------------------------------------------------------


def confidence(rubric_scores: Mapping[str, int]) -> float:
    """The confidence that rubric scores add up to (100 in total)."""
    return float(sum(rubric_scores.values()))


def needs_approval(confidence: float, *, is_external: bool, is_risky: bool) -> bool:
    """External or risky actions always, others below a confidence of 80."""
    return is_external or is_risky or confidence < 80


def is_planning(*signals: bool) -> bool:
    """At least two signals say that a goal is still being planned."""
    return sum(map(bool, signals)) >= 2


def fingerprint(board_id: UUID, title: str, description: str | None) -> str:
    """The same work asked for twice has the same fingerprint."""
    text = f"{board_id}::{title.strip().lower()}::{(description or '').strip().lower()}"
    return sha256(text.encode()).hexdigest()
