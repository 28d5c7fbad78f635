"""Webhooks out as GraphQL sees them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

import strawberry

from api.domain import access
from api.domain.context import Context
from api.domain.paging import Slice, by_ids
from api.domain.webhooks import outgoing
from api.domain.webhooks.tables import NotificationEndpoint as EndpointRow
from api.schema.batching import Info
from api.schema.mutations import DeletedPayload, Payload, TargetInput, delete_target, mutate, secret_description
from api.schema.node import Node
from api.schema.paging import After, Before, Connection, First, Last, connect_one
from api.schema.scalars import as_uuid, given, optional, optional_uuid, shape


@strawberry.enum(description="What an address outside is told.")
class NotificationTopic(Enum):
    """Topics."""

    APPROVAL_REQUESTED = strawberry.enum_value("approval_requested", description="An approval waits for a decision.")
    QUESTION_ASKED = strawberry.enum_value("question_asked", description="An agent asks a person.")
    TASK_STALLED = strawberry.enum_value("task_stalled", description="The agent of a task in progress fell silent.")
    WORK_FAILED = strawberry.enum_value("work_failed", description="Work of the server itself was given up.")
    TEST = strawberry.enum_value("test", description="Messages of `testNotificationEndpoint`.")


@strawberry.type(description="An address outside that is told what people must see. Messages are signed and retried.")
class NotificationEndpoint(Node):
    """A row of `notification_endpoints`."""

    row: strawberry.Private[Any]
    url: str = strawberry.field(description="Where messages are sent.")
    description: str = strawberry.field(description="What it is for.")
    topics: list[NotificationTopic] = strawberry.field(description="What it is told.")
    board_id: strawberry.ID | None = strawberry.field(description="Only of this board; null for the organisation.")
    enabled: bool = strawberry.field(description="Whether it is told; one that answers 410 is switched off.")
    last_success_at: datetime | None = strawberry.field(description="When a message was taken last.")
    last_failure_at: datetime | None = strawberry.field(description="When a message was refused last.")
    last_failure: str | None = strawberry.field(description="Why it was refused.")
    created_at: datetime = strawberry.field(description="When it was registered.")

    @classmethod
    def of(cls, row: EndpointRow) -> NotificationEndpoint:
        """From a row."""
        return shape(cls, row, topics=[NotificationTopic(topic) for topic in row.topics])


@strawberry.input(description="A new address to tell; administrators only.")
class CreateNotificationEndpointInput:
    """Input of `createNotificationEndpoint`."""

    url: str = strawberry.field(description="An http or https URL; private addresses only where the operator allows.")
    description: str = strawberry.field(default="", description="What it is for.")
    topics: list[NotificationTopic] | None = optional("What it is told; by default everything.")
    organization_id: strawberry.ID | None = optional("Whose; by default the active organisation's.")
    board_id: strawberry.ID | None = optional("Only of this board.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.input(description="What to change of an address; omitted fields stay.")
class UpdateNotificationEndpointInput:
    """Input of `updateNotificationEndpoint`."""

    id: strawberry.ID = strawberry.field(description="The endpoint.")
    url: str | None = optional("Where messages are sent.")
    description: str | None = optional("What it is for.")
    topics: list[NotificationTopic] | None = optional("What it is told.")
    enabled: bool | None = optional("Whether it is told.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.type(description="The endpoint.")
class NotificationEndpointPayload(Payload):
    """Payload of endpoint mutations."""

    endpoint: NotificationEndpoint = strawberry.field(description="The endpoint as it is now.")
    secret: str | None = strawberry.field(
        description=secret_description("Check signatures with it (Standard Webhooks). Null except for a new endpoint.")
    )


@strawberry.type
class NotificationQuery:
    """Query fields of webhooks out."""

    @strawberry.field(description="The addresses of the active organisation, newest first; administrators only.")
    async def notification_endpoints(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[NotificationEndpoint]:
        part = Slice(first, after, last, before)
        return await connect_one(info.context, outgoing.listing(info.context), NotificationEndpoint.of, part)


@strawberry.type
class NotificationMutation:
    """Mutations of webhooks out."""

    @strawberry.mutation(description="Register an address that is told what people must see.")
    async def create_notification_endpoint(
        self, info: Info, input: CreateNotificationEndpointInput
    ) -> NotificationEndpointPayload:
        draft, made = _values(input), {}
        for name in ("organization_id", "board_id"):
            draft[name] = optional_uuid(draft.get(name), name)

        async def work() -> EndpointRow:
            row, made["secret"] = await outgoing.create(info.context, draft)
            return row

        return await _answer(info, input, work, made)

    @strawberry.mutation(description="Change an address.")
    async def update_notification_endpoint(
        self, info: Info, input: UpdateNotificationEndpointInput
    ) -> NotificationEndpointPayload:
        change = {key: value for key, value in _values(input).items() if key != "id"}
        return await _answer(info, input, lambda: outgoing.update(info.context, as_uuid(input.id), change), {})

    @strawberry.mutation(description="Take an address away.")
    async def delete_notification_endpoint(self, info: Info, input: TargetInput) -> DeletedPayload:
        return await delete_target(info, input, outgoing.remove)

    @strawberry.mutation(description="Send a test message to an address.")
    async def test_notification_endpoint(self, info: Info, input: TargetInput) -> NotificationEndpointPayload:
        return await _answer(info, input, lambda: outgoing.test(info.context, as_uuid(input.id)), {})


def _values(input: Any) -> dict[str, Any]:
    values = given(input, "client_mutation_id")
    if values.get("topics") is not None:
        values["topics"] = [topic.value for topic in values["topics"]]
    return values


async def _answer(info: Info, input: Any, work: Any, made: dict[str, Any]) -> NotificationEndpointPayload:
    async def reload(ctx: Context, ids: Sequence[UUID]) -> dict[Any, Any]:
        mine = [one.organization_id for one in access.person(ctx.actor).memberships.values() if one.is_admin]
        return await by_ids(ctx, EndpointRow, ids, EndpointRow.organization_id.in_(mine))

    return await mutate(
        info, input, work, reload,
        lambda row: {"endpoint": NotificationEndpoint.of(row), "secret": made.get("secret")},
        NotificationEndpointPayload,
    )  # fmt: skip
