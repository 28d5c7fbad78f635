"""Durable jobs as people see them: what waits, what was given up, and trying it again."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from api.domain import access
from api.domain.context import Context
from api.domain.gateways import jobs as operations
from api.domain.jobs import Job as JobRow
from api.domain.paging import Slice, by_ids
from api.schema.batching import Info, batch_field
from api.schema.mutations import Payload, TargetInput, mutate
from api.schema.node import Node
from api.schema.paging import After, Before, Connection, First, Last, connect_one
from api.schema.scalars import as_uuid, optional_uuid, shape

if TYPE_CHECKING:
    from api.schema.agents import Agent


async def load_agents(ctx: Context, jobs: Sequence[Job]) -> list[Agent | None]:
    """The agent that each job is for."""
    from api.schema.node import load_actors

    return await load_actors(ctx, [None] * len(jobs), [job.row.agent_id for job in jobs])  # type: ignore[return-value]


@strawberry.type(description="A piece of work for later: a message, a gateway's part of a change, a sync.")
class Job(Node):
    """A row of `jobs`."""

    row: strawberry.Private[Any]
    kind: str = strawberry.field(description="message, lifecycle, gateway.sync, gateway.remove, notify …")
    reason: str = strawberry.field(description="What caused it.")
    state: str = strawberry.field(description="waiting, running, done or failed.")
    attempts: int = strawberry.field(description="How often it was tried.")
    created_at: datetime = strawberry.field(description="When it was written.")
    run_after: datetime | None = strawberry.field(description="When it is tried next; while it runs, until when.")
    finished_at: datetime | None = strawberry.field(description="When it ended.")
    error: str | None = strawberry.field(description="Why the last attempt failed.")
    error_code: str | None = strawberry.field(description="The code of that error.")
    report: JSON | None = strawberry.field(description="Of a sync: counts so far, and what went wrong with whom.")
    agent: Annotated[Agent, strawberry.lazy("api.schema.agents")] | None = batch_field(
        load_agents, description="Whom it concerns."
    )

    @classmethod
    def of(cls, row: JobRow) -> Job:
        """From a row."""
        data = row.data or {}
        return shape(cls, row, error=data.get("error"), error_code=data.get("code"), report=data.get("report"))


@strawberry.type(description="The job.")
class JobPayload(Payload):
    """Payload of mutations that write a job."""

    job: Job = strawberry.field(description="The job as it is now.")


Id = Annotated[strawberry.ID, strawberry.argument(description="The job's id.")]


@strawberry.type
class JobQuery:
    """Query fields of jobs."""

    @strawberry.field(description="One job; for administrators of its organisation.")
    async def job(self, info: Info, id: Id) -> Job | None:
        return Job.of(await operations.find(info.context, as_uuid(id)))

    @strawberry.field(description="Jobs that were given up, newest first; for administrators. `retryJob` tries again.")
    async def failed_jobs(
        self, info: Info,
        organization_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="By default the active one.")
        ] = None,
        first: First = None, after: After = None, last: Last = None, before: Before = None,
    ) -> Connection[Job]:  # fmt: skip
        member = access.administrator(info.context.actor, optional_uuid(organization_id, "organizationId"))
        listing = operations.failed(member.organization_id)
        return await connect_one(info.context, listing, Job.of, Slice(first, after, last, before))


@strawberry.type
class JobMutation:
    """Mutations of jobs."""

    @strawberry.mutation(description="Try a job again that was given up; for administrators of its organisation.")
    async def retry_job(self, info: Info, input: TargetInput) -> JobPayload:
        return await mutate(
            info, input, lambda: operations.retry(info.context, as_uuid(input.id)), reload,
            lambda row: {"job": Job.of(row)}, JobPayload,
        )  # fmt: skip


@strawberry.type
class JobSubscription:
    """Following a job."""

    @strawberry.subscription(description="A job each time it gets on, until it has ended; for administrators.")
    async def job_events(self, info: Info, id: Id) -> AsyncGenerator[Job, None]:
        async for row in operations.follow(info.context, as_uuid(id)):
            yield Job.of(row)


async def reload(ctx: Context, ids: Sequence[UUID]) -> dict[Any, Any]:
    """Jobs by id, for retried mutations."""
    return await by_ids(ctx, JobRow, ids)
