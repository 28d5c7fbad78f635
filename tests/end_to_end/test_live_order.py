"""Live: nothing is missed between reading and following, nothing is repeated, everybody sees one order."""

from __future__ import annotations

import asyncio
import json
import os
import random
from typing import Any
from uuid import UUID

import httpx
import pytest

from api.domain.actor import Membership, Role, User
from api.domain.context import Context
from api.domain.memory.operations import write_memory
from tests.support.live import StreamEnded, over_rest, over_sse, over_websocket, websocket
from tests.support.world import World

SETTINGS = {"pool_size": "40"}

ROUNDS = int(os.environ.get("LIVE_ROUNDS", "500"))
BOARDS = 25
READ = "query($b: ID!) { board(id: $b) { eventCursor tasks(first: 200) { nodes { id } } } }"
FOLLOW = "subscription($b: ID!, $a: Cursor) { taskEvents(boardId: $b, after: $a) { cursor kind taskId } }"


@pytest.mark.anyio
async def test_read_then_subscribe_misses_nothing_under_load(world: World) -> None:
    boards = [world.board(name=f"Load {number}") for number in range(BOARDS)]
    headers = {"Authorization": f"Bearer {world.token}"}
    stop = asyncio.Event()

    async with httpx.AsyncClient(base_url=world.server.url, headers=headers, timeout=30) as http:

        async def create(board: str, title: str) -> str:
            answer = await http.post(f"/api/v1/boards/{board}/tasks", json={"title": title})
            return str(answer.json()["id"])

        async def write(seed: int) -> None:
            chance = random.Random(seed)
            while not stop.is_set():
                await create(boards[chance.randrange(BOARDS)]["id"], "load")
                await asyncio.sleep(chance.random() * 0.1)

        writers = [asyncio.create_task(write(seed)) for seed in range(4)]
        socket = await websocket(world, world.token)
        rounds: list[tuple[str, set[str], list[str], str]] = []
        try:
            for number in range(ROUNDS):
                board = boards[number * BOARDS // ROUNDS]["id"]
                answer = await http.post("/graphql", json={"query": READ, "variables": {"b": board}})
                read = answer.json()["data"]["board"]
                variables = {"b": board, "a": read["eventCursor"]}
                payload = {"query": FOLLOW, "variables": variables}
                await socket.send(json.dumps({"id": str(number), "type": "subscribe", "payload": payload}))
                marker = asyncio.create_task(create(board, "marker"))
                heard: list[str] = []
                made = asyncio.ensure_future(marker)
                while not made.done() or made.result() not in heard:
                    coming = asyncio.ensure_future(socket.recv())
                    waiting = {coming} if made.done() else {coming, made}
                    await asyncio.wait(waiting, timeout=10, return_when=asyncio.FIRST_COMPLETED)
                    if not coming.done():
                        if made.done() and made.result() in heard:
                            coming.cancel()
                            break
                        await asyncio.wait({coming}, timeout=10)
                    message = json.loads(coming.result())
                    if message.get("id") == str(number) and message["type"] == "next":
                        event = message["payload"]["data"]["taskEvents"]
                        if event["kind"] == "TASK_CREATED":
                            heard.append(event["taskId"])
                await socket.send(json.dumps({"id": str(number), "type": "complete"}))
                rounds.append((board, {task["id"] for task in read["tasks"]["nodes"]}, heard, marker.result()))
        finally:
            stop.set()
            await asyncio.gather(*writers)
            await socket.close()

    order: dict[str, list[str]] = {}
    for row in world.sql("SELECT board_id, task_id FROM events WHERE kind = 'task.created' ORDER BY xid, seq"):
        order.setdefault(str(row["board_id"]), []).append(str(row["task_id"]))
    for board, seen, heard, marker_id in rounds:
        until = order[board][: order[board].index(marker_id) + 1]
        assert len(heard) == len(set(heard)), "an event was repeated"
        assert not seen & set(heard), "an event was delivered that the read had seen"
        heard = heard[: heard.index(marker_id) + 1]  # the marker's answer may come after later events
        assert len(seen) < 200, "a board has more tasks than the read's page holds, so this would prove nothing"
        assert set(until) == seen | set(heard), "a change was missed between reading and following"
        assert heard == [task for task in until if task in set(heard)], "events came in another order"


def writer_of(world: World, board: dict[str, Any]) -> User:
    organization = UUID(board["organization_id"])
    member = Membership(UUID(int=1), organization, Role.OWNER, True, True)
    return User(UUID(world.me()["id"]), "Writer", member, {organization: member})


WRITERS, CHANGES, SUBSCRIBERS = 8, 500, 20


@pytest.mark.anyio
async def test_everybody_sees_every_change_once_in_one_order(world: World) -> None:
    board = world.board(name="Order")
    actor = writer_of(world, board)
    numbers = iter(range(CHANGES))
    naive: list[int] = []
    done = asyncio.Event()

    async def write(seed: int) -> None:
        """Changes whose commits overtake each other: each waits a random time between its event and its commit."""
        chance = random.Random(seed)
        for number in numbers:
            ctx = Context(world.services, actor=actor)
            async with ctx.write() as session:
                await write_memory(ctx, UUID(board["id"]), f"change {number}")
                session.add_all(ctx._events)
                await session.flush()
                events, ctx._events = ctx._events, []
                await asyncio.sleep(chance.random() * 0.03)
            assert events
            world.services.hub.wake()

    async def write_all() -> None:
        await asyncio.gather(*(write(seed) for seed in range(WRITERS)))

    async def read_naively() -> None:
        """What `ORDER BY id` would see: the reader that everybody writes first."""
        import asyncpg

        from api.domain.database import asyncpg_arguments

        connection = await asyncpg.connect(**asyncpg_arguments(world.server.database_url))
        last = 0
        looking = True
        while looking:
            looking = not done.is_set()  # one last look after everything is written
            for row in await connection.fetch(
                "SELECT seq FROM events WHERE board_id = $1 AND kind = 'memory.written' AND seq > $2 ORDER BY seq",
                UUID(board["id"]), last,
            ):  # fmt: skip
                last = row["seq"]
                naive.append(last)
            await asyncio.sleep(0.002)
        await connection.close()

    async def follow(number: int) -> list[str]:
        """A subscriber that leaves and resumes at random, on its own transport."""
        chance, seen, place = random.Random(100 + number), [], start
        while len(seen) < CHANGES:
            stay = chance.randint(1, 60)
            async for entry, cursor in events(number, place):
                place = cursor
                seen.append(entry)
                stay -= 1
                if stay == 0 or len(seen) == CHANGES:
                    break
        return seen

    async def events(number: int, after: str) -> Any:
        if number % 3 == 2:
            stream = over_rest(world, f"/boards/{board['id']}/memory/stream", after)
            try:
                async for place, _, data in stream:
                    yield data["memory"]["id"], place
            finally:
                await stream.aclose()  # type: ignore[attr-defined]
        else:
            opened = (over_websocket if number % 3 == 0 else over_sse)(world, board["id"], after)
            try:
                async for event in opened:
                    if event["kind"] == "MEMORY_WRITTEN":
                        yield event["entryId"], event["cursor"]
            finally:
                await opened.aclose()  # type: ignore[attr-defined]

    start = world.gql(READ, b=board["id"])["board"]["eventCursor"]
    following = [asyncio.create_task(follow(number)) for number in range(SUBSCRIBERS)]
    watching = asyncio.create_task(read_naively())
    await asyncio.sleep(0.2)
    await asyncio.to_thread(world.server.run, write_all())
    seen = await asyncio.wait_for(asyncio.gather(*following), 60)
    done.set()
    await watching

    rows = world.sql(
        "SELECT subject_id, seq FROM events WHERE board_id = $1 AND kind = 'memory.written' ORDER BY xid, seq",
        UUID(board["id"]),
    )
    truth = [str(row["subject_id"]) for row in rows]
    assert len(truth) == CHANGES
    for number, found in enumerate(seen):
        assert found == truth, f"subscriber {number} saw another story"
    missed = {row["seq"] for row in rows} - set(naive)
    assert any(seq < max(naive) for seq in missed), "a reader by id missed nothing, so this proved nothing"


@pytest.mark.anyio
async def test_a_cursor_that_retention_dropped_is_refused_with_the_oldest_held(world: World) -> None:
    board = world.board(name="Old")
    cursor = world.gql(READ, b=board["id"])["board"]["eventCursor"]
    world.task(board)
    world.sql("UPDATE events SET at = at - interval '30 days' WHERE board_id = $1", UUID(board["id"]))
    from api.domain.sweeps import retain

    world.server.run(retain(world.services))
    with pytest.raises(StreamEnded) as ended:
        async for _ in over_websocket(world, board["id"], cursor):
            break
    assert ended.value.error["code"] == "CURSOR_EXPIRED"
    with pytest.raises(StreamEnded) as refused:
        async for _ in over_rest(world, f"/boards/{board['id']}/tasks/stream", cursor):
            break
    assert (refused.value.error["status"], refused.value.error["code"]) == (410, "CURSOR_EXPIRED")
    oldest = ended.value.error["details"]["oldest_cursor"]
    fresh = world.task(board, title="after")
    async for event in over_websocket(world, board["id"], oldest):
        assert event["taskId"] == fresh["id"]
        break
