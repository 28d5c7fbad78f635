"""Changing tasks over GraphQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import strawberry

from api.domain import access
from api.domain.context import Context
from api.domain.errors import Invalid
from api.domain.paging import by_ids
from api.domain.tasks import operations
from api.domain.tasks.tables import Task as TaskRow
from api.schema.batching import Info
from api.schema.mutations import Payload, delete_once, mutate, mutate_many
from api.schema.scalars import as_uuid, as_uuids, given, optional_uuid
from api.schema.task_inputs import (
    ClaimTaskInput,
    CreateTaskInput,
    DeleteTaskInput,
    UpdateTaskInput,
    UpdateTasksInput,
)
from api.schema.tasks import Task


@strawberry.type(description="The new task.")
class CreateTaskPayload(Payload):
    """Payload of `createTask`."""

    task: Task = strawberry.field(description="The task.")


@strawberry.type(description="The changed task.")
class UpdateTaskPayload(Payload):
    """Payload of `updateTask`."""

    task: Task = strawberry.field(description="The task.")


@strawberry.type(description="The changed tasks.")
class UpdateTasksPayload(Payload):
    """Payload of `updateTasks`."""

    tasks: list[Task] = strawberry.field(description="The tasks, in the order given.")


@strawberry.type(description="The task that is now the caller's.")
class ClaimTaskPayload(Payload):
    """Payload of `claimTask`."""

    task: Task = strawberry.field(description="The task.")


@strawberry.type(description="The task is gone.")
class DeleteTaskPayload(Payload):
    """Payload of `deleteTask`."""

    task_id: strawberry.ID = strawberry.field(description="The task that was.")


@strawberry.type
class TaskMutation:
    """Mutations of tasks."""

    @strawberry.mutation(description="Make a task.")
    async def create_task(self, info: Info, input: CreateTaskInput) -> CreateTaskPayload:
        draft = task_change(given(input, "board_id", "client_mutation_id"))
        board_id = as_uuid(input.board_id, "boardId")
        return await mutate(
            info, input, lambda: operations.create_task(info.context, board_id, draft), _reload,
            lambda row: {"task": Task.of(row)}, CreateTaskPayload,
        )  # fmt: skip

    @strawberry.mutation(description="Change a task under the board's rules; omitted fields stay, null clears.")
    async def update_task(self, info: Info, input: UpdateTaskInput) -> UpdateTaskPayload:
        change = task_change(given(input, "id", "client_mutation_id"))
        return await mutate(
            info, input,
            lambda: operations.update_task(info.context, as_uuid(input.id), change, refuses_blocked=True), _reload,
            lambda row: {"task": Task.of(row)}, UpdateTaskPayload,
        )  # fmt: skip

    @strawberry.mutation(description="Change several tasks: all or nothing.")
    async def update_tasks(self, info: Info, input: UpdateTasksInput) -> UpdateTasksPayload:
        ctx = info.context
        if len(input.tasks) > 100:
            raise Invalid("At most 100 tasks at once.", asked=len(input.tasks), allowed=100)
        changes = {as_uuid(one.id): task_change(given(one, "id", "client_mutation_id")) for one in input.tasks}
        if len(changes) != len(input.tasks):
            raise Invalid("A task is listed twice.")

        async def update_all() -> list[TaskRow]:
            async with ctx.write():
                # In the order of ids, so that two such changes cannot wait for each other.
                done = {
                    one: await operations.update_task(ctx, one, changes[one], refuses_blocked=True)
                    for one in sorted(changes)
                }
            return [done[one] for one in changes]

        return await mutate_many(
            info, input, update_all, _reload, lambda rows: {"tasks": [Task.of(row) for row in rows]},
            UpdateTasksPayload,
        )  # fmt: skip

    @strawberry.mutation(description="Take a free task, atomically: the one named, or the most urgent, oldest one.")
    async def claim_task(self, info: Info, input: ClaimTaskInput) -> ClaimTaskPayload:
        board_id = as_uuid(input.board_id, "boardId")
        task_id = optional_uuid(given(input).get("task_id"), "taskId")
        return await mutate(
            info, input, lambda: operations.claim_task(info.context, board_id, task_id), _reload,
            lambda row: {"task": Task.of(row)}, ClaimTaskPayload,
        )  # fmt: skip

    @strawberry.mutation(description="Take a task away with its comments; people with write access, and the lead.")
    async def delete_task(self, info: Info, input: DeleteTaskInput) -> DeleteTaskPayload:
        task_id = as_uuid(input.id)
        return await delete_once(
            info, input, task_id, lambda: operations.delete_task(info.context, task_id),
            lambda gone: {"task_id": gone}, DeleteTaskPayload,
        )  # fmt: skip


async def _reload(ctx: Context, ids: Sequence[UUID]) -> dict[Any, Any]:
    return await by_ids(ctx, TaskRow, ids, access.reachable_boards(ctx.actor, TaskRow.board_id))


def task_change(fields: dict[str, Any]) -> dict[str, Any]:
    """An input's fields in the names of the domain."""
    names = {"assignee_id": "assigned_agent_id", "depends_on": "depends_on_task_ids"}
    change = {names.get(name, name): value for name, value in fields.items()}
    if "assigned_agent_id" in change:
        change["assigned_agent_id"] = optional_uuid(change["assigned_agent_id"], "assigneeId")
    for name, shown in (("depends_on_task_ids", "dependsOn"), ("tag_ids", "tagIds")):
        if name in change:
            change[name] = as_uuids(change[name], shown)
    values = change.get("custom_field_values")
    if values is not None and not isinstance(values, Mapping):
        raise Invalid("customFieldValues must be an object.")
    return change
