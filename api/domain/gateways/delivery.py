"""Jobs for a gateway: messages into sessions, agents' lifecycles, removals, calls of other processes, syncs."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_OID, UUID, uuid5

import structlog
from sqlalchemy import delete, select

from api.domain.activity import record
from api.domain.actor import SYSTEM
from api.domain.agents.lifecycle import key_of
from api.domain.agents.tables import Agent
from api.domain.boards.tables import Board, Gateway
from api.domain.context import Context
from api.domain.gateways import checkin, lifecycle, receipts, sync
from api.domain.gateways.failures import CODES
from api.domain.gateways.workspaces import main_session
from api.domain.jobs import Job
from api.gateway.connection import Connection
from api.gateway.errors import GatewayError, Kind
from api.gateway.provisioning import workspace

if TYPE_CHECKING:
    from api.domain.context import Services
    from api.domain.gateways.link import Link

log = structlog.get_logger(__name__)

#: What a failed attempt counts, by its kind, and with how much a job is put aside: five refusals, or many hours of a
#: gateway that answers and cannot. Its absence counts nothing.
WEIGHTS = {Kind.UNREACHABLE: 0, Kind.BUSY: 1, Kind.TIMEOUT: 4, Kind.PROTOCOL: 4, Kind.LOST: 10}
REFUSED, PUT_ASIDE = 20, 100
LONGEST = 60.0
#: How far two of our own clocks may be apart, in seconds.
CLOCKS = 1.0

#: What is written in the activity when a message has reached its agent and when it was given up, by the job's reason.
REACHED, FAILED = (
    {
        "task.assigned": f"task.assignee_{word}", "task.review": f"task.assignee_{word}",
        "task.created": f"task.lead_{word}", "task.rework": f"task.rework_{word}",
        "task.unassigned": f"task.lead_unassigned_{word}", "approval.resolved": f"approval.lead_{word}",
        "board.updated": f"board.lead_{word}", "nudge": f"agent.nudge.{sent}",
        "ask_user": f"gateway.lead.ask_user.{sent}", "lead.message": f"gateway.main.lead_message.{sent}",
    }
    for word, sent in (("notified", "sent"), ("notify_failed", "failed"))
)  # fmt: skip
#: Of these somebody waits for the outcome: the first refusal is the answer, so that it does not arrive after all.
ANSWERED = ("nudge", "ask_user", "lead.message")


async def run(link: Link, connection: Connection, job: Job) -> None:
    """Do a job. Raises `GatewayError`."""
    await HANDLERS[job.kind](link, connection, job)


async def message(link: Link, connection: Connection, job: Job) -> None:
    """Put a message into its agent's session, once: the idempotency key is the job's id, or made of it.

    It ends when the message is seen there, so that what comes behind it keeps its order and nothing is lost.
    """
    ctx = Context(link.services, actor=SYSTEM)
    agent: Agent | None = await ctx.one(select(Agent).where(Agent.id == job.agent_id))
    await ctx.end_moment()
    if agent is None or agent.gateway_id is None:
        return
    if agent.gateway_id != link.gateway_id:
        raise GatewayError(Kind.UNREACHABLE, "The agent has moved to another gateway.", sent=False)
    data = job.data or {}
    lost = int(data.get("lost", 0))
    keys = [str(job.id), *(key_for(job.id, f"again-{number}") for number in range(lost))]
    checks, seen_before = connection.dialect.keeps_keys, job.attempts > 1 or "retried" in data
    # The same words may have been said before.
    earliest = job.created_at.replace(tzinfo=UTC).timestamp() - CLOCKS if seen_before else time.time()
    sent = receipts.Sent(session_of(agent), keys, job.text, earliest + connection.ahead)
    if checks and seen_before and (await receipts.in_session(connection, sent, limit=receipts.ALL))[0]:
        return

    async def wanted() -> bool:
        """Whether the agent is still there, in the same place."""
        place = (await ctx.rows(select(Agent.gateway_id, Agent.openclaw_session_id).where(Agent.id == agent.id))) or [
            (None, None)
        ]
        await ctx.end_moment()
        return tuple(place[0]) == (agent.gateway_id, agent.openclaw_session_id)

    with link.receipts.watch(sent.session) as watch:
        await _send(link, connection, agent, job, keys[-1])
        link.sent(sent.session)
        if job.reason in ANSWERED:
            await _note(link, job, sent=True)
        if checks and not await receipts.arrived(connection, watch, sent, wanted):
            if not await wanted():
                raise GatewayError(Kind.UNREACHABLE, "The agent has moved.")
            await _note(link, job, lost=lost + 1)
            raise GatewayError(Kind.LOST, "The gateway took the message and lost it before its turn began.")
    if checkin.is_lost(watch.failed.get(keys[-1])):
        await checkin.turn_was_lost(link.services, link.gateway_id, sent.session)


async def _note(link: Link, job: Job, **what: Any) -> None:
    """Remember something of a job that is under way."""
    ctx = Context(link.services, actor=SYSTEM)
    async with ctx.write():
        row: Job | None = await ctx.one(select(Job).where(Job.id == job.id).with_for_update())
        if row is not None and row.state == "running" and row.attempts == job.attempts:
            row.data = {**(row.data or {}), **what}
    link.services.hub.wake()


async def _send(link: Link, connection: Connection, agent: Agent, job: Job, key: str) -> None:
    try:
        await say(connection, agent, job.text, key, deliver=job.deliver)
    except GatewayError as error:
        if error.kind not in (Kind.REJECTED, Kind.BUSY) or await workspace.entry_of(connection, key_of(agent)):
            raise
        # The gateway has lost the agent, whatever it says of it: it is made again, then it is told.
        await lifecycle.restore(link, connection, agent.id)
        await say(connection, agent, job.text, key, deliver=job.deliver)


def session_of(agent: Agent) -> str:
    """The session in which an agent's turns happen."""
    return agent.openclaw_session_id or (main_session(agent.gateway_id) if agent.gateway_id else "")


async def say(connection: Connection, agent: Agent, text: str, key: str, *, deliver: bool) -> None:
    """One message into an agent's session, which is made and named when it is not there."""
    session = session_of(agent)
    label = agent.name if agent.board_id is not None else "Gateway Agent"
    await connection.call("sessions.patch", {"key": session, "label": label}, seconds=30)
    params: dict[str, Any] = {"sessionKey": session, "message": text, "deliver": deliver, "idempotencyKey": key}
    if connection.dialect.suppresses_commands:
        params["suppressCommandInterpretation"] = True
    await connection.call("chat.send", params, seconds=60)


async def remove(link: Link, connection: Connection, job: Job) -> None:
    """Take a deleted agent from the gateway; if files stayed, its main agent is asked to remove them.

    An agent that has the same place there since (the next lead of its board, or itself come back) keeps it.
    """
    data = job.data or {}
    ctx = Context(link.services, actor=SYSTEM)
    lives = select(Agent.id).where(
        Agent.gateway_id == link.gateway_id, Agent.openclaw_session_id == data["session_key"]
    )
    followed = data["session_key"] and await ctx.one(lives) is not None
    await ctx.end_moment()
    if followed:
        return
    stayed = await workspace.remove(connection, data["key"], data["session_key"] or "")
    if stayed and data.get("board"):
        text = (
            f"CLEAN UP\nAgent: {job.text}\nAgent id: {data['agent_id']}\nWorkspace: {data['path']}\n\n"
            "The agent is deleted and its folder stayed. Remove the folder, then answer NO_REPLY."
        )
        session = main_session(link.gateway_id)
        params = {"sessionKey": session, "message": text, "deliver": False, "idempotencyKey": str(job.id)}
        await connection.call("chat.send", params, seconds=30)


async def call(link: Link, connection: Connection, job: Job) -> None:
    """A call of a process that does not hold the gateway; the answer goes back in the job."""
    data = job.data or {}
    answer: dict[str, Any] = {}
    if time.time() > float(data.get("until", 0)):
        # Whoever asked has given up, and may be dead.
        async with (ctx := Context(link.services, actor=SYSTEM)).write():
            await ctx.run(delete(Job).where(Job.id == job.id))
        return
    try:
        answer["answer"] = await connection.call(data["method"], data["params"], seconds=float(data["seconds"]))
    except GatewayError as error:
        answer["failed"] = {"kind": error.kind.name, "message": str(error)}
    ctx = Context(link.services, actor=SYSTEM)
    async with ctx.write():
        row = await ctx.one(select(Job).where(Job.id == job.id).with_for_update())
        if row is not None:
            row.data = {**(row.data or {}), **answer}
            row.state, row.finished_at = "failed" if "failed" in answer else "done", ctx.now()
    link.services.hub.wake()


Handler = Callable[["Link", Connection, Job], Awaitable[None]]
HANDLERS: dict[str, Handler] = {
    "message": message, "lifecycle": lifecycle.run, "gateway.remove": remove, "gateway.call": call,
    "gateway.sync": sync.run,
}  # fmt: skip


# -- how it ended ----------------------------------------------------------------------------------------------------


async def settle(services: Services, job: Job, failure: GatewayError | None, *, over: bool) -> None:
    """Write how a job ended, and tell those who wait for it."""
    await _settle(services, job, failure, over=over)
    services.hub.wake()


async def _settle(services: Services, job: Job, failure: GatewayError | None, *, over: bool) -> None:
    """Write how a job ended: done, to be tried again at a time, or put aside for a person.

    What the gateway's absence prevents waits as long as it takes; what the gateway refuses is tried five times.
    """
    ctx = Context(services, actor=SYSTEM)
    async with ctx.write():
        row: Job | None = await ctx.one(select(Job).where(Job.id == job.id).with_for_update())
        if row is None or row.state != "running" or row.attempts != job.attempts:
            return
        if failure is None:
            row.state, row.finished_at, row.run_after = "done", ctx.now(), None
            await _reached(ctx, row, REACHED.get(row.reason))
            return
        # What ended with the whole connection says nothing of this job.
        weight = 0 if over else WEIGHTS.get(failure.kind, REFUSED)
        refused = int((row.data or {}).get("refused", 0)) + weight
        row.data = {**(row.data or {}), "error": str(failure)[:500], "code": CODES[failure.kind].name,
                    "refused": refused}  # fmt: skip
        if refused >= PUT_ASIDE or (weight == REFUSED and row.reason in ANSWERED):
            row.state, row.finished_at, row.run_after = "failed", ctx.now(), None
            await _put_aside(ctx, row, failure)
        else:
            seconds = min(0.5 * 2 ** min(row.attempts, 10), LONGEST)
            row.state = "waiting"
            row.run_after = (
                None if over and row.attempts < 5 else ctx.now() + timedelta(seconds=failure.retry_after or seconds)
            )
            if row.kind == "lifecycle":
                await lifecycle.note_failure(ctx, row, failure, final=False)
    log.info("gateway.job", job=str(job.id), kind=job.kind, reason=job.reason, ended=row.state)


async def _reached(ctx: Context, job: Job, kind: str | None) -> None:
    if kind is None or job.agent_id is None:
        return
    name = await ctx.one(select(Agent.name).where(Agent.id == job.agent_id))
    actor = (job.data or {}).get("sender_id")
    record(
        ctx, kind, f"Message delivered to {name}.", agent_id=UUID(actor) if actor else job.agent_id,
        task_id=job.task_id, board_id=job.board_id,
    )  # fmt: skip


async def _put_aside(ctx: Context, job: Job, failure: GatewayError) -> None:
    """A job that was given up: an event, and for an agent's lifecycle the reason on the agent."""
    board = await ctx.one(select(Board).where(Board.id == job.board_id)) if job.board_id else None
    organization_id = board.organization_id if board is not None else None
    if organization_id is None:
        gateway_id = job.gateway_id
        if gateway_id is None and job.agent_id is not None:
            gateway_id = await ctx.one(select(Agent.gateway_id).where(Agent.id == job.agent_id))
        organization_id = await ctx.one(select(Gateway.organization_id).where(Gateway.id == gateway_id))
    if job.kind == "lifecycle":
        await lifecycle.note_failure(ctx, job, failure, final=True)
    if (kind := FAILED.get(job.reason)) is not None:
        await _reached(ctx, job, kind)
    ctx.emit("job.failed", subject_id=job.id, board_id=job.board_id, organization_id=organization_id)


def key_for(job_id: UUID, purpose: str) -> str:
    """An idempotency key of a job's further messages."""
    return str(uuid5(NAMESPACE_OID, f"{job_id}:{purpose}"))


__all__ = ["HANDLERS", "Kind", "key_for", "run", "say", "settle"]
