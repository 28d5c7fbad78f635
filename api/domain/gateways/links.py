"""The connections of this process: which gateways it holds, by a lease in the database, and calls through them.

Any number of processes run this; each gateway has one connection, in the process with its lease. A process that ends
gives its leases back, one that dies lets them expire within `LEASE`; the others take them over. A call in a process
that does not hold the gateway goes through the table of jobs.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import structlog
from sqlalchemy import delete, select, text, update

from api.domain.actor import SYSTEM
from api.domain.boards.tables import Gateway
from api.domain.context import Context, shielded
from api.domain.errors import Code
from api.domain.events.hub import within
from api.domain.events.tables import Event as LogEvent
from api.domain.gateways.link import Link
from api.domain.gateways.tables import GatewayLink
from api.domain.jobs import Job
from api.gateway.connection import CALL_SECONDS, Connection, Gap, Target
from api.gateway.errors import GatewayError, Kind
from api.gateway.identity import DeviceIdentity
from api.gateway.protocol import Event

if TYPE_CHECKING:
    from api.domain.context import Services

log = structlog.get_logger(__name__)

#: How long a lease is good, and how often it is renewed.
LEASE = timedelta(seconds=6)
TEND_SECONDS = 1.5
#: So long before its end a lease that could not be renewed is taken as lost.
MARGIN_SECONDS = 2.0
UNREADABLE = "The stored token cannot be read with this server's secret key: set the gateway's token again."

_NOW = "(clock_timestamp() AT TIME ZONE 'UTC')"
_LEASE = text(
    "INSERT INTO gateway_links AS l (gateway_id, holder, expires_at, state, handshakes, updated_at) "
    f"SELECT g.id, :me, {_NOW} + :lease, 'connecting', 0, {_NOW} FROM gateways g WHERE btrim(g.url) <> '' "
    "ON CONFLICT (gateway_id) DO UPDATE SET holder = :me, expires_at = excluded.expires_at "
    f"WHERE l.holder = :me OR l.holder IS NULL OR l.expires_at < {_NOW} RETURNING l.gateway_id"
)

_CHANGES = {"gateway.created", "gateway.updated", "gateway.deleted"}


class Links:
    """The process's gateways. `start` before use, `stop` at the end, `committed` when there may be something to do."""

    def __init__(self, services: Services, version: str) -> None:
        self.services, self.version, self.me = services, version, uuid4()
        self._links: dict[UUID, Link] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._wake = asyncio.Event()
        self._until = 0.0
        self._identity: DeviceIdentity | None = None

    @property
    def identity(self) -> DeviceIdentity:
        """Who this installation is to gateways. Raises `DamagedIdentity`."""
        if self._identity is None:
            self._identity = DeviceIdentity.load(self.services.settings.identity_file)
        return self._identity

    async def start(self) -> None:
        """Begin to hold gateways."""
        self._tasks = [
            asyncio.create_task(self._tend_forever(), name="gateway-links"),
            asyncio.create_task(self._guard(), name="gateway-leases"),
        ]

    async def stop(self) -> None:
        """Close every connection and give the leases back."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._let_go(set())
        with contextlib.suppress(Exception):
            async with self.services.database.statements() as connection:
                await connection.execute(
                    update(GatewayLink).where(GatewayLink.holder == self.me).values(holder=None)
                )  # fmt: skip

    def committed(self, events: Sequence[LogEvent]) -> None:
        """Something was written that may concern a gateway."""
        if any(event.kind in _CHANGES for event in events):
            self._wake.set()
        for link in self._links.values():
            link.wake()

    # -- using ------------------------------------------------------------------------------------------------------

    async def check(self, target: Target) -> Connection:
        """A connection of its own to a gateway that is not registered yet; the caller closes it."""
        return await Connection.open(target, self.identity, version=self.version)

    async def call(
        self, gateway_id: UUID, method: str, params: dict[str, Any] | None = None, *, seconds: float = CALL_SECONDS
    ) -> Any:
        """Call a registered gateway, through the process that holds it. Raises `GatewayError`."""
        link = self._links.get(gateway_id)
        if link is not None:
            return await link.call(method, params, seconds=seconds)
        return await self._call_elsewhere(gateway_id, method, params or {}, seconds)

    async def _call_elsewhere(self, gateway_id: UUID, method: str, params: dict[str, Any], seconds: float) -> Any:
        ctx, number = Context(self.services, actor=SYSTEM), uuid4()
        data = {
            "method": method, "params": params, "seconds": seconds, "session_key": str(number),
            "until": time.time() + seconds + LEASE.total_seconds(),
        }  # fmt: skip
        async with ctx.write():
            ctx.add(Job(id=number, kind="gateway.call", reason=method, text="", gateway_id=gateway_id, data=data,
                        created_at=ctx.now()))  # fmt: skip
        self.services.hub.wake()
        try:
            async with asyncio.timeout(seconds + LEASE.total_seconds()):
                while True:
                    commit = self.services.hub.next_commit
                    async with self.services.database.statements() as connection:
                        found = select(Job.state, Job.data).where(Job.id == number)
                        row = (await connection.execute(found)).first()
                    if row is None:
                        raise GatewayError(Kind.UNREACHABLE, "The gateway is gone.")
                    if row.state == "done":
                        return (row.data or {}).get("answer")
                    if row.state == "failed":
                        failed = (row.data or {}).get("failed") or {}
                        raise GatewayError(Kind[failed.get("kind", "UNREACHABLE")], failed.get("message", ""))
                    await within(commit, 1.0)
        except TimeoutError:
            raise GatewayError(Kind.TIMEOUT, f"No process answered {method} within {seconds:g} seconds.") from None
        finally:
            await shielded(self._forget(number))

    async def _forget(self, number: UUID) -> None:
        async with self.services.database.statements() as connection:
            await connection.execute(delete(Job).where(Job.id == number))

    async def events(self, gateway_id: UUID) -> AsyncIterator[Event | Gap]:
        """Events of a gateway that this process holds; ends when it is not held here."""
        link = self._links.get(gateway_id)
        if link is None:
            return
        async for event in link.events():
            yield event

    def holds(self, gateway_id: UUID) -> bool:
        """Whether this process has the connection."""
        return gateway_id in self._links

    # -- holding ----------------------------------------------------------------------------------------------------

    async def _tend_forever(self) -> None:
        while True:
            try:
                await self._tend()
            except Exception as error:
                log.warning("gateways.not_tended", error=type(error).__name__)
            self._wake.clear()
            await within(self._wake, TEND_SECONDS)

    async def _guard(self) -> None:
        """Let everything go before the leases that could not be renewed are over."""
        while True:
            left = self._until - time.monotonic()
            if left > 0:
                await asyncio.sleep(left)
                continue
            if self._links:
                log.warning("gateways.leases_lost")
                await self._let_go(set())
            await asyncio.sleep(TEND_SECONDS)

    async def _tend(self) -> None:
        asked = time.monotonic()
        async with self.services.database.statements() as connection:
            held = set((await connection.execute(_LEASE, {"me": self.me, "lease": LEASE})).scalars())
            rows = (await connection.execute(select(Gateway.__table__).where(Gateway.id.in_(held)))).all()
        self._until = asked + LEASE.total_seconds() - MARGIN_SECONDS
        if time.monotonic() > self._until:
            return
        targets = {row.id: target for row in rows if (target := await self._target(row)) is not None}
        changed = {one for one, link in self._links.items() if link.target != targets.get(one) or link.over}
        await self._let_go(targets.keys() - changed)
        for gateway_id, target in targets.items():
            if gateway_id not in self._links:
                self._links[gateway_id] = Link(self, gateway_id, target)

    async def _target(self, row: Any) -> Target | None:
        """How a gateway is reached; None when its token cannot be read here, which is noted."""
        try:
            token = self.services.secrets.open(row.token) if row.token else ""
        except Exception:
            # Another process may have the right key.
            note = update(GatewayLink).where(GatewayLink.gateway_id == row.id).values(
                holder=None, state="failed", error=UNREADABLE, error_code=Code.GATEWAY_AUTH_FAILED.name)  # fmt: skip
            async with self.services.database.statements() as connection:
                await connection.execute(note)
            return None
        return Target(row.url.strip(), token, row.allow_insecure_tls, row.disable_device_pairing)

    async def _let_go(self, held: Any) -> None:
        """Stop what is not held any more, before another process may connect."""
        gone = [self._links.pop(one) for one in list(self._links) if one not in held]
        await asyncio.gather(*(link.stop() for link in gone), return_exceptions=True)
