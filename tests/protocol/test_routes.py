"""Registering gateways and looking at them, in both interfaces."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from api.gateway.connection import Connection, Target
from tests.protocol.conftest import Place
from tests.support.fake_gateway import FakeGateway
from tests.support.world import World


@pytest.mark.acceptance("gateways-and-sessions.4")
def test_a_gateway_that_refuses_us_is_not_stored(world: World) -> None:
    before = world.ok("GET", "/gateways")["total"]
    answer = world.rest("POST", "/gateways", json={"name": "N", "url": "ws://127.0.0.1:9", "workspace_root": "/w"})
    assert answer.status_code == 502 and world.ok("GET", "/gateways")["total"] == before
    found = world.ok("GET", "/gateways/status?gateway_url=ws://127.0.0.1:9")
    assert (found["connected"], "refused" in found["error"]) == (False, True)


@pytest.mark.acceptance("gateways-and-sessions.5")
def test_a_missing_scope_is_named(world: World, fake: FakeGateway) -> None:
    fake.refuse("connect", "missing scope: operator.read")
    answer = world.rest("POST", "/gateways", json={"name": "N", "url": fake.url, "workspace_root": "/w"})
    assert answer.status_code == 502 and "operator.read" in answer.json()["detail"]
    assert "operator.read" in world.ok("GET", f"/gateways/status?gateway_url={fake.url}")["error"]


@pytest.mark.acceptance("gateways-and-sessions.7")
def test_tokens_are_trimmed_and_blank_ones_are_none(home: Place) -> None:
    world = home.world
    for sent, kept in (("  ", None), (" tok ", "tok"), ("", None), ("tok", "tok")):
        world.ok("PATCH", f"/gateways/{home.id}", json={"token": sent})
        assert world.ok("GET", f"/gateways/{home.id}")["token"] == kept
    stored = world.sql("SELECT token FROM gateways WHERE id = $1", UUID(home.id))[0]["token"]
    assert "tok" not in stored.replace("token", ""), "sealed where it is stored"


@pytest.mark.acceptance("gateways-and-sessions.8")
def test_the_main_agent_is_called_like_its_gateway(home: Place) -> None:
    world = home.world
    world.ok("PATCH", f"/gateways/{home.id}", json={"name": "X"})
    home.settled()
    assert world.ok("GET", f"/agents/{home.main()}")["name"] == "X Gateway Agent"
    assert home.fake.agents[home.key(home.main())]["name"] == "X Gateway Agent"
    assert world.rest("PATCH", f"/gateways/{home.id}", json={"name": None}).status_code == 422


@pytest.mark.acceptance("gateways-and-sessions.9")
def test_a_gateway_goes_when_nothing_uses_it(world: World) -> None:
    fake = FakeGateway()
    gateway = world.ok("POST", "/gateways", json={"name": "Gone", "url": fake.url, "workspace_root": "/w"})
    board = world.board(gateway_id=gateway["id"])
    refused = world.rest("DELETE", f"/gateways/{gateway['id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "GATEWAY_IN_USE")
    world.ok("GET", f"/gateways/{gateway['id']}")
    world.ok("DELETE", f"/boards/{board['id']}")
    assert world.ok("DELETE", f"/gateways/{gateway['id']}") == {"ok": True}
    assert world.sql("SELECT 1 FROM agents WHERE gateway_id = $1", UUID(gateway["id"])) == []
    assert world.rest("GET", f"/gateways/{gateway['id']}").status_code == 404
    fake.stop()


@pytest.mark.acceptance("gateways-and-sessions.13")
def test_a_sync_of_another_gateway_s_board_reports_it(home: Place) -> None:
    board = home.world.board()
    found = home.world.ok("POST", f"/gateways/{home.id}/templates/sync?board_id={board['id']}")
    assert (found["agents_updated"], found["agents_skipped"], found["main_updated"]) == (0, 0, False)
    assert len(found["errors"]) == 1


@pytest.mark.acceptance("gateways-and-sessions.10", "gateways-and-sessions.12", "memory-and-mentions.10")
def test_a_sync_writes_all_but_boards_that_pause(home: Place) -> None:
    world = home.world
    board, paused = world.board(gateway_id=home.id), world.board(gateway_id=home.id)
    one, other = home.agent(board, "Active"), home.agent(paused, "Paused")
    world.ok("POST", f"/boards/{paused['id']}/memory", json={"content": "/pause", "tags": ["chat"]})
    home.settled()
    for agent in (one, other):
        home.fake.files[home.key(agent)]["SOUL.md"] = "stale"
    found = world.ok("POST", f"/gateways/{home.id}/templates/sync")
    assert (found["agents_updated"], found["agents_skipped"], found["main_updated"]) == (1, 1, True)
    assert found["errors"] == []
    assert home.fake.files[home.key(one)]["SOUL.md"] != "stale" == home.fake.files[home.key(other)]["SOUL.md"]
    world.ok("POST", f"/boards/{paused['id']}/memory", json={"content": "/resume", "tags": ["chat"]})
    assert world.ok("POST", f"/gateways/{home.id}/templates/sync")["agents_updated"] == 2


@pytest.mark.acceptance("gateways-and-sessions.14")
def test_a_status_by_address_takes_the_saved_flags_and_not_the_token(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeGateway()
    draft = {"name": "Flags", "url": fake.url, "token": "saved", "workspace_root": "/w", "allow_insecure_tls": True}
    gateway = world.ok("POST", "/gateways", json=draft)
    seen: list[Target] = []
    links = world.services.gateways
    assert links is not None
    usual = links.check

    async def check(target: Target) -> Connection:
        seen.append(target)
        return await usual(target)

    monkeypatch.setattr(links, "check", check)
    world.ok("GET", f"/gateways/status?gateway_url={fake.url}")
    world.ok("GET", f"/gateways/status?gateway_url={fake.url}&gateway_allow_insecure_tls=false&gateway_token=t")
    by_us = [(target.token, target.allow_insecure_tls) for target in seen if target.token != "saved"]
    assert by_us == [("", True), ("t", False)]
    world.ok("DELETE", f"/gateways/{gateway['id']}")
    fake.stop()


@pytest.mark.acceptance("gateways-and-sessions.15", "gateways-and-sessions.16")
def test_sessions_are_found_beyond_the_first_page(home: Place) -> None:
    world = home.world
    board = world.board(gateway_id=home.id)
    home.fake.sessions.update({f"agent:x:{number}": {"label": f"{number}"} for number in range(250)})
    query = f"?board_id={board['id']}"
    status = world.ok("GET", f"/gateways/status{query}")
    assert status["connected"] is True and status["sessions_count"] >= 250
    assert status["main_session"]["key"] == home.session(home.main())
    assert len(world.ok("GET", f"/gateways/sessions{query}")["sessions"]) == status["sessions_count"]
    assert world.ok("GET", f"/gateways/sessions/agent:x:249{query}")["session"]["label"] == "249"
    assert world.rest("GET", f"/gateways/sessions/agent:none:1{query}").status_code == 404
    path = f"/gateways/sessions/agent:x:1/message{query}"
    assert world.rest("POST", path, json={"content": " "}).status_code == 422
    assert world.rest("POST", "/gateways/sessions/agent:x:1/message", json={"content": "c"}).status_code == 422
    assert world.ok("POST", path, json={"content": "/new"}) == {"ok": True}
    assert home.fake.params("chat.send")[-1]["suppressCommandInterpretation"] is True
    home.fake.refuse("chat.send", "no")
    assert world.rest("POST", path, json={"content": "c"}).status_code == 502


@pytest.mark.acceptance("gateways-and-sessions.17")
def test_who_may_look_at_gateways(home: Place) -> None:
    world = home.world
    board = world.board(gateway_id=home.id)
    home.agent(board, "Agent")
    token = home.token(str(world.sql("SELECT id FROM agents WHERE name = 'Agent'")[0][0]))
    assert world.rest("GET", "/gateways", token).status_code == 401
    member = world.person(world.home(), "member").token
    assert world.rest("GET", "/gateways", member).status_code == 403
    admin = world.person(world.home(), "admin").token
    assert world.rest("GET", "/gateways", admin).status_code == 200
    # An administrator with the right to some boards only.
    assert world.rest("GET", f"/gateways/sessions?board_id={board['id']}", admin).status_code == 403
    assert world.rest("GET", f"/gateways/sessions?board_id={uuid4()}", admin).status_code == 404


def test_a_lost_token_can_be_given_again(home: Place) -> None:
    world = home.world
    world.sql("UPDATE gateways SET token = 'sealed:1:' || repeat('A', 120) WHERE id = $1", UUID(home.id))
    answer: Any = world.rest("PATCH", f"/gateways/{home.id}", json={"token": "tok"})
    assert answer.status_code == 200, answer.text
    assert world.ok("GET", f"/gateways/{home.id}")["token"] == "tok"


@pytest.mark.acceptance("boards-and-groups.4")
def test_a_board_needs_a_gateway_with_its_main_agent(home: Place) -> None:
    world = home.world
    world.sql(
        "INSERT INTO gateways (id, organization_id, name, url, workspace_root, allow_insecure_tls, "
        "disable_device_pairing, created_at, updated_at) SELECT $1, organization_id, 'Bare', '', '/w', false, false, "
        "now(), now() FROM gateways WHERE id = $2", bare := uuid4(), UUID(home.id),
    )  # fmt: skip
    draft = {"name": "B", "slug": "bare", "description": "d", "gateway_id": str(bare)}
    assert world.rest("POST", "/boards", json=draft).status_code == 422
    board = world.board(gateway_id=home.id)
    assert world.rest("PATCH", f"/boards/{board['id']}", json={"gateway_id": str(bare)}).status_code == 422
    world.sql("UPDATE boards SET gateway_id = $1 WHERE id = $2", bare, UUID(board["id"]))
    assert world.rest("PATCH", f"/boards/{board['id']}", json={"name": "C"}).status_code == 422


@pytest.mark.acceptance("boards-and-groups.2")
def test_a_board_goes_although_the_gateway_has_lost_its_agents(home: Place) -> None:
    board = home.world.board(gateway_id=home.id)
    agent = home.agent(board, "Lost")
    del home.fake.agents[home.key(agent)]
    assert home.world.ok("DELETE", f"/boards/{board['id']}") == {"ok": True}
    home.settled()
