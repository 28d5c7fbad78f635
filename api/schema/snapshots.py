"""Whole boards and groups in one answer, for REST. GraphQL selects the same from `board` and `boardGroup`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select

from api.domain.agents.tables import Agent as AgentRow
from api.domain.approvals import operations as approval_operations
from api.domain.approvals.tables import Approval as ApprovalRow
from api.domain.boards import operations as boards
from api.domain.context import Context
from api.domain.groups import snapshots
from api.domain.memory import operations as memory_operations
from api.domain.memory.tables import MemoryEntry as MemoryRow
from api.domain.paging import offset_page
from api.domain.tasks.tables import Task as TaskRow
from api.schema.agents import Agent
from api.schema.approvals import Approval
from api.schema.boards import Board
from api.schema.groups import BoardGroup
from api.schema.memory import MemoryEntry
from api.schema.tasks import Task

#: How many approvals and chat messages a snapshot shows.
NEWEST = 200


@dataclass(slots=True)
class BoardSnapshot:
    """A board with everything on it."""

    board: Board
    tasks: list[Task]
    agents: list[Agent]
    approvals: list[Approval]
    chat: list[MemoryEntry]
    pending: int


@dataclass(slots=True)
class TaskGlance:
    """A task of a group with the names around it."""

    task: Task
    board_name: str
    assignee: str | None


@dataclass(slots=True)
class BoardGlance:
    """A board of a group."""

    board: Board
    counts: dict[str, int]
    tasks: list[TaskGlance]


@dataclass(slots=True)
class GroupSnapshot:
    """A group with its boards."""

    group: BoardGroup | None
    boards: list[BoardGlance]


async def board_snapshot(ctx: Context, board_id: UUID) -> BoardSnapshot:
    """All tasks and agents, the newest approvals and chat messages (oldest first), how many approvals wait."""
    board = await boards.readable(ctx, board_id)
    tasks = await ctx.all(select(TaskRow).where(TaskRow.board_id == board_id).order_by(*_newest(TaskRow)))
    where = AgentRow.board_id == board_id
    agents = await ctx.all(select(AgentRow).where(where).order_by(*_newest(AgentRow)))
    approvals = await ctx.all(
        select(ApprovalRow).where(ApprovalRow.board_id == board_id).order_by(*_newest(ApprovalRow)).limit(NEWEST)
    )
    chat_listing = memory_operations.listing(MemoryRow.board_id == board_id, MemoryRow.is_chat.is_(True))
    chat = (await offset_page(ctx, chat_listing, NEWEST, 0)).rows
    return BoardSnapshot(
        Board.of(board), [Task.of(row) for row in tasks], [Agent.of(row) for row in agents],
        [Approval.of(row) for row in approvals], [MemoryEntry.of(row) for row in reversed(chat)],
        await approval_operations.pending_count(ctx, board_id),
    )  # fmt: skip


def _newest(entity: Any) -> tuple[Any, Any]:
    return entity.created_at.desc(), entity.id.desc()


async def group_snapshot(
    ctx: Context, group_id: UUID, include_done: bool = False, per_board_task_limit: int = 5
) -> GroupSnapshot:
    """A group with those of its boards that the caller reads."""
    group, glances = await snapshots.of_group(
        ctx, group_id, include_done=include_done, per_board_task_limit=per_board_task_limit
    )
    return GroupSnapshot(BoardGroup.of(group), [_glance(one) for one in glances])


async def group_snapshot_of_board(
    ctx: Context, board_id: UUID, include_self: bool = False, include_done: bool = False, per_board_task_limit: int = 5
) -> GroupSnapshot:
    """The other boards of a board's group."""
    board = await boards.readable(ctx, board_id)
    group, glances = await snapshots.of_board(
        ctx, board, include_self=include_self, include_done=include_done, per_board_task_limit=per_board_task_limit
    )
    return GroupSnapshot(BoardGroup.of(group) if group else None, [_glance(one) for one in glances])


def _glance(one: snapshots.BoardGlance) -> BoardGlance:
    tasks = [TaskGlance(Task.of(row), one.board.name, assignee) for row, assignee in one.tasks]
    return BoardGlance(Board.of(one.board), one.counts, tasks)


async def approval_counts(ctx: Context, snapshot: BoardSnapshot) -> dict[UUID, tuple[int, int]]:
    """How many approvals, and how many waiting ones, each task of a snapshot has."""
    ids = [task.row.id for task in snapshot.tasks]
    return await approval_operations.counts(ctx, snapshot.board.row.id, ids)
