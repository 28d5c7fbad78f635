"""The conversation that sets a board up, driven by an agent over the API."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from tests.rest_compat.test_work import inbox
from tests.support.world import Bot, World

QUESTION = {"question": "What for?", "options": [{"id": "1", "label": "Growth"}, {"id": "2", "label": "I'll type it"}]}
OSS = "onboarding-and-souls-and-skills"


def setting(world: World, *, gateway: bool = True) -> tuple[dict[str, Any], str, Bot]:
    """A board on a gateway with a main agent, or a board without one and its lead."""
    if not gateway:
        board, lead, _ = world.team(goal_confirmed=False)
        return board, f"/boards/{board['id']}/onboarding", lead
    main = world.main_agent(world.home())
    row = world.sql("SELECT gateway_id FROM agents WHERE id = $1", UUID(main.id))[0]
    board = world.board(gateway_id=str(row["gateway_id"]))
    return board, f"/boards/{board['id']}/onboarding", main


def post(world: World, path: str, bot: Bot, **body: Any) -> Any:
    return world.rest("POST", f"/agent{path}", bot.token, json=body)


def complete(**values: Any) -> dict[str, Any]:
    return {
        "status": "complete", "board_type": "goal", "objective": "Grow", "success_metrics": {"users": 10}, **values,
    }  # fmt: skip


@pytest.mark.acceptance(f"{OSS}.1", f"{OSS}.2", f"{OSS}.4")
def test_starting_and_answering(world: World) -> None:
    board, path, main = setting(world)
    assert world.rest("GET", path).status_code == 404
    started = world.ok("POST", f"{path}/start", json={})
    assert started["status"] == "active" and [m["role"] for m in started["messages"]] == ["user"]
    assert inbox(world, main) == ["BOARD ONBOARDING REQUEST"]
    world.ok("POST", f"{path}/start", json={})
    assert inbox(world, main) == ["BOARD ONBOARDING REQUEST"] * 2, "unanswered, the same text is sent again"
    assert post(world, path, main, **QUESTION).status_code == 200
    shown = world.ok("POST", f"{path}/start", json={})
    assert len(shown["messages"]) == 2 and len(inbox(world, main)) == 2, "a question waits: nothing is sent"
    assert json.loads(shown["messages"][-1]["content"]) == QUESTION
    answered = world.ok("POST", f"{path}/answer", json={"answer": " A ", "other_text": "more"})
    assert answered["messages"][-1]["content"] == "A: more" and inbox(world, main)[-1] == "A: more"
    assert world.rest("POST", f"{path}/answer", json={"answer": " "}).status_code == 422


@pytest.mark.acceptance(f"{OSS}.5", f"{OSS}.6")
def test_who_drives_and_what_a_draft_is(world: World) -> None:
    board, path, main = setting(world)
    worker, lead = world.agent(board, "W"), world.agent(board, "L", lead=True)
    world.ok("POST", f"{path}/start", json={})
    foreign = world.main_agent(world.home())
    for bot, status in ((worker, 403), (lead, 403), (foreign, 403)):
        assert post(world, path, bot, **QUESTION).status_code == status
    assert world.rest("POST", f"/agent{path}", json=QUESTION).status_code == 401
    for wrong in ({"question": "q", "options": []}, complete(objective=None), {"status": "complete"}, {}):
        assert post(world, path, main, **wrong).status_code == 422, wrong
    done = post(world, path, main, **complete(lead_agent={"name": "Ada"})).json()
    assert done["status"] == "completed" and done["draft_goal"]["lead_agent"]["name"] == "Ada"
    assert done["draft_goal"]["target_date"] is None
    assert world.rest("POST", f"{path}/agent", main.token, json=complete(objective="Other")).status_code == 200
    assert world.ok("GET", path)["draft_goal"]["objective"] == "Other"
    world.ok("POST", f"{path}/confirm", json={"board_type": "general"})
    assert post(world, path, main, **QUESTION).status_code == 409
    assert world.rest("POST", f"{path}/answer", json={"answer": "a"}).status_code == 409
    assert world.rest("POST", f"{path}/confirm", json={"board_type": "general"}).status_code == 409


@pytest.mark.parametrize(
    ("lead", "gate"),
    [
        ({"autonomy_level": "autonomous"}, False), ({"autonomy_level": "balanced"}, True),
        ({"autonomy_level": "ask_first"}, True), (None, True),
        ({"identity_profile": {"mode": "fully autonomous"}}, False), ({"identity_profile": {"mode": "semi"}}, True),
    ],
)  # fmt: skip
@pytest.mark.acceptance(f"{OSS}.7")
def test_autonomy_decides_the_gate(world: World, lead: Any, gate: bool) -> None:
    board, path, bot = setting(world, gateway=False)
    world.ok("POST", f"{path}/start", json={})
    assert post(world, path, bot, **complete(lead_agent=lead)).status_code == 200
    found = world.ok("POST", f"{path}/confirm", json={"board_type": "general"})
    assert found["require_approval_for_done"] is gate


@pytest.mark.acceptance(f"{OSS}.8")
def test_confirming_makes_the_lead_and_fills_the_profile(world: World) -> None:
    board, path, main = setting(world)
    world.ok("POST", f"{path}/start", json={})
    draft = complete(
        user_profile={"timezone": "Europe/Berlin", "preferred_name": " "},
        lead_agent={"name": "Ada", "identity_profile": {"role": "Guide"}, "verbosity": "concise"},
    )
    assert post(world, path, main, **draft).status_code == 200
    body = {
        "board_type": "goal",
        "objective": "Mine",
        "success_metrics": {"m": 1},
        "target_date": "2027-01-01T00:00:00Z",
    }
    found = world.ok("POST", f"{path}/confirm", json=body)
    assert (found["objective"], found["goal_confirmed"], found["goal_source"]) == (
        "Mine",
        True,
        "lead_agent_onboarding",
    )
    assert found["target_date"] == "2027-01-01T00:00:00" and world.me()["timezone"] == "Europe/Berlin"
    (lead,) = world.ok("GET", f"/agents?board_id={board['id']}")["items"]
    assert (lead["name"], lead["is_board_lead"]) == ("Ada", True)
    assert lead["identity_profile"]["role"] == "Guide" and lead["identity_profile"]["verbosity"] == "concise"
    job = world.sql("SELECT text FROM jobs WHERE kind = 'lifecycle' AND agent_id = $1", UUID(lead["id"]))
    assert [row["text"] for row in job] == ["provision"]


def test_in_graphql_people_decide_about_gate_and_profile(world: World) -> None:
    board, path, bot = setting(world, gateway=False)
    ids = {"b": board["id"]}
    world.gql("mutation($b: ID!) { startOnboarding(input: {boardId: $b}) { onboarding { status } } }", **ids)
    ask = """mutation($b: ID!) { askOnboardingQuestion(input: {boardId: $b, question: "Q?",
      options: [{id: "1", label: "A"}]}) { onboarding { question { question options { label } } } } }"""
    asked = world.gql(ask, bot.token, **ids)["askOnboardingQuestion"]["onboarding"]["question"]
    assert asked == {"question": "Q?", "options": [{"label": "A"}]}
    post(world, path, bot, **complete(lead_agent={"autonomy_level": "autonomous"}, user_profile={"pronouns": "x/y"}))
    confirm = """mutation($b: ID!) { confirmOnboarding(input: {boardId: $b, boardType: "general"}) {
      board { settings { requireApprovalForDone } onboarding { status draft } } } }"""
    done = world.gql(confirm, **ids)["confirmOnboarding"]["board"]
    assert done["settings"]["requireApprovalForDone"] is True and done["onboarding"]["status"] == "CONFIRMED"
    assert world.me()["pronouns"] != "x/y"
