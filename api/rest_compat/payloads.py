"""What the streams say about an event."""

from __future__ import annotations

from typing import Any

from api.domain.events.tables import Event
from api.rest_compat.shapes import agent_read, approval_read, plain, task_read
from api.rest_compat.streams import Asked, Stream
from api.rest_compat.views import comment_item
from api.rest_compat.wire import BoardGroupMemoryRead, BoardMemoryRead
from api.schema import activity, events
from api.schema.http import Context

_TASK_TYPES = {"task.created", "task.updated", "task.status_changed", "task.comment"}
_ACTIVITY = ("id", "event_type", "message", "agent_id", "task_id", "created_at")
_COMMENT = ("id", "message", "agent_id", "task_id", "created_at")
_memory_read = plain(BoardMemoryRead)
_group_memory_read = plain(BoardGroupMemoryRead)


async def task_payload(ctx: Context, event: Event, asked: Asked) -> dict[str, Any] | None:
    """The activity with the task as it is now, a comment, or that the task is gone."""
    if event.kind == "task.deleted":
        return {"type": "task.deleted", "task_id": event.task_id}
    row = await events.activity_row(ctx, event)
    if row is None or row.event_type not in _TASK_TYPES or event.kind == "task.comment_redacted":
        return None
    said = {"type": row.event_type, "activity": {name: getattr(row, name) for name in _ACTIVITY}}
    if row.event_type == "task.comment":
        return {**said, "comment": {name: getattr(row, name) for name in _COMMENT}}
    task = await events.task_now(ctx, event)
    return {**said, "task": (await task_read(ctx, [task]))[0] if task else None}


async def approval_payload(ctx: Context, event: Event, asked: Asked) -> dict[str, Any] | None:
    """The approval as it is now, how many wait on the board, and the counts of its tasks."""
    if event.kind == "approval.deleted":
        return {"type": "approval.deleted", "approval_id": event.subject_id}
    approval = await events.approval_now(ctx, event)
    if approval is None:
        return None
    shown = (await approval_read(ctx, [approval]))[0]
    pending, counts = await events.approval_counts(ctx, approval.row.board_id, shown["task_ids"])
    payload: dict[str, Any] = {"approval": shown, "pending_approvals_count": pending}
    if counts:
        entries = [
            {"task_id": task_id, "approvals_count": total, "approvals_pending_count": waiting}
            for task_id, (total, waiting) in counts.items()
        ]
        payload["task_counts"] = entries[0] if len(entries) == 1 else entries
    return payload


async def memory_payload(ctx: Context, event: Event, asked: Asked) -> dict[str, Any] | None:
    """The entry."""
    entry = await events.memory_now(ctx, event)
    if entry is None or (asked.query.is_chat is not None and entry.row.is_chat is not asked.query.is_chat):
        return None
    return {"memory": (await _memory_read(ctx, [entry]))[0]}


async def agent_payload(ctx: Context, event: Event, asked: Asked) -> dict[str, Any] | None:
    """The agent as it is now, or that it is gone."""
    if event.organization_id and not events.may_see(ctx, event):
        return None
    if event.kind == "agent.deleted":
        return {"type": "agent.deleted", "agent_id": event.subject_id}
    agent = await events.agent_now(ctx, event)
    return {"agent": (await agent_read(ctx, [agent]))[0]} if agent else None


async def group_memory_payload(ctx: Context, event: Event, asked: Asked) -> dict[str, Any] | None:
    """The entry, if it is of the group that the address names (or its board is in now)."""
    entry = await events.group_memory_now(ctx, event)
    if entry is None or (asked.query.is_chat is not None and entry.row.is_chat is not asked.query.is_chat):
        return None
    if not await events.hears_group(ctx, asked.path, entry.row.board_group_id):
        return None
    return {"memory": (await _group_memory_read(ctx, [entry]))[0]}


async def comment_payload(ctx: Context, event: Event, asked: Asked) -> dict[str, Any] | None:
    """The comment with its task and board, if the caller reads that board now."""
    if event.kind not in ("task.commented", "task.replayed", "task.moved", "task.updated") or event.board_id is None:
        return None
    if asked.query.board_id not in (None, event.board_id):
        return None
    comment = await activity.comment_now(ctx, event)
    return {"comment": (await comment_item(ctx, [comment]))[0]} if comment else None


TASKS = Stream("task", "task", task_payload)
APPROVALS = Stream("approval", "approval", approval_payload)
MEMORY = Stream("memory", "memory", memory_payload)
AGENTS = Stream("agent", "agent", agent_payload)
GROUP_MEMORY = Stream("group", "memory", group_memory_payload, wide=True)
COMMENTS = Stream("task", "comment", comment_payload, wide=True, replay="comment")
