"""An agent's turns as they happen: what is said in a session of a gateway, from its events and its history."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from api.domain.context import Context
from api.domain.errors import DomainError
from api.domain.gateways import operations
from api.gateway.protocol import Event

LOOK_SECONDS = 1.0
#: States of a chat event after which the history has something new.
ENDED = ("final", "error", "aborted")


@dataclass(frozen=True, slots=True)
class Said:
    """`message` is a whole one of the history, numbered by `seq`; else a part or a state of a turn under way."""

    kind: str
    run_id: str | None = None
    seq: int | None = None
    text: str | None = None
    state: str | None = None
    message: Mapping[str, Any] | None = None


async def follow(ctx: Context, gateway_id: UUID, session_key: str, after: int | None) -> AsyncGenerator[Said, None]:
    """Messages after the number, then everything as it happens. In a process that does not hold the gateway's
    connection, whole messages only, looked for every second."""
    await operations.find(ctx, gateway_id)
    await ctx.end_moment()
    right = ctx.rechecking(lambda: operations.find(ctx, gateway_id))
    links = ctx.services.gateways
    assert links is not None
    last = after if after is not None else -1
    while True:
        async for said in _new(ctx, gateway_id, session_key, last):
            last = said.seq if said.seq is not None else last
            yield said
        if not links.holds(gateway_id):
            await asyncio.sleep(LOOK_SECONDS)
            await right()
            continue
        async for event in links.events(gateway_id):
            payload: Any = event.payload if isinstance(event, Event) else None
            about = isinstance(payload, Mapping) and payload.get("sessionKey") == session_key
            if isinstance(event, Event) and not (event.event == "chat" and about):
                continue
            await right()
            state = str(payload.get("state") or "") if about else ""
            if state == "delta":
                yield Said("delta", payload.get("runId"), text=_text(payload))
                continue
            if state:
                yield Said("state", payload.get("runId"), state=state, text=payload.get("errorMessage"))
            if not state or state in ENDED:
                # A gap, a new connection, or the end of a turn: the history knows.
                async for said in _new(ctx, gateway_id, session_key, last):
                    last = said.seq if said.seq is not None else last
                    yield said


async def _new(ctx: Context, gateway_id: UUID, session_key: str, last: int) -> AsyncGenerator[Said, None]:
    try:
        rows = await operations.history(ctx, gateway_id, session_key, 1000)
    except DomainError:
        await asyncio.sleep(LOOK_SECONDS)
        return
    for place, row in enumerate(rows):
        if not isinstance(row, Mapping):
            continue
        own = row.get("__openclaw")
        seq = own.get("seq") if isinstance(own, Mapping) else None
        seq = seq if isinstance(seq, int) else place
        if seq > last:
            yield Said("message", seq=seq, message=row)


def _text(payload: Mapping[str, Any]) -> str | None:
    delta = payload.get("deltaText")
    return str(delta) if delta is not None else None
