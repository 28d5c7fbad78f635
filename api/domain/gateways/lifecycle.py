"""An agent's life on its gateway, step by step: a token that holds only once it is there, files, and waking up.

Nothing is locked while the gateway works: what is wished is written first, and compared again at the end.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import select

from api.domain.actor import SYSTEM
from api.domain.agents.lifecycle import STATUS, key_of
from api.domain.agents.presence import announce
from api.domain.agents.rules import shown_status
from api.domain.agents.tables import Agent
from api.domain.authentication.tokens import digest, mint
from api.domain.boards.tables import Board, Gateway
from api.domain.context import Context
from api.domain.gateways import workspaces
from api.domain.gateways.reading import token_of
from api.domain.jobs import Job
from api.gateway.connection import Connection
from api.gateway.errors import GatewayError
from api.gateway.provisioning import workspace
from api.gateway.provisioning.workspace import Options

if TYPE_CHECKING:
    from api.domain.gateways.link import Link

#: How long an agent that was woken has until it checks in, and how often it is woken.
CHECK_IN = timedelta(seconds=30)
WAKES = 3


async def run(link: Link, connection: Connection, job: Job) -> None:
    """Do what the job wishes for its agent; an older wish than the newest is done already."""
    data: dict[str, Any] = job.data or {}
    ctx = Context(link.services, actor=SYSTEM)
    agent: Agent | None = await ctx.one(select(Agent).where(Agent.id == job.agent_id))
    await ctx.end_moment()
    if agent is None or agent.gateway_id != link.gateway_id or data.get("generation") != agent.lifecycle_generation:
        return
    if job.text == "wake":
        seen, woken = agent.last_seen_at, agent.last_wake_sent_at
        if not data.get("wanted") and seen is not None and woken is not None and seen >= woken:
            return
        await _wake(link, connection, agent, job, "woken up")
        return
    if job.text == "heartbeat":
        place = workspace.Workspace(
            workspaces.kind_of(agent), key_of(agent), agent.openclaw_session_id or "", agent.name,
            await _place(ctx, agent), {}, agent.heartbeat_config or {},
        )  # fmt: skip
        await link.heartbeats.set(place)
        return
    options = Options(
        provision=job.text == "provision", overwrite=bool(data.get("overwrite")),
        force_bootstrap=bool(data.get("force_bootstrap")), reset_session=bool(data.get("reset_session", True)),
    )  # fmt: skip
    async with link.writing(agent.id):
        token = None
        if job.text == "files" or job.attempts > 1:
            token = await _kept_token(ctx, connection, agent.id, unused=job.text != "files")
        await write(link, connection, agent.id, options, user_id=data.get("user_id"), token=token)
    if data.get("wake", True):
        await _wake(link, connection, agent, job, "provisioned" if options.provision else "updated")
    if job.text in STATUS:
        await _finish(link, agent.id, data["generation"])


async def restore(link: Link, connection: Connection, agent_id: UUID) -> None:
    """Make an agent again that the gateway does not know any more."""
    async with link.writing(agent_id):
        await write(link, connection, agent_id, Options(provision=True))


async def _kept_token(ctx: Context, connection: Connection, agent_id: UUID, *, unused: bool) -> str | None:
    """The token in the agent's files if it is good; `unused`: only if an attempt before this one has put it there."""
    agent: Agent | None = await ctx.one(
        select(Agent).where(Agent.id == agent_id).execution_options(populate_existing=True)
    )
    await ctx.end_moment()
    if agent is None:
        return None
    token, matches = await token_of(connection, agent)
    if token is None or not matches or (unused and digest(token) != agent.next_token_digest):
        return None
    return token


async def write(
    link: Link, connection: Connection, agent_id: UUID, options: Options, *, user_id: str | None = None,
    token: str | None = None,
) -> None:  # fmt: skip
    """Write the whole workspace, with a new token unless one is given; the old one holds until the files are there.

    The caller holds `link.writing`, so that no two jobs write different tokens.
    """
    ctx = Context(link.services, actor=SYSTEM)
    async with ctx.write():
        agent: Agent | None = await ctx.one(select(Agent).where(Agent.id == agent_id).with_for_update(key_share=True))
        if agent is None:
            return
        gateway = await ctx.one(select(Gateway).where(Gateway.id == link.gateway_id))
        if gateway is None:
            return
        fresh = token is None
        token = token or mint()
        if fresh:
            agent.next_token_digest = digest(token)
        wanted = await workspaces.wanted(
            ctx, agent, gateway, token, connection.dialect, UUID(user_id) if user_id else None
        )  # fmt: skip
    await workspace.write(connection, wanted, options, link.heartbeats)
    async with ctx.write():
        agent = await ctx.one(
            select(Agent).where(Agent.id == agent_id).with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )  # fmt: skip
        # The agent may have used it in the meantime, or somebody may have issued another one.
        if agent is not None and agent.next_token_digest == digest(token):
            agent.token_digest, agent.next_token_digest, agent.agent_token_hash = digest(token), None, None


async def _place(ctx: Context, agent: Agent) -> str:
    gateway = await ctx.one(select(Gateway).where(Gateway.id == agent.gateway_id))
    await ctx.end_moment()
    return workspaces.place_of(agent, gateway) if gateway is not None else ""


async def _wake(link: Link, connection: Connection, agent: Agent, job: Job, what: str) -> None:
    """Wake the agent with a message, and expect it to check in; what did not arrive is not counted."""
    from api.domain.gateways.delivery import key_for, say

    text = (
        f"Hello {agent.name}. Your workspace has been {what}. Start now: read BOOTSTRAP.md first if it is there and "
        "not empty, then AGENTS.md, check in, and begin your heartbeats."
    )
    ctx = Context(link.services, actor=SYSTEM)
    asked = ctx.now()
    await say(connection, agent, text, key_for(job.id, f"wake-{agent.lifecycle_generation}"), deliver=True)
    async with ctx.write():
        row: Agent | None = await ctx.one(select(Agent).where(Agent.id == agent.id).with_for_update(key_share=True))
        if row is not None:
            row.wake_attempts += 1
            row.last_wake_sent_at = asked
            row.checkin_deadline_at = ctx.now() + CHECK_IN


async def _finish(link: Link, agent_id: UUID, generation: int) -> None:
    ctx = Context(link.services, actor=SYSTEM)
    async with ctx.write():
        agent: Agent | None = await ctx.one(
            select(Agent).where(Agent.id == agent_id).with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )  # fmt: skip
        if agent is None or agent.lifecycle_generation != generation:
            return
        if agent.status in ("provisioning", "updating") or agent.provision_action is not None:
            agent.status = "online"
        agent.provision_action = agent.provision_requested_at = agent.last_provision_error = None
        agent.updated_at = ctx.now()
        await tell_status(ctx, agent)


async def note_failure(ctx: Context, job: Job, failure: GatewayError, *, final: bool) -> None:
    """Why an agent is not as it should be; after the last attempt it is shown offline. In the caller's write."""
    agent: Agent | None = await ctx.one(select(Agent).where(Agent.id == job.agent_id).with_for_update(key_share=True))
    if agent is None or (job.data or {}).get("generation") != agent.lifecycle_generation:
        return
    agent.last_provision_error = str(failure)[:2000]
    if final and job.text in (*STATUS, "wake"):
        agent.status, agent.checkin_deadline_at = "offline", None
        agent.provision_action = agent.provision_requested_at = None
    agent.updated_at = ctx.now()
    await tell_status(ctx, agent)


async def tell_status(ctx: Context, agent: Agent) -> None:
    """Announce the shown status of an agent if it is another than before; in the caller's write."""
    shown = shown_status(agent, ctx.now())
    await ctx.flush()
    organization_id = await organization_of(ctx, agent)
    if shown != agent.announced_status:
        await announce(ctx, agent.id, agent.board_id, organization_id, shown)


async def organization_of(ctx: Context, agent: Agent) -> UUID | None:
    """An agent's organisation, through its board or its gateway."""
    column = (
        select(Board.organization_id).where(Board.id == agent.board_id)
        if agent.board_id is not None else select(Gateway.organization_id).where(Gateway.id == agent.gateway_id)
    )  # fmt: skip
    found: UUID | None = await ctx.one(column)
    return found
