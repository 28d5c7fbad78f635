"""Inputs, filters and orders of tasks."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any

import strawberry
from sqlalchemy import func, literal
from strawberry.scalars import JSON

from api.domain.custom_fields import queries as fields
from api.domain.paging import Order
from api.domain.tasks.queries import PRIORITY_RANK, STATUS_RANK
from api.domain.tasks.tables import Task as TaskRow
from api.schema.scalars import optional


@strawberry.enum(description="Where a task stands.")
class TaskStatus(Enum):
    """Statuses."""

    INBOX = strawberry.enum_value("inbox", description="Waits to be taken.")
    IN_PROGRESS = strawberry.enum_value("in_progress", description="Somebody works on it.")
    REVIEW = strawberry.enum_value("review", description="Waits for the lead to look at it.")
    DONE = strawberry.enum_value("done", description="Finished.")


@strawberry.enum(description="How urgent a task is.")
class TaskPriority(Enum):
    """Closed here, free text on the wire."""

    HIGH = strawberry.enum_value("high", description="First.")
    MEDIUM = strawberry.enum_value("medium", description="Normal.")
    LOW = strawberry.enum_value("low", description="When there is time.")
    OTHER = strawberry.enum_value("other", description="Another word; see priorityLabel. It sorts last.")


@strawberry.enum(description="Orders of tasks.")
class TaskOrder(Enum):
    """Keys of an order."""

    CREATED_AT = strawberry.enum_value("created_at", description="Oldest first.")
    CREATED_AT_DESC = strawberry.enum_value("created_at_desc", description="Newest first.")
    UPDATED_AT = strawberry.enum_value("updated_at", description="Longest unchanged first.")
    UPDATED_AT_DESC = strawberry.enum_value("updated_at_desc", description="Last changed first.")
    DUE_AT = strawberry.enum_value("due_at", description="Due soonest first; without a date last.")
    PRIORITY = strawberry.enum_value("priority", description="Most urgent first.")
    STATUS = strawberry.enum_value("status", description="Work under way first, finished work last.")
    TITLE = strawberry.enum_value("title", description="By title.")

    @property
    def key(self) -> Order:
        """The order as SQL; expressions are never null."""
        name = str(self.value).removesuffix("_desc")
        expressions: dict[str, Any] = {
            "created_at": TaskRow.created_at,
            "updated_at": TaskRow.updated_at,
            "due_at": func.coalesce(TaskRow.due_at, literal(datetime(9999, 12, 31))),
            "priority": PRIORITY_RANK,
            "status": STATUS_RANK,
            "title": func.lower(TaskRow.title),
        }
        return Order(expressions[name], str(self.value).endswith("_desc"))


@strawberry.input(description="A stretch of time; both ends are optional.")
class TimeRange:
    """Part of filters."""

    since: datetime | None = strawberry.field(default=None, description="At or after.")
    until: datetime | None = strawberry.field(default=None, description="Before.")


@strawberry.input(description="A condition on a custom field; a field without a value counts with its default.")
class CustomFieldCondition:
    """Part of `TaskFilter`."""

    key: str = strawberry.field(description="The field's key.")
    equals: JSON | None = strawberry.field(default=strawberry.UNSET, description="Exactly this value.")
    is_set: bool | None = strawberry.field(default=None, description="Having a value, or none.")
    at_least: float | None = strawberry.field(default=None, description="A number not smaller than this.")
    below: float | None = strawberry.field(default=None, description="A number smaller than this.")
    contains: str | None = strawberry.field(default=None, description="A part of the text, in any case.")

    def conditions(self) -> list[Any]:
        """The condition as SQL."""
        where = fields.between(self.key, self.at_least, self.below)
        if self.equals is not strawberry.UNSET:
            where.append(fields.equals(self.key, self.equals))
        if self.is_set is not None:
            where.append(fields.is_set(self.key) if self.is_set else ~fields.is_set(self.key))
        if self.contains:
            where.append(fields.contains(self.key, self.contains))
        return where


@strawberry.input(description="An order by a custom field; tasks without a value come last.")
class CustomFieldOrder:
    """Argument of task lists."""

    key: str = strawberry.field(description="The field's key.")
    descending: bool = strawberry.field(default=False, description="Largest first.")


@strawberry.input(description="Which tasks; conditions add up.")
class TaskFilter:
    """Filter of tasks."""

    ids: list[strawberry.ID] | None = strawberry.field(default=None, description="Only these tasks.")
    board_ids: list[strawberry.ID] | None = strawberry.field(default=None, description="On one of these boards.")
    status: list[TaskStatus] | None = strawberry.field(default=None, description="In one of these statuses.")
    priority: list[str] | None = strawberry.field(default=None, description="With one of these priority words.")
    assignee_ids: list[strawberry.ID] | None = strawberry.field(default=None, description="Of one of these agents.")
    is_assigned: bool | None = strawberry.field(default=None, description="Having an assignee, or not.")
    is_blocked: bool | None = strawberry.field(default=None, description="Waiting for other tasks, or not.")
    is_stalled: bool | None = strawberry.field(default=None, description="Its agent fell silent, or not.")
    tag_ids: list[strawberry.ID] | None = strawberry.field(default=None, description="Carrying one of these tags.")
    custom_fields: list[CustomFieldCondition] | None = strawberry.field(
        default=None, description="With such values of custom fields."
    )
    contains: str | None = strawberry.field(default=None, description="A part of title or description, in any case.")
    due: TimeRange | None = strawberry.field(default=None, description="Due within.")
    created: TimeRange | None = strawberry.field(default=None, description="Created within.")


@strawberry.input(description="A new task: by people with write access, or the board's lead.")
class CreateTaskInput:
    """Input of `createTask`."""

    board_id: strawberry.ID = strawberry.field(description="The board.")
    title: str = strawberry.field(description="What is to be done.")
    description: str | None = optional("More about it.")
    status: TaskStatus = strawberry.field(default=TaskStatus.INBOX, description="Where it begins.")
    priority: str = strawberry.field(default="medium", description="high, medium, low, or a word of your own.")
    due_at: datetime | None = optional("By when.")
    assignee_id: strawberry.ID | None = optional("The agent that does it.")
    depends_on: list[strawberry.ID] | None = optional("Tasks of this board that must be done first.")
    tag_ids: list[strawberry.ID] | None = optional("Tags of the organisation.")
    custom_field_values: JSON | None = optional("An object from field keys to values.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.input(description="What to change of a task; omitted fields stay, null clears.")
class UpdateTaskInput:
    """Input of `updateTask`. Workers set status, comment and fields; leads assign, move, tag and link."""

    id: strawberry.ID = strawberry.field(description="The task.")
    title: str | None = optional("What is to be done.")
    description: str | None = optional("More about it.")
    status: TaskStatus | None = optional("Where it shall stand; see `nextStatuses` for what is open to you.")
    priority: str | None = optional("high, medium, low, or a word of your own.")
    due_at: datetime | None = optional("By when.")
    assignee_id: strawberry.ID | None = optional("The agent that does it; null takes it away.")
    depends_on: list[strawberry.ID] | None = optional("The whole list of tasks that must be done first.")
    tag_ids: list[strawberry.ID] | None = optional("The whole list of tags.")
    custom_field_values: JSON | None = optional("Field keys and values to set; null deletes a value.")
    comment: str | None = optional("A comment to go with the change.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.input(description="One change of several tasks: all or nothing.")
class UpdateTasksInput:
    """Input of `updateTasks`."""

    tasks: list[UpdateTaskInput] = strawberry.field(description="The changes, at most 100.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.input(description="A task to take: the one named, or the most urgent free one.")
class ClaimTaskInput:
    """Input of `claimTask`."""

    board_id: strawberry.ID = strawberry.field(description="The board.")
    task_id: strawberry.ID | None = optional("This task; omitted: the next free one.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.input(description="A task to take away.")
class DeleteTaskInput:
    """Input of `deleteTask`."""

    id: strawberry.ID = strawberry.field(description="The task.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.input(description="A comment on a task.")
class CommentOnTaskInput:
    """Input of `commentOnTask`."""

    task_id: strawberry.ID = strawberry.field(description="The task.")
    message: str = strawberry.field(description="The text; `@name` tells an agent, without a name the assignee hears.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.input(description="A comment whose text shall go.")
class RedactCommentInput:
    """Input of `redactComment`."""

    id: strawberry.ID = strawberry.field(description="The comment.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")
