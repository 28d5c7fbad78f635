"""Clients of the three live transports, as small as they can be: they yield what arrives, with its cursor."""

from __future__ import annotations

import asyncio
import contextlib
import json
import queue
import threading
from collections.abc import AsyncIterator
from typing import Any

import httpx
import websockets

from tests.support.world import World

STREAM = """subscription($board: ID!, $after: Cursor) {
  boardEvents(boardId: $board, after: $after) { cursor kind ... on MemoryEvent { entryId } ... on TaskEvent { taskId } }
}"""


class StreamEnded(Exception):
    """The server ended the stream; `error` is what it said."""

    def __init__(self, error: Any) -> None:
        super().__init__(str(error))
        self.error = error


async def websocket(world: World, token: str) -> Any:
    """An initialised socket."""
    url = world.server.url.replace("http", "ws") + "/graphql"
    socket = await websockets.connect(url, subprotocols=["graphql-transport-ws"], max_queue=4)  # type: ignore[list-item]
    await socket.send(json.dumps({"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}}))
    assert json.loads(await socket.recv())["type"] == "connection_ack"
    return socket


async def over_websocket(
    world: World, board: str, after: str | None, token: str | None = None, document: str = STREAM
) -> AsyncIterator[dict[str, Any]]:
    """Events of a subscription over a WebSocket."""
    socket = await websocket(world, token or world.token)
    try:
        payload = {"query": document, "variables": {"board": board, "after": after}}
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "next" and not message["payload"].get("errors"):
                yield next(iter(message["payload"]["data"].values()))
            elif message["type"] in ("next", "error"):
                payload = message["payload"]
                raise StreamEnded((payload["errors"] if isinstance(payload, dict) else payload)[0]["extensions"])
            elif message["type"] == "complete":
                return
    finally:
        await socket.close()


async def over_sse(
    world: World, board: str, after: str | None, token: str | None = None, document: str = STREAM
) -> AsyncIterator[dict[str, Any]]:
    """Events of a subscription over SSE."""
    headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {token or world.token}"}
    body = {"query": document, "variables": {"board": board, "after": after}}
    async with (
        httpx.AsyncClient(timeout=None) as http,
        http.stream("POST", f"{world.server.url}/graphql", json=body, headers=headers) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for line in answer.aiter_lines():
            if line.startswith("data: {"):
                found = json.loads(line[6:])
                if found.get("errors"):
                    raise StreamEnded(found["errors"][0]["extensions"])
                yield next(iter(found["data"].values()))


async def over_rest(
    world: World, path: str, last_event_id: str | None = None, token: str | None = None, **query: str
) -> AsyncIterator[tuple[str | None, str, dict[str, Any]]]:
    """`(id, event, data)` of a REST stream."""
    headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {token or world.token}"}
    if last_event_id:
        headers["Last-Event-ID"] = last_event_id
    async with (
        httpx.AsyncClient(timeout=None) as http,
        http.stream("GET", f"{world.server.url}/api/v1{path}", params=query, headers=headers) as answer,
    ):
        if answer.status_code != 200:
            raise StreamEnded({"status": answer.status_code, **json.loads(await answer.aread())})
        place, name = None, ""
        async for line in answer.aiter_lines():
            if line.startswith("id: "):
                place = line[4:]
            elif line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                yield place, name, json.loads(line[6:])
                place = None
            elif line.startswith(": ended"):
                raise StreamEnded({"code": line.split()[2], "cursor": line.split()[-1]})


class Following:
    """A subscription over a WebSocket, read in a thread; `next` gives what comes."""

    def __init__(self, world: World, document: str, board: str = "", after: str | None = None) -> None:
        self.world, self.document, self.board, self.after = world, document, board, after
        self.found: queue.Queue[Any] = queue.Queue()
        self._loop = asyncio.new_event_loop()

    def __enter__(self) -> Following:
        self._task = self._loop.create_task(self._read())
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)

    async def _read(self) -> None:
        try:
            async for event in over_websocket(self.world, self.board, self.after, document=self.document):
                self.found.put(event)
        except StreamEnded as ended:
            self.found.put(ended)

    def __exit__(self, *reason: Any) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)

    def next(self, seconds: float = 60) -> Any:
        """The next event."""
        event = self.found.get(timeout=seconds)
        if isinstance(event, StreamEnded):
            raise event
        return event


class RestStream:
    """A REST event stream, read one event at a time; entered once the server has answered."""

    def __init__(self, world: World, path: str, token: str | None = None, **headers: str) -> None:
        self._request = world.http.stream(
            "GET", f"/api/v1{path}", headers={**world.headers(token), **headers}, timeout=15
        )

    def __enter__(self) -> RestStream:
        response = self._request.__enter__()
        assert response.status_code == 200
        self._lines = response.iter_lines()
        return self

    def __exit__(self, *reason: Any) -> None:
        self._request.__exit__(*reason)

    def next(self) -> Any:
        """The data of the next event."""
        for line in self._lines:
            if line.startswith("data: "):
                return json.loads(line.removeprefix("data: "))
        raise StreamEnded(None)
