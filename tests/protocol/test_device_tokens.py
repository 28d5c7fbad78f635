"""What a gateway issues to our device opens it when its own token does not any more, and opens nothing else."""

from __future__ import annotations

from typing import Any

from tests.gateway.conftest import wait_for
from tests.protocol.conftest import Place
from tests.support.fake_gateway import FakeGateway, Refusal

STATUS = "query($id: ID!) { gateway(id: $id) { status { state error errorCode } } }"


def issuing(fake: FakeGateway, token: str, device: str) -> None:
    """Let those in who have the token, or the device's, which is issued to them."""

    def connect(params: dict[str, Any]) -> Any:
        if {"token": token} != params["auth"] != {"deviceToken": device}:
            raise Refusal("unauthorized", details={"code": "AUTH_TOKEN_MISMATCH"})
        answer = fake._on_connect(params)
        answer["auth"]["deviceToken"] = device
        return answer

    fake.instead["connect"] = connect


def test_a_gateway_whose_token_has_changed_is_entered_by_the_device_s(home: Place) -> None:
    world, fake = home.world, home.fake

    def status() -> dict[str, Any]:
        found: dict[str, Any] = world.gql(STATUS, id=home.id)["gateway"]["status"]
        return found

    def again(code: str | None) -> None:
        before = len(fake.connects)
        fake.close(4001, "gateway auth changed")
        wait_for(lambda: len(fake.connects) > before and status()["state"] == "connected", 20)
        wait_for(lambda: status()["errorCode"] == code, 5)

    issuing(fake, "tok", "device-secret")
    again(None)
    issuing(fake, "changed", "device-secret")
    again("GATEWAY_AUTH_FAILED")
    assert "openclaw dashboard" in status()["error"], "people are told although it works"
    assert fake.connects[-1]["auth"] == {"deviceToken": "device-secret"} and fake.connects[-2]["auth"] == {
        "token": "tok"
    }
    # The token goes into the signature as the other would.
    assert fake.connects[-1]["device"]["signature"] != fake.connects[-2]["device"]["signature"]
    board = world.board(gateway_id=home.id)
    home.agent(board, "Reachable")
    stored = world.sql("SELECT device_token FROM gateway_links")[0]["device_token"]
    assert stored and "device-secret" not in stored
    world.ok("PATCH", f"/gateways/{home.id}", json={"token": "changed"})
    wait_for(lambda: status()["errorCode"] is None, 20)


def test_the_device_s_token_is_sent_to_nobody_else(home: Place) -> None:
    issuing(home.fake, "tok2", "device-secret")
    home.world.ok("PATCH", f"/gateways/{home.id}", json={"token": "tok2"})
    wait_for(lambda: home.world.sql("SELECT device_token FROM gateway_links")[0]["device_token"], 20)
    other = FakeGateway()
    home.world.ok("PATCH", f"/gateways/{home.id}", json={"url": other.url})
    wait_for(lambda: home.world.gql(STATUS, id=home.id)["gateway"]["status"]["state"] == "connected", 20)
    issuing(other, "another", "x")
    other.close(4001, "gateway auth changed")
    state = wait_for(
        lambda: (found := home.world.gql(STATUS, id=home.id)["gateway"]["status"])["state"] == "failed" and found, 20
    )
    assert state["errorCode"] == "GATEWAY_AUTH_FAILED"
    assert all("deviceToken" not in one["auth"] for one in other.connects)
    other.stop()
