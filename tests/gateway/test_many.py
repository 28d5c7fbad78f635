"""Ten agents at once, over one connection; beside it the same with a connection a call."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

from api.gateway.connection import Connection, Target
from api.gateway.errors import GatewayError
from api.gateway.identity import DeviceIdentity
from api.gateway.provisioning import workspace
from api.gateway.provisioning.files import AgentKind
from api.gateway.provisioning.workspace import Heartbeats, Options, Workspace
from tests.gateway.conftest import Home, says
from tests.support.fault_proxy import FaultProxy
from tests.support.openclaw import TOKEN, Gateway
from tests.support.world import World

AGENTS = 10


def test_ten_agents_are_made_over_one_connection(
    world: World, openclaw: Gateway, tmp_path: Path, record_property: Any
) -> None:
    openclaw.model.answer = lambda _: says("Ready.")
    proxy = FaultProxy(openclaw.url)
    try:
        draft = {"name": "Ten", "url": proxy.url, "token": TOKEN, "workspace_root": str(openclaw.workspaces)}
        home = Home.known(world, openclaw, world.ok("POST", "/gateways", json=draft))
        home.settled()
        board = world.board(gateway_id=home.id, max_agents=AGENTS)
        connections = proxy.accepted
        # One for the check before it was registered, one that stays.
        assert connections == 2

        started = time.monotonic()
        agents = [world.agent(board, f"Ten{number}") for number in range(AGENTS)]
        home.settled(180)
        ours = time.monotonic() - started
        entries = home.entries()
        assert {f"mc-{agent.id}" for agent in agents} <= set(entries)
        assert all(entries[f"mc-{agent.id}"]["heartbeat"] == {"every": "10m", "target": "none"} for agent in agents)
        assert proxy.accepted == connections and home.handshakes() == 1
        one_by_one, shaken = asyncio.run(_a_connection_a_call(proxy.url, tmp_path, home, str(agents[0].id)))
    finally:
        proxy.stop()
    assert shaken > 50
    figures = {"one_connection_s": round(ours, 1), "a_handshake_a_call_s": round(one_by_one, 1), "handshakes": shaken}
    record_property("figures", figures)
    print(f"{AGENTS} agents: {json.dumps(figures)}, ratio {one_by_one / ours:.2f}")


class PerCall:
    """Answers like a connection and opens one for every call, tried again when the gateway has too many."""

    def __init__(self, target: Target, identity: DeviceIdentity, dialect: Any) -> None:
        self.target, self.identity, self.dialect = target, identity, dialect
        self.handshakes = 0

    async def call(self, method: str, params: dict[str, Any] | None = None, *, seconds: float = 30) -> Any:
        for attempt in range(10):
            try:
                opened = await Connection.open(self.target, self.identity)
            except GatewayError as error:
                if not error.transient or attempt == 9:
                    raise
                await asyncio.sleep(0.5)
                continue
            self.handshakes += 1
            try:
                return await opened.call(method, params, seconds=max(seconds, 120))
            finally:
                await opened.close()
        raise AssertionError


async def _a_connection_a_call(url: str, folder: Path, home: Home, example: str) -> tuple[float, int]:
    """Make as many agents with the same steps and files; seconds, and how often hands were shaken."""
    target, identity = Target(url, TOKEN), DeviceIdentity.load(folder / "device.json")
    opened = await Connection.open(target, identity)
    files = {
        name: (await opened.call("agents.files.get", {"agentId": f"mc-{example}", "name": name}))["file"]["content"]
        for name in ("AGENTS.md", "SOUL.md", "USER.md", "MEMORY.md", "IDENTITY.md")
    }
    per_call: Any = PerCall(target, identity, opened.dialect)
    await opened.close()
    heartbeats = Heartbeats(per_call)
    started = time.monotonic()

    async def one() -> None:
        key = f"mc-{uuid4()}"
        session = f"agent:{key}:main"
        place = Workspace.place(str(home.gateway.workspaces), AgentKind.WORKER, key)
        wanted = Workspace(AgentKind.WORKER, key, session, key, place, files, {"every": "10m"})
        await workspace.write(per_call, wanted, Options(provision=True, reset_session=True), heartbeats)
        await per_call.call("sessions.patch", {"key": session, "label": key})
        wake = {"sessionKey": session, "message": "Hello.", "idempotencyKey": str(uuid4()), "deliver": True}
        await per_call.call("chat.send", wake, seconds=60)

    await asyncio.gather(*(one() for _ in range(AGENTS)))
    return time.monotonic() - started, per_call.handshakes
