"""`make bench`: our endpoints against a bare Starlette + asyncpg endpoint that returns the same bytes, in one run.

Rounds of both alternate, so that what else the machine does hits both; printed are medians and their ratio. With
`--against URL --token TOKEN [--agent-token TOKEN --board ID]` the same load goes to that server in the same rounds, as
a third column. Its board must be one for throwing away.
"""

from __future__ import annotations

import argparse
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
from bench.load import AGENTS, Target
from tests.support.databases import Databases
from tests.support.server import RunningServer, settings_for
from tests.support.world import World

ROUNDS, REQUESTS = 7, 40


class Bare:
    """One query and the bytes of an answer of ours, without any of what makes the answer right."""

    def __init__(self, url: str, port: int) -> None:
        self.bodies: dict[str, bytes] = {}
        self.statements: dict[str, str] = {}
        self.url = f"http://127.0.0.1:{port}"
        self.http = httpx.Client(timeout=30)

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

    def case(self, name: str, statement: str, body: bytes) -> Callable[[], httpx.Response]:
        """An endpoint that runs the statement and answers the bytes."""
        self.statements[name], self.bodies[name] = statement, body
        return lambda: self.http.get(f"{self.url}/{name}")


def milliseconds(call: Callable[[], Any]) -> float:
    """The mean of a round's requests."""
    started = time.perf_counter()
    for _ in range(REQUESTS):
        call()
    return (time.perf_counter() - started) / REQUESTS * 1000


def main() -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    for name in ("--against", "--token", "--agent-token", "--board", "--gateway"):
        parser.add_argument(name, default="")
    arguments = parser.parse_args()
    other = None
    if arguments.against:
        other = Target(arguments.against, arguments.token, arguments.agent_token, arguments.board)
        other.prepare(arguments.gateway or None)
    databases = Databases()
    settings = settings_for(Path(tempfile.mkdtemp(prefix="mission-control-bench-")))
    configure_logging(settings)
    server = RunningServer(databases.clone(), settings).start()
    try:
        _measure(server, other)
    finally:
        server.stop()
        databases.stop()
    return 0


def _measure(server: RunningServer, other: Target | None) -> None:
    world = World(server)
    world.me()
    board = world.board(max_agents=500)
    ours = Target(server.url, world.token, world.agent(board, "A1").token, board["id"])
    ours.prepare()
    bare = Bare(server.database_url, server.port + 1 if server.port < 65000 else server.port - 1)
    many = f"SELECT * FROM tasks WHERE board_id = '{board['id']}' ORDER BY created_at DESC LIMIT 200"
    one = f"SELECT * FROM tasks WHERE id = '{ours.task_ids[0]}'"
    theirs = other.cases() if other else {}
    agents = 1
    print(f"{'':32}{'bare ms':>10}{'ours ms':>10}{'ratio':>8}" + (f"{'theirs':>10}{'to ours':>9}" if other else ""))
    for number, (name, call) in enumerate(ours.cases().items()):
        wanted = max((count for count in AGENTS if name.endswith(f" {count} agents")), default=agents)
        while agents < wanted:
            agents += 1
            world.agent(board, f"A{agents}")
        statement = many if "list" in name or "snapshot" in name else one
        calls = [bare.case(f"case{number}", statement, call().content), call]
        calls += [theirs[name]] if name in theirs else []
        rounds = [[milliseconds(each) for each in calls] for _ in range(ROUNDS)]
        medians = [statistics.median(column) for column in zip(*rounds, strict=True)]
        line = f"{name:32}{medians[0]:10.2f}{medians[1]:10.2f}{medians[1] / medians[0]:8.1f}"
        print(line + (f"{medians[2]:10.2f}{medians[2] / medians[1]:9.1f}" if len(medians) == 3 else ""))


if __name__ == "__main__":
    sys.exit(main())
