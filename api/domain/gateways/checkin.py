"""Agents that were woken and do not check in, or are being set up for too long."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select

from api.domain.actor import SYSTEM
from api.domain.agents.lifecycle import ask_lifecycle
from api.domain.agents.tables import Agent
from api.domain.context import Context, Services
from api.domain.gateways.lifecycle import WAKES, tell_status
from api.domain.gateways.operations import links
from api.domain.jobs import Job

BATCH = 200
#: How long an agent may be shown as being set up or changed.
SETTING_UP = timedelta(minutes=10)

_UNDER_WAY = select(Job.id).where(
    Job.agent_id == Agent.id, Job.kind == "lifecycle", Job.state.in_(("waiting", "running"))
)  # fmt: skip


async def wake_again(services: Services, clock: Any = None) -> int:
    """Wake agents whose deadline has passed, `WAKES` times in all; then they are offline. Returns how many."""
    ctx = Context(services, actor=SYSTEM, **({"clock": clock} if clock else {}))
    async with ctx.write():
        agents = await ctx.all(
            select(Agent).where(Agent.checkin_deadline_at < ctx.now(), ~_UNDER_WAY.exists())
            .order_by(Agent.id).limit(BATCH).with_for_update(skip_locked=True, key_share=True)
        )  # fmt: skip
        for agent in agents:
            agent.checkin_deadline_at = None
            seen, woken = agent.last_seen_at, agent.last_wake_sent_at
            if woken is None or (seen is not None and seen >= woken):
                agent.wake_attempts = 0
                continue
            if agent.wake_attempts >= WAKES:
                agent.status = "offline"
                agent.last_provision_error = (
                    f"Woken {agent.wake_attempts} times, it has not checked in. Look at its session on the gateway; "
                    "update it with force to begin anew."
                )
                await tell_status(ctx, agent)
            else:
                ask_lifecycle(ctx, agent, "wake")
    return len(agents)


def is_lost(failure: str | None) -> bool:
    """Whether a turn ended because the gateway's configuration changed; its words are all that tells."""
    return failure is not None and "superseded" in failure


async def turn_was_lost(services: Services, gateway_id: UUID, session_key: str) -> None:
    """Wake an agent whose turn its gateway has ended before it began; its message is in the history, and unread.

    Not when the next message begins a turn anyway, or when it is being woken already.
    """
    ctx = Context(services, actor=SYSTEM)
    async with ctx.write():
        agent: Agent | None = await ctx.one(
            select(Agent).where(
                Agent.gateway_id == gateway_id, Agent.openclaw_session_id == session_key, ~_UNDER_WAY.exists(),
                or_(Agent.checkin_deadline_at.is_(None), Agent.last_seen_at >= Agent.last_wake_sent_at),
                ~select(Job.id).where(
                    Job.agent_id == Agent.id, Job.kind == "message", Job.state == "waiting").exists(),
            ).with_for_update(key_share=True)
        )  # fmt: skip
        if agent is not None:
            ask_lifecycle(ctx, agent, "wake", wanted=True)
    services.hub.wake()


async def give_up_waiting(services: Services, clock: Any = None) -> int:
    """Show agents as offline, with the reason, whose gateway has not set them up in time. Returns how many.

    The job stays, and finishes it when the gateway is back.
    """
    ctx = Context(services, actor=SYSTEM, **({"clock": clock} if clock else {}))
    since = ctx.now() - SETTING_UP
    async with ctx.write():
        agents = await ctx.all(
            select(Agent).where(Agent.gateway_id.is_not(None), or_(
                Agent.status.in_(("provisioning", "updating")) & (Agent.provision_requested_at < since),
                # Set up, and then nobody could wake it.
                Agent.last_seen_at.is_(None) & Agent.last_provision_error.is_(None) & (Agent.updated_at < since)
                & (Agent.checkin_deadline_at.is_(None) | (Agent.checkin_deadline_at < since)),
            )).order_by(Agent.id).limit(BATCH).with_for_update(skip_locked=True, key_share=True)
        )  # fmt: skip
        known = await links(ctx, list({agent.gateway_id for agent in agents}))
        for agent in agents:
            agent.status, agent.checkin_deadline_at = "offline", None
            link = known.get(agent.gateway_id) if agent.gateway_id else None
            why = agent.last_provision_error or (link and link.error) or "The gateway did not take it up."
            agent.last_provision_error = f"Not set up within {SETTING_UP.seconds // 60} minutes: {why}"
            await tell_status(ctx, agent)
    return len(agents)
