"""What an agent's workspace says: its variables, read from the tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select

from api.domain.agents.lifecycle import key_of
from api.domain.agents.tables import Agent
from api.domain.boards.tables import Board, Gateway
from api.domain.context import Context
from api.domain.organizations.tables import OrganizationMember
from api.domain.users.tables import User
from api.gateway.compat import Dialect
from api.gateway.provisioning.files import VARIABLES, AgentKind, render
from api.gateway.provisioning.workspace import Workspace

RULES = (
    "require_approval_for_done", "require_review_before_done", "comment_required_for_review",
    "block_status_changes_with_pending_approval", "only_lead_can_change_status",
)  # fmt: skip
IDENTITY = {"role": "Generalist", "communication_style": "direct, concise, practical", "emoji": ":gear:"}
PROFILE = (
    "autonomy_level", "verbosity", "output_format", "update_cadence", "purpose", "personality", "custom_instructions",
)  # fmt: skip


def kind_of(agent: Agent) -> AgentKind:
    """Which set of files an agent has."""
    if agent.board_id is None:
        return AgentKind.MAIN
    return AgentKind.LEAD if agent.is_board_lead else AgentKind.WORKER


def place_of(agent: Agent, gateway: Gateway) -> str:
    """An agent's folder on its gateway."""
    return Workspace.place(gateway.workspace_root.strip(), kind_of(agent), key_of(agent))


def main_session(gateway_id: UUID) -> str:
    """The session of a gateway's main agent."""
    return f"agent:mc-gateway-{gateway_id}:main"


async def person_for(ctx: Context, organization_id: UUID, user_id: UUID | None) -> User | None:
    """Whom an agent works for: the person named, else the organisation's first owner."""
    if user_id is not None:
        found: User | None = await ctx.one(select(User).where(User.id == user_id))
        if found is not None:
            return found
    owner = (
        select(User).join(OrganizationMember, OrganizationMember.user_id == User.id)
        .where(OrganizationMember.organization_id == organization_id, OrganizationMember.role == "owner")
        .order_by(OrganizationMember.created_at, OrganizationMember.id).limit(1)
    )  # fmt: skip
    owner_row: User | None = await ctx.one(owner)
    return owner_row


async def wanted(
    ctx: Context, agent: Agent, gateway: Gateway, token: str, dialect: Dialect, user_id: UUID | None = None
) -> Workspace:
    """Everything an agent shall be on its gateway."""
    board: Board | None = await ctx.one(select(Board).where(Board.id == agent.board_id)) if agent.board_id else None
    user = await person_for(ctx, gateway.organization_id, user_id)
    kind, path = kind_of(agent), place_of(agent, gateway)
    values = variables(agent, gateway, board, user, base_url=ctx.settings.public_url, token=token)
    values["workspace_path"] = path if board is not None else ""
    files = render(kind, values, dialect, identity=agent.identity_template, soul=agent.soul_template)
    return Workspace(
        kind, key_of(agent), agent.openclaw_session_id or main_session(gateway.id), agent.name, path, files,
        agent.heartbeat_config or {},
    )  # fmt: skip


def variables(
    agent: Agent, gateway: Gateway, board: Board | None, user: User | None, *, base_url: str, token: str
) -> dict[str, str]:
    """Every variable of the templates, as text."""
    found = dict.fromkeys(VARIABLES, "")
    profile: Mapping[str, Any] = agent.identity_profile or {}
    found.update(
        agent_name=agent.name, agent_id=str(agent.id), session_key=agent.openclaw_session_id or "",
        main_session_key=main_session(gateway.id), base_url=base_url.rstrip("/"), auth_token=token,
        workspace_root=gateway.workspace_root, is_main_agent=_flag(board is None),
        is_board_lead=_flag(agent.is_board_lead),
    )  # fmt: skip
    found.update({f"identity_{name}": str(profile.get(name) or default) for name, default in IDENTITY.items()})
    found.update({f"identity_{name}": str(profile.get(name) or "") for name in PROFILE})
    if board is not None:
        found.update(
            board_id=str(board.id), board_name=board.name, board_type=board.board_type,
            board_objective=board.objective or "",
            board_success_metrics=json.dumps(board.success_metrics or {}, ensure_ascii=False),
            board_target_date=board.target_date.isoformat() if board.target_date else "",
            board_goal_confirmed=_flag(board.goal_confirmed), board_rule_max_agents=str(board.max_agents),
        )  # fmt: skip
        found.update({f"board_rule_{name}": _flag(getattr(board, name)) for name in RULES})
    if user is not None:
        name = (user.name or "").strip()
        email = (user.email or "").strip()
        preferred = (user.preferred_name or "").strip() or name
        found.update(
            user_name=name or email, user_pronouns=user.pronouns or "", user_timezone=user.timezone or "",
            user_preferred_name=preferred.split()[0] if preferred else email.partition("@")[0],
            user_notes=user.notes or "", user_context=user.context or "",
        )  # fmt: skip
    return found


def _flag(value: bool) -> str:
    return "true" if value else "false"
