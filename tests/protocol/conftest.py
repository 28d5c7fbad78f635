"""A server of ours with a gateway in memory, for what a real gateway does not do on demand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from tests.gateway.conftest import wait_for
from tests.support.fake_gateway import FakeGateway
from tests.support.world import World


class Place:
    """A registered gateway and what one asks of it."""

    def __init__(self, world: World, fake: FakeGateway) -> None:
        self.world, self.fake = world, fake
        draft = {"name": "Home", "url": fake.url, "token": "tok", "workspace_root": "/w"}
        self.gateway = world.ok("POST", "/gateways", json=draft)
        self.id: str = self.gateway["id"]
        self.settled()

    def settled(self, *, failed: bool = False, seconds: float = 20) -> None:
        """Wait until no job of the gateway is open; `failed` lets given-up ones pass."""

        def done() -> bool:
            rows = self.world.sql(
                "SELECT state, text, data FROM jobs WHERE kind <> 'gateway.call' AND state NOT IN ('done')"
            )
            states = {row["state"] for row in rows}
            assert failed or "failed" not in states, [dict(row) for row in rows]
            return states <= {"failed"}

        wait_for(done, seconds, 0.02)

    def agent(self, board: dict[str, Any], name: str, *, lead: bool = False) -> str:
        """An agent whose workspace is there; its id."""
        found = self.world.agent(board, name, lead=lead).id
        self.settled()
        return str(found)

    def key(self, agent_id: str) -> str:
        """An agent's id at the gateway."""
        return self.session(agent_id).split(":")[1]

    def session(self, agent_id: str) -> str:
        """An agent's session key."""
        row = self.world.sql("SELECT openclaw_session_id FROM agents WHERE id = $1", UUID(agent_id))[0]
        return str(row["openclaw_session_id"])

    def token(self, agent_id: str) -> str:
        """The token in an agent's files."""
        found = re.search(r"AUTH_TOKEN=(\S+?)`", self.fake.files[self.key(agent_id)]["AGENTS.md"])
        assert found is not None
        return found[1]

    def activity(self) -> list[tuple[str, str]]:
        """Event type and message of every activity, oldest first."""
        rows = self.world.sql("SELECT event_type, message FROM activity_events ORDER BY created_at")
        return [(row["event_type"], row["message"]) for row in rows]

    def main(self) -> str:
        """The gateway's main agent."""
        return str(
            self.world.sql("SELECT id FROM agents WHERE board_id IS NULL AND gateway_id = $1", UUID(self.id))[0][0]
        )


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeGateway]:
    found = FakeGateway()
    yield found
    found.stop()


@pytest.fixture(scope="module")
def home(world: World, fake: FakeGateway) -> Place:
    return Place(world, fake)


@pytest.fixture(autouse=True)
def _willing(request: Any) -> Iterator[None]:
    """Each test leaves a gateway that refuses nothing."""
    fake = request.getfixturevalue("fake") if "fake" in request.fixturenames else None
    yield
    if fake is not None:
        fake.instead.clear()
        fake.through = lambda text: [text]
