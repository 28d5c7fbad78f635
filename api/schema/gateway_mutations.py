"""Changing gateways, speaking into their sessions, and following what is said there."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import strawberry

from api.domain.boards.tables import Gateway as GatewayRow
from api.domain.context import Context
from api.domain.gateways import following, operations
from api.domain.paging import by_ids
from api.schema.batching import Info
from api.schema.gateways import Gateway, GatewayMessage
from api.schema.jobs import JobPayload, reload
from api.schema.mutations import DeletedPayload, Payload, TargetInput, delete_target, mutate
from api.schema.scalars import as_uuid, given, optional, optional_uuid


@strawberry.input(description="A gateway to register; it must answer. Administrators only.")
class CreateGatewayInput:
    """Input of `createGateway`."""

    name: str = strawberry.field(description="Its name.")
    url: str = strawberry.field(description="Where it is, ws:// or wss://.")
    workspace_root: str = strawberry.field(description="The folder for workspaces on its host.")
    token: str | None = optional("Its token (`openclaw dashboard --json --no-open` on its host).")
    allow_insecure_tls: bool = strawberry.field(default=False, description="Do not check its certificate.")
    disable_device_pairing: bool = strawberry.field(default=False, description="For old gateways only.")
    organization_id: strawberry.ID | None = optional("By default the active one.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.input(
    description="What to change of a gateway; omitted fields stay. What concerns the connection is tried."
)
class UpdateGatewayInput:
    """Input of `updateGateway`."""

    id: strawberry.ID = strawberry.field(description="The gateway.")
    name: str | None = optional("Its name.")
    url: str | None = optional("Where it is.")
    workspace_root: str | None = optional("The folder for workspaces on its host.")
    token: str | None = optional("Its token; null or blank removes it.")
    allow_insecure_tls: bool | None = optional("Do not check its certificate.")
    disable_device_pairing: bool | None = optional("For old gateways only.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.input(description="Which agents get their files anew, and how.")
class SyncGatewayTemplatesInput:
    """Input of `syncGatewayTemplates`."""

    gateway_id: strawberry.ID = strawberry.field(description="The gateway.")
    include_main: bool = strawberry.field(default=True, description="The main agent, too.")
    lead_only: bool = strawberry.field(default=False, description="Of boards, leads only.")
    reset_sessions: bool = strawberry.field(default=False, description="Begin their sessions anew.")
    rotate_tokens: bool = strawberry.field(default=False, description="A new token where the old one cannot be read.")
    force_bootstrap: bool = strawberry.field(default=False, description="Write BOOTSTRAP.md again.")
    overwrite: bool = strawberry.field(default=False, description="Overwrite MEMORY.md and USER.md as well.")
    board_id: strawberry.ID | None = optional("Only agents of this board.")


@strawberry.input(description="Words of a person into a session.")
class SendGatewayMessageInput:
    """Input of `sendGatewayMessage`."""

    gateway_id: strawberry.ID = strawberry.field(description="The gateway.")
    session_key: str = strawberry.field(description="The session.")
    content: str = strawberry.field(description="What to say.")


@strawberry.type(description="The gateway.")
class GatewayPayload(Payload):
    """Payload of gateway mutations."""

    gateway: Gateway = strawberry.field(description="The gateway as it is now.")


@strawberry.type(description="It was said.")
class SendGatewayMessagePayload:
    """Payload of `sendGatewayMessage`."""

    session_key: str = strawberry.field(description="Where.")


@strawberry.type
class GatewayMutation:
    """Mutations of gateways."""

    @strawberry.mutation(description="Register a gateway that answers, with its main agent; administrators only.")
    async def create_gateway(self, info: Info, input: CreateGatewayInput) -> GatewayPayload:
        values = given(input, "organization_id", "client_mutation_id")
        where = optional_uuid(given(input).get("organization_id"), "organizationId")
        failure = await operations.try_out(info.context, values, where)
        return await mutate(
            info, input, lambda: operations.register(info.context, values, where, failure), _reload,
            lambda row: {"gateway": Gateway.of(row)}, GatewayPayload,
        )  # fmt: skip

    @strawberry.mutation(description="Change a gateway; administrators only.")
    async def update_gateway(self, info: Info, input: UpdateGatewayInput) -> GatewayPayload:
        values = given(input, "id", "client_mutation_id")
        gateway_id = as_uuid(input.id)
        failure = await operations.try_out(info.context, values, gateway_id=gateway_id)
        return await mutate(
            info, input, lambda: operations.update(info.context, gateway_id, values, failure), _reload,
            lambda row: {"gateway": Gateway.of(row)}, GatewayPayload,
        )  # fmt: skip

    @strawberry.mutation(description="Take a gateway away with its main agent, unless boards use it; administrators.")
    async def delete_gateway(self, info: Info, input: TargetInput) -> DeletedPayload:
        return await delete_target(info, input, operations.delete)

    @strawberry.mutation(description="Write the files of a gateway's agents anew, as a job; administrators only.")
    async def sync_gateway_templates(self, info: Info, input: SyncGatewayTemplatesInput) -> JobPayload:
        flags = given(input, "gateway_id")
        flags["board_id"] = optional_uuid(flags.get("board_id"), "boardId")
        gateway_id = as_uuid(input.gateway_id, "gatewayId")
        from api.schema.jobs import Job

        return await mutate(
            info, input, lambda: operations.ask_sync(info.context, gateway_id, flags), reload,
            lambda row: {"job": Job.of(row)}, JobPayload,
        )  # fmt: skip

    @strawberry.mutation(description="Say something into a session now; administrators only.")
    async def send_gateway_message(self, info: Info, input: SendGatewayMessageInput) -> SendGatewayMessagePayload:
        gateway = await operations.find(info.context, as_uuid(input.gateway_id, "gatewayId"))
        await operations.say(info.context, gateway, input.session_key, input.content)
        return SendGatewayMessagePayload(session_key=input.session_key)


@strawberry.enum(description="What happened in a session.")
class SessionEventKind(Enum):
    """Kinds of session events."""

    MESSAGE = strawberry.enum_value("message", description="A whole message, of a person, the server or the agent.")
    DELTA = strawberry.enum_value("delta", description="The next part of the agent's answer.")
    STATE = strawberry.enum_value("state", description="A turn began, ended or failed.")


@strawberry.type(description="Something that happened in a session.")
class SessionEvent:
    """From the gateway's events and its history."""

    kind: SessionEventKind = strawberry.field(description="What happened.")
    seq: int | None = strawberry.field(description="Of messages: their number; resume `after` it.")
    run_id: str | None = strawberry.field(description="The turn.")
    state: str | None = strawberry.field(description="Of a turn: status, final, error, aborted …")
    text: str | None = strawberry.field(description="Of a part: the new text; of an error: why.")
    message: GatewayMessage | None = strawberry.field(description="Of messages: the message.")


@strawberry.type
class GatewaySubscription:
    """Following sessions."""

    @strawberry.subscription(description="An agent's turns as they happen; for administrators of the organisation.")
    async def gateway_session_events(
        self, info: Info,
        gateway_id: Annotated[strawberry.ID, strawberry.argument(description="The gateway.")],
        session_key: Annotated[str, strawberry.argument(description="The session.")],
        after: Annotated[
            int | None, strawberry.argument(description="Begin after this message; omitted: all that is kept.")
        ] = None,
    ) -> AsyncGenerator[SessionEvent, None]:  # fmt: skip
        async for said in following.follow(info.context, as_uuid(gateway_id, "gatewayId"), session_key, after):
            yield SessionEvent(
                kind=SessionEventKind(said.kind), seq=said.seq, run_id=said.run_id, state=said.state, text=said.text,
                message=GatewayMessage.of(said.message) if said.message is not None else None,
            )  # fmt: skip


async def _reload(ctx: Context, ids: Sequence[UUID]) -> dict[Any, Any]:
    return await by_ids(ctx, GatewayRow, ids)
