"""Every kind of event, as clients see it."""

from __future__ import annotations

from enum import Enum

import strawberry


@strawberry.enum(description="What happened.")
class EventKind(Enum):
    """The kinds of the log."""

    TASK_CREATED = strawberry.enum_value("task.created", description="A task was made.")
    TASK_UPDATED = strawberry.enum_value("task.updated", description="A task's texts, tags, fields or links changed.")
    TASK_MOVED = strawberry.enum_value("task.moved", description="A task changed its status.")
    TASK_ASSIGNED = strawberry.enum_value("task.assigned", description="A task changed its assignee only.")
    TASK_COMMENTED = strawberry.enum_value("task.commented", description="Somebody commented on a task.")
    COMMENT_REDACTED = strawberry.enum_value("task.comment_redacted", description="A comment's text was taken away.")
    TASK_BLOCKED = strawberry.enum_value("task.blocked", description="A task it depends on was re-opened.")
    TASK_UNBLOCKED = strawberry.enum_value("task.unblocked", description="A task it depends on is done.")
    TASK_STALLED = strawberry.enum_value("task.stalled", description="Its agent has fallen silent.")
    TASK_DELETED = strawberry.enum_value("task.deleted", description="A task was taken away.")
    APPROVAL_REQUESTED = strawberry.enum_value("approval.requested", description="A decision was asked for.")
    APPROVAL_APPROVED = strawberry.enum_value("approval.approved", description="A person agreed.")
    APPROVAL_REJECTED = strawberry.enum_value("approval.rejected", description="A person refused.")
    APPROVAL_REOPENED = strawberry.enum_value("approval.reopened", description="A decision was taken back.")
    APPROVAL_DELETED = strawberry.enum_value("approval.deleted", description="An approval went with its last task.")
    MEMORY_WRITTEN = strawberry.enum_value("memory.written", description="An entry was added.")
    MEMORY_REDACTED = strawberry.enum_value("memory.redacted", description="An entry's text was taken away.")
    AGENT_CREATED = strawberry.enum_value("agent.created", description="An agent was put on the board.")
    AGENT_UPDATED = strawberry.enum_value("agent.updated", description="An agent changed.")
    AGENT_PRESENCE = strawberry.enum_value("agent.presence", description="An agent appeared or fell silent.")
    AGENT_TOKEN_ROTATED = strawberry.enum_value("agent.token_rotated", description="An agent got a new token.")
    AGENT_DELETED = strawberry.enum_value("agent.deleted", description="An agent was taken away.")
    BOARD_CREATED = strawberry.enum_value("board.created", description="The board was made.")
    BOARD_UPDATED = strawberry.enum_value("board.updated", description="The board's settings changed.")
    BOARD_DELETED = strawberry.enum_value("board.deleted", description="The board was taken away.")
    ONBOARDING = strawberry.enum_value("board.onboarding", description="The conversation that sets it up went on.")
    WEBHOOK_CREATED = strawberry.enum_value("board.webhook_created", description="A webhook was made.")
    WEBHOOK_UPDATED = strawberry.enum_value("board.webhook_updated", description="A webhook changed.")
    WEBHOOK_DELETED = strawberry.enum_value("board.webhook_deleted", description="A webhook was taken away.")
    WEBHOOK_RECEIVED = strawberry.enum_value("board.webhook_received", description="A webhook took a delivery.")
    OTHER = strawberry.enum_value("other", description="A kind that this version of the schema does not name.")

    @classmethod
    def of(cls, kind: str) -> EventKind:
        """The kind of a log row."""
        return cls(kind) if kind in cls._value2member_map_ else cls.OTHER


@strawberry.input(description="Which task events; conditions add up.")
class TaskEventFilter:
    """Filter of `taskEvents`."""

    task_id: strawberry.ID | None = strawberry.field(default=None, description="About this task.")
    kinds: list[EventKind] | None = strawberry.field(default=None, description="Of these kinds.")
