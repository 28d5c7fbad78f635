"""Dependencies between the tasks of a board: setting them, and what happens when one is done or re-opened."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

from sqlalchemy import delete, select

from api.domain.activity import record
from api.domain.context import Context
from api.domain.errors import Code, Conflict, Invalid, NotFound
from api.domain.tasks import rules
from api.domain.tasks.queries import state_of
from api.domain.tasks.rules import Status
from api.domain.tasks.tables import Task, TaskDependency


async def replace(ctx: Context, task: Task, wanted: Sequence[UUID]) -> list[UUID]:
    """Make `wanted` the whole list of an existing task; returns it without duplicates, in order.

    Raises what `check` raises, and `Conflict` for a done task or a cycle.
    """
    if task.status == Status.DONE.value:
        raise Conflict("The dependencies of a done task cannot be changed.")
    ids = await check(ctx, task, wanted)
    if ids and await _reaches(ctx, ids, task.id):
        raise Conflict("The dependencies would close a cycle.", code=Code.DEPENDENCY_CYCLE)
    present = await ctx.all(
        select(TaskDependency.depends_on_task_id).where(TaskDependency.task_id == task.id)
        .order_by(TaskDependency.created_at, TaskDependency.id)
    )  # fmt: skip
    if present != ids:
        await ctx.run(delete(TaskDependency).where(TaskDependency.task_id == task.id))
        await store(ctx, task, ids)
    return ids


async def check(ctx: Context, task: Task, wanted: Sequence[UUID]) -> list[UUID]:
    """The ids without duplicates. Raises `Invalid` for the task itself, `NotFound` for ids not on the board.

    Writers of one board's dependencies wait for each other, so that two edits cannot close a cycle together.
    """
    ids = list(dict.fromkeys(wanted))
    if task.id in ids:
        raise Invalid("A task cannot depend on itself.")
    await ctx.lock_key("dependencies", task.board_id)
    if ids:
        # Share-locked, so that none of them is re-opened while this change relies on it.
        known = set(
            await ctx.all(
                select(Task.id).where(Task.id.in_(ids), Task.board_id == task.board_id).order_by(Task.id)
                .with_for_update(read=True)
            )
        )  # fmt: skip
        missing = [str(task_id) for task_id in ids if task_id not in known]
        if missing:
            message = "Some dependencies are not tasks of this board."
            raise NotFound(message, detail={"message": message, "missing_task_ids": missing}, missing_task_ids=missing)
    return ids


async def store(ctx: Context, task: Task, ids: Sequence[UUID]) -> None:
    """Write the edges of a task that has none."""
    moment = ctx.now()
    for index, task_id in enumerate(ids):
        created = moment + timedelta(microseconds=index)  # keeps the order
        ctx.add(
            TaskDependency(
                id=uuid4(),
                board_id=task.board_id,
                task_id=task.id,
                depends_on_task_id=task_id,
                created_at=created,
            )
        )
    await ctx.flush()


async def _reaches(ctx: Context, start: Sequence[UUID], goal: UUID) -> bool:
    """Whether `goal` is among what `start` depends on, however far."""
    walk = select(TaskDependency.depends_on_task_id.label("id")).where(TaskDependency.task_id.in_(start))
    closure = walk.cte("closure", recursive=True)
    closure = closure.union(
        select(TaskDependency.depends_on_task_id).join(closure, TaskDependency.task_id == closure.c.id)
    )
    return bool(await ctx.rows(select(closure.c.id).where(closure.c.id == goal).limit(1)))


async def propagate(ctx: Context, task: Task, organization_id: UUID, before: str) -> None:
    """Tell the direct dependents that `task` was done or re-opened; re-opening sends started ones back to the inbox."""
    done = Status.DONE.value
    if (before == done) == (task.status == done):
        return
    dependents = await ctx.all(
        select(Task)
        .join(TaskDependency, TaskDependency.task_id == Task.id)
        .where(TaskDependency.depends_on_task_id == task.id, Task.status != done)
        .order_by(Task.id)
        .with_for_update(of=Task)
    )
    for dependent in dependents:
        place = {"task_id": dependent.id, "board_id": dependent.board_id}
        if task.status == done:
            row = record(ctx, "task.updated", f"Dependency done: {task.title}", **place)
            kind, changes = "task.unblocked", None
        else:
            kind, changes = "task.blocked", None
            back = rules.reopened_dependent(state_of(dependent))
            if back is None:
                row = record(ctx, "task.updated", f"Dependency re-opened: {task.title}", **place)
            else:
                was = dependent.status
                changes = [{"field": "status", "before": was, "after": back.status.value}]
                if dependent.assigned_agent_id is not None:
                    changes.append(
                        {
                            "field": "assigned_agent_id",
                            "before": str(dependent.assigned_agent_id),
                            "after": None,
                        }
                    )
                dependent.status, dependent.assigned_agent_id = back.status.value, back.assignee_id
                dependent.in_progress_at, dependent.updated_at = back.in_progress_at, ctx.now()
                dependent.stalled_at = None
                row = record(
                    ctx, "task.status_changed", f"Back to inbox: the dependency {task.title!r} was re-opened",
                    from_status=was, to_status=back.status.value, **place,
                )  # fmt: skip
        ctx.emit(
            kind, subject_id=dependent.id, task_id=dependent.id, board_id=dependent.board_id,
            organization_id=organization_id, activity_id=row.id, changes=changes,
        )  # fmt: skip
