"""Leads and main agents speak to each other and to people: nudge, ask the user, messages to leads, souls.

What is said is a durable message, written with the change itself; it reaches a session when the gateway is there.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select

from api.domain import access
from api.domain.activity import record
from api.domain.actor import Agent as AgentActor
from api.domain.agents import making
from api.domain.agents.lifecycle import ask_lifecycle, key_of
from api.domain.agents.operations import organization_of, reachable
from api.domain.agents.tables import Agent
from api.domain.boards.operations import find as find_board
from api.domain.boards.tables import Board, Gateway
from api.domain.context import Context
from api.domain.errors import Code, DomainError, Forbidden, Invalid, NotFound, field_error
from api.domain.gateways.jobs import ANSWER_SECONDS, outcome
from api.domain.gateways.operations import call, ensure_main
from api.domain.gateways.reading import text_of
from api.domain.jobs import Job

USER_TAGS, USER_SOURCE = ("gateway_main", "user_reply"), "user_via_gateway_main"
LEAD_TAGS, LEAD_SOURCE = ("gateway_main", "lead_reply"), "lead_to_gateway_main"


@dataclass(slots=True)
class Told:
    """A message to a board's lead, or why there is none."""

    board_id: UUID
    agent: Agent | None = None
    created: bool = False
    error: str | None = None


def _text(value: Any, name: str) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not text:
        raise field_error(name, f"{name} must not be blank", value, "string_too_short")
    return text


async def _on_board(ctx: Context, board_id: UUID, agent_id: UUID) -> Agent:
    """An agent of the board. Raises `NotFound` for all others, main agents among them."""
    agent: Agent | None = await ctx.one(select(Agent).where(Agent.id == agent_id, Agent.board_id == board_id))
    if agent is None:
        raise NotFound()
    return agent


async def _lead_of(ctx: Context, board_id: UUID) -> tuple[AgentActor, Board]:
    board = access.write_board(ctx.actor, await find_board(ctx, board_id))
    actor = access.lead(ctx.actor)
    if actor.board_id != board.id:
        raise Forbidden("Only the lead of this board may do this.")
    return actor, board


async def _gateway_of(ctx: Context, board: Board) -> Gateway:
    found = select(Gateway).where(Gateway.id == board.gateway_id)
    gateway: Gateway | None = await ctx.one(found) if board.gateway_id else None
    if gateway is None or gateway.organization_id != board.organization_id or not gateway.url.strip():
        raise Invalid("The board has no usable gateway.", code=Code.GATEWAY_REQUIRED)
    return gateway


async def nudge(ctx: Context, board_id: UUID, agent_id: UUID, message: str) -> Agent:
    """The lead's words into the session of an agent of its board, as they are."""
    actor, board = await _lead_of(ctx, board_id)
    agent = await _on_board(ctx, board.id, agent_id)
    text = _text(message, "message")
    async with ctx.write():
        told = ctx.tell(agent.id, "nudge", text, board_id=board.id, deliver=True, data={"sender_id": str(actor.id)})
        ctx.emit("agent.nudged", subject_id=agent.id, board_id=board.id, organization_id=board.organization_id)
    if agent.gateway_id is not None:
        await outcome(ctx, [told])
    return agent


# -- souls -----------------------------------------------------------------------------------------------------------


async def soul(ctx: Context, agent_id: UUID, board_id: UUID | None = None) -> str:
    """An agent's soul as it is on its gateway, else what is stored; for its lead, itself and people."""
    actor = access.signed_in(ctx.actor)
    if isinstance(actor, AgentActor) and actor.id == agent_id:
        agent = await ctx.one(select(Agent).where(Agent.id == agent_id))
    elif board_id is not None:
        agent = await _on_board(ctx, board_id, agent_id)
    else:
        agent = await reachable(ctx, agent_id, write=False)
    if agent is None:
        raise NotFound()
    if isinstance(actor, AgentActor) and actor.id != agent.id and not actor.is_lead:
        raise Forbidden("A soul is for its agent and the board's lead.")
    writing = select(Job.id).where(
        Job.agent_id == agent.id, Job.kind == "lifecycle", Job.text != "wake", Job.state.in_(("waiting", "running"))
    )
    if agent.gateway_id is None or (agent.soul_template and await ctx.one(writing.limit(1)) is not None):
        return agent.soul_template or ""
    try:
        answer = await call(ctx, agent.gateway_id, "agents.files.get", {"agentId": key_of(agent), "name": "SOUL.md"})
    except DomainError as error:
        # What the gateway said is not for agents.
        raise DomainError("The soul could not be read from the gateway.", code=error.code) from None
    found = text_of(answer)
    if found is None:
        raise DomainError("The gateway answered without the text.", code=Code.UPSTREAM_FAILED)
    return found


async def write_soul(
    ctx: Context, board_id: UUID, agent_id: UUID, content: str, reason: str | None = None, source_url: str | None = None
) -> Agent:
    """The lead gives an agent of its board another soul: stored as it is; a job writes it to the gateway."""
    actor, board = await _lead_of(ctx, board_id)
    await _on_board(ctx, board.id, agent_id)
    text = _text(content, "content")
    async with ctx.write():
        agent: Agent = await ctx.one(
            select(Agent).where(Agent.id == agent_id).with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )  # type: ignore[assignment]  # fmt: skip
        agent.soul_template, agent.updated_at = text, ctx.now()
        await ctx.flush()
        making.emit(ctx, "agent.updated", agent, board.organization_id)
        if agent.gateway_id is not None:
            ask_lifecycle(ctx, agent, "files", wake=False, reset_session=False)
        why = "".join(f" {label}: {value.strip()}" for label, value in (("Reason", reason), ("Source", source_url))
                      if value and value.strip())  # fmt: skip
        record(ctx, "agent.soul.updated", f"Soul of {agent.name} changed.{why}", agent_id=actor.id, board_id=board.id)
    return agent


# -- lead → person, main agent → leads -------------------------------------------------------------------------------


def _reply(ctx: Context, board_id: UUID, tags: Sequence[str], source: str) -> list[str]:
    """How an answer is given: as memory of the board, not as chat."""
    shown = ", ".join(f'"{tag}"' for tag in tags)
    return [
        "", "Answer as memory of the board, not in this chat:",
        f"POST {ctx.settings.public_url}/api/v1/agent/boards/{board_id}/memory",
        f'{{"content": "…", "tags": [{shown}], "source": "{source}"}}',
    ]  # fmt: skip


async def ask_user(ctx: Context, board_id: UUID, draft: Mapping[str, Any]) -> tuple[UUID, Agent]:
    """The lead asks the person through the main agent of its board's gateway."""
    actor, board = await _lead_of(ctx, board_id)
    text = _text(draft.get("content"), "content")
    gateway = await _gateway_of(ctx, board)
    tags, source = draft.get("reply_tags") or USER_TAGS, draft.get("reply_source") or USER_SOURCE
    optional = [("Correlation id", draft.get("correlation_id")), ("Preferred channel", draft.get("preferred_channel"))]
    lines = [
        "LEAD REQUEST: ASK USER", f"Board: {board.name}", f"Board id: {board.id}", f"From lead: {actor.name}",
        *(f"{label}: {value.strip()}" for label, value in optional if value and value.strip()), "", text, "",
        "Reach the person on your channels; if you cannot, put the question into the board's chat.",
        *_reply(ctx, board.id, tags, source),
    ]  # fmt: skip
    async with ctx.write():
        known = select(Agent).where(Agent.gateway_id == gateway.id, Agent.board_id.is_(None))
        main: Agent = await ctx.one(known) or await ensure_main(ctx, gateway)
        told = ctx.tell(
            main.id, "ask_user", "\n".join(lines), board_id=board.id, deliver=True, data={"sender_id": str(actor.id)}
        )
        ctx.emit("board.user_asked", subject_id=board.id, board_id=board.id, organization_id=board.organization_id)
    await outcome(ctx, [told])
    return board.id, main


async def _main(ctx: Context) -> tuple[AgentActor, Gateway]:
    """The caller as the main agent of its gateway."""
    actor = access.an_agent(ctx.actor)
    if not actor.is_main:
        raise Forbidden("Only the main agent of a gateway may do this.")
    gateway = await ctx.one(select(Gateway).where(Gateway.id == actor.gateway_id))
    if gateway is None:
        raise Forbidden("The gateway of this main agent is gone.")
    if not gateway.url.strip():
        raise Invalid("The gateway has no url.", code=Code.GATEWAY_REQUIRED)
    return actor, gateway


async def message_lead(ctx: Context, board_id: UUID, draft: Mapping[str, Any]) -> Told:
    """The main agent's question or hand-over to the lead of a board of its gateway; a missing lead is made."""
    actor, gateway = await _main(ctx)
    _text(draft.get("content"), "content")
    board = await find_board(ctx, board_id)
    if board is None or board.organization_id != gateway.organization_id:
        raise NotFound()
    if board.gateway_id != gateway.id:
        raise Forbidden("The board is on another gateway.")
    told, job_id = await _tell_lead(ctx, actor, board, draft)
    if not told.created:
        await outcome(ctx, [job_id])
    return told


async def broadcast(ctx: Context, draft: Mapping[str, Any]) -> list[Told]:
    """The same to every board of the gateway, or to those named; what fails with one does not stop the others."""
    actor, gateway = await _main(ctx)
    _text(draft.get("content"), "content")
    named = draft.get("board_ids") or []
    statement = select(Board).where(Board.gateway_id == gateway.id).order_by(Board.created_at.desc(), Board.id)
    boards = await ctx.all(statement.where(Board.id.in_(named)) if named else statement)
    await ctx.end_moment()
    found, sent_jobs = [], []
    for board in boards:
        try:
            told, job_id = await _tell_lead(ctx, actor, board, draft)
            sent_jobs.append((told, job_id))
        except DomainError as error:
            told = Told(board.id, error=error.message)
        found.append(told)
    deadline = time.monotonic() + ANSWER_SECONDS
    for told, job_id in sent_jobs:
        try:
            await outcome(ctx, [job_id], 0.0 if told.created else max(0.0, deadline - time.monotonic()))
        except DomainError as error:
            told.error = error.message
    here = {board.id for board in boards}
    found += [Told(one, error="The board is not on this gateway.") for one in dict.fromkeys(named) if one not in here]
    sent = sum(one.error is None for one in found)
    async with ctx.write():
        record(ctx, "gateway.main.lead_broadcast.sent", f"Told {sent} leads, {len(found) - sent} failed.",
               agent_id=actor.id)  # fmt: skip
    return found


async def _tell_lead(ctx: Context, actor: AgentActor, board: Board, draft: Mapping[str, Any]) -> tuple[Told, UUID]:
    kind = draft.get("kind") or "question"
    tags, source = draft.get("reply_tags") or LEAD_TAGS, draft.get("reply_source") or LEAD_SOURCE
    correlation = (draft.get("correlation_id") or "").strip()
    lines = [
        f"GATEWAY MAIN {kind.upper()}", f"Board: {board.name}", f"Board id: {board.id}", f"From: {actor.name}",
        *([f"Correlation id: {correlation}"] if correlation else []), "", _text(draft.get("content"), "content"),
        *_reply(ctx, board.id, tags, source),
    ]  # fmt: skip
    async with ctx.write():
        await ctx.one(select(Board.id).where(Board.id == board.id).with_for_update(key_share=True))
        lead: Agent | None = await ctx.one(select(Agent).where(Agent.board_id == board.id, Agent.is_board_lead))
        created = lead is None
        if lead is None:
            lead = await making.ensure_lead(ctx, board, "Lead Agent", {})
        job_id = ctx.tell(
            lead.id, "lead.message", "\n".join(lines), board_id=board.id, data={"sender_id": str(actor.id)}
        )
        ctx.emit("agent.told", subject_id=lead.id, board_id=board.id, organization_id=board.organization_id)
    return Told(board.id, lead, created), job_id


__all__ = ["Told", "ask_user", "broadcast", "message_lead", "nudge", "organization_of", "soul", "write_soul"]
