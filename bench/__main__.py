"""`make bench`: our endpoints against a bare Starlette + asyncpg endpoint that returns the same bytes, in one run.

Rounds of both alternate, so that what else the machine does hits both; printed are medians and their ratio.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.domain.database import asyncpg_arguments
from api.logs import configure_logging
from tests.support.databases import Databases
from tests.support.server import RunningServer, settings_for
from tests.support.world import World

ROUNDS, REQUESTS, TASKS = 7, 40, 200


class Bare:
    """One query and the bytes of an answer of ours, without any of what makes the answer right."""

    def __init__(self, url: str, port: int) -> None:
        self.bodies: dict[str, bytes] = {}
        self.statements: dict[str, str] = {}
        self.url = f"http://127.0.0.1:{port}"

        async def answer(request: Request) -> Response:
            name = request.path_params["name"]
            if not hasattr(self, "pool"):
                self.pool = await asyncpg.create_pool(**asyncpg_arguments(url), min_size=2, max_size=10)
            async with self.pool.acquire() as connection:
                await connection.fetch(self.statements[name])
            return Response(self.bodies[name], media_type="application/json")

        app = Starlette(routes=[Route("/{name}", answer, methods=["GET", "POST", "PATCH"])])
        config = uvicorn.Config(app, port=port, log_config=None, access_log=False)
        threading.Thread(target=uvicorn.Server(config).run, daemon=True).start()
        time.sleep(0.7)


def milliseconds(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    for _ in range(REQUESTS):
        call()
    return (time.perf_counter() - started) / REQUESTS * 1000


def main() -> int:
    """Measure and print; returns the exit code."""
    databases = Databases()
    folder = Path(tempfile.mkdtemp(prefix="mission-control-bench-"))
    settings = settings_for(folder)
    configure_logging(settings)
    server = RunningServer(databases.clone(), settings).start()
    world = World(server)
    world.me()
    board, _, worker = world.team(max_agents=500)
    tasks = [world.task(board, title=f"Task {number}")["id"] for number in range(TASKS)]
    bare = Bare(server.database_url, server.port + 1 if server.port < 65000 else server.port - 1)
    http = httpx.Client(timeout=30)
    listing = f"SELECT * FROM tasks WHERE board_id = '{board['id']}' ORDER BY created_at DESC LIMIT 200"
    one = f"SELECT * FROM tasks WHERE id = '{tasks[0]}'"
    toggle = iter(range(10**9))
    status = ("in_progress", "inbox")
    cases: list[tuple[str, str, Callable[[], httpx.Response]]] = [
        ("list of 200 tasks", listing, lambda: world.rest("GET", f"/boards/{board['id']}/tasks")),
        ("create a task", one, lambda: world.rest("POST", f"/boards/{board['id']}/tasks", json={"title": "n"})),
        ("change a status", one, lambda: world.rest(
            "PATCH", f"/boards/{board['id']}/tasks/{tasks[0]}", json={"status": status[next(toggle) % 2]})),
        ("agent heartbeat", one, lambda: world.rest("POST", "/agent/heartbeat", worker.token)),
    ]  # fmt: skip
    for count in (2, 20, 200):
        path = f"/agent/boards/{board['id']}/tasks?limit=20"
        cases.append(
            (f"agent task list, {count} agents", listing, lambda path=path: world.rest("GET", path, worker.token))
        )
    print(f"{'':32}{'bare ms':>10}{'ours ms':>10}{'ratio':>8}")
    agents = 2
    for number, (name, statement, call) in enumerate(cases):
        wanted = int(name.split()[-2]) if name.endswith("agents") else 0
        while agents < wanted:
            agents += 1
            world.agent(board, f"A{agents}")
        sample = call()
        assert sample.status_code == 200, sample.text
        key = f"case{number}"
        bare.bodies[key], bare.statements[key] = sample.content, statement

        def compare(key: str = key) -> httpx.Response:
            return http.get(f"{bare.url}/{key}")

        ours, theirs = [], []
        for _ in range(ROUNDS):
            theirs.append(milliseconds(compare))
            ours.append(milliseconds(call))
        a, b = statistics.median(theirs), statistics.median(ours)
        print(f"{name:32}{a:10.2f}{b:10.2f}{b / a:8.1f}")
    server.stop()
    asyncio.run(asyncio.sleep(0))
    databases.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
