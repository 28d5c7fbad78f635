"""What a gateway does wrong: what people see of it, and that nothing is lost."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from api.gateway.errors import GatewayError
from tests.gateway.conftest import says, wait_for
from tests.support.fault_proxy import FaultProxy, untouched
from tests.support.openclaw import TOKEN, Gateway
from tests.support.world import World


@pytest.fixture(scope="module")
def proxy(openclaw: Gateway) -> Iterator[FaultProxy]:
    found = FaultProxy(openclaw.url)
    yield found
    found.stop()


@pytest.fixture(autouse=True)
def _healthy(proxy: FaultProxy, openclaw: Gateway) -> None:
    proxy.to_us = proxy.to_gateway = untouched
    proxy.delay = lambda _: 0.0
    proxy.away(False)
    openclaw.model.answer = lambda _: says("Ready.")


@pytest.fixture(scope="module")
def place(world: World, proxy: FaultProxy, openclaw: Gateway) -> dict[str, Any]:
    """A gateway behind the proxy, with a board and an agent whose session is awake."""
    draft = {"name": "Faulty", "url": proxy.url, "token": TOKEN, "workspace_root": str(openclaw.workspaces)}
    gateway = world.ok("POST", "/gateways", json=draft)
    board = world.board(gateway_id=gateway["id"], max_agents=20)
    agent = world.agent(board, "Target")
    found = {"gateway": gateway, "board": board, "agent": agent, "session": f"agent:mc-{agent.id}:main"}
    wait_for(lambda: world.sql("SELECT 1 FROM jobs WHERE kind = 'lifecycle' AND state <> 'done'") == [], 90)
    return found


def status(world: World, place: dict[str, Any]) -> dict[str, Any]:
    query = "query($id: ID!) { gateway(id: $id) { status { state error errorCode version handshakes } } }"
    found: dict[str, Any] = world.gql(query, id=place["gateway"]["id"])["gateway"]["status"]
    return found


def tell(world: World, place: dict[str, Any], text: str) -> None:
    """A chat message for the agent, which becomes a job."""
    mention = {"content": f"@target {text}", "tags": ["chat"]}
    world.ok("POST", f"/boards/{place['board']['id']}/memory", json=mention)


def times_heard(world: World, place: dict[str, Any], text: str) -> int | None:
    """How often the agent's session has the text; None while the gateway cannot be asked."""
    links = world.services.gateways
    assert links is not None
    call = links.call(UUID(place["gateway"]["id"]), "chat.history", {"sessionKey": place["session"], "limit": 500})
    try:
        messages = world.server.run(call)["messages"]
    except GatewayError:
        return None
    return sum(text in json.dumps(one) for one in messages if one["role"] == "user")


def heard_once(world: World, place: dict[str, Any], text: str) -> None:
    wait_for(lambda: times_heard(world, place, text), 90)
    wait_for(lambda: world.sql("SELECT 1 FROM jobs WHERE text LIKE $1 AND state <> 'done'", f"%{text}%") == [], 60)
    assert wait_for(lambda: times_heard(world, place, text), 30) == 1


def test_a_gateway_that_is_not_there_is_not_registered(world: World) -> None:
    draft = {"name": "Nowhere", "url": "ws://127.0.0.1:9", "workspace_root": "/w", "token": "t"}
    before = world.ok("GET", "/gateways")["total"]
    answer = world.rest("POST", "/gateways", json=draft)
    assert (answer.status_code, answer.json()["code"]) == (502, "GATEWAY_UNREACHABLE")
    assert world.ok("GET", "/gateways")["total"] == before
    found = world.ok("GET", "/gateways/status?gateway_url=ws://127.0.0.1:9")
    assert found["connected"] is False and "refused" in found["error"]


def test_messages_wait_for_a_gateway_that_is_away(
    world: World, place: dict[str, Any], proxy: FaultProxy, openclaw: Gateway
) -> None:
    proxy.away(True)
    wait_for(lambda: status(world, place)["state"] == "failed", 30)
    assert status(world, place)["errorCode"] == "GATEWAY_UNREACHABLE"
    for number in range(3):
        tell(world, place, f"while-away-{number}")
    time.sleep(1)
    proxy.away(False)
    for number in range(3):
        heard_once(world, place, f"while-away-{number}")
    assert status(world, place)["state"] == "connected" and status(world, place)["error"] is None


def test_a_connection_that_breaks_in_the_middle_of_a_message_delivers_it_once(
    world: World, place: dict[str, Any], proxy: FaultProxy, openclaw: Gateway
) -> None:
    broken = threading.Event()

    def lose_the_answer(frame: dict[str, Any], text: str) -> list[str]:
        if frame.get("method") == "chat.send" and not broken.is_set():
            broken.set()
            threading.Timer(0.3, proxy.cut).start()
        return [text]

    proxy.to_gateway = lose_the_answer
    proxy.to_us = lambda frame, text: [] if broken.is_set() and (frame.get("payload") or {}) == {} else [text]
    tell(world, place, "answer-lost")
    wait_for(broken.is_set, 30)
    proxy.to_us = untouched
    heard_once(world, place, "answer-lost")


def test_provisioning_goes_on_after_a_break(
    world: World, place: dict[str, Any], proxy: FaultProxy, openclaw: Gateway
) -> None:
    breaks = iter(range(3))

    def cut_at_files(frame: dict[str, Any], text: str) -> list[str]:
        if frame.get("method") == "agents.files.set" and next(breaks, None) is not None:
            proxy.cut()
            return []
        return [text]

    proxy.to_gateway = cut_at_files
    agent = world.agent(place["board"], "Broken")
    states = "SELECT DISTINCT state FROM jobs WHERE kind = 'lifecycle' AND agent_id = $1"
    wait_for(lambda: [row["state"] for row in world.sql(states, UUID(agent.id))] == ["done"], 90)
    links = world.services.gateways
    assert links is not None
    listing = world.server.run(
        links.call(UUID(place["gateway"]["id"]), "agents.files.list", {"agentId": f"mc-{agent.id}"})
    )
    written = {file["name"] for file in listing["files"] if not file["missing"]}
    assert {"AGENTS.md", "SOUL.md", "USER.md", "MEMORY.md"} <= written


def test_garbage_doubles_and_gaps_harm_nothing(
    world: World, place: dict[str, Any], proxy: FaultProxy, openclaw: Gateway
) -> None:
    hands = status(world, place)["handshakes"]
    for text in ("{", "[]", '{"type": "res"}', '{"type": "event"}', '"x"', '{"type":"res","id":"nobody","ok":true}'):
        proxy.inject(text)
    dropped: list[int] = []

    def twice_and_gaps(frame: dict[str, Any], text: str) -> list[str]:
        if frame.get("type") == "event" and frame.get("seq", 0) % 3 == 0:
            dropped.append(frame["seq"])
            return []
        return [text, text] if frame.get("type") == "res" else [text]

    proxy.to_us = twice_and_gaps
    tell(world, place, "through-the-noise")
    heard_once(world, place, "through-the-noise")
    assert dropped and status(world, place)["handshakes"] == hands


def test_one_slow_answer_holds_nobody_up(
    world: World, place: dict[str, Any], proxy: FaultProxy, openclaw: Gateway
) -> None:
    slow: set[str] = set()

    def note(frame: dict[str, Any], text: str) -> list[str]:
        if frame.get("method") == "sessions.list":
            slow.add(frame["id"])
        return [text]

    proxy.to_gateway = note
    proxy.delay = lambda frame: 30.0 if frame.get("type") == "res" and frame.get("id") in slow else 0.0
    started = time.monotonic()
    path = f"/gateways/sessions?board_id={place['board']['id']}"
    answer: list[Any] = []
    asking = threading.Thread(target=lambda: answer.append(World(world.server).rest("GET", path)))
    asking.start()
    wait_for(lambda: slow, 10)
    tell(world, place, "beside-the-slow-one")
    heard_once(world, place, "beside-the-slow-one")
    asking.join(30)
    assert answer[0].status_code == 502 and answer[0].json()["retryable"] is True
    assert "sessions.list" in answer[0].json()["detail"] and time.monotonic() - started < 40


def test_what_the_gateway_never_takes_is_put_aside_and_can_be_tried_again(
    world: World, place: dict[str, Any], proxy: FaultProxy, openclaw: Gateway
) -> None:
    def refuse(frame: dict[str, Any], text: str) -> list[str]:
        if frame.get("method") != "chat.send" or "refuse-me" not in text:
            return [text]
        answer = {"type": "res", "id": frame["id"], "ok": False, "error": {"code": "INVALID_REQUEST", "message": "no"}}
        proxy.inject(json.dumps(answer))
        return []

    def refuse_later(frame: dict[str, Any], text: str) -> list[str]:
        if frame.get("method") == "chat.send" and "refuse-me" in text:
            threading.Thread(target=refuse, args=(frame, text)).start()
            return []
        return [text]

    proxy.to_gateway = refuse_later
    tell(world, place, "refuse-me")
    tell(world, place, "comes-after-it")
    failed = "{ failedJobs { nodes { id state error errorCode agent { name } } } }"
    found = wait_for(lambda: world.gql(failed)["failedJobs"]["nodes"], 60)
    assert found[0]["errorCode"] == "GATEWAY_REFUSED" and found[0]["agent"]["name"] == "Target"
    heard_once(world, place, "comes-after-it")
    proxy.to_gateway = untouched
    retry = "mutation($id: ID!) { retryJob(input: {id: $id}) { job { state } } }"
    assert world.gql(retry, id=found[0]["id"])["retryJob"]["job"]["state"] == "waiting"
    heard_once(world, place, "refuse-me")
    assert world.gql(failed)["failedJobs"]["nodes"] == []


def test_an_agent_that_the_gateway_has_lost_is_made_again(
    world: World, place: dict[str, Any], openclaw: Gateway
) -> None:
    links = world.services.gateways
    assert links is not None
    target = {"agentId": f"mc-{place['agent'].id}"}
    world.server.run(links.call(UUID(place["gateway"]["id"]), "agents.delete", target, seconds=60))
    tell(world, place, "after-it-was-lost")
    heard_once(world, place, "after-it-was-lost")


def test_a_session_that_was_reset_under_us_is_told(world: World, place: dict[str, Any], openclaw: Gateway) -> None:
    links = world.services.gateways
    assert links is not None
    reset = links.call(UUID(place["gateway"]["id"]), "sessions.reset", {"key": place["session"]}, seconds=60)
    world.server.run(reset)
    tell(world, place, "after-the-reset")
    heard_once(world, place, "after-the-reset")


def test_a_wrong_token_is_said_and_not_stored(world: World, place: dict[str, Any]) -> None:
    answer = world.rest("PATCH", f"/gateways/{place['gateway']['id']}", json={"token": "wrong"})
    assert (answer.status_code, answer.json()["code"]) == (502, "GATEWAY_AUTH_FAILED")
    assert "openclaw dashboard --json --no-open" in answer.json()["detail"] and "wrong" not in answer.json()["detail"]
    assert world.ok("GET", f"/gateways/{place['gateway']['id']}")["token"] == TOKEN
    assert status(world, place)["state"] == "connected"


@pytest.mark.acceptance("gateways-and-sessions.1")
def test_a_gateway_that_is_too_old_is_refused(world: World, openclaw: Gateway) -> None:
    old = FaultProxy(openclaw.url)
    old.to_us = lambda frame, text: [text.replace(frame["payload"]["server"]["version"], "2026.1.1")
                                     if (frame.get("payload") or {}).get("type") == "hello-ok" else text]  # fmt: skip
    draft = {"name": "Old", "url": old.url, "token": TOKEN, "workspace_root": "/w"}
    answer = world.rest("POST", "/gateways", json=draft)
    old.stop()
    assert (answer.status_code, answer.json()["code"]) == (422, "GATEWAY_VERSION_UNSUPPORTED")
    assert "2026.1.1" in answer.json()["detail"] and "openclaw update" in answer.json()["detail"]


def test_our_clock_does_not_matter(world: World, place: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time
    monkeypatch.setattr("api.gateway.connection.time.time", lambda: real() + 86_400)
    assert world.ok("GET", f"/gateways/status?gateway_url={place['gateway']['url']}&gateway_token={TOKEN}")["connected"]
