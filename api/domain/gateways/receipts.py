"""Whether a message has really reached its session: a gateway may accept one and lose it before its turn begins.

It does so when its configuration changes at that moment (an agent is made, say): the run ends with an error, and the
message is in no transcript. So a message counts as delivered when its run has begun, or when the history has it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from api.gateway.connection import Connection, Gap
from api.gateway.protocol import Event

SECONDS = 60.0
_BEGUN = ("delta", "final", "aborted")
_PHASES = ("start", "model", "end")


class Receipts:
    """Those who wait for a sign of their run, by its id, which is the message's idempotency key."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[bool | None]] = {}

    def note(self, event: Event | Gap) -> None:
        """Look at an event; after a gap nobody knows, and everybody asks the history."""
        if isinstance(event, Gap):
            for key in list(self._waiting):
                self._say(key, None)
            return
        payload: Any = event.payload
        if event.event not in ("chat", "agent") or not isinstance(payload, Mapping):
            return
        run, state = str(payload.get("runId") or ""), payload.get("state")
        data = payload.get("data")
        phase = data.get("phase") if payload.get("stream") == "lifecycle" and isinstance(data, Mapping) else None
        if event.event == "chat" and state == "error":
            self._say(run, False)
        elif (event.event == "chat" and state in _BEGUN) or phase in _PHASES:
            self._say(run, True)

    def _say(self, run: str, begun: bool | None) -> None:
        waiting = self._waiting.get(run)
        if waiting is not None and not waiting.done():
            waiting.set_result(begun)

    @contextlib.contextmanager
    def expect(self, key: str) -> Iterator[asyncio.Future[bool | None]]:
        """Begin to wait, before the message is sent."""
        self._waiting[key] = waiting = asyncio.get_running_loop().create_future()
        try:
            yield waiting
        finally:
            del self._waiting[key]


async def begun(waiting: asyncio.Future[bool | None]) -> bool | None:
    """True when the run has begun, false when it failed, None when no sign came in time."""
    try:
        return await asyncio.wait_for(waiting, SECONDS)
    except TimeoutError:
        return None


async def in_session(connection: Connection, session: str, keys: Sequence[str]) -> tuple[bool, bool]:
    """Whether a message with one of the keys is there, and whether a turn is under way. Raises `GatewayError`."""
    history = await connection.call("chat.history", {"sessionKey": session, "limit": 200}, seconds=30)
    found = {f"{key}:user" for key in keys}
    there = any(
        isinstance(one, Mapping) and one.get("idempotencyKey") in found for one in history.get("messages") or ()
    )
    pending = json.dumps(history.get("pendingInputs") or {})
    active = bool((history.get("sessionInfo") or {}).get("hasActiveRun") or history.get("inFlightRun"))
    return there or any(key in pending for key in keys), active
