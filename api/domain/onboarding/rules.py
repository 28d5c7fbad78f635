"""The conversation that sets a board up: texts, states, and what a draft means. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from api.domain.context import naive_utc
from api.domain.errors import Invalid

#: What a draft may say about the lead beside its name and profile.
STYLE = ("autonomy_level", "verbosity", "output_format", "update_cadence", "custom_instructions")
PROFILE = ("preferred_name", "pronouns", "timezone", "notes", "context")
DEFAULT_LEAD = "Lead Agent"


def message(role: str, content: str, at: datetime) -> dict[str, str]:
    """One message of the conversation."""
    return {"role": role, "content": content, "timestamp": at.isoformat()}


def compact(update: Mapping[str, Any]) -> str:
    """An agent's update as the conversation keeps it: JSON without nulls."""
    return json.dumps(without_nulls(update), separators=(",", ":"), ensure_ascii=False, default=str)


def without_nulls(value: Any) -> Any:
    """The value with all keys whose value is null left out."""
    if isinstance(value, Mapping):
        return {key: without_nulls(entry) for key, entry in value.items() if entry is not None}
    if isinstance(value, datetime):
        return value.isoformat()
    return [without_nulls(entry) for entry in value] if isinstance(value, list) else value


def normalised(update: Mapping[str, Any]) -> dict[str, Any]:
    """A draft as it is kept: texts trimmed, blank and null left out, the date in naive UTC. Raises `Invalid`."""
    found = dict(update)
    for name in ("user_profile", "lead_agent"):
        value = found.get(name)
        if value is not None and not isinstance(value, Mapping):
            raise Invalid(f"{name} must be an object.")
        found[name] = _texts(value, name) if value is not None else None
    if found.get("success_metrics") is not None and not isinstance(found["success_metrics"], Mapping):
        raise Invalid("success_metrics must be an object.")
    if isinstance(found.get("target_date"), datetime):
        found["target_date"] = naive_utc(found["target_date"])
    return without_nulls(found)  # type: ignore[no-any-return]


def _texts(value: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    for key, entry in value.items():
        if key == "identity_profile" and isinstance(entry, Mapping):
            found[key] = _texts(entry, key)
        elif isinstance(entry, str):
            found[key.strip()] = entry.strip() or None
        elif entry is not None:
            raise Invalid(f"{name}.{key} must be a text.")
    kept = {key: entry for key, entry in found.items() if entry is not None and key}
    return kept or None


def answer_text(answer: str, other: str | None) -> str:
    """An answer as one line; text that was typed follows the option."""
    return f"{answer.strip()}: {other}" if other else answer.strip()


def is_autonomous(value: Any) -> bool:
    """Whether a word says that the lead decides by itself."""
    if not isinstance(value, str):
        return False
    word = value.strip().lower().replace("_", "-")
    if word in ("autonomous", "fully-autonomous", "full-autonomy"):
        return True
    return "autonom" in word and "fully" in word


def needs_approval(draft: Mapping[str, Any] | None) -> bool:
    """Whether done needs an approval: unless the draft's lead is fully autonomous."""
    lead = (draft or {}).get("lead_agent")
    if not isinstance(lead, Mapping):
        return True
    profile = lead.get("identity_profile")
    values = [lead.get("autonomy_level")]
    if isinstance(profile, Mapping):
        values += [profile.get(key) for key in ("autonomy_level", "autonomy", "mode")]
    return not any(is_autonomous(value) for value in values)


def lead_of(draft: Mapping[str, Any] | None) -> tuple[str, dict[str, Any]]:
    """The name and identity profile that the draft wants for the lead."""
    lead = (draft or {}).get("lead_agent")
    lead = lead if isinstance(lead, Mapping) else {}
    profile = lead.get("identity_profile")
    found = dict(profile) if isinstance(profile, Mapping) else {}
    found.update({key: lead[key] for key in STYLE if lead.get(key)})
    return (lead.get("name") or DEFAULT_LEAD).strip(), found


def start_prompt(board_name: str, description: str, base_url: str, board_id: Any) -> str:
    """What the agent is told when a conversation begins."""
    endpoint = f"{base_url}/api/v1/agent/boards/{board_id}/onboarding"
    return f"""BOARD ONBOARDING REQUEST
Board: {board_name}
Description: {description.strip() or "(none yet)"}

Interview the person who made this board. Ask 6 to 10 questions in all:
- 3 to 6 about the goal: what shall be reached, how success is measured, by when.
- 1 about the name of the lead agent.
- 2 to 4 about working style: how to communicate, how much to decide alone, how often to report, which form.
- The last one asks, once, for anything else, and offers free text.
An option that expects typing has "I'll type it" in its label.

Post one question a call. Do not answer in the gateway's chat, and send no lists or markdown.
POST {endpoint} with the header X-Agent-Token: <your token>
Question: {{"question": "…", "options": [{{"id": "1", "label": "…"}}, {{"id": "2", "label": "I'll type it"}}]}}
Answers reach you as messages here. When you know enough, post the draft once:
{{"status": "complete", "board_type": "goal" or "general", "objective": "…", "success_metrics": {{"metric": "target"}},
 "target_date": "YYYY-MM-DDTHH:MM:SS" or null,
 "user_profile": {{"preferred_name": "…", "pronouns": "…", "timezone": "…", "notes": "…", "context": "…"}},
 "lead_agent": {{"name": "…", "identity_profile": {{"role": "…", "communication_style": "…"}},
  "autonomy_level": "ask_first" | "balanced" | "autonomous", "verbosity": "concise" | "balanced" | "detailed",
  "output_format": "bullets" | "mixed" | "narrative", "update_cadence": "asap" | "hourly" | "daily" | "weekly",
  "custom_instructions": "…"}}}}
A board of type goal needs an objective and success_metrics.
If a message "Additional context" comes later, work it in and post a new draft."""
