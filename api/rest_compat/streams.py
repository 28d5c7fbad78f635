"""Event log → text/event-stream: one function for every REST stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api.domain.errors import Code, DomainError
from api.domain.events.cursor import Cursor
from api.domain.events.log import Scope, check
from api.domain.events.tables import Event
from api.schema.endpoint import pinged
from api.schema.gates import listed_board, organization_of_path
from api.schema.http import Context
from api.schema.replay import before_log, start_since

PING_SECONDS = 15.0
#: Events that end a stream whose address names what they take away.
_ENDINGS = {"group.deleted": "group_id", "board.deleted": "board_id"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the client asked for: the ids in the path, and the query."""

    path: Mapping[str, UUID]
    query: Any


Payload = Callable[[Context, Event, Asked], Awaitable[dict[str, Any] | None]]


@dataclass(frozen=True, slots=True)
class Stream:
    """What a stream sends: events of a topic under a name, each spelled by `payload` (None: not sent).

    `wide` streams read the log of the whole organisation, whatever board their address names; `replay` says which
    table tells what is older than the log.
    """

    topic: str
    name: str
    payload: Payload
    wide: bool = False
    replay: str = ""


async def respond(
    source: Stream, ctx: Context, path: Mapping[str, UUID], query: Any, request: Request,
    gate: Callable[[], Awaitable[None]],
) -> Response:  # fmt: skip
    """Open the stream. What can be refused is refused before it begins."""
    board_id = path.get("board_id") or getattr(query, "board_id", None)
    if board_id is not None and "board_id" not in path:
        await listed_board(ctx, board_id)
        inner, named = gate, board_id

        async def gate() -> None:
            await inner()
            await listed_board(ctx, named)

    asked = Asked(path, query)
    if board_id is not None and not source.wide:
        scope = Scope(board_id=board_id)
    else:
        scope = Scope(organization_id=await organization_of_path(ctx, path))
    since, after, replayed = _time(query.since), None, False
    if last := request.headers.get("last-event-id"):
        after, since = Cursor.parse(last), None
        await check(ctx, after)
    elif since is not None:
        after, replayed = await start_since(ctx, scope, since)
    else:
        after = await ctx.cursor()
    await ctx.end_moment()

    async def payloads() -> AsyncGenerator[tuple[Cursor | None, dict[str, Any]], None]:
        """Events with what is said about them; all of a stream's database work happens in here."""
        if replayed and since is not None:
            for event in await before_log(ctx, source.replay or source.topic, path, board_id, since):
                payload = await source.payload(ctx, event, asked)
                await ctx.end_moment()
                if payload is not None:
                    yield None, payload
        async with aclosing(ctx.follow(scope, after, gate)) as followed:
            async for event, cursor in followed:
                if event.kind in _ENDINGS and path.get(_ENDINGS[event.kind]) == event.subject_id:
                    raise DomainError("What this stream is about is gone.", code=Code.SUBSCRIPTION_ENDED,
                                      cursor=str(cursor))  # fmt: skip
                if event.topic != source.topic or (since is not None and event.at < since):
                    continue
                payload = await source.payload(ctx, event, asked)
                await ctx.end_moment()
                if payload is not None:
                    yield cursor, payload

    async def frames() -> AsyncIterator[bytes]:
        try:
            async with aclosing(pinged(payloads(), PING_SECONDS)) as items:
                async for item in items:
                    if item is None:
                        yield f": ping - {datetime.now(UTC).isoformat(sep=' ')}\r\n\r\n".encode()
                        continue
                    cursor, payload = item
                    place = f"id: {cursor}\r\n".encode() if cursor else b""
                    yield place + b"event: " + source.name.encode() + b"\r\ndata: " + to_json(payload) + b"\r\n\r\n"
        except DomainError as error:
            yield f": ended {error.code.name} {error.details.get('cursor') or ''}\r\n\r\n".encode()
        finally:
            await ctx.end_moment()

    if request.scope.get("head"):
        return Response(media_type="text/event-stream; charset=utf-8")
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(frames(), headers=headers, media_type="text/event-stream; charset=utf-8")


def _time(text: str | None) -> datetime | None:
    """A `since` value; anything unreadable means now, as it always did."""
    try:
        found = datetime.fromisoformat((text or "").strip())
        return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found
    except (ValueError, OverflowError):
        return None
