"""The files of a workspace, from templates: sandboxed, plain text, an unknown variable is an error.

A gateway that takes no TOOLS.md or HEARTBEAT.md gets what they say inside AGENTS.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from api.gateway.compat import Dialect


class AgentKind(Enum):
    """What an agent is, by which its files differ."""

    MAIN = "main"
    LEAD = "lead"
    WORKER = "worker"

    @property
    def tag(self) -> str:
        """The tag of its operations in the OpenAPI document."""
        return f"agent-{self.value}"


#: Every variable that a template may use; all are text.
VARIABLES = (
    "agent_name", "agent_id", "session_key", "main_session_key", "base_url", "auth_token", "workspace_root",
    "workspace_path", "is_main_agent", "is_board_lead", "board_id", "board_name", "board_type", "board_objective",
    "board_success_metrics", "board_target_date", "board_goal_confirmed", "board_rule_require_approval_for_done",
    "board_rule_require_review_before_done", "board_rule_comment_required_for_review",
    "board_rule_block_status_changes_with_pending_approval", "board_rule_only_lead_can_change_status",
    "board_rule_max_agents", "user_name", "user_preferred_name", "user_pronouns", "user_timezone", "user_notes",
    "user_context", "identity_role", "identity_communication_style", "identity_emoji", "identity_autonomy_level",
    "identity_verbosity", "identity_output_format", "identity_update_cadence", "identity_purpose",
    "identity_personality", "identity_custom_instructions", "directory_role_soul_markdown",
    "directory_role_soul_source_url",
)  # fmt: skip
#: Bytes that the files of a kind may have in all, without what people wrote.
BUDGET = {AgentKind.WORKER: 12_288, AgentKind.LEAD: 20_480, AgentKind.MAIN: 12_288}

_ENVIRONMENT = ImmutableSandboxedEnvironment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), undefined=StrictUndefined, autoescape=False,
    keep_trailing_newline=True,
)  # fmt: skip


def render(
    kind: AgentKind, values: Mapping[str, str], dialect: Dialect, *, identity: str | None = None,
    soul: str | None = None,
) -> dict[str, str]:  # fmt: skip
    """Name → text of every file of an agent. `identity` and `soul` are people's own texts, taken as they are."""
    names = ["AGENTS.md", "HEARTBEAT.md", "IDENTITY.md", "MEMORY.md", "SOUL.md", "TOOLS.md", "USER.md"]
    if kind is AgentKind.LEAD:
        names.append("BOOTSTRAP.md")
    found = {}
    for name in names:
        template = f"AGENTS_{kind.value}.md.j2" if name == "AGENTS.md" else f"{name}.j2"
        found[name] = _ENVIRONMENT.get_template(template).render({**values, "role_tag": kind.tag}).strip()
    for name, own in (("IDENTITY.md", identity), ("SOUL.md", soul)):
        if own and own.strip():
            found[name] = own.strip()
    for name in ("HEARTBEAT.md", "TOOLS.md"):
        if name not in dialect.files:
            found["AGENTS.md"] += "\n\n#" + found.pop(name).replace("\n# ", "\n## ")
    return {name: text for name, text in sorted(found.items()) if text}


def sizes(dialect: Dialect, base_url: str) -> dict[AgentKind, dict[str, int]]:
    """Bytes of each file of each kind, with values of a usual length and nothing of what people write."""
    number = "00000000-0000-4000-8000-000000000000"
    usual = {
        "agent_name": "Agent", "agent_id": number, "session_key": f"agent:mc-{number}:main", "base_url": base_url,
        "main_session_key": f"agent:mc-gateway-{number}:main", "auth_token": "x" * 43, "board_id": number,
        "workspace_root": "~/.openclaw", "workspace_path": f"~/.openclaw/workspace-mc-{number}", "board_name": "Board",
        "identity_role": "Generalist", "identity_communication_style": "direct, concise, practical",
        "identity_emoji": ":gear:", "user_name": "Person",
    }  # fmt: skip
    values = {**dict.fromkeys(VARIABLES, ""), **usual}
    return {
        kind: {name: len(text.encode()) for name, text in render(kind, values, dialect).items()} for kind in AgentKind
    }
