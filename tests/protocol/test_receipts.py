"""When a message counts: the session's history has it, whatever the gateway has said of its run."""

from __future__ import annotations

import re
import time
from typing import Any
from uuid import UUID

import pytest

from api.domain.gateways import delivery, receipts
from tests.gateway.conftest import wait_for
from tests.protocol.conftest import Place
from tests.support.fake_gateway import Refusal


@pytest.fixture(scope="module")
def team(home: Place) -> dict[str, Any]:
    board = home.world.board(gateway_id=home.id, max_agents=5)
    return {"board": board, "worker": home.agent(board, "Worker")}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch, home: Place) -> Any:
    monkeypatch.setattr(receipts, "IDLE_SECONDS", 0.7)
    yield
    home.fake.instead.clear()
    home.fake.turning.clear()


def tell(home: Place, team: dict[str, Any], text: str) -> None:
    mention = {"content": f"@worker {text}", "tags": ["chat"]}
    home.world.ok("POST", f"/boards/{team['board']['id']}/memory", json=mention)


def states(home: Place, text: str) -> list[str]:
    rows = home.world.sql("SELECT state FROM jobs WHERE kind = 'message' AND text LIKE $1", f"%{text}%")
    return [row["state"] for row in rows]


def times(home: Place, session: str, text: str) -> int:
    return sum(text in one for one in home.fake.said(session))


def test_a_run_that_ends_and_leaves_no_message_is_taken_back_and_sent_again(home: Place, team: dict[str, Any]) -> None:
    session, vanished = home.session(team["worker"]), []

    def swallow(params: dict[str, Any]) -> Any:
        if "vanishes" in params["message"] and not vanished:
            vanished.append(params["idempotencyKey"])
            return {"runId": params["idempotencyKey"], "status": "started"}
        return home.fake._on_chat_send(params)

    home.fake.instead["chat.send"] = swallow
    tell(home, team, "it vanishes")
    home.settled()
    assert home.fake.params("chat.abort") == [{"sessionKey": session, "runId": vanished[0]}]
    assert times(home, session, "it vanishes") == 1
    assert home.fake.params("chat.send")[-1]["idempotencyKey"] != vanished[0]


def test_what_comes_at_the_last_moment_is_not_sent_again(home: Place, team: dict[str, Any]) -> None:
    session, late = home.session(team["worker"]), []

    def hold(params: dict[str, Any]) -> Any:
        if "last moment" in params["message"]:
            late.append(params)
            return {"runId": params["idempotencyKey"], "status": "started"}
        return home.fake._on_chat_send(params)

    def abort(_: dict[str, Any]) -> Any:
        home.fake._on_chat_send(late[0])
        raise Refusal("no such run")

    home.fake.instead.update({"chat.send": hold, "chat.abort": abort})
    tell(home, team, "at the last moment")
    home.settled()
    assert len(late) == 1 and times(home, session, "last moment") == 1


def test_what_the_gateway_puts_together_has_arrived(home: Place, team: dict[str, Any]) -> None:
    session = home.session(team["worker"])

    def together(params: dict[str, Any]) -> Any:
        text = f"[Queued messages while agent was busy]\n\n---\nQueued #1 (from gateway-client)\n{params['message']}"
        home.fake._on_chat_send({**params, "message": text})
        home.fake.messages[session][-1]["idempotencyKey"] = f"followup-collect:s:{params['idempotencyKey']}"
        return {"runId": params["idempotencyKey"], "status": "started"}

    home.fake.instead["chat.send"] = together
    for number in range(2):
        tell(home, team, f"together {number}")
    home.settled()
    assert [times(home, session, f"together {number}") for number in range(2)] == [1, 1]
    # The same words again are not the same message, although a connection broke before they were sent.
    breaks = iter(range(1))

    def cut(params: dict[str, Any]) -> Any:
        if next(breaks, None) is not None:
            home.fake.close(1012, "service restart")
            raise Refusal("too late")
        return home.fake._on_sessions_patch(params)

    time.sleep(receipts.IDLE_SECONDS + 1)
    home.fake.instead["sessions.patch"] = cut
    tell(home, team, "together 1")
    home.settled(seconds=30)
    attempts = home.world.sql("SELECT attempts FROM jobs WHERE text LIKE '%together 1%' ORDER BY seq")
    assert [row["attempts"] for row in attempts] == [1, 2] and times(home, session, "together 1") == 2


def test_what_never_shows_is_put_aside_and_holds_up_nothing_for_ever(
    home: Place, team: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "IDLE_SECONDS", 0.1)
    monkeypatch.setattr(delivery, "LONGEST", 0.1)

    def hide(params: dict[str, Any]) -> Any:
        if "never shows" in params["message"]:
            return {"runId": params["idempotencyKey"], "status": "started"}
        return home.fake._on_chat_send(params)

    home.fake.instead["chat.send"] = hide
    tell(home, team, "it never shows")
    tell(home, team, "it does")
    home.settled(failed=True, seconds=60)
    assert states(home, "never shows") == ["failed"] and times(home, home.session(team["worker"]), "it does") == 1
    failed = "{ failedJobs { nodes { error } } }"
    assert "lost" in home.world.gql(failed)["failedJobs"]["nodes"][0]["error"]
    home.world.sql("DELETE FROM jobs WHERE state = 'failed'")


def test_an_agent_that_moves_takes_its_message_along(home: Place, team: dict[str, Any]) -> None:
    session, held = home.session(team["worker"]), []

    def hold(params: dict[str, Any]) -> Any:
        if "moves along" in params["message"] and not held:
            held.append(params)
            return {"runId": params["idempotencyKey"], "status": "started"}
        return home.fake._on_chat_send(params)

    home.fake.instead["chat.send"] = hold
    home.fake.turning.add(session)
    tell(home, team, "moves along")
    wait_for(lambda: held, 10)
    there = f"agent:{home.key(team['worker'])}:elsewhere"
    worker = UUID(team["worker"])
    home.world.sql("UPDATE agents SET openclaw_session_id = $1 WHERE id = $2", there, worker)
    home.settled(seconds=30)
    assert [one["runId"] for one in home.fake.params("chat.abort")][-1] == held[0]["idempotencyKey"]
    assert times(home, there, "moves along") == 1 and times(home, session, "moves along") == 0
    home.world.sql("UPDATE agents SET openclaw_session_id = $1 WHERE id = $2", session, worker)


def test_a_history_that_cannot_be_read_now_is_read_again(home: Place, team: dict[str, Any]) -> None:
    refusals = iter(range(3))

    def rewriting(params: dict[str, Any]) -> Any:
        if next(refusals, None) is not None:
            raise Refusal("session history is rebuilding; retry shortly", "UNAVAILABLE")
        return home.fake._on_chat_history(params)

    home.fake.instead["chat.history"] = rewriting
    tell(home, team, "patience")
    home.settled()
    assert times(home, home.session(team["worker"]), "patience") == 1
    assert home.world.sql("SELECT attempts FROM jobs WHERE text LIKE '%patience%'")[0]["attempts"] == 1


def test_behind_a_turn_messages_wait_in_order_and_a_lifecycle_does_not(home: Place, team: dict[str, Any]) -> None:
    session, held = home.session(team["worker"]), []

    def hold(params: dict[str, Any]) -> Any:
        if "held" in params["message"] and session in home.fake.turning:
            held.append(params)
            return {"runId": params["idempotencyKey"], "status": "started"}
        return home.fake._on_chat_send(params)

    home.fake.instead["chat.send"] = hold
    home.fake.turning.add(session)
    for number in range(3):
        tell(home, team, f"held {number}")
    wait_for(lambda: held, 10)
    wake = "mutation($id: ID!) { wakeAgent(input: {id: $id}) { agent { id } } }"
    before = times(home, session, "Hello Worker")
    home.world.gql(wake, id=team["worker"])
    wait_for(lambda: times(home, session, "Hello Worker") > before, 10)
    assert len(held) == 1, "the gateway has one message at a time, the others are safe here"
    assert sorted(states(home, "held")) == ["running", "waiting", "waiting"]
    home.fake.turning.clear()
    home.fake._on_chat_send(held[0])
    home.settled(seconds=30)
    found = [re.findall(r"held \d", one) for one in home.fake.said(session)]
    assert [words[0] for words in found if words] == [f"held {number}" for number in range(3)]


def test_an_agent_whose_turn_was_ended_before_it_began_is_woken(home: Place, team: dict[str, Any]) -> None:
    session = home.session(team["worker"])
    home.world.sql("UPDATE agents SET checkin_deadline_at = NULL")
    before = times(home, session, "Hello Worker")
    home.fake.event("chat", runId="r1", sessionKey=session, state="error", errorMessage="Error: the model is away")
    tell(home, team, "after the first error")
    home.settled()
    assert times(home, session, "Hello Worker") == before, "a model that fails is no reason"
    home.fake.event("chat", runId="r2", sessionKey=session, state="error",
                    errorMessage="Error: prepared model runtime plugin generation was superseded for /x")  # fmt: skip
    wait_for(lambda: times(home, session, "Hello Worker") == before + 1, 10)
    # It is being woken already.
    home.fake.event("chat", runId="r3", sessionKey=session, state="error", errorMessage="superseded")
    tell(home, team, "after the last error")
    home.settled()
    assert times(home, session, "Hello Worker") == before + 1
