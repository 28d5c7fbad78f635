"""What every mutation shares: the payload's cursor and the idempotency key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import strawberry

from api.domain import idempotency
from api.domain.context import Context
from api.schema.batching import Info
from api.schema.scalars import Cursor, as_uuid, optional

P = TypeVar("P", bound="Payload")


@strawberry.interface(description="What every mutation answers.")
class Payload:
    """Common fields of payloads."""

    cursor: Cursor | None = strawberry.field(
        description="The cursor of this change's last event on a stream: it tells your own write when it comes by. "
        "To follow without a gap, take an `eventCursor`."
    )
    client_mutation_id: str | None = strawberry.field(description="The idempotency key that was sent.")


def secret_description(use: str) -> str:
    """The description of a secret that an answer shows."""
    return f"The secret. It is shown this once and stored only as a digest. {use}"


async def mutate(
    info: Info,
    input: Any,
    work: Callable[[], Awaitable[Any]],
    reload: Callable[[Context, Sequence[UUID]], Awaitable[dict[Any, Any]]],
    shape: Callable[[Any], dict[str, Any]],
    payload: type[P],
) -> P:
    """Run an operation that answers with a row; a retry with the same key loads that row and changes nothing."""
    return await mutate_many(info, input, lambda: _listed(work()), reload, lambda rows: shape(rows[0]), payload)


async def _listed(work: Awaitable[Any]) -> list[Any]:
    return [await work]


async def mutate_many(
    info: Info,
    input: Any,
    work: Callable[[], Awaitable[list[Any]]],
    reload: Callable[[Context, Sequence[UUID]], Awaitable[dict[Any, Any]]],
    shape: Callable[[list[Any]], dict[str, Any]],
    payload: type[P],
) -> P:
    """The same for operations that answer with several rows."""
    ctx = info.context
    key = getattr(input, "client_mutation_id", None)
    key = None if key is strawberry.UNSET else key
    outcome = await idempotency.once(ctx, key, info.field_name, work, reload)
    cursor = Cursor(outcome.cursor) if outcome.cursor else None
    return payload(cursor=cursor, client_mutation_id=key, **shape(outcome.rows))


@dataclass(frozen=True, slots=True)
class Gone:
    """What is left of something deleted."""

    id: UUID


async def delete_once(
    info: Info,
    input: Any,
    gone_id: UUID,
    work: Callable[[], Awaitable[Any]],
    shape: Callable[[strawberry.ID], dict[str, Any]],
    payload: type[P],
) -> P:
    """The same for deletions, of which only the id is left to answer with."""

    async def delete() -> Gone:
        await work()
        return Gone(gone_id)

    async def reload(_ctx: Context, ids: Sequence[UUID]) -> dict[Any, Any]:
        return {one: Gone(one) for one in ids}

    return await mutate(info, input, delete, reload, lambda row: shape(strawberry.ID(str(row.id))), payload)


@strawberry.input(description="The thing that is meant.")
class TargetInput:
    """Input of mutations that need only an id."""

    id: strawberry.ID = strawberry.field(description="Its id.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.type(description="It is gone.")
class DeletedPayload(Payload):
    """Payload of deletions."""

    deleted_id: strawberry.ID = strawberry.field(description="What was.")


async def delete_target(
    info: Info, input: TargetInput, work: Callable[[Context, UUID], Awaitable[Any]]
) -> DeletedPayload:
    """Run a deletion of `TargetInput`."""
    target = as_uuid(input.id)
    return await delete_once(
        info, input, target, lambda: work(info.context, target), lambda gone: {"deleted_id": gone}, DeletedPayload
    )
