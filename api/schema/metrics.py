"""The dashboard as GraphQL sees it."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import strawberry

from api.domain.context import Context
from api.domain.metrics import dashboard as metrics
from api.schema.approvals import Approval
from api.schema.batching import Info
from api.schema.scalars import optional_uuid


@strawberry.enum(description="How far back the dashboard looks.")
class DashboardRange(Enum):
    """Windows."""

    LAST_24_HOURS = strawberry.enum_value("24h", description="24 hours, by the hour.")
    LAST_3_DAYS = strawberry.enum_value("3d", description="3 days, by the day.")
    LAST_7_DAYS = strawberry.enum_value("7d", description="7 days, by the day.")
    LAST_14_DAYS = strawberry.enum_value("14d", description="14 days, by the day.")
    LAST_MONTH = strawberry.enum_value("1m", description="30 days, by the day.")
    LAST_3_MONTHS = strawberry.enum_value("3m", description="90 days, by the week.")
    LAST_6_MONTHS = strawberry.enum_value("6m", description="180 days, by the week.")
    LAST_YEAR = strawberry.enum_value("1y", description="365 days, by the month.")


@strawberry.type(description="The value of one bucket.")
class SeriesPoint:
    """A number at a time."""

    period: datetime = strawberry.field(description="When the bucket begins.")
    value: float = strawberry.field(description="The value.")


@strawberry.type(description="A series over the window, and over the window of the same length before it.")
class Series:
    """Two lists of points."""

    primary: list[SeriesPoint] = strawberry.field(description="The window that ends now.")
    comparison: list[SeriesPoint] = strawberry.field(description="The window before it.")


@strawberry.type(description="How many tasks stood in each status at the end of a bucket.")
class WorkInProgressPoint:
    """Four numbers at a time."""

    period: datetime = strawberry.field(description="When the bucket begins.")
    inbox: int = strawberry.field(description="In the inbox.")
    in_progress: int = strawberry.field(description="In progress.")
    review: int = strawberry.field(description="In review.")
    done: int = strawberry.field(description="Done.")


@strawberry.type(description="Work in progress over the window, and over the one before it.")
class WorkInProgress:
    """Two lists of points."""

    primary: list[WorkInProgressPoint] = strawberry.field(description="The window that ends now.")
    comparison: list[WorkInProgressPoint] = strawberry.field(description="The window before it.")


@strawberry.type(description="An approval that waits, with the names around it.")
class PendingApproval:
    """A line of the dashboard."""

    approval: Approval = strawberry.field(description="The approval.")
    board_name: str = strawberry.field(description="The name of its board.")
    task_title: str | None = strawberry.field(description="The title of its first task.")


@strawberry.type(description="What a window of time looked like on the boards that the caller reads.")
class Dashboard:
    """The answer of the domain."""

    found: strawberry.Private[Any]
    range: DashboardRange = strawberry.field(description="The window.")
    generated_at: datetime = strawberry.field(description="When it was computed.")
    active_agents: int = strawberry.field(description="Agents seen within the window.")
    inbox_tasks: int = strawberry.field(description="Tasks in the inbox now.")
    in_progress_tasks: int = strawberry.field(description="Tasks in progress now.")
    review_tasks: int = strawberry.field(description="Tasks in review now.")
    done_tasks: int = strawberry.field(description="Tasks that are done now.")
    error_rate_percent: float = strawberry.field(description="Share of the window's activity that tells of a failure.")
    median_cycle_hours: float | None = strawberry.field(
        description="Median hours from starting work to review or done, in the window; null when nothing ended."
    )
    throughput: Series = strawberry.field(description="Moves to done.")
    cycle_hours: Series = strawberry.field(description="Mean hours from starting work to review or done; 0 for none.")
    error_rate: Series = strawberry.field(description="Share of activity that tells of a failure, in percent.")
    work_in_progress: WorkInProgress = strawberry.field(description="Tasks in each status.")
    pending_approval_count: int = strawberry.field(description="How many approvals wait.")
    pending_approvals: list[PendingApproval] = strawberry.field(description="The newest ten of them.")

    @classmethod
    def of(cls, found: metrics.Dashboard) -> Dashboard:
        """From the domain's answer."""
        make: Any = cls
        pending = [
            PendingApproval(
                approval=Approval.of(one.approval), board_name=one.board_name, task_title=one.task_title
            ) for one in found.pending
        ]  # fmt: skip
        wip = [
            [
                WorkInProgressPoint(period=period, **point)
                for period, point in zip(s.window.starts, s.values, strict=True)
            ]
            for s in found.series["wip"]
        ]
        dashboard: Dashboard = make(
            found=found, range=DashboardRange(found.range), generated_at=found.generated_at,
            active_agents=found.active_agents, error_rate_percent=found.error_rate,
            median_cycle_hours=found.median_cycle_hours, throughput=_series(found, "throughput"),
            cycle_hours=_series(found, "cycle_time"), error_rate=_series(found, "error_rate"),
            work_in_progress=WorkInProgress(primary=wip[0], comparison=wip[1]),
            pending_approval_count=found.pending_total, pending_approvals=pending,
            **{f"{status}_tasks": count for status, count in found.counts.items()},
        )  # fmt: skip
        return dashboard


def _series(found: metrics.Dashboard, name: str) -> Series:
    primary, comparison = (
        [SeriesPoint(period=p, value=v) for p, v in zip(series.window.starts, series.values, strict=True)]
        for series in found.series[name]
    )
    return Series(primary=primary, comparison=comparison)


async def dashboard(
    ctx: Context, range_key: str = "24h", board_id: UUID | None = None, group_id: UUID | None = None
) -> Dashboard:
    """The dashboard, for REST too."""
    return Dashboard.of(await metrics.dashboard(ctx, range_key, board_id=board_id, group_id=group_id))


@strawberry.type
class MetricsQuery:
    """Query fields of metrics."""

    @strawberry.field(description="What a window of time looked like on the boards that the caller reads; for people.")
    async def dashboard(
        self, info: Info,
        range: Annotated[DashboardRange, strawberry.argument(description="The window.")] = DashboardRange.LAST_24_HOURS,
        board_id: Annotated[strawberry.ID | None, strawberry.argument(description="Only this board.")] = None,
        group_id: Annotated[strawberry.ID | None, strawberry.argument(description="Only boards of this group.")] = None,
    ) -> Dashboard:  # fmt: skip
        board, group = optional_uuid(board_id, "boardId"), optional_uuid(group_id, "groupId")
        return await dashboard(info.context, str(range.value), board, group)
