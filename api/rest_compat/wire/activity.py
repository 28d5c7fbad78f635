"""Activity and the dashboard."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from api.rest_compat.wire.base import Model

RangeKey = Literal["24h", "3d", "7d", "14d", "1m", "3m", "6m", "1y"]
Bucket = Literal["hour", "day", "week", "month"]


class ActivityEventRead(Model):
    """A line of activity, with where a client finds it."""

    id: UUID
    agent_id: UUID | None
    created_at: datetime
    event_type: str
    message: str | None
    task_id: UUID | None
    board_id: UUID | None = None
    route_name: str | None = None
    route_params: dict[str, str] | None = None


class ActivityTaskCommentFeedItemRead(Model):
    """A comment with its task and board."""

    id: UUID
    agent_id: UUID | None
    board_id: UUID
    board_name: str
    created_at: datetime
    message: str | None
    task_id: UUID
    task_title: str
    agent_name: str | None = None
    agent_role: str | None = None


class DashboardSeriesPoint(Model):
    """The value of one bucket."""

    period: datetime
    value: float


class DashboardWipPoint(Model):
    """Work in progress in one bucket."""

    done: int
    in_progress: int
    inbox: int
    period: datetime
    review: int


class DashboardRangeSeries(Model):
    """A series over one window."""

    bucket: Bucket
    points: list[DashboardSeriesPoint]
    range: RangeKey


class DashboardWipRangeSeries(Model):
    """Work in progress over one window."""

    bucket: Bucket
    points: list[DashboardWipPoint]
    range: RangeKey


class DashboardSeriesSet(Model):
    """A series and the window before it."""

    comparison: DashboardRangeSeries
    primary: DashboardRangeSeries


class DashboardWipSeriesSet(Model):
    """Work in progress and the window before it."""

    comparison: DashboardWipRangeSeries
    primary: DashboardWipRangeSeries


class DashboardKpis(Model):
    """The numbers at the top of the dashboard."""

    active_agents: int
    done_tasks: int
    error_rate_pct: float
    in_progress_tasks: int
    inbox_tasks: int
    median_cycle_time_hours_7d: float | None
    review_tasks: int
    tasks_in_progress: int


class DashboardPendingApproval(Model):
    """An approval that waits."""

    action_type: str
    approval_id: UUID
    board_id: UUID
    board_name: str
    confidence: float
    created_at: datetime
    task_title: str | None = None


class DashboardPendingApprovals(Model):
    """How many approvals wait, and the newest."""

    items: list[DashboardPendingApproval]
    total: int


class DashboardMetrics(Model):
    """Everything the dashboard shows."""

    cycle_time: DashboardSeriesSet
    error_rate: DashboardSeriesSet
    generated_at: datetime
    kpis: DashboardKpis
    pending_approvals: DashboardPendingApprovals
    range: RangeKey
    throughput: DashboardSeriesSet
    wip: DashboardWipSeriesSet
