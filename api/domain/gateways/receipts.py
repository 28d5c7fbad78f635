"""Whether a message has really reached its session: a gateway may accept one and lose it before its turn begins.

Until then it is in the gateway's memory only: behind a turn under way, or in a run that a change of the configuration
ends. So a message counts as delivered when the session's history has it, and what waits behind it waits in our
database. Events say when to look; nothing they say is a receipt by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from api.gateway.connection import Connection, Gap
from api.gateway.errors import GatewayError, Kind
from api.gateway.protocol import Event
from api.gateway.provisioning.workspace import MISSING

#: How long a session has to be idle until a message that is not in its history counts as lost.
IDLE_SECONDS = 10.0
#: Pauses between two looks without an event, in seconds; with one, the least.
FIRST_PAUSE, LONGEST_PAUSE = 0.3, 5.0
#: How many of a session's newest entries are looked at, and after an interruption.
NEWEST, ALL = 200, 1000
#: How often the history may refuse to be read before that is the job's failure.
REFUSALS = 20


class Watch:
    """One who waits for something to happen in a session."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self.failed: set[str] = set()

    def note(self, run: str, *, failed: bool) -> None:
        """Something has happened; a run that failed will not put its message into the history any more."""
        if failed:
            self.failed.add(run)
        self._changed.set()

    async def change(self, pause: float) -> None:
        """Wait until something has happened, or for a pause, and a moment so that the history has it."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), pause)
            await asyncio.sleep(FIRST_PAUSE)
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
                    watch.note("", failed=False)
            return
        payload: Any = event.payload
        if event.event not in ("chat", "agent") or not isinstance(payload, Mapping):
            return
        state, stream = payload.get("state"), payload.get("stream")
        # A turn takes messages in at its beginning and between two tools.
        if state == "delta" or (event.event == "agent" and stream not in ("lifecycle", "tool")):
            return
        for watch in self._watching.get(str(payload.get("sessionKey") or ""), ()):
            watch.note(str(payload.get("runId") or ""), failed=state == "error")

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


async def arrived(connection: Connection, watch: Watch, session: str, keys: Sequence[str]) -> bool:
    """Wait until the history has a message with one of the keys; false when the gateway has lost the last of them.

    That may take as long as the turn under way. Raises `GatewayError`.
    """
    now = asyncio.get_running_loop().time
    idle_since: float | None = None
    pause, refusals = FIRST_PAUSE, 0
    while keys[-1] not in watch.failed and (idle_since is None or now() - idle_since < IDLE_SECONDS):
        await watch.change(pause)
        pause = min(pause * 2, LONGEST_PAUSE if idle_since is None else 1.0)
        try:
            there, active = await in_session(connection, session, keys)
        except GatewayError as error:
            # It cannot be read while the gateway rewrites it.
            refusals += 1
            if error.kind not in (Kind.BUSY, Kind.REJECTED) or error.says(*MISSING) or refusals > REFUSALS:
                raise
            continue
        if there:
            return True
        idle_since = None if active else idle_since or now()
    # It may wait there still: taken back, so that it does not come after its second sending.
    with contextlib.suppress(GatewayError):
        await connection.call("chat.abort", {"sessionKey": session, "runId": keys[-1]}, seconds=30)
    await asyncio.sleep(FIRST_PAUSE)
    return (await in_session(connection, session, keys))[0]


async def in_session(
    connection: Connection, session: str, keys: Sequence[str], *, limit: int = NEWEST
) -> tuple[bool, bool]:
    """Whether a message with one of the keys is there, and whether a turn is under way. Raises `GatewayError`."""
    history = await connection.call("chat.history", {"sessionKey": session, "limit": limit}, seconds=30)
    found = {f"{key}:user" for key in keys}
    there = any(
        isinstance(one, Mapping) and one.get("idempotencyKey") in found for one in history.get("messages") or ()
    )
    return there, bool((history.get("sessionInfo") or {}).get("hasActiveRun") or history.get("inFlightRun"))
