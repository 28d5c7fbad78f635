"""One gateway: connect and stay connected, run its jobs in order, note who is alive."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID
from weakref import WeakValueDictionary

import asyncpg
import structlog
from sqlalchemy import bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.types import String

from api.domain.actor import SYSTEM
from api.domain.agents.tables import Agent
from api.domain.boards.tables import Gateway
from api.domain.context import Context
from api.domain.gateways import checkin, delivery, device_tokens
from api.domain.gateways.failures import CODES
from api.domain.gateways.receipts import Receipts
from api.domain.gateways.tables import GatewayLink
from api.domain.jobs import Job
from api.gateway import versions
from api.gateway.connection import CALL_SECONDS, Connection, Gap, Target
from api.gateway.errors import GatewayError, Kind
from api.gateway.protocol import Event
from api.gateway.provisioning.workspace import Heartbeats

if TYPE_CHECKING:
    from api.domain.gateways.links import Links

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=90)
#: Jobs at once, and calls of other processes beside them.
AT_ONCE, CALLS_AT_ONCE = 20, 20
CALL = "gateway.call"
IDLE_SECONDS = 1.0
#: Pauses between attempts to connect, in seconds; they begin anew after a connection that lasted `STEADY_SECONDS`.
FIRST_PAUSE, LONGEST_PAUSE, STEADY_SECONDS = 0.25, 30.0, 10.0
#: What our own database's absence looks like.
AWAY = (SQLAlchemyError, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

# Only the process with the lease takes jobs.
_HELD = "EXISTS (SELECT 1 FROM gateway_links WHERE gateway_id = :gateway AND holder = :me)"
# The first open job of each session, so that what an agent is told keeps its order; calls that somebody waits for are
# counted apart. Behind a message that waits for the end of a turn, other messages wait too, lifecycles do not: a stuck
# agent can be reset. The row is looked at again when it is taken: it may have been settled meanwhile.
_CLAIM = text(f"""
WITH heads AS (
  SELECT DISTINCT ON (key) * FROM (
    SELECT j.id, j.kind, j.xid, j.seq, j.run_after, coalesce(a.openclaw_session_id, a.id::text) AS key
    FROM agents a CROSS JOIN LATERAL (
      SELECT * FROM jobs WHERE agent_id = a.id AND state IN ('waiting', 'running') AND (kind = 'lifecycle'
        OR kind = 'message' AND coalesce(a.openclaw_session_id, '') <> ALL(:unconfirmed))
      ORDER BY xid, seq LIMIT 1
    ) j WHERE a.gateway_id = :gateway
    UNION ALL
    SELECT j.id, j.kind, j.xid, j.seq, j.run_after, coalesce(j.data->>'session_key', j.id::text) AS key
    FROM jobs j WHERE j.gateway_id = :gateway AND j.state IN ('waiting', 'running')
  ) open ORDER BY key, xid, seq
), due AS (
  SELECT id, key, kind, row_number() OVER (PARTITION BY kind = '{CALL}' ORDER BY xid, seq) AS place
  FROM heads WHERE (run_after IS NULL OR run_after <= :now) AND key <> ALL(:busy)
)
UPDATE jobs SET state = 'running', attempts = attempts + 1, run_after = :lease FROM due
WHERE jobs.id = due.id AND {_HELD}
  AND due.place <= CASE WHEN due.kind = '{CALL}' THEN CAST(:calls AS int) ELSE CAST(:amount AS int) END
  AND jobs.state IN ('waiting', 'running') AND (jobs.run_after IS NULL OR jobs.run_after <= :now)
RETURNING jobs.id, due.key, due.kind
""").bindparams(bindparam("busy", type_=ARRAY(String())), bindparam("unconfirmed", type_=ARRAY(String())))
# Jobs that a former holder, or a connection before this one, had begun.
_RESUME = text(f"""
UPDATE jobs SET run_after = NULL WHERE state = 'running' AND {_HELD} AND (gateway_id = :gateway
  OR kind IN ('message', 'lifecycle') AND agent_id IN (SELECT id FROM agents WHERE gateway_id = :gateway))
""")


class Link:
    """Runs from its making until `stop`."""

    def __init__(self, links: Links, gateway_id: UUID, target: Target) -> None:
        self.links, self.services = links, links.services
        self.gateway_id, self.target = gateway_id, target
        self.connection: Connection | None = None
        self.heartbeats: Heartbeats
        self.error = GatewayError(Kind.UNREACHABLE, "The gateway is not connected yet.", sent=False)
        self._wake, self._opened = asyncio.Event(), asyncio.Event()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._calls: set[str] = set()
        self._unconfirmed: dict[str, asyncio.Task[None]] = {}
        self.receipts = Receipts()
        #: One at a time writes an agent's files, whatever job asks for it.
        self._writing: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()
        self._task = asyncio.create_task(self._run(), name=f"gateway-{gateway_id}")

    def wake(self) -> None:
        """There may be a job."""
        self._wake.set()

    @property
    def over(self) -> bool:
        """Whether it has ended by itself, which it should not."""
        return self._task.done()

    def sent(self, session: str) -> None:
        """What is sent to a session waits for its receipt, takes nobody's place and holds up no lifecycle."""
        if session in self._running and self._running[session] is asyncio.current_task():
            self._unconfirmed[session] = self._running.pop(session)
            self.wake()

    def writing(self, agent_id: UUID) -> asyncio.Lock:
        """Held while an agent's files are written."""
        return self._writing.setdefault(agent_id, asyncio.Lock())

    async def stop(self) -> None:
        """Close the connection; jobs under way are left to whoever holds the gateway next."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def call(self, method: str, params: dict[str, Any] | None = None, *, seconds: float = CALL_SECONDS) -> Any:
        """Call the gateway; waits a moment for a connection that is being made."""
        if self.connection is None:
            with contextlib.suppress(TimeoutError):
                # One that says that it restarts is back within seconds.
                patience = seconds if self.error.kind is Kind.BUSY else min(seconds, 5.0)
                await asyncio.wait_for(self._opened.wait(), patience)
        if self.connection is None:
            raise self.error
        return await self.connection.call(method, params, seconds=seconds)

    async def events(self) -> AsyncIterator[Event | Gap]:
        """Events for as long as the link lives, over connections that follow each other; a `Gap` between them."""
        while not self._task.done():
            if self.connection is None:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._opened.wait(), 5.0)
                continue
            yield Gap()
            async for event in self.connection.events():
                yield event

    # -- connecting -------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        pause = FIRST_PAUSE
        while True:
            lasted, was_open = 0.0, False
            try:
                async with self.services.database.statements() as connection:
                    await connection.execute(_RESUME, {"gateway": self.gateway_id, "me": self.links.me})
                opened = await self._open()
                began = time.monotonic()
                try:
                    await self._serve(opened)
                finally:
                    await self._end(opened)
                lasted, error, was_open = time.monotonic() - began, opened.reason, True
            except GatewayError as failure:
                error = failure
            except Exception as failure:
                # Whatever it was, a gateway is not given up; mostly it is our database that is away.
                plain = isinstance(failure, OperationalError | InterfaceError | OSError)
                log.warning("gateway.interrupted", gateway=str(self.gateway_id), error=type(failure).__name__,
                            exc_info=None if plain else failure)  # fmt: skip
                error = GatewayError(Kind.BUSY, "The server was interrupted and tries again.", sent=False)
            await self._note(error)
            if lasted >= STEADY_SECONDS:
                pause = FIRST_PAUSE
            # What ended an open connection may not refuse the next one: a token may have changed.
            seconds = pause if error.transient or was_open else LONGEST_PAUSE
            await asyncio.sleep(max(seconds * random.uniform(0.8, 1.2), error.retry_after or 0.0))  # noqa: S311
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _end(self, opened: Connection) -> None:
        """Leave a connection: what runs over it ends, and runs again over the next."""
        self.connection = None
        self._opened.clear()
        running = [*self._running.values(), *self._unconfirmed.values()]
        for task in running:
            task.cancel()
        await opened.close()
        await asyncio.gather(*running, return_exceptions=True)
        self._running.clear()
        self._calls.clear()
        self._unconfirmed.clear()

    async def _open(self) -> Connection:
        from api.gateway.identity import DamagedIdentity

        try:
            _ = self.links.identity
        except (DamagedIdentity, OSError) as error:
            raise GatewayError(Kind.AUTH, f"The device identity cannot be used: {error}", sent=False) from None
        opened, refused = await device_tokens.enter(self.links, self.gateway_id, self.target)
        try:
            versions.check(await versions.of(opened), self.services.settings.gateway_min_version)
            async with self.services.database.statements() as connection:
                await connection.execute(
                    update(GatewayLink).where(GatewayLink.gateway_id == self.gateway_id).values(
                        state="connected", error=refused and str(refused),
                        error_code=refused and CODES[refused.kind].name, version=opened.hello.server.version,
                        protocol=opened.hello.protocol, connected_at=text("now() AT TIME ZONE 'UTC'"),
                        handshakes=GatewayLink.handshakes + 1, updated_at=text("now() AT TIME ZONE 'UTC'"))
                )  # fmt: skip
            await self._tell()
        except BaseException:
            await opened.close()
            raise
        log.info("gateway.connected", gateway=str(self.gateway_id), version=opened.hello.server.version)
        return opened

    async def _note(self, error: GatewayError) -> None:
        """Remember why there is no connection, for everybody who asks."""
        self.error = error
        with contextlib.suppress(Exception):
            async with self.services.database.statements() as connection:
                row = (await connection.execute(
                    update(GatewayLink).where(
                        GatewayLink.gateway_id == self.gateway_id,
                        (GatewayLink.state != "failed") | (func.coalesce(GatewayLink.error, "") != str(error)),
                    ).values(state="failed", error=str(error), error_code=CODES[error.kind].name,
                             updated_at=text("now() AT TIME ZONE 'UTC'")).returning(GatewayLink.gateway_id)
                )).first()  # fmt: skip
            if row is not None:
                log.warning("gateway.away", gateway=str(self.gateway_id), kind=error.kind.name, error=str(error)[:200])
                await self._tell()

    async def _tell(self) -> None:
        ctx = Context(self.services, actor=SYSTEM)
        async with ctx.write():
            row = await ctx.one(select(Gateway).where(Gateway.id == self.gateway_id))
            if row is not None:
                ctx.emit("gateway.link", subject_id=row.id, organization_id=row.organization_id)

    # -- working ----------------------------------------------------------------------------------------------------

    async def _serve(self, connection: Connection) -> None:
        self.connection, self.heartbeats = connection, Heartbeats(connection)
        self._opened.set()
        listener = asyncio.create_task(self._listen(connection))
        ended = asyncio.create_task(connection.closed.wait())
        try:
            while not connection.closed.is_set():
                self._wake.clear()
                claimed = await self._claim()
                for job_id, key in claimed:
                    self._running[key] = asyncio.create_task(self._work(connection, job_id, key))
                if claimed:
                    continue
                woken = asyncio.create_task(self._wake.wait())
                await asyncio.wait(
                    {woken, ended, *self._running.values()}, timeout=IDLE_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                woken.cancel()
        finally:
            listener.cancel()
            ended.cancel()

    async def _claim(self) -> list[tuple[UUID, str]]:
        amount = AT_ONCE - len(self._running) + len(self._calls)
        calls = CALLS_AT_ONCE - len(self._calls)
        if amount <= 0 and calls <= 0:
            return []
        moment = Context(self.services).now()
        values = {
            "gateway": self.gateway_id, "me": self.links.me, "now": moment, "lease": moment + LEASE,
            "busy": list(self._running), "unconfirmed": list(self._unconfirmed), "amount": amount, "calls": calls,
        }  # fmt: skip
        async with self.services.database.statements() as connection:
            rows = (await connection.execute(_CLAIM, values)).all()
        self._calls.update(row.key for row in rows if row.kind == CALL)
        return [(row.id, row.key) for row in rows]

    async def _work(self, connection: Connection, job_id: UUID, key: str) -> None:
        try:
            await self._settled(connection, job_id)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            # It stays taken, and runs again when its time is over or over the next connection.
            log.warning("gateway.job_not_settled", job=str(job_id), error=type(error).__name__)
        finally:
            # Only now may the next job of the session begin, and this one not again before.
            for tasks in (self._running, self._unconfirmed):
                if tasks.get(key) is asyncio.current_task():
                    del tasks[key]
            self._calls.discard(key)
        self.wake()

    async def _settled(self, connection: Connection, job_id: UUID) -> None:
        ctx = Context(self.services, actor=SYSTEM)
        failure: GatewayError | None = None
        job: Job | None = await ctx.one(select(Job).where(Job.id == job_id))
        await ctx.end_moment()
        if job is None:
            return
        try:
            await delivery.run(self, connection, job)
        except GatewayError as error:
            failure = error
        except AWAY as error:
            failure = GatewayError(Kind.BUSY, f"The server was interrupted ({type(error).__name__}).")
        except Exception as error:
            log.error("gateway.job_failed", job=str(job_id), exc_info=error)
            failure = GatewayError(Kind.REJECTED, f"{type(error).__name__}")
        for pause in (0.1, 0.5, 2.0, 5.0):
            try:
                await delivery.settle(self.services, job, failure, over=connection.closed.is_set())
                return
            except AWAY:
                await asyncio.sleep(pause)
        await delivery.settle(self.services, job, failure, over=connection.closed.is_set())

    async def _listen(self, connection: Connection) -> None:
        """Turns of agents are signs of life, and say when to look for what was sent."""
        async for event in connection.events():
            self.receipts.note(event)
            if not isinstance(event, Event) or not isinstance(payload := event.payload, dict):
                continue
            session_key, failure = str(payload.get("sessionKey") or ""), payload.get("errorMessage")
            try:
                if event.event == "agent" and payload.get("stream") == "lifecycle":
                    await self._alive(session_key)
                # A message that waits for its receipt is sent again, or its job looks after the agent.
                elif (
                    payload.get("state") == "error"
                    and not self.receipts.watched(session_key)
                    and checkin.is_lost(failure)
                ):
                    await checkin.turn_was_lost(self.services, self.gateway_id, session_key)
            except Exception as error:
                log.warning("gateway.event_not_noted", gateway=str(self.gateway_id), error=type(error).__name__)

    async def _alive(self, session_key: str) -> None:
        async with self.services.database.statements() as connection:
            found = select(Agent.id).where(
                Agent.openclaw_session_id == session_key, Agent.gateway_id == self.gateway_id
            )
            agent_id = (await connection.execute(found)).scalar()
        if agent_id is not None and self.services.note_presence is not None:
            await self.services.note_presence(agent_id)
