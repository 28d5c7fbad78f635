"""Groups of boards: snapshots, memory, who is told, and the rhythm of their agents."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.rest_compat.test_work import inbox
from tests.support.live import RestStream
from tests.support.world import Bot, World


def group(world: World, **values: Any) -> str:
    return str(world.ok("POST", "/board-groups", json={"name": "Group", "slug": "", **values})["id"])


def scene(world: World) -> tuple[str, dict[str, Any], dict[str, Any], Bot, Bot, Bot, Bot]:
    """A group of two boards, each with a lead and a worker."""
    made = group(world)
    one, lead_one = world.board(name="A one", board_group_id=made), "Lena"
    two = world.board(name="B two", board_group_id=made)
    first, worker = world.agent(one, lead_one, lead=True), world.agent(one, "Wim")
    second, other = world.agent(two, "Lisa", lead=True), world.agent(two, "Second Worker")
    return made, one, two, first, worker, second, other


@pytest.mark.acceptance("boards-and-groups.5", "boards-and-groups.7")
def test_joining_and_leaving_tells_everybody_there(world: World) -> None:
    made, one, _two, first, worker, second, other = scene(world)
    third = world.board(name="C three")
    lead = world.agent(third, "Tim", lead=True)
    world.ok("PATCH", f"/boards/{third['id']}", json={"board_group_id": made})
    for bot in (first, worker, second, other, lead):
        assert inbox(world, bot).count("BOARD GROUP UPDATED") == 1
    text = world.gql("{ viewer { inbox { messages { text } } } }", worker.token)["viewer"]["inbox"]["messages"][-1][
        "text"
    ]
    assert "Joined Board: C three" in text and f"Your board: A one ({one['id']})" in text
    world.ok("PATCH", f"/boards/{third['id']}", json={"board_group_id": made})
    assert inbox(world, first).count("BOARD GROUP UPDATED") == 1, "an unchanged group tells nobody"
    other_group = group(world, name="Other")
    world.ok("PATCH", f"/boards/{third['id']}", json={"board_group_id": other_group})
    texts = [
        m["text"]
        for m in world.gql("{ viewer { inbox { messages { text } } } }", lead.token)["viewer"]["inbox"]["messages"]
    ]
    moves = [text.splitlines()[1].partition(" ")[0] for text in texts if text.startswith("BOARD GROUP UPDATED")]
    assert moves == ["Joined", "Left", "Joined"]


@pytest.mark.acceptance("boards-and-groups.8")
def test_deleting_a_group_leaves_its_boards(world: World) -> None:
    made, one, *_ = scene(world)
    world.ok("POST", f"/board-groups/{made}/memory", json={"content": "c"})
    assert world.ok("DELETE", f"/board-groups/{made}") == {"ok": True}
    assert world.ok("GET", f"/boards/{one['id']}")["board_group_id"] is None
    assert world.sql("SELECT 1 FROM board_group_memory WHERE board_group_id = $1", UUID(made)) == []
    assert world.rest("GET", f"/board-groups/{made}").status_code == 404


def test_slugs_of_groups(world: World) -> None:
    assert world.ok("POST", "/board-groups", json={"name": "My  Group!", "slug": " "})["slug"] == "my-group"
    assert len(world.ok("POST", "/board-groups", json={"name": "!", "slug": ""})["slug"]) == 32
    made = world.ok("POST", "/board-groups", json={"name": "A", "slug": "As It IS"})
    assert made["slug"] == "As It IS"
    path = f"/board-groups/{made['id']}"
    assert world.ok("PATCH", path, json={"name": "B c", "slug": ""})["slug"] == "b-c"
    assert world.rest("PATCH", path, json={"name": None}).status_code == 422
    assert world.rest("PATCH", path, json={"slug": None}).status_code == 422


def test_a_group_at_a_glance(world: World) -> None:
    made, one, two, first, worker, *_ = scene(world)
    for status, priority in (("inbox", "low"), ("inbox", "high"), ("in_progress", "low"), ("done", "high")):
        world.task(one, title=f"{status} {priority}", status=status, priority=priority, assigned_agent_id=worker.id)
    found = world.ok("GET", f"/board-groups/{made}/snapshot?per_board_task_limit=2")
    assert found["group"]["id"] == made and [b["board"]["name"] for b in found["boards"]] == ["A one", "B two"]
    here, there = found["boards"]
    assert here["task_counts"] == {"inbox": 2, "in_progress": 1, "done": 1} and there["task_counts"] == {}
    assert [task["title"] for task in here["tasks"]] == ["in_progress low", "inbox high"]
    assert {task["assignee"] for task in here["tasks"]} == {"Wim"}
    every = world.ok("GET", f"/board-groups/{made}/snapshot?include_done=true")["boards"][0]["tasks"]
    assert [task["title"] for task in every][-1] == "done high"
    assert world.rest("GET", f"/board-groups/{made}/snapshot?per_board_task_limit=-1").status_code == 422
    none = world.ok("GET", f"/board-groups/{made}/snapshot?per_board_task_limit=0")["boards"][0]
    assert none["tasks"] == [] and none["task_counts"]
    from_board = world.ok("GET", f"/boards/{two['id']}/group-snapshot")
    assert [b["board"]["name"] for b in from_board["boards"]] == ["A one"]
    both = world.ok("GET", f"/boards/{two['id']}/group-snapshot?include_self=true")
    assert len(both["boards"]) == 2
    assert world.rest("GET", f"/boards/{two['id']}/group-snapshot?per_board_task_limit=101").status_code == 422
    alone = world.board()
    assert world.ok("GET", f"/boards/{alone['id']}/group-snapshot") == {"group": None, "boards": []}
    reader = world.person(world.home(), boards={one["id"]: (True, False)})
    seen = world.ok("GET", f"/board-groups/{made}/snapshot", reader.token)
    assert [b["board"]["id"] for b in seen["boards"]] == [one["id"]]


def test_the_rhythm_of_a_group(world: World) -> None:
    made, one, two, first, worker, second, other = scene(world)
    path = f"/board-groups/{made}/heartbeat"
    found = world.ok("POST", path, json={"every": "5m"})
    assert set(found["updated_agent_ids"]) == {worker.id, other.id} == set(found["failed_agent_ids"])
    assert found["requested"] == {"every": "5m", "include_board_leads": False}
    config = world.sql("SELECT heartbeat_config FROM agents WHERE id = $1", UUID(worker.id))[0]["heartbeat_config"]
    assert '"every": "5m"' in config and '"target": "last"' in config
    leads = world.ok("POST", path, first.token, json={"every": "5m", "include_board_leads": True})
    assert first.id in leads["updated_agent_ids"] and second.id in leads["updated_agent_ids"]
    assert world.rest("POST", path, worker.token, json={"every": "5m"}).status_code == 403
    assert world.ok("POST", f"/board-groups/{group(world)}/heartbeat", json={"every": "1h"})["updated_agent_ids"] == []


@pytest.mark.acceptance(
    "memory-and-mentions.11", "memory-and-mentions.12", "memory-and-mentions.13", "memory-and-mentions.14"
)
def test_who_hears_of_a_group_s_memory(world: World) -> None:
    made, one, two, first, worker, second, other = scene(world)
    bots = (first, worker, second, other)

    def heads(**body: Any) -> list[list[str]]:
        before = [len(inbox(world, bot)) for bot in bots]
        world.ok("POST", f"/boards/{one['id']}/group-memory", first.token, json=body)
        return [inbox(world, bot)[count:] for bot, count in zip(bots, before, strict=True)]

    assert heads(content="b", tags=["broadcast"]) == [[], ["GROUP BROADCAST"], ["GROUP BROADCAST"], ["GROUP BROADCAST"]]
    newest = world.ok("GET", f"/board-groups/{made}/memory")["items"][0]
    assert newest["is_chat"] is False and newest["source"] == "Lena"
    assert heads(content="hear, @ALL") == [[], ["GROUP BROADCAST"], ["GROUP BROADCAST"], ["GROUP BROADCAST"]]
    assert heads(content="b", tags=["Broadcast"]) == heads(content="hi @second") == [[], [], [], []]
    assert heads(content="hi @second", tags=["chat"]) == [[], [], ["GROUP CHAT"], ["GROUP CHAT MENTION"]]
    text = world.gql("{ viewer { inbox { messages { text } } } }", other.token)["viewer"]["inbox"]["messages"][-1][
        "text"
    ]
    assert f"/api/v1/boards/{two['id']}/group-memory" in text and one["id"] not in text


@pytest.mark.acceptance("memory-and-mentions.15", "memory-and-mentions.16")
def test_group_memory_of_boards_without_a_group(world: World) -> None:
    board, lead, worker = world.team()
    path = f"/boards/{board['id']}/group-memory"
    assert world.ok("GET", path, lead.token)["items"] == []
    refused = world.rest("POST", path, lead.token, json={"content": "c"})
    assert refused.status_code == 422 and isinstance(refused.json()["detail"], str)
    made, one, *_ = scene(world)
    assert world.rest("GET", f"/board-groups/{made}/memory", worker.token).status_code == 401
    assert world.rest("GET", f"/boards/{one['id']}/group-memory", worker.token).status_code == 403
    assert world.rest("GET", f"/boards/{uuid4()}/group-memory", worker.token).status_code == 404


def test_a_group_s_memory_is_streamed(world: World) -> None:
    made, one, two, first, *_ = scene(world)
    with (
        RestStream(world, f"/board-groups/{made}/memory/stream") as people,
        RestStream(world, f"/boards/{two['id']}/group-memory/stream?is_chat=true") as chat,
    ):
        world.ok("POST", f"/board-groups/{made}/memory", json={"content": "note"})
        world.ok("POST", f"/boards/{one['id']}/group-memory", first.token, json={"content": "talk", "tags": ["chat"]})
        world.ok("POST", f"/board-groups/{group(world)}/memory", json={"content": "elsewhere"})
        assert [people.next()["memory"]["content"] for _ in range(2)] == ["note", "talk"]
        assert chat.next()["memory"]["content"] == "talk"


def test_a_whole_board_in_one_answer(world: World) -> None:
    board, lead, worker = world.team()
    here = f"/boards/{board['id']}"
    world.ok(
        "POST", "/organizations/me/custom-fields", json={"field_key": f"k{uuid4().hex}", "board_ids": [board["id"]]}
    )
    tasks = [world.task(board, title=f"t{n}", assigned_agent_id=worker.id if n else None) for n in range(3)]
    for number in range(3):
        world.ok("POST", f"{here}/memory", json={"content": f"c{number}", "tags": ["chat"]})
    world.ok("POST", f"{here}/memory", json={"content": "a note"})
    world.ok("POST", f"{here}/approvals", lead.token, json={
        "action_type": "x", "confidence": 1, "lead_reasoning": "r", "task_ids": [tasks[0]["id"], tasks[1]["id"]],
    })  # fmt: skip
    found = world.ok("GET", f"{here}/snapshot", worker.token)
    assert [task["title"] for task in found["tasks"]] == ["t2", "t1", "t0"]
    assert [task["assignee"] for task in found["tasks"]] == ["Wim", "Wim", None]
    assert [task["approvals_pending_count"] for task in found["tasks"]] == [0, 1, 1]
    assert all(isinstance(task["custom_field_values"], dict) for task in found["tasks"])
    assert [entry["content"] for entry in found["chat_messages"]] == ["c0", "c1", "c2"]
    assert found["approvals"][0]["task_titles"] == ["t0", "t1"] and found["pending_approvals_count"] == 1
    assert {agent["name"] for agent in found["agents"]} == {"Lena", "Wim"}
