"""Writing the files of all agents of a gateway anew, as one job whose progress can be followed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select

from api.domain.actor import SYSTEM
from api.domain.agents.tables import Agent
from api.domain.boards.tables import Board
from api.domain.context import Context
from api.domain.gateways import lifecycle
from api.domain.gateways.reading import token_of
from api.domain.jobs import Job
from api.domain.memory.operations import is_paused
from api.gateway.connection import Connection
from api.gateway.errors import GatewayError
from api.gateway.provisioning.workspace import Options

if TYPE_CHECKING:
    from api.domain.gateways.link import Link


async def run(link: Link, connection: Connection, job: Job) -> None:
    """Bring the agents up to date, boards' agents first; what fails with one does not stop the others."""
    flags: dict[str, Any] = (job.data or {}).get("flags") or {}
    report: dict[str, Any] = {"total": 0, "agents_updated": 0, "agents_skipped": 0, "main_updated": False, "errors": []}
    await connection.call("health", seconds=30)
    ctx = Context(link.services, actor=SYSTEM)
    boards = select(Board.id).where(Board.gateway_id == link.gateway_id)
    if flags.get("board_id"):
        boards = boards.where(Board.id == UUID(flags["board_id"]))
    of_boards: ColumnElement[bool] = Agent.board_id.in_(boards)
    if flags.get("lead_only"):
        of_boards = of_boards & Agent.is_board_lead.is_(True)
    which = or_(of_boards, Agent.board_id.is_(None)) if flags.get("include_main", True) else of_boards
    agents = await ctx.all(
        select(Agent).where(Agent.gateway_id == link.gateway_id, which)
        .order_by(Agent.board_id.is_(None), Agent.created_at, Agent.id)
    )  # fmt: skip
    paused = {board for board in {agent.board_id for agent in agents if agent.board_id} if await is_paused(ctx, board)}
    await ctx.end_moment()
    report["total"] = len(agents)
    for agent in agents:
        if agent.board_id in paused:
            report["agents_skipped"] += 1
        else:
            async with link.writing(agent.id):
                await _one(link, connection, await _now(ctx, agent), flags, report)
        await _progress(link, job, report)


async def _now(ctx: Context, agent: Agent) -> Agent:
    """The agent as it is by now, with the tokens that jobs before have given it."""
    found: Agent | None = await ctx.one(
        select(Agent).where(Agent.id == agent.id).execution_options(populate_existing=True)
    )
    await ctx.end_moment()
    return found or agent


async def _one(link: Link, connection: Connection, agent: Agent, flags: dict[str, Any], report: dict[str, Any]) -> None:
    options = Options(
        overwrite=bool(flags.get("overwrite")), force_bootstrap=bool(flags.get("force_bootstrap")),
        reset_session=bool(flags.get("reset_sessions")),
    )  # fmt: skip
    try:
        token, matches = await token_of(connection, agent)
        if token is None and not flags.get("rotate_tokens"):
            report["agents_skipped"] += 1
            _wrong(
                report, agent, "Its token cannot be read from its files; sync with rotate_tokens to give it a new one."
            )
            return
        if token is not None and not matches:
            if flags.get("rotate_tokens"):
                token = None
            else:
                _wrong(report, agent, "The token in its files is not its token; sync with rotate_tokens to replace it.")
        await lifecycle.write(link, connection, agent.id, options, token=token, user_id=flags.get("user_id"))
    except GatewayError as error:
        if connection.closed.is_set():
            raise
        _wrong(report, agent, str(error))
        return
    if agent.board_id is None:
        report["main_updated"] = True
    else:
        report["agents_updated"] += 1


def _wrong(report: dict[str, Any], agent: Agent, message: str) -> None:
    report["errors"].append({
        "agent_id": str(agent.id), "agent_name": agent.name, "message": message,
        "board_id": str(agent.board_id) if agent.board_id else None,
    })  # fmt: skip


async def _progress(link: Link, job: Job, report: dict[str, Any]) -> None:
    ctx = Context(link.services, actor=SYSTEM)
    async with ctx.write():
        row: Job | None = await ctx.one(select(Job).where(Job.id == job.id).with_for_update())
        if row is not None:
            row.data = {**(row.data or {}), "report": report}
    link.services.hub.wake()
