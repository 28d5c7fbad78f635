"""Several servers on one database and one gateway, and servers that are killed: one connection, everything once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.end_to_end.test_start import serving
from tests.gateway.conftest import says, wait_for
from tests.support.databases import Databases, query
from tests.support.openclaw import TOKEN, Gateway

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "8"))
MESSAGES = int(os.environ.get("CRASH_MESSAGES", "60"))
LIFECYCLES = 10
LOCAL = "t" * 60


class Servers:
    """Server processes that share a database, an identity and their secrets."""

    def __init__(self, folder: Path, database: str, stack: ExitStack) -> None:
        self.folder, self.database, self.stack = folder, database, stack
        self.count = 0

    def start(self) -> tuple[subprocess.Popen[str], str]:
        self.count += 1
        home = self.folder / f"server{self.count}"
        home.mkdir()
        return self.stack.enter_context(serving(
            home, DATABASE_URL=self.database, LOCAL_AUTH_TOKEN=LOCAL, MISSION_CONTROL_SECRET_KEY="shared",
            OPENCLAW_GATEWAY_DEVICE_IDENTITY_PATH=str(self.folder / "identity.json"), LOG_LEVEL="ERROR",
        ))  # fmt: skip

    def sql(self, statement: str, *arguments: Any) -> list[Any]:
        return query(self.database, statement, *arguments)


def ask(url: str, method: str, path: str, **rest: Any) -> Any:
    headers = {"Authorization": f"Bearer {LOCAL}"}
    answer = httpx.request(method, f"{url}/api/v1{path}", headers=headers, timeout=30, **rest)
    assert answer.status_code == 200, answer.text
    return answer.json()


def gql(url: str, document: str, **variables: Any) -> Any:
    headers, body = {"Authorization": f"Bearer {LOCAL}"}, {"query": document, "variables": variables}
    answer = httpx.post(f"{url}/graphql", headers=headers, timeout=30, json=body).json()
    assert not answer.get("errors"), answer
    return answer["data"]


@pytest.fixture
def servers(databases: Databases, tmp_path: Path, openclaw: Gateway) -> Iterator[Servers]:
    openclaw.model.answer = lambda _: says("Ready.")
    with ExitStack() as stack:
        yield Servers(tmp_path, databases.clone(), stack)


def register(url: str, openclaw: Gateway, agents: int) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    draft = {"name": "Shared", "url": openclaw.url, "token": TOKEN, "workspace_root": str(openclaw.workspaces)}
    gateway = ask(url, "POST", "/gateways", json=draft)
    board = ask(url, "POST", "/boards", json={
        "name": "B", "slug": "b", "description": "d", "gateway_id": gateway["id"], "max_agents": 50})  # fmt: skip
    made = [ask(url, "POST", "/agents", json={"name": f"A{n}", "board_id": board["id"]})["id"] for n in range(agents)]
    return gateway, board, made


def settled(servers: Servers, kinds: str = "'lifecycle', 'message'") -> None:
    open_jobs = f"SELECT 1 FROM jobs WHERE kind IN ({kinds}) AND state NOT IN ('done', 'failed') LIMIT 1"
    wait_for(lambda: servers.sql(open_jobs) == [], 120 + 2 * MESSAGES)


def test_two_servers_have_one_connection_and_the_other_takes_over(servers: Servers, openclaw: Gateway) -> None:
    holder, first = servers.start()
    gateway, board, _ = register(first, openclaw, 1)
    settled(servers)
    other, second = servers.start()
    status = "query($id: ID!) { gateway(id: $id) { status { state handshakes } sessions { key } } }"
    # The one without the connection asks through the other.
    for url in (first, second):
        found = gql(url, status, id=gateway["id"])["gateway"]
        assert found["status"] == {"state": "connected", "handshakes": 1} and found["sessions"]
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    killed = time.monotonic()
    ask(second, "POST", f"/boards/{board['id']}/memory", json={"content": "@a0 taken over", "tags": ["chat"]})
    wait_for(lambda: gql(second, status, id=gateway["id"])["gateway"]["status"]["handshakes"] == 2, 20)
    assert time.monotonic() - killed < 10
    settled(servers)
    assert {row["state"] for row in servers.sql("SELECT state FROM jobs WHERE kind = 'message'")} == {"done"}
    assert other.poll() is None


def test_killed_again_and_again_everything_arrives_once_and_in_order(servers: Servers, openclaw: Gateway) -> None:
    process, url = servers.start()
    gateway, board, agents = register(url, openclaw, 3)
    settled(servers)
    generator = random.Random(7)
    sent: dict[str, list[str]] = {agent: [] for agent in agents}
    per_round = MESSAGES // ROUNDS
    for number in range(ROUNDS):
        for _ in range(per_round):
            place = generator.randrange(len(agents))
            text = f"m-{number}-{len(sent[agents[place]])}"
            # Written as the server writes them: in a transaction of its own, whoever delivers it.
            servers.sql(
                "INSERT INTO jobs (id, kind, reason, agent_id, board_id, text, deliver, state, attempts, created_at) "
                "VALUES (gen_random_uuid(), 'message', 'chat', $1, $2, $3, false, 'waiting', 0, now())",
                UUID(agents[place]), UUID(board["id"]), text,
            )  # fmt: skip
            sent[agents[place]].append(text)
        # Lifecycles beside them: a new agent to be set up, and new files for all of them.
        if number < LIFECYCLES:
            ask(url, "POST", "/agents", json={"name": f"New{number}", "board_id": board["id"]})
        ask(url, "PATCH", f"/boards/{board['id']}", json={"name": f"Round {number}"})
        time.sleep(generator.uniform(0.1, 1.2))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process, url = servers.start()
    settled(servers)

    def heard(agent: str) -> list[str]:
        return [text for text in _said(url, gateway["id"], agent) if text[:2] == "m-"]

    # What comes during a turn is in the history when its own turn begins.
    for agent in agents:
        with suppress(AssertionError):
            wait_for(lambda one=agent: len(heard(one)) >= len(sent[one]), 60)
        assert heard(agent) == sent[agent]
    stuck = servers.sql(
        "SELECT name, status, last_provision_error FROM agents WHERE status IN ('provisioning', 'updating')"
    )
    assert [tuple(row) for row in stuck] == []
    put_aside = servers.sql("SELECT kind, reason, data FROM jobs WHERE state = 'failed'")
    assert [tuple(row) for row in put_aside] == []
    document = "query($g: ID!) { gateway(id: $g) { agents(first: 50) { totalCount } } }"
    assert gql(url, document, g=gateway["id"])["gateway"]["agents"]["totalCount"] == len(agents) + 1 + min(
        ROUNDS, LIFECYCLES
    )
    known = {
        session["key"].split(":")[1]
        for session in ask(url, "GET", f"/gateways/sessions?board_id={board['id']}")["sessions"]
    }
    assert {f"mc-{row['id']}" for row in servers.sql("SELECT id FROM agents WHERE board_id IS NOT NULL")} <= known


def _said(url: str, gateway_id: str, agent_id: str) -> list[str]:
    """What people and we said to an agent, as the gateway has it."""
    query_text = (
        "query($g: ID!, $k: String!) { gatewaySession(gatewayId: $g, key: $k) { messages(limit: 1000) { role text } } }"
    )
    found = gql(url, query_text, g=gateway_id, k=f"agent:mc-{agent_id}:main")["gatewaySession"]
    return [one["text"] for one in found["messages"] if one["role"] == "user"] if found else []
