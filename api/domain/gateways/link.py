"""One gateway: connect and stay connected, run its jobs in order, note who is alive."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog
from sqlalchemy import bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import String

from api.domain.actor import SYSTEM
from api.domain.agents.tables import Agent
from api.domain.boards.tables import Gateway
from api.domain.context import Context
from api.domain.gateways import delivery
from api.domain.gateways.failures import CODES
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
AT_ONCE = 20
IDLE_SECONDS = 1.0
REFUSALS = 5
#: Pauses between attempts to connect, in seconds.
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 30.0

# The first open job of each session, so that what an agent is told keeps its order.
_CLAIM = text("""
WITH heads AS (
  SELECT DISTINCT ON (key) * FROM (
    SELECT j.id, j.xid, j.seq, j.run_after, coalesce(a.openclaw_session_id, a.id::text) AS key
    FROM agents a CROSS JOIN LATERAL (
      SELECT * FROM jobs WHERE agent_id = a.id AND state IN ('waiting', 'running') AND kind IN ('message', 'lifecycle')
      ORDER BY xid, seq LIMIT 1
    ) j WHERE a.gateway_id = :gateway
    UNION ALL
    SELECT j.id, j.xid, j.seq, j.run_after, coalesce(j.data->>'session_key', j.id::text) AS key
    FROM jobs j WHERE j.gateway_id = :gateway AND j.state IN ('waiting', 'running')
  ) open ORDER BY key, xid, seq
), due AS (
  SELECT id, key FROM heads WHERE (run_after IS NULL OR run_after <= :now) AND key <> ALL(:busy)
  ORDER BY xid, seq LIMIT :amount
)
UPDATE jobs SET state = 'running', attempts = attempts + 1, run_after = :lease FROM due WHERE jobs.id = due.id
RETURNING jobs.id, due.key
""").bindparams(bindparam("busy", type_=ARRAY(String())))
# Jobs that a former holder had begun; it is gone, or has lost the lease and stopped.
_RESUME = text("""
UPDATE jobs SET run_after = NULL WHERE state = 'running' AND (gateway_id = :gateway
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
        self._task = asyncio.create_task(self._run(), name=f"gateway-{gateway_id}")

    def wake(self) -> None:
        """There may be a job."""
        self._wake.set()

    async def stop(self) -> None:
        """Close the connection; jobs under way are left to whoever holds the gateway next."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def call(self, method: str, params: dict[str, Any] | None = None, *, seconds: float = CALL_SECONDS) -> Any:
        """Call the gateway; waits a moment for a connection that is being made."""
        if self.connection is None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._opened.wait(), min(seconds, 5.0))
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
        async with self.services.database.statements() as connection:
            await connection.execute(_RESUME, {"gateway": self.gateway_id})
        while True:
            try:
                opened = await self._open()
            except GatewayError as error:
                await self._note(error)
                lasting = LONGEST_PAUSE if not error.transient else pause
                await asyncio.sleep(max(lasting * random.uniform(0.8, 1.2), error.retry_after or 0.0))  # noqa: S311
                pause = min(pause * 2, LONGEST_PAUSE)
                continue
            pause = FIRST_PAUSE
            try:
                await self._serve(opened)
            finally:
                self.connection = None
                self._opened.clear()
                for task in self._running.values():
                    task.cancel()
                await asyncio.gather(*self._running.values(), return_exceptions=True)
                self._running.clear()
                await opened.close()
            await self._note(opened.reason)

    async def _open(self) -> Connection:
        from api.gateway.identity import DamagedIdentity

        try:
            opened = await self.links.check(self.target)
        except DamagedIdentity as error:
            raise GatewayError(Kind.AUTH, str(error), sent=False) from None
        try:
            versions.check(await version_of(opened), self.services.settings.gateway_min_version)
        except BaseException:
            await opened.close()
            raise
        async with self.services.database.statements() as connection:
            await connection.execute(
                update(GatewayLink).where(GatewayLink.gateway_id == self.gateway_id).values(
                    state="connected", error=None, error_code=None, version=opened.hello.server.version,
                    protocol=opened.hello.protocol, connected_at=text("now() AT TIME ZONE 'UTC'"),
                    handshakes=GatewayLink.handshakes + 1, updated_at=text("now() AT TIME ZONE 'UTC'"))
            )  # fmt: skip
        await self._tell()
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
        free = AT_ONCE - len(self._running)
        if free <= 0:
            return []
        moment = Context(self.services).now()
        values = {
            "gateway": self.gateway_id, "now": moment, "lease": moment + LEASE, "busy": list(self._running),
            "amount": free,
        }  # fmt: skip
        async with self.services.database.statements() as connection:
            return [(row.id, row.key) for row in await connection.execute(_CLAIM, values)]

    async def _work(self, connection: Connection, job_id: UUID, key: str) -> None:
        ctx = Context(self.services, actor=SYSTEM)
        failure: GatewayError | None = None
        job: Job | None = None
        try:
            job = await ctx.one(select(Job).where(Job.id == job_id))
            await ctx.end_moment()
            if job is not None:
                await delivery.run(self, connection, job)
        except GatewayError as error:
            failure = error
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.error("gateway.job_failed", job=str(job_id), exc_info=error)
            failure = GatewayError(Kind.REJECTED, f"{type(error).__name__}")
        finally:
            self._running.pop(key, None)
        try:
            if job is not None:
                await delivery.settle(self.services, job, failure, over=connection.closed.is_set())
        except Exception as error:
            # The lease ends, and the job runs again.
            log.warning("gateway.job_not_settled", job=str(job_id), error=type(error).__name__)
        self.wake()

    async def _listen(self, connection: Connection) -> None:
        """Turns of agents are signs of life."""
        async for event in connection.events():
            payload = event.payload if isinstance(event, Event) and event.event == "agent" else None
            if isinstance(payload, dict) and payload.get("stream") == "lifecycle":
                await self._alive(str(payload.get("sessionKey") or ""))

    async def _alive(self, session_key: str) -> None:
        with contextlib.suppress(Exception):
            async with self.services.database.statements() as connection:
                found = select(Agent.id).where(
                    Agent.openclaw_session_id == session_key, Agent.gateway_id == self.gateway_id
                )
                agent_id = (await connection.execute(found)).scalar()
            if agent_id is not None and self.services.note_presence is not None:
                await self.services.note_presence(agent_id)


async def version_of(connection: Connection) -> Any:
    """The gateway's version; an old one tells it only in its configuration."""
    version = connection.hello.server.version
    if versions.parsed(version) is not None:
        return version
    try:
        found = await connection.call("config.get")
        return ((found.get("config") or {}).get("meta") or {}).get("lastTouchedVersion") or version
    except (GatewayError, AttributeError):
        return version
