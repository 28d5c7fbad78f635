"""Activity: what happened, in words."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry
from sqlalchemy import ColumnElement

from api.domain import access, activity
from api.domain.activity.tables import ActivityEvent as ActivityRow
from api.domain.context import Context
from api.domain.events.tables import Event
from api.domain.paging import OffsetPage, Slice, by_ids, offset_page
from api.schema.batching import Info, batch_field
from api.schema.comments import Comment, load_authors, load_boards, load_tasks
from api.schema.gates import active_board
from api.schema.node import Actor, Node
from api.schema.paging import After, Before, Connection, First, Last, connect_one
from api.schema.scalars import as_uuid, shape

if TYPE_CHECKING:
    from api.schema.boards import Board
    from api.schema.tasks import Task


@strawberry.input(description="Which activity; conditions add up.")
class ActivityFilter:
    """Filter of activity."""

    board_id: strawberry.ID | None = strawberry.field(default=None, description="On this board.")
    task_id: strawberry.ID | None = strawberry.field(default=None, description="About this task.")
    agent_id: strawberry.ID | None = strawberry.field(default=None, description="By this agent.")
    types: list[str] | None = strawberry.field(default=None, description="Of these types, like `task.comment`.")


def conditions(filter: ActivityFilter | None) -> list[ColumnElement[bool]]:
    """The filter as SQL."""
    where: list[ColumnElement[bool]] = []
    if filter is None:
        return where
    for column, value, name in (
        (ActivityRow.board_id, filter.board_id, "boardId"),
        (ActivityRow.task_id, filter.task_id, "taskId"),
        (ActivityRow.agent_id, filter.agent_id, "agentId"),
    ):
        if value is not None:
            where.append(column == as_uuid(value, name))
    if filter.types is not None:
        where.append(ActivityRow.event_type.in_(filter.types))
    return where


@strawberry.type(description="Something that happened, in words.")
class Activity(Node):
    """A row of `activity_events`."""

    row: strawberry.Private[Any]
    type: str = strawberry.field(description="What kind of thing, like `task.status_changed`.")
    message: str | None = strawberry.field(description="The words.")
    created_at: datetime = strawberry.field(description="When.")
    actor: Actor | None = batch_field(load_authors, description="Who did it, or the agent that it concerned.")
    board: Annotated[Board, strawberry.lazy("api.schema.boards")] | None = batch_field(
        load_boards, description="Where."
    )
    task: Annotated[Task, strawberry.lazy("api.schema.tasks")] | None = batch_field(
        load_tasks, description="The task it is about."
    )

    @classmethod
    def of(cls, row: ActivityRow) -> Activity:
        """From a row."""
        return shape(cls, row, type=row.event_type)


# -- resolvers that REST rows use -------------------------------------------------------------------------------------


async def activity_page(ctx: Context, limit: int, offset: int) -> OffsetPage:
    """What the caller may see, newest first."""
    page = await offset_page(ctx, activity.listing(activity.visible(ctx)), limit, offset)
    page.rows = [Activity.of(row) for row in page.rows]
    return page


async def comment_page(ctx: Context, limit: int, offset: int, board_id: UUID | None = None) -> OffsetPage:
    """Comments on tasks that still exist, of one board or of all that the caller reads, newest first."""
    if board_id is not None:
        await active_board(ctx, board_id)
    where = [activity.visible(ctx), activity.is_comment()]
    if board_id is not None:
        where.append(ActivityRow.board_id == board_id)
    page = await offset_page(ctx, activity.listing(*where), limit, offset)
    page.rows = [Comment.of(row) for row in page.rows]
    return page


async def comment_now(ctx: Context, event: Event) -> Comment | None:
    """The comment that an event of a feed tells, if the caller reads its board now."""
    mine = access.readable_boards(ctx.actor, column=ActivityRow.board_id)
    row = (await by_ids(ctx, ActivityRow, [event.activity_id], mine, activity.is_comment())).get(event.activity_id)
    return Comment.of(row) if row is not None else None


# -- GraphQL ----------------------------------------------------------------------------------------------------------


@strawberry.type
class ActivityQuery:
    """Query fields of activity."""

    @strawberry.field(name="activity", description="What happened on boards that the caller reads, newest first.")
    async def activity(
        self, info: Info,
        filter: Annotated[ActivityFilter | None, strawberry.argument(description="Which activity.")] = None,
        first: First = None, after: After = None, last: Last = None, before: Before = None,
    ) -> Connection[Activity]:  # fmt: skip
        ctx = info.context
        listing = activity.listing(activity.visible(ctx), *conditions(filter))
        return await connect_one(ctx, listing, Activity.of, Slice(first, after, last, before))
