"""Gateways as GraphQL sees them: what is registered, how the connection is, and the sessions there."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from api.domain import access
from api.domain.boards.tables import Gateway as GatewayRow
from api.domain.context import Context
from api.domain.database.base import now
from api.domain.gateways import operations
from api.domain.gateways.tables import GatewayLink
from api.domain.paging import Slice
from api.schema.batching import Info, batch_field
from api.schema.node import Node
from api.schema.paging import After, Before, Connection, First, Last, connect, connect_one
from api.schema.scalars import as_uuid, optional_uuid, shape

if TYPE_CHECKING:
    from api.schema.agents import Agent


def _administers(ctx: Context, gateways: Sequence[Gateway]) -> list[UUID]:
    """The ids, for administrators of every gateway's organisation."""
    for gateway in gateways:
        access.administrator(ctx.actor, gateway.row.organization_id)
    return [gateway.row.id for gateway in gateways]


async def load_links(ctx: Context, gateways: Sequence[Gateway]) -> list[GatewayStatus]:
    """How the connection to each gateway is."""
    found = await operations.links(ctx, _administers(ctx, gateways))
    return [GatewayStatus.of(found.get(gateway.row.id)) for gateway in gateways]


async def load_main_agents(ctx: Context, gateways: Sequence[Gateway]) -> list[Agent | None]:
    """The main agent of each gateway."""
    from api.schema.agents import Agent

    found = await operations.mains(ctx, _administers(ctx, gateways))
    return [Agent.of(found[gateway.row.id]) if gateway.row.id in found else None for gateway in gateways]


async def load_agents(
    ctx: Context, gateways: Sequence[Gateway], first: First = None, after: After = None, last: Last = None,
    before: Before = None,
) -> list[Connection[Annotated[Agent, strawberry.lazy("api.schema.agents")]]]:  # fmt: skip
    """The agents that live on each gateway, newest first."""
    from api.domain.agents.tables import Agent as AgentRow
    from api.domain.paging import Listing, Order
    from api.schema.agents import Agent

    order = (Order(AgentRow.created_at, descending=True),)
    listing = Listing(AgentRow, order, (), AgentRow.gateway_id)
    ids = _administers(ctx, gateways)
    return await connect(ctx, listing, Agent.of, Slice(first, after, last, before), ids)


async def load_sessions(ctx: Context, gateways: Sequence[Gateway]) -> list[list[GatewaySession]]:
    """The sessions of each gateway, asked of the gateways themselves; one that is away spoils its own answer only."""

    async def of_one(gateway_id: UUID) -> list[GatewaySession]:
        rows = await operations.sessions(ctx, gateway_id)
        return [GatewaySession.of(gateway_id, row) for row in rows if isinstance(row, Mapping)]

    found: list[Any] = await together([of_one(gateway_id) for gateway_id in _administers(ctx, gateways)])
    return found


async def load_messages(
    ctx: Context, sessions: Sequence[GatewaySession],
    limit: Annotated[int, strawberry.argument(description="At most so many, the newest ones; up to 1000.")] = 50,
) -> list[list[GatewayMessage]]:  # fmt: skip
    """What was said in each session, asked of the gateways themselves."""

    async def of_one(session: GatewaySession) -> list[GatewayMessage]:
        rows = await operations.history(ctx, session.gateway_id, session.key, max(1, min(limit, 1000)))
        return [GatewayMessage.of(row) for row in rows if isinstance(row, Mapping)]

    found: list[Any] = await together([of_one(session) for session in sessions])
    return found


async def together(asked: Sequence[Coroutine[Any, Any, Any]]) -> Any:
    """Answers or the errors in their places, at most ten asked at a time."""
    places = asyncio.Semaphore(10)

    async def one(work: Coroutine[Any, Any, Any]) -> Any:
        async with places:
            return await work

    return await asyncio.gather(*map(one, asked), return_exceptions=True)


@strawberry.type(description="How the connection to a gateway is.")
class GatewayStatus:
    """A row of `gateway_links`."""

    state: str = strawberry.field(description="connecting, connected or failed.")
    error: str | None = strawberry.field(
        description="Why it failed, or what is wrong although it is connected, and what to do."
    )
    error_code: str | None = strawberry.field(description="The code of the error.")
    version: str | None = strawberry.field(description="The gateway's version, as it told it last.")
    protocol: int | None = strawberry.field(description="The protocol that is spoken.")
    connected_at: datetime | None = strawberry.field(description="Since when, or until when it was connected.")
    handshakes: int = strawberry.field(description="How often hands were shaken since it was registered.")

    @classmethod
    def of(cls, row: GatewayLink | None) -> GatewayStatus:
        """From a row; a gateway that no process has taken up, or not since one died, is connecting."""
        if row is None or (row.state == "connected" and row.expires_at < now()):
            return cls(state="connecting", error=None, error_code=None, version=None, protocol=None,
                       connected_at=None, handshakes=row.handshakes if row is not None else 0)  # fmt: skip
        names = ("state", "error", "error_code", "version", "protocol", "connected_at", "handshakes")
        return cls(**{name: getattr(row, name) for name in names})


@strawberry.type(description="Something that was said in a session.")
class GatewayMessage:
    """A message as the gateway tells it."""

    role: str = strawberry.field(description="user, assistant, or what else the gateway knows.")
    text: str = strawberry.field(description="The text of its parts.")
    content: JSON | None = strawberry.field(description="As the gateway tells it.")
    at: datetime | None = strawberry.field(description="When.")

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> GatewayMessage:
        """From the gateway's answer."""
        content = row.get("content")
        parts = content if isinstance(content, list) else [content]
        texts = [part if isinstance(part, str) else part.get("text", "") for part in parts
                 if isinstance(part, str | Mapping)]  # fmt: skip
        return cls(role=str(row.get("role") or ""), text="".join(map(str, texts)), content=content,
                   at=moment(row.get("timestamp")))  # fmt: skip


@strawberry.type(description="A session on a gateway: where an agent's turns happen.")
class GatewaySession:
    """A session as the gateway tells it."""

    gateway_id: strawberry.Private[UUID]
    key: str = strawberry.field(description="Its key.")
    label: str | None = strawberry.field(description="What people call it.")
    model: str | None = strawberry.field(description="The model that answers there.")
    has_active_run: bool = strawberry.field(description="Whether a turn is under way.")
    total_tokens: int | None = strawberry.field(description="Tokens in its context, as the gateway counts.")
    updated_at: datetime | None = strawberry.field(description="When something happened there last.")
    raw: JSON = strawberry.field(description="Everything that the gateway tells of it.")
    messages: list[GatewayMessage] = batch_field(load_messages, description="What was said, oldest first.")

    @classmethod
    def of(cls, gateway_id: UUID, row: Mapping[str, Any]) -> GatewaySession:
        """From the gateway's answer."""
        make: Any = cls
        found: GatewaySession = make(
            gateway_id=gateway_id, key=str(row.get("key") or ""), label=row.get("label") or row.get("displayName"),
            model=row.get("model"), has_active_run=bool(row.get("hasActiveRun")), total_tokens=row.get("totalTokens"),
            updated_at=moment(row.get("updatedAt")), raw=dict(row),
        )  # fmt: skip
        return found


def moment(value: Any) -> datetime | None:
    """A gateway's milliseconds as a time of ours."""
    from datetime import UTC

    return datetime.fromtimestamp(value / 1000, UTC).replace(tzinfo=None) if isinstance(value, int | float) else None


@strawberry.type(description="An OpenClaw gateway, where agents live. Most of it is for administrators.")
class Gateway(Node):
    """A row of `gateways`."""

    row: strawberry.Private[Any]
    name: str = strawberry.field(description="Its name.")
    created_at: datetime = strawberry.field(description="When it was registered.")
    updated_at: datetime = strawberry.field(description="When it was changed last.")
    status: GatewayStatus = batch_field(load_links, description="How the connection is; for administrators.")
    main_agent: Annotated[Agent, strawberry.lazy("api.schema.agents")] | None = batch_field(
        load_main_agents, description="The agent between its boards and people; for administrators."
    )
    agents: Connection[Annotated[Agent, strawberry.lazy("api.schema.agents")]] = batch_field(
        load_agents, description="Who lives there, newest first; for administrators."
    )
    sessions: list[GatewaySession] = batch_field(
        load_sessions, description="The sessions there, asked of the gateway now; for administrators."
    )

    @strawberry.field(description="Where it is, ws:// or wss://; for administrators.")
    def url(self, info: Info) -> str:
        return str(self._admin(info).url)

    @strawberry.field(description="The folder of the agents' workspaces on its host; for administrators.")
    def workspace_root(self, info: Info) -> str:
        return str(self._admin(info).workspace_root)

    @strawberry.field(description="Whether certificates are not checked; for administrators.")
    def allow_insecure_tls(self, info: Info) -> bool:
        return bool(self._admin(info).allow_insecure_tls)

    @strawberry.field(description="Asked of old gateways only; current ones always pair devices. For administrators.")
    def disable_device_pairing(self, info: Info) -> bool:
        return bool(self._admin(info).disable_device_pairing)

    @strawberry.field(description="Whether a token is stored for it; for administrators.")
    def has_token(self, info: Info) -> bool:
        return bool(self._admin(info).token)

    def _admin(self, info: Info) -> Any:
        access.administrator(info.context.actor, self.row.organization_id)
        return self.row

    @classmethod
    def of(cls, row: GatewayRow) -> Gateway:
        """From a row."""
        return shape(cls, row)


Id = Annotated[strawberry.ID, strawberry.argument(description="The gateway's id.")]


@strawberry.type
class GatewayQuery:
    """Query fields of gateways."""

    @strawberry.field(description="One gateway; for administrators of its organisation.")
    async def gateway(self, info: Info, id: Id) -> Gateway | None:
        return Gateway.of(await operations.find(info.context, as_uuid(id)))

    @strawberry.field(description="The gateways of the active or the named organisation, newest first; administrators.")
    async def gateways(
        self, info: Info,
        organization_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="By default the active one.")
        ] = None,
        first: First = None, after: After = None, last: Last = None, before: Before = None,
    ) -> Connection[Gateway]:  # fmt: skip
        ctx = info.context
        member = access.administrator(ctx.actor, optional_uuid(organization_id, "organizationId"))
        listing = operations.listing(member.organization_id)
        return await connect_one(ctx, listing, Gateway.of, Slice(first, after, last, before))

    @strawberry.field(description="One session of a gateway; for administrators of its organisation.")
    async def gateway_session(
        self, info: Info, gateway_id: Id,
        key: Annotated[str, strawberry.argument(description="The session's key.")],
    ) -> GatewaySession | None:  # fmt: skip
        gateway = await operations.find(info.context, as_uuid(gateway_id, "gatewayId"))
        rows = await operations.sessions(info.context, gateway.id)
        found = next((row for row in rows if isinstance(row, Mapping) and row.get("key") == key), None)
        return GatewaySession.of(gateway.id, found) if found is not None else None
