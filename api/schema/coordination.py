"""How leads and main agents reach each other and people, and agents' souls, as GraphQL sees them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import strawberry

from api.domain.agents import coordination
from api.domain.context import Context
from api.schema.agents import Agent
from api.schema.batching import Info
from api.schema.scalars import as_uuid, given, optional, optional_uuid


@strawberry.enum(description="What a message to a lead is.")
class LeadMessageKind(Enum):
    """Kinds of messages to leads."""

    QUESTION = strawberry.enum_value("question", description="It wants an answer.")
    HANDOFF = strawberry.enum_value("handoff", description="It hands something over.")


@strawberry.input(description="Words for an agent of one's board; leads only.")
class NudgeAgentInput:
    """Input of `nudgeAgent`."""

    board_id: strawberry.ID = strawberry.field(description="The lead's board.")
    agent_id: strawberry.ID = strawberry.field(description="An agent of it.")
    message: str = strawberry.field(description="What it reads, as it is.")


@strawberry.input(description="A soul for an agent of one's board; leads only.")
class WriteAgentSoulInput:
    """Input of `writeAgentSoul`."""

    board_id: strawberry.ID = strawberry.field(description="The lead's board.")
    agent_id: strawberry.ID = strawberry.field(description="An agent of it.")
    content: str = strawberry.field(description="The text, taken as it is.")
    reason: str | None = optional("Why.")
    source_url: str | None = optional("Where it is from.")


@strawberry.input(description="A question to the person, through the gateway's main agent; leads only.")
class AskUserInput:
    """Input of `askUser`."""

    board_id: strawberry.ID = strawberry.field(description="The lead's board.")
    content: str = strawberry.field(description="The question.")
    correlation_id: str | None = optional("What the answer should be recognised by.")
    preferred_channel: str | None = optional("Where the person is best reached.")
    reply_tags: list[str] | None = optional("Tags of the memory entry that answers.")
    reply_source: str | None = optional("Source of the memory entry that answers.")


@strawberry.input(description="A question or hand-over to the lead of a board; the gateway's main agent only.")
class MessageLeadInput:
    """Input of `messageLead`."""

    board_id: strawberry.ID = strawberry.field(description="A board of the gateway.")
    content: str = strawberry.field(description="The text.")
    kind: LeadMessageKind = strawberry.field(default=LeadMessageKind.QUESTION, description="What it is.")
    correlation_id: str | None = optional("What the answer should be recognised by.")
    reply_tags: list[str] | None = optional("Tags of the memory entry that answers.")
    reply_source: str | None = optional("Source of the memory entry that answers.")


@strawberry.input(description="The same to many leads; the gateway's main agent only.")
class BroadcastToLeadsInput:
    """Input of `broadcastToLeads`."""

    content: str = strawberry.field(description="The text.")
    kind: LeadMessageKind = strawberry.field(default=LeadMessageKind.QUESTION, description="What it is.")
    board_ids: list[strawberry.ID] | None = optional("These boards; by default all of the gateway.")
    correlation_id: str | None = optional("What the answers should be recognised by.")
    reply_tags: list[str] | None = optional("Tags of the memory entries that answer.")
    reply_source: str | None = optional("Source of the memory entries that answer.")


@strawberry.type(description="Who was told.")
class ToldAgent:
    """A message to an agent."""

    board_id: strawberry.ID = strawberry.field(description="The board.")
    agent: Agent | None = strawberry.field(description="Who was told; null when there is none.")
    created: bool = strawberry.field(description="Whether the agent was made for it.")
    error: str | None = strawberry.field(description="Why nobody was told.")

    @classmethod
    def of(cls, told: coordination.Told) -> ToldAgent:
        """From the operation's answer."""
        agent = Agent.of(told.agent) if told.agent is not None else None
        return cls(board_id=strawberry.ID(str(told.board_id)), agent=agent, created=told.created, error=told.error)


@strawberry.type(description="Who was told.")
class ToldManyPayload:
    """Payload of `broadcastToLeads`."""

    sent: int = strawberry.field(description="How many.")
    failed: int = strawberry.field(description="How many not.")
    results: list[ToldAgent] = strawberry.field(description="Board by board.")


# -- resolvers that REST rows use -------------------------------------------------------------------------------------


async def nudge(ctx: Context, board_id: UUID, agent_id: UUID, message: str) -> Agent:
    """The lead's words into a session."""
    return Agent.of(await coordination.nudge(ctx, board_id, agent_id, message))


async def soul(ctx: Context, board_id: UUID, agent_id: UUID) -> str:
    """An agent's soul."""
    return await coordination.soul(ctx, agent_id, board_id)


async def write_soul(
    ctx: Context, board_id: UUID, agent_id: UUID, content: str, reason: str | None = None, source_url: str | None = None
) -> Agent:
    """Another soul."""
    return Agent.of(await coordination.write_soul(ctx, board_id, agent_id, content, reason, source_url))


async def ask_user(ctx: Context, board_id: UUID, draft: dict[str, Any]) -> coordination.Told:
    """A question to the person."""
    place, main = await coordination.ask_user(ctx, board_id, draft)
    return coordination.Told(place, main)


async def message_lead(ctx: Context, board_id: UUID, draft: dict[str, Any]) -> coordination.Told:
    """A message to a lead."""
    return await coordination.message_lead(ctx, board_id, draft)


async def broadcast(ctx: Context, draft: dict[str, Any]) -> list[coordination.Told]:
    """A message to many leads."""
    return await coordination.broadcast(ctx, draft)


# -- GraphQL ----------------------------------------------------------------------------------------------------------


@strawberry.type
class CoordinationQuery:
    """Query fields of coordination."""

    @strawberry.field(description="An agent's soul as it is on its gateway; for people, its lead and itself.")
    async def agent_soul(
        self, info: Info, agent_id: Annotated[strawberry.ID, strawberry.argument(description="The agent.")]
    ) -> str | None:
        return await coordination.soul(info.context, as_uuid(agent_id, "agentId"))


@strawberry.type
class CoordinationMutation:
    """Mutations of coordination."""

    @strawberry.mutation(description="Words into the session of an agent of one's board; leads only.")
    async def nudge_agent(self, info: Info, input: NudgeAgentInput) -> ToldAgent:
        board_id = as_uuid(input.board_id, "boardId")
        found = await coordination.nudge(info.context, board_id, as_uuid(input.agent_id, "agentId"), input.message)
        return ToldAgent.of(coordination.Told(board_id, found))

    @strawberry.mutation(description="Give an agent of one's board another soul; leads only.")
    async def write_agent_soul(self, info: Info, input: WriteAgentSoulInput) -> ToldAgent:
        values, board_id = given(input, "board_id", "agent_id"), as_uuid(input.board_id, "boardId")
        found = await coordination.write_soul(info.context, board_id, as_uuid(input.agent_id, "agentId"), **values)
        return ToldAgent.of(coordination.Told(board_id, found))

    @strawberry.mutation(description="Ask the person through the gateway's main agent; leads only.")
    async def ask_user(self, info: Info, input: AskUserInput) -> ToldAgent:
        return ToldAgent.of(await ask_user(info.context, as_uuid(input.board_id, "boardId"), given(input, "board_id")))

    @strawberry.mutation(description="A message to the lead of a board, made when missing; the main agent only.")
    async def message_lead(self, info: Info, input: MessageLeadInput) -> ToldAgent:
        draft = _draft(input, "board_id")
        return ToldAgent.of(await coordination.message_lead(info.context, as_uuid(input.board_id, "boardId"), draft))

    @strawberry.mutation(description="A message to the leads of the gateway's boards; the main agent only.")
    async def broadcast_to_leads(self, info: Info, input: BroadcastToLeadsInput) -> ToldManyPayload:
        draft = _draft(input)
        draft["board_ids"] = [optional_uuid(one, "boardIds") for one in draft.get("board_ids") or []]
        return _counted(await coordination.broadcast(info.context, draft))


def _draft(input: Any, *skip: str) -> dict[str, Any]:
    values = given(input, *skip)
    return {**values, "kind": input.kind.value}


def _counted(told: Sequence[coordination.Told]) -> ToldManyPayload:
    failed = sum(one.error is not None for one in told)
    return ToldManyPayload(sent=len(told) - failed, failed=failed, results=[ToldAgent.of(one) for one in told])
