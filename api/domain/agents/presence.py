"""Signs of life: written at most every 30 seconds an agent, in a transaction of their own, beside the request."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import case, func, or_, select, update

from api.domain.actor import SYSTEM
from api.domain.actor import Agent as AgentActor
from api.domain.agents.rules import OFFLINE_AFTER, TOUCH_EVERY
from api.domain.agents.tables import Agent
from api.domain.boards.tables import Board, Gateway
from api.domain.context import Context, Services

log = structlog.get_logger(__name__)


class Presence:
    """Notes that agents are alive. `note` returns at once; `settle` waits for what is under way."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._tasks: dict[UUID, asyncio.Task[None]] = {}

    def note(self, agent: AgentActor) -> None:
        """A request of this agent was authenticated."""
        ctx = Context(self._services, actor=agent)
        fresh = agent.last_seen_at is not None and ctx.now() - agent.last_seen_at < TOUCH_EVERY
        if fresh or agent.id in self._tasks:
            return
        task = asyncio.create_task(self._write(ctx, agent), name="presence")
        self._tasks[agent.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(agent.id, None))

    async def note_id(self, agent_id: UUID) -> None:
        """A sign of life of this agent came from elsewhere."""
        agent = await self._services.authenticator.agent_by_id(agent_id)
        if agent is not None:
            self.note(agent)

    async def settle(self, agent_id: UUID) -> None:
        """Wait until a noted sign of life of this agent is written."""
        if (task := self._tasks.get(agent_id)) is not None:
            await asyncio.shield(task)

    async def stop(self) -> None:
        """Finish what is under way."""
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _write(self, ctx: Context, agent: AgentActor) -> None:
        try:
            async with ctx.write():
                moment = ctx.now()
                row = (
                    await ctx.run(
                        update(Agent)
                        .where(
                            Agent.id == agent.id,
                            or_(Agent.last_seen_at.is_(None), Agent.last_seen_at <= moment - TOUCH_EVERY),
                        )
                        .values(
                            last_seen_at=moment, updated_at=moment, wake_attempts=0,
                            status=case((Agent.status.in_(["updating", "deleting"]), Agent.status), else_="online"),
                        )
                        .returning(Agent.status, Agent.announced_status)
                    )
                ).first()  # fmt: skip
                if row is not None and row.status != row.announced_status:
                    await announce(ctx, agent.id, agent.board_id, agent.organization_id, row.status)
        except Exception as error:
            # A sign of life is worth a line in the log, never the agent's request.
            log.warning("presence.not_written", agent_id=str(agent.id), error=type(error).__name__)


async def announce(
    ctx: Context, agent_id: UUID, board_id: UUID | None, organization_id: UUID | None, status: str
) -> None:
    """Append that the shown status of an agent changed, and remember what was announced."""
    before = await ctx.one(select(Agent.announced_status).where(Agent.id == agent_id))
    await ctx.run(update(Agent).where(Agent.id == agent_id).values(announced_status=status))
    ctx.emit(
        "agent.presence", subject_id=agent_id, board_id=board_id, organization_id=organization_id,
        changes=[{"field": "status", "before": before, "after": status}],
    )  # fmt: skip


async def announce_silent(services: Services, clock: Any = None) -> int:
    """Announce agents that have fallen silent since they were last seen; returns how many."""
    ctx = Context(services, actor=SYSTEM, **({"clock": clock} if clock else {}))
    async with ctx.write():
        moment: datetime = ctx.now()
        rows = await ctx.rows(
            select(Agent.id, Agent.board_id, func.coalesce(Board.organization_id, Gateway.organization_id).label("org"))
            .outerjoin(Board, Board.id == Agent.board_id)
            .outerjoin(Gateway, Gateway.id == Agent.gateway_id)
            .where(
                Agent.last_seen_at < moment - OFFLINE_AFTER, Agent.announced_status.is_distinct_from("offline"),
                Agent.status.not_in(["updating", "deleting"]),
            )
            .limit(200).with_for_update(of=Agent, skip_locked=True)
        )  # fmt: skip
        for row in rows:
            await announce(ctx, row.id, row.board_id, row.org, "offline")
    return len(rows)
