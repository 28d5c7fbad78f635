"""Comments on tasks as GraphQL sees them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry

from api.domain import access
from api.domain.activity.tables import ActivityEvent
from api.domain.boards.tables import Board as BoardRow
from api.domain.context import Context
from api.domain.paging import OffsetPage, by_ids, offset_page
from api.domain.tasks import comments
from api.domain.tasks.queries import find
from api.domain.tasks.tables import Task as TaskRow
from api.schema.batching import Info, batch_field
from api.schema.mutations import Payload, mutate
from api.schema.node import Actor, Node, load_actors
from api.schema.scalars import as_uuid, shape
from api.schema.task_inputs import CommentOnTaskInput, RedactCommentInput

if TYPE_CHECKING:
    from api.schema.boards import Board
    from api.schema.tasks import Task


async def load_authors(ctx: Context, rows: Sequence[Any]) -> list[Actor | None]:
    """Who wrote or did it: anything over a row with `user_id` and `agent_id`."""
    return await load_actors(ctx, [one.row.user_id for one in rows], [one.row.agent_id for one in rows])


async def load_tasks(ctx: Context, rows: Sequence[Any]) -> list[Task | None]:
    """The task of each row."""
    from api.schema.tasks import Task

    mine = access.reachable_boards(ctx.actor, TaskRow.board_id)
    found = await by_ids(ctx, TaskRow, [one.row.task_id for one in rows], mine)
    return [Task.of(found[one.row.task_id]) if one.row.task_id in found else None for one in rows]


async def load_boards(ctx: Context, rows: Sequence[Any]) -> list[Board | None]:
    """The board of each row."""
    from api.schema.boards import Board

    found = await by_ids(ctx, BoardRow, [one.row.board_id for one in rows], access.reachable_boards(ctx.actor))
    return [Board.of(found[one.row.board_id]) if one.row.board_id in found else None for one in rows]


@strawberry.type(description="A comment on a task.")
class Comment(Node):
    """A `task.comment` row of `activity_events`."""

    row: strawberry.Private[Any]
    message: str = strawberry.field(description="The text.")
    created_at: datetime = strawberry.field(description="When it was written.")
    is_redacted: bool = strawberry.field(description="Whether an administrator took the text away.")
    author: Actor | None = batch_field(load_authors, description="Who wrote it; null when unknown or gone.")
    task: Annotated[Task, strawberry.lazy("api.schema.tasks")] | None = batch_field(load_tasks, description="The task.")

    @classmethod
    def of(cls, row: ActivityEvent) -> Comment:
        """From a row."""
        return shape(cls, row, message=row.message or "", is_redacted=row.redacted_at is not None)


# -- resolvers that REST rows use -------------------------------------------------------------------------------------


async def comment_page(ctx: Context, board_id: UUID, task_id: UUID, limit: int, offset: int) -> OffsetPage:
    """A task's comments, oldest first."""
    await find(ctx, task_id, board_id)
    page = await offset_page(ctx, comments.listing(task_id), limit, offset)
    page.rows = [Comment.of(row) for row in page.rows]
    return page


async def comment_on_task(ctx: Context, board_id: UUID, task_id: UUID, message: str) -> Comment:
    """Add a comment."""
    return Comment.of(await comments.comment_on_task(ctx, task_id, message, board_id=board_id))


# -- GraphQL ----------------------------------------------------------------------------------------------------------


@strawberry.type(description="The new comment.")
class CommentOnTaskPayload(Payload):
    """Payload of `commentOnTask`."""

    comment: Comment = strawberry.field(description="The comment.")


@strawberry.type(description="The comment without its text.")
class RedactCommentPayload(Payload):
    """Payload of `redactComment`."""

    comment: Comment = strawberry.field(description="The comment.")


@strawberry.type
class CommentMutation:
    """Mutations of comments."""

    @strawberry.mutation(description="Comment on a task.")
    async def comment_on_task(self, info: Info, input: CommentOnTaskInput) -> CommentOnTaskPayload:
        task_id = as_uuid(input.task_id, "taskId")
        return await mutate(
            info, input, lambda: comments.comment_on_task(info.context, task_id, input.message), _reload,
            lambda row: {"comment": Comment.of(row)}, CommentOnTaskPayload,
        )  # fmt: skip

    @strawberry.mutation(description="Take a comment's text away; administrators only. The row stays with a mark.")
    async def redact_comment(self, info: Info, input: RedactCommentInput) -> RedactCommentPayload:
        return await mutate(
            info, input, lambda: comments.redact_comment(info.context, as_uuid(input.id)), _reload,
            lambda row: {"comment": Comment.of(row)}, RedactCommentPayload,
        )  # fmt: skip


async def _reload(ctx: Context, ids: Sequence[UUID]) -> dict[Any, Any]:
    return await by_ids(ctx, ActivityEvent, ids, access.reachable_boards(ctx.actor, ActivityEvent.board_id))
