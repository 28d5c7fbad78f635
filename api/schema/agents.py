"""Agents as GraphQL sees them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry
from sqlalchemy import ColumnElement
from strawberry.scalars import JSON

from api.domain import access
from api.domain.actor import Agent as AgentActor
from api.domain.agents import operations, rules
from api.domain.agents.tables import Agent as AgentRow
from api.domain.boards.tables import Board as BoardRow
from api.domain.context import Context
from api.domain.paging import Listing, OffsetPage, Slice, by_ids, offset_page
from api.schema.agent_inputs import (
    AgentFilter,
    AgentRole,
    CreateAgentInput,
    DeleteAgentInput,
    IssueAgentTokenInput,
    ProvisionAgentInput,
    SendHeartbeatInput,
    UpdateAgentInput,
)
from api.schema.agent_life import AgentLifecycle, load_agent_sessions, load_lifecycles
from api.schema.batching import Info, batch_field
from api.schema.gates import listed_board
from api.schema.gateways import GatewaySession
from api.schema.inbox import Inbox, load_inboxes
from api.schema.mutations import Payload, TargetInput, delete_once, mutate, secret_description
from api.schema.node import Actor, Node
from api.schema.paging import After, Before, Connection, First, Last, connect_one
from api.schema.scalars import as_uuid, given, optional_uuid, shape

if TYPE_CHECKING:
    from api.schema.boards import Board


@strawberry.enum(description="Whether an agent is there.")
class AgentStatus(Enum):
    """The computed status; free texts are OTHER."""

    PROVISIONING = strawberry.enum_value("provisioning", description="Made, and not seen yet.")
    UPDATING = strawberry.enum_value("updating", description="Its gateway is being told of a change.")
    ONLINE = strawberry.enum_value("online", description="Seen within ten minutes.")
    OFFLINE = strawberry.enum_value("offline", description="Silent for more than ten minutes.")
    DELETING = strawberry.enum_value("deleting", description="Being taken away.")
    OTHER = strawberry.enum_value("other", description="A status of the agent's own; see statusLabel.")


async def load_boards(ctx: Context, agents: Sequence[Agent]) -> list[Board | None]:
    """The board of each agent."""
    from api.schema.boards import Board

    ids = [agent.row.board_id for agent in agents]
    rows = await by_ids(ctx, BoardRow, ids, access.reachable_boards(ctx.actor))
    return [Board.of(rows[agent.row.board_id]) if agent.row.board_id in rows else None for agent in agents]


@strawberry.type(description="A program that works on a board: worker, lead, or the main agent of a gateway.")
class Agent(Node, Actor):
    """A row of `agents`, with the status people see."""

    row: strawberry.Private[Any]
    name: str = strawberry.field(description="Its name, unique on the board.")
    role: AgentRole = strawberry.field(description="Worker, lead or main.")
    is_board_lead: bool = strawberry.field(description="Whether it leads its board.")
    last_seen_at: datetime | None = strawberry.field(description="Its last sign of life.")
    heartbeat_config: JSON | None = strawberry.field(description="How often its gateway wakes it.")
    identity_profile: JSON | None = strawberry.field(description="Role, style and what else describes it.")
    last_provision_error: str | None = strawberry.field(description="Why the gateway could not set it up, if so.")
    wake_attempts: int = strawberry.field(description="Wake messages since its last sign of life.")
    checkin_deadline_at: datetime | None = strawberry.field(description="By when a woken agent should be seen.")
    created_at: datetime = strawberry.field(description="When it was made.")
    updated_at: datetime = strawberry.field(description="When it changed last.")
    board: Annotated[Board, strawberry.lazy("api.schema.boards")] | None = batch_field(
        load_boards, description="Its board; null for main agents."
    )
    lifecycle: AgentLifecycle | None = batch_field(
        load_lifecycles, description="What was asked of its gateway last; null without a gateway."
    )
    session: GatewaySession | None = batch_field(
        load_agent_sessions, description="Where its turns happen, asked of the gateway now; for administrators."
    )
    inbox: Inbox = batch_field(load_inboxes, description="What it has been told; its own, or for people and its lead.")

    @strawberry.field(description="Whether it is there, computed at reading.")
    def status(self, info: Info) -> AgentStatus:
        label = shown_status(info.context, self)
        return AgentStatus(label) if label in AgentStatus._value2member_map_ else AgentStatus.OTHER

    @strawberry.field(description="The status in words.")
    def status_label(self, info: Info) -> str:
        return shown_status(info.context, self)

    @strawberry.field(description="The soul text that replaces the generated one; for people, leads and itself.")
    def soul_template(self, info: Info) -> str | None:
        return self.row.soul_template if shows_private(info.context, self) else None

    @strawberry.field(description="The identity text that replaces the generated one; for people, leads and itself.")
    def identity_template(self, info: Info) -> str | None:
        return self.row.identity_template if shows_private(info.context, self) else None

    @classmethod
    def of(cls, row: AgentRow) -> Agent:
        """From a row."""
        role = AgentRole.MAIN if row.board_id is None else AgentRole.LEAD if row.is_board_lead else AgentRole.WORKER
        return shape(cls, row, display_name=row.name, role=role)


def shown_status(ctx: Context, agent: Agent) -> str:
    """The status that answers show."""
    return rules.shown_status(agent.row, ctx.now())


def shows_private(ctx: Context, agent: Agent) -> bool:
    """Templates and session are for people, leads, main agents and the agent itself."""
    actor = ctx.actor
    return not isinstance(actor, AgentActor) or actor.id == agent.row.id or actor.is_lead or actor.is_main


def narrowed(ctx: Context, listing: Listing, filter: AgentFilter | None) -> Listing:
    """A listing of agents with the filter's conditions."""
    if filter is None:
        return listing
    where: list[ColumnElement[bool]] = []
    if filter.role is not None:
        where.append(
            {
                AgentRole.WORKER: AgentRow.board_id.is_not(None) & ~AgentRow.is_board_lead,
                AgentRole.LEAD: AgentRow.is_board_lead.is_(True),
                AgentRole.MAIN: AgentRow.board_id.is_(None),
            }[filter.role]
        )
    if filter.is_online is not None:
        seen = AgentRow.last_seen_at.is_not(None) & (AgentRow.last_seen_at >= ctx.now() - rules.OFFLINE_AFTER)
        where.append(seen if filter.is_online else ~seen)
    if filter.name_contains:
        where.append(AgentRow.name.icontains(filter.name_contains, autoescape=True))
    return listing.matching(*where)


# -- resolvers that REST rows use -------------------------------------------------------------------------------------


async def agent(ctx: Context, agent_id: UUID) -> Agent:
    """One agent that the caller may read."""
    return Agent.of(await operations.reachable(ctx, agent_id, write=False))


async def agent_page(
    ctx: Context, limit: int, offset: int, board_id: UUID | None = None, gateway_id: UUID | None = None
) -> OffsetPage:
    """Agents the caller sees, newest first: administrators in the organisation, agents on their board."""
    if ctx.actor.kind == "user":
        access.administrator(ctx.actor)
    where = [operations.visible(ctx)]
    if board_id is not None:
        if not (isinstance(ctx.actor, AgentActor) and ctx.actor.is_main):
            await listed_board(ctx, board_id)
        where.append(AgentRow.board_id == board_id)
    if gateway_id is not None:
        where.append(await operations.of_gateway(ctx, gateway_id))
    page = await offset_page(ctx, operations.listing(*where), limit, offset)
    page.rows = [Agent.of(row) for row in page.rows]
    return page


async def create_agent(ctx: Context, draft: dict[str, Any], own_board: bool = False) -> Agent:
    """Put a worker on a board."""
    return Agent.of((await operations.create_agent(ctx, draft, own_board=own_board)).agent)


async def update_agent(ctx: Context, agent_id: UUID, change: dict[str, Any], force: bool = False) -> Agent:
    """Change an agent."""
    return Agent.of(await operations.update_agent(ctx, agent_id, change, force=force))


async def delete_agent(ctx: Context, agent_id: UUID, board_id: UUID | None = None) -> None:
    """Take an agent away; with a board, the way of that board's lead."""
    await operations.delete_agent(ctx, agent_id, by_lead_on=board_id)


async def send_heartbeat(ctx: Context, agent_id: UUID | None = None, status: str | None = None) -> Agent:
    """A sign of life."""
    return Agent.of(await operations.send_heartbeat(ctx, agent_id, status))


async def heartbeat_or_create(ctx: Context, draft: dict[str, Any]) -> Agent:
    """A sign of life of an agent named in the organisation, made when missing."""
    return Agent.of(await operations.heartbeat_or_create(ctx, draft))


async def myself(ctx: Context) -> Agent:
    """The calling agent, after its sign of life is written."""
    actor = access.an_agent(ctx.actor)
    if ctx.settle_presence is not None:
        await ctx.settle_presence(actor.id)
    return await agent(ctx, actor.id)


# -- GraphQL ----------------------------------------------------------------------------------------------------------


@strawberry.type(description="The agent with its new token, which is shown this once.")
class IssuedAgentPayload:
    """What shows a token."""

    agent: Agent = strawberry.field(description="The agent.")
    token: str = strawberry.field(description=secret_description("Send it as `X-Agent-Token` or as bearer token."))


@strawberry.type(description="The changed agent.")
class UpdateAgentPayload(Payload):
    """Payload of `updateAgent`."""

    agent: Agent = strawberry.field(description="The agent.")


@strawberry.type(description="The agent is gone.")
class DeleteAgentPayload(Payload):
    """Payload of `deleteAgent`."""

    agent_id: strawberry.ID = strawberry.field(description="The agent that was.")


@strawberry.type(description="The agent after its sign of life.")
class SendHeartbeatPayload(Payload):
    """Payload of `sendHeartbeat`."""

    agent: Agent = strawberry.field(description="The agent.")


@strawberry.type
class AgentQuery:
    """Query fields of agents."""

    @strawberry.field(description="One agent.")
    async def agent(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The agent's id.")]
    ) -> Agent | None:
        return await agent(info.context, as_uuid(id))

    @strawberry.field(description="Agents that the caller sees in the active organisation, newest first.")
    async def agents(
        self, info: Info,
        filter: Annotated[AgentFilter | None, strawberry.argument(description="Which agents.")] = None,
        first: First = None, after: After = None, last: Last = None, before: Before = None,
    ) -> Connection[Agent]:  # fmt: skip
        ctx = info.context
        listing = narrowed(ctx, operations.listing(operations.visible(ctx)), filter)
        return await connect_one(ctx, listing, Agent.of, Slice(first, after, last, before))


async def _set_up(info: Info, input: Any, action: str, **options: bool) -> UpdateAgentPayload:
    return await mutate(
        info, input, lambda: operations.set_up_again(info.context, as_uuid(input.id), action, **options),
        _reload, lambda row: {"agent": Agent.of(row)}, UpdateAgentPayload,
    )  # fmt: skip


@strawberry.type
class AgentMutation:
    """Mutations of agents."""

    @strawberry.mutation(description="Put an agent on a board and get its token: any program with it is the agent.")
    async def create_agent(self, info: Info, input: CreateAgentInput) -> IssuedAgentPayload:
        draft = given(input, "is_lead")
        draft["board_id"] = optional_uuid(draft.get("board_id"), "boardId")
        issued = await operations.create_agent(info.context, draft, is_lead=input.is_lead)
        return IssuedAgentPayload(agent=Agent.of(issued.agent), token=issued.token)

    @strawberry.mutation(description="A new token for an agent; the old one and its streams end at once.")
    async def issue_agent_token(self, info: Info, input: IssueAgentTokenInput) -> IssuedAgentPayload:
        issued = await operations.issue_token(info.context, as_uuid(input.agent_id, "agentId"))
        return IssuedAgentPayload(agent=Agent.of(issued.agent), token=issued.token)

    @strawberry.mutation(description="Change an agent; omitted fields stay, null clears.")
    async def update_agent(self, info: Info, input: UpdateAgentInput) -> UpdateAgentPayload:
        change = given(input, "id", "client_mutation_id")
        if "board_id" in change:
            change["board_id"] = optional_uuid(change["board_id"], "boardId")
        return await mutate(
            info, input, lambda: operations.update_agent(info.context, as_uuid(input.id), change),
            _reload, lambda row: {"agent": Agent.of(row)}, UpdateAgentPayload,
        )  # fmt: skip

    @strawberry.mutation(
        description="Set an agent up anew on its gateway: its entry, its files with a new token, its session; "
        "administrators."
    )
    async def provision_agent(self, info: Info, input: ProvisionAgentInput) -> UpdateAgentPayload:
        options = {name: getattr(input, name) for name in ("overwrite", "force_bootstrap", "reset_session")}
        return await _set_up(info, input, "provision", **options)

    @strawberry.mutation(description="Wake an agent on its gateway, which must check in then; administrators.")
    async def wake_agent(self, info: Info, input: TargetInput) -> UpdateAgentPayload:
        return await _set_up(info, input, "wake", wanted=True)

    @strawberry.mutation(description="Take an agent away; its work in progress returns to the inbox.")
    async def delete_agent(self, info: Info, input: DeleteAgentInput) -> DeleteAgentPayload:
        ctx, agent_id = info.context, as_uuid(input.id)
        lead_of = getattr(ctx.actor, "board_id", None) if ctx.actor.kind == "agent" else None
        if ctx.actor.kind == "agent":
            access.lead(ctx.actor)
        access.signed_in(ctx.actor)
        return await delete_once(
            info, input, agent_id, lambda: operations.delete_agent(ctx, agent_id, by_lead_on=lead_of),
            lambda gone: {"agent_id": gone}, DeleteAgentPayload,
        )  # fmt: skip

    @strawberry.mutation(description="A sign of life: an agent for itself, or an administrator for an agent.")
    async def send_heartbeat(self, info: Info, input: SendHeartbeatInput) -> SendHeartbeatPayload:
        values = given(input)
        agent_id = optional_uuid(values.get("agent_id"), "agentId")
        return await mutate(
            info, input, lambda: operations.send_heartbeat(info.context, agent_id, values.get("status")), _reload,
            lambda row: {"agent": Agent.of(row)}, SendHeartbeatPayload,
        )  # fmt: skip


async def _reload(ctx: Context, ids: Sequence[UUID]) -> dict[Any, Any]:
    return await by_ids(ctx, AgentRow, ids, operations.visible(ctx))
