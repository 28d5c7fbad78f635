"""Activity, its feeds, and the dashboard."""

from api.rest_compat import payloads
from api.rest_compat.queries import CommentFeedQuery, CommentStreamQuery, DashboardQuery, PageQuery
from api.rest_compat.table import USER, get, stream
from api.rest_compat.wire import ActivityEventRead, ActivityTaskCommentFeedItemRead, DashboardMetrics, Page
from api.schema import activity, metrics
from api.schema.gates import organization_member, organization_reader

TAGS = ("activity",)

ROWS = [
    get("/activity", activity.activity_page, name="list_activity", summary="List activity", tags=TAGS,
        gate=organization_reader, query=PageQuery, returns=Page[ActivityEventRead]),
    get("/activity/task-comments", activity.comment_page, name="list_task_comment_feed", summary="List comments",
        tags=TAGS, who=USER, gate=organization_member, query=CommentFeedQuery,
        returns=Page[ActivityTaskCommentFeedItemRead]),
    stream("/activity/task-comments/stream", payloads.COMMENTS, name="stream_task_comment_feed",
           summary="Follow comments", tags=TAGS, who=USER, gate=organization_member, query=CommentStreamQuery),
    get("/metrics/dashboard", metrics.dashboard, name="dashboard_metrics", summary="Read the dashboard",
        tags=("metrics",), who=USER, gate=organization_member, query=DashboardQuery, returns=DashboardMetrics),
]  # fmt: skip
