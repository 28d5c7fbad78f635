"""Making an agent at a gateway, step by step."""

from __future__ import annotations

import hashlib
import json
import stat
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from api.gateway.connection import Connection, Target
from api.gateway.errors import GatewayError, Kind
from api.gateway.identity import DeviceIdentity
from api.gateway.provisioning import workspace
from api.gateway.provisioning.files import AgentKind
from api.gateway.provisioning.workspace import Heartbeats, Options, Workspace
from tests.support.fake_gateway import FakeGateway, Refusal

pytestmark = pytest.mark.anyio
WANTED = Workspace(
    AgentKind.WORKER, "mc-1", "agent:mc-1:main", "One", "/w/mc-1", {"AGENTS.md": "rules"}, {"every": "5m"}
)  # fmt: skip


@pytest.fixture
def fake() -> Iterator[FakeGateway]:
    found = FakeGateway()
    yield found
    found.stop()


@pytest.fixture
async def connection(fake: FakeGateway, tmp_path: Path) -> AsyncIterator[Connection]:
    opened = await Connection.open(Target(fake.url, "t"), DeviceIdentity.load(tmp_path / "device.json"))
    yield opened
    await opened.close()


@pytest.mark.acceptance("gateway-rpc-client.13")
async def test_an_agent_that_was_just_made_is_waited_for(fake: FakeGateway, connection: Connection) -> None:
    usual, tries = fake._on_agents_update, []

    def later(params: dict[str, Any]) -> Any:
        tries.append(params)
        if len(tries) < 3:
            raise Refusal('agent "mc-1" not found')
        return usual(params)

    fake.instead["agents.update"] = later
    await workspace.write(connection, WANTED, Options(provision=True), Heartbeats(connection))
    assert len(tries) == 3 and fake.agents["mc-1"] == {"name": "One", "workspace": "/w/mc-1"}
    assert fake.files["mc-1"]["AGENTS.md"] == "rules"


@pytest.mark.acceptance("gateway-rpc-client.12")
async def test_one_that_is_there_and_cannot_be_found_is_an_error_at_once(
    fake: FakeGateway, connection: Connection
) -> None:
    fake.refuse("agents.create", 'agent "mc-1" already exists')
    fake.refuse("agents.update", 'agent "mc-1" not found')
    started = time.monotonic()
    with pytest.raises(GatewayError, match="not found"):
        await workspace.write(connection, WANTED, Options(), Heartbeats(connection))
    assert time.monotonic() - started < 2 and len(fake.params("agents.update")) == 1


async def test_what_is_as_it_should_be_is_not_changed(fake: FakeGateway, connection: Connection) -> None:
    heartbeats = Heartbeats(connection)
    for _ in range(2):
        await workspace.write(connection, WANTED, Options(), heartbeats)
    counts = [len(fake.params(method)) for method in ("agents.create", "agents.update", "config.patch")]
    assert counts == [1, 1, 1]


@pytest.mark.acceptance("gateway-rpc-client.10")
async def test_a_call_that_is_not_answered_ends_in_its_time(fake: FakeGateway, connection: Connection) -> None:
    fake.through = lambda _: []
    started = time.monotonic()
    with pytest.raises(GatewayError, match="health") as late:
        await connection.call("health", seconds=0.5)
    assert late.value.kind is Kind.TIMEOUT and time.monotonic() - started < 3


@pytest.mark.acceptance("gateway-rpc-client.7")
async def test_the_identity_stays_and_is_named_by_its_key(tmp_path: Path) -> None:
    path = tmp_path / "device.json"
    first, second = DeviceIdentity.load(path), DeviceIdentity.load(path)
    assert first.device_id == second.device_id == hashlib.sha256(first.public).hexdigest()
    assert json.loads(path.read_text())["deviceId"] == first.device_id
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
