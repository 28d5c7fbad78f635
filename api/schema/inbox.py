"""An agent's inbox."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry

from api.domain import access, inbox
from api.domain.actor import Agent as AgentActor
from api.domain.context import Context
from api.domain.jobs import Job
from api.schema.scalars import Cursor, shape

if TYPE_CHECKING:
    from api.schema.agents import Agent
    from api.schema.users import Viewer

InboxAfter = Annotated[
    Cursor | None, strawberry.argument(description="Messages after this cursor; omitted: from the start.")
]
InboxFirst = Annotated[int, strawberry.argument(description="At most so many messages.")]


@strawberry.enum(description="Why an agent is told something.")
class MessageReason(Enum):
    """Reasons of messages."""

    TASK_CREATED = strawberry.enum_value("task.created", description="A person added a task to the lead's board.")
    TASK_ASSIGNED = strawberry.enum_value("task.assigned", description="A task was assigned to the agent.")
    TASK_REVIEW = strawberry.enum_value("task.review", description="A task waits for the lead's review.")
    TASK_REWORK = strawberry.enum_value("task.rework", description="The lead sent a task back.")
    TASK_UNASSIGNED = strawberry.enum_value("task.unassigned", description="A task is back in the inbox.")
    TASK_COMMENT = strawberry.enum_value("task.comment", description="A comment mentions or concerns the agent.")
    APPROVAL_RESOLVED = strawberry.enum_value("approval.resolved", description="An approval was decided.")
    CHAT = strawberry.enum_value("chat", description="A chat message on the board.")
    CHAT_COMMAND = strawberry.enum_value("chat.command", description="A command to every agent, like /pause.")
    BOARD_UPDATED = strawberry.enum_value("board.updated", description="The board's settings changed.")
    WEBHOOK = strawberry.enum_value("webhook", description="A webhook took a delivery.")
    GROUP_CHAT = strawberry.enum_value("group.chat", description="An entry in the group's memory.")
    ONBOARDING = strawberry.enum_value("onboarding", description="The conversation that sets a board up.")
    NUDGE = strawberry.enum_value("nudge", description="The lead's words.")
    ASK_USER = strawberry.enum_value("ask_user", description="A lead asks for the person's answer.")
    LEAD_MESSAGE = strawberry.enum_value("lead.message", description="The main agent's words to a lead.")
    OTHER = strawberry.enum_value("other", description="Something this version of the schema does not name.")


@strawberry.type(description="Something an agent was told.")
class InboxMessage:
    """A row of `jobs` with kind `message`."""

    row: strawberry.Private[Any]
    id: strawberry.ID = strawberry.field(description="The UUID.")
    cursor: Cursor = strawberry.field(description="Its place; give it as `after` to go on behind it.")
    reason: MessageReason = strawberry.field(description="Why the agent is told.")
    reason_label: str = strawberry.field(description="The reason in words, also where `reason` is OTHER.")
    text: str = strawberry.field(description="The words; the first line is a header that agents know.")
    board_id: strawberry.ID | None = strawberry.field(description="The board it is about.")
    task_id: strawberry.ID | None = strawberry.field(description="The task it is about.")
    created_at: datetime = strawberry.field(description="When it was written.")

    @classmethod
    def of(cls, row: Job, cursor: str) -> InboxMessage:
        """From a row."""
        known = row.reason in MessageReason._value2member_map_
        return shape(
            cls,
            row,
            cursor=Cursor(cursor),
            reason_label=row.reason,
            reason=MessageReason(row.reason) if known else MessageReason.OTHER,
        )


@strawberry.type(description="What an agent was told, oldest first.")
class Inbox:
    """A page of messages."""

    messages: list[InboxMessage] = strawberry.field(description="The messages.")
    end_cursor: Cursor = strawberry.field(description="Give it as `after` to read on, also when the page is empty.")
    has_next_page: bool = strawberry.field(description="Whether more messages wait.")


def _shape(page: inbox.InboxPage) -> Inbox:
    messages = [InboxMessage.of(row, cursor) for row, cursor in zip(page.messages, page.cursors, strict=True)]
    return Inbox(messages=messages, end_cursor=Cursor(page.end), has_next_page=page.has_next)


async def load_inboxes(
    ctx: Context, agents: Sequence[Agent], after: InboxAfter = None, first: InboxFirst = 50
) -> list[Inbox]:
    """The inbox of each agent."""
    ids: list[UUID] = [agent.row.id for agent in agents]
    pages = await inbox.inboxes(ctx, ids, after, first)
    return [_shape(pages[agent_id]) for agent_id in ids]


async def inbox_page(ctx: Context, after: str | None = None, limit: int = 50) -> Inbox:
    """The calling agent's own messages, after its sign of life is on its way."""
    actor = access.an_agent(ctx.actor)
    return _shape((await inbox.inboxes(ctx, [actor.id], after or None, limit))[actor.id])


async def load_viewer_inbox(
    ctx: Context, viewers: Sequence[Viewer], after: InboxAfter = None, first: InboxFirst = 50
) -> list[Inbox | None]:
    """The caller's own inbox, if it is an agent."""
    if not isinstance(ctx.actor, AgentActor):
        return [None] * len(viewers)
    pages = await inbox.inboxes(ctx, [ctx.actor.id], after, first)
    return [_shape(pages[ctx.actor.id])] * len(viewers)
