"""`clientMutationId`: a retry after a lost answer returns the first answer and changes nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Index, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from api.domain.database.base import Base, Created
from api.domain.errors import Code, Conflict, Invalid, NotFound

if TYPE_CHECKING:
    from api.domain.context import Context


class IdempotencyKey(Base):
    """One answered mutation of an actor, kept for a day."""

    __tablename__ = "idempotency_keys"
    actor_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    mutation: Mapped[str]
    answer: Mapped[dict[str, Any] | None]
    created_at: Mapped[Created]

    __table_args__ = (Index("ix_idempotency_keys_created_at", "created_at"),)


@dataclass(slots=True)
class Outcome:
    """The rows that a mutation answered with, and the log's position after it."""

    rows: list[Any]
    cursor: str | None


async def once(
    ctx: Context, key: str | None, mutation: str, work: Callable[[], Awaitable[list[Any]]],
    reload: Callable[[Context, Sequence[UUID]], Awaitable[dict[Any, Any]]],
) -> Outcome:  # fmt: skip
    """Do `work` once for this actor and key. The key is taken inside the work's transaction: both happen or neither.

    A second caller with the key waits for the first to commit and then gets its answer. Raises
    `IDEMPOTENCY_MISMATCH` when the key belongs to another mutation.
    """
    ctx.last_cursor = None
    if key is None or ctx.actor.id is None:
        rows = await work()
        return Outcome(rows, str(ctx.last_cursor) if ctx.last_cursor else None)
    if len(key) > 200:
        raise Invalid("A clientMutationId has at most 200 characters.")
    actor_id = ctx.actor.id
    async with ctx.write():
        taken = await ctx.one(
            insert(IdempotencyKey)
            .values(actor_id=actor_id, key=key, mutation=mutation, created_at=ctx.now())
            .on_conflict_do_nothing()
            .returning(IdempotencyKey.key)
        )
        if taken is not None:
            rows = await work()
            ids = [str(row.id) for row in rows]

            async def remember() -> None:
                cursor = str(ctx.last_cursor) if ctx.last_cursor else None
                await ctx.run(
                    update(IdempotencyKey)
                    .where(IdempotencyKey.actor_id == actor_id, IdempotencyKey.key == key)
                    .values(answer={"ids": ids, "cursor": cursor})
                )

            ctx.before_commit.append(remember)
    if taken is not None:
        return Outcome(rows, str(ctx.last_cursor) if ctx.last_cursor else None)
    stored = await ctx.one(select(IdempotencyKey).where(IdempotencyKey.actor_id == actor_id, IdempotencyKey.key == key))
    if stored is None or stored.mutation != mutation:
        raise Conflict("This clientMutationId was used for another mutation.", code=Code.IDEMPOTENCY_MISMATCH)
    first = [UUID(text) for text in stored.answer["ids"]]
    found = await reload(ctx, first)
    missing = [row_id for row_id in first if row_id not in found]
    if missing:
        raise NotFound("What this mutation answered with does not exist any more.")
    return Outcome([found[row_id] for row_id in first], stored.answer["cursor"])
