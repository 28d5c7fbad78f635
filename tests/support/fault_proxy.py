"""A proxy between us and a gateway that can do what a real gateway does not do on demand."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

#: What becomes of a frame: the texts to send on; none drops it.
Rule = Callable[[dict[str, Any], str], list[str]]


def untouched(_frame: dict[str, Any], text: str) -> list[str]:
    """Send it on."""
    return [text]


class FaultProxy:
    """Listens on loopback; `to_us` and `to_gateway` may be replaced while it runs, `cut` breaks every connection."""

    def __init__(self, upstream: str, **headers: str) -> None:
        self.upstream, self.headers = upstream, headers
        self.to_us: Rule = untouched
        self.to_gateway: Rule = untouched
        self.delay: Callable[[dict[str, Any]], float] = lambda _: 0.0
        self.accepted = 0
        self._open: set[ServerConnection] = set()
        self._loop = asyncio.new_event_loop()
        self._ready, self._stop = threading.Event(), asyncio.Event()
        self._away = False
        threading.Thread(target=self._loop.run_until_complete, args=(self._main(),), daemon=True).start()
        assert self._ready.wait(10)
        self.url = f"ws://127.0.0.1:{self.port}"

    async def _main(self) -> None:
        async with serve(self._serve, "127.0.0.1", 0, max_size=None, ping_interval=None) as server:
            self.port = next(iter(server.sockets)).getsockname()[1]
            self._ready.set()
            await self._stop.wait()

    async def _serve(self, client: ServerConnection) -> None:
        if self._away:
            client.transport.abort()
            return
        self.accepted += 1
        self._open.add(client)
        try:
            async with connect(
                self.upstream,
                max_size=None,
                additional_headers=self.headers,
                ping_interval=None,
                user_agent_header=None,
                proxy=None,
            ) as gateway:
                await asyncio.wait(
                    {asyncio.create_task(self._pump(client, gateway, lambda: self.to_gateway)),
                     asyncio.create_task(self._pump(gateway, client, lambda: self.to_us))},
                    return_when=asyncio.FIRST_COMPLETED,
                )  # fmt: skip
                if gateway.close_code is not None and client.close_code is None:
                    await client.close(gateway.close_code, gateway.close_reason or "")
        except (OSError, ConnectionClosed):
            client.transport.abort()
        finally:
            self._open.discard(client)

    async def _pump(self, source: Any, sink: Any, rule: Callable[[], Rule]) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for text in source:
                frame = json.loads(text)
                if (seconds := self.delay(frame)) > 0:
                    asyncio.get_running_loop().call_later(seconds, lambda t=text: asyncio.ensure_future(sink.send(t)))
                    continue
                for one in rule()(frame, text):
                    await sink.send(one)

    def inject(self, text: str) -> None:
        """Send a text of one's own to us on every connection."""
        for client in list(self._open):
            asyncio.run_coroutine_threadsafe(client.send(text), self._loop).result(5)

    def cut(self) -> None:
        """Break every connection without a close frame."""
        for client in list(self._open):
            self._loop.call_soon_threadsafe(client.transport.abort)

    def away(self, gone: bool) -> None:
        """Be unreachable, or be there again."""
        self._away = gone
        if gone:
            self.cut()

    def stop(self) -> None:
        """End it."""
        self._loop.call_soon_threadsafe(self._stop.set)
