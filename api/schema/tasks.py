"""Tasks as GraphQL sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry
from sqlalchemy import ColumnElement, or_, select

from api.domain import access
from api.domain.agents.tables import Agent as AgentRow
from api.domain.approvals.tables import Approval as ApprovalRow
from api.domain.approvals.tables import ApprovalTaskLink
from api.domain.boards import operations as board_operations
from api.domain.boards.tables import Board as BoardRow
from api.domain.context import Context
from api.domain.custom_fields import queries as fields
from api.domain.errors import DomainError
from api.domain.paging import OffsetPage, Order, Slice, by_ids, offset_page
from api.domain.tags import TagAssignment
from api.domain.tasks import comments, operations, queries, rules
from api.domain.tasks.tables import Task as TaskRow
from api.domain.tasks.tables import TaskDependency
from api.schema.approvals import Approval
from api.schema.batching import Info, batch_field
from api.schema.comments import Comment
from api.schema.node import Actor, Node, load_actors
from api.schema.paging import After, Before, Connection, First, Last, connect, connect_one
from api.schema.scalars import as_uuid, as_uuids, shape
from api.schema.tags import CustomFieldType, CustomFieldValue, Tag
from api.schema.task_inputs import (
    CustomFieldOrder,
    TaskFilter,
    TaskOrder,
    TaskPriority,
    TaskStatus,
    TimeRange,
)

if TYPE_CHECKING:
    from api.schema.agents import Agent
    from api.schema.boards import Board


ByField = Annotated[CustomFieldOrder | None, strawberry.argument(description="By a custom field, before `orderBy`.")]


def task_conditions(filter: TaskFilter | None) -> list[ColumnElement[bool]]:
    """The filter as SQL."""
    where: list[ColumnElement[bool]] = []
    if filter is None:
        return where
    for column, ids, name in (
        (TaskRow.id, filter.ids, "ids"),
        (TaskRow.board_id, filter.board_ids, "boardIds"),
        (TaskRow.assigned_agent_id, filter.assignee_ids, "assigneeIds"),
    ):
        if ids is not None:
            where.append(column.in_(as_uuids(ids, name) or []))
    if filter.status is not None:
        where.append(TaskRow.status.in_([status.value for status in filter.status]))
    if filter.priority is not None:
        where.append(TaskRow.priority.in_(filter.priority))
    if filter.is_assigned is not None:
        assigned = TaskRow.assigned_agent_id.is_not(None)
        where.append(assigned if filter.is_assigned else ~assigned)
    if filter.is_blocked is not None:
        where.append(queries.is_blocked() if filter.is_blocked else ~queries.is_blocked())
    if filter.is_stalled is not None:
        stalled = TaskRow.stalled_at.is_not(None)
        where.append(stalled if filter.is_stalled else ~stalled)
    if filter.tag_ids is not None:
        tagged = select(TagAssignment.task_id).where(TagAssignment.tag_id.in_(as_uuids(filter.tag_ids, "tagIds") or []))
        where.append(TaskRow.id.in_(tagged))
    for condition in filter.custom_fields or ():
        where += condition.conditions()
    if filter.contains:
        text = filter.contains
        where.append(
            or_(
                TaskRow.title.icontains(text, autoescape=True),
                TaskRow.description.icontains(text, autoescape=True),
            )
        )
    stretches: tuple[tuple[Any, TimeRange | None], ...] = (
        (TaskRow.due_at, filter.due),
        (TaskRow.created_at, filter.created),
    )
    for moment, stretch in stretches:
        if stretch is not None and stretch.since is not None:
            where.append(moment >= stretch.since)
        if stretch is not None and stretch.until is not None:
            where.append(moment < stretch.until)
    return where


def task_order(order_by: list[TaskOrder] | None, by_field: CustomFieldOrder | None = None) -> tuple[Order, ...]:
    """The order as SQL: by a custom field first, then by the keys; newest first unless asked otherwise."""
    keys = fields.order(by_field.key, descending=by_field.descending) if by_field is not None else ()
    return (*keys, *(order.key for order in order_by or ())) or queries.NEWEST


# -- loaders ----------------------------------------------------------------------------------------------------------


def _ids(tasks: Sequence[Task]) -> list[UUID]:
    return [task.row.id for task in tasks]


async def load_boards(ctx: Context, tasks: Sequence[Task]) -> list[Board]:
    """The board of each task."""
    from api.schema.boards import Board

    rows = await by_ids(ctx, BoardRow, [task.row.board_id for task in tasks])
    return [Board.of(rows[task.row.board_id]) for task in tasks]


async def load_assignees(ctx: Context, tasks: Sequence[Task]) -> list[Agent | None]:
    """The agent of each task."""
    from api.schema.agents import Agent

    rows = await by_ids(ctx, AgentRow, [task.row.assigned_agent_id for task in tasks])
    return [
        Agent.of(rows[task.row.assigned_agent_id]) if task.row.assigned_agent_id in rows else None for task in tasks
    ]


async def load_creators(ctx: Context, tasks: Sequence[Task]) -> list[Actor | None]:
    """Who made each task: a person, or the lead."""
    leads = [
        UUID(task.row.auto_reason.partition(":")[2])
        if (task.row.auto_reason or "").startswith("lead_agent:") else None for task in tasks
    ]  # fmt: skip
    return await load_actors(ctx, [task.row.created_by_user_id for task in tasks], leads)


async def _linked(ctx: Context, tasks: Sequence[Task], links: Sequence[Sequence[UUID]]) -> list[list[Task]]:
    rows = await by_ids(ctx, TaskRow, [task_id for ids in links for task_id in ids])
    return [[Task.of(rows[task_id]) for task_id in ids if task_id in rows] for ids in links]


async def load_details(ctx: Context, tasks: Sequence[Task]) -> list[queries.Details]:
    """Dependencies, tags and field values of each task, in one statement."""
    return await queries.details(ctx, [task.row for task in tasks])


async def load_depends_on(ctx: Context, tasks: Sequence[Task]) -> list[list[Task]]:
    """What each task depends on."""
    return await _linked(ctx, tasks, [found.depends_on for found in await load_details(ctx, tasks)])


async def load_blocked_by(ctx: Context, tasks: Sequence[Task]) -> list[list[Task]]:
    """What each task still waits for."""
    return await _linked(ctx, tasks, [found.blocked_by for found in await load_details(ctx, tasks)])


async def load_blocks(ctx: Context, tasks: Sequence[Task]) -> list[list[Task]]:
    """What waits for each task."""
    rows = await ctx.rows(
        select(TaskDependency.depends_on_task_id, TaskRow)
        .join(TaskRow, TaskRow.id == TaskDependency.task_id)
        .where(TaskDependency.depends_on_task_id.in_(_ids(tasks)))
        .order_by(TaskDependency.created_at, TaskDependency.id)
    )
    found: dict[UUID, list[Task]] = {task_id: [] for task_id in _ids(tasks)}
    for task_id, row in rows:
        found[task_id].append(Task.of(row))
    return [found[task.row.id] for task in tasks]


async def load_is_blocked(ctx: Context, tasks: Sequence[Task]) -> list[bool]:
    """Whether each task waits."""
    return [bool(found.blocked_by) for found in await load_details(ctx, tasks)]


async def load_tags(ctx: Context, tasks: Sequence[Task]) -> list[list[Tag]]:
    """The tags of each task."""
    return [[Tag.of(tag) for tag in found.tags] for found in await load_details(ctx, tasks)]


async def load_field_values(ctx: Context, tasks: Sequence[Task]) -> list[list[CustomFieldValue]]:
    """The custom field values of each task."""
    return [
        [CustomFieldValue(key=f.key, label=f.label, type=CustomFieldType(f.type), value=f.value) for f in found.fields]
        for found in await load_details(ctx, tasks)
    ]


async def load_comments(
    ctx: Context, tasks: Sequence[Task], first: First = None, after: After = None, last: Last = None,
    before: Before = None,
) -> list[Connection[Comment]]:  # fmt: skip
    """The comments of each task, oldest first."""
    return await connect(ctx, comments.listing(), Comment.of, Slice(first, after, last, before), _ids(tasks))


async def load_approvals(ctx: Context, tasks: Sequence[Task]) -> list[list[Approval]]:
    """The approvals about each task, newest first."""
    return await _approvals(ctx, tasks)


async def load_pending_approvals(ctx: Context, tasks: Sequence[Task]) -> list[Approval | None]:
    """The approval that waits about each task."""
    return [next(iter(found), None) for found in await _approvals(ctx, tasks, ApprovalRow.status == "pending")]


async def _approvals(ctx: Context, tasks: Sequence[Task], *where: ColumnElement[bool]) -> list[list[Approval]]:
    ids = _ids(tasks)
    any_link = select(ApprovalTaskLink.id).where(ApprovalTaskLink.approval_id == ApprovalRow.id).exists()
    linked = select(ApprovalTaskLink.task_id.label("task"), ApprovalRow.id.label("approval")).join(
        ApprovalRow, ApprovalRow.id == ApprovalTaskLink.approval_id
    ).where(ApprovalTaskLink.task_id.in_(ids), *where)  # fmt: skip
    legacy = select(ApprovalRow.task_id, ApprovalRow.id).where(ApprovalRow.task_id.in_(ids), ~any_link, *where)
    pairs = linked.union_all(legacy).subquery()
    rows = await ctx.rows(
        select(pairs.c.task, ApprovalRow).join(ApprovalRow, ApprovalRow.id == pairs.c.approval)
        .order_by(ApprovalRow.created_at.desc(), ApprovalRow.id)
    )  # fmt: skip
    found: dict[UUID, list[Approval]] = {task_id: [] for task_id in ids}
    for task_id, row in rows:
        found[task_id].append(Approval.of(row))
    return [found[task_id] for task_id in ids]


async def load_next_statuses(ctx: Context, tasks: Sequence[Task]) -> list[list[TaskTransition]]:
    """What the caller may do with each task now, asked from the rules that the mutations ask."""
    known = await queries.facts(ctx, tasks)
    boards = await by_ids(ctx, BoardRow, [task.row.board_id for task in tasks])
    return [
        [_transition(ctx, task.row, status, boards[task.row.board_id], known[task.row.id]) for status in TaskStatus]
        for task in tasks
    ]


def _transition(ctx: Context, row: Any, status: TaskStatus, board: BoardRow, known: rules.Facts) -> TaskTransition:
    code: str | None = None
    reason: str | None = None
    try:
        access.write_board(ctx.actor, board)
        if status.value != row.status:
            request = rules.Request({"status": status.value}, refuses_blocked=True)
            rules.decide(queries.state_of(row), request, ctx.actor, rules.BoardRules.of(board), known, ctx.now())
    except DomainError as error:
        code, reason = error.code.name, error.message
    return TaskTransition(status=status, is_allowed=code is None, code=code, reason=reason)


@strawberry.type(description="A status that a task could move to, and whether the caller may do that now.")
class TaskTransition:
    """An answer of the rules."""

    status: TaskStatus = strawberry.field(
        description="The status; the present one is always allowed and changes nothing."
    )
    is_allowed: bool = strawberry.field(description="Whether `updateTask` would take it from the caller now.")
    code: str | None = strawberry.field(description="The error code it would answer with.")
    reason: str | None = strawberry.field(description="Why not, in words.")


@strawberry.type(description="A piece of work on a board.")
class Task(Node):
    """A row of `tasks`."""

    row: strawberry.Private[Any]
    title: str = strawberry.field(description="What is to be done.")
    description: str | None = strawberry.field(description="More about it.")
    status: TaskStatus = strawberry.field(description="Where it stands.")
    priority: TaskPriority = strawberry.field(description="How urgent it is.")
    priority_label: str = strawberry.field(description="The priority in words.")
    is_stalled: bool = strawberry.field(description="In progress, and its agent has fallen silent.")
    stalled_at: datetime | None = strawberry.field(description="Since when it stands still.")
    due_at: datetime | None = strawberry.field(description="By when.")
    in_progress_at: datetime | None = strawberry.field(description="When the present period of work began.")
    created_at: datetime = strawberry.field(description="When it was made.")
    updated_at: datetime = strawberry.field(description="When it changed last.")
    board: Annotated[Board, strawberry.lazy("api.schema.boards")] = batch_field(load_boards, description="Its board.")
    assignee: Annotated[Agent, strawberry.lazy("api.schema.agents")] | None = batch_field(
        load_assignees, description="The agent that does it."
    )
    created_by: Actor | None = batch_field(load_creators, description="Who made it; null when unknown or gone.")
    depends_on: list[Task] = batch_field(load_depends_on, description="Tasks that must be done first.")
    blocked_by: list[Task] = batch_field(load_blocked_by, description="Those of them that are not done.")
    blocks: list[Task] = batch_field(load_blocks, description="Tasks that wait for this one.")
    is_blocked: bool = batch_field(load_is_blocked, description="Whether it waits for other tasks.")
    tags: list[Tag] = batch_field(load_tags, description="Its tags.")
    custom_field_values: list[CustomFieldValue] = batch_field(
        load_field_values, description="Its value of every field bound to the board."
    )
    comments: Connection[Comment] = batch_field(load_comments, description="What was said about it, oldest first.")
    approvals: list[Approval] = batch_field(load_approvals, description="Approvals about it, newest first.")
    pending_approval: Approval | None = batch_field(load_pending_approvals, description="The approval that waits.")
    next_statuses: list[TaskTransition] = batch_field(
        load_next_statuses, description="What the caller may do with it now, and why not the rest."
    )

    @classmethod
    def of(cls, row: TaskRow) -> Task:
        """From a row."""
        known = row.priority in TaskPriority._value2member_map_
        return shape(
            cls, row, status=TaskStatus(row.status), priority_label=row.priority,
            priority=TaskPriority(row.priority) if known else TaskPriority.OTHER,
            is_stalled=row.stalled_at is not None,
        )  # fmt: skip


# -- resolvers that REST rows use -------------------------------------------------------------------------------------


async def task(ctx: Context, task_id: UUID) -> Task:
    """One task of a board that the caller may read."""
    row = await queries.find(ctx, task_id)
    await board_operations.readable(ctx, row.board_id)
    return Task.of(row)


async def task_page(
    ctx: Context, board_id: UUID, limit: int, offset: int, status: list[str] | None = None,
    assigned_agent_id: UUID | None = None, unassigned: bool | None = None,
) -> OffsetPage:  # fmt: skip
    """A board's tasks, newest first."""
    where: list[ColumnElement[bool]] = [TaskRow.board_id == board_id]
    if status:
        where.append(TaskRow.status.in_(status) if len(status) > 1 else TaskRow.status == status[0])
    if assigned_agent_id is not None:
        where.append(TaskRow.assigned_agent_id == assigned_agent_id)
    if unassigned:
        where.append(TaskRow.assigned_agent_id.is_(None))
    page = await offset_page(ctx, queries.listing(*where), limit, offset)
    page.rows = [Task.of(row) for row in page.rows]
    return page


async def create_task(ctx: Context, board_id: UUID, draft: Mapping[str, Any]) -> Task:
    """Make a task."""
    return Task.of(await operations.create_task(ctx, board_id, draft))


async def update_task(
    ctx: Context, board_id: UUID, task_id: UUID, change: Mapping[str, Any], refuses_blocked: bool = True
) -> Task:
    """Change a task; REST resets a blocked one silently, GraphQL refuses."""
    row = await operations.update_task(ctx, task_id, change, board_id=board_id, refuses_blocked=refuses_blocked)
    return Task.of(row)


async def delete_task(ctx: Context, board_id: UUID, task_id: UUID) -> None:
    """Take a task away."""
    await operations.delete_task(ctx, task_id, board_id)


# -- GraphQL ----------------------------------------------------------------------------------------------------------


@strawberry.type
class TaskQuery:
    """Query fields of tasks."""

    @strawberry.field(description="One task.")
    async def task(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The task's id.")]
    ) -> Task | None:
        return await task(info.context, as_uuid(id))

    @strawberry.field(description="Tasks on boards that the caller reads in the active organisation.")
    async def tasks(
        self, info: Info,
        filter: Annotated[TaskFilter | None, strawberry.argument(description="Which tasks.")] = None,
        order_by: Annotated[list[TaskOrder] | None, strawberry.argument(description="Default: newest first.")] = None,
        order_by_field: ByField = None,
        first: First = None, after: After = None, last: Last = None, before: Before = None,
    ) -> Connection[Task]:  # fmt: skip
        ctx = info.context
        listing = queries.listing(
            queries.visible(ctx), *task_conditions(filter), order=task_order(order_by, order_by_field)
        )
        return await connect_one(ctx, listing, Task.of, Slice(first, after, last, before))
