"""Onboarding of boards as GraphQL sees it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from strawberry.scalars import JSON

from api.domain import access
from api.domain.boards.tables import Board as BoardRow
from api.domain.context import Context
from api.domain.onboarding import operations
from api.domain.onboarding.tables import OnboardingSession as SessionRow
from api.domain.paging import among, by_ids
from api.schema.batching import Info
from api.schema.mutations import Payload, mutate
from api.schema.node import Node
from api.schema.scalars import as_uuid, given, optional, shape

if TYPE_CHECKING:
    from api.schema.boards import Board


@strawberry.enum(description="Where the conversation that sets a board up stands.")
class OnboardingStatus(Enum):
    """Three states."""

    ACTIVE = strawberry.enum_value("active", description="The agent asks, people answer.")
    COMPLETED = strawberry.enum_value("completed", description="The agent has written its draft.")
    CONFIRMED = strawberry.enum_value("confirmed", description="People have confirmed the goal.")


@strawberry.type(description="One possible answer.")
class OnboardingOption:
    """Part of a question."""

    id: str = strawberry.field(description="What it is called.")
    label: str = strawberry.field(description='What people read; with "I\'ll type it" in it, a text is asked for.')


@strawberry.type(description="What the agent wants to know.")
class OnboardingQuestion:
    """The last message of the agent, when it is a question."""

    question: str = strawberry.field(description="The question.")
    options: list[OnboardingOption] = strawberry.field(description="Possible answers.")


@strawberry.type(description="One message of the conversation.")
class OnboardingMessage:
    """An entry of `messages`."""

    role: str = strawberry.field(description="`user` or `assistant`.")
    content: str = strawberry.field(description="The text; of the agent, JSON.")
    timestamp: datetime = strawberry.field(description="When.")


@strawberry.type(description="The conversation between a person and an agent that sets a board up.")
class OnboardingSession(Node):
    """A row of `board_onboarding_sessions`."""

    row: strawberry.Private[Any]
    status: OnboardingStatus = strawberry.field(description="Where it stands.")
    messages: list[OnboardingMessage] = strawberry.field(description="What was said, oldest first.")
    draft: JSON | None = strawberry.field(
        description="The agent's draft: the goal, what it learnt of the person, and the lead it proposes."
    )
    created_at: datetime = strawberry.field(description="When it began.")
    updated_at: datetime = strawberry.field(description="When somebody said something last.")

    @strawberry.field(description="The question that waits for an answer, if one does.")
    def question(self) -> OnboardingQuestion | None:
        last = (self.row.messages or [{}])[-1]
        try:
            asked = json.loads(last["content"]) if last.get("role") == "assistant" else {}
        except ValueError:
            return None
        if not isinstance(asked, dict) or "question" not in asked:
            return None
        options = [OnboardingOption(id=one["id"], label=one["label"]) for one in asked.get("options", [])]
        return OnboardingQuestion(question=asked["question"], options=options)

    @classmethod
    def of(cls, row: SessionRow) -> OnboardingSession:
        """From a row."""
        messages = [
            OnboardingMessage(
                role=one["role"], content=one["content"], timestamp=datetime.fromisoformat(one["timestamp"])
            ) for one in row.messages or []
        ]  # fmt: skip
        return shape(cls, row, status=OnboardingStatus(row.status), messages=messages, draft=row.draft_goal)


async def load_onboarding(ctx: Context, boards: Sequence[Any]) -> list[OnboardingSession | None]:
    """The conversation of each board that changed last."""
    ids = [board.row.id for board in boards]
    rows = await ctx.all(
        select(SessionRow).where(among(SessionRow.board_id, ids)).ext(distinct_on(SessionRow.board_id))
        .order_by(SessionRow.board_id, SessionRow.updated_at.desc(), SessionRow.id)
    )  # fmt: skip
    found = {row.board_id: OnboardingSession.of(row) for row in rows}
    return [found.get(board_id) for board_id in ids]


# -- resolvers that REST rows use -------------------------------------------------------------------------------------


async def onboarding(ctx: Context, board_id: UUID) -> OnboardingSession:
    """The conversation of a board."""
    return OnboardingSession.of(await operations.read(ctx, board_id))


async def start(ctx: Context, board_id: UUID) -> OnboardingSession:
    """Begin, or go on."""
    return OnboardingSession.of(await operations.start(ctx, board_id))


async def answer(ctx: Context, board_id: UUID, answer: str, other_text: str | None = None) -> OnboardingSession:
    """Answer the question."""
    return OnboardingSession.of(await operations.answer(ctx, board_id, answer, other_text))


async def update(ctx: Context, board_id: UUID, draft: dict[str, Any]) -> OnboardingSession:
    """An agent's question or draft."""
    return OnboardingSession.of(await operations.update(ctx, board_id, draft))


async def confirm(ctx: Context, board_id: UUID, draft: dict[str, Any]) -> Board:
    """Confirm the goal."""
    from api.schema.boards import Board

    return Board.of(await operations.confirm(ctx, board_id, draft))


# -- GraphQL ----------------------------------------------------------------------------------------------------------


@strawberry.input(description="A person's answer.")
class AnswerOnboardingInput:
    """Input of `answerOnboarding`."""

    board_id: strawberry.ID = strawberry.field(description="The board.")
    answer: str = strawberry.field(description="The chosen label, or any text.")
    other_text: str | None = optional("What was typed beside it.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.input(description="The board whose conversation begins.")
class StartOnboardingInput:
    """Input of `startOnboarding`."""

    board_id: strawberry.ID = strawberry.field(description="The board.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.input(description="One possible answer.")
class OnboardingOptionInput:
    """Part of `AskOnboardingQuestionInput`."""

    id: str = strawberry.field(description="What it is called.")
    label: str = strawberry.field(description="What people read.")


@strawberry.input(description="An agent's next question.")
class AskOnboardingQuestionInput:
    """Input of `askOnboardingQuestion`."""

    board_id: strawberry.ID = strawberry.field(description="The board.")
    question: str = strawberry.field(description="The question.")
    options: list[OnboardingOptionInput] = strawberry.field(description="At least one possible answer.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.input(description="An agent's draft, which ends its questions.")
class DraftOnboardingInput:
    """Input of `draftOnboarding`."""

    board_id: strawberry.ID = strawberry.field(description="The board.")
    board_type: str = strawberry.field(description="goal, general, or a word of your own.")
    objective: str | None = optional("What the board works towards.")
    success_metrics: JSON | None = optional("How success is measured.")
    target_date: datetime | None = optional("By when.")
    user_profile: JSON | None = optional("What was learnt of the person.")
    lead_agent: JSON | None = optional("The lead that the board shall get.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.input(description="The goal as the person confirms it; the draft makes the lead.")
class ConfirmOnboardingInput:
    """Input of `confirmOnboarding`."""

    board_id: strawberry.ID = strawberry.field(description="The board.")
    board_type: str = strawberry.field(description="goal, general, or a word of your own.")
    require_approval_for_done: bool = strawberry.field(
        default=True, description="Whether done needs an approval; a draft never decides that for you here."
    )
    take_user_profile: bool = strawberry.field(
        default=False, description="Whether what the agent learnt of you goes into your profile."
    )
    objective: str | None = optional("What the board works towards.")
    success_metrics: JSON | None = optional("How success is measured.")
    target_date: datetime | None = optional("By when.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.type(description="The conversation.")
class OnboardingPayload(Payload):
    """Payload of onboarding mutations."""

    onboarding: OnboardingSession = strawberry.field(description="The conversation as it is now.")


@strawberry.type(description="The board with its confirmed goal.")
class ConfirmOnboardingPayload(Payload):
    """Payload of `confirmOnboarding`."""

    board: Annotated[Board, strawberry.lazy("api.schema.boards")] = strawberry.field(description="The board.")


@strawberry.type
class OnboardingMutation:
    """Mutations of onboarding."""

    @strawberry.mutation(description="Begin the conversation that sets a board up; people with write access.")
    async def start_onboarding(self, info: Info, input: StartOnboardingInput) -> OnboardingPayload:
        board = as_uuid(input.board_id, "boardId")
        return await _talk(info, input, lambda: operations.start(info.context, board))

    @strawberry.mutation(description="Answer the agent's question; people with write access.")
    async def answer_onboarding(self, info: Info, input: AnswerOnboardingInput) -> OnboardingPayload:
        board, other = as_uuid(input.board_id, "boardId"), given(input).get("other_text")
        return await _talk(info, input, lambda: operations.answer(info.context, board, input.answer, other))

    @strawberry.mutation(description="Ask the person; the agent that leads the conversation.")
    async def ask_onboarding_question(self, info: Info, input: AskOnboardingQuestionInput) -> OnboardingPayload:
        board = as_uuid(input.board_id, "boardId")
        asked = {"question": input.question, "options": [{"id": o.id, "label": o.label} for o in input.options]}
        return await _talk(info, input, lambda: operations.update(info.context, board, asked))

    @strawberry.mutation(description="Write the draft; the agent that leads the conversation.")
    async def draft_onboarding(self, info: Info, input: DraftOnboardingInput) -> OnboardingPayload:
        board = as_uuid(input.board_id, "boardId")
        draft = {**given(input, "board_id", "client_mutation_id"), "status": "complete"}
        return await _talk(info, input, lambda: operations.update(info.context, board, draft))

    @strawberry.mutation(description="Confirm the goal; people with write access. The board gets its lead.")
    async def confirm_onboarding(self, info: Info, input: ConfirmOnboardingInput) -> ConfirmOnboardingPayload:
        from api.schema.boards import Board

        board = as_uuid(input.board_id, "boardId")
        goal = given(input, "board_id", "client_mutation_id", "require_approval_for_done", "take_user_profile")
        return await mutate(
            info, input,
            lambda: operations.confirm(
                info.context, board, goal, require_approval=input.require_approval_for_done,
                take_profile=input.take_user_profile,
            ),
            lambda ctx, ids: by_ids(ctx, BoardRow, ids, access.reachable_boards(ctx.actor)),
            lambda row: {"board": Board.of(row)}, ConfirmOnboardingPayload,
        )  # fmt: skip


async def _talk(info: Info, input: Any, work: Any) -> OnboardingPayload:
    return await mutate(
        info, input, work,
        lambda ctx, ids: by_ids(ctx, SessionRow, ids, access.reachable_boards(ctx.actor, SessionRow.board_id)),
        lambda row: {"onboarding": OnboardingSession.of(row)}, OnboardingPayload,
    )  # fmt: skip
