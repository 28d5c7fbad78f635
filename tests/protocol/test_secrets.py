"""Secrets stay where they belong: marked ones are planted, and everything that comes out is searched for them."""

from __future__ import annotations

import io
import json
import logging
import re
from typing import Any

import pytest

from api.gateway.identity import DeviceIdentity
from api.logs import configure_logging
from api.settings import load_settings
from tests.gateway.conftest import wait_for
from tests.protocol.conftest import Place
from tests.support.live import RestStream

MARK = "planted-gateway-token-4711"


def answers(home: Place, token: str | None, agent_id: str, board_id: str) -> list[str]:
    """What the interfaces tell somebody about everything here, errors too."""
    world = home.world
    paths = (
        "/gateways", f"/gateways/{home.id}", f"/gateways/status?board_id={board_id}", "/agents", f"/agents/{agent_id}",
        f"/gateways/sessions?board_id={board_id}", f"/boards/{board_id}/snapshot", "/activity", f"/boards/{board_id}",
        "/metrics/dashboard?range_key=24h", "/agent/healthz", "/agent/inbox", "/agent/agents",
    )  # fmt: skip
    found = [world.rest("GET", path, token).text for path in paths]
    document = (
        "{ gateways { nodes { id name url hasToken status { state error errorCode version } "
        "agents { nodes { name status lastProvisionError } } sessions { key raw messages { text content } } } } "
        "failedJobs { nodes { id kind reason state error errorCode report } } "
        "agents { nodes { id name status lifecycle { action attempts error } } } }"
    )
    headers = {"Authorization": f"Bearer {token or world.token}"}
    answer = world.http.post("/graphql", json={"query": document}, headers=headers)
    assert token is not None or "errors" not in answer.json(), answer.text
    found.append(answer.text)
    found.append(world.http.get("/metrics").text)
    return found


def test_planted_secrets_come_out_nowhere_else(home: Place) -> None:
    world = home.world
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    configure_logging(load_settings(log_level="DEBUG"))
    root = logging.getLogger()
    for known in root.handlers:
        handler.setFormatter(known.formatter)
    root.addHandler(handler)
    world.ok("PATCH", f"/gateways/{home.id}", json={"token": MARK})
    home.settled()
    board = world.board(gateway_id=home.id)
    with RestStream(world, f"/agents/stream?board_id={board['id']}") as stream:
        agent = home.agent(board, "Keeper")
        events = [json.dumps(stream.next())]
    token = home.token(agent)
    key = json.loads(world.services.settings.identity_file.read_text())["privateKeyPem"].split("\n")[1]
    assert isinstance(DeviceIdentity.load(world.services.settings.identity_file), DeviceIdentity)
    # The gateway repeats what it was told in its errors.
    home.fake.refuse("agents.files.set", f"no: token={MARK} Bearer {token} AUTH_TOKEN={token}")
    world.ok("PATCH", f"/agents/{agent}", json={"name": "Renamed"})
    wait_for(lambda: world.sql("SELECT 1 FROM jobs WHERE state = 'failed'"), 60)
    home.fake.instead.clear()
    member = world.person(world.home(), "member", read=True).token
    owner = answers(home, None, agent, board["id"])
    others = answers(home, member, agent, board["id"]) + answers(home, token, agent, board["id"])
    root.removeHandler(handler)
    configure_logging(load_settings(log_level="CRITICAL"))

    log = said.getvalue()
    assert "gateway" in log, "the log was listened to"
    rows = [str(dict(row)) for table in ("events", "jobs", "activity_events", "agents", "gateways", "gateway_links")
            for row in world.sql(f"SELECT * FROM {table}")]  # fmt: skip
    everything = {"log": [log], "rows": rows, "streams": events, "owner": owner, "others": others}
    for where, texts in everything.items():
        for secret in (token, key):
            assert not any(secret in text for text in texts), (where, secret[:6])
    # REST has always told administrators the gateway's token, on its own pages only.
    shown = [index for index, text in enumerate(owner) if MARK in text]
    assert shown == [0, 1]
    for where in ("log", "rows", "streams", "others"):
        leaks = [text[:300] for text in everything[where] if MARK in text]
        assert leaks == [], (where, leaks)


@pytest.mark.acceptance("gateway-rpc-client.1")
def test_what_the_gateway_says_is_shown_without_tokens(home: Place) -> None:
    from api.gateway.errors import redact

    text: Any = redact(
        "?token=abc123&x Bearer eyJhbGciOi.abc password=hunter2 AUTH_TOKEN=Dv_LgCPSIBvzptiB9fNTyv9G0DvwW4xd2"
    )
    assert not re.search("abc123|eyJ|hunter2|Dv_Lg", text)
