"""A thousand deliveries from many addresses while the server is killed again and again: each is told once."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.end_to_end.test_start import PYTHON, environment, free_port
from tests.support.databases import Databases, query

DELIVERIES = int(os.environ.get("WEBHOOK_DELIVERIES", "1000"))
KILLS = 5
ADDRESSES = 40
TOKEN = "t" * 60


class Mortal:
    """A server on one port that is killed and started again."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.database, self.port = folder, url, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        values = environment(self.folder, DATABASE_URL=self.database, LOCAL_AUTH_TOKEN=TOKEN)
        self.process = subprocess.Popen(
            [*PYTHON, "serve", "--port", str(self.port)], env=values, cwd=self.folder, stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                if httpx.get(f"{self.url}/readyz", timeout=2).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.05)
        raise AssertionError("the server did not start")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)


@pytest.mark.acceptance("webhooks.8")
def test_each_delivery_reaches_the_lead_exactly_once(databases: Databases, tmp_path: Path) -> None:
    url = databases.clone()
    server = Mortal(tmp_path, url)
    headers = {"Authorization": f"Bearer {TOKEN}"}

    def api(path: str, body: Any) -> Any:
        answer = httpx.post(f"{server.url}{path}", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    board = api("/api/v1/boards", {"name": "B", "slug": "b", "description": "d"})["id"]
    made = api("/graphql", {
        "query": "mutation($i: CreateAgentInput!) { createAgent(input: $i) { agent { id } } }",
        "variables": {"i": {"name": "Lead", "boardId": board, "isLead": True}},
    })  # fmt: skip
    lead = made["data"]["createAgent"]["agent"]["id"]
    hook = api(f"/api/v1/boards/{board}/webhooks", {"description": "d"})["id"]
    path = f"/api/v1/boards/{board}/webhooks/{hook}"
    accepted: dict[int, str] = {}
    limited: list[int] = []
    stop = threading.Event()

    def sender(number: int) -> None:
        """One sender: it repeats a delivery under the same id until it has its 202."""
        transport = httpx.HTTPTransport(local_address=f"127.0.1.{number + 1}")
        with httpx.Client(transport=transport, timeout=5) as client:
            for delivery in range(number, DELIVERIES, ADDRESSES):
                while not stop.is_set():
                    try:
                        answer = client.post(
                            f"{server.url}{path}", json={"n": delivery}, headers={"X-GitHub-Delivery": f"d{delivery}"}
                        )
                    except httpx.HTTPError:
                        time.sleep(0.1)
                        continue
                    if answer.status_code == 202:
                        accepted[delivery] = answer.json()["payload_id"]
                        break
                    limited.append(answer.status_code)
                    assert answer.status_code in (429, 503), answer.text
                    time.sleep(min(float(answer.headers.get("retry-after", 1)), 5))

    chance = random.Random(11)
    try:
        with ThreadPoolExecutor(ADDRESSES) as pool:
            senders = [pool.submit(sender, number) for number in range(ADDRESSES)]
            for kill in range(KILLS):
                wanted = (kill + 1) * DELIVERIES // (KILLS + 1) + chance.randrange(20)
                while len(accepted) < wanted and not all(one.done() for one in senders):
                    time.sleep(0.005)
                server.kill()
                server.start()
            for one in senders:
                one.result(timeout=180)
    finally:
        stop.set()
        server.kill()
    assert len(accepted) == DELIVERIES
    stored = query(url, "SELECT id, payload FROM board_webhook_payloads")
    by_number = {json.loads(row["payload"])["n"]: str(row["id"]) for row in stored}
    assert len(stored) == DELIVERIES and by_number == accepted
    told = query(url, "SELECT data FROM jobs WHERE agent_id::text = $1 AND reason = 'webhook'", lead)
    assert sorted(json.loads(row["data"])["payload_id"] for row in told) == sorted(accepted.values())


def test_twenty_at_once_do_not_wait_for_each_other_s_connections(databases: Databases, tmp_path: Path) -> None:
    server = Mortal(tmp_path, databases.clone())
    headers = {"Authorization": f"Bearer {TOKEN}"}
    try:
        board = httpx.post(
            f"{server.url}/api/v1/boards", json={"name": "B", "slug": "b", "description": "d"}, headers=headers
        ).json()["id"]
        hook = httpx.post(f"{server.url}/api/v1/boards/{board}/webhooks", json={"description": "d"}, headers=headers)
        path = f"{server.url}/api/v1/boards/{board}/webhooks/{hook.json()['id']}"
        with ThreadPoolExecutor(30) as pool:
            answers = list(pool.map(lambda n: httpx.post(path, json={"n": n}, timeout=30).status_code, range(60)))
        assert answers == [202] * 60
    finally:
        server.kill()
