"""An agent's life on the real gateway: made, written, read back, changed, put to work, taken away."""

from __future__ import annotations

import json
import time
from typing import Any
from uuid import UUID

import pytest

from tests.gateway.conftest import Home, says, tool_call, wait_for
from tests.support.live import Following
from tests.support.world import World

HEARTBEATS = {
    3: {"every": "10m", "target": "last", "includeReasoning": False}, 4: {"every": "10m", "target": "none"},
}  # fmt: skip


@pytest.fixture(autouse=True)
def _plain_model(home: Home) -> None:
    home.gateway.model.answer = lambda _: says("Ready.")


def key_of(world: World, agent_id: str) -> str:
    row = world.sql("SELECT openclaw_session_id FROM agents WHERE id = $1", UUID(agent_id))[0]
    return str(row["openclaw_session_id"]).split(":")[1]


@pytest.mark.acceptance("provisioning-and-templates.1", "gateways-and-sessions.6")
def test_what_is_on_the_gateway_is_what_was_meant(home: Home) -> None:
    world = home.world
    board = world.board(gateway_id=home.id, name="Launch", objective="Ship it", max_agents=5)
    lead, worker = world.agent(board, "Lena", lead=True), world.agent(board, "Wim")
    home.settled()
    main = world.gql("query($id: ID!) { gateway(id: $id) { mainAgent { id name } } }", id=home.id)["gateway"][
        "mainAgent"
    ]
    assert main["name"] == "Home Gateway Agent"
    entries, root = home.entries(), str(home.gateway.workspaces)
    for agent_id, name, folder in (
        (main["id"], main["name"], f"workspace-gateway-{home.id}"), (lead.id, "Lena", f"workspace-lead-{board['id']}"),
        (worker.id, "Wim", f"workspace-mc-{worker.id}"),
    ):  # fmt: skip
        entry = entries[key_of(world, agent_id)]
        assert entry["workspace"] == f"{root}/{folder}" and entry["name"] == name
        assert entry["heartbeat"] == HEARTBEATS[home.gateway.protocol]
    key = key_of(world, lead.id)
    rules = home.said(key)
    assert "Ship it" in rules and f"BOARD_ID={board['id']}" in rules and world.server.url in rules
    assert "Lena" in home.file(key, "IDENTITY.md")
    assert "Local User" in home.file(key, "USER.md")
    assert home.file(key_of(world, worker.id), "BOOTSTRAP.md") == "", "the gateway's own first steps are not ours"
    # The old release restarts when its configuration changes.
    assert home.handshakes() == 1 or home.gateway.protocol == 3


def test_the_token_in_the_files_is_the_agent_s_and_the_old_one_ends_with_it(home: Home) -> None:
    world = home.world
    board = world.board(gateway_id=home.id)
    worker = world.agent(board, "Token")
    home.settled()
    key = key_of(world, worker.id)
    first = home.token(key)
    assert world.ok("GET", "/agent/healthz", first)["agent_id"] == worker.id
    assert world.rest("GET", "/agent/healthz", worker.token).status_code == 401
    world.ok("PATCH", f"/agents/{worker.id}", json={"name": "Renamed"})
    home.settled()
    second = home.token(key)
    assert second != first
    assert home.entries()[key]["name"] == "Renamed", "the key stays, the name is new"
    assert world.ok("GET", "/agent/healthz", second)["agent_id"] == worker.id
    assert world.rest("GET", "/agent/healthz", first).status_code == 401


def test_what_an_agent_wrote_itself_is_kept(home: Home) -> None:
    world = home.world
    worker = world.agent(world.board(gateway_id=home.id), "Keeper")
    home.settled()
    key = key_of(world, worker.id)
    home.ask("agents.files.set", agentId=key, name="MEMORY.md", content="mine")
    home.ask("agents.files.set", agentId=key, name="USER.md", content="my human")
    world.ok("PATCH", f"/agents/{worker.id}", json={"identity_profile": {"role": "Scribe"}, "soul_template": "{{ nope"})
    home.settled()
    assert (home.file(key, "MEMORY.md"), home.file(key, "USER.md")) == ("mine", "my human")
    assert "Scribe" in home.file(key, "IDENTITY.md") and home.file(key, "SOUL.md") == "{{ nope"
    report = world.ok("POST", f"/gateways/{home.id}/templates/sync?include_main=false&overwrite=true")
    assert (report["errors"], report["agents_skipped"]) == ([], 0) and report["agents_updated"] >= 1
    assert home.file(key, "MEMORY.md").startswith("# Memory")


def test_deleting_leaves_no_trace(home: Home) -> None:
    world = home.world
    board = world.board(gateway_id=home.id)
    worker = world.agent(board, "Gone")
    home.settled()
    key = key_of(world, worker.id)
    assert key in home.entries()
    world.ok("DELETE", f"/agents/{worker.id}")
    wait_for(lambda: key not in home.entries(), 30)
    wait_for(lambda: not (home.gateway.workspaces / f"workspace-{key}").exists(), 30)
    assert world.ok("DELETE", f"/boards/{board['id']}") == {"ok": True}


def test_an_assigned_task_is_worked_on_by_a_real_turn(home: Home) -> None:
    world = home.world
    board = world.board(gateway_id=home.id, max_agents=5)
    worker = world.agent(board, "Worker")
    home.settled()
    key = key_of(world, worker.id)
    token = home.token(key)
    task = world.task(board, title="Do it")
    path = f"{world.server.url}/api/v1/agent/boards/{board['id']}/tasks/{task['id']}"
    commands = iter([
        f"curl -fsS -X PATCH -H 'X-Agent-Token: {token}' -H 'Content-Type: application/json' "
        f"-d '{json.dumps({'status': status, **extra})}' {path}"
        for status, extra in (("in_progress", {}), ("review", {"comment": "done"}))
    ])  # fmt: skip
    heard: list[float] = []

    def answer(body: dict[str, Any]) -> Any:
        told = json.dumps(body["messages"][-6:])
        if "TASK ASSIGNED" not in told:
            return says("Ready.")
        heard.append(time.monotonic())
        command = next(commands, None)
        return tool_call("exec", command=command) if command else says("Done.")

    home.gateway.model.answer = answer
    steps = (
        "subscription($board: ID!, $after: Cursor) { taskEvents(boardId: $board, after: $after) "
        "{ kind task { status assignee { displayName } } } }"
    )
    now = world.gql("query($id: ID!) { board(id: $id) { eventCursor } }", id=board["id"])["board"]["eventCursor"]
    with Following(world, steps, board["id"], now) as stream:
        started = time.monotonic()
        world.gql(
            "mutation($i: UpdateTaskInput!) { updateTask(input: $i) { task { id } } }",
            i={"id": task["id"], "assigneeId": worker.id},
        )
        seen: list[tuple[str, str]] = []
        while ("TASK_MOVED", "REVIEW") not in seen:
            event = stream.next()
            seen.append((event["kind"], event["task"]["status"]))
    assert seen[0] == ("TASK_ASSIGNED", "INBOX")
    kinds = [step for step in seen if step[0] == "TASK_MOVED"]
    assert kinds == [("TASK_MOVED", "IN_PROGRESS"), ("TASK_MOVED", "REVIEW")]
    assert any(kind == "TASK_COMMENTED" for kind, _ in seen)
    print(f"from the assignment to the model {heard[0] - started:.2f} s, to review {time.monotonic() - started:.2f} s")
    assert (
        world.sql("SELECT state FROM jobs WHERE reason = 'task.assigned' AND agent_id = $1", UUID(worker.id))[0][0]
        == "done"
    )


def test_a_session_is_followed_live(home: Home) -> None:
    world = home.world
    worker = world.agent(world.board(gateway_id=home.id), "Speaker")
    home.settled()
    session = f"agent:{key_of(world, worker.id)}:main"
    wait_for(lambda: "Ready." in json.dumps(home.ask("chat.history", sessionKey=session)), 60)
    home.gateway.model.answer = lambda _: says("Hello to you.")
    turns = (
        f'subscription {{ gatewaySessionEvents(gatewayId: "{home.id}", sessionKey: "{session}", after: 100000) '
        "{ kind state text message { role text } } }"
    )
    following = Following(world, turns)
    following.__enter__()
    time.sleep(1)
    sent = world.gql(
        "mutation($i: SendGatewayMessageInput!) { sendGatewayMessage(input: $i) { sessionKey } }",
        i={"gatewayId": home.id, "sessionKey": session, "content": "hello"},
    )["sendGatewayMessage"]
    assert sent["sessionKey"] == session
    query = "query($g: ID!, $k: String!) { gatewaySession(gatewayId: $g, key: $k) { label messages { role text } } }"

    def said() -> Any:
        answer = world.ask(query, g=home.id, k=session)
        if answer.get("errors"):
            return None
        found = answer["data"]["gatewaySession"]
        return found if found["messages"][-1]["text"] == "Hello to you." else None

    assert wait_for(said, 60)["label"] == "Speaker"
    kinds = []
    while ("STATE", "final") not in kinds:
        event = following.next()
        kinds.append((event["kind"], event["state"]))
    following.__exit__()
    assert any(kind == "DELTA" for kind, _ in kinds) or home.gateway.protocol == 3, kinds
    query = "?" + f"board_id={world.sql('SELECT board_id FROM agents WHERE id = $1', UUID(worker.id))[0][0]}"
    assert session in {one["key"] for one in world.ok("GET", f"/gateways/sessions{query}")["sessions"]}
    history = world.ok("GET", f"/gateways/sessions/{session}/history{query}")["history"]
    assert history[-1]["role"] == "assistant"
    assert world.ok("GET", f"/gateways/status{query}")["connected"] is True


def test_nudges_and_questions_arrive(home: Home) -> None:
    world = home.world
    board = world.board(gateway_id=home.id, max_agents=5)
    lead, worker = world.agent(board, "Boss", lead=True), world.agent(board, "Hand")
    home.settled()
    lead_token = home.token(key_of(world, lead.id))
    path = f"/agent/boards/{board['id']}"
    world.ok("POST", f"{path}/agents/{worker.id}/nudge", lead_token, json={"message": "  are you there?  "})
    asked = world.ok("POST", f"{path}/gateway/main/ask-user", lead_token, json={"content": "Blue or green?"})
    assert asked["main_agent_name"] == "Home Gateway Agent"
    soul = f"{path}/agents/{worker.id}/soul"
    assert world.rest("PUT", soul, lead_token, json={"content": "  "}).status_code == 422
    world.ok("PUT", soul, lead_token, json={"content": "You are kind.", "reason": "tone"})
    assert world.ok("GET", soul, lead_token) == "You are kind."
    for session, text in (
        (f"agent:{key_of(world, worker.id)}:main", "are you there?"),
        (f"agent:mc-gateway-{home.id}:main", "Blue or green?"),
    ):  # fmt: skip
        wait_for(lambda s=session, t=text: t in json.dumps(home.ask("chat.history", sessionKey=s)), 60)
    kinds = {row["event_type"] for row in world.sql("SELECT event_type FROM activity_events")}
    wait_for(lambda: {"agent.nudge.sent", "agent.soul.updated"} <= {
        row["event_type"] for row in world.sql("SELECT event_type FROM activity_events")}, 20)  # fmt: skip
    assert kinds
