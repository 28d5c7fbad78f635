"""Races, each with both sides truly at once, 50 rounds: the database decides, and only one side wins."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.support.world import World

SETTINGS = {"pool_size": "20"}
ROUNDS = 50
CLAIM = "mutation($b: ID!, $t: ID) { claimTask(input: {boardId: $b, taskId: $t}) { task { id } } }"


def at_once(world: World, *requests: tuple[str, str, str, dict[str, Any]]) -> list[httpx.Response]:
    """Send requests from threads of their own that start together."""
    barrier = Barrier(len(requests))

    def send(request: tuple[str, str, str, dict[str, Any]]) -> httpx.Response:
        method, path, token, body = request
        with httpx.Client(base_url=world.server.url, timeout=30) as http:
            http.get("/healthz")
            barrier.wait()
            return http.request(method, path, json=body, headers={"Authorization": f"Bearer {token}"})

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(send, requests))


def graphql(document: str, token: str, **variables: Any) -> tuple[str, str, str, dict[str, Any]]:
    return "POST", "/graphql", token, {"query": document, "variables": variables}


def test_two_agents_take_the_same_task(world: World) -> None:
    board, _, first = world.team()
    second = world.agent(board, "Second")
    for _ in range(ROUNDS):
        task = world.task(board)
        path = f"/api/v1/agent/boards/{board['id']}/tasks/{task['id']}"
        answers = at_once(
            world, ("PATCH", path, first.token, {"status": "in_progress"}),
            ("PATCH", path, second.token, {"status": "in_progress"}),
        )  # fmt: skip
        # The loser finds the task in progress already: its status counts as absent, and it reads who was faster.
        assert [answer.status_code for answer in answers] == [200, 200]
        holders = {answer.json()["assigned_agent_id"] for answer in answers}
        assert len(holders) == 1 and holders < {first.id, second.id}
        moves = world.sql("SELECT 1 FROM events WHERE task_id = $1 AND kind = 'task.moved'", UUID(task["id"]))
        assert len(moves) == 1


def test_claims_never_give_one_task_to_two_agents(world: World) -> None:
    board, _, first = world.team()
    second = world.agent(board, "Second")
    for _ in range(ROUNDS):
        made = {world.task(board)["id"], world.task(board)["id"]}
        answers = at_once(
            world, graphql(CLAIM, first.token, b=board["id"]), graphql(CLAIM, second.token, b=board["id"])
        )
        taken = [answer.json()["data"]["claimTask"]["task"]["id"] for answer in answers]
        assert set(taken) == made and taken[0] != taken[1]


def test_the_last_free_task_is_claimed_once(world: World) -> None:
    board, _, first = world.team()
    second = world.agent(board, "Second")
    for _ in range(ROUNDS):
        task = world.task(board)
        answers = at_once(
            world, graphql(CLAIM, first.token, b=board["id"]), graphql(CLAIM, second.token, b=board["id"])
        )
        bodies = [answer.json() for answer in answers]
        won = [body["data"]["claimTask"]["task"]["id"] for body in bodies if not body.get("errors")]
        lost = [body["errors"][0]["extensions"]["code"] for body in bodies if body.get("errors")]
        assert won == [task["id"]] and lost == ["NOTHING_TO_CLAIM"]


def test_two_decisions_on_one_approval_leave_one_history(world: World) -> None:
    board, _, worker = world.team()
    decide = "mutation($i: ID!, $s: ApprovalStatus!) { decideApproval(input: {id: $i, status: $s}) { cursor } }"
    for _ in range(ROUNDS):
        approval = world.ok(
            "POST", f"/boards/{board['id']}/approvals", worker.token,
            json={"action_type": "x", "confidence": 50, "lead_reasoning": "because"},
        )  # fmt: skip
        at_once(
            world, graphql(decide, world.token, i=approval["id"], s="APPROVED"),
            graphql(decide, world.token, i=approval["id"], s="REJECTED"),
        )  # fmt: skip
        events = world.sql(
            "SELECT kind, changes::text AS changes FROM events WHERE subject_id = $1 ORDER BY xid, seq",
            UUID(approval["id"]),
        )
        kinds = [event["kind"] for event in events]
        assert kinds[0] == "approval.requested" and set(kinds[1:]) == {"approval.approved", "approval.rejected"}
        last = world.sql("SELECT status FROM approvals WHERE id = $1", UUID(approval["id"]))[0]["status"]
        assert kinds[-1] == f"approval.{last}"
        assert f'"before": "{kinds[1].partition(".")[2]}"' in events[-1]["changes"]


def test_one_pending_approval_a_task(world: World) -> None:
    board, _, worker = world.team()
    for _ in range(ROUNDS):
        task = world.task(board)
        path = f"/api/v1/boards/{board['id']}/approvals"
        body = {"action_type": "x", "confidence": 50, "lead_reasoning": "because", "task_ids": [task["id"]]}
        answers = at_once(world, ("POST", path, worker.token, body), ("POST", path, world.token, body))
        assert sorted(answer.status_code for answer in answers) == [200, 409]


def test_two_dependencies_never_close_a_cycle(world: World) -> None:
    board = world.board()
    for _ in range(ROUNDS):
        a, b = world.task(board), world.task(board)
        path = f"/api/v1/boards/{board['id']}/tasks"
        answers = at_once(
            world, ("PATCH", f"{path}/{a['id']}", world.token, {"depends_on_task_ids": [b["id"]]}),
            ("PATCH", f"{path}/{b['id']}", world.token, {"depends_on_task_ids": [a["id"]]}),
        )  # fmt: skip
        assert sorted(answer.status_code for answer in answers) == [200, 409]


def test_a_board_gets_one_lead(world: World) -> None:
    create = "mutation($i: CreateAgentInput!) { createAgent(input: $i) { agent { id } } }"
    for number in range(ROUNDS):
        board = world.board()
        wanted = [{"name": f"L{side}{number}", "boardId": board["id"], "isLead": True} for side in "ab"]
        answers = at_once(world, *(graphql(create, world.token, i=one) for one in wanted))
        codes = [(answer.json().get("errors") or [{"extensions": {"code": "OK"}}])[0]["extensions"]["code"]
                 for answer in answers]  # fmt: skip
        assert sorted(codes) == ["CONFLICT", "OK"]


@pytest.mark.acceptance("boards-and-groups.9")
def test_a_lead_cannot_pass_the_limit_of_workers_twice_at_once(world: World) -> None:
    for _ in range(ROUNDS // 5):
        board = world.board(max_agents=1)
        lead = world.agent(board, "Lena", lead=True)
        answers = at_once(world, *(("POST", "/api/v1/agent/agents", lead.token, {"name": f"W{side}"}) for side in "ab"))
        assert sorted(answer.status_code for answer in answers) == [200, 409]


def test_two_changes_of_one_task_lose_nothing(world: World) -> None:
    board = world.board()
    task = world.task(board)
    path = f"/api/v1/boards/{board['id']}/tasks/{task['id']}"
    for number in range(ROUNDS):
        answers = at_once(
            world, ("PATCH", path, world.token, {"title": f"title {number}"}),
            ("PATCH", path, world.token, {"description": f"text {number}"}),
        )  # fmt: skip
        assert [answer.status_code for answer in answers] == [200, 200]
        now = world.tasks(board)[task["id"]]
        assert (now["title"], now["description"]) == (f"title {number}", f"text {number}")


def test_two_changes_of_one_field_follow_each_other(world: World) -> None:
    board = world.board()
    task = world.task(board, title="start")
    path = f"/api/v1/boards/{board['id']}/tasks/{task['id']}"
    for number in range(ROUNDS):
        at_once(world, *(("PATCH", path, world.token, {"title": f"{side} {number}"}) for side in "ab"))
    rows = world.sql(
        "SELECT changes->0->>'before' AS before, changes->0->>'after' AS after FROM events WHERE task_id = $1 "
        "AND kind = 'task.updated' ORDER BY xid, seq", UUID(task["id"]),
    )  # fmt: skip
    assert len(rows) == 2 * ROUNDS
    known = "start"
    for row in rows:
        assert row["before"] == known, "a change was made over another that it had not seen"
        known = row["after"]


def test_a_retried_mutation_runs_once(world: World) -> None:
    board = world.board()
    create = "mutation($i: CreateTaskInput!) { createTask(input: $i) { cursor task { id } } }"
    for number in range(ROUNDS):
        wanted = {"boardId": board["id"], "title": "once", "clientMutationId": f"key {number}"}
        answers = at_once(world, *(graphql(create, world.token, i=wanted) for _ in range(3)))
        made = [answer.json()["data"]["createTask"] for answer in answers]
        assert made[0] == made[1] == made[2]
    assert len(world.tasks(board)) == ROUNDS


def test_a_key_of_another_mutation_is_refused(world: World) -> None:
    board = world.board()
    create = "mutation($i: CreateTaskInput!) { createTask(input: $i) { task { id } } }"
    write = "mutation($i: WriteMemoryInput!) { writeMemory(input: $i) { entry { id } } }"
    world.gql(create, i={"boardId": board["id"], "title": "x", "clientMutationId": "shared"})
    code = world.code(write, i={"boardId": board["id"], "content": "x", "clientMutationId": "shared"})
    assert code == "IDEMPOTENCY_MISMATCH"


@pytest.mark.parametrize("wrong", [True, False])
def test_a_failed_mutation_leaves_its_key_free(world: World, wrong: bool) -> None:
    board = world.board()
    create = "mutation($i: CreateTaskInput!) { createTask(input: $i) { task { title } } }"
    key = f"failed {wrong}"
    missing = "00000000-0000-0000-0000-00000000000a"
    values = {"boardId": board["id"], "title": "x", "clientMutationId": key, "dependsOn": [missing]}
    assert world.code(create, i=values) == "NOT_FOUND"
    del values["dependsOn"]
    assert world.gql(create, i=values)["createTask"]["task"]["title"] == "x"


def test_two_first_requests_make_one_user_and_one_organisation(world: World) -> None:
    for _ in range(10):
        world.sql("UPDATE users SET active_organization_id = NULL")
        for table in ("events", "organization_members"):
            world.sql(f"DELETE FROM {table}")
        before = world.sql("SELECT count(*) AS n FROM organizations")[0]["n"]
        answers = at_once(world, *(("GET", "/api/v1/users/me", world.token, {}) for _ in range(4)))
        assert {answer.status_code for answer in answers} == {200}
        assert world.sql("SELECT count(*) AS n FROM organizations")[0]["n"] == before + 1
        assert world.sql("SELECT count(*) AS n FROM organization_members")[0]["n"] == 1
