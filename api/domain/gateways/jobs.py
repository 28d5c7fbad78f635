"""Looking at jobs, following one, and trying one again that was given up."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on

from api.domain import access
from api.domain.agents.tables import Agent
from api.domain.boards.tables import Board, Gateway
from api.domain.context import Context
from api.domain.errors import Code, Conflict, DomainError, NotFound
from api.domain.events.hub import within
from api.domain.gateways.operations import jobs_where
from api.domain.jobs import Job
from api.domain.paging import Listing, Order, uuids

ENDED = ("done", "failed")
LOOK_SECONDS = 2.0
#: How long a request waits for the outcome of what it asked for.
ANSWER_SECONDS = 5.0


def failed(organization_id: UUID) -> Listing:
    """Jobs of an organisation that were given up, newest first."""
    order = (Order(Job.created_at, descending=True),)
    return Listing(Job, order, (Job.state == "failed", jobs_where(organization_id)), Job.agent_id)


async def organization_of(ctx: Context, job: Job) -> UUID | None:
    """The organisation a job belongs to: of its board, its gateway, or its agent's."""
    found: UUID | None = None
    if job.board_id is not None:
        found = await ctx.one(select(Board.organization_id).where(Board.id == job.board_id))
    gateway_id = job.gateway_id
    if found is None and gateway_id is None and job.agent_id is not None:
        gateway_id = await ctx.one(select(Agent.gateway_id).where(Agent.id == job.agent_id))
    if found is None and gateway_id is not None:
        found = await ctx.one(select(Gateway.organization_id).where(Gateway.id == gateway_id))
    return found


async def find(ctx: Context, job_id: UUID, *, lock: bool = False) -> Job:
    """A job of an organisation that the caller administers."""
    access.signed_in(ctx.actor)
    statement = select(Job).where(Job.id == job_id).execution_options(populate_existing=True)
    job: Job | None = await ctx.one(statement.with_for_update() if lock else statement)
    organization_id = await organization_of(ctx, job) if job is not None else None
    if job is None or organization_id is None or not access.sees_organization(ctx.actor, organization_id):
        raise NotFound()
    access.administrator(ctx.actor, organization_id)
    return job


async def retry(ctx: Context, job_id: UUID) -> Job:
    """Let a job that was given up run again."""
    async with ctx.write():
        job = await find(ctx, job_id, lock=True)
        if job.state != "failed":
            raise Conflict(f"The job is {job.state}; only one that was given up can be tried again.")
        job.state, job.run_after, job.finished_at, job.attempts = "waiting", None, None, 0
        kept = {name: value for name, value in (job.data or {}).items() if name not in ("refused", "error", "code")}
        job.data = {**kept, "retried": True}
        ctx.emit(
            "job.retried", subject_id=job.id, board_id=job.board_id, organization_id=await organization_of(ctx, job)
        )
    return job


async def lifecycles(ctx: Context, agent_ids: Sequence[UUID]) -> dict[UUID, Job]:
    """The newest lifecycle job of agents, in one statement."""
    newest = (
        select(Job).ext(distinct_on(Job.agent_id))
        .where(Job.agent_id == func.any_(uuids(agent_ids)), Job.kind == "lifecycle")
        .order_by(Job.agent_id, Job.xid.desc(), Job.seq.desc())
    )  # fmt: skip
    return {row.agent_id: row for row in await ctx.all(newest) if row.agent_id is not None}


async def outcome(ctx: Context, job_ids: Sequence[UUID], seconds: float = ANSWER_SECONDS) -> None:
    """Wait a little for what was asked of a gateway; raises its refusal. What takes longer goes on by itself."""
    deadline = time.monotonic() + seconds
    while True:
        commit = ctx.services.hub.next_commit
        rows = await ctx.rows(select(Job.state, Job.data).where(Job.id == func.any_(uuids(job_ids))))
        await ctx.end_moment()
        for row in rows:
            if row.state == "failed":
                data = row.data or {}
                code = data.get("code", Code.GATEWAY_REFUSED.name)
                raise DomainError(data.get("error", "The gateway refused."), code=Code[code])
        # What has failed once is tried again later than anybody should wait.
        if all(row.state == "done" or {"sent", "error"} & (row.data or {}).keys() for row in rows):
            return
        if (left := deadline - time.monotonic()) <= 0:
            return
        await within(commit, left)


async def follow(ctx: Context, job_id: UUID) -> AsyncGenerator[Job, None]:
    """The job now and each time it has changed, until it has ended."""
    seen: tuple[object, ...] = ()
    recheck = ctx.rechecking(lambda: find(ctx, job_id))
    while True:
        commit = ctx.services.hub.next_commit
        job = await find(ctx, job_id)
        await ctx.end_moment()
        await recheck()
        now = (job.state, job.attempts, str(job.data))
        if now != seen:
            seen = now
            yield job
        if job.state in ENDED:
            return
        await within(commit, LOOK_SECONDS)
