"""A tab of a browser client of `/api/v1`, on a page of ours that is served on another origin."""

from __future__ import annotations

import functools
import re
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.world import World


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


PAGES = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(Path(__file__).parent / "page")))
threading.Thread(target=PAGES.serve_forever, daemon=True).start()
ORIGIN = f"http://127.0.0.1:{PAGES.server_address[1]}"
SEEN: set[str] = set()
PROBLEMS: list[str] = []


def template(method: str, url: str) -> str:
    path = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "{id}", url.partition("?")[0].partition("/api/v1")[2] or "/healthz")
    return f"{method} {path}"


class Window:
    """A tab of the client, signed in; `js` runs in it."""

    def __init__(self, chromium: Any, world: World, token: str | None = None) -> None:
        self.world = world
        self.page = chromium.new_context().new_page()
        self.page.on("request", self._asked)
        self.page.on("pageerror", lambda error: PROBLEMS.append(str(error)))
        # A refused call is one line of the browser's; refusals are asked for here.
        self.page.on("console", lambda said: PROBLEMS.append(said.text)
                     if said.type == "error" and "Failed to load" not in said.text else None)  # fmt: skip
        self.page.goto(f"{ORIGIN}/index.html?api={world.server.url}")
        if token is not None:
            self.page.evaluate("t => sessionStorage.setItem('mc_local_auth_token', t)", token)
            self.page.reload()
            self.shell = self.js("window.ready")

    def _asked(self, request: Any) -> None:
        if "/api/v1" in request.url or request.url.endswith("/healthz"):
            SEEN.add(template(request.method, request.url))
        elif not request.url.startswith(ORIGIN):
            PROBLEMS.append(f"left for {request.url}")

    def js(self, code: str, **values: Any) -> Any:
        return self.page.evaluate(f"async v => await ({code})", values)

    def get(self, path: str) -> Any:
        return self.js("query(v.path)", path=path)

    def send(self, method: str, path: str, body: Any = None) -> Any:
        code = "send(v.method, v.path, v.body)" if body is not None else "send(v.method, v.path)"
        return self.js(code, method=method, path=path, body=body)

    def attempt(self, method: str, path: str, body: Any = None) -> Any:
        return self.js("attempt(v.method, v.path, v.body ?? undefined)", method=method, path=path, body=body)

    def shows(self, where: str, text: str, times: int = 1) -> None:
        """The text stands in a section, so many times, within a few seconds."""
        self.page.wait_for_function(
            "([id, text, times]) => document.getElementById(id).innerText.split(text).length - 1 === times",
            arg=[where, text, times], timeout=8000,
        )  # fmt: skip
