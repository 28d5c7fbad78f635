"""Reading the log: where it stands now, what comes after a cursor, what retention drops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import BigInteger, delete, func, literal, literal_column, select, text, true, tuple_, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PgUUID
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from api.domain.database.base import now
from api.domain.errors import Code, DomainError
from api.domain.events.cursor import Cursor
from api.domain.events.tables import Event, EventLogState
from api.domain.jobs import Job

#: Below this number every transaction has ended, so nothing can appear there any more.
HORIZON: Any = literal_column("pg_snapshot_xmin(pg_current_snapshot())::text::bigint", BigInteger)

#: Advisory lock of the process that applies retention.
RETENTION_LOCK = 7_411_003


class Reader(Protocol):
    """Anything that runs a statement: a session, a connection, a context."""

    async def execute(self, statement: Any, /) -> Any: ...


@dataclass(frozen=True, slots=True)
class Scope:
    """Which part of the log: one board, or everything of an organisation."""

    board_id: UUID | None = None
    organization_id: UUID | None = None

    def holds(self, event: Event) -> bool:
        """Whether the event is in this part."""
        if self.board_id is not None:
            return event.board_id == self.board_id
        return event.organization_id == self.organization_id

    @property
    def condition(self) -> Any:
        """`holds` as SQL."""
        if self.board_id is not None:
            return Event.board_id == self.board_id
        return Event.organization_id == self.organization_id


_MOMENT = select(select(EventLogState.epoch).scalar_subquery(), text("pg_current_snapshot()::text"))


async def cursor_of(reader: Reader) -> Cursor:
    """The cursor of the reader's snapshot: reading with it and then following it leaves no gap."""
    epoch, snapshot = (await reader.execute(_MOMENT)).one()
    return Cursor.of_snapshot(epoch, snapshot)


async def page_after(reader: AsyncSession, cursor: Cursor, scope: Scope, limit: int) -> list[Event]:
    """The next events of `scope` that the cursor's holder has not seen and that can no longer be overtaken."""
    statement = (
        select(Event)
        .where(scope.condition, cursor.condition(Event.xid, Event.seq), Event.xid < HORIZON)
        .order_by(Event.xid, Event.seq)
        .limit(limit)
    )
    return list((await reader.scalars(statement)).all())


def pages_after(board_ids: Sequence[UUID], cursor: Cursor, limit: int, kinds: Sequence[str] = ()) -> Any:
    """A statement for the next events of each board after a cursor."""
    each = select(func.unnest(literal(list(board_ids), ARRAY(PgUUID(as_uuid=True)))).label("board")).subquery()
    inner = (
        select(Event)
        .where(Event.board_id == each.c.board, cursor.condition(Event.xid, Event.seq), Event.xid < HORIZON)
        .order_by(Event.xid, Event.seq)
        .limit(limit)
    )
    if kinds:
        inner = inner.where(Event.kind.in_(kinds))
    rows = inner.lateral()
    event = aliased(Event, rows)
    return select(event).select_from(each.join(rows, true())).order_by(rows.c.xid, rows.c.seq)


async def first_since(reader: Reader, scope: Scope, since: datetime) -> Cursor:
    """A cursor before every event of the scope written at or after `since`, whoever of them commits late."""
    statement = (
        select(Event.xid, Event.seq).where(scope.condition, Event.at >= since).order_by(Event.xid, Event.seq).limit(1)
    )
    found = (await reader.execute(statement)).first()
    now_at = await cursor_of(reader)
    # Transactions that still run may have begun before the first event that is visible.
    oldest = (now_at.xid, 0)
    xid, seq = min(oldest, (found.xid, found.seq - 1)) if found is not None else oldest
    return Cursor(now_at.epoch, xid, seq)


async def check(reader: Reader, cursor: Cursor) -> None:
    """Raise `CURSOR_EXPIRED` when events after the cursor may have been dropped, naming the oldest still held."""
    ceiling = literal_column("pg_snapshot_xmax(pg_current_snapshot())::text::bigint", BigInteger)
    statement = select(
        EventLogState.epoch, EventLogState.dropped_xid, EventLogState.dropped_seq, ceiling.label("ceiling")
    )
    state = (await reader.execute(statement)).one()
    dropped = (cursor.xid, cursor.seq) < (state.dropped_xid, state.dropped_seq)
    if cursor.epoch != state.epoch or dropped or max(cursor.xid, cursor.xmax) > state.ceiling:
        oldest = Cursor(state.epoch, state.dropped_xid, state.dropped_seq)
        raise DomainError(
            "The events after this cursor are no longer held; read the present state and follow from there.",
            code=Code.CURSOR_EXPIRED, oldest_cursor=str(oldest),
        )  # fmt: skip


async def open_log(session: AsyncSession) -> None:
    """Make the log's state row; after a restore into another cluster, begin a new life of the log.

    Transaction numbers of another cluster would sort after everything written here, so rows from before are renumbered
    to the beginning (their order is kept by `seq`) and cursors of the earlier life expire.
    """
    await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": RETENTION_LOCK})
    state = await session.get(EventLogState, 1)
    if state is None:
        state = EventLogState(id=1, updated_at=now())
        session.add(state)
        await session.flush()
    cluster = await session.scalar(text("SELECT system_identifier::text FROM pg_control_system()"))
    moved = state.cluster is not None and state.cluster != cluster
    state.cluster = cluster
    beyond = select(Event.seq).where(Event.xid >= text("pg_snapshot_xmax(pg_current_snapshot())::text::bigint"))
    if moved or await session.scalar(beyond.limit(1)) is not None:
        await session.execute(update(Event).values(xid=1))
        await session.execute(update(Job).values(xid=1))
        state.epoch += 1
        state.dropped_xid = state.dropped_seq = 0


async def drop_before(session: AsyncSession, moment: datetime, batch: int = 2000) -> int:
    """Delete one batch of events older than `moment` and remember up to where; returns how many went."""
    await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": RETENTION_LOCK})
    oldest = (
        select(Event.xid, Event.seq).where(Event.at < moment).order_by(Event.xid, Event.seq).limit(batch).subquery()
    )
    gone = (
        await session.execute(
            delete(Event)
            .where(tuple_(Event.xid, Event.seq).in_(select(oldest.c.xid, oldest.c.seq)))
            .returning(Event.xid, Event.seq)
        )
    ).all()
    if gone:
        last = max((row.xid, row.seq) for row in gone)
        state = (await session.scalars(select(EventLogState).with_for_update())).one()
        if last > (state.dropped_xid, state.dropped_seq):
            state.dropped_xid, state.dropped_seq = last
            state.updated_at = now()
    return len(gone)
