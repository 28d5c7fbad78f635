"""The dashboard, against a slow and obvious recomputation over random histories."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import mean, median
from typing import Any
from uuid import UUID, uuid4

import pytest

from api.domain.database.base import now
from api.domain.metrics.windows import RANGES, Window, windows
from tests.support.world import World

STATUSES = ("inbox", "in_progress", "review", "done")


@pytest.mark.acceptance("activity-and-metrics.1")
def test_windows_and_their_buckets() -> None:
    moment = datetime(2026, 11, 24, 13, 30, 5)
    for key, (length, bucket) in RANGES.items():
        primary, comparison = windows(key, moment)
        assert primary.end - primary.start == length == comparison.end - comparison.start
        assert comparison.end == primary.start and primary.bucket == bucket
        assert primary.starts[0] <= primary.start < primary.starts[1] and primary.starts[-1] <= primary.end
    assert len(windows("24h", moment)[0].starts) == 25 and len(windows("3d", moment)[0].starts) == 4
    weeks = windows("3m", moment)[0].starts
    assert all(start.weekday() == 0 and (start.hour, start.minute) == (0, 0) for start in weeks)
    assert {later - sooner for sooner, later in itertools.pairwise(weeks)} == {timedelta(days=7)}
    months = windows("1y", moment)[0].starts
    assert len(months) >= 12 and all((start.day, start.hour) == (1, 0) for start in months)


@dataclass
class History:
    """What was written, as plain rows."""

    tasks: list[dict[str, Any]] = field(default_factory=list)
    changes: list[dict[str, Any]] = field(default_factory=list)
    activity: list[dict[str, Any]] = field(default_factory=list)


def fill(world: World, boards: Sequence[UUID], seed: int) -> History:
    """Tasks with random histories over the last two years, some with failures in their activity."""
    chance, moment, found = random.Random(seed), now(), History()
    for number in range(120):
        made = moment - timedelta(hours=chance.expovariate(1 / 2000))
        task: dict[str, Any] = {"id": uuid4(), "board": chance.choice(boards), "made": made, "status": "inbox"}
        if chance.random() < 0.2:
            task["status"] = "in_progress"
        found.activity.append({"task": task["id"], "at": made, "type": "task.created"})
        rows = [("task.created", made, None, task["status"] if number % 2 else None)]
        first, at = task["status"], made
        for _ in range(chance.randrange(6)):
            at += timedelta(hours=chance.expovariate(1 / 60))
            if at >= moment:
                break
            to = chance.choice([status for status in STATUSES if status != task["status"]])
            found.changes.append({"task": task["id"], "at": at, "from": task["status"], "to": to})
            found.activity.append({"task": task["id"], "at": at, "type": "task.status_changed"})
            rows.append(("task.status_changed", at, task["status"], to))
            task["status"] = to
            if chance.random() < 0.3:
                kind = chance.choice(["task.assignee_notified", "task.assignee_notify_failed"])
                found.activity.append({"task": task["id"], "at": at, "type": kind})
                rows.append((kind, at, None, None))
        task["first"], task["began"] = first, number % 2
        found.tasks.append(task)
        world.sql(
            "INSERT INTO tasks (id, board_id, title, status, priority, auto_created, created_at, updated_at) "
            "VALUES ($1, $2, 't', $3, 'low', false, $4, $4)", task["id"], task["board"], task["status"], made,
        )  # fmt: skip
        for kind, when, before, after in rows:
            world.sql(
                "INSERT INTO activity_events (id, event_type, message, task_id, board_id, created_at, from_status, "
                "to_status) VALUES ($1, $2, 'm', $3, $4, $5, $6, $7)",
                uuid4(), kind, task["id"], task["board"], when, before, after,
            )  # fmt: skip
    return found


def bucketed(window: Window, rows: Sequence[tuple[datetime, float]]) -> list[list[float]]:
    """The values of each bucket, one row after the other."""
    ends = [*window.starts[1:], datetime.max]
    return [
        [value for at, value in rows if start <= at < end and window.start <= at <= window.end]
        for start, end in zip(window.starts, ends, strict=True)
    ]


def expected(history: History, boards: set[UUID], window: Window) -> dict[str, Any]:
    tasks = [task for task in history.tasks if task["board"] in boards]
    ids = {task["id"] for task in tasks}
    changes = [change for change in history.changes if change["task"] in ids]
    activity = [row for row in history.activity if row["task"] in ids]
    cycles = []
    for task in tasks:
        began = task["made"] if task["first"] == "in_progress" and task["began"] else None
        for change in (one for one in changes if one["task"] == task["id"]):
            if change["from"] == "in_progress" and change["to"] in ("review", "done") and began is not None:
                cycles.append((change["at"], (change["at"] - began).total_seconds() / 3600))
            if change["to"] == "in_progress":
                began = change["at"]
    wip = []
    for end in [*window.starts[1:], datetime.max]:
        point = dict.fromkeys(STATUSES, 0)
        for task in tasks:
            status = task["first"] if task["made"] < end and task["made"] <= window.end else None
            for change in (one for one in changes if one["task"] == task["id"]):
                if change["at"] < end and change["at"] <= window.end:
                    status = change["to"]
            if status is not None:
                point[status] += 1
        wip.append(point)
    events = bucketed(window, [(row["at"], float(row["type"].endswith("failed"))) for row in activity])
    inside = [hours for at, hours in cycles if window.start <= at <= window.end]
    every = [value for bucket in events for value in bucket]
    return {
        "throughput": [len(b) for b in bucketed(window, [(c["at"], 1) for c in changes if c["to"] == "done"])],
        "cycle_time": [mean(bucket) if bucket else 0 for bucket in bucketed(window, cycles)],
        "error_rate": [100 * mean(bucket) if bucket else 0 for bucket in events],
        "wip": wip, "median": median(inside) if inside else None, "rate": 100 * mean(every) if every else 0,
    }  # fmt: skip


@pytest.mark.acceptance("activity-and-metrics.3")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_range_is_exact(world: World, seed: int) -> None:
    group = world.ok("POST", "/board-groups", json={"name": "g", "slug": "g"})["id"]
    boards = [UUID(world.board(board_group_id=group)["id"]) for _ in range(2)]
    history = fill(world, boards, seed)
    for key in RANGES:
        for query, scope in ((f"group_id={group}", set(boards)), (f"board_id={boards[0]}", {boards[0]})):
            found = world.ok("GET", f"/metrics/dashboard?range_key={key}&{query}")
            generated = datetime.fromisoformat(found["generated_at"])
            for part, window in zip(("primary", "comparison"), windows(key, generated), strict=True):
                want = expected(history, scope, window)
                for name in ("throughput", "cycle_time", "error_rate"):
                    series = found[name][part]
                    assert (series["range"], series["bucket"]) == (key, window.bucket)
                    assert [datetime.fromisoformat(p["period"]) for p in series["points"]] == list(window.starts)
                    assert [p["value"] for p in series["points"]] == pytest.approx(want[name], abs=1e-6), (
                        key,
                        name,
                        part,
                    )
                points = found["wip"][part]["points"]
                assert [{status: point[status] for status in STATUSES} for point in points] == want["wip"]
                if part == "primary":
                    assert found["kpis"]["median_cycle_time_hours_7d"] == (
                        pytest.approx(want["median"], abs=1e-6) if want["median"] is not None else None
                    )
                    assert found["kpis"]["error_rate_pct"] == pytest.approx(want["rate"])
            counts = dict.fromkeys(STATUSES, 0)
            for task in history.tasks:
                counts[task["status"]] += task["board"] in scope
            assert {status: found["kpis"][f"{status}_tasks"] for status in STATUSES} == counts
            assert found["wip"]["primary"]["points"][-1] | counts == found["wip"]["primary"]["points"][-1]


@pytest.mark.acceptance("activity-and-metrics.2", "activity-and-metrics.4")
def test_scopes_and_what_waits(world: World) -> None:
    group = world.ok("POST", "/board-groups", json={"name": "g", "slug": "g"})["id"]
    board, lead, _ = world.team(board_group_id=group)
    other = world.board()
    for number in range(12):
        task = world.task(board, title=f"t{number}")
        world.ok("POST", f"/boards/{board['id']}/approvals", lead.token, json={
            "action_type": f"a{number}", "confidence": 1, "lead_reasoning": "r", "task_ids": [task["id"]],
        })  # fmt: skip
    world.sql("UPDATE tasks SET status = 'odd' WHERE id = (SELECT id FROM tasks WHERE board_id = $1 LIMIT 1)",
              UUID(board["id"]))  # fmt: skip
    found = world.ok("GET", f"/metrics/dashboard?board_id={board['id']}")
    assert found["pending_approvals"]["total"] == 12 and len(found["pending_approvals"]["items"]) == 10
    first = found["pending_approvals"]["items"][0]
    assert (first["action_type"], first["task_title"], first["board_name"]) == ("a11", "t11", "Board")
    assert found["kpis"]["inbox_tasks"] == 11 and found["kpis"]["tasks_in_progress"] == 0
    empty = world.ok("GET", f"/metrics/dashboard?board_id={other['id']}&group_id={group}")
    assert (
        empty["pending_approvals"] == {"total": 0, "items": []} and len(empty["throughput"]["primary"]["points"]) == 25
    )
    reader = world.person(world.home(), boards={other["id"]: (True, False)})
    assert world.rest("GET", f"/metrics/dashboard?board_id={board['id']}", reader.token).status_code == 403
    assert world.ok("GET", "/metrics/dashboard", reader.token)["pending_approvals"]["total"] == 0
    nobody = world.person(world.home())
    assert world.ok("GET", f"/metrics/dashboard?board_id={board['id']}", nobody.token)["kpis"]["inbox_tasks"] == 0
    assert world.rest("GET", "/metrics/dashboard?range_key=2d").status_code == 422


@pytest.mark.acceptance("activity-and-metrics.5")
def test_activity_says_where_to_look(world: World) -> None:
    board, lead, worker = world.team()
    task = world.task(board)
    comment = world.ok(
        "POST", f"/boards/{board['id']}/tasks/{task['id']}/comments", worker.token, json={"message": "hi"}
    )
    for kind in ("approval.lead_notified", "board.lead_notified", "agent.custom"):
        world.sql(
            "INSERT INTO activity_events (id, event_type, message, board_id, created_at) VALUES ($1, $2, 'm', $3, $4)",
            uuid4(), kind, UUID(board["id"]), now(),
        )  # fmt: skip
    rows = {row["event_type"]: row for row in world.ok("GET", "/activity")["items"] if row["board_id"] == board["id"]}
    here = {"boardId": board["id"]}
    assert (rows["task.comment"]["route_name"], rows["task.comment"]["route_params"]) == (
        "board", {**here, "taskId": task["id"], "commentId": comment["id"]},
    )  # fmt: skip
    assert (rows["approval.lead_notified"]["route_name"], rows["approval.lead_notified"]["route_params"]) == (
        "board.approvals", here,
    )  # fmt: skip
    assert rows["board.lead_notified"]["route_params"] == {**here, "panel": "chat"}
    assert rows["task.created"]["route_params"] == {**here, "taskId": task["id"]}
    assert rows["agent.custom"]["route_params"] == here
    alone = uuid4()
    world.sql(
        "INSERT INTO activity_events (id, event_type, message, agent_id, created_at) VALUES ($1, 'x.y', 'm', $2, $3)",
        alone, UUID(worker.id), datetime(2026, 1, 2, 3, 4, 5),
    )  # fmt: skip
    own = world.ok("GET", "/activity", worker.token)["items"]
    assert own[-1]["route_name"] == "activity"
    assert own[-1]["route_params"] == {"eventId": str(alone), "eventType": "x.y", "createdAt": "2026-01-02T03:04:05"}
    (item,) = world.ok("GET", f"/activity/task-comments?board_id={board['id']}")["items"]
    assert (item["agent_name"], item["task_title"], item["board_name"], item["message"]) == (
        "Wim",
        "Task",
        "Board",
        "hi",
    )


def test_comments_are_streamed_from_the_boards_one_reads(world: World) -> None:
    from tests.support.live import RestStream

    board, hidden = world.board(), world.board()
    reader = world.person(world.home(), boards={board["id"]: (True, False)})

    def say(where: dict[str, Any], text: str) -> None:
        task = world.task(where)
        world.ok("POST", f"/boards/{where['id']}/tasks/{task['id']}/comments", json={"message": text})

    say(board, "before")
    with (
        RestStream(world, "/activity/task-comments/stream", reader.token) as stream,
        RestStream(world, f"/activity/task-comments/stream?board_id={hidden['id']}&since=2026-01-01") as narrow,
    ):
        say(hidden, "hidden")
        say(board, "shown")
        assert stream.next()["comment"]["message"] == "shown"
        assert narrow.next()["comment"]["message"] == "hidden"
    path = f"/activity/task-comments/stream?board_id={hidden['id']}"
    assert world.rest("GET", path, reader.token).status_code == 403
