"""How the boards of a group look at a glance: counts of all tasks, and the most urgent few of each board."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import aliased

from api.domain import access
from api.domain.agents.tables import Agent
from api.domain.boards.tables import Board, BoardGroup
from api.domain.context import Context
from api.domain.errors import Invalid
from api.domain.groups import operations as groups
from api.domain.paging import among
from api.domain.tasks.queries import PRIORITY_RANK, STATUS_RANK
from api.domain.tasks.tables import Task


@dataclass(slots=True)
class BoardGlance:
    """A board, how many tasks it has in each status that occurs, and its most urgent tasks with their assignees."""

    board: Board
    counts: dict[str, int] = field(default_factory=dict)
    tasks: list[tuple[Task, str | None]] = field(default_factory=list)


async def of_group(
    ctx: Context, group_id: UUID, *, include_done: bool = False, per_board_task_limit: int = 5
) -> tuple[BoardGroup, list[BoardGlance]]:
    """The group with those of its boards that the caller reads."""
    if per_board_task_limit < 0:
        raise Invalid("per_board_task_limit must not be negative.", detail="Unprocessable Entity")
    group = await groups.reachable(ctx, group_id)
    readable = access.reachable_boards(ctx.actor)
    return group, await glances(ctx, [Board.board_group_id == group_id, readable], include_done, per_board_task_limit)


async def of_board(
    ctx: Context, board: Board, *, include_self: bool = False, include_done: bool = False,
    per_board_task_limit: int = 5,
) -> tuple[BoardGroup | None, list[BoardGlance]]:  # fmt: skip
    """The other boards of a board's group: all for its agents, those that they read for people."""
    group = await groups.find(ctx, board.board_group_id) if board.board_group_id is not None else None
    if group is None:
        return None, []
    where = [Board.board_group_id == group.id]
    if ctx.actor.kind == "user":
        where.append(access.reachable_boards(ctx.actor))
    if not include_self:
        where.append(Board.id != board.id)
    return group, await glances(ctx, where, include_done, per_board_task_limit)


async def glances(ctx: Context, where: Sequence[Any], include_done: bool, limit: int) -> list[BoardGlance]:
    """Boards by name; counts and tasks in two statements for all of them."""
    boards = await ctx.all(select(Board).where(*where).order_by(func.lower(Board.name), Board.id))
    found = {board.id: BoardGlance(board) for board in boards}
    if not found:
        return []
    counted = (
        select(Task.board_id, Task.status, func.count())
        .where(among(Task.board_id, found.keys())).group_by(Task.board_id, Task.status)
    )  # fmt: skip
    for board_id, status, count in await ctx.rows(counted):
        found[board_id].counts[status] = count
    order = (STATUS_RANK, PRIORITY_RANK, Task.updated_at.desc(), Task.created_at.desc(), Task.id)
    place = func.row_number().over(partition_by=Task.board_id, order_by=order).label("place")
    ranked = select(Task, place).where(among(Task.board_id, found.keys()))
    if not include_done:
        ranked = ranked.where(Task.status != "done")
    inner = ranked.subquery()
    task = aliased(Task, inner)
    shown = (
        select(task, Agent.name).outerjoin(Agent, Agent.id == task.assigned_agent_id)
        .where(inner.c.place <= limit).order_by(inner.c.place)
    )  # fmt: skip
    for row, assignee in await ctx.rows(shown):
        found[row.board_id].tasks.append((row, assignee))
    return list(found.values())
