"""One reader of the log a process, and the fan-out in memory to everybody who follows it.

A commit wakes the reader of its own process at once and, through NOTIFY sent outside the transaction, the readers of
other processes. A slow poll backs this up, and a faster one runs while committed events wait for an older transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import asyncpg
import structlog

from api.domain.database import Database
from api.domain.errors import Code, DomainError
from api.domain.events import log as event_log
from api.domain.events.cursor import Cursor
from api.domain.events.log import Scope
from api.domain.events.tables import Event

log = structlog.get_logger(__name__)

CHANNEL = "mission_control_events"
PAGE = 1000
IDLE_POLL = 1.0
WAITING_POLL = 0.05

_READ = """
WITH moment AS (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon)
SELECT moment.horizon,
       (SELECT extract(epoch FROM (now() AT TIME ZONE 'UTC') - min(late.at)) FROM events late
         WHERE late.xid >= moment.horizon) AS waiting,
       e.*
FROM moment LEFT JOIN LATERAL (
  SELECT * FROM events WHERE (xid, seq) > ($1, $2) AND xid < moment.horizon ORDER BY xid, seq LIMIT $3
) e ON true
"""


class Subscriber:
    """A bounded buffer between the reader and one stream. Before it has joined, it only hears of lost rights."""

    __slots__ = ("closed", "joined", "limit", "overflowed", "queue", "ready", "recheck", "scope", "wants")

    def __init__(self, scope: Scope, wants: Callable[[Event], bool], limit: int) -> None:
        self.scope = scope
        self.wants = wants
        self.limit = limit
        self.queue: deque[Event] = deque()
        self.ready = asyncio.Event()
        self.joined = False
        #: The right to the stream must be asked again before anything more is sent.
        self.recheck = False
        self.overflowed = False
        self.closed = False

    def offer(self, event: Event) -> None:
        """Take an event of interest; a full buffer ends the stream after what it holds, it never drops in between."""
        if event.topic == "access":
            if self.wants(event):
                self.recheck = True
                self.ready.set()
            return
        if not self.joined or self.overflowed or not self.scope.holds(event):
            return
        if len(self.queue) >= self.limit:
            self.overflowed = True
        else:
            self.queue.append(event)
        self.ready.set()


class EventHub:
    """The process's reader. `start` before use, `wake` after each commit that appended, `stop` at the end."""

    def __init__(self, database: Database, *, buffer: int = 1000) -> None:
        self.database = database
        self.buffer = buffer
        self.epoch = 1
        #: Seconds that the oldest committed but not yet readable event has waited; 0 when none waits.
        self.lag_seconds = 0.0
        self.delivered = 0
        self._position = (0, 0)
        self._subscribers: set[Subscriber] = set()
        self._wake = asyncio.Event()
        self._tell_others = False
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        #: Called after a process has said that it committed something, events or work; with what was read.
        self.on_commit: list[Callable[[list[Event]], None]] = []
        self._committed = asyncio.Event()

    async def start(self) -> None:
        """Find the present position and begin to read."""
        async with self.database.write() as session:
            await event_log.open_log(session)
        async with self.database.statements() as connection:
            cursor = await event_log.cursor_of(connection)
        self.epoch = cursor.epoch
        self._position = (cursor.xid, 0)
        self._task = asyncio.create_task(self._run(), name="event-reader")

    async def stop(self) -> None:
        """End every stream with its last cursor, then the reader."""
        self._stopping = True
        for subscriber in self._subscribers:
            subscriber.closed = True
            subscriber.ready.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def subscribers(self) -> int:
        """How many streams are open in this process."""
        return len(self._subscribers)

    def wake(self) -> None:
        """A transaction of this process has committed events, or work that another process waits for."""
        self._tell_others = True
        self._wake.set()

    @property
    def next_commit(self) -> asyncio.Event:
        """Set when any process says that it has committed: take it, look, then wait, and nothing is missed."""
        return self._committed

    def recheck_all(self) -> None:
        """Every stream asks for its right again, for changes that leave no event (a rotated local token)."""
        for subscriber in self._subscribers:
            subscriber.recheck = True
            subscriber.ready.set()

    # -- following ------------------------------------------------------------------------------------------------

    async def follow(
        self, scope: Scope, after: Cursor | None, wants: Callable[[Event], bool] = lambda event: False,
        recheck: Callable[[], Awaitable[None]] | None = None,
    ) -> AsyncGenerator[tuple[Event, Cursor], None]:  # fmt: skip
        """Every event of `scope` after the cursor (omitted: from now), each once, with the cursor that follows it.

        Access events for which `wants` answers true make the stream call `recheck` before it sends anything more.
        Raises `CURSOR_EXPIRED`, `SLOW_SUBSCRIBER` or `SHUTTING_DOWN` with the last cursor.
        """
        subscriber = Subscriber(scope, wants, self.buffer)
        self._subscribers.add(subscriber)
        try:
            cursor = after if after is not None else await self._now()
            until: tuple[int, int] | None = None
            while True:
                events = await self._page(cursor, scope)
                for event in events:
                    if until is not None and (event.xid, event.seq) > until:
                        break
                    if subscriber.recheck:
                        await self._ask(subscriber, recheck)
                    cursor = cursor.advance(event.xid, event.seq)
                    yield event, cursor
                else:
                    if len(events) == PAGE:
                        continue
                if until is not None:
                    break
                # Caught up: join the fan-out, then read once more what was published until then.
                subscriber.joined, until = True, self._position
            async with aclosing(self._live(subscriber, cursor, recheck)) as live:
                async for event in live:
                    if cursor.is_new(event.xid, event.seq):
                        cursor = cursor.advance(event.xid, event.seq)
                        yield event, cursor
        finally:
            self._subscribers.discard(subscriber)

    async def _now(self) -> Cursor:
        async with self.database.moment() as session:
            return await event_log.cursor_of(session)

    async def _page(self, cursor: Cursor, scope: Scope) -> list[Event]:
        async with self.database.moment() as session:
            await event_log.check(session, cursor)
            return await event_log.page_after(session, cursor, scope, PAGE)

    @staticmethod
    async def _ask(subscriber: Subscriber, recheck: Callable[[], Awaitable[None]] | None) -> None:
        subscriber.recheck = False
        if recheck is not None:
            await recheck()

    async def _live(
        self, subscriber: Subscriber, cursor: Cursor, recheck: Callable[[], Awaitable[None]] | None
    ) -> AsyncGenerator[Event, None]:
        while True:
            if subscriber.recheck:
                await self._ask(subscriber, recheck)
            if subscriber.queue:
                event = subscriber.queue.popleft()
                yield event
                cursor = cursor.advance(event.xid, event.seq) if cursor.is_new(event.xid, event.seq) else cursor
                continue
            if subscriber.overflowed:
                raise DomainError(
                    f"The stream fell more than {subscriber.limit} events behind; resume after the cursor.",
                    code=Code.SLOW_SUBSCRIBER, cursor=str(cursor),
                )  # fmt: skip
            if subscriber.closed or self._stopping:
                raise DomainError(
                    "The server stops; resume after the cursor.", code=Code.SHUTTING_DOWN, cursor=str(cursor)
                )
            subscriber.ready.clear()
            await subscriber.ready.wait()

    # -- reading --------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        pause = 0.1
        while not self._stopping:
            connection: Any = None
            try:
                connection = await self.database.listen_connection()
                own_pid = connection.get_server_pid()

                def heard(_connection: Any, pid: int, _channel: str, _payload: object, own: int = own_pid) -> None:
                    if pid != own:
                        self._wake.set()

                await connection.add_listener(CHANNEL, heard)
                pause = 0.1
                await self._read_forever(connection)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
                log.warning("events.reader.away", error=type(error).__name__, retry_in=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 5.0)
            except Exception as error:
                # Without its reader the process would serve silence, so whatever it was: say it and go on.
                log.error("events.reader.failed", retry_in=pause, exc_info=error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 5.0)
            finally:
                if connection is not None:
                    connection.terminate()

    async def _read_forever(self, connection: Any) -> None:
        poll, woken = IDLE_POLL, False
        while not self._stopping:
            rows = await connection.fetch(_READ, *self._position, PAGE)
            tell, self._tell_others = self._tell_others, False
            events = [_event(row) for row in rows if row["seq"] is not None]
            for event in events:
                self._publish(event)
            if woken or events:
                self._committed.set()
                self._committed = asyncio.Event()
                for call in self.on_commit:
                    call(events)
            full = len(rows) == PAGE
            if not full:
                self._position = max(self._position, (rows[0]["horizon"], 0))
            waiting = rows[0]["waiting"]
            self.lag_seconds = max(float(waiting), 0.0) if waiting is not None else 0.0
            if tell:
                await connection.execute(f"NOTIFY {CHANNEL}")
            if full:
                continue
            poll = IDLE_POLL if waiting is None else WAITING_POLL if poll >= IDLE_POLL else min(poll * 2, 0.25)
            await within(self._wake, poll)
            woken = self._wake.is_set()
            self._wake.clear()

    def _publish(self, event: Event) -> None:
        self._position = (event.xid, event.seq)
        self.delivered += 1
        for subscriber in self._subscribers:
            subscriber.offer(event)


_COLUMNS = tuple(column.key for column in Event.__table__.columns)


async def within(happened: asyncio.Event, seconds: float) -> None:
    """Wait for it, at most so long."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(happened.wait(), seconds)


def _event(row: Any) -> Event:
    values = {name: row[name] for name in _COLUMNS}
    if isinstance(values["changes"], str):
        values["changes"] = json.loads(values["changes"])
    return Event(**values)
