"""Reading tasks: listing, what is pinned on them, and the facts that rules ask for; one statement for many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, exists, func, literal, or_, select, union_all
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import UUID as PgUUID
from sqlalchemy.orm import aliased

from api.domain import access
from api.domain.activity import COMMENT
from api.domain.activity.tables import ActivityEvent
from api.domain.agents.tables import Agent
from api.domain.approvals.tables import Approval, ApprovalTaskLink
from api.domain.boards.tables import Board
from api.domain.context import Context
from api.domain.custom_fields.tables import BoardCustomField, CustomFieldDefinition, CustomFieldValue
from api.domain.errors import NotFound
from api.domain.paging import Listing, Order, among
from api.domain.tags import Tag, TagAssignment
from api.domain.tasks.rules import Facts, State, Status
from api.domain.tasks.tables import Task, TaskDependency

#: `high` before `medium` before `low` before anything else.
PRIORITY_RANK = case({"high": 0, "medium": 1, "low": 2}, value=Task.priority, else_=3)
#: Work under way first, finished work last.
STATUS_RANK = case({"in_progress": 0, "review": 1, "inbox": 2, "done": 3}, value=Task.status, else_=4)
NEWEST = (Order(Task.created_at, descending=True),)

Dependency = aliased(Task)


async def find(ctx: Context, task_id: UUID, board_id: UUID | None = None, *, lock: bool = False) -> Task:
    """The task of a board the caller may reach; on another board than asked for, or unknown, it is `NotFound`."""
    statement = select(Task).where(Task.id == task_id)
    if lock:
        # FOR NO KEY UPDATE: rows that merely refer to the task do not wait for it.
        statement = statement.with_for_update(key_share=True).execution_options(populate_existing=True)
    task: Task | None = await ctx.one(statement)
    if task is None or task.board_id is None or (board_id is not None and task.board_id != board_id):
        raise NotFound()
    return task


def listing(*where: ColumnElement[bool], order: tuple[Order, ...] = NEWEST) -> Listing:
    """Tasks, newest first unless said otherwise."""
    return Listing(Task, order, where, Task.board_id)


def visible(ctx: Context) -> ColumnElement[bool]:
    """Tasks of boards that the caller reads in the active organisation."""
    access.signed_in(ctx.actor)
    return access.readable_boards(ctx.actor, column=Task.board_id)


def is_blocked() -> ColumnElement[bool]:
    """Not done, and waiting for something that is not done."""
    return and_(Task.status != Status.DONE.value, exists(_open_dependencies(Task.id)))


def _open_dependencies(task_id: Any) -> Any:
    return (
        select(TaskDependency.depends_on_task_id)
        .outerjoin(Dependency, Dependency.id == TaskDependency.depends_on_task_id)
        .where(TaskDependency.task_id == task_id, func.coalesce(Dependency.status, "") != Status.DONE.value)
        .correlate(Task)
    )


# -- what is pinned on tasks -----------------------------------------------------------------------------------------


@dataclass(slots=True)
class TagRef:
    """A tag as tasks show it."""

    id: UUID
    name: str
    slug: str
    color: str
    description: str | None = None


@dataclass(slots=True)
class FieldValue:
    """A bound field with the task's value, else the default."""

    definition_id: UUID
    key: str
    label: str
    type: str
    value: Any


@dataclass(slots=True)
class Details:
    """Dependencies, blockers, tags and field values of one task."""

    depends_on: list[UUID] = field(default_factory=list)
    blocked_by: list[UUID] = field(default_factory=list)
    tags: list[TagRef] = field(default_factory=list)
    fields: list[FieldValue] = field(default_factory=list)


async def details(ctx: Context, tasks: Sequence[Any]) -> list[Details]:
    """The details of each task (anything with `id`, `board_id`, `status`), in one statement, remembered."""
    memo: dict[UUID, Details] = ctx.memo.setdefault("task.details", {})
    missing = [task for task in tasks if UUID(str(task.id)) not in memo]
    if missing:
        memo.update(await _load_details(ctx, missing))
    return [memo[UUID(str(task.id))] for task in tasks]


async def _load_details(ctx: Context, tasks: Sequence[Any]) -> dict[UUID, Details]:
    ids = [UUID(str(task.id)) for task in tasks]
    statuses = {UUID(str(task.id)): str(getattr(task.status, "value", task.status)) for task in tasks}
    dependencies = (
        select(
            literal("d").label("what"), TaskDependency.task_id.label("task_id"),
            func.jsonb_build_array(TaskDependency.depends_on_task_id, Dependency.status).label("data"),
            TaskDependency.created_at.label("at"), TaskDependency.id.label("row_id"),
        )
        .outerjoin(Dependency, Dependency.id == TaskDependency.depends_on_task_id)
        .where(among(TaskDependency.task_id, ids))
    )  # fmt: skip
    tags = (
        select(
            literal("t"), TagAssignment.task_id,
            func.jsonb_build_array(Tag.id, Tag.name, Tag.slug, Tag.color, Tag.description),
            TagAssignment.created_at, TagAssignment.id,
        )
        .join(Tag, Tag.id == TagAssignment.tag_id)
        .where(among(TagAssignment.task_id, ids))
    )  # fmt: skip
    values = (
        select(
            literal("f"), Task.id,
            func.jsonb_build_array(
                CustomFieldDefinition.id, CustomFieldDefinition.field_key, CustomFieldDefinition.label,
                CustomFieldDefinition.field_type,
                func.coalesce(CustomFieldValue.value.cast(JSONB), CustomFieldDefinition.default_value.cast(JSONB)),
            ),
            CustomFieldDefinition.created_at, CustomFieldDefinition.id,
        )
        .select_from(Task)
        .join(BoardCustomField, BoardCustomField.board_id == Task.board_id)
        .join(
            CustomFieldDefinition, CustomFieldDefinition.id == BoardCustomField.task_custom_field_definition_id
        )
        .outerjoin(
            CustomFieldValue,
            and_(
                CustomFieldValue.task_id == Task.id,
                CustomFieldValue.task_custom_field_definition_id == CustomFieldDefinition.id,
            ),
        )
        .where(among(Task.id, ids))
    )  # fmt: skip
    united = union_all(dependencies, tags, values).subquery()
    found = {task_id: Details() for task_id in ids}
    for row in await ctx.rows(select(united).order_by(united.c.at, united.c.row_id)):
        detail, data = found[row.task_id], row.data
        if row.what == "d":
            detail.depends_on.append(UUID(data[0]))
            if data[1] != Status.DONE.value and statuses[row.task_id] != Status.DONE.value:
                detail.blocked_by.append(UUID(data[0]))
        elif row.what == "t":
            detail.tags.append(TagRef(UUID(data[0]), *data[1:]))
        else:
            detail.fields.append(FieldValue(UUID(data[0]), *data[1:]))
    return found


# -- facts -----------------------------------------------------------------------------------------------------------


def linked_approval(status: str, task_id: Any = Task.id) -> ColumnElement[bool]:
    """Whether an approval of this status is linked to the task, by link row or by the older column."""
    by_link = (
        select(ApprovalTaskLink.id)
        .join(Approval, Approval.id == ApprovalTaskLink.approval_id)
        .where(ApprovalTaskLink.task_id == task_id, Approval.status == status, Approval.board_id == Task.board_id)
    )
    by_column = select(Approval.id).where(
        Approval.task_id == task_id, Approval.status == status, Approval.board_id == Task.board_id
    )
    if status == "pending":
        # The older column counts only for approvals that have no link rows at all.
        links = select(ApprovalTaskLink.id).where(ApprovalTaskLink.approval_id == Approval.id)
        by_column = by_column.where(~exists(links))
    return or_(exists(by_link.correlate(Task)), exists(by_column.correlate(Task)))


async def facts(ctx: Context, tasks: Sequence[Any], assignee_id: UUID | None = None) -> dict[UUID, Facts]:
    """What the rules need to know of each task; `assignee_id` is the agent a request would assign."""
    lead = select(Agent.id).where(Agent.board_id == Task.board_id, Agent.is_board_lead.is_(True)).correlate(Task)
    worker = (
        select(Agent.id)
        .where(Agent.id == Task.reviewed_work_of, Agent.board_id == Task.board_id, Agent.is_board_lead.is_(False))
        .correlate(Task)
    )
    author = func.coalesce(assignee_id, Task.assigned_agent_id) if assignee_id else Task.assigned_agent_id
    comment = (
        select(func.trim(func.coalesce(ActivityEvent.message, "")) != "")
        .where(
            ActivityEvent.task_id == Task.id, ActivityEvent.event_type == COMMENT, ActivityEvent.agent_id == author,
            ActivityEvent.created_at >= Task.in_progress_at,
        )
        .order_by(ActivityEvent.created_at.desc()).limit(1).correlate(Task)
    )  # fmt: skip
    blockers = func.array(
        _open_dependencies(Task.id).order_by(TaskDependency.created_at, TaskDependency.id).scalar_subquery(),
        type_=ARRAY(PgUUID(as_uuid=True)),
    )
    statement = select(
        Task.id, blockers.label("blocked_by"), lead.scalar_subquery().label("lead_id"),
        worker.scalar_subquery().label("worker_id"), linked_approval("pending").label("pending"),
        linked_approval("approved").label("approved"), comment.scalar_subquery().label("comment"),
    ).where(among(Task.id, [UUID(str(task.id)) for task in tasks]))  # fmt: skip
    found = {}
    for row in await ctx.rows(statement):
        found[row.id] = Facts(
            blocked_by=tuple(row.blocked_by or ()), lead_id=row.lead_id, last_worker_id=row.worker_id,
            has_pending_approval=row.pending, has_approved_approval=row.approved, has_recent_comment=bool(row.comment),
        )  # fmt: skip
    return found


def state_of(task: Any) -> State:
    """The part of a task row that the rules move."""
    return State(
        status=Status(task.status), assignee_id=task.assigned_agent_id, in_progress_at=task.in_progress_at,
        previous_in_progress_at=task.previous_in_progress_at, reviewed_work_of=task.reviewed_work_of,
    )  # fmt: skip


async def board_of(ctx: Context, task: Task, *, write: bool) -> Board:
    """The task's board, if the caller may read or write it."""
    board = await ctx.one(select(Board).where(Board.id == task.board_id))
    return (access.write_board if write else access.read_board)(ctx.actor, board)
