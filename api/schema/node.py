"""`Node` and `Actor`, the two interfaces that types share."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import strawberry

from api.domain.agents.tables import Agent as AgentRow
from api.domain.context import Context
from api.domain.paging import by_ids
from api.domain.users.tables import User as UserRow


@strawberry.interface(description="Anything with an id of its own; ids are UUIDs, unique over all types.")
class Node:
    """Relay's Node."""

    id: strawberry.ID = strawberry.field(description="The UUID.")


@strawberry.interface(description="Who acts: a person or an agent.")
class Actor:
    """User and Agent."""

    id: strawberry.ID = strawberry.field(description="The UUID.")
    display_name: str = strawberry.field(description="The name to show.")


async def load_actors(ctx: Context, users: Sequence[UUID | None], agents: Sequence[UUID | None]) -> list[Actor | None]:
    """The person or else the agent of each pair of ids; null when neither exists (any more)."""
    from api.schema.agents import Agent
    from api.schema.users import User

    people = await by_ids(ctx, UserRow, users) if any(users) else {}
    programs = await by_ids(ctx, AgentRow, agents) if any(agents) else {}
    found: list[Actor | None] = []
    for user_id, agent_id in zip(users, agents, strict=True):
        if user_id in people:
            found.append(User.of(people[user_id]))
        elif agent_id in programs:
            found.append(Agent.of(programs[agent_id]))
        else:
            found.append(None)
    return found
