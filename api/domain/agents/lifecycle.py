"""What an agent's gateway must do for it, as jobs."""

from __future__ import annotations

from api.domain.agents.tables import Agent
from api.domain.context import Context
from api.domain.jobs import Job


def ask_lifecycle(ctx: Context, agent: Agent, action: str) -> None:
    """The gateway work of an agent is a job of its own, ordered by generation."""
    agent.lifecycle_generation += 1
    agent.provision_action, agent.provision_requested_at = action, ctx.now()
    ctx.add(
        Job(kind="lifecycle", reason=f"agent.{action}", agent_id=agent.id, board_id=agent.board_id, text=action,
            data={"generation": agent.lifecycle_generation}, created_at=ctx.now())
    )  # fmt: skip
