"""Setting a board up while the gateway fails: nothing of it is lost, nothing is asked of people twice."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from tests.protocol.conftest import Place

OSS = "onboarding-and-souls-and-skills"


def started(home: Place) -> tuple[dict[str, Any], str]:
    board = home.world.board(gateway_id=home.id)
    return board, f"/boards/{board['id']}/onboarding"


@pytest.mark.acceptance(f"{OSS}.3")
def test_what_was_typed_is_kept_and_arrives_when_the_gateway_is_back(home: Place) -> None:
    world = home.world
    board, path = started(home)
    home.fake.refuse("chat.send", "busy", "UNAVAILABLE", retryable=True)
    begun = world.rest("POST", f"{path}/start", json={})
    assert begun.status_code == 200 and world.ok("GET", path)["id"] == begun.json()["id"]
    question = {"question": "What for?", "options": [{"id": "1", "label": "Growth"}, {"id": "2", "label": "Other"}]}
    world.ok("POST", f"/agent{path}", home.token(home.main()), json=question)
    assert world.rest("POST", f"{path}/answer", json={"answer": "Typed by hand"}).status_code == 200
    assert world.ok("GET", path)["messages"][-1]["content"] == "Typed by hand"
    assert not [one for one in home.fake.said(home.session(home.main())) if "Typed" in one or board["id"] in one]
    home.fake.instead.clear()
    home.settled(seconds=40)
    said = home.fake.said(home.session(home.main()))
    places = [
        next(place for place, one in enumerate(said) if words in one) for words in ("ONBOARDING", "Typed by hand")
    ]
    assert places == sorted(places) and [one for one in said if "Typed" in one] == ["Typed by hand"]


@pytest.mark.acceptance(f"{OSS}.9")
def test_a_lead_that_could_not_be_made_at_confirming_is_made_later(home: Place) -> None:
    world = home.world
    board, path = started(home)
    world.ok("POST", f"{path}/start", json={})
    complete = {
        "status": "complete", "board_type": "goal", "objective": "Grow", "success_metrics": {"users": 10},
        "lead_agent": {"name": "Ada"},
    }  # fmt: skip
    world.ok("POST", f"/agent{path}", home.token(home.main()), json=complete)
    home.settled()
    home.fake.refuse("agents.create", "busy", "UNAVAILABLE", retryable=True)
    confirmed = world.ok("POST", f"{path}/confirm", json={"board_type": "general"})
    assert confirmed["goal_confirmed"] is True
    (lead,) = world.ok("GET", f"/agents?board_id={board['id']}")["items"]
    assert lead["status"] == "provisioning" and f"lead-{board['id']}" not in home.fake.agents
    home.fake.instead.clear()
    home.settled(seconds=40)
    assert f"lead-{board['id']}" in home.fake.agents
    assert "Ada" in json.dumps(home.fake.agents[f"lead-{board['id']}"])
    status = world.sql("SELECT status FROM agents WHERE id = $1", UUID(lead["id"]))[0]["status"]
    assert status not in ("provisioning", "offline")
    # Confirmed once is confirmed; nobody has to do it again.
    assert world.rest("POST", f"{path}/confirm", json={"board_type": "general"}).status_code == 409
