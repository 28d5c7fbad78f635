"""A gateway that is not on this host: it wants to approve our device first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.gateway.conftest import says, wait_for
from tests.support.fault_proxy import FaultProxy
from tests.support.openclaw import TOKEN, Gateway, running
from tests.support.world import World

STATUS = "query($id: ID!) { gateway(id: $id) { status { state error errorCode } } }"


@pytest.fixture(scope="module")
def remote() -> Iterator[tuple[Gateway, FaultProxy]]:
    """A gateway that sees us come from another host."""
    with running(trustedProxies=["127.0.0.1"]) as gateway:
        gateway.model.answer = lambda _: says("Ready.")
        proxy = FaultProxy(gateway.url, **{"X-Forwarded-For": "203.0.113.9"})
        yield gateway, proxy
        proxy.stop()


def pairing_request(answer: Any) -> str:
    found = re.search(r"openclaw devices approve ([\w-]+)", answer)
    assert found is not None, answer
    return found[1]


def token_changes(gateway: Gateway, token: str) -> None:
    """As the operator changes it on the gateway's host, while it runs."""
    gateway.command("config", "set", "gateway.auth.token", token)


def tell(world: World, board: dict[str, Any], text: str) -> None:
    """A message for the agent, which arrives."""
    world.ok("POST", f"/boards/{board['id']}/memory", json={"content": f"@far {text}", "tags": ["chat"]})
    told = "SELECT state FROM jobs WHERE kind = 'message' AND text LIKE $1"
    wait_for(lambda: [row["state"] for row in world.sql(told, f"%{text}%")] == ["done"], 60)


def test_pairing_is_asked_for_approved_and_taken_back(world: World, remote: tuple[Gateway, FaultProxy]) -> None:
    gateway, proxy = remote
    draft = {"name": "Remote", "url": proxy.url, "token": TOKEN, "workspace_root": str(gateway.workspaces)}
    refused = world.rest("POST", "/gateways", json=draft)
    assert (refused.status_code, refused.json()["code"]) == (502, "GATEWAY_PAIRING_REQUIRED")
    assert world.ok("GET", "/gateways")["total"] == 0
    request = pairing_request(refused.json()["detail"])
    # The command of the message, as the operator types it on the gateway's host.
    gateway.command("devices", "approve", request)

    registered = world.ok("POST", "/gateways", json=draft)

    def state() -> str:
        return str(world.gql(STATUS, id=registered["id"])["gateway"]["status"]["state"])

    wait_for(lambda: state() == "connected", 30)
    board = world.board(gateway_id=registered["id"])
    agent = world.agent(board, "Far")
    wait_for(lambda: world.sql("SELECT 1 FROM jobs WHERE kind = 'lifecycle' AND state <> 'done'") == [], 90)

    # The operator changes the gateway's token: our device is still approved, so its agents stay reachable.
    shaken = "SELECT handshakes FROM gateway_links"
    before = world.sql(shaken)[0]["handshakes"]
    token_changes(gateway, "another-token")
    wait_for(lambda: state() == "connected" and world.sql(shaken)[0]["handshakes"] > before, 60)
    tell(world, board, "after the change")
    stored = world.sql("SELECT device_token FROM gateway_links")[0]["device_token"]
    assert stored and stored.startswith("sealed")
    token_changes(gateway, TOKEN)

    device = world.services.gateways.identity.device_id  # type: ignore[union-attr]
    gateway.command("devices", "remove", device)
    wait_for(lambda: state() == "failed", 30)
    world.ok("POST", f"/boards/{board['id']}/memory", json={"content": "@far still there?", "tags": ["chat"]})
    status = wait_for(
        lambda: (found := world.gql(STATUS, id=registered["id"])["gateway"]["status"])["errorCode"]
        == "GATEWAY_PAIRING_REQUIRED" and found, 60,
    )  # fmt: skip
    gateway.command("devices", "approve", pairing_request(status["error"]))
    # Nothing was lost meanwhile, and nobody had to touch us.
    wait_for(lambda: state() == "connected", 60)
    told = "SELECT state FROM jobs WHERE kind = 'message' AND text LIKE '%still there?%'"
    wait_for(lambda: [row["state"] for row in world.sql(told)] == ["done"], 60)
    assert agent.id
