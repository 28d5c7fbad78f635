"""Inputs of the agent mutations and filters."""

from __future__ import annotations

from enum import Enum

import strawberry
from strawberry.scalars import JSON

from api.schema.scalars import optional


@strawberry.enum(description="What an agent is on its board.")
class AgentRole(Enum):
    """Kinds of agents."""

    WORKER = strawberry.enum_value("worker", description="Takes tasks and does them.")
    LEAD = strawberry.enum_value("lead", description="Plans, assigns and reviews; one a board.")
    MAIN = strawberry.enum_value("main", description="Serves a gateway rather than a board.")


@strawberry.input(description="Which agents; conditions add up.")
class AgentFilter:
    """Filter of agents."""

    role: AgentRole | None = strawberry.field(default=None, description="Worker, lead or main.")
    is_online: bool | None = strawberry.field(default=None, description="Seen within ten minutes, or not.")
    name_contains: str | None = strawberry.field(default=None, description="A part of the name, in any case.")


@strawberry.input(description="A new agent on a board.")
class CreateAgentInput:
    """Input of `createAgent`."""

    name: str = strawberry.field(description="Its name, unique on the board in any letter case.")
    board_id: strawberry.ID | None = optional("The board; a lead may leave it out for its own.")
    is_lead: bool = strawberry.field(default=False, description="Whether it leads the board; one a board, by people.")
    heartbeat_config: JSON | None = optional('How its gateway wakes it, like {every: "10m"}.')
    identity_profile: JSON | None = optional("Role, style and what else describes it.")
    identity_template: str | None = optional("A text that replaces the generated identity.")
    soul_template: str | None = optional("A text that replaces the generated soul.")


@strawberry.input(description="A new token for an agent.")
class IssueAgentTokenInput:
    """Input of `issueAgentToken`."""

    agent_id: strawberry.ID = strawberry.field(description="The agent.")


@strawberry.input(description="How an agent is set up anew.")
class ProvisionAgentInput:
    """Input of `provisionAgent`."""

    id: strawberry.ID = strawberry.field(description="The agent.")
    overwrite: bool = strawberry.field(default=False, description="Write USER.md and MEMORY.md anew, too.")
    force_bootstrap: bool = strawberry.field(default=False, description="Write a lead's first steps again.")
    reset_session: bool = strawberry.field(default=True, description="Let its session begin anew.")
    client_mutation_id: str | None = optional("A retry with the same value changes nothing and answers the same.")


@strawberry.input(description="What to change of an agent; omitted fields stay, null clears.")
class UpdateAgentInput:
    """Input of `updateAgent`."""

    id: strawberry.ID = strawberry.field(description="The agent.")
    name: str | None = optional("Its new name.")
    board_id: strawberry.ID | None = optional("Another board of the organisation.")
    heartbeat_config: JSON | None = optional("How its gateway wakes it.")
    identity_profile: JSON | None = optional("Role, style and what else describes it.")
    identity_template: str | None = optional("A text that replaces the generated identity.")
    soul_template: str | None = optional("A text that replaces the generated soul.")
    is_gateway_main: bool | None = optional("True makes it the main agent of its gateway; false puts it on boardId.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.input(description="An agent to take away.")
class DeleteAgentInput:
    """Input of `deleteAgent`."""

    id: strawberry.ID = strawberry.field(description="The agent; one that is gone already is no error.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.input(description="A sign of life.")
class SendHeartbeatInput:
    """Input of `sendHeartbeat`."""

    agent_id: strawberry.ID | None = optional("Which agent; an agent may leave it out.")
    status: str | None = optional("A status text of the agent's own.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")
