"""What an agent's gateway must do for it, as jobs: one at a time an agent, in order, the newest wish counting."""

from __future__ import annotations

from typing import Any

from sqlalchemy import update

from api.domain.actor import User
from api.domain.agents.tables import Agent
from api.domain.boards.tables import Gateway
from api.domain.context import Context
from api.domain.jobs import Job
from api.gateway.provisioning.files import AgentKind
from api.gateway.provisioning.workspace import Workspace

#: The status that people see while an action is under way.
STATUS = {"provision": "provisioning", "update": "updating"}


def ask_lifecycle(ctx: Context, agent: Agent, action: str, **options: Any) -> None:
    """Write the job: `provision` and `update` make the whole workspace, `heartbeat` its rhythm, `wake` only wakes.

    `files` writes them anew with the agent's present token, beside a present wish. Options: `reset_session`, `wake`
    (both true unless given), `force_bootstrap`, `overwrite`, `user_id` whom USER.md names, `wanted` for a wake that
    somebody asked for.
    """
    if action in STATUS:
        # What was asked before and has not run is contained in this.
        agent.lifecycle_generation += 1
        agent.provision_action, agent.provision_requested_at = action, ctx.now()
        agent.status, agent.wake_attempts = STATUS[action], 0
    ctx.add(
        Job(kind="lifecycle", reason=f"agent.{action}", agent_id=agent.id, board_id=agent.board_id, text=action,
            data={"generation": agent.lifecycle_generation, **options}, created_at=ctx.now())
    )  # fmt: skip


async def close_inbox(ctx: Context, agent: Agent) -> None:
    """What an agent without a gateway had to read itself is not told again once it has one; in the caller's write."""
    await ctx.run(
        update(Job).where(Job.agent_id == agent.id, Job.kind == "message", Job.state == "waiting")
        .values(state="done", finished_at=ctx.now()).execution_options(synchronize_session=False)
    )  # fmt: skip


def removal_of(ctx: Context, agent: Agent, gateway: Gateway) -> Job:
    """The job that takes an agent's entry, files and session from its gateway; the agent's row may go."""
    kind = AgentKind.MAIN if agent.board_id is None else AgentKind.WORKER
    return Job(
        kind="gateway.remove", reason="agent.deleted", text=agent.name, gateway_id=gateway.id, created_at=ctx.now(),
        data={"session_key": agent.openclaw_session_id, "key": key_of(agent), "agent_id": str(agent.id),
              "path": Workspace.place(gateway.workspace_root.strip(), kind, key_of(agent)),
              "board": agent.board_id is not None},
    )  # fmt: skip


def key_of(agent: Agent) -> str:
    """An agent's id at its gateway: the middle of its session key."""
    parts = (agent.openclaw_session_id or "").split(":")
    return parts[1] if len(parts) >= 3 and parts[1] else f"mc-{agent.id}"


def user_of(ctx: Context) -> str | None:
    """The person who asks, for USER.md."""
    return str(ctx.actor.id) if isinstance(ctx.actor, User) else None
