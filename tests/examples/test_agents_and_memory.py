"""Agents, what they may do, boards and their memory, as the documented examples put them."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from api.domain.database.base import now
from tests.rest_compat.test_work import inbox
from tests.support.live import RestStream
from tests.support.world import Bot, World


def seen(world: World, bot: Bot, seconds: float, status: str) -> None:
    world.sql(
        "UPDATE agents SET last_seen_at = $1, status = $2 WHERE id = $3",
        now() - timedelta(seconds=seconds), status, UUID(bot.id),
    )  # fmt: skip


def stored(world: World, bot: Bot) -> tuple[str, object]:
    row = world.sql("SELECT status, last_seen_at FROM agents WHERE id = $1", UUID(bot.id))[0]
    return row["status"], row["last_seen_at"]


@pytest.mark.acceptance("agents.3")
def test_names_of_agents(world: World) -> None:
    home = world.home()
    world.main_agent(home)
    gateway = str(world.sql("SELECT id FROM gateways LIMIT 1")[0]["id"])
    board, other = world.board(gateway_id=gateway), world.board(gateway_id=gateway)
    world.ok("POST", "/agents", json={"name": "Worker One", "board_id": board["id"]})
    here = world.rest("POST", "/agents", json={"name": "worker ONE", "board_id": board["id"]})
    there = world.rest("POST", "/agents", json={"name": "worker ONE", "board_id": other["id"]})
    assert here.status_code == there.status_code == 409
    assert here.json()["detail"] != there.json()["detail"]


@pytest.mark.acceptance("agents.4", "agent-api.6")
def test_the_limit_is_the_lead_s(world: World) -> None:
    board, lead, _ = world.team(max_agents=2)
    other = world.board()
    made = world.ok("POST", "/agent/agents", lead.token, json={"name": "Two", "board_id": other["id"]})
    assert made["board_id"] == board["id"]
    full = world.rest("POST", "/agent/agents", lead.token, json={"name": "Three", "board_id": board["id"]})
    assert full.status_code == 409
    assert world.rest("POST", "/agents", json={"name": "Three", "board_id": board["id"]}).status_code == 200


@pytest.mark.acceptance("agents.6")
def test_a_status_is_not_patched(world: World) -> None:
    _, _, worker = world.team()
    before = world.ok("GET", f"/agents/{worker.id}")
    assert world.rest("PATCH", f"/agents/{worker.id}", json={"status": "online"}).status_code == 403
    assert world.ok("GET", f"/agents/{worker.id}") == before
    assert world.rest("PATCH", f"/agents/{worker.id}", json={}).status_code == 200


@pytest.mark.acceptance("agents.9", "agents.10", "auth-and-access.14")
def test_the_status_that_is_shown(world: World) -> None:
    board, _, worker = world.team()
    seen(world, worker, 11 * 60, "online")
    assert world.ok("GET", f"/agents/{worker.id}")["status"] == "offline" and stored(world, worker)[0] == "online"
    seen(world, worker, 9 * 60, "online")
    assert world.ok("GET", f"/agents/{worker.id}")["status"] == "online"
    seen(world, worker, 31, "offline")
    world.ok("GET", f"/agent/boards/{board['id']}", worker.token)
    world.ok("GET", "/agent/healthz", worker.token)
    first = stored(world, worker)
    assert world.ok("GET", f"/agents/{worker.id}")["status"] == "online" and first[0] == "online"
    world.ok("GET", "/agent/healthz", worker.token)
    assert stored(world, worker) == first, "a second call within thirty seconds writes nothing"
    seen(world, worker, 31, "updating")
    world.ok("GET", "/agent/healthz", worker.token)
    status, moment = stored(world, worker)
    assert status == "updating" and moment != first[1]


@pytest.mark.acceptance("agents.11")
def test_a_heartbeat_forgets_what_was_wrong(world: World) -> None:
    _, _, worker = world.team()
    world.sql(
        "UPDATE agents SET wake_attempts = 2, checkin_deadline_at = now(), last_provision_error = 'x' WHERE id = $1",
        UUID(worker.id),
    )
    world.ok("POST", "/agent/heartbeat", worker.token)
    row = world.sql("SELECT * FROM agents WHERE id = $1", UUID(worker.id))[0]
    assert (row["wake_attempts"], row["checkin_deadline_at"], row["last_provision_error"]) == (0, None, None)
    other = world.team()[2]
    assert world.rest("POST", f"/agents/{other.id}/heartbeat", worker.token, json={}).status_code == 403
    assert world.rest("POST", f"/agents/{uuid4()}/heartbeat", worker.token, json={}).status_code == 404


@pytest.mark.acceptance("agents.15")
def test_deleting_what_is_not_there_and_what_has_no_board(world: World) -> None:
    main = world.main_agent(world.organization())
    assert world.rest("DELETE", f"/agents/{uuid4()}").status_code == 200
    own = world.main_agent(world.home())
    assert world.rest("DELETE", f"/agents/{own.id}").status_code == 200
    assert world.sql("SELECT 1 FROM agents WHERE id = $1", UUID(own.id)) == []
    assert world.rest("DELETE", f"/agents/{main.id}").status_code == 200, "another organisation's is unknown"
    assert world.sql("SELECT 1 FROM agents WHERE id = $1", UUID(main.id)) != []


@pytest.mark.acceptance("agents.18")
def test_changed_agents_come_once_each_oldest_first(world: World) -> None:
    board = world.board()
    since = now() - timedelta(seconds=1)
    first, second = world.agent(board, "First"), world.agent(board, "Second")
    world.ok("PATCH", f"/agents/{first.id}", json={"identity_profile": {"role": "x"}})
    with RestStream(world, f"/agents/stream?board_id={board['id']}&since={since.isoformat()}") as stream:
        shown = [stream.next()["agent"]["id"] for _ in range(2)]
    assert shown == [second.id, first.id] or sorted(shown) == sorted([first.id, second.id])


@pytest.mark.acceptance("agent-api.1", "agent-api.2")
def test_who_am_i(world: World) -> None:
    board, _, worker = world.team()
    world.ok("POST", "/agent/heartbeat", worker.token)
    found = world.ok("GET", "/agent/healthz", worker.token)
    assert (found["agent_id"], found["board_id"], found["status"]) == (worker.id, board["id"], "online")
    headers = {"X-Agent-Token": "wrong"}
    assert world.rest("GET", "/agent/healthz", worker.token, headers=headers).status_code == 401
    assert world.rest("GET", f"/agent/boards/{uuid4()}", "").status_code == 401


@pytest.mark.acceptance("agent-api.3", "agent-api.4")
def test_what_only_leads_may(world: World) -> None:
    board, lead, worker = world.team()
    main = world.main_agent(world.home())
    task = world.task(board)
    calls = [
        ("POST", f"/agent/boards/{board['id']}/tasks", {"title": "t"}),
        ("DELETE", f"/agent/boards/{board['id']}/tasks/{task['id']}", None),
        ("POST", "/agent/agents", {"name": "n"}),
        ("DELETE", f"/agent/boards/{board['id']}/agents/{lead.id}", None),
    ]
    for method, path, body in calls:
        for bot in (worker, main):
            assert world.rest(method, path, bot.token, json=body).status_code == 403, (path, bot.name)
    assert world.rest("POST", f"/agent/boards/{board['id']}/tasks", worker.token, json={}).status_code == 422
    foreign = world.main_agent(world.organization())
    assert world.rest("GET", f"/agent/boards/{board['id']}", foreign.token).status_code == 404
    assert world.rest("GET", f"/agent/boards/{board['id']}/tasks", foreign.token).status_code == 404


@pytest.mark.acceptance("agent-api.5")
def test_whom_an_agent_sees(world: World) -> None:
    board, _, worker = world.team()
    other, _, _ = world.team()
    assert world.rest("GET", f"/agent/agents?board_id={other['id']}", worker.token).status_code == 403
    home = world.home()
    main, foreign = world.main_agent(home), world.main_agent(world.organization())
    shown = {one["id"] for one in world.ok("GET", "/agent/agents?limit=200", main.token)["items"]}
    assert worker.id in shown and foreign.id not in shown and board["id"]


@pytest.mark.acceptance("agent-api.7")
def test_whom_a_lead_deletes(world: World) -> None:
    board, lead, worker = world.team()
    other_worker = world.team()[2]
    main = world.main_agent(world.home())
    wanted = {str(uuid4()): 200, other_worker.id: 404, main.id: 403, lead.id: 403, worker.id: 200}
    found = {
        target: world.rest("DELETE", f"/agent/boards/{board['id']}/agents/{target}", lead.token).status_code
        for target in wanted
    }
    assert found == wanted


@pytest.mark.acceptance("boards-and-groups.1")
def test_a_board_goes_with_everything_of_it(world: World) -> None:
    board, lead, _ = world.team()
    member = world.person(world.home(), boards={board["id"]: (True, True)})
    invited = {"invited_email": "b@example.org", "board_access": [{"board_id": board["id"], "can_read": True}]}
    world.ok("POST", "/organizations/me/invites", json=invited)
    tag = world.ok("POST", "/tags", json={"name": f"Gone {uuid4()}"})["id"]
    key = f"k{uuid4().hex[:8]}"
    world.ok("POST", "/organizations/me/custom-fields", json={"field_key": key, "board_ids": [board["id"]]})
    task = world.task(board, tag_ids=[tag], custom_field_values={key: "v"}, assigned_agent_id=lead.id)
    world.ok("POST", f"/boards/{board['id']}/tasks/{task['id']}/comments", json={"message": "m"})
    assert world.rest("DELETE", f"/boards/{board['id']}", member.token).status_code == 200
    columns = world.sql(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' "
        "AND column_name IN ('board_id', 'task_id') AND table_name <> 'events'"
    )
    gone = {"board_id": board["id"], "task_id": task["id"]}
    for table, column in columns:
        left = world.sql(f"SELECT count(*) FROM {table} WHERE {column}::text = $1", gone[column])
        assert left[0][0] == 0, (table, column)


@pytest.mark.acceptance("boards-and-groups.3")
def test_boards_over_rest(world: World) -> None:
    draft = {"name": "n", "slug": "s", "description": "d"}
    found = world.ok("POST", "/boards", json=draft)
    assert (found["board_type"], found["goal_confirmed"], found["max_agents"]) == ("goal", False, 1)
    confirmed = {**draft, "board_type": "goal", "goal_confirmed": True}
    assert world.rest("POST", "/boards", json=confirmed).status_code == 422
    for good in ({"board_type": "goal"}, {"board_type": "general", "goal_confirmed": True}):
        assert world.rest("POST", "/boards", json={**draft, **good}).status_code == 200, good
    for bad in ({"description": " "}, {"max_agents": -1}):
        assert world.rest("POST", "/boards", json={**draft, **bad}).status_code == 422
        assert world.rest("PATCH", f"/boards/{found['id']}", json=bad).status_code == 422


@pytest.mark.acceptance("boards-and-groups.6")
def test_a_lead_hears_what_changed_on_its_board(world: World) -> None:
    board, lead, _ = world.team()
    path = f"/boards/{board['id']}"
    world.ok("PATCH", path, json={"objective": "grow", "name": board["name"]})
    assert inbox(world, lead) == ["BOARD UPDATED"]
    text = world.sql("SELECT text FROM jobs WHERE agent_id = $1", UUID(lead.id))[0]["text"]
    assert "objective" in text and "slug" not in text
    world.ok("PATCH", path, json={"objective": "grow"})
    assert inbox(world, lead) == ["BOARD UPDATED"]


@pytest.mark.acceptance("memory-and-mentions.1", "memory-and-mentions.3", "memory-and-mentions.17")
def test_entries_of_memory(world: World) -> None:
    board, lead, _ = world.team()
    path = f"/boards/{board['id']}/memory"
    assert world.ok("POST", path, json={"content": "  note  "})["content"] == "note"
    assert world.rest("POST", path, json={"content": "   "}).status_code == 422
    assert world.ok("GET", path)["total"] == 1
    author = world.ok("POST", path, json={"content": "a", "tags": ["chat"], "source": ""})["source"]
    kept = world.ok("POST", path, json={"content": "b", "tags": ["chat"], "source": "x"})
    assert author and kept["source"] == "x"
    told = world.sql("SELECT text FROM jobs WHERE agent_id = $1 ORDER BY seq DESC LIMIT 1", UUID(lead.id))[0]["text"]
    assert f"From: {author}" in told
    assert world.ok("GET", f"{path}?is_chat=1") == world.ok("GET", f"{path}?is_chat=true")
    assert world.ok("GET", f"{path}?is_chat=true")["total"] == 2
    for bad in ("maybe", ""):
        assert world.rest("GET", f"{path}?is_chat={bad}").status_code == 422


@pytest.mark.acceptance("memory-and-mentions.7", "memory-and-mentions.9")
def test_what_a_message_of_memory_carries(world: World) -> None:
    board, lead, worker = world.team()
    path = f"/boards/{board['id']}/memory"
    entry = world.ok("POST", path, json={"content": "x" * 900, "tags": ["chat"]})
    told = world.sql("SELECT text FROM jobs WHERE agent_id = $1 ORDER BY seq DESC LIMIT 1", UUID(lead.id))[0]["text"]
    assert len(entry["content"]) == 900 and "x" * 797 + "..." in told and "x" * 798 not in told
    group = world.ok("POST", "/board-groups", json={"name": "g", "slug": f"g{uuid4().hex[:6]}"})["id"]
    world.ok("PATCH", f"/boards/{board['id']}", json={"board_group_id": group})
    world.ok("POST", path, json={"content": "/pause"})
    world.ok("POST", f"/board-groups/{group}/memory", json={"content": "/pause", "tags": ["chat"]})
    texts = {row["text"] for bot in (lead, worker) for row in world.sql(
        "SELECT text FROM jobs WHERE agent_id = $1", UUID(bot.id))}  # fmt: skip
    assert "/pause" not in texts
    world.ok("POST", path, json={"content": " /PAUSE ", "tags": ["chat"]})
    assert [inbox(world, bot)[-1] for bot in (lead, worker)] == ["/pause", "/pause"]


@pytest.mark.acceptance("memory-and-mentions.18")
def test_memory_since_a_moment(world: World) -> None:
    board = world.board()
    since = now().isoformat()
    for text in ("one", "two", "three"):
        world.ok("POST", f"/boards/{board['id']}/memory", json={"content": text})
    with RestStream(world, f"/boards/{board['id']}/memory/stream?since={since}") as stream:
        assert [stream.next()["memory"]["content"] for _ in range(3)] == ["one", "two", "three"]
