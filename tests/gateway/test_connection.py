"""One connection to the real gateway: many calls at once, events, and refusals that say what to do."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from api.gateway.connection import Connection, Target
from api.gateway.errors import GatewayError, Kind
from api.gateway.identity import DamagedIdentity, DeviceIdentity
from api.gateway.protocol import Event
from tests.support.openclaw import TOKEN, Gateway, free_port

pytestmark = pytest.mark.anyio


@pytest.fixture
def identity(tmp_path: Path) -> DeviceIdentity:
    return DeviceIdentity.load(tmp_path / "device.json")


async def opened(openclaw: Gateway, identity: DeviceIdentity) -> Connection:
    """A connection; a gateway that is busy may end the first attempt, which is to be tried again."""
    for attempt in range(5):
        try:
            return await Connection.open(Target(openclaw.url, TOKEN), identity)
        except GatewayError as error:
            if not error.transient or attempt == 4:
                raise
            await asyncio.sleep(1)
    raise AssertionError


async def test_it_lets_us_in_with_every_scope(openclaw: Gateway, identity: DeviceIdentity) -> None:
    connection = await opened(openclaw, identity)
    try:
        assert connection.hello.protocol == openclaw.protocol and connection.hello.server.version
        assert {"operator.admin", "operator.write"} <= set(connection.hello.auth.scopes or ())
        assert (await connection.call("health"))["ok"] is True
    finally:
        await connection.close()


async def test_answers_find_their_questions(openclaw: Gateway, identity: DeviceIdentity) -> None:
    connection = await opened(openclaw, identity)
    try:
        keys = [f"agent:main:answers-{number}" for number in range(150)]
        patched = await asyncio.gather(*(connection.call("sessions.patch", {"key": key}, seconds=60) for key in keys))
        assert [one["key"] for one in patched] == keys
        with pytest.raises(GatewayError) as unknown:
            await connection.call("no.such.method")
        assert unknown.value.kind is Kind.REJECTED and "no.such.method" in str(unknown.value)
    finally:
        await connection.close()
    with pytest.raises(GatewayError) as ended:
        await connection.call("health")
    assert ended.value.kind is Kind.UNREACHABLE and ended.value.sent is False


async def test_a_turn_is_followed_by_its_events(openclaw: Gateway, identity: DeviceIdentity) -> None:
    connection = await opened(openclaw, identity)
    events = connection.events()

    async def until_final() -> dict[str, Any]:
        async for event in events:
            if isinstance(event, Event) and event.event == "chat" and event.payload.get("state") == "final":
                return dict(event.payload)
        raise AssertionError("the connection ended first")

    try:
        following = asyncio.create_task(until_final())
        await asyncio.sleep(0)
        message = {"sessionKey": "agent:main:main", "message": "hello", "idempotencyKey": "turn-1"}
        assert (await connection.call("chat.send", message))["status"] == "started"
        final = await asyncio.wait_for(following, 60)
        assert final["message"]["content"][0]["text"] == "Fixed reply."
        assert (await connection.call("chat.send", message))["status"] in ("ok", "in_flight")
        history = await connection.call("chat.history", {"sessionKey": "agent:main:main"})
        sent = [one for one in history["messages"] if one["role"] == "user"]
        assert len(sent) == 1, "the same key is the same message"
    finally:
        await connection.close()


async def test_refusals_say_what_to_do(openclaw: Gateway, identity: DeviceIdentity) -> None:
    cases = [
        (Target(openclaw.url, "wrong"), identity, Kind.AUTH, "openclaw dashboard --json --no-open"),
        (Target(openclaw.url), None, Kind.AUTH, "openclaw dashboard --json --no-open"),
        (Target(f"ws://127.0.0.1:{free_port()}"), identity, Kind.UNREACHABLE, "connection refused"),
        (Target("http://127.0.0.1:1"), identity, Kind.UNREACHABLE, "ws://"),
        (Target(openclaw.url.replace("ws://", "wss://"), TOKEN), identity, Kind.TLS, "allow_insecure_tls"),
    ]
    for target, who, kind, words in cases:
        with pytest.raises(GatewayError) as refused:
            await Connection.open(target, who)
        assert refused.value.kind is kind and words in str(refused.value), str(refused.value)
        assert TOKEN not in str(refused.value)


async def test_a_gateway_that_says_nothing_is_given_up(identity: DeviceIdentity, monkeypatch: Any) -> None:
    monkeypatch.setattr("api.gateway.connection.HANDSHAKE_SECONDS", 3.0)
    monkeypatch.setattr("api.gateway.connection.CHALLENGE_SECONDS", 0.2)
    from websockets.asyncio.server import serve

    async def silent(socket: Any) -> None:
        await socket.wait_closed()

    async with serve(silent, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        with pytest.raises(GatewayError) as refused:
            await Connection.open(Target(f"ws://127.0.0.1:{port}", "t"), identity)
    assert refused.value.kind is Kind.TIMEOUT


async def test_the_identity_is_made_once_and_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "identity" / "device.json"
    made = await asyncio.gather(*(asyncio.to_thread(DeviceIdentity.load, path) for _ in range(8)))
    assert len({one.device_id for one in made}) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    kept = json.loads(path.read_text())
    assert kept["deviceId"] == made[0].device_id and kept["version"] == 1
    path.write_text("{}")
    with pytest.raises(DamagedIdentity, match="backup"):
        DeviceIdentity.load(path)
    assert path.read_text() == "{}"
