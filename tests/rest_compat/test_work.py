"""How work flows over REST: what agents are told, what the rules leave behind, what the wire looks like."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from api.domain import sweeps
from api.domain.actor import SYSTEM
from api.domain.database.base import now
from tests.support.world import Bot, World


def inbox(world: World, bot: Bot) -> list[str]:
    """The first lines of what an agent was told, oldest first."""
    query = "{ viewer { inbox { messages { text reason } } } }"
    messages = world.gql(query, bot.token)["viewer"]["inbox"]["messages"]
    return [message["text"].splitlines()[0] for message in messages]


def move(world: World, board: dict[str, Any], task: dict[str, Any], bot: Bot, **fields: Any) -> Any:
    return world.ok("PATCH", f"/agent/boards/{board['id']}/tasks/{task['id']}", bot.token, json=fields)


@pytest.mark.acceptance("tasks.10")
def test_who_begins_a_task_is_told_once_and_presence_is_not_made_up(world: World) -> None:
    board, lead, worker = world.team()
    task, own = world.task(board), world.task(board)
    seen = "SELECT last_seen_at FROM agents WHERE id = $1"
    world.sql("UPDATE agents SET last_seen_at = NULL WHERE id = $1", UUID(worker.id))
    move(world, board, task, lead, assigned_agent_id=worker.id, status="in_progress")
    assert world.sql(seen, UUID(worker.id))[0]["last_seen_at"] is None, "it has been told, and was not seen"
    assert inbox(world, worker) == ["TASK ASSIGNED"]
    move(world, board, own, worker, status="in_progress")
    assert inbox(world, worker) == ["TASK ASSIGNED"], "nobody is told what it does itself"
    kinds = [row["event_type"] for row in world.sql("SELECT event_type FROM activity_events")]
    assert "task.assignee_woken" not in kinds
    for begun in (task, own):
        move(world, board, begun, worker, status="done")


@pytest.mark.acceptance("tasks.6", "tasks.9")
def test_a_task_s_way_tells_those_it_concerns(world: World) -> None:
    board, lead, worker = world.team()
    task = world.task(board, description="long " * 200)
    assert inbox(world, lead) == ["NEW TASK ADDED"]
    move(world, board, task, lead, assigned_agent_id=worker.id, status="in_progress")
    assert inbox(world, worker) == ["TASK ASSIGNED"]
    started = world.tasks(board)[task["id"]]
    assert started["in_progress_at"] and "Z" not in started["in_progress_at"] and "+" not in started["in_progress_at"]
    move(world, board, task, worker, comment="done, please look", status="review")
    reviewed = world.tasks(board)[task["id"]]
    assert (reviewed["assigned_agent_id"], reviewed["in_progress_at"]) == (lead.id, None)
    assert inbox(world, lead)[-1] == "TASK READY FOR LEAD REVIEW"
    world.ok(
        "POST",
        f"/agent/boards/{board['id']}/tasks/{task['id']}/comments",
        lead.token,
        json={"message": "shorter, please"},
    )
    move(world, board, task, lead, status="inbox")
    returned = world.tasks(board)[task["id"]]
    assert (returned["status"], returned["assigned_agent_id"]) == ("inbox", worker.id)
    text = world.sql("SELECT text FROM jobs WHERE agent_id = $1 ORDER BY seq DESC LIMIT 1", UUID(worker.id))[0]["text"]
    assert text.startswith("CHANGES REQUESTED") and "shorter, please" in text
    assert any(line.endswith("...") and len(line) <= 520 for line in text.splitlines())


def test_claiming_tells_nobody_and_losing_work_tells_the_lead(world: World) -> None:
    board, lead, worker = world.team()
    task = world.task(board)
    move(world, board, task, worker, status="in_progress")
    assert inbox(world, worker) == []
    move(world, board, task, worker, status="inbox")
    assert inbox(world, lead)[-1] == "TASK BACK IN INBOX"


def test_comments_reach_the_mentioned_or_else_the_assignee(world: World) -> None:
    board, lead, worker = world.team()
    second = world.agent(board, "Blue Heron")
    task = world.task(board, assigned_agent_id=worker.id)
    path = f"/boards/{board['id']}/tasks/{task['id']}/comments"
    before = {bot.id: len(inbox(world, bot)) for bot in (lead, worker, second)}
    for message, told in [
        ("plain", [worker]),
        ("hi @blue", [second]),
        ("@heron", []),
        ("@lead and @wim", [lead, worker]),
    ]:
        world.ok("POST", path, json={"message": message})
        for bot in (lead, worker, second):
            count = len(inbox(world, bot))
            assert (count > before[bot.id]) is (bot in told), (message, bot.name)
            before[bot.id] = count
    page = world.ok("GET", path)
    assert [comment["message"] for comment in page["items"]] == ["plain", "hi @blue", "@heron", "@lead and @wim"]
    assert world.rest("POST", path, json={"message": "   "}).status_code == 422


def test_a_lead_comments_where_it_is_wanted(world: World) -> None:
    board, lead, _ = world.team()
    task = world.task(board)
    path = f"/agent/boards/{board['id']}/tasks/{task['id']}/comments"
    assert world.rest("POST", path, lead.token, json={"message": "x"}).status_code == 403
    world.ok("POST", f"/boards/{board['id']}/tasks/{task['id']}/comments", json={"message": "what says @lead?"})
    assert world.rest("POST", path, lead.token, json={"message": "x"}).status_code == 200
    own = world.ok("POST", f"/agent/boards/{board['id']}/tasks", lead.token, json={"title": "mine"})
    path = f"/agent/boards/{board['id']}/tasks/{own['id']}/comments"
    assert world.rest("POST", path, lead.token, json={"message": "x"}).status_code == 200


def test_an_approval_s_decision_is_told_recorded_and_opens_the_gate(world: World) -> None:
    board, lead, worker = world.team(require_approval_for_done=True, block_status_changes_with_pending_approval=True)
    task = world.task(board)
    move(world, board, task, worker, status="in_progress")
    body = {
        "action_type": "task.done",
        "confidence": 88.75,
        "lead_reasoning": " sure ",
        "payload": {"task_id": task["id"]},
    }
    approval = world.ok("POST", f"/agent/boards/{board['id']}/approvals", worker.token, json=body)
    assert (approval["task_ids"], approval["task_titles"], approval["confidence"]) == ([task["id"]], ["Task"], 88.75)
    assert approval["payload"]["reason"] == "sure" and approval["agent_id"] == worker.id
    born = {**body, "status": "approved"}
    assert world.rest("POST", f"/agent/boards/{board['id']}/approvals", worker.token, json=born).status_code == 403
    path = f"/agent/boards/{board['id']}/tasks/{task['id']}"
    refused = world.rest("PATCH", path, worker.token, json={"status": "done"})
    assert (refused.status_code, refused.json()["code"]) == (409, "PENDING_APPROVAL")
    assert refused.json()["detail"]["blocked_by_task_ids"] == [] and "code" not in refused.json()["detail"]
    again = world.rest("POST", f"/boards/{board['id']}/approvals", json=body)
    assert again.json()["detail"]["conflicts"] == [{"task_id": task["id"], "approval_id": approval["id"]}]
    fields = "note decidedAt decidedBy { id }"
    decide = f"mutation($i: DecideApprovalInput!) {{ decideApproval(input: $i) {{ approval {{ {fields} }} }} }}"
    told = world.gql(decide, i={"id": approval["id"], "status": "APPROVED", "note": "good"})["decideApproval"][
        "approval"
    ]
    assert (told["note"], told["decidedBy"]["id"]) == ("good", world.me()["id"]) and told["decidedAt"].endswith("Z")
    assert inbox(world, worker)[-1] == inbox(world, lead)[-1] == "APPROVAL RESOLVED"
    assert move(world, board, task, worker, status="done")["status"] == "done"


@pytest.mark.acceptance("approvals.7")
def test_deleting_the_first_task_of_an_approval_points_it_at_the_next(world: World) -> None:
    board = world.board()
    first, second = world.task(board), world.task(board)
    body = {"action_type": "x", "confidence": 1, "lead_reasoning": "r", "task_ids": [first["id"], second["id"]]}
    world.ok("POST", f"/boards/{board['id']}/approvals", json=body)
    world.ok("DELETE", f"/boards/{board['id']}/tasks/{first['id']}")
    found = world.ok("GET", f"/boards/{board['id']}/approvals")["items"]
    assert [(one["task_id"], one["task_ids"]) for one in found] == [(second["id"], [second["id"]])]
    world.ok("DELETE", f"/boards/{board['id']}/tasks/{second['id']}")
    assert world.ok("GET", f"/boards/{board['id']}/approvals")["total"] == 0


@pytest.mark.acceptance("memory-and-mentions.2", "memory-and-mentions.20")
def test_memory_trims_marks_chat_and_names_its_author(world: World) -> None:
    board, lead, worker = world.team()
    path = f"/boards/{board['id']}/memory"
    note = world.ok("POST", path, json={"content": "  note  ", "tags": ["Chat"]})
    assert (note["content"], note["is_chat"], note["source"]) == ("note", False, None)
    chat = world.ok("POST", path, worker.token, json={"content": "hi", "tags": ["chat"], "source": ""})
    assert (chat["is_chat"], chat["source"]) == (True, "Wim")
    assert inbox(world, lead)[-1] == "BOARD CHAT" and inbox(world, worker) == []
    world.ok("POST", path, json={"content": " /PAUSE ", "tags": ["chat"]})
    assert inbox(world, lead)[-1] == inbox(world, worker)[-1] == "/pause"
    assert [entry["id"] for entry in world.ok("GET", f"{path}?is_chat=1")["items"]][-1] == chat["id"]
    assert world.ok("GET", f"{path}?is_chat=false")["total"] == 1
    for wrong in ("maybe", ""):
        assert world.rest("GET", f"{path}?is_chat={wrong}").status_code == 422
    author = world.gql(
        "query($b: ID!) { board(id: $b) { memory(first: 3) { nodes { content author { displayName } } } } }",
        b=board["id"],
    )["board"]["memory"]["nodes"]
    assert [entry["author"]["displayName"] for entry in author] == ["Local User", "Wim", "Local User"]


def test_an_administrator_redacts_a_text(world: World) -> None:
    board, _, worker = world.team()
    entry = world.ok("POST", f"/boards/{board['id']}/memory", worker.token, json={"content": "a secret"})
    redact = (
        "mutation($i: ID!) { redactMemory(input: {id: $i}) { entry { content isRedacted author { displayName } } } }"
    )
    found = world.gql(redact, i=entry["id"])["redactMemory"]["entry"]
    assert found == {"content": "[redacted]", "isRedacted": True, "author": {"displayName": "Wim"}}
    assert "a secret" not in str(world.ok("GET", f"/boards/{board['id']}/memory"))


def test_a_message_is_written_in_the_transaction_of_its_change(world: World) -> None:
    board, _lead, _ = world.team()

    async def fail_after_writing() -> None:
        ctx = world.context(SYSTEM)
        async with ctx.write():
            from api.domain.boards.tables import Board

            found = await ctx.session.get(Board, UUID(board["id"]))
            assert found is not None
            ctx.tell(UUID(_lead.id), "chat", "never", board_id=found.id)
            ctx.emit("memory.written", board_id=found.id)
            await ctx.flush()
            raise RuntimeError("the change fails")

    with pytest.raises(RuntimeError):
        world.server.run(fail_after_writing())
    assert world.sql("SELECT 1 FROM jobs WHERE text = 'never'") == []
    world.ok("POST", f"/boards/{board['id']}/memory", json={"content": "x", "tags": ["chat"]})
    rows = world.sql(
        "SELECT j.xid AS job, e.xid AS event FROM jobs j, events e WHERE j.board_id = $1 AND e.board_id = $1 "
        "AND e.kind = 'memory.written' AND j.reason = 'chat'", UUID(board["id"]),
    )  # fmt: skip
    assert [row["job"] == row["event"] for row in rows] == [True]


def test_silent_agents_stall_their_tasks_and_boards_take_them_back(world: World) -> None:
    board, lead, worker = world.team()
    change = "mutation($b: ID!) { updateBoard(input: {id: $b, settings: {stalledReleaseMinutes: 5}}) { cursor } }"
    world.gql(change, b=board["id"])
    task = world.task(board)
    move(world, board, task, worker, status="in_progress")
    later = now() + timedelta(minutes=11)

    def sweep(name: str, moment: Any) -> int:
        found: int = world.server.run(getattr(sweeps, name)(world.services, clock=lambda: moment))
        return found

    assert sweep("mark_stalled", now()) == 0
    assert sweep("mark_stalled", later) == 1
    query = "query($b: ID!) { board(id: $b) { tasks(filter: {isStalled: true}) { nodes { id isStalled } } } }"
    assert world.gql(query, b=board["id"])["board"]["tasks"]["nodes"] == [{"id": task["id"], "isStalled": True}]
    assert sweep("release_long_stalled", later + timedelta(minutes=1)) == 0
    assert sweep("release_long_stalled", later + timedelta(minutes=6)) == 1
    released = world.tasks(board)[task["id"]]
    assert (released["status"], released["assigned_agent_id"]) == ("inbox", None)
    assert inbox(world, lead)[-1] == "TASK BACK IN INBOX"
    kinds = [
        row["kind"] for row in world.sql("SELECT kind FROM events WHERE task_id = $1 ORDER BY seq", UUID(task["id"]))
    ]
    assert kinds[-2:] == ["task.stalled", "task.moved"]


def test_a_silent_agent_is_announced_once(world: World) -> None:
    from api.domain.agents.presence import announce_silent

    _, _, worker = world.team()
    world.ok("POST", "/agent/heartbeat", worker.token)
    later = now() + timedelta(minutes=11)
    assert world.server.run(announce_silent(world.services, clock=lambda: later)) >= 1
    assert world.server.run(announce_silent(world.services, clock=lambda: later)) == 0
    rows = world.sql("SELECT changes::text AS changes FROM events WHERE subject_id = $1 AND kind = 'agent.presence' "
                     "ORDER BY seq DESC LIMIT 1", UUID(worker.id))  # fmt: skip
    assert '"after": "offline"' in rows[0]["changes"]


def test_reopening_a_dependency_sends_started_work_back(world: World) -> None:
    board, _, worker = world.team()
    first = world.task(board)
    second = world.task(board, depends_on_task_ids=[first["id"], first["id"]])
    assert second["depends_on_task_ids"] == [first["id"]] and second["is_blocked"]
    refused = world.rest("PATCH", f"/agent/boards/{board['id']}/tasks/{second['id']}", worker.token,
                         json={"status": "in_progress"})  # fmt: skip
    assert refused.json()["detail"]["code"] == "task_blocked_cannot_transition"
    world.ok("PATCH", f"/boards/{board['id']}/tasks/{first['id']}", json={"status": "done"})
    move(world, board, second, worker, status="in_progress")
    world.ok("PATCH", f"/boards/{board['id']}/tasks/{first['id']}", json={"status": "inbox"})
    back = world.tasks(board)[second["id"]]
    assert (back["status"], back["assigned_agent_id"], back["in_progress_at"]) == ("inbox", None, None)
    path = f"/boards/{board['id']}/tasks/{first['id']}"
    assert world.rest("PATCH", path, json={"depends_on_task_ids": [second["id"]]}).status_code == 409
    assert world.rest("PATCH", path, json={"depends_on_task_ids": [first["id"]]}).status_code == 422


def test_deleting_an_agent_releases_its_tasks(world: World) -> None:
    board, _, worker = world.team()
    busy, waiting = world.task(board), world.task(board, assigned_agent_id=worker.id)
    move(world, board, busy, worker, status="in_progress")
    world.ok("DELETE", f"/agents/{worker.id}")
    tasks = world.tasks(board)
    assert [(tasks[one["id"]]["status"], tasks[one["id"]]["assigned_agent_id"]) for one in (busy, waiting)] == [
        ("inbox", None), ("inbox", None),
    ]  # fmt: skip
    assert world.rest("GET", "/agent/healthz", worker.token).status_code == 401


@pytest.mark.acceptance("tasks.4")
def test_next_statuses_come_from_the_rules_themselves(world: World) -> None:
    board, _, worker = world.team(only_lead_can_change_status=True)
    task = world.task(board)
    query = "query($t: ID!) { task(id: $t) { nextStatuses { status isAllowed code } } }"
    mine = world.gql(query, worker.token, t=task["id"])["task"]["nextStatuses"]
    assert {one["status"]: one["isAllowed"] for one in mine} == {
        "INBOX": True, "IN_PROGRESS": False, "REVIEW": False, "DONE": False,
    }  # fmt: skip
    for one in mine:
        if not one["isAllowed"]:
            change = f'mutation {{ updateTask(input: {{id: "{task["id"]}", status: {one["status"]}}}) {{ cursor }} }}'
            assert world.code(change, worker.token) == one["code"]


def test_absent_is_not_null(world: World) -> None:
    board = world.board()
    task = world.task(board, description="kept", due_at="2026-12-24T10:00:00+02:00")
    assert task["due_at"] == "2026-12-24T08:00:00"
    change = "mutation($i: UpdateTaskInput!) { updateTask(input: $i) { task { description dueAt } } }"
    found = world.gql(change, i={"id": task["id"], "title": "new"})["updateTask"]["task"]
    assert found == {"description": "kept", "dueAt": "2026-12-24T08:00:00Z"}
    found = world.gql(change, i={"id": task["id"], "description": None, "dueAt": None})["updateTask"]["task"]
    assert found == {"description": None, "dueAt": None}


def test_bulk_changes_are_all_or_nothing(world: World) -> None:
    board = world.board()
    tasks = [world.task(board) for _ in range(3)]
    change = "mutation($i: UpdateTasksInput!) { updateTasks(input: $i) { tasks { title } } }"
    wanted = [{"id": task["id"], "title": f"t{number}"} for number, task in enumerate(tasks)]
    assert [one["title"] for one in world.gql(change, i={"tasks": wanted})["updateTasks"]["tasks"]] == [
        "t0",
        "t1",
        "t2",
    ]
    wanted = [{"id": tasks[0]["id"], "title": "lost"}, {"id": "00000000-0000-0000-0000-000000000001", "title": "x"}]
    assert world.code(change, i={"tasks": wanted}) == "NOT_FOUND"
    assert world.tasks(board)[tasks[0]["id"]]["title"] == "t0"


@pytest.mark.parametrize("order", ["CREATED_AT", "CREATED_AT_DESC", "DUE_AT", "PRIORITY", "TITLE", "UPDATED_AT_DESC"])
def test_keyset_pages_walk_a_list_both_ways(world: World, order: str) -> None:
    board = world.board()
    made = [
        world.task(board, title=f"t{number % 3}", priority=["low", "high", "odd"][number % 3],
                   **({"due_at": f"2026-12-0{number % 4 + 1}T00:00:00Z"} if number % 2 else {}))["id"]
        for number in range(11)
    ]  # fmt: skip
    query = """query($b: ID!, $o: [TaskOrder!], $f: Int, $a: String, $l: Int, $z: String) { board(id: $b) {
        tasks(orderBy: $o, first: $f, after: $a, last: $l, before: $z) {
          totalCount edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage } } } }"""
    forwards: list[str] = []
    after = None
    while True:
        page = world.gql(query, b=board["id"], o=[order], f=4, a=after)["board"]["tasks"]
        forwards += [edge["node"]["id"] for edge in page["edges"]]
        after = page["edges"][-1]["cursor"]
        assert page["totalCount"] == 11
        if not page["pageInfo"]["hasNextPage"]:
            break
    backwards: list[str] = []
    before = None
    while True:
        page = world.gql(query, b=board["id"], o=[order], l=4, z=before)["board"]["tasks"]
        backwards = [edge["node"]["id"] for edge in page["edges"]] + backwards
        before = page["edges"][0]["cursor"]
        if not page["pageInfo"]["hasPreviousPage"]:
            break
    assert forwards == backwards and sorted(forwards) == sorted(made)
