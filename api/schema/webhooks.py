"""Webhooks of boards as GraphQL sees them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from api.domain import access
from api.domain.context import Context
from api.domain.jobs import Job
from api.domain.paging import OffsetPage, Slice, by_ids, offset_page
from api.domain.webhooks import ingest as receiving
from api.domain.webhooks import operations, rules
from api.domain.webhooks.tables import BoardWebhook, WebhookPayload
from api.schema.batching import Info, batch_field
from api.schema.comments import load_boards
from api.schema.mutations import DeletedPayload, Payload, TargetInput, delete_target, mutate, secret_description
from api.schema.node import Node, load_actors
from api.schema.paging import After, Before, Connection, First, Last, connect
from api.schema.scalars import as_uuid, given, optional, optional_uuid, shape

if TYPE_CHECKING:
    from api.schema.agents import Agent
    from api.schema.boards import Board

Delivery = receiving.Delivery


async def load_agents(ctx: Context, webhooks: Sequence[Webhook]) -> list[Agent | None]:
    """The agent that each webhook names."""
    return await load_actors(ctx, [None] * len(webhooks), [one.row.agent_id for one in webhooks])  # type: ignore[return-value]


async def load_payloads(
    ctx: Context, webhooks: Sequence[Webhook], first: First = None, after: After = None, last: Last = None,
    before: Before = None,
) -> list[Connection[WebhookDelivery]]:  # fmt: skip
    """The deliveries of each webhook, newest first."""
    listing, part = operations.payload_listing(), Slice(first, after, last, before)
    return await connect(ctx, listing, WebhookDelivery.of, part, [one.row.id for one in webhooks])


@strawberry.type(description="An address that services deliver to; an agent of the board is told of each delivery.")
class Webhook(Node):
    """A row of `board_webhooks`."""

    row: strawberry.Private[Any]
    description: str = strawberry.field(description="The instruction that the agent reads with each delivery.")
    enabled: bool = strawberry.field(description="Whether deliveries are taken.")
    has_secret: bool = strawberry.field(description="Whether deliveries must be signed.")
    signature_header: str | None = strawberry.field(
        description="The header with the signature; null for X-Hub-Signature-256 or X-Webhook-Signature."
    )
    created_at: datetime = strawberry.field(description="When it was made.")
    updated_at: datetime = strawberry.field(description="When it changed last.")
    agent: Annotated[Agent, strawberry.lazy("api.schema.agents")] | None = batch_field(
        load_agents, description="Who is told; null for the lead."
    )
    board: Annotated[Board, strawberry.lazy("api.schema.boards")] = batch_field(load_boards, description="Its board.")
    deliveries: Connection[WebhookDelivery] = batch_field(load_payloads, description="What came in, newest first.")

    @strawberry.field(description="Where services deliver to.")
    def endpoint_url(self, info: Info) -> str:
        return f"{info.context.settings.public_url}{endpoint_path(self)}"

    @classmethod
    def of(cls, row: BoardWebhook) -> Webhook:
        """From a row."""
        return shape(cls, row, has_secret=bool(row.secret))


def endpoint_path(webhook: Webhook) -> str:
    """The path of a webhook's address."""
    return f"/api/v1/boards/{webhook.row.board_id}/webhooks/{webhook.row.id}"


def endpoint_url(ctx: Context, webhook: Webhook) -> str:
    """The whole address of a webhook."""
    return f"{ctx.settings.public_url}{endpoint_path(webhook)}"


async def load_states(ctx: Context, deliveries: Sequence[WebhookDelivery]) -> list[str]:
    """What became of each delivery's message."""
    found = await by_ids(ctx, Job, [one.row.job_id for one in deliveries])
    return [found[one.row.job_id].state if one.row.job_id in found else "unaddressed" for one in deliveries]


@strawberry.type(description="One delivery to a webhook.")
class WebhookDelivery(Node):
    """A row of `board_webhook_payloads`."""

    row: strawberry.Private[Any]
    payload: JSON | None = strawberry.field(description="JSON of any kind, or the text of the body.")
    headers: JSON | None = strawberry.field(description="The headers that were kept; credentials are redacted.")
    content_type: str | None = strawberry.field(description="As it was sent.")
    source_ip: str | None = strawberry.field(description="Where it came from.")
    received_at: datetime = strawberry.field(description="When.")
    state: str = batch_field(
        load_states,
        description="Of the message to the agent: waiting, delivered, failed; unaddressed when there was no agent.",
    )

    @classmethod
    def of(cls, row: WebhookPayload) -> WebhookDelivery:
        """From a row."""
        return shape(cls, row)


async def load_webhooks(
    ctx: Context, boards: Sequence[Any], first: First = None, after: After = None, last: Last = None,
    before: Before = None,
) -> list[Connection[Webhook]]:  # fmt: skip
    """The webhooks of each board; for people."""
    access.person(ctx.actor)
    part = Slice(first, after, last, before)
    return await connect(ctx, operations.listing(), Webhook.of, part, [board.row.id for board in boards])


# -- resolvers that REST rows use -------------------------------------------------------------------------------------


async def webhook_page(ctx: Context, board_id: UUID, limit: int, offset: int) -> OffsetPage:
    """The webhooks of a board."""
    page = await offset_page(ctx, operations.listing(BoardWebhook.board_id == board_id), limit, offset)
    page.rows = [Webhook.of(row) for row in page.rows]
    return page


async def webhook(ctx: Context, board_id: UUID, webhook_id: UUID) -> Webhook:
    """One webhook."""
    return Webhook.of(await operations.find(ctx, webhook_id, board_id))


async def create_webhook(ctx: Context, board_id: UUID, draft: dict[str, Any]) -> Webhook:
    """Make a webhook."""
    return Webhook.of((await operations.create(ctx, board_id, draft)).webhook)


async def update_webhook(ctx: Context, webhook_id: UUID, change: dict[str, Any]) -> Webhook:
    """Change a webhook."""
    return Webhook.of((await operations.update(ctx, webhook_id, change)).webhook)


async def delete_webhook(ctx: Context, webhook_id: UUID) -> None:
    """Take a webhook away."""
    await operations.remove(ctx, webhook_id)


async def delivery_page(ctx: Context, webhook_id: UUID, limit: int, offset: int) -> OffsetPage:
    """The deliveries of a webhook."""
    listing = operations.payload_listing(WebhookPayload.webhook_id == webhook_id)
    page = await offset_page(ctx, listing, limit, offset)
    page.rows = [WebhookDelivery.of(row) for row in page.rows]
    return page


async def delivery(
    ctx: Context, board_id: UUID, webhook_id: UUID, payload_id: UUID, max_chars: int | None = None
) -> WebhookDelivery:
    """One delivery; with `max_chars` a longer payload becomes a cut text."""
    found = WebhookDelivery.of(await operations.find_payload(ctx, payload_id, webhook_id, board_id))
    found.payload = rules.limited(found.payload, max_chars)
    return found


async def ingest(ctx: Context, board_id: UUID, webhook_id: UUID, delivery: receiving.Delivery) -> WebhookDelivery:
    """Take a delivery."""
    return WebhookDelivery.of(await receiving.ingest(ctx, board_id, webhook_id, delivery))


# -- GraphQL ----------------------------------------------------------------------------------------------------------


@strawberry.input(description="A new webhook; people with write access to the board.")
class CreateWebhookInput:
    """Input of `createWebhook`."""

    board_id: strawberry.ID = strawberry.field(description="The board.")
    description: str = strawberry.field(description="The instruction that the agent reads with each delivery.")
    enabled: bool = strawberry.field(default=True, description="Whether deliveries are taken.")
    agent_id: strawberry.ID | None = optional("An agent of the board that is told; by default the lead.")
    secret: str | None = optional("Deliveries must be signed with it: HMAC-SHA256 of the body, in hex.")
    generate_secret: bool = strawberry.field(default=False, description="Make a secret and show it once.")
    signature_header: str | None = optional("The header with the signature.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.input(description="What to change of a webhook; omitted fields stay.")
class UpdateWebhookInput:
    """Input of `updateWebhook`."""

    id: strawberry.ID = strawberry.field(description="The webhook.")
    description: str | None = optional("The instruction.")
    enabled: bool | None = optional("Whether deliveries are taken.")
    agent_id: strawberry.ID | None = optional("Who is told; null for the lead.")
    secret: str | None = optional("The signing secret; null or blank removes it.")
    generate_secret: bool = strawberry.field(default=False, description="Make a new secret and show it once.")
    signature_header: str | None = optional("The header with the signature; null for the usual ones.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.type(description="The webhook.")
class WebhookPayloadResult(Payload):
    """Payload of webhook mutations."""

    webhook: Webhook = strawberry.field(description="The webhook as it is now.")
    secret: str | None = strawberry.field(
        description=secret_description("Null unless one was made; a retry does not show it again.")
    )


Id = Annotated[strawberry.ID, strawberry.argument(description="The id.")]


@strawberry.type
class WebhookQuery:
    """Query fields of webhooks."""

    @strawberry.field(description="One webhook; for people who read its board.")
    async def webhook(self, info: Info, id: Id) -> Webhook | None:
        return Webhook.of(await operations.find(info.context, as_uuid(id)))

    @strawberry.field(description="One delivery; for people who read the board, and its agents.")
    async def webhook_delivery(
        self, info: Info, id: Id,
        max_chars: Annotated[
            int | None, strawberry.argument(description="A longer payload becomes a text cut to so many characters.")
        ] = None,
    ) -> WebhookDelivery | None:  # fmt: skip
        found = WebhookDelivery.of(await operations.find_payload(info.context, as_uuid(id)))
        found.payload = rules.limited(found.payload, max_chars)
        return found


@strawberry.type
class WebhookMutation:
    """Mutations of webhooks."""

    @strawberry.mutation(description="Make a webhook; people with write access.")
    async def create_webhook(self, info: Info, input: CreateWebhookInput) -> WebhookPayloadResult:
        values = _values(input, "board_id")
        board_id, made = as_uuid(input.board_id, "boardId"), {}

        async def work() -> BoardWebhook:
            found = await operations.create(info.context, board_id, values, make_secret=input.generate_secret)
            made["secret"] = found.secret
            return found.webhook

        return await mutate(info, input, work, _reload, lambda row: _shown(row, made), WebhookPayloadResult)

    @strawberry.mutation(description="Change a webhook; people with write access.")
    async def update_webhook(self, info: Info, input: UpdateWebhookInput) -> WebhookPayloadResult:
        values, made = _values(input, "id"), {}

        async def work() -> BoardWebhook:
            found = await operations.update(info.context, as_uuid(input.id), values, make_secret=input.generate_secret)
            made["secret"] = found.secret
            return found.webhook

        return await mutate(info, input, work, _reload, lambda row: _shown(row, made), WebhookPayloadResult)

    @strawberry.mutation(description="Take a webhook away with its deliveries; people with write access.")
    async def delete_webhook(self, info: Info, input: TargetInput) -> DeletedPayload:
        return await delete_target(info, input, operations.remove)


def _values(input: Any, *skip: str) -> dict[str, Any]:
    values = given(input, "client_mutation_id", "generate_secret", *skip)
    if "agent_id" in values:
        values["agent_id"] = optional_uuid(values["agent_id"], "agentId")
    return values


def _shown(row: BoardWebhook, made: dict[str, Any]) -> dict[str, Any]:
    return {"webhook": Webhook.of(row), "secret": made.get("secret")}


async def _reload(ctx: Context, ids: Sequence[UUID]) -> dict[Any, Any]:
    return await by_ids(ctx, BoardWebhook, ids, access.reachable_boards(ctx.actor, BoardWebhook.board_id))
