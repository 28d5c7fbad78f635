"""Gates, dependencies and approvals, as the documented examples put them."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.rest_compat.test_work import inbox, move
from tests.support.live import RestStream
from tests.support.world import Bot, World

REASON = {"action_type": "task.done", "confidence": 88.75, "lead_reasoning": "sure"}


def approve(world: World, board: dict[str, Any], *tasks: dict[str, Any], status: str = "approved") -> dict[str, Any]:
    path, ids = f"/boards/{board['id']}/approvals", [task["id"] for task in tasks]
    asked = world.ok("POST", path, json={**REASON, "task_ids": ids})
    return asked if status == "pending" else world.ok("PATCH", f"{path}/{asked['id']}", json={"status": status})


def refused(world: World, board: dict[str, Any], task: dict[str, Any], bot: Bot, **fields: Any) -> Any:
    answer = world.rest("PATCH", f"/agent/boards/{board['id']}/tasks/{task['id']}", bot.token, json=fields)
    assert answer.status_code >= 400, answer.text
    return answer


@pytest.mark.acceptance("tasks.1")
def test_done_needs_an_approved_approval(world: World) -> None:
    board, _, worker = world.team(require_approval_for_done=True)
    alone, linked, other = (world.task(board) for _ in range(3))
    for task in (alone, linked):
        move(world, board, task, worker, status="in_progress")
        assert refused(world, board, task, worker, status="done").status_code == 409
    approve(world, board, alone)
    done = move(world, board, alone, worker, status="done")
    assert (done["status"], done["assigned_agent_id"]) == ("done", worker.id)
    approve(world, board, other, linked)
    assert move(world, board, linked, worker, status="done")["status"] == "done"
    world.ok("PATCH", f"/boards/{board['id']}", json={"require_approval_for_done": False})
    assert move(world, board, world.task(board), worker, status="done")["status"] == "done"


@pytest.mark.acceptance("tasks.2", "tasks.8")
def test_review_and_its_comment(world: World) -> None:
    board, lead, worker = world.team(require_review_before_done=True, comment_required_for_review=True)
    task = world.task(board)
    move(world, board, task, worker, status="in_progress")
    assert refused(world, board, task, worker, status="done").status_code == 409
    assert refused(world, board, task, worker, status="review").status_code == 422
    path = f"/agent/boards/{board['id']}/tasks/{task['id']}/comments"
    world.ok("POST", path, worker.token, json={"message": "have a look"})
    move(world, board, task, worker, status="review")
    assert move(world, board, task, lead, status="done")["status"] == "done"
    second = world.task(board)
    move(world, board, second, worker, status="in_progress")
    assert move(world, board, second, worker, status="review", comment="inline")["status"] == "review"
    world.ok("PATCH", f"/boards/{board['id']}", json={"comment_required_for_review": False})
    third = world.task(board)
    move(world, board, third, worker, status="in_progress")
    assert move(world, board, third, worker, status="review")["status"] == "review"


@pytest.mark.acceptance("tasks.3")
def test_a_pending_approval_holds_the_status(world: World) -> None:
    board, _, worker = world.team(block_status_changes_with_pending_approval=True)
    first, second, before = (world.task(board) for _ in range(3))
    for task in (first, second):
        move(world, board, task, worker, status="in_progress")
    approve(world, board, first, second, status="pending")
    for task in (first, second):
        answer = refused(world, board, task, worker, status="review")
        assert (answer.status_code, answer.json()["code"]) == (409, "PENDING_APPROVAL")
    # New dependencies are no change of the status by somebody; that the task waits again follows from them.
    path = f"/boards/{board['id']}/tasks/{first['id']}"
    moved = world.ok("PATCH", path, json={"depends_on_task_ids": [before["id"]]})
    assert (moved["status"], moved["is_blocked"]) == ("inbox", True)
    world.ok("PATCH", f"/boards/{board['id']}", json={"block_status_changes_with_pending_approval": False})
    assert move(world, board, second, worker, status="review")["status"] == "review"


@pytest.mark.acceptance("tasks.7")
def test_a_worker_s_comment_takes_no_task_in_review(world: World) -> None:
    board, _, worker = world.team()
    task = world.task(board)
    world.sql("UPDATE tasks SET status = 'review' WHERE id = $1", UUID(task["id"]))
    path = f"/agent/boards/{board['id']}/tasks/{task['id']}/comments"
    world.ok("POST", path, worker.token, json={"message": "looks good"})
    after = world.tasks(board)[task["id"]]
    assert (after["status"], after["assigned_agent_id"]) == ("review", None)


@pytest.mark.acceptance("tasks.11")
def test_a_lead_and_a_blocked_task(world: World) -> None:
    board, lead, worker = world.team()
    first, waits = world.task(board), world.task(board)
    move(world, board, waits, lead, depends_on_task_ids=[first["id"]])
    for fields in ({"assigned_agent_id": worker.id}, {"status": "in_progress"}):
        answer = refused(world, board, waits, lead, **fields)
        detail = answer.json()["detail"]
        assert (answer.status_code, detail["blocked_by_task_ids"]) == (409, [first["id"]])
        assert detail["code"] == "task_blocked_cannot_transition"
    found = world.tasks(board)[waits["id"]]
    assert (found["status"], found["assigned_agent_id"]) == ("inbox", None)
    again = move(world, board, waits, lead, depends_on_task_ids=[first["id"], first["id"]])
    assert again["is_blocked"] is True and again["depends_on_task_ids"] == [first["id"]]
    edges = world.sql("SELECT count(*) FROM task_dependencies WHERE task_id = $1", UUID(waits["id"]))
    assert edges[0][0] == 1


@pytest.mark.acceptance("tasks.12")
def test_dependencies_keep_their_order_and_never_close_a_circle(world: World) -> None:
    board, _, _ = world.team()
    a, b, c = (world.task(board, title=name) for name in "abc")
    path = f"/boards/{board['id']}/tasks"
    found = world.ok("PATCH", f"{path}/{a['id']}", json={"depends_on_task_ids": [c["id"], b["id"], c["id"]]})
    assert found["depends_on_task_ids"] == [c["id"], b["id"]]
    assert world.rest("PATCH", f"{path}/{a['id']}", json={"depends_on_task_ids": [a["id"]]}).status_code == 422
    missing = str(uuid4())
    answer = world.rest("PATCH", f"{path}/{a['id']}", json={"depends_on_task_ids": [missing]})
    assert answer.status_code == 404 and answer.json()["detail"]["missing_task_ids"] == [missing]
    assert world.rest("PATCH", f"{path}/{b['id']}", json={"depends_on_task_ids": [a["id"]]}).status_code == 409
    world.ok("PATCH", f"{path}/{b['id']}", json={"depends_on_task_ids": [c["id"]]})
    assert world.rest("PATCH", f"{path}/{c['id']}", json={"depends_on_task_ids": [a["id"]]}).status_code == 409
    world.ok("PATCH", f"{path}/{c['id']}", json={"status": "done"})
    assert not world.tasks(board)[b["id"]]["is_blocked"]
    world.ok("PATCH", f"{path}/{b['id']}", json={"status": "review"})
    world.ok("PATCH", f"{path}/{c['id']}", json={"status": "inbox"})
    assert world.tasks(board)[b["id"]]["status"] == "inbox", "what depends on it is found and sent back"


@pytest.mark.acceptance("approvals.1")
def test_what_an_approval_must_say(world: World) -> None:
    board = world.board()
    path = f"/boards/{board['id']}/approvals"
    for bad in ({"confidence": None}, {"confidence": -1}, {"confidence": 101}, {"lead_reasoning": None}):
        body = {name: value for name, value in {**REASON, **bad}.items() if value is not None}
        assert world.rest("POST", path, json=body).status_code == 422, bad
    nested = {"action_type": "x", "confidence": 88.75, "payload": {"decision": {"reason": "because"}}}
    found = world.ok("POST", path, json=nested)
    assert (found["confidence"], found["payload"]) == (88.75, nested["payload"])
    assert world.ok("POST", path, json=REASON)["payload"]["reason"] == "sure"


@pytest.mark.acceptance("approvals.2")
def test_one_pending_approval_a_task_and_who_is_in_the_way(world: World) -> None:
    board = world.board()
    path = f"/boards/{board['id']}/approvals"
    a, b, c = (world.task(board) for _ in range(3))
    batch = approve(world, board, a, b, status="pending")
    single = world.rest("POST", path, json={**REASON, "task_ids": [b["id"]]})
    assert single.status_code == 409
    assert single.json()["detail"]["conflicts"] == [{"task_id": b["id"], "approval_id": batch["id"]}]
    decided = approve(world, board, c)
    pending = approve(world, board, c, status="pending")
    reopened = world.rest("PATCH", f"{path}/{decided['id']}", json={"status": "pending"})
    assert reopened.status_code == 409
    assert reopened.json()["detail"]["conflicts"] == [{"task_id": c["id"], "approval_id": pending["id"]}]


@pytest.mark.acceptance("approvals.3", "approvals.4", "approvals.5")
def test_titles_order_and_counts(world: World) -> None:
    board = world.board()
    a, b, c = (world.task(board, title=name) for name in "abc")
    single = approve(world, board, a, status="pending")
    assert single["task_titles"] == ["a"]
    batch = approve(world, board, c, b, status="pending")
    assert (batch["task_ids"], batch["task_titles"]) == ([c["id"], b["id"]], ["c", "b"])
    world.ok("PATCH", f"/boards/{board['id']}/approvals/{single['id']}", json={"status": "approved"})
    world.sql(
        "INSERT INTO approvals (id, board_id, task_id, action_type, confidence, status, created_at) "
        "VALUES (gen_random_uuid(), $1, $2, 'old', 1, 'pending', now())", UUID(board["id"]), UUID(a["id"]),
    )  # fmt: skip
    snapshot = world.ok("GET", f"/boards/{board['id']}/snapshot")
    counts = {card["title"]: (card["approvals_count"], card["approvals_pending_count"]) for card in snapshot["tasks"]}
    assert counts == {"a": (2, 1), "b": (1, 1), "c": (1, 1)} and snapshot["pending_approvals_count"] == 2
    body = {**REASON, "task_ids": [a["id"]], "payload": {"task_ids": [b["id"], a["id"]], "taskIds": [c["id"], "no"]}}
    for other in world.ok("GET", f"/boards/{board['id']}/approvals")["items"]:
        world.ok("PATCH", f"/boards/{board['id']}/approvals/{other['id']}", json={"status": "rejected"})
    assert world.ok("POST", f"/boards/{board['id']}/approvals", json=body)["task_ids"] == [a["id"], b["id"], c["id"]]


@pytest.mark.acceptance("approvals.6")
def test_a_decision_is_told_in_words(world: World) -> None:
    board, lead, _ = world.team()
    path = f"/boards/{board['id']}/approvals"
    for status in ("approved", "rejected"):
        task = world.task(board)
        asked = approve(world, board, task, status="pending")
        before = len(inbox(world, lead))
        world.ok("PATCH", f"{path}/{asked['id']}", json={"status": "pending"})
        assert len(inbox(world, lead)) == before
        world.ok("PATCH", f"{path}/{asked['id']}", json={"status": status})
        told = world.sql("SELECT text FROM jobs WHERE agent_id = $1 ORDER BY seq DESC LIMIT 1", UUID(lead.id))
        assert f"Decision: {status}" in told[0]["text"]


@pytest.mark.acceptance("tasks.14")
def test_every_event_of_a_task_says_what_happened(world: World) -> None:
    board, _, worker = world.team()
    with RestStream(world, f"/boards/{board['id']}/tasks/stream") as stream:
        task = world.task(board)
        made = stream.next()
        move(world, board, task, worker, status="in_progress")
        moved = stream.next()
        world.ok("POST", f"/boards/{board['id']}/tasks/{task['id']}/comments", json={"message": "m"})
        told = stream.next()
    assert [one["type"] for one in (made, moved, told)] == ["task.created", "task.status_changed", "task.comment"]
    keys = {"id", "event_type", "message", "agent_id", "task_id", "created_at"}
    for one in (made, moved, told):
        assert one["activity"].keys() >= keys and one["activity"]["event_type"] == one["type"]
    assert moved["activity"]["agent_id"] == worker.id and made["activity"]["agent_id"] is None
