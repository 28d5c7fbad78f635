"""Running jobs that this server does itself: claimed with a lease, retried with growing pauses, at last given up.

Any number of processes share the table. A process that dies leaves its lease to expire, and the job runs again:
handlers are repeatable, receivers tell repetitions by the job's id.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import or_, select

from api.domain.actor import SYSTEM
from api.domain.authentication.clerk import Clerk
from api.domain.boards.tables import Board
from api.domain.context import LISTENERS, Context, Services
from api.domain.jobs import Job
from api.domain.webhooks import outgoing
from api.domain.webhooks.tables import NotificationEndpoint

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=60)
BATCH = 20
IDLE_SECONDS = 1.0
ATTEMPTS = 12
LONGEST = 3600.0

Handler = Callable[[Services, Job], Awaitable[None]]


async def _delete_at_clerk(services: Services, job: Job) -> None:
    await Clerk(services.settings).delete((job.data or {})["subject"])


LISTENERS.append(outgoing.notify)

HANDLERS: dict[str, Handler] = {outgoing.KIND: outgoing.send, "clerk.delete": _delete_at_clerk}


async def run_once(services: Services) -> int:
    """Claim a batch of jobs that are due and run them; returns how many were claimed."""
    ctx = Context(services, actor=SYSTEM)
    async with ctx.write():
        moment = ctx.now()
        due = or_(Job.run_after.is_(None), Job.run_after <= moment)
        jobs = await ctx.all(
            select(Job).where(Job.kind.in_(HANDLERS), Job.state.in_(("waiting", "running")), due)
            .order_by(Job.seq).limit(BATCH).with_for_update(skip_locked=True)
        )  # fmt: skip
        for job in [one for one in jobs if one.attempts >= ATTEMPTS]:
            # It ended the process that ran it, again and again.
            jobs.remove(job)
            job.state, job.finished_at = "failed", moment
            await _tell_of_failure(ctx, job)
        for job in jobs:
            job.state, job.run_after, job.attempts = "running", moment + LEASE, job.attempts + 1
    await asyncio.gather(*(_run(services, job) for job in jobs))
    return len(jobs)


async def _run(services: Services, job: Job) -> None:
    error: str | None = None
    try:
        async with asyncio.timeout(LEASE.total_seconds() - 5):
            await HANDLERS[job.kind](services, job)
    except Exception as problem:
        error = str(problem) or type(problem).__name__
    ctx = Context(services, actor=SYSTEM)
    async with ctx.write():
        row: Job | None = await ctx.one(select(Job).where(Job.id == job.id).with_for_update())
        if row is None or row.state != "running" or row.attempts != job.attempts:
            return  # the lease had ended, and another process has taken it
        if error is None:
            row.state, row.finished_at, row.run_after = "done", ctx.now(), None
            return
        row.data = {**(row.data or {}), "error": error[:500]}
        if row.attempts >= ATTEMPTS:
            row.state, row.finished_at = "failed", ctx.now()
            await _tell_of_failure(ctx, row)
        else:
            row.state, row.run_after = "waiting", ctx.now() + pause(services, row.attempts)
        log.warning("job.failed", job=str(row.id), kind=row.kind, attempt=row.attempts, error=error[:200])


def pause(services: Services, attempts: int) -> timedelta:
    """How long a job waits after its n-th failure: doubled each time up to an hour, with some chance in it."""
    base = services.settings.rq_dispatch_retry_base_seconds
    seconds = min(base * 2 ** (attempts - 1), LONGEST)
    return timedelta(seconds=seconds * random.uniform(1.0, 1.1))  # noqa: S311 - spreading retries needs no secrecy


async def _tell_of_failure(ctx: Context, job: Job) -> None:
    """A job that was given up is an event of its organisation; failed notifications do not notify."""
    if job.kind == outgoing.KIND:
        endpoint = await ctx.one(
            select(NotificationEndpoint).where(NotificationEndpoint.id == UUID((job.data or {})["endpoint_id"]))
        )
        organization = endpoint.organization_id if endpoint is not None else None
        ctx.emit("webhook.delivery_failed", subject_id=job.id, organization_id=organization)
        return
    board = await ctx.one(select(Board).where(Board.id == job.board_id)) if job.board_id else None
    ctx.emit(
        "job.failed", subject_id=job.id, board_id=job.board_id,
        organization_id=board.organization_id if board is not None else None,
    )  # fmt: skip


async def run_forever(services: Services) -> None:
    """Run jobs as they come due; a failure of the database is waited out."""
    while True:
        try:
            claimed = await run_once(services)
        except Exception as error:
            log.warning("runner.failed", error=type(error).__name__)
            claimed = 0
        if claimed < BATCH:
            await asyncio.sleep(IDLE_SECONDS)
