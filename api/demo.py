"""`mission-control demo`: a board's whole story, played against a real server and told as its events arrive.

A person subscribes over GraphQL; a lead and a worker act over REST; every line that is printed is an event that the
subscription delivered. The first deviation ends the story with an error.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
from gql import Client, gql
from gql.transport.websockets import WebsocketsTransport

PATIENCE = 10.0

EVENTS = """
subscription Story($board: ID!, $after: Cursor) {
  boardEvents(boardId: $board, after: $after) {
    cursor kind
    actor { displayName }
    changes { field after }
    ... on TaskEvent { task { title status } comment { message } }
    ... on ApprovalEvent { approval { actionType status } }
    ... on MemoryEvent { entry { content } }
    ... on AgentEvent { agent { name } }
  }
}
"""


class Deviation(Exception):
    """The story did not go as it should."""


class Teller:
    """Prints events as they arrive and waits for the one the story needs next."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.changed = asyncio.Condition()

    async def hear(self, event: dict[str, Any]) -> None:
        """One event of the subscription."""
        print(f"  {describe(event)}", flush=True)
        async with self.changed:
            self.kinds.append(event["kind"])
            self.changed.notify_all()


def describe(event: dict[str, Any]) -> str:
    """An event as a line of the story."""
    who = (event["actor"] or {"displayName": "The server"})["displayName"]
    kind = event["kind"].replace("_", " ").lower()
    thing = ""
    if event.get("task"):
        thing = f"“{event['task']['title']}” ({event['task']['status'].lower().replace('_', ' ')})"
    if event.get("comment"):
        thing += f": {event['comment']['message']}"
    for name, field in (("approval", "actionType"), ("entry", "content"), ("agent", "name")):
        if event.get(name):
            thing = str(event[name][field])
    return f"{who:<11} {kind}  {thing}".rstrip()


class Agent:
    """A program that speaks REST with an agent's token."""

    def __init__(self, http: httpx.AsyncClient, url: str, board: str, token: str) -> None:
        self.http, self.board, self.token = http, f"{url}/api/v1/agent/boards/{board}", token

    async def call(self, method: str, path: str, expect: int = 200, **body: Any) -> Any:
        """One request; anything but the expected status ends the story."""
        headers = {"X-Agent-Token": self.token}
        answer = await self.http.request(method, self.board + path, json=body or None, headers=headers)
        if answer.status_code != expect:
            raise Deviation(f"{method} {path} answered {answer.status_code} instead of {expect}: {answer.text[:300]}")
        return answer.json()


async def story(url: str, token: str) -> None:
    """Play it. Raises `Deviation` at the first thing that is not as it should be."""
    async with httpx.AsyncClient(timeout=10) as http:

        async def ask(document: str, **variables: Any) -> Any:
            answer = await http.post(
                f"{url}/graphql", json={"query": document, "variables": variables},
                headers={"Authorization": f"Bearer {token}"},
            )  # fmt: skip
            body = answer.json()
            if answer.status_code != 200 or body.get("errors"):
                raise Deviation(f"GraphQL answered {answer.status_code}: {body}")
            return body["data"]

        stamp = time.strftime("%H:%M:%S")
        made = await ask(
            """mutation($input: CreateBoardInput!) { createBoard(input: $input) { board { id name eventCursor } } }""",
            input={
                "name": f"Launch {stamp}",
                "slug": f"launch-{int(time.time())}",
                "description": "Ship the launch page.",
            },
        )
        board = made["createBoard"]["board"]
        tokens = {}
        for name, is_lead in (("Lena", True), ("Wim", False)):
            issued = await ask(
                "mutation($input: CreateAgentInput!) { createAgent(input: $input) { token agent { id } } }",
                input={"name": name, "boardId": board["id"], "isLead": is_lead},
            )
            tokens[name] = issued["createAgent"]
        print(f"Board “{board['name']}”: Lena leads, Wim works, you watch over a WebSocket.\n")
        socket_url = url.replace("http", "ws", 1) + "/graphql"
        transport = WebsocketsTransport(
            url=socket_url,
            init_payload={"Authorization": f"Bearer {token}"},
            subprotocols=["graphql-transport-ws"],
        )
        async with Client(transport=transport) as session:
            teller = Teller()

            async def listen() -> None:
                variables = {"board": board["id"], "after": board["eventCursor"]}
                document = gql(EVENTS)
                document.variable_values = variables
                async for result in session.subscribe(document):
                    await teller.hear(result["boardEvents"])

            listening = asyncio.create_task(listen())
            try:
                playing = asyncio.create_task(_play(http, url, board["id"], tokens, teller, ask))
                done, _ = await asyncio.wait({playing, listening}, return_when=asyncio.FIRST_COMPLETED)
                if listening in done:
                    playing.cancel()
                    raise Deviation(f"the subscription ended: {listening.exception()!r}")
                await playing
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)


async def _play(http: httpx.AsyncClient, url: str, board: str, tokens: Any, teller: Teller, ask: Any) -> None:
    lead = Agent(http, url, board, tokens["Lena"]["token"])
    worker = Agent(http, url, board, tokens["Wim"]["token"])
    await _settled(teller, "AGENT_CREATED", 2)

    first = await lead.call("POST", "/tasks", title="Write the text", priority="high")
    second = await lead.call("POST", "/tasks", title="Build the page", depends_on_task_ids=[first["id"]])
    await _settled(teller, "TASK_CREATED", 2)

    await worker.call("PATCH", f"/tasks/{first['id']}", status="in_progress")
    await _settled(teller, "TASK_MOVED", 1)
    refused = await worker.call("PATCH", f"/tasks/{second['id']}", expect=409, status="in_progress")
    if refused["detail"].get("blocked_by_task_ids") != [first["id"]]:
        raise Deviation(f"the refusal does not name the blocking task: {refused}")
    print("  (Wim tries “Build the page” and is refused: it waits for “Write the text”.)")

    await worker.call("POST", f"/tasks/{first['id']}/comments", message="The text stands; please have a look.")
    await _settled(teller, "TASK_COMMENTED", 1)
    approval = await worker.call(
        "POST", "/approvals", action_type="task.done", confidence=88, task_ids=[first["id"]],
        lead_reasoning="The text is finished and checked twice.",
    )  # fmt: skip
    await _settled(teller, "APPROVAL_REQUESTED", 1)
    await ask(
        "mutation($input: DecideApprovalInput!) { decideApproval(input: $input) { approval { status } } }",
        input={"id": approval["id"], "status": "APPROVED", "note": "Good text."},
    )
    await _settled(teller, "APPROVAL_APPROVED", 1)

    await worker.call("PATCH", f"/tasks/{first['id']}", status="review")
    await _settled(teller, "TASK_MOVED", 2)
    await lead.call("PATCH", f"/tasks/{first['id']}", status="done")
    await _settled(teller, "TASK_MOVED", 3)
    await _settled(teller, "TASK_UNBLOCKED", 1)
    await worker.call("PATCH", f"/tasks/{second['id']}", status="in_progress")
    await _settled(teller, "TASK_MOVED", 4)

    await worker.call("POST", "/memory", content="@lead the page is on its way.", tags=["chat"])
    await _settled(teller, "MEMORY_WRITTEN", 1)
    inbox = await http.post(
        f"{url}/graphql", json={"query": "{ viewer { inbox { messages { reason text } } } }"},
        headers={"X-Agent-Token": tokens["Lena"]["token"]},
    )  # fmt: skip
    messages = inbox.json()["data"]["viewer"]["inbox"]["messages"]
    if not any(message["text"].startswith("BOARD CHAT MENTION") for message in messages):
        raise Deviation(f"the lead was not told of the mention: {messages}")
    print(f"  (Lena's inbox holds {len(messages)} messages; the last: {messages[-1]['text'].splitlines()[0]}.)")


async def _settled(teller: Teller, kind: str, count: int) -> None:
    """Wait until the story holds so many events of a kind."""
    async with teller.changed:
        try:
            await asyncio.wait_for(teller.changed.wait_for(lambda: teller.kinds.count(kind) >= count), PATIENCE)
        except TimeoutError:
            raise Deviation(f"waited for {count}× {kind}, heard {teller.kinds}") from None
    if teller.kinds.count(kind) > count:
        raise Deviation(f"{kind} came {teller.kinds.count(kind)} times instead of {count}: {teller.kinds}")


class OwnServer:
    """A server of the demo's own, on a free port and a folder that goes with it (or the one given)."""

    def __init__(self, data: Path | None) -> None:
        self.data = data or Path(tempfile.mkdtemp(prefix="mission-control-demo-"))
        self.keep = data is not None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Start it and wait until it is ready; returns its token."""
        command = [
            sys.executable,
            "-m",
            "api.cli",
            "serve",
            "--port",
            str(self.port),
            "--data-dir",
            str(self.data),
        ]
        environment = {**os.environ, "LOG_LEVEL": "WARNING", "AUTH_MODE": "local"}
        self.process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)  # noqa: S603
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if httpx.get(f"{self.url}/readyz", timeout=2).status_code == 200:
                    configured = os.environ.get("LOCAL_AUTH_TOKEN", "")
                    return configured or (self.data / "local-token").read_text().strip()
            except httpx.HTTPError:
                time.sleep(0.1)
        raise Deviation("the demo's own server did not start")

    def stop(self) -> None:
        """Stop it and take its folder away."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(15)
        if not self.keep:
            shutil.rmtree(self.data, ignore_errors=True)


def play(url: str | None, token: str | None, data: Path | None) -> int:
    """The command: 0 when the story went as it should, 1 at the first deviation."""
    own = None
    try:
        if url is None:
            print("Starting a server for the story …", flush=True)
            own = OwnServer(data)
            url, token = own.url, own.start()
        if not token:
            from api.domain.authentication.tokens import LocalToken
            from api.settings import load_settings

            settings = load_settings(data=data)
            token = LocalToken(settings.local_auth_token.get_secret_value(), settings.data).value
        asyncio.run(story(url.rstrip("/"), token))
    except (Deviation, httpx.HTTPError, OSError) as error:
        print(f"\nThe story deviated: {error}", file=sys.stderr)
        return 1
    finally:
        if own is not None:
            own.stop()
    print("\nThe end: everything happened as it should.")
    return 0
