"""Messages to agents: each once, in order, with its outcome; what is lost on the way is sent again."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.gateway.conftest import wait_for
from tests.protocol.conftest import Place


@pytest.fixture(scope="module")
def team(home: Place) -> dict[str, Any]:
    board = home.world.board(gateway_id=home.id, max_agents=5)
    lead, worker = home.agent(board, "Lead", lead=True), home.agent(board, "Worker")
    other = home.world.board(gateway_id=home.id)
    return {"board": board, "lead": lead, "worker": worker, "other": other, "stranger": home.agent(other, "Stranger")}


@pytest.mark.acceptance("agent-api.8")
def test_a_nudge_says_the_words_and_its_outcome(home: Place, team: dict[str, Any]) -> None:
    world, lead = home.world, home.token(team["lead"])
    path = f"/agent/boards/{team['board']['id']}/agents"
    world.ok("POST", f"{path}/{team['worker']}/nudge", lead, json={"message": "  go on  "})
    sent = home.fake.params("chat.send")[-1]
    assert (sent["message"], sent["deliver"], sent["sessionKey"]) == ("go on", True, home.session(team["worker"]))
    for target in (team["stranger"], home.main(), str(uuid4())):
        assert world.rest("POST", f"{path}/{target}/nudge", lead, json={"message": "m"}).status_code == 404
    home.fake.refuse("chat.send", "boom")
    answer = world.rest("POST", f"{path}/{team['worker']}/nudge", lead, json={"message": "never"})
    assert answer.status_code == 502 and "boom" in answer.json()["detail"]
    home.fake.instead.clear()
    home.settled(failed=True)
    assert "never" not in home.fake.said(home.session(team["worker"])), "what was refused does not arrive after all"
    kinds = [kind for kind, _ in home.activity()]
    assert kinds.count("agent.nudge.sent") == 1 and kinds.count("agent.nudge.failed") == 1
    world.sql("DELETE FROM jobs WHERE state = 'failed'")


@pytest.mark.acceptance("agent-api.9", "gateway-rpc-client.14", "gateway-rpc-client.15")
def test_what_the_gateway_cannot_take_now_waits_with_the_same_key(home: Place, team: dict[str, Any]) -> None:
    world, lead = home.world, home.token(team["lead"])
    home.fake.refuse("chat.send", "busy", "UNAVAILABLE", retryable=True)
    path = f"/agent/boards/{team['board']['id']}/agents/{team['worker']}/nudge"
    before = len(home.fake.params("chat.send"))
    assert world.ok("POST", path, lead, json={"message": "later"}) == {"ok": True}
    wait_for(lambda: len(home.fake.params("chat.send")) >= before + 2, 20)
    home.fake.close(1012, "service restart")
    home.fake.instead.clear()
    home.settled(seconds=30)
    tries = home.fake.params("chat.send")[before:]
    assert len(tries) >= 3 and len({sent["idempotencyKey"] for sent in tries}) == 1
    assert home.fake.said(home.session(team["worker"])).count("later") == 1


def test_a_message_that_the_gateway_took_and_lost_is_sent_again(home: Place, team: dict[str, Any]) -> None:
    usual, lost = home.fake._on_chat_send, []

    def lose(params: dict[str, Any]) -> Any:
        if not lost and params["message"] == "through":
            lost.append(params["idempotencyKey"])
            error = {"type": "event", "event": "chat", "payload": {
                "runId": params["idempotencyKey"], "sessionKey": params["sessionKey"], "state": "error"}}  # fmt: skip
            import json

            home.fake.through = lambda text: [text, json.dumps(error)]
            home.fake.runs = False
            return {"runId": params["idempotencyKey"], "status": "started"}
        home.fake.through, home.fake.runs = (lambda text: [text]), True
        return usual(params)

    home.fake.instead["chat.send"] = lose
    path = f"/agent/boards/{team['board']['id']}/agents/{team['worker']}/nudge"
    home.world.ok("POST", path, home.token(team["lead"]), json={"message": "through"})
    home.settled()
    assert lost and home.fake.said(home.session(team["worker"])).count("through") == 1
    assert home.fake.params("chat.send")[-1]["idempotencyKey"] != lost[0], "the gateway answers an old key with its end"


@pytest.mark.acceptance("agent-api.10", "agent-api.11")
def test_a_soul_is_written_by_the_lead_and_read_by_some(home: Place, team: dict[str, Any]) -> None:
    world, lead, worker = home.world, home.token(team["lead"]), home.token(team["worker"])
    path = f"/agent/boards/{team['board']['id']}/agents/{team['worker']}/soul"
    assert world.rest("PUT", path, lead, json={"content": " "}).status_code == 422
    change = {"content": "Be {{ kind }}.", "reason": "tone", "source_url": "https://example.org/s"}
    world.ok("PUT", path, lead, json=change)
    assert world.ok("GET", path, lead) == "Be {{ kind }}."
    home.settled()
    assert home.fake.files[home.key(team["worker"])]["SOUL.md"] == "Be {{ kind }}."
    assert home.token(team["worker"]) == worker, "a new soul changes no token"
    kind, text = home.activity()[-1]
    assert kind == "agent.soul.updated" and "tone" in text and "https://example.org/s" in text
    assert world.ok("GET", path, worker) == world.ok("GET", path, lead) == "Be {{ kind }}."
    other = home.agent(team["board"], "Other")
    assert world.rest("GET", path, home.token(other)).status_code == 403
    home.fake.refuse("agents.files.get", "secret details")
    answer = world.rest("GET", path, lead)
    assert answer.status_code == 502 and "secret" not in answer.text


@pytest.mark.acceptance("agent-api.12")
def test_a_question_to_the_person_goes_through_the_main_agent(home: Place, team: dict[str, Any]) -> None:
    world, lead = home.world, home.token(team["lead"])
    path = f"/agent/boards/{team['board']['id']}/gateway/main/ask-user"
    draft = {"content": "Blue?", "reply_tags": [], "reply_source": None}
    found = world.ok("POST", path, lead, json=draft)
    assert found["main_agent_id"] == home.main()
    said = home.fake.said(home.session(home.main()))[-1]
    for word in ("LEAD REQUEST: ASK USER", "Blue?", '"gateway_main", "user_reply"', "user_via_gateway_main"):
        assert word in said
    world.sql("DELETE FROM agents WHERE id = $1", UUID(home.main()))
    again = world.ok("POST", path, lead, json=draft)
    assert again["main_agent_id"] == home.main() != found["main_agent_id"], "a missing main agent is made"
    home.settled()
    assert "Blue?" in home.fake.said(home.session(home.main()))[-1]


@pytest.mark.acceptance("agent-api.13", "agent-api.14", "agent-api.15")
def test_the_main_agent_speaks_to_leads(home: Place, team: dict[str, Any]) -> None:
    world, main = home.world, home.token(home.main())
    bare = world.board(gateway_id=home.id)
    path = f"/agent/gateway/boards/{bare['id']}/lead/message"
    first = world.ok("POST", path, main, json={"kind": "handoff", "content": "Take it."})
    home.settled()
    second = world.ok("POST", path, main, json={"kind": "question", "content": "Well?"})
    assert (first["lead_created"], second["lead_created"]) == (True, False)
    assert first["lead_agent_id"] == second["lead_agent_id"] and first["lead_agent_name"] == second["lead_agent_name"]
    said = home.fake.said(f"agent:lead-{bare['id']}:main")
    assert "provisioned" in said[0] and said[1].startswith("GATEWAY MAIN HANDOFF")
    assert said[2].startswith("GATEWAY MAIN QUESTION")
    assert world.rest("POST", path, main, json={"kind": "order", "content": "c"}).status_code == 422
    elsewhere = world.board()
    for board, code in ((elsewhere["id"], 403), (uuid4(), 404)):
        where = f"/agent/gateway/boards/{board}/lead/message"
        assert world.rest("POST", where, main, json={"content": "c"}).status_code == code

    def refuse_one(params: dict[str, Any]) -> Any:
        from tests.support.fake_gateway import Refusal

        if params["sessionKey"] == f"agent:lead-{bare['id']}:main":
            raise Refusal("boom")
        return home.fake._on_chat_send(params)

    home.fake.instead["chat.send"] = refuse_one
    draft = {"content": "All hands.", "board_ids": [bare["id"], team["board"]["id"]]}
    found = world.ok("POST", "/agent/gateway/leads/broadcast", main, json=draft)
    assert (found["sent"], found["failed"]) == (1, 1)
    assert ["boom" in (one["error"] or "") for one in found["results"]].count(True) == 1
    home.fake.instead.clear()
    everywhere = world.ok("POST", "/agent/gateway/leads/broadcast", main, json={"content": "All.", "board_ids": []})
    boards = world.sql("SELECT 1 FROM boards WHERE gateway_id = $1", UUID(home.id))
    assert everywhere["sent"] == len(boards)
    home.settled(failed=True)
    world.sql("DELETE FROM jobs WHERE state = 'failed'")


@pytest.mark.acceptance("memory-and-mentions.8", "memory-and-mentions.19")
def test_a_pause_reaches_everybody_whatever_happens_to_one(home: Place, team: dict[str, Any]) -> None:
    world, board = home.world, team["board"]["id"]

    def refuse_lead(params: dict[str, Any]) -> Any:
        from tests.support.fake_gateway import Refusal

        if params["sessionKey"] == home.session(team["lead"]):
            raise Refusal("boom")
        return home.fake._on_chat_send(params)

    home.fake.instead["chat.send"] = refuse_lead
    world.ok("POST", f"/boards/{board}/memory", json={"content": " /PAUSE ", "tags": ["chat"]})
    session = home.session(team["worker"])
    wait_for(lambda: "/pause" in home.fake.said(session), 20)
    sent = [one for one in home.fake.params("chat.send") if one["message"] == "/pause"]
    assert all(one["deliver"] is True for one in sent)
    home.fake.instead.clear()
    home.settled(seconds=40)
    assert "/pause" in home.fake.said(home.session(team["lead"])), "it is tried again"
    draft = {"content": "/resume", "tags": ["chat"]}
    world.ok("POST", f"/agent/boards/{board}/memory", home.token(team["worker"]), json=draft)
    home.settled()
    assert "/resume" in home.fake.said(home.session(team["lead"]))
    assert "/resume" not in home.fake.said(session)
