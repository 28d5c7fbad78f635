"""One gateway a test session, since it takes its time to start; servers of ours that live on it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest

from api.gateway.errors import GatewayError
from tests.support.openclaw import TOKEN, Gateway, running
from tests.support.world import World

LIFECYCLES = "SELECT text, state, data FROM jobs WHERE kind = 'lifecycle' ORDER BY seq"


@pytest.fixture(scope="session")
def openclaw() -> Iterator[Gateway]:
    """A real gateway."""
    with running() as found:
        yield found


def wait_for(what: Callable[[], Any], seconds: float = 60, every: float = 0.2) -> Any:
    """The first true answer; fails after the time."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(every)
    return found


class Home:
    """A server of ours with a registered gateway."""

    def __init__(self, world: World, gateway: Gateway) -> None:
        self.world, self.gateway = world, gateway
        draft = {"name": "Home", "url": gateway.url, "token": TOKEN, "workspace_root": str(gateway.workspaces)}
        self.registered = world.ok("POST", "/gateways", json=draft)
        self.id: str = self.registered["id"]

    @classmethod
    def known(cls, world: World, gateway: Gateway, registered: dict[str, Any]) -> Home:
        """One that is registered already."""
        found = cls.__new__(cls)
        found.world, found.gateway, found.registered, found.id = world, gateway, registered, registered["id"]
        return found

    def settled(self, seconds: float = 90) -> list[Any]:
        """Wait until no lifecycle is open; their rows."""

        def done() -> list[Any] | None:
            rows = self.world.sql(LIFECYCLES)
            assert "failed" not in {row["state"] for row in rows}, [dict(row) for row in rows]
            return rows if {row["state"] for row in rows} <= {"done"} else None

        found: list[Any] = wait_for(done, seconds)
        return found

    def ask(self, method: str, **params: Any) -> Any:
        """Ask the gateway over our one connection; again while it restarts, as old ones do after changes."""
        links = self.world.services.gateways
        assert links is not None
        for attempt in range(30):
            try:
                return self.world.server.run(links.call(UUID(self.id), method, params, seconds=30))
            except GatewayError as error:
                if not error.transient or attempt == 29:
                    raise
                time.sleep(1)
        raise AssertionError

    def file(self, key: str, name: str) -> str:
        """A workspace file as the gateway has it."""
        return str(self.ask("agents.files.get", agentId=key, name=name)["file"].get("content", ""))

    def entries(self) -> dict[str, Any]:
        """The agents in the gateway's configuration, which has had two forms."""
        agents = self.ask("config.get")["config"]["agents"]
        found: dict[str, Any] = agents.get("entries") or {entry["id"]: entry for entry in agents.get("list", [])}
        return found

    def said(self, key: str) -> str:
        """What an agent's files say of its work and its connection."""
        names = ("AGENTS.md", "TOOLS.md") if self.gateway.protocol == 3 else ("AGENTS.md",)
        return "\n".join(self.file(key, name) for name in names)

    def token(self, key: str) -> str:
        """The token in an agent's files."""
        found = re.search(r"AUTH_TOKEN=(\S+)`", self.said(key))
        assert found is not None
        return found[1]

    def handshakes(self) -> int:
        """How often hands were shaken."""
        return int(self.world.sql("SELECT handshakes FROM gateway_links")[0]["handshakes"])


@pytest.fixture
def home(world: World, openclaw: Gateway) -> Home:
    """The module's server, registered on the gateway once."""
    rows = world.ok("GET", "/gateways")["items"]
    return Home.known(world, openclaw, rows[0]) if rows else Home(world, openclaw)


def tool_call(name: str, **arguments: Any) -> list[tuple[dict[str, Any], str | None]]:
    """A completion in which the model calls a tool."""
    function = {"name": name, "arguments": json.dumps(arguments)}
    call = {"index": 0, "id": f"call_{time.monotonic_ns()}", "type": "function", "function": function}
    return [({"role": "assistant", "content": None, "tool_calls": [call]}, None), ({}, "tool_calls")]


def says(text: str) -> list[tuple[dict[str, Any], str | None]]:
    """A completion of words."""
    return [({"role": "assistant", "content": ""}, None), ({"content": text}, None), ({}, "stop")]
