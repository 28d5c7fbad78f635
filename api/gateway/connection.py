"""One connection to a gateway: a handshake, then any number of calls at once, matched by id, and its events.

One task reads and never waits for anybody: events go into bounded queues, and a queue that is full says so to its
reader instead of holding the connection up.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from api.gateway import compat, protocol
from api.gateway.errors import GatewayError, Kind, refused
from api.gateway.identity import PLATFORM, DeviceIdentity
from api.gateway.protocol import Event, Hello, Response

CHALLENGE_SECONDS = 5.0
HANDSHAKE_SECONDS = 15.0
CALL_SECONDS = 10.0
IN_FLIGHT = 100
EVENTS_KEPT = 2000
#: Frames that the gateway may send, with room for its 25 MiB.
LARGEST = 32 * 1024 * 1024


@dataclass(frozen=True)
class Target:
    """Where a gateway is and how it is entered: with its token, else with one that it has issued to our device."""

    url: str
    token: str = ""
    allow_insecure_tls: bool = False
    disable_device_pairing: bool = False
    device_token: str = ""


class Gap:
    """Stands among the events where some were lost; the reader reads afresh what it follows."""


class Connection:
    """An open connection. `closed` is set, with `reason`, when it has ended."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._waiting: dict[str, asyncio.Future[Response]] = {}
        self._numbers = itertools.count(1)
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._followers: set[asyncio.Queue[Event | Gap]] = set()
        self._last_seq: int | None = None
        self._heard = time.monotonic()
        #: How far the gateway's clock is ahead of ours, in seconds; as late as its word took to come.
        self.ahead = 0.0
        self._challenge: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.hello: Hello
        self.dialect: compat.Dialect
        self.closed = asyncio.Event()
        self.reason: GatewayError = GatewayError(Kind.UNREACHABLE, "The connection to the gateway is closed.")
        self._tasks = [asyncio.create_task(self._read())]

    # -- opening and closing ------------------------------------------------------------------------------------------

    @classmethod
    async def open(cls, target: Target, identity: DeviceIdentity | None, *, version: str = "1.0.0") -> Connection:
        """Connect and shake hands. Raises `GatewayError`; nothing is left open then."""
        url = target.url.strip()
        if not url.startswith(("ws://", "wss://")):
            raise GatewayError(Kind.UNREACHABLE, "The gateway's url must begin with ws:// or wss://.", sent=False)
        tls: ssl.SSLContext | None = None
        if url.startswith("wss://"):
            tls = ssl.create_default_context()
            if target.allow_insecure_tls:
                tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        try:
            # Pings are the gateway's business; its ticks tell us that it lives.
            socket = await connect(
                url, ssl=tls, open_timeout=10, ping_interval=None, max_size=LARGEST, max_queue=256, close_timeout=2,
                compression=None, user_agent_header=None, proxy=None,
            )  # fmt: skip
        except InvalidStatus as error:
            status = error.response.status_code
            kind = Kind.BUSY if status in (429, 502, 503, 504) else Kind.UNREACHABLE
            raise GatewayError(kind, f"The gateway answered HTTP {status} to the upgrade.", sent=False) from None
        except ssl.SSLError as error:
            raise GatewayError(
                Kind.TLS, f"The gateway's certificate is not accepted ({error.reason or 'TLS failed'}). Use one of a "
                "known authority, or set allow_insecure_tls for this gateway.", sent=False,
            ) from None  # fmt: skip
        except InvalidURI:
            raise GatewayError(Kind.UNREACHABLE, "The gateway's url is not a valid address.", sent=False) from None
        except (OSError, TimeoutError, InvalidHandshake, EOFError, ValueError) as error:
            raise GatewayError(
                Kind.UNREACHABLE, f"The gateway cannot be reached: {_words(error)}.", sent=False
            ) from None
        found = cls(socket)
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                await found._shake_hands(target, identity, version)
        except TimeoutError:
            await found.close()
            raise GatewayError(Kind.TIMEOUT, "The gateway accepted the connection and did not answer.") from None
        except BaseException:
            await found.close()
            raise
        found._tasks.append(asyncio.create_task(found._watch()))
        return found

    async def _shake_hands(self, target: Target, identity: DeviceIdentity | None, version: str) -> None:
        challenge: dict[str, Any] = {}
        with contextlib.suppress(TimeoutError):
            challenge = await asyncio.wait_for(asyncio.shield(self._challenge), CHALLENGE_SECONDS)
        nonce, moment = str(challenge.get("nonce") or ""), challenge.get("ts")
        token = target.token.strip()
        secret = token or target.device_token
        params: dict[str, Any] = {
            "minProtocol": compat.OLDEST, "maxProtocol": compat.NEWEST, "role": protocol.ROLE,
            "client": {
                "id": protocol.CLIENT_ID, "version": version, "platform": PLATFORM, "mode": protocol.CLIENT_MODE,
            },
            "scopes": list(protocol.SCOPES), "caps": [],
        }  # fmt: skip
        if secret:
            params["auth"] = {"token" if token else "deviceToken": secret}
        if identity is not None and nonce:
            signed_at = int(moment) if isinstance(moment, int | float) else int(time.time() * 1000)
            params["device"] = identity.device(
                client_id=protocol.CLIENT_ID, mode=protocol.CLIENT_MODE, role=protocol.ROLE, scopes=protocol.SCOPES,
                token=secret, nonce=nonce, signed_at=signed_at, version=2,
            )  # fmt: skip
        answer = await self._ask("connect", params, HANDSHAKE_SECONDS)
        if not answer.good:
            raise refused(answer.error or {}, device_id=identity.device_id if identity else "", connecting=True)
        try:
            self.hello = Hello.model_validate(answer.payload)
        except ValueError:
            raise GatewayError(Kind.PROTOCOL, "The gateway's greeting is not one.") from None
        self.dialect = compat.dialect(self.hello.protocol)
        granted = self.hello.auth.scopes
        if granted is not None and "operator.admin" not in granted:
            raise GatewayError(
                Kind.SCOPE, "The gateway lets this device in without `operator.admin`. On its host run `openclaw "
                "devices list` and approve it with the scopes it asks for.", details={"scopes": granted},
            )  # fmt: skip

    async def close(self) -> None:
        """End the connection; calls under way fail."""
        for task in self._tasks[1:]:
            task.cancel()
        with contextlib.suppress(Exception):
            await self._socket.close()
        self._tasks[0].cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._tasks[0]
        self._end(self.reason)

    # -- calls --------------------------------------------------------------------------------------------------------

    async def call(self, method: str, params: dict[str, Any] | None = None, *, seconds: float = CALL_SECONDS) -> Any:
        """Ask and return the answer's payload. Raises `GatewayError`; a cancelled call is forgotten."""
        async with self._slots:
            answer = await self._ask(method, params or {}, seconds)
        if not answer.good:
            raise refused(answer.error or {})
        return answer.payload

    async def _ask(self, method: str, params: dict[str, Any], seconds: float) -> Response:
        number = f"{next(self._numbers)}-{uuid4().hex[:8]}"
        frame = protocol.request(number, method, params)
        if self.closed.is_set():
            raise GatewayError(self.reason.kind, str(self.reason), code=self.reason.code, sent=False)
        if hasattr(self, "hello") and len(frame) > self.hello.policy.maxPayload:
            raise GatewayError(Kind.REJECTED, f"{method} is larger than the gateway takes.", sent=False)
        future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            async with asyncio.timeout(seconds):
                await self._socket.send(frame)
                return await future
        except TimeoutError:
            raise GatewayError(
                Kind.TIMEOUT, f"The gateway did not answer {method} within {seconds:g} seconds."
            ) from None
        except ConnectionClosed:
            raise GatewayError(Kind.UNREACHABLE, str(self.reason)) from None
        finally:
            self._waiting.pop(number, None)

    # -- events -------------------------------------------------------------------------------------------------------

    async def events(self) -> AsyncIterator[Event | Gap]:
        """Events from now on, until the connection ends; a `Gap` where some were lost."""
        queue: asyncio.Queue[Event | Gap] = asyncio.Queue(EVENTS_KEPT)
        self._followers.add(queue)
        ended = asyncio.create_task(self.closed.wait())
        try:
            while True:
                following = asyncio.ensure_future(queue.get())
                await asyncio.wait({following, ended}, return_when=asyncio.FIRST_COMPLETED)
                if not following.done():
                    following.cancel()
                    return
                yield following.result()
        finally:
            ended.cancel()
            self._followers.discard(queue)

    def _tell(self, event: Event) -> None:
        gap = event.seq is not None and self._last_seq is not None and event.seq > self._last_seq + 1
        if event.seq is not None:
            self._last_seq = event.seq
        for queue in self._followers:
            if gap or queue.full():
                # Too slow, or lost on the way: what is kept is of no use any more.
                while queue.full():
                    queue.get_nowait()
                queue.put_nowait(Gap())
            if not queue.full():
                queue.put_nowait(event)

    # -- the tasks ----------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        garbage = 0
        try:
            async for text in self._socket:
                self._heard = time.monotonic()
                try:
                    frame = protocol.read(text)
                except GatewayError:
                    garbage += 1
                    if garbage > 100:
                        raise
                    continue
                if isinstance(frame, Event):
                    if frame.event in ("connect.challenge", "tick") and isinstance(frame.payload, dict):
                        moment = frame.payload.get("ts")
                        self.ahead = moment / 1000 - time.time() if isinstance(moment, int | float) else self.ahead
                    if frame.event == "connect.challenge" and not self._challenge.done():
                        self._challenge.set_result(frame.payload if isinstance(frame.payload, dict) else {})
                    else:
                        self._tell(frame)
                    continue
                # A second answer to one request finds nobody waiting.
                future = self._waiting.get(frame.id)
                if future is not None and not future.done():
                    future.set_result(frame)
            self._end(_closed(self._socket))
        except ConnectionClosed:
            self._end(_closed(self._socket))
        except GatewayError as error:
            self._end(error)

    async def _watch(self) -> None:
        """A gateway that is silent for two of its ticks is gone, whatever the socket says."""
        limit = max(2 * self.hello.policy.tickIntervalMs / 1000, 1.0)
        while not self.closed.is_set():
            quiet = time.monotonic() - self._heard
            if quiet > limit:
                self._end(GatewayError(Kind.UNREACHABLE, f"The gateway has been silent for {quiet:.0f} seconds."))
                self._socket.transport.abort()
                return
            await asyncio.sleep(min(limit - quiet + 0.05, limit / 2))

    def _end(self, reason: GatewayError) -> None:
        if self.closed.is_set():
            return
        self.reason = reason
        self.closed.set()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(GatewayError(reason.kind, str(reason), code=reason.code))


def _closed(socket: ClientConnection) -> GatewayError:
    code, text = socket.close_code, socket.close_reason or ""
    if code == 1012:
        return GatewayError(Kind.BUSY, "The gateway restarts.", code="1012")
    if code == 1009:
        return GatewayError(Kind.REJECTED, "The frame was larger than the gateway takes.", code="1009")
    if code == 4001:
        return GatewayError(Kind.AUTH, f"The gateway ended the connection: {text}. Check its token and the approval of "
                            "this device (`openclaw devices list` on its host).", code="4001")  # fmt: skip
    if code in (1002, 1008):
        return GatewayError(Kind.AUTH, f"The gateway ended the connection: {text or code}.", code=str(code))
    return GatewayError(
        Kind.UNREACHABLE, f"The connection to the gateway broke off ({code}{': ' if text else ''}{text})."
    )


def _words(error: BaseException) -> str:
    if isinstance(error, ConnectionRefusedError) or "Connect call failed" in str(error):
        return "connection refused"
    if isinstance(error, TimeoutError):
        return "no answer within 10 seconds"
    return (str(error) or type(error).__name__).rstrip(".")[:200]
