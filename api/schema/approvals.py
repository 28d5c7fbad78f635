"""Approvals as GraphQL sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry
from sqlalchemy import ColumnElement
from strawberry.scalars import JSON

from api.domain import access
from api.domain.approvals import operations
from api.domain.approvals.tables import Approval as ApprovalRow
from api.domain.boards import operations as board_operations
from api.domain.boards.tables import Board as BoardRow
from api.domain.context import Context
from api.domain.errors import Invalid
from api.domain.paging import OffsetPage, Slice, by_ids, offset_page
from api.domain.tasks.tables import Task as TaskRow
from api.schema.batching import Info, batch_field
from api.schema.mutations import Payload, mutate, mutate_many
from api.schema.node import Actor, Node, load_actors
from api.schema.paging import After, Before, Connection, First, Last, connect_one
from api.schema.scalars import as_uuid, as_uuids, given, optional, optional_uuid, shape

if TYPE_CHECKING:
    from api.schema.boards import Board
    from api.schema.tasks import Task


@strawberry.enum(description="Where an approval stands.")
class ApprovalStatus(Enum):
    """Statuses."""

    PENDING = strawberry.enum_value("pending", description="Waits for a person.")
    APPROVED = strawberry.enum_value("approved", description="A person agreed.")
    REJECTED = strawberry.enum_value("rejected", description="A person refused.")


@strawberry.input(description="Which approvals; conditions add up.")
class ApprovalFilter:
    """Filter of approvals."""

    status: list[ApprovalStatus] | None = strawberry.field(default=None, description="In one of these statuses.")
    task_id: strawberry.ID | None = strawberry.field(default=None, description="Linked to this task.")
    action_type: str | None = strawberry.field(default=None, description="Of this kind of action.")
    board_id: strawberry.ID | None = strawberry.field(default=None, description="Of this board.")


def approval_conditions(filter: ApprovalFilter | None) -> list[ColumnElement[bool]]:
    """The filter as SQL."""
    where: list[ColumnElement[bool]] = []
    if filter is None:
        return where
    if filter.status is not None:
        where.append(ApprovalRow.status.in_([status.value for status in filter.status]))
    if filter.task_id is not None:
        where.append(operations.about_task(as_uuid(filter.task_id, "taskId")))
    if filter.action_type is not None:
        where.append(ApprovalRow.action_type == filter.action_type)
    if filter.board_id is not None:
        where.append(ApprovalRow.board_id == as_uuid(filter.board_id, "boardId"))
    return where


# -- loaders ----------------------------------------------------------------------------------------------------------


async def load_boards(ctx: Context, approvals: Sequence[Approval]) -> list[Board]:
    """The board of each approval."""
    from api.schema.boards import Board

    rows = await by_ids(ctx, BoardRow, [approval.row.board_id for approval in approvals])
    return [Board.of(rows[approval.row.board_id]) for approval in approvals]


async def linked_task_ids(ctx: Context, approvals: Sequence[Approval]) -> list[list[UUID]]:
    """The linked tasks' ids of each approval, in link order, remembered for the operation."""
    memo: dict[UUID, list[UUID]] = ctx.memo.setdefault("approval.tasks", {})
    missing = [approval.row for approval in approvals if approval.row.id not in memo]
    if missing:
        memo.update(await operations.tasks_of(ctx, missing))
    return [memo[approval.row.id] for approval in approvals]


async def load_tasks(ctx: Context, approvals: Sequence[Approval]) -> list[list[Task]]:
    """The linked tasks of each approval."""
    from api.schema.tasks import Task

    links = await linked_task_ids(ctx, approvals)
    rows = await by_ids(ctx, TaskRow, [task_id for ids in links for task_id in ids])
    return [[Task.of(rows[task_id]) for task_id in ids if task_id in rows] for ids in links]


async def load_task_titles(ctx: Context, approvals: Sequence[Approval]) -> list[list[str]]:
    """The titles of the linked tasks on the approval's board, in link order, for REST."""
    return [
        [task.title for task in tasks if task.row.board_id == approval.row.board_id]
        for approval, tasks in zip(approvals, await load_tasks(ctx, approvals), strict=True)
    ]


async def load_requesters(ctx: Context, approvals: Sequence[Approval]) -> list[Actor | None]:
    """Who asked."""
    agents = [approval.row.requested_by_agent_id or approval.row.agent_id for approval in approvals]
    users = [
        None if agent else approval.row.requested_by_user_id for agent, approval in zip(agents, approvals, strict=True)
    ]
    return await load_actors(ctx, users, agents)


async def load_deciders(ctx: Context, approvals: Sequence[Approval]) -> list[Actor | None]:
    """Who decided."""
    users = [approval.row.decided_by_user_id for approval in approvals]
    return await load_actors(ctx, users, [None] * len(users))


@strawberry.type(description="A question to a person: may this be done?")
class Approval(Node):
    """A row of `approvals`."""

    row: strawberry.Private[Any]
    action_type: str = strawberry.field(description="The kind of action, like `task.review`.")
    payload: JSON | None = strawberry.field(description="What was said with the request; `reason` is in it.")
    confidence: float = strawberry.field(description="How sure the asker is, 0 to 100.")
    rubric_scores: JSON | None = strawberry.field(description="What the confidence is made of.")
    status: ApprovalStatus = strawberry.field(description="Where it stands.")
    created_at: datetime = strawberry.field(description="When it was asked for.")
    decided_at: datetime | None = strawberry.field(description="When it was decided last.")
    note: str | None = strawberry.field(description="What the decider said.")
    board: Annotated[Board, strawberry.lazy("api.schema.boards")] = batch_field(load_boards, description="Its board.")
    tasks: list[Annotated[Task, strawberry.lazy("api.schema.tasks")]] = batch_field(
        load_tasks, description="The tasks it is about, in the order given."
    )
    requested_by: Actor | None = batch_field(load_requesters, description="Who asked.")
    decided_by: Actor | None = batch_field(load_deciders, description="Who decided last; null while pending.")

    @classmethod
    def of(cls, row: ApprovalRow) -> Approval:
        """From a row."""
        return shape(cls, row, status=ApprovalStatus(row.status), decided_at=row.resolved_at, note=row.decision_note)


# -- resolvers that REST rows use -------------------------------------------------------------------------------------


async def approval(ctx: Context, approval_id: UUID) -> Approval:
    """One approval of a board that the caller may read."""
    row = await operations.find(ctx, approval_id)
    await board_operations.readable(ctx, row.board_id)
    return Approval.of(row)


async def approval_page(ctx: Context, board_id: UUID, limit: int, offset: int, status: str | None = None) -> OffsetPage:
    """A board's approvals, newest first."""
    where = [ApprovalRow.board_id == board_id]
    if status is not None:
        where.append(ApprovalRow.status == status)
    page = await offset_page(ctx, operations.listing(*where), limit, offset)
    page.rows = [Approval.of(row) for row in page.rows]
    return page


async def request_approval(ctx: Context, board_id: UUID, draft: Mapping[str, Any]) -> Approval:
    """Ask for a decision."""
    return Approval.of(await operations.request_approval(ctx, board_id, draft))


async def decide_approval(ctx: Context, approval_id: UUID, change: Mapping[str, Any], board_id: UUID) -> Approval:
    """Approve, reject or re-open."""
    return Approval.of(await operations.decide_approval(ctx, approval_id, change, board_id=board_id))


# -- GraphQL ----------------------------------------------------------------------------------------------------------


@strawberry.input(description="A request for a decision.")
class RequestApprovalInput:
    """Input of `requestApproval`."""

    board_id: strawberry.ID = strawberry.field(description="The board.")
    action_type: str = strawberry.field(description="The kind of action, like `task.review`.")
    confidence: float = strawberry.field(description="How sure you are, 0 to 100.")
    reasoning: str | None = optional("Why; required here, or as `reason` in the payload.")
    task_ids: list[strawberry.ID] | None = optional("The tasks it is about; each may have one pending approval.")
    payload: JSON | None = optional("An object with whatever helps to decide.")
    rubric_scores: JSON | None = optional("An object from names to whole numbers.")
    agent_id: strawberry.ID | None = optional("For people: the agent on whose behalf it is asked.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.type(description="The new approval.")
class RequestApprovalPayload(Payload):
    """Payload of `requestApproval`."""

    approval: Approval = strawberry.field(description="The approval.")


@strawberry.input(description="A decision: approve, reject, or re-open with PENDING.")
class DecideApprovalInput:
    """Input of `decideApproval`."""

    id: strawberry.ID = strawberry.field(description="The approval.")
    status: ApprovalStatus = strawberry.field(description="The decision.")
    note: str | None = optional("What you want to say with it.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.type(description="The decided approval.")
class DecideApprovalPayload(Payload):
    """Payload of `decideApproval`."""

    approval: Approval = strawberry.field(description="The approval.")


@strawberry.input(description="One decision on several approvals: all or nothing.")
class DecideApprovalsInput:
    """Input of `decideApprovals`."""

    ids: list[strawberry.ID] = strawberry.field(description="The approvals, at most 100.")
    status: ApprovalStatus = strawberry.field(description="The decision.")
    note: str | None = optional("What you want to say with it.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.type(description="The decided approvals.")
class DecideApprovalsPayload(Payload):
    """Payload of `decideApprovals`."""

    approvals: list[Approval] = strawberry.field(description="The approvals, in the order given.")


@strawberry.type
class ApprovalQuery:
    """Query fields of approvals."""

    @strawberry.field(description="One approval.")
    async def approval(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The approval's id.")]
    ) -> Approval | None:
        return await approval(info.context, as_uuid(id))

    @strawberry.field(description="Approvals on boards that the caller reads in the active organisation, newest first.")
    async def approvals(
        self, info: Info,
        filter: Annotated[ApprovalFilter | None, strawberry.argument(description="Which approvals.")] = None,
        first: First = None, after: After = None, last: Last = None, before: Before = None,
    ) -> Connection[Approval]:  # fmt: skip
        ctx = info.context
        listing = operations.listing(operations.visible(ctx), *approval_conditions(filter))
        return await connect_one(ctx, listing, Approval.of, Slice(first, after, last, before))


@strawberry.type
class ApprovalMutation:
    """Mutations of approvals."""

    @strawberry.mutation(description="Ask a person for a decision.")
    async def request_approval(self, info: Info, input: RequestApprovalInput) -> RequestApprovalPayload:
        draft = given(input, "client_mutation_id", "board_id", "reasoning")
        draft["task_ids"] = as_uuids(draft.get("task_ids"), "taskIds")
        draft["agent_id"] = optional_uuid(draft.get("agent_id"), "agentId")
        draft["lead_reasoning"] = given(input).get("reasoning")
        check_request(draft)
        board_id = as_uuid(input.board_id, "boardId")
        return await mutate(
            info, input, lambda: operations.request_approval(info.context, board_id, draft),
            _reload, lambda row: {"approval": Approval.of(row)},
            RequestApprovalPayload,
        )  # fmt: skip

    @strawberry.mutation(description="Approve, reject or re-open: people with write access only.")
    async def decide_approval(self, info: Info, input: DecideApprovalInput) -> DecideApprovalPayload:
        change = given(input, "id", "client_mutation_id")
        return await mutate(
            info, input, lambda: operations.decide_approval(info.context, as_uuid(input.id), change),
            _reload, lambda row: {"approval": Approval.of(row)},
            DecideApprovalPayload,
        )  # fmt: skip

    @strawberry.mutation(description="One decision on several approvals: all or nothing.")
    async def decide_approvals(self, info: Info, input: DecideApprovalsInput) -> DecideApprovalsPayload:
        ctx, change = info.context, given(input, "ids", "client_mutation_id")
        ids = as_uuids(input.ids, "ids") or []
        if len(ids) > 100:
            raise Invalid("At most 100 approvals at once.", asked=len(ids), allowed=100)

        async def decide_all() -> list[ApprovalRow]:
            async with ctx.write():
                decided = {one: await operations.decide_approval(ctx, one, change) for one in sorted(set(ids))}
            return [decided[one] for one in ids]

        return await mutate_many(
            info, input, decide_all, _reload,
            lambda rows: {"approvals": [Approval.of(row) for row in rows]}, DecideApprovalsPayload,
        )  # fmt: skip


def check_request(draft: Mapping[str, Any]) -> None:
    """What the wire's model checks for REST: confidence, payload and scores."""
    if not 0 <= draft["confidence"] <= 100:
        raise Invalid("confidence lies between 0 and 100.", field="confidence")
    for name in ("payload", "rubric_scores"):
        if draft.get(name) is not None and not isinstance(draft[name], Mapping):
            raise Invalid(f"{name} must be an object.", field=name)
    scores = draft.get("rubric_scores") or {}
    if not all(isinstance(score, int) and not isinstance(score, bool) for score in scores.values()):
        raise Invalid("rubricScores must hold whole numbers.", field="rubric_scores")


async def _reload(ctx: Context, ids: Sequence[UUID]) -> dict[Any, Any]:
    return await by_ids(ctx, ApprovalRow, ids, access.reachable_boards(ctx.actor, ApprovalRow.board_id))
