"""Comments on tasks: rows of the activity table, told to whom they concern, redactable by an administrator."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, select

from api.domain import access
from api.domain.activity import COMMENT, REDACTED, record
from api.domain.activity.tables import ActivityEvent
from api.domain.actor import Agent as AgentActor
from api.domain.agents.tables import Agent
from api.domain.boards.tables import Board
from api.domain.context import Context
from api.domain.errors import Invalid, NotFound
from api.domain.mentions import is_meant, tokens
from api.domain.paging import Listing, Order
from api.domain.tasks import notices, rules
from api.domain.tasks.queries import board_of, find
from api.domain.tasks.rules import Status
from api.domain.tasks.tables import Task

MAXIMUM = 100_000


def listing(task_id: UUID | None = None) -> Listing:
    """Comments, oldest first."""
    where = [ActivityEvent.event_type == COMMENT]
    if task_id is not None:
        where.append(ActivityEvent.task_id == task_id)
    return Listing(ActivityEvent, (Order(ActivityEvent.created_at),), tuple(where), ActivityEvent.task_id)


async def comment_on_task(ctx: Context, task_id: UUID, message: str, *, board_id: UUID | None = None) -> ActivityEvent:
    """Add a comment. Leads comment where `rules.comment_allowed` lets them."""
    text = message.strip()
    if not text:
        raise Invalid("A comment needs text.")
    async with ctx.write():
        task = await find(ctx, task_id, board_id)
        board = await board_of(ctx, task, write=True)
        if isinstance(ctx.actor, AgentActor) and ctx.actor.is_lead:
            await _check_lead(ctx, task, ctx.actor)
        return await add_comment(ctx, board, task, text)


async def add_comment(ctx: Context, board: Board, task: Task, text: str) -> ActivityEvent:
    """Write the comment in the open transaction and tell those it concerns."""
    if len(text) > MAXIMUM:
        raise Invalid(f"A comment has at most {MAXIMUM} characters.")
    row = record(ctx, COMMENT, text, task_id=task.id, board_id=board.id)
    await ctx.flush()
    ctx.emit(
        "task.commented", subject_id=row.id, task_id=task.id, board_id=board.id,
        organization_id=board.organization_id, activity_id=row.id,
    )  # fmt: skip
    author = ctx.actor.name if isinstance(ctx.actor, AgentActor) else "User"
    notices.comment(ctx, board, task, await board_agents(ctx, board.id, task), text, ctx.actor.id, author)
    return row


async def redact_comment(ctx: Context, comment_id: UUID) -> ActivityEvent:
    """An administrator takes the text away; the row stays with a mark."""
    async with ctx.write():
        row = await ctx.one(
            select(ActivityEvent)
            .where(ActivityEvent.id == comment_id, ActivityEvent.event_type == COMMENT)
            .with_for_update()
        )
        if row is None or row.task_id is None:
            raise NotFound()
        task = await find(ctx, row.task_id)
        board = access.read_board(ctx.actor, await ctx.one(select(Board).where(Board.id == task.board_id)))
        access.redacts(ctx.actor, board)
        if row.redacted_at is None:
            row.message, row.redacted_at = REDACTED, ctx.now()
            ctx.emit(
                "task.comment_redacted", subject_id=row.id, task_id=task.id, board_id=board.id,
                organization_id=board.organization_id, activity_id=row.id,
            )  # fmt: skip
    comment: ActivityEvent = row
    return comment


async def board_agents(ctx: Context, board_id: UUID, task: Task | None = None) -> list[Agent]:
    """The board's agents, and the task's assignee even if it is a main agent."""
    on_board = Agent.board_id == board_id
    if task is not None and task.assigned_agent_id is not None:
        on_board = on_board | (Agent.id == task.assigned_agent_id)
    return await ctx.all(select(Agent).where(on_board).order_by(Agent.created_at, Agent.id))


async def _check_lead(ctx: Context, task: Task, lead: AgentActor) -> None:
    created = task.auto_created and task.auto_reason == f"lead_agent:{lead.id}"
    if task.status != Status.REVIEW.value and not created:
        # The database narrows to comments that hold an `@`; the mention rule itself decides.
        candidates = await ctx.all(
            select(ActivityEvent.message).where(
                ActivityEvent.task_id == task.id, ActivityEvent.event_type == COMMENT,
                func.strpos(ActivityEvent.message, "@") > 0,
            )
        )  # fmt: skip
        row = await ctx.one(select(Agent).where(Agent.id == lead.id))
        mentioned = row is not None and any(is_meant(row, tokens(text)) for text in candidates)
        rules.comment_allowed(lead, Status(task.status), mentioned, created)
