"""Where an agent's life stands: what its gateway was asked for, and the session of its turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import strawberry

from api.domain import access
from api.domain.boards.tables import Gateway as GatewayRow
from api.domain.context import Context
from api.domain.gateways import jobs, operations
from api.domain.jobs import Job as JobRow
from api.domain.paging import by_ids
from api.schema.gateways import GatewaySession, together
from api.schema.scalars import shape

if TYPE_CHECKING:
    from api.schema.agents import Agent


@strawberry.type(description="What was asked of an agent's gateway last, to set it up, change it or wake it.")
class AgentLifecycle:
    """The agent's newest job of kind `lifecycle`."""

    row: strawberry.Private[Any]
    action: str = strawberry.field(description="provision, update, files, heartbeat or wake.")
    state: str = strawberry.field(description="waiting, running, done or failed; `retryJob` tries a failed one again.")
    attempts: int = strawberry.field(description="How often it was tried.")
    asked_at: datetime = strawberry.field(description="When it was asked for.")
    next_attempt_at: datetime | None = strawberry.field(description="When it is tried next, of one that waits.")
    finished_at: datetime | None = strawberry.field(description="When it ended.")
    error: str | None = strawberry.field(description="Why the last attempt failed.")

    @classmethod
    def of(cls, row: JobRow) -> AgentLifecycle:
        """From the job."""
        return shape(
            cls, row, action=row.text, asked_at=row.created_at, error=(row.data or {}).get("error"),
            next_attempt_at=row.run_after if row.state == "waiting" else None,
        )  # fmt: skip


async def load_lifecycles(ctx: Context, agents: Sequence[Agent]) -> list[AgentLifecycle | None]:
    """The newest lifecycle of each agent."""
    found = await jobs.lifecycles(ctx, [agent.row.id for agent in agents])
    return [AgentLifecycle.of(found[agent.row.id]) if agent.row.id in found else None for agent in agents]


async def load_agent_sessions(ctx: Context, agents: Sequence[Agent]) -> list[GatewaySession | None]:
    """The session of each agent, each gateway asked once; for administrators of the gateways."""
    gateways = await by_ids(ctx, GatewayRow, [agent.row.gateway_id for agent in agents])
    for gateway in gateways.values():
        access.administrator(ctx.actor, gateway.organization_id)

    async def of_one(gateway_id: Any) -> dict[str, Mapping[str, Any]]:
        rows = await operations.sessions(ctx, gateway_id)
        return {str(row.get("key")): row for row in rows if isinstance(row, Mapping)}

    told = dict(zip(gateways, await together([of_one(one) for one in gateways]), strict=True))
    found: list[Any] = []
    for agent in agents:
        rows = told.get(agent.row.gateway_id, {})
        row = None if isinstance(rows, BaseException) else rows.get(agent.row.openclaw_session_id)
        found.append(rows if isinstance(rows, BaseException) else row and GatewaySession.of(agent.row.gateway_id, row))
    return found
