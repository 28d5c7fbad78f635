"""A real server on a loopback port, in a thread of the test process."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import httpx
import uvicorn

from api.app import Application, create_app
from api.server import Server
from api.settings import Settings, load_settings

T = TypeVar("T")
TOKEN = "local-token-for-tests-" + "x" * 40


def settings_for(folder: Path, **overrides: Any) -> Settings:
    """Settings of a test server; sweeps only run when a test asks for them."""
    values = {
        "data": str(folder),
        "local_auth_token": TOKEN,
        "sweep_seconds": 3600,
        "log_level": "CRITICAL",
        **overrides,
    }
    return load_settings(**values)


class RunningServer:
    """The application behind a real socket; `run` executes a coroutine in the server's event loop."""

    def __init__(self, database_url: str, settings: Settings) -> None:
        self.database_url = database_url
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.settings = settings = settings.model_copy(update={"port": self.port})
        self.application: Application = create_app(settings, database_url)
        self.url = f"http://127.0.0.1:{self.port}"
        config = uvicorn.Config(
            self.application, host="127.0.0.1", port=self.port, log_config=None, access_log=False,
            server_header=False, ws="websockets-sansio", ws_max_size=settings.max_body_bytes, proxy_headers=False,
            timeout_graceful_shutdown=5,
        )  # fmt: skip
        self.server = Server(config, self.application)
        self.loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self) -> None:
        with asyncio.Runner() as runner:
            self.loop = runner.get_loop()
            # Signals belong to the test process.
            self.server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
            runner.run(self.server._serve())

    def start(self) -> RunningServer:
        """Start and wait until it answers."""
        self._thread.start()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.url}/readyz").status_code == 200:
                    return self
            except httpx.HTTPError:
                time.sleep(0.02)
        raise RuntimeError("the test server did not start")

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the server's loop and wait for its result."""
        assert self.loop is not None
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def stop(self) -> None:
        """Stop as a signal would."""
        self.server.should_exit = True
        self._thread.join(20)
