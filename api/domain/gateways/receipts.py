"""Whether a message has really reached its session: a gateway may accept one and lose it before its turn begins.

Until then it is in the gateway's memory only: behind a turn under way, or in a run that a change of the configuration
ends. So a message counts as delivered when the session's history has it, and what waits behind it waits in our
database. Events say when to look; nothing they say is a receipt by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.gateway.connection import Connection, Gap
from api.gateway.errors import GatewayError, Kind
from api.gateway.protocol import Event
from api.gateway.provisioning.workspace import MISSING

#: How long no turn has to be under way until a message that is not in the history counts as lost.
IDLE_SECONDS = 10.0
#: Pauses between two looks without an event, in seconds: while nothing happens, and behind a turn.
FIRST_PAUSE, IDLE_PAUSE, TURN_PAUSE = 0.3, 1.0, 15.0
#: How many of a session's newest entries are looked at, and after an interruption.
NEWEST, ALL = 100, 1000
#: How often in a row the history may refuse to be read before that is the job's failure.
REFUSALS = 20
#: The key of what a gateway has made of several messages, if its operator wants them together.
_TOGETHER = "followup-collect:"


@dataclass(frozen=True, slots=True)
class Sent:
    """A message by the keys under which it was sent, the last one now; `since` is a moment of the gateway's clock, in
    seconds, before which it was not there."""

    session: str
    keys: Sequence[str]
    text: str
    since: float

    def is_in(self, messages: Iterable[Any]) -> bool:
        """Whether it is among entries of a history."""
        wanted, words = {f"{key}:user" for key in self.keys}, self.text.strip()[:500]
        return any(
            isinstance(one, Mapping)
            and (
                (key := str(one.get("idempotencyKey"))) in wanted
                or (
                    key.startswith(_TOGETHER)
                    and float(one.get("timestamp") or 0) / 1000 >= self.since
                    and words in str(one.get("content"))
                )
            )
            for one in messages
        )


class Watch:
    """One who waits for something to happen in a session."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        #: Runs that have failed, and why; such a run will not put its message into the history any more.
        self.failed: dict[str, str] = {}

    def note(self, run: str = "", failure: str | None = None) -> None:
        """Something has happened."""
        if failure is not None:
            self.failed[run] = failure
        self._changed.set()

    async def change(self, pause: float) -> None:
        """Wait until something has happened, or for a pause, and a moment so that the history has it."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), pause)
            await asyncio.sleep(FIRST_PAUSE * random.uniform(1, 2))  # noqa: S311 - not all at once after a gap
        self._changed.clear()


class Receipts:
    """Who waits, by session."""

    def __init__(self) -> None:
        self._watching: defaultdict[str, list[Watch]] = defaultdict(list)

    def note(self, event: Event | Gap) -> None:
        """Look at an event; after a gap nobody knows, and everybody looks at the history."""
        if isinstance(event, Gap):
            for watches in self._watching.values():
                for watch in watches:
                    watch.note()
            return
        payload: Any = event.payload
        if event.event not in ("chat", "agent") or not isinstance(payload, Mapping):
            return
        state, stream = payload.get("state"), payload.get("stream")
        # A turn takes messages in at its beginning and between two tools.
        if state == "delta" or (event.event == "agent" and stream not in ("lifecycle", "tool")):
            return
        for watch in self._watching.get(str(payload.get("sessionKey") or ""), ()):
            watch.note(str(payload.get("runId") or ""), str(payload.get("errorMessage")) if state == "error" else None)

    def watched(self, session: str) -> bool:
        """Whether somebody waits in a session."""
        return session in self._watching

    @contextlib.contextmanager
    def watch(self, session: str) -> Iterator[Watch]:
        """Begin to watch, before the message is sent."""
        watch = Watch()
        self._watching[session].append(watch)
        try:
            yield watch
        finally:
            self._watching[session].remove(watch)
            if not self._watching[session]:
                del self._watching[session]


async def arrived(connection: Connection, watch: Watch, message: Sent, wanted: Callable[[], Awaitable[bool]]) -> bool:
    """Wait until the history has the message; false when the gateway has lost it, or when it is not wanted there any
    more. That may take as long as the turn under way. Raises `GatewayError`.
    """
    now = asyncio.get_running_loop().time
    idle_since: float | None = None
    pause, refusals, run = FIRST_PAUSE, 0, message.keys[-1]
    while run not in watch.failed and (idle_since is None or now() - idle_since < IDLE_SECONDS):
        await watch.change(pause)
        pause = min(pause * 2, TURN_PAUSE if idle_since is None else IDLE_PAUSE)
        try:
            there, active = await in_session(connection, message)
        except GatewayError as error:
            # It cannot be read while the gateway rewrites it.
            refusals += 1
            if error.kind not in (Kind.BUSY, Kind.REJECTED) or error.says(*MISSING) or refusals > REFUSALS:
                raise
            continue
        if there:
            return True
        if not await wanted():
            break
        refusals, idle_since = 0, None if active else idle_since or now()
    # It may wait there still: taken back, so that it does not come after its second sending.
    with contextlib.suppress(GatewayError):
        await connection.call("chat.abort", {"sessionKey": message.session, "runId": run}, seconds=30)
    await asyncio.sleep(FIRST_PAUSE)
    return (await in_session(connection, message))[0]


async def in_session(connection: Connection, message: Sent, *, limit: int = NEWEST) -> tuple[bool, bool]:
    """Whether a message is in its session, and whether a turn is under way. Raises `GatewayError`."""
    history = await connection.call("chat.history", {"sessionKey": message.session, "limit": limit}, seconds=30)
    active = (history.get("sessionInfo") or {}).get("hasActiveRun") or history.get("inFlightRun")
    return message.is_in(history.get("messages") or ()), bool(active)
