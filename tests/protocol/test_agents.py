"""Agents on a gateway: what is asked of it in their lives, and what becomes of it when it refuses."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from api.domain.database.base import now
from api.domain.gateways.checkin import give_up_waiting, wake_again
from tests.gateway.conftest import wait_for
from tests.protocol.conftest import Place

STATE = "SELECT * FROM agents WHERE id = $1"


def row(home: Place, agent: str) -> Any:
    return home.world.sql(STATE, UUID(agent))[0]


def later(home: Place, **passed: float) -> Any:
    moment = now() + timedelta(**passed)
    return lambda: moment


@pytest.mark.acceptance("agents.1")
def test_a_new_agent_is_set_up_and_woken_once(home: Place) -> None:
    board = home.world.board(gateway_id=home.id)
    made = home.world.ok("POST", "/agents", json={"name": "New", "board_id": board["id"]})
    assert made["status"] == "provisioning" and made["heartbeat_config"]["every"] == "10m"
    assert made["openclaw_session_id"] == f"agent:mc-{made['id']}:main"
    home.settled()
    wakes = [sent for sent in home.fake.params("chat.send") if sent["sessionKey"] == made["openclaw_session_id"]]
    assert len(wakes) == 1 and wakes[0]["deliver"] is True
    agent = row(home, made["id"])
    assert agent["status"] == "online" and agent["wake_attempts"] == 1
    assert timedelta(seconds=28) < agent["checkin_deadline_at"] - agent["last_wake_sent_at"] < timedelta(seconds=32)
    token = home.token(made["id"])
    home.world.ok("POST", "/agent/heartbeat", token)
    assert home.world.ok("GET", f"/agents/{made['id']}")["status"] == "online"


@pytest.mark.acceptance("agents.5", "agents.8", "provisioning-and-templates.14")
def test_a_refusal_is_seen_on_the_agent_and_can_be_tried_again(home: Place) -> None:
    board = home.world.board(gateway_id=home.id)
    agent = home.agent(board, "Refused")
    token = home.token(agent)
    home.fake.refuse("agents.files.set", "boom")
    home.world.ok("PATCH", f"/agents/{agent}", json={"name": "Renamed"})
    wait_for(lambda: row(home, agent)["last_provision_error"], 20)
    assert "boom" in row(home, agent)["last_provision_error"]
    assert home.world.rest("GET", "/agent/healthz", token).status_code == 200, "the token in the files is good"
    failed = "{ failedJobs { nodes { id error errorCode agent { id } } } }"
    jobs = wait_for(lambda: home.world.gql(failed)["failedJobs"]["nodes"], 40)
    assert (jobs[0]["errorCode"], jobs[0]["agent"]["id"]) == ("GATEWAY_REFUSED", agent)
    assert home.world.ok("GET", f"/agents/{agent}")["status"] == "offline"
    home.fake.instead.clear()
    home.world.ok("PATCH", f"/agents/{agent}?force=true", json={})
    home.settled(failed=True)
    assert row(home, agent)["last_provision_error"] is None and home.fake.agents[home.key(agent)]["name"] == "Renamed"
    home.world.sql("DELETE FROM jobs WHERE state = 'failed'")


@pytest.mark.acceptance("agents.7")
def test_a_new_name_keeps_key_and_place_and_changes_the_token(home: Place) -> None:
    agent = home.agent(home.world.board(gateway_id=home.id), "Before")
    key, first = home.key(agent), home.token(agent)
    place = home.fake.agents[key]["workspace"]
    home.world.ok("PATCH", f"/agents/{agent}", json={"name": "After"})
    home.settled()
    assert home.fake.agents[key] == {"name": "After", "workspace": place}
    assert home.world.rest("GET", "/agent/healthz", first).status_code == 401
    assert home.world.rest("GET", "/agent/healthz", home.token(agent)).status_code == 200


@pytest.mark.acceptance("agents.12", "agents.13")
def test_an_agent_that_never_checks_in_is_woken_three_times(home: Place) -> None:
    agent = home.agent(home.world.board(gateway_id=home.id), "Sleeper")
    services, run = home.world.services, home.world.server.run
    for minutes in (1, 2):
        run(wake_again(services, later(home, minutes=minutes)))
        home.settled()
    assert row(home, agent)["wake_attempts"] == 3
    run(wake_again(services, later(home, minutes=3)))
    home.settled()
    found = row(home, agent)
    assert found["status"] == "offline" and "3 times" in found["last_provision_error"]
    assert found["checkin_deadline_at"] is None
    wakes = [sent for sent in home.fake.params("chat.send") if sent["sessionKey"] == home.session(agent)]
    run(wake_again(services, later(home, minutes=9)))
    home.settled()
    sent = [sent for sent in home.fake.params("chat.send") if sent["sessionKey"] == home.session(agent)]
    assert len(wakes) == len(sent) == 3


def test_an_agent_that_checked_in_is_left_alone(home: Place) -> None:
    agent = home.agent(home.world.board(gateway_id=home.id), "Early")
    home.world.ok("POST", "/agent/heartbeat", home.token(agent))
    home.world.server.run(wake_again(home.world.services, later(home, minutes=1)))
    assert row(home, agent)["wake_attempts"] == 0 and row(home, agent)["last_provision_error"] is None


def test_nobody_is_shown_as_being_set_up_for_ever(home: Place) -> None:
    agent = home.agent(home.world.board(gateway_id=home.id), "Waiting")
    home.world.server.run(give_up_waiting(home.world.services, later(home, minutes=11)))
    found = home.world.ok("GET", f"/agents/{agent}")
    assert found["status"] == "offline" and "10 minutes" in row(home, agent)["last_provision_error"]


@pytest.mark.acceptance("agents.14", "provisioning-and-templates.15")
def test_deleting_asks_the_gateway_and_needs_no_agent_there(home: Place) -> None:
    board = home.world.board(gateway_id=home.id)
    lost, there = home.agent(board, "Lost"), home.agent(board, "There")
    keys = home.key(lost), home.key(there)
    task = home.world.task(board, assigned_agent_id=there)
    home.settled()
    del home.fake.agents[keys[0]]
    for agent in (lost, there):
        home.world.ok("DELETE", f"/agents/{agent}")
    home.settled()
    assert keys[1] in home.fake.removed and home.fake.params("agents.delete")[-1]["deleteFiles"] is True
    assert home.world.tasks(board)[task["id"]]["assigned_agent_id"] is None
    home.fake.instead["agents.delete"] = lambda _: {"ok": True, "failed": [{"path": "/w/x"}]}
    third = home.agent(board, "Stays")
    home.world.ok("DELETE", f"/agents/{third}")
    home.settled()
    assert "CLEAN UP" in home.fake.said(home.session(home.main()))[-1]


@pytest.mark.acceptance("agents.16", "provisioning-and-templates.10", "provisioning-and-templates.11")
def test_a_soul_is_a_text_and_nothing_in_it_is_evaluated(home: Place) -> None:
    agent = home.agent(home.world.board(gateway_id=home.id), "Soul")
    for text in ("{{ auth_token }} {{ ''.__class__.__mro__ }}", "{{ nope", "{% for x in"):
        home.world.ok("PATCH", f"/agents/{agent}", json={"soul_template": text})
        home.settled()
        assert home.fake.files[home.key(agent)]["SOUL.md"] == text
    assert home.token(agent) not in home.fake.files[home.key(agent)]["SOUL.md"]


@pytest.mark.acceptance("provisioning-and-templates.12")
def test_a_role_alone_chooses_no_soul(home: Place) -> None:
    board = home.world.board(gateway_id=home.id, max_agents=5)
    plain = home.agent(board, "Plain")
    draft = {"name": "Auditor", "board_id": board["id"], "identity_profile": {"role": "Security Auditor"}}
    auditor = home.world.ok("POST", "/agents", json=draft)["id"]
    home.settled()
    usual = home.fake.files[home.key(plain)]["SOUL.md"]
    assert usual and home.fake.files[home.key(auditor)]["SOUL.md"].replace("Auditor", "Plain") == usual


@pytest.mark.acceptance("provisioning-and-templates.2", "provisioning-and-templates.3", "gateways-and-sessions.11")
def test_what_is_the_agent_s_own_is_kept_until_it_is_to_be_overwritten(home: Place) -> None:
    agent = home.agent(home.world.board(gateway_id=home.id), "Own")
    files, main = home.fake.files[home.key(agent)], home.fake.files[home.key(home.main())]
    files["USER.md"] = files["MEMORY.md"] = main["USER.md"] = main["MEMORY.md"] = "own"
    sync = f"/gateways/{home.id}/templates/sync"
    home.world.ok("POST", sync)
    assert (files["USER.md"], files["MEMORY.md"], main["MEMORY.md"]) == ("own", "own", "own")
    assert main["USER.md"] != "own", "the main agent's person is the organisation's owner"
    del files["MEMORY.md"]
    home.world.ok("POST", sync)
    assert files["MEMORY.md"] and files["USER.md"] == "own"
    home.world.ok("POST", f"{sync}?overwrite=true")
    assert "own" not in (files["USER.md"], files["MEMORY.md"])


@pytest.mark.acceptance("provisioning-and-templates.4")
def test_the_first_steps_of_a_lead_are_not_written_again(home: Place) -> None:
    lead = home.agent(home.world.board(gateway_id=home.id), "Lead", lead=True)
    files = home.fake.files[home.key(lead)]
    assert files.pop("BOOTSTRAP.md")
    home.world.ok("PATCH", f"/agents/{lead}", json={"name": "Leader"})
    home.settled()
    assert "BOOTSTRAP.md" not in files
    home.world.ok("PATCH", f"/agents/{lead}?force=true", json={})
    home.settled()
    assert home.token(lead) in files["BOOTSTRAP.md"]
    home.world.ok("PATCH", f"/agents/{lead}", json={"name": "Chief"})
    home.settled()
    assert home.token(lead) in files["BOOTSTRAP.md"], "what is still there knows the token that counts"


@pytest.mark.acceptance("provisioning-and-templates.7", "gateway-rpc-client.11")
def test_a_file_that_the_gateway_does_not_take(home: Place) -> None:
    usual = home.fake._on_agents_files_set

    def refuse_memory(params: dict[str, Any]) -> Any:
        if params["name"] == "MEMORY.md":
            from tests.support.fake_gateway import Refusal

            raise Refusal('unsupported file "MEMORY.md"')
        return usual(params)

    home.fake.instead["agents.files.set"] = refuse_memory
    board = home.world.board(gateway_id=home.id)
    worker = home.agent(board, "Worker")
    assert {"AGENTS.md", "SOUL.md"} <= home.fake.files[home.key(worker)].keys()
    lead = home.world.agent(board, "Lead", lead=True).id
    wait_for(lambda: row(home, str(lead))["last_provision_error"], 20)
    assert "MEMORY.md" in row(home, str(lead))["last_provision_error"]
    home.fake.instead.clear()
    home.settled()


@pytest.mark.acceptance("provisioning-and-templates.5", "provisioning-and-templates.6")
def test_configuration_is_changed_only_where_it_must_be(home: Place) -> None:
    home.fake.config["agents"]["entries"]["theirs"] = {"x": 1, "heartbeat": {"every": "1h"}}
    home.fake.config["channels"] = {"defaults": {"heartbeatVisibility": {"showOk": True}}}
    home.fake.config["tools"] = {"exec": {"host": "node"}}
    home.agent(home.world.board(gateway_id=home.id), "One")
    config = home.fake.config
    assert config["agents"]["entries"]["theirs"] == {"x": 1, "heartbeat": {"every": "1h"}}
    assert config["channels"]["defaults"]["heartbeatVisibility"]["showOk"] is True
    assert config["tools"]["exec"]["host"] == "node"
    before = len(home.fake.params("config.patch"))
    home.world.ok("POST", f"/gateways/{home.id}/templates/sync")
    assert len(home.fake.params("config.patch")) == before


def test_a_heartbeat_that_the_gateway_refuses_harms_nobody_else(home: Place) -> None:
    usual = home.fake._on_config_patch

    def refuse(params: dict[str, Any]) -> Any:
        if "13m" in params["raw"]:
            from tests.support.fake_gateway import Refusal

            raise Refusal("invalid config: agents")
        return usual(params)

    home.fake.instead["config.patch"] = refuse
    board = home.world.board(gateway_id=home.id, max_agents=5)
    bad = home.world.ok("POST", "/agents", json={
        "name": "Bad", "board_id": board["id"], "heartbeat_config": {"every": "13m"}})["id"]  # fmt: skip
    good = home.world.agent(board, "Good").id
    wait_for(lambda: row(home, str(good))["status"] == "online", 20)
    wait_for(lambda: "invalid config" in (row(home, bad)["last_provision_error"] or ""), 20)
    home.world.ok("DELETE", f"/agents/{bad}")
    home.settled()


def test_people_can_wake_an_agent_and_set_it_up_anew(home: Place) -> None:
    agent = home.agent(home.world.board(gateway_id=home.id), "Again")
    home.world.ok("POST", "/agent/heartbeat", home.token(agent))
    first, before = home.token(agent), len(home.fake.said(home.session(agent)))
    wake = "mutation($id: ID!) { wakeAgent(input: {id: $id}) { agent { lifecycle { action state } } } }"
    assert home.world.gql(wake, id=agent)["wakeAgent"]["agent"]["lifecycle"]["action"] == "wake"
    home.settled()
    assert len(home.fake.said(home.session(agent))) == before + 1
    files = home.fake.files[home.key(agent)]
    files["MEMORY.md"] = "mine"
    anew = (
        "mutation($id: ID!, $all: Boolean!) { provisionAgent(input: {id: $id, overwrite: $all}) { agent { status } } }"
    )
    for everything in (False, True):
        home.world.gql(anew, id=agent, all=everything)
        home.settled()
        assert (files["MEMORY.md"] == "mine") is not everything
    assert home.token(agent) != first and home.world.rest("GET", "/agent/healthz", first).status_code == 401
    document = "query($id: ID!) { agent(id: $id) { lifecycle { action state attempts error } session { key label } } }"
    found = home.world.gql(document, id=agent)["agent"]
    assert found["lifecycle"] == {"action": "provision", "state": "done", "attempts": 1, "error": None}
    assert found["session"] == {"key": home.session(agent), "label": "Again"}
