"""Messages for an agent that has a turn: its operator wants them together, or the gateway restarts meanwhile."""

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


@pytest.fixture(scope="module")
def own() -> Iterator[Gateway]:
    """A gateway of its own, since its configuration is changed."""
    with running() as found:
        yield found


class Turns:
    """An agent whose turns last until they are let go."""

    def __init__(self, world: World, gateway: Gateway, name: str) -> None:
        self.world, self.name = world, name.lower()
        rows = world.ok("GET", "/gateways")["items"]
        self.home = Home.known(world, gateway, rows[0]) if rows else Home(world, gateway)
        self.board = world.board(gateway_id=self.home.id)
        self.agent = world.agent(self.board, name)
        self.home.settled()
        self.turning, self.over = threading.Event(), threading.Event()
        gateway.model.answer = self._answer
        self.tell("long-turn")
        wait_for(self.turning.is_set, 60)

    def _answer(self, asked: dict[str, Any]) -> Any:
        if not self.turning.is_set() and "long-turn" in json.dumps(asked["messages"]):
            self.turning.set()
            self.over.wait(30)
        return says("Ready.")

    def tell(self, text: str) -> None:
        """A chat message for the agent."""
        message = {"content": f"@{self.name} {text}", "tags": ["chat"]}
        self.world.ok("POST", f"/boards/{self.board['id']}/memory", json=message)

    def heard(self) -> str:
        """What people said in the agent's session, once no message waits any more."""
        open_jobs = "SELECT 1 FROM jobs WHERE kind IN ('message', 'lifecycle') AND state NOT IN ('done', 'failed')"
        wait_for(lambda: self.world.sql(open_jobs) == [], 120)
        history = self.home.ask("chat.history", sessionKey=f"agent:mc-{self.agent.id}:main", limit=500)["messages"]
        return " ".join(json.dumps(one["content"]) for one in history if one["role"] == "user")

    def configure(self, **change: Any) -> dict[str, Any]:
        """Change the gateway's configuration, as its operator does."""
        found: dict[str, Any] = self.home.ask(
            "config.patch", raw=json.dumps(change), baseHash=self.home.ask("config.get")["hash"]
        )
        assert found["ok"]
        return found


def once_and_in_order(said: str) -> None:
    texts = ["long-turn", *(f"meanwhile-{number}." for number in range(3))]
    assert [said.count(text) for text in texts] == [1, 1, 1, 1], said
    places = [said.index(text) for text in texts]
    assert places == sorted(places)


@pytest.mark.parametrize("mode", ["collect", "followup", "interrupt", "steer"])
def test_however_the_gateway_queues_messages_each_arrives_once(world: World, own: Gateway, mode: str) -> None:
    turns = Turns(world, own, f"In{mode}")
    turns.configure(messages={"queue": {"mode": mode}})
    for number in range(3):
        turns.tell(f"meanwhile-{number}.")
    time.sleep(3)
    turns.over.set()
    once_and_in_order(turns.heard())


def test_nothing_is_lost_when_the_gateway_restarts_during_a_turn(world: World, own: Gateway) -> None:
    turns = Turns(world, own, "Target")
    before = world.gql(STATUS, id=turns.home.id)["gateway"]["status"]
    changed = turns.configure(gateway={"port": free_port()})
    assert changed["sentinel"]["payload"]["stats"]["requiresRestart"]
    for number in range(3):
        turns.tell(f"meanwhile-{number}.")
    time.sleep(1)
    turns.over.set()

    def again() -> bool:
        now = world.gql(STATUS, id=turns.home.id)["gateway"]["status"]
        return bool(now["state"] == "connected" and now["handshakes"] > before["handshakes"])

    wait_for(again, 90)
    once_and_in_order(turns.heard())
