"""The dashboard's numbers, each series in one statement over the recorded changes of status.

Throughput counts moves to done; cycle time is from the last move to in progress to the move to review or done that
ended it; work in progress is how many tasks stood in each status at the end of a bucket (or of the window); the error
rate is the share of activity whose type ends in `failed`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Float, and_, case, func, literal, select, union_all
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

from api.domain import access
from api.domain.activity.tables import ActivityEvent
from api.domain.agents.tables import Agent
from api.domain.approvals.tables import Approval, ApprovalTaskLink
from api.domain.boards.tables import Board
from api.domain.context import Context
from api.domain.errors import Forbidden, field_error
from api.domain.metrics.windows import RANGES, Window, windows
from api.domain.paging import among
from api.domain.tasks.tables import Task

STATUSES = ("inbox", "in_progress", "review", "done")
SHOWN_APPROVALS = 10


@dataclass(slots=True)
class Series:
    """A value for each bucket of a window; of work in progress four."""

    window: Window
    values: list[Any]


@dataclass(slots=True)
class Pending:
    """An approval that waits, with the names around it."""

    approval: Approval
    board_name: str
    task_title: str | None


@dataclass(slots=True)
class Dashboard:
    """Everything the dashboard shows. `series` holds (primary, comparison) by name."""

    range: str
    generated_at: datetime
    counts: dict[str, int]
    active_agents: int
    error_rate: float
    median_cycle_hours: float | None
    series: dict[str, tuple[Series, Series]]
    pending_total: int
    pending: list[Pending]


async def dashboard(
    ctx: Context, range_key: str = "24h", *, board_id: UUID | None = None, group_id: UUID | None = None
) -> Dashboard:
    """The dashboard over the boards that the caller reads in the active organisation.

    A board that the caller does not read is `Forbidden`; a group narrows, an unknown one to nothing.
    """
    if range_key not in RANGES:
        raise field_error("range_key", f"range_key must be one of {', '.join(RANGES)}", range_key)
    access.membership(ctx.actor)
    rows = await ctx.rows(select(Board.id, Board.board_group_id).where(access.readable_boards(ctx.actor)))
    boards = {row.id: row.board_group_id for row in rows}
    if board_id is not None and boards and board_id not in boards:
        raise Forbidden("You have no access to this board.")
    scope = [
        one for one, group in boards.items()
        if (board_id is None or one == board_id) and (group_id is None or group == group_id)
    ]  # fmt: skip
    now = ctx.now()
    primary, comparison = windows(range_key, now)
    first, second = await _series(ctx, scope, primary), await _series(ctx, scope, comparison)
    counts = dict.fromkeys(STATUSES, 0)
    found = await ctx.rows(select(Task.status, func.count()).where(among(Task.board_id, scope)).group_by(Task.status))
    counts.update({status: count for status, count in found if status in counts})
    active = select(func.count()).select_from(Agent).where(
        among(Agent.board_id, scope), Agent.last_seen_at.between(primary.start, primary.end)
    )  # fmt: skip
    total, pending = await _pending(ctx, scope)
    events, failures = first.pop("events"), first.pop("failures")
    return Dashboard(
        range_key, now, counts, int((await ctx.run(active)).scalar_one()),
        100.0 * sum(failures.values) / sum(events.values) if sum(events.values) else 0.0,
        await _median(ctx, scope, primary),
        {name: (series, second[name]) for name, series in first.items()}, total, pending,
    )  # fmt: skip


# -- series ----------------------------------------------------------------------------------------------------------


def _bucket(window: Window, column: Any) -> Any:
    """Which bucket of the window a moment is in, from 0."""
    starts = literal(list(window.starts), ARRAY(TIMESTAMP(timezone=False)))
    return func.greatest(func.width_bucket(column, starts), 1) - 1


def _history(scope: list[UUID]) -> Any:
    """The recorded statuses of the boards' tasks, with the last move to in progress up to each."""
    starts = case((ActivityEvent.to_status == "in_progress", ActivityEvent.created_at))
    order = (ActivityEvent.created_at, ActivityEvent.id)
    return (
        select(
            ActivityEvent.task_id, ActivityEvent.from_status, ActivityEvent.to_status,
            ActivityEvent.created_at.label("at"),
            func.max(starts).over(partition_by=ActivityEvent.task_id, order_by=order).label("started"),
            func.row_number().over(
                partition_by=(ActivityEvent.task_id, ActivityEvent.from_status.is_(None)), order_by=order
            ).label("place"),
        )
        .join(Task, Task.id == ActivityEvent.task_id)
        .where(among(Task.board_id, scope), ActivityEvent.to_status.is_not(None))
        .subquery()
    )  # fmt: skip


def _changed(history: Any) -> Any:
    """Rows that are changes; the others tell where a task began."""
    return history.c.from_status.is_not(None)


def _cycles(scope: list[UUID], window: Window) -> Any:
    """The finished stretches of work of a window: when they ended and how many hours they took."""
    history = _history(scope)
    return select(
        history.c.at, (func.extract("epoch", history.c.at - history.c.started) / 3600).label("hours")
    ).where(
        history.c.from_status == "in_progress", history.c.to_status.in_(("review", "done")),
        history.c.started.is_not(None), history.c.at.between(window.start, window.end),
    )  # fmt: skip


async def _series(ctx: Context, scope: list[UUID], window: Window) -> dict[str, Series]:
    """All series of a window, in one statement."""
    history = _history(scope)
    done = and_(_changed(history), history.c.to_status == "done", history.c.at.between(window.start, window.end))
    throughput = (
        select(literal("throughput").label("what"), _bucket(window, history.c.at).label("bucket"),
               func.count().cast(Float).label("value"))
        .where(done).group_by("bucket")
    )  # fmt: skip
    cycles = _cycles(scope, window).subquery()
    cycle_time = select(
        literal("cycle_time"), _bucket(window, cycles.c.at).label("bucket"), func.avg(cycles.c.hours).cast(Float)
    ).group_by("bucket")
    activity = (
        select(ActivityEvent.created_at.label("at"), ActivityEvent.event_type)
        .join(Task, Task.id == ActivityEvent.task_id)
        .where(among(Task.board_id, scope), ActivityEvent.created_at.between(window.start, window.end))
        .subquery()
    )
    failed: ColumnElement[bool] = activity.c.event_type.endswith("failed")
    counted = [
        select(literal(name), _bucket(window, activity.c.at).label("bucket"), func.count().cast(Float))
        .where(*where).group_by("bucket")
        for name, where in (("events", ()), ("failures", (failed,)))
    ]  # fmt: skip
    deltas = _deltas(scope, history).subquery()
    wip = (
        select(func.concat("wip.", deltas.c.status), _bucket(window, deltas.c.at).label("bucket"),
               func.sum(deltas.c.change).cast(Float))
        .where(deltas.c.at <= window.end).group_by(deltas.c.status, "bucket")
    )  # fmt: skip
    size = len(window.starts)
    sums: dict[str, list[float]] = {}
    for what, bucket, value in await ctx.rows(union_all(throughput, cycle_time, *counted, wip)):
        sums.setdefault(what, [0.0] * size)[bucket] += value
    found = {
        name: Series(window, sums.get(name, [0.0] * size))
        for name in ("throughput", "cycle_time", "events", "failures")
    }
    found["error_rate"] = Series(window, [
        100.0 * bad / all_ if all_ else 0.0
        for bad, all_ in zip(found["failures"].values, found["events"].values, strict=True)
    ])  # fmt: skip
    levels = [_running(sums.get(f"wip.{status}", [0.0] * size)) for status in STATUSES]
    found["wip"] = Series(window, [dict(zip(STATUSES, point, strict=True)) for point in zip(*levels, strict=True)])
    return found


def _deltas(scope: list[UUID], history: Any) -> Any:
    """Each task enters its first status when it is made; each change leaves one status and enters another."""
    first = select(history.c.task_id, history.c.from_status).where(_changed(history), history.c.place == 1).subquery()
    made = (
        select(Task.created_at.label("at"), func.coalesce(first.c.from_status, Task.status).label("status"),
               literal(1).label("change"))
        .outerjoin(first, first.c.task_id == Task.id).where(among(Task.board_id, scope))
    )  # fmt: skip
    entered = select(history.c.at, history.c.to_status, literal(1)).where(_changed(history))
    left = select(history.c.at, history.c.from_status, literal(-1)).where(_changed(history))
    return union_all(made, entered, left)


def _running(changes: list[float]) -> list[int]:
    total, found = 0, []
    for change in changes:
        total += int(change)
        found.append(total)
    return found


async def _median(ctx: Context, scope: list[UUID], window: Window) -> float | None:
    cycles = _cycles(scope, window).subquery()
    median = await ctx.one(select(func.percentile_cont(0.5).within_group(cycles.c.hours.asc())))
    return None if median is None else float(median)


async def _pending(ctx: Context, scope: list[UUID]) -> tuple[int, list[Pending]]:
    """How many approvals wait, and the newest with their boards and primary tasks."""
    primary = (
        select(ApprovalTaskLink.task_id).where(ApprovalTaskLink.approval_id == Approval.id)
        .order_by(ApprovalTaskLink.created_at, ApprovalTaskLink.id).limit(1).correlate(Approval).scalar_subquery()
    )  # fmt: skip
    title = (
        select(Task.title)
        .where(Task.id == func.coalesce(primary, Approval.task_id), Task.board_id == Approval.board_id)
        .correlate(Approval)
    )
    statement = (
        select(Approval, Board.name, title.scalar_subquery(), func.count().over())
        .join(Board, Board.id == Approval.board_id)
        .where(among(Approval.board_id, scope), Approval.status == "pending")
        .order_by(Approval.created_at.desc(), Approval.id.desc()).limit(SHOWN_APPROVALS)
    )  # fmt: skip
    rows = await ctx.rows(statement)
    return (rows[0][3] if rows else 0), [Pending(row[0], row[1], row[2]) for row in rows]
