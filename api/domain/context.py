"""The context of one operation: who asks, the clock, the database moment, the event log. Never global.

Reads of one operation see one snapshot; statements of an operation run one after another on one connection. A write is
a short transaction of its own; what is emitted in it is appended to the event log before it commits.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from sqlalchemy import Executable, text
from sqlalchemy.ext.asyncio import AsyncSession

from api.domain.actor import ANONYMOUS, Actor, Agent, User
from api.domain.database import Database
from api.domain.database.base import now as utc_now
from api.domain.errors import Code, DomainError, Invalid
from api.domain.events.cursor import Cursor
from api.domain.events.hub import EventHub
from api.domain.events.log import Scope, cursor_of
from api.domain.events.tables import Event
from api.domain.jobs import Job
from api.domain.sealed import SecretBox

if TYPE_CHECKING:
    from api.domain.authentication import Authenticator, Credentials
    from api.domain.gateways.links import Links
    from api.domain.souls import SoulsDirectory
    from api.settings import Settings


@dataclass(slots=True)
class Services:
    """What lives as long as the process and every context shares."""

    settings: Settings
    database: Database
    hub: EventHub
    authenticator: Authenticator
    secrets: SecretBox
    souls: SoulsDirectory
    #: Waits until a noted sign of life of an agent is written.
    settle_presence: Callable[[UUID], Awaitable[None]] | None = None
    #: Notes a sign of life of an agent that came from its gateway.
    note_presence: Callable[[UUID], Awaitable[None]] | None = None
    #: The connections to gateways; there while the server runs.
    gateways: Links | None = None


@dataclass(slots=True)
class Cost:
    """What an operation has cost so far."""

    statements: int = 0
    rows: int = 0
    started: float = 0.0


#: How often a stream that is not of the log asks anew for its right.
RIGHTS_SECONDS = 2.0
#: Asked with a write's events before it commits, to write what follows from them.
LISTENERS: list[Callable[[Context, list[Event]], Awaitable[None]]] = []

#: Moments on their way back to the pool; held here so that nothing collects them halfway.
_ENDING: set[asyncio.Task[None]] = set()


class Context:
    """Handed to every operation. `run` reads (or writes, inside `write`), `emit` records what happened."""

    def __init__(
        self, services: Services, *, actor: Actor = ANONYMOUS, credentials: Credentials | None = None,
        request_id: str = "", clock: Callable[[], datetime] = utc_now,
    ) -> None:  # fmt: skip
        self.services = services
        self.actor = actor
        self.credentials = credentials
        self.request_id = request_id
        self.now = clock
        self.cost = Cost(started=time.perf_counter())
        #: Memory of this operation's batch loads, cleared when its moment ends.
        self.memo: dict[Any, Any] = {}
        #: Batches that the schema collects, and the loads under way.
        self.batches: dict[Any, Any] = {}
        self.loading: set[asyncio.Task[None]] = set()
        #: The operation's checked document, for the schema.
        self.document: Any = None
        self.operation: Any = None
        self.last_cursor: Cursor | None = None
        self._lock = asyncio.Lock()
        self._moment: AsyncSession | None = None
        self._write: AsyncSession | None = None
        self._events: list[Event] = []
        #: Run in the write's transaction after its events are appended.
        self.before_commit: list[Callable[[], Awaitable[None]]] = []

    @property
    def settings(self) -> Settings:
        """The server's settings."""
        return self.services.settings

    @property
    def settle_presence(self) -> Callable[[UUID], Awaitable[None]] | None:
        """Waits until a noted sign of life of an agent is written."""
        return self.services.settle_presence

    async def refresh_actor(self) -> None:
        """Ask again who is asking, after a change of what that is."""
        if self.credentials is not None and self._write is None:
            self.actor = await self.services.authenticator.authenticate(self.credentials)

    # -- reading --------------------------------------------------------------------------------------------------

    async def run(self, statement: Executable, parameters: Any = None) -> Any:
        """Execute a statement on the open write, else on this operation's moment."""
        async with self._lock:
            self.cost.statements += 1
            if self._write is not None:
                return await self._write.execute(statement, parameters)
            if self._moment is None:
                self._moment = self.services.database.moment()
            return await self._moment.execute(statement, parameters)

    #: The name that sessions and connections have for it.
    execute = run

    async def all(self, statement: Executable) -> list[Any]:
        """All entities (or first columns) of a select."""
        found = list((await self.run(statement)).scalars().all())
        self.cost.rows += len(found)
        return found

    async def rows(self, statement: Executable) -> list[Any]:
        """All rows of a select."""
        found = list((await self.run(statement)).all())
        self.cost.rows += len(found)
        return found

    async def one(self, statement: Executable) -> Any | None:
        """The one entity of a select, or None."""
        return (await self.run(statement)).scalars().first()

    async def cursor(self) -> Cursor:
        """The log's position of this operation's moment."""
        if "cursor" not in self.memo:
            async with self._lock:
                if self._moment is None:
                    self._moment = self.services.database.moment()
                self.cost.statements += 1
                self.memo["cursor"] = await cursor_of(self._moment)
        cursor: Cursor = self.memo["cursor"]
        return cursor

    async def end_moment(self) -> None:
        """Give the connection back; the next read begins a new moment. Loads that nobody waits for any more end.

        The whole of it is shielded: a client that leaves now must not take the connection with it, and servers cancel
        what they cancel at every await again.
        """
        await shielded(self._end_moment(asyncio.current_task()))

    async def release(self) -> None:
        """Give the connection back while something else than the database is waited for.

        Loads beside the caller go on; what they read next is a newer moment.
        """
        await shielded(self._close_moment())

    async def _end_moment(self, caller: asyncio.Task[Any] | None) -> None:
        self.batches.clear()
        pending = [task for task in self.loading if task is not caller]
        for task in pending:
            task.cancel()
        if pending:
            await asyncio.gather(*pending, return_exceptions=True)
        self.memo.clear()
        await self._close_moment()
        self.memo.clear()

    async def _close_moment(self) -> None:
        async with self._lock:
            if self._moment is not None:
                moment, self._moment = self._moment, None
                await moment.close()

    # -- writing --------------------------------------------------------------------------------------------------

    @property
    def session(self) -> AsyncSession:
        """The open write transaction."""
        if self._write is None:
            raise RuntimeError("a write belongs inside `async with ctx.write()`")
        return self._write

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """A short transaction; inside another one it joins it, so that bulk changes are all or nothing."""
        if self._write is not None:
            yield self._write
            return
        await self.end_moment()
        appended = False
        try:
            async with self.services.database.write() as session:
                self._write = session
                yield session
                await session.flush()
                for listener in LISTENERS if self._events else ():
                    await listener(self, self._events)
                appended = bool(self._events)
                if self._events:
                    session.add_all(self._events)
                    await session.flush()
                    last = self._events[-1]
                    self.last_cursor = Cursor(self.services.hub.epoch, last.xid, last.seq)
                    self.cost.statements += 1
                for finish in self.before_commit:
                    await finish()
        finally:
            self._write = None
            self._events, self.before_commit = [], []
            self.memo.clear()
        if appended:
            self.services.hub.wake()

    async def flush(self) -> None:
        """Send pending rows to the database, so that what follows sees them."""
        await self.session.flush()

    def add(self, *rows: Any) -> None:
        """Insert rows with this write."""
        self.session.add_all(rows)

    async def lock_key(self, *keys: Any) -> None:
        """Serialise writers of one thing that has no row to lock, until the transaction ends."""
        name = ":".join(str(key) for key in keys)
        await self.run(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name})

    def emit(
        self, kind: str, *, subject_id: UUID | None = None, board_id: UUID | None = None,
        organization_id: UUID | None = None, task_id: UUID | None = None, activity_id: UUID | None = None,
        changes: list[dict[str, Any]] | None = None,
    ) -> None:  # fmt: skip
        """Append an event with this write; `changes` lists `{field, before, after}`."""
        if self._write is None:
            raise RuntimeError("events are appended in the transaction of their change")
        actor = self.actor
        self._events.append(
            Event(
                kind=kind, subject_id=subject_id, board_id=board_id, organization_id=organization_id, task_id=task_id,
                activity_id=activity_id, changes=changes, actor_kind=actor.kind, actor_id=actor.id, at=self.now(),
            )
        )  # fmt: skip

    def tell(
        self, agent_id: UUID, reason: str, message: str, *, board_id: UUID | None = None, task_id: UUID | None = None,
        deliver: bool = False, data: dict[str, Any] | None = None,
    ) -> UUID:  # fmt: skip
        """Write a durable message to an agent, in this write's transaction; the job's id."""
        number = uuid4()
        self.add(
            Job(id=number, agent_id=agent_id, reason=reason, text=message, board_id=board_id, task_id=task_id,
                deliver=deliver, data=data, created_at=self.now())
        )  # fmt: skip
        return number

    # -- following ------------------------------------------------------------------------------------------------

    async def follow(
        self, scope: Scope, after: Cursor | None, gate: Callable[[], Awaitable[Any]]
    ) -> AsyncGenerator[tuple[Event, Cursor], None]:
        """The events of `scope` after a cursor, for as long as the caller has the right to them.

        `gate` is asked again before anything is sent once an access event has touched the caller; a credential's own
        end is a timer.
        """
        cursor = after
        stream = self.services.hub.follow(scope, after, self._concerns_me, lambda: self.still_allowed(gate, cursor))
        try:
            while True:
                try:
                    event, cursor = await self._next(stream)
                except StopAsyncIteration:
                    return
                yield event, cursor
                if event.kind == "board.deleted" and scope.board_id is not None:
                    raise self._ended(cursor, "The board is gone.")
        except TimeoutError:
            raise self._ended(cursor, "The credentials of this stream have expired.") from None
        finally:
            await stream.aclose()

    async def _next(self, stream: AsyncIterator[tuple[Event, Cursor]]) -> tuple[Event, Cursor]:
        expires = self.actor.expires_at
        if expires is None:
            return await anext(stream)
        left = (expires - utc_now()).total_seconds()
        if left <= 0:
            raise TimeoutError
        async with asyncio.timeout(left):
            return await anext(stream)

    def _concerns_me(self, event: Event) -> bool:
        if event.kind == "access.organization":
            if isinstance(self.actor, User):
                return event.organization_id in self.actor.memberships
            return isinstance(self.actor, Agent) and event.organization_id == self.actor.organization_id
        return event.subject_id is not None and event.subject_id in (
            self.actor.id,
            self.actor.token_id if isinstance(self.actor, User) else None,
        )

    async def still_allowed(self, gate: Callable[[], Awaitable[Any]], cursor: Cursor | None = None) -> None:
        """Ask anew who is asking and whether they may; raises `SUBSCRIPTION_ENDED`."""
        try:
            if self.credentials is not None:
                self.actor = await self.services.authenticator.authenticate(self.credentials)
            await gate()
        except DomainError as error:
            if error.code is Code.UNAVAILABLE:
                raise
            raise self._ended(cursor, "The right to this stream has ended.") from None
        finally:
            await self.end_moment()

    def rechecking(self, gate: Callable[[], Awaitable[Any]]) -> Callable[[], Awaitable[None]]:
        """For a stream that is not of the log: call it often; every `RIGHTS_SECONDS` it is `still_allowed`."""
        allowed = time.monotonic()

        async def recheck() -> None:
            nonlocal allowed
            if time.monotonic() - allowed > RIGHTS_SECONDS:
                await self.still_allowed(gate)
                allowed = time.monotonic()

        return recheck

    @staticmethod
    def _ended(cursor: Cursor | None, message: str) -> DomainError:
        return DomainError(message, code=Code.SUBSCRIPTION_ENDED, cursor=str(cursor) if cursor else None)


async def shielded(work: Coroutine[Any, Any, None]) -> None:
    """Wait for work that goes on to its end when the caller is cancelled."""
    task = asyncio.ensure_future(work)
    _ENDING.add(task)
    task.add_done_callback(_ENDING.discard)
    await asyncio.shield(task)


def naive_utc(moment: datetime | None) -> datetime | None:
    """A client's time as it is stored: aware values are converted to UTC, naive ones are taken as UTC."""
    if moment is None or moment.tzinfo is None:
        return moment
    try:
        return moment.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        raise Invalid("The time is out of range.") from None
