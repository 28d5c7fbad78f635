"""Making agents: the row, its token, its event, and the gateway work that follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import func, select

from api.domain.activity import record
from api.domain.agents import rules
from api.domain.agents.lifecycle import ask_lifecycle, user_of
from api.domain.agents.tables import Agent
from api.domain.authentication.tokens import digest, mint
from api.domain.boards.tables import Board, Gateway
from api.domain.context import Context
from api.domain.errors import Code, Conflict, Invalid


@dataclass(frozen=True, slots=True)
class Issued:
    """An agent with its new token, which is shown this once."""

    agent: Agent
    token: str


async def make(
    ctx: Context, board: Board, draft: Mapping[str, Any], name: str, *, is_lead: bool = False, any_name: bool = False
) -> Issued:
    """Put an agent on a board whose row is locked; who may, and (`any_name`) which name, is the caller's question."""
    await _check_gateway(ctx, board)
    if not any_name:
        await check_name(ctx, board, name)
    if is_lead and await ctx.one(select(Agent.id).where(Agent.board_id == board.id, Agent.is_board_lead)):
        raise Conflict("The board has a lead already.")
    agent_id, moment = uuid4(), ctx.now()
    token = mint()
    agent = Agent(
        id=agent_id, board_id=board.id, gateway_id=board.gateway_id, name=name, status="provisioning",
        openclaw_session_id=rules.session_key(agent_id, board.id, board.gateway_id, is_lead=is_lead)
        if board.gateway_id else None,
        token_digest=digest(token), heartbeat_config=draft.get("heartbeat_config"),
        identity_profile=rules.identity_profile(draft.get("identity_profile"))
        or (dict(rules.LEAD_PROFILE) if is_lead else None),
        identity_template=rules.template(draft.get("identity_template")),
        soul_template=rules.template(draft.get("soul_template")),
        is_board_lead=is_lead, created_at=moment, updated_at=moment, announced_status="provisioning",
    )  # fmt: skip
    ctx.add(agent)
    await ctx.flush()
    if board.gateway_id is not None:
        ask_lifecycle(ctx, agent, "provision", reset_session=not is_lead, user_id=user_of(ctx))
    row = record(ctx, "agent.created", f"Agent created: {agent.name}", board_id=board.id, agent_id=agent.id)
    await ctx.flush()
    emit(ctx, "agent.created", agent, board.organization_id, row.id)
    return Issued(agent, token)


async def _free_name(ctx: Context, board: Board, name: str, besides: UUID | None) -> str:
    """The name, with a number behind it when another agent of the board has it."""
    taken = {
        row.name.lower() for row in await ctx.all(select(Agent).where(Agent.board_id == board.id)) if row.id != besides
    }
    found, number = name, 2
    while found.lower() in taken:
        found, number = f"{name} {number}", number + 1
    return found


async def ensure_lead(ctx: Context, board: Board, name: str, profile: Mapping[str, Any]) -> Agent:
    """The board's lead under this name; one that exists keeps its profile. The board's row is locked."""
    lead: Agent | None = await ctx.one(
        select(Agent).where(Agent.board_id == board.id, Agent.is_board_lead.is_(True)).with_for_update(key_share=True)
    )
    text = await _free_name(ctx, board, rules.name(name), besides=lead.id if lead is not None else None)
    if lead is None:
        draft = {"identity_profile": {**rules.LEAD_PROFILE, **profile}, "heartbeat_config": None}
        draft["heartbeat_config"] = rules.heartbeat_config(None)
        return (await make(ctx, board, draft, text, is_lead=True, any_name=True)).agent
    if lead.name != text:
        before, lead.name, lead.updated_at = lead.name, text, ctx.now()
        if lead.gateway_id is not None:
            ask_lifecycle(ctx, lead, "update", user_id=user_of(ctx))
        changes = [{"field": "name", "before": before, "after": text}]
        emit(ctx, "agent.updated", lead, board.organization_id, changes=changes)
    return lead


def emit(
    ctx: Context, kind: str, agent: Agent, organization_id: UUID | None, activity_id: UUID | None = None,
    changes: list[dict[str, Any]] | None = None,
) -> None:  # fmt: skip
    """An event about an agent."""
    ctx.emit(
        kind, subject_id=agent.id, board_id=agent.board_id, organization_id=organization_id, activity_id=activity_id,
        changes=changes,
    )  # fmt: skip


async def _check_gateway(ctx: Context, board: Board) -> None:
    if board.gateway_id is None:
        return
    gateway = await ctx.one(
        select(Gateway).where(Gateway.id == board.gateway_id, Gateway.organization_id == board.organization_id)
    )
    if gateway is None:
        raise Invalid("The board's gateway is not one of its organisation.")
    if not gateway.workspace_root.strip():
        raise Invalid("The board's gateway has no workspace_root.")
    if not gateway.url.strip():
        raise Invalid("The board's gateway has no url.")


async def check_name(ctx: Context, board: Board, name: str, besides: UUID | None = None) -> None:
    """Raise `NAME_TAKEN` when another agent of the board or its gateway has the name."""
    same = (func.lower(Agent.name) == name.lower()) & (Agent.id != (besides or UUID(int=0)))
    if await ctx.one(select(Agent.id).where(same, Agent.board_id == board.id).limit(1)):
        raise Conflict("An agent of this board has this name.", code=Code.NAME_TAKEN)
    if board.gateway_id is not None:
        await ctx.lock_key("agent-names", board.gateway_id)
        others = select(Board.id).where(Board.gateway_id == board.gateway_id)
        if await ctx.one(select(Agent.id).where(same, Agent.board_id.in_(others)).limit(1)):
            raise Conflict("An agent of this gateway has this name.", code=Code.NAME_TAKEN)
