"""Activity: what happened, in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from sqlalchemy import ColumnElement

from api.domain import access, activity
from api.domain.activity.tables import ActivityEvent as ActivityRow
from api.domain.boards.tables import Board as BoardRow
from api.domain.context import Context
from api.domain.paging import Slice, by_ids
from api.schema.batching import Info, batch_field
from api.schema.comments import load_authors, load_tasks
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


async def load_boards(ctx: Context, rows: Sequence[Activity]) -> list[Board | None]:
    """The board of each row."""
    from api.schema.boards import Board

    found = await by_ids(ctx, BoardRow, [one.row.board_id for one in rows], access.reachable_boards(ctx.actor))
    return [Board.of(found[one.row.board_id]) if one.row.board_id in found else None for one in rows]


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
