"""What a board must be like: pure checks of create and update."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.domain.errors import Invalid, field_error

#: Columns that never become null; an explicit null for one of them is an error.
REQUIRED = {
    "name", "slug", "description", "board_type", "goal_confirmed", "require_approval_for_done",
    "require_review_before_done", "comment_required_for_review", "block_status_changes_with_pending_approval",
    "only_lead_can_change_status", "max_agents",
}  # fmt: skip


def check_fields(change: Mapping[str, Any]) -> None:
    """Nulls, blank descriptions and negative limits."""
    for name in sorted(REQUIRED & change.keys()):
        if change[name] is None:
            raise field_error(name, f"{name} must not be null")
    metrics = change.get("success_metrics")
    if metrics is not None and not isinstance(metrics, Mapping):
        raise field_error("success_metrics", "success_metrics must be an object", metrics)
    if "description" in change and not change["description"].strip():
        raise field_error("description", "description must not be blank", change["description"])
    for name in ("max_agents", "stalled_release_minutes"):
        if (value := change.get(name)) is not None and not 0 <= value < 2**31:
            raise field_error(name, f"{name} must be between 0 and 2147483647", value)


def check_goal(board_type: str, confirmed: bool, objective: str | None, metrics: Mapping[str, Any] | None) -> None:
    """A confirmed goal board says what it is for and how success is measured."""
    if board_type == "goal" and confirmed and not (objective and objective.strip() and metrics):
        raise field_error("", "Confirmed goal boards require objective and success_metrics")


def check_gateway(known: bool, has_main_agent: bool) -> None:
    """A named gateway must be the organisation's and own a main agent."""
    if not known:
        raise Invalid("gateway_id is invalid: there is no such gateway in this organisation.")
    if not has_main_agent:
        raise Invalid("The gateway has no gateway main agent yet; create it first.")
