"""A gateway that restarts itself, because its operator changed what it cannot change while it runs."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.gateway.conftest import Home, says, wait_for
from tests.support.openclaw import Gateway, free_port, running
from tests.support.world import World

STATUS = "query($id: ID!) { gateway(id: $id) { status { state handshakes } } }"


@pytest.fixture
def restarting() -> Iterator[Gateway]:
    """A gateway of its own, since it ends elsewhere than it began."""
    with running() as found:
        yield found


def test_nothing_is_lost_when_the_gateway_restarts_during_a_turn(world: World, restarting: Gateway) -> None:
    home = Home(world, restarting)
    board = world.board(gateway_id=home.id)
    agent = world.agent(board, "Target")
    home.settled()
    turning, over = threading.Event(), threading.Event()

    def slow(asked: dict[str, Any]) -> Any:
        if not turning.is_set() and "long-turn" in json.dumps(asked["messages"]):
            turning.set()
            over.wait(30)
        return says("Ready.")

    def tell(text: str) -> None:
        world.ok("POST", f"/boards/{board['id']}/memory", json={"content": f"@target {text}", "tags": ["chat"]})

    restarting.model.answer = slow
    tell("long-turn")
    wait_for(turning.is_set, 60)
    before = world.gql(STATUS, id=home.id)["gateway"]["status"]
    raw = json.dumps({"gateway": {"port": free_port()}})
    changed = home.ask("config.patch", raw=raw, baseHash=home.ask("config.get")["hash"])
    assert changed["ok"] and changed["sentinel"]["payload"]["stats"]["requiresRestart"]
    for number in range(3):
        tell(f"meanwhile-{number}.")
    time.sleep(1)
    over.set()

    def again() -> bool:
        now = world.gql(STATUS, id=home.id)["gateway"]["status"]
        return bool(now["state"] == "connected" and now["handshakes"] > before["handshakes"])

    wait_for(again, 90)
    open_jobs = "SELECT 1 FROM jobs WHERE kind IN ('message', 'lifecycle') AND state NOT IN ('done', 'failed')"
    wait_for(lambda: world.sql(open_jobs) == [], 120)
    history = home.ask("chat.history", sessionKey=f"agent:mc-{agent.id}:main", limit=500)["messages"]
    said = [json.dumps(one["content"]) for one in history if one["role"] == "user"]
    for text in ("long-turn", *(f"meanwhile-{number}." for number in range(3))):
        assert sum(text in one for one in said) == 1, (text, said)
    places = [next(n for n, one in enumerate(said) if f"meanwhile-{number}." in one) for number in range(3)]
    assert places == sorted(places)
