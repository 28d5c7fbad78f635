"""What time itself does: silent agents, stalled tasks, retention. Small batches, any number of processes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import and_, delete, func, or_, select

from api.domain.activity import record
from api.domain.actor import SYSTEM
from api.domain.agents.presence import announce_silent
from api.domain.agents.tables import Agent
from api.domain.boards.tables import Board
from api.domain.context import Context, Services
from api.domain.events import log as event_log
from api.domain.gateways.checkin import give_up_waiting, wake_again
from api.domain.idempotency import IdempotencyKey
from api.domain.jobs import Job
from api.domain.limits import sweep_windows
from api.domain.tasks.operations import release_stalled
from api.domain.tasks.rules import Status
from api.domain.tasks.tables import Task
from api.domain.webhooks.tables import WebhookPayload

log = structlog.get_logger(__name__)

BATCH = 200


async def mark_stalled(services: Services, clock: Any = None) -> int:
    """Mark tasks in progress whose agent has been silent too long; returns how many."""
    ctx = Context(services, actor=SYSTEM, **({"clock": clock} if clock else {}))
    silent_since = ctx.now() - timedelta(seconds=services.settings.stall_after_seconds)
    async with ctx.write():
        rows = await ctx.rows(
            select(Task, Board)
            .join(Board, Board.id == Task.board_id)
            .join(Agent, Agent.id == Task.assigned_agent_id)
            .where(
                Task.status == Status.IN_PROGRESS.value, Task.stalled_at.is_(None),
                func.coalesce(Task.in_progress_at, Task.updated_at) < silent_since,
                or_(Agent.last_seen_at.is_(None), Agent.last_seen_at < silent_since),
            )
            .order_by(Task.id).limit(BATCH).with_for_update(of=Task, skip_locked=True)
        )  # fmt: skip
        for task, board in rows:
            task.stalled_at = ctx.now()
            row = record(
                ctx,
                "task.stalled",
                f"Its agent fell silent: {task.title}",
                task_id=task.id,
                board_id=board.id,
            )
            await ctx.flush()
            ctx.emit(
                "task.stalled", subject_id=task.id, task_id=task.id, board_id=board.id,
                organization_id=board.organization_id, activity_id=row.id,
            )  # fmt: skip
    return len(rows)


async def wake_stalled(services: Services, clock: Any = None) -> int:
    """Take the mark away from tasks whose agent is back; returns how many."""
    ctx = Context(services, actor=SYSTEM, **({"clock": clock} if clock else {}))
    async with ctx.write():
        rows = await ctx.rows(
            select(Task, Board)
            .join(Board, Board.id == Task.board_id)
            .join(Agent, Agent.id == Task.assigned_agent_id)
            .where(Task.stalled_at.is_not(None), Agent.last_seen_at >= Task.stalled_at)
            .order_by(Task.id).limit(BATCH).with_for_update(of=Task, skip_locked=True)
        )  # fmt: skip
        for task, board in rows:
            task.stalled_at = None
            row = record(ctx, "task.resumed", f"Its agent is back: {task.title}", task_id=task.id, board_id=board.id)
            await ctx.flush()
            ctx.emit(
                "task.updated", subject_id=task.id, task_id=task.id, board_id=board.id,
                organization_id=board.organization_id, activity_id=row.id,
            )  # fmt: skip
    return len(rows)


async def release_long_stalled(services: Services, clock: Any = None) -> int:
    """Put tasks back into the inbox that stand still longer than their board allows; returns how many."""
    ctx = Context(services, actor=SYSTEM, **({"clock": clock} if clock else {}))
    async with ctx.write():
        waited = func.make_interval(0, 0, 0, 0, 0, Board.stalled_release_minutes)
        rows = await ctx.rows(
            select(Task, Board)
            .join(Board, Board.id == Task.board_id)
            .where(
                and_(Task.stalled_at.is_not(None), Board.stalled_release_minutes.is_not(None)),
                Task.stalled_at + waited <= ctx.now(), Task.status == Status.IN_PROGRESS.value,
            )
            .order_by(Task.id).limit(BATCH).with_for_update(of=Task, skip_locked=True)
        )  # fmt: skip
        for task, board in rows:
            await release_stalled(ctx, task, board)
    return len(rows)


async def retain(services: Services, clock: Any = None) -> int:
    """Drop one batch of what retention lets go: events, finished jobs, idempotency keys; returns how many rows."""
    ctx = Context(services, actor=SYSTEM, **({"clock": clock} if clock else {}))
    settings, moment = services.settings, ctx.now()
    async with services.database.write() as session:
        gone = await event_log.drop_before(session, moment - timedelta(days=settings.event_retention_days))
    async with services.database.write() as session:
        old = moment - timedelta(days=settings.job_retention_days)
        # What waits for a gateway is kept however old; what lies in an inbox is not.
        unread = (Job.kind == "message") & Job.agent_id.in_(select(Agent.id).where(Agent.gateway_id.is_(None)))
        finished = select(Job.id).where(Job.created_at < old, Job.state.in_(("done", "failed")) | unread).limit(2000)
        result: Any = await session.execute(delete(Job).where(Job.id.in_(finished)))
        gone += result.rowcount
        keys: Any = await session.execute(
            delete(IdempotencyKey).where(IdempotencyKey.created_at < moment - timedelta(days=1))
        )
        gone += keys.rowcount
    return int(gone)


async def drop_payloads(services: Services, clock: Any = None) -> int:
    """Drop one batch of deliveries to webhooks that retention lets go; returns how many."""
    ctx = Context(services, actor=SYSTEM, **({"clock": clock} if clock else {}))
    old = ctx.now() - timedelta(days=services.settings.webhook_payload_retention_days)
    async with services.database.write() as session:
        ids = select(WebhookPayload.id).where(WebhookPayload.received_at < old).limit(1000)
        gone: Any = await session.execute(delete(WebhookPayload).where(WebhookPayload.id.in_(ids)))
    await sweep_windows(services.database)
    return int(gone.rowcount)


SWEEPS: tuple[Callable[[Services], Awaitable[int]], ...] = (
    announce_silent, mark_stalled, wake_stalled, release_long_stalled, wake_again, give_up_waiting, retain,
    drop_payloads,
)  # fmt: skip


async def sweep_forever(services: Services) -> None:
    """Run every sweep again and again; one that fails is logged and tried at the next turn."""
    while True:
        for sweep in SWEEPS:
            try:
                await sweep(services)
            except Exception as error:
                log.warning("sweep.failed", sweep=getattr(sweep, "__name__", "?"), error=type(error).__name__)
        await asyncio.sleep(services.settings.sweep_seconds)
