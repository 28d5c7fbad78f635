"""Who loses a right loses the streams that it opened, with the last cursor; slow and late subscribers are told."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.support.live import StreamEnded, over_rest, over_sse, over_websocket, websocket
from tests.support.world import World

SETTINGS = {"subscriber_buffer": "20"}


async def ends(stream: Any, lose: Callable[[], Any]) -> dict[str, Any]:
    """What a stream says when the right is lost while it is open; within five seconds."""
    first = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.4)
    started = time.monotonic()
    await asyncio.to_thread(lose)
    while True:
        try:
            await asyncio.wait_for(asyncio.shield(first), 5)
            first = asyncio.ensure_future(anext(stream))
        except StreamEnded as ended:
            assert time.monotonic() - started < 5
            found: dict[str, Any] = ended.error
            return found


async def over_rest_tasks(world: World, board: str, _after: Any, token: str) -> Any:
    """A REST stream in the shape of the others."""
    async for _, _, data in over_rest(world, f"/boards/{board}/tasks/stream", token=token):
        yield data


@pytest.mark.anyio
async def test_an_agent_follows_its_board_over_a_websocket(world: World) -> None:
    board, _, worker = world.team()
    stream = over_websocket(world, board["id"], None, worker.token)
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.4)
    task = world.task(board)
    while (event := await asyncio.wait_for(waiting, 5)).get("taskId") != task["id"]:
        waiting = asyncio.ensure_future(anext(stream))
    assert event["kind"] == "TASK_CREATED"
    await stream.aclose()  # type: ignore[attr-defined]


@pytest.mark.anyio
async def test_a_silent_stream_is_kept_alive_by_comments(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from api.rest_compat import streams

    assert streams.PING_SECONDS == 15.0
    monkeypatch.setattr(streams, "PING_SECONDS", 0.2)
    board = world.board()
    path = f"{world.server.url}/api/v1/boards/{board['id']}/tasks/stream"
    async with httpx.AsyncClient(timeout=5) as http, http.stream("GET", path, headers=world.headers(None)) as answer:
        async for line in answer.aiter_lines():
            assert line.startswith(": ping - ")
            break


@pytest.mark.anyio
@pytest.mark.parametrize("transport", [over_websocket, over_sse, over_rest_tasks])
async def test_a_revoked_personal_token_ends_its_streams(world: World, transport: Any) -> None:
    board = world.board()
    made = world.gql('mutation { createPersonalToken(input: {name: "s"}) { secret token { id } } }')
    made = made["createPersonalToken"]
    revoke = "mutation($i: ID!) { revokePersonalToken(input: {id: $i}) { token { revokedAt } } }"
    stream = transport(world, board["id"], None, made["secret"])
    error = await ends(stream, lambda: world.gql(revoke, i=made["token"]["id"]))
    assert error["code"] == "SUBSCRIPTION_ENDED"
    assert world.code("{ me { name } }", made["secret"]) == "UNAUTHENTICATED"


@pytest.mark.anyio
async def test_a_rotated_agent_token_ends_its_streams(world: World) -> None:
    board, _, worker = world.team()
    rotate = "mutation($a: ID!) { issueAgentToken(input: {agentId: $a}) { token } }"
    rest = over_rest(world, f"/boards/{board['id']}/tasks/stream", token=worker.token)
    error = await ends(rest, lambda: world.gql(rotate, a=worker.id))
    assert error["code"] == "SUBSCRIPTION_ENDED"


@pytest.mark.anyio
async def test_a_withdrawn_membership_ends_streams_with_the_cursor_to_resume_from(world: World) -> None:
    board = world.board()
    person = world.person(board["organization_id"], boards={board["id"]: (True, False)})
    withdraw = "mutation($m: ID!) { setMemberAccess(input: {memberId: $m}) { member { allBoardsRead } } }"
    stream = over_websocket(world, board["id"], None, person.token)
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.4)
    world.task(board)
    event = await waiting
    error = await ends(stream, lambda: world.gql(withdraw, m=person.member_id))
    assert (error["code"], error["details"]["cursor"]) == ("SUBSCRIPTION_ENDED", event["cursor"])


@pytest.mark.anyio
async def test_a_withdrawal_of_another_board_changes_nothing(world: World) -> None:
    board, other = world.board(), world.board()
    rights = {board["id"]: (True, False), other["id"]: (True, False)}
    person = world.person(board["organization_id"], boards=rights)
    keep = "mutation($i: SetMemberAccessInput!) { setMemberAccess(input: $i) { member { id } } }"
    stream = over_sse(world, board["id"], None, person.token)
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.4)
    world.gql(keep, i={"memberId": person.member_id, "boards": [{"boardId": board["id"]}]})
    task = world.task(board)
    assert (await asyncio.wait_for(waiting, 5))["taskId"] == task["id"]
    await stream.aclose()  # type: ignore[attr-defined]


@pytest.mark.anyio
async def test_a_deleted_board_says_so_and_ends_its_streams(world: World) -> None:
    board = world.board()
    heard = []
    stream = over_websocket(world, board["id"], None)
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.4)
    world.ok("DELETE", f"/boards/{board['id']}")
    with pytest.raises(StreamEnded) as ended:
        while True:
            heard.append((await asyncio.wait_for(waiting, 5))["kind"])
            waiting = asyncio.ensure_future(anext(stream))
    assert heard[-1] == "BOARD_DELETED" and ended.value.error["code"] == "SUBSCRIPTION_ENDED"
    rows = world.sql("SELECT kind, changes FROM events WHERE board_id = $1", UUID(board["id"]))
    assert [(row["kind"], row["changes"]) for row in rows] == [("board.deleted", None)]


@pytest.mark.anyio
async def test_a_slow_subscriber_is_ended_and_resumes_without_loss(world: World) -> None:
    import json

    board = world.board()
    socket = await websocket(world, world.token)
    document = "subscription($b: ID!) { memoryEvents(boardId: $b) { cursor entryId entry { content } } }"
    subscribe = {"type": "subscribe", "id": "1", "payload": {"query": document, "variables": {"b": board["id"]}}}
    await socket.send(json.dumps(subscribe))
    await asyncio.sleep(0.3)
    text = secrets.token_hex(45_000)  # what compression cannot shrink
    written = [
        (await asyncio.to_thread(world.ok, "POST", f"/boards/{board['id']}/memory", None, json={"content": text}))["id"]
        for _ in range(150)
    ]
    heard, error = [], None
    async for message in socket:
        found = json.loads(message)
        if found["type"] == "next" and not found["payload"].get("errors"):
            heard.append(found["payload"]["data"]["memoryEvents"])
        elif found["type"] == "next":
            error = found["payload"]["errors"][0]["extensions"]
        elif found["type"] == "complete":
            break
    await socket.close()
    assert error is not None and error["code"] == "SLOW_SUBSCRIBER" and error["retryable"] is True
    ids = [event["entryId"] for event in heard]
    assert ids == written[: len(ids)] and error["details"]["cursor"] == heard[-1]["cursor"]
    async for event in over_websocket(world, board["id"], error["details"]["cursor"]):
        ids.append(event["entryId"])
        if len(ids) == len(written):
            break
    assert ids == written


@pytest.mark.anyio
async def test_a_rest_stream_since_long_ago_tells_each_thing_once(world: World) -> None:
    board, _, worker = world.team()
    task = world.task(board)
    world.ok("POST", f"/boards/{board['id']}/tasks/{task['id']}/comments", worker.token, json={"message": "hello"})
    world.ok("DELETE", f"/boards/{board['id']}/tasks/{world.task(board)['id']}")
    world.sql("UPDATE event_log SET updated_at = now() - interval '1 hour'")
    seen = []
    stream = over_rest(world, f"/boards/{board['id']}/tasks/stream", since="2020-01-01T00:00:00Z")
    async for _, name, data in stream:
        seen.append((name, data["type"], (data.get("activity") or {}).get("id")))
        if data["type"] == "task.deleted":
            break
    assert [name for name, _, _ in seen] == ["task"] * len(seen)
    assert [kind for _, kind, _ in seen].count("task.comment") == 1
    activity = [row for _, _, row in seen if row]
    assert len(activity) == len(set(activity)) == 2
    # A comment's payload has no task; a task's payload has no comment.
    async for _, _, data in over_rest(world, f"/boards/{board['id']}/tasks/stream", since="2020-01-01T00:00:00Z"):
        if data["type"] == "task.comment":
            assert set(data) == {"type", "activity", "comment"}
            assert set(data["activity"]) == {"id", "event_type", "message", "agent_id", "task_id", "created_at"}
            break
        assert data["type"] == "task.deleted" or set(data) == {"type", "activity", "task"}


@pytest.mark.anyio
async def test_approvals_and_agents_are_streamed_as_the_contract_says(world: World) -> None:
    board, lead, worker = world.team()
    task = world.task(board)
    body = {"action_type": "x", "confidence": 50, "lead_reasoning": "r", "task_ids": [task["id"]]}
    approval = world.ok("POST", f"/boards/{board['id']}/approvals", worker.token, json=body)
    for status in ("approved", "pending"):
        world.ok("PATCH", f"/boards/{board['id']}/approvals/{approval['id']}", json={"status": status})
    since = "2020-01-01T00:00:00Z"
    told = []
    async for _, name, data in over_rest(world, f"/boards/{board['id']}/approvals/stream", since=since):
        assert name == "approval" and data["approval"]["task_titles"] == ["Task"]
        assert data["task_counts"] == {"task_id": task["id"], "approvals_count": 1, "approvals_pending_count": 1}
        told.append(data["pending_approvals_count"])
        if len(told) == 3:
            break
    assert told == [1, 1, 1]
    world.ok("DELETE", f"/agents/{worker.id}")
    async for _, name, data in over_rest(world, "/agents/stream", board_id=board["id"], since=since):
        assert name == "agent"
        if data.get("type") == "agent.deleted":
            assert data["agent_id"] == worker.id
            break
        assert data["agent"]["id"] in (lead.id, worker.id)


HOLD_SECONDS = 60


@pytest.mark.anyio
async def test_a_foreign_write_transaction_delays_and_loses_nothing(world: World) -> None:
    import os

    import asyncpg

    from api.domain.database import asyncpg_arguments

    hold = float(os.environ.get("LIVE_HOLD_SECONDS", HOLD_SECONDS))
    board = world.board()
    foreign = await asyncpg.connect(**asyncpg_arguments(world.server.database_url))
    transaction = foreign.transaction()
    await transaction.start()
    await foreign.execute("SELECT pg_current_xact_id()")
    stream = over_websocket(world, board["id"], None)
    coming = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.3)
    written = [world.task(board, title=f"t{number}")["id"] for number in range(5)]
    await asyncio.sleep(hold)
    assert not coming.done(), "an event was sent that an older transaction could still have overtaken"
    metrics = world.http.get("/metrics").text
    lag = next(float(line.split()[1]) for line in metrics.splitlines() if line.startswith("mission_control_event_lag"))
    assert lag > hold - 2
    assert len(world.tasks(board)) == 5, "reads do not wait"
    await transaction.rollback()
    await foreign.close()
    heard = [(await asyncio.wait_for(coming, 5))["taskId"]]
    while len(heard) < 5:
        heard.append((await asyncio.wait_for(anext(stream), 5))["taskId"])
    assert heard == written
    await asyncio.sleep(1.5)
    assert "mission_control_event_lag_seconds 0.000" in world.http.get("/metrics").text
    await stream.aclose()  # type: ignore[attr-defined]
