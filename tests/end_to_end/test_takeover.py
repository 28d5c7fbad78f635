"""A database that the reference has used becomes ours: every row kept, at any interruption as before."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from api.domain.database import Database, takeover
from api.domain.database.tables import metadata
from tests.support import reference
from tests.support.databases import Databases, finish, query
from tests.support.server import RunningServer, settings_for
from tests.support.world import World

OURS = "SELECT count(*) AS n FROM information_schema.tables WHERE table_name IN ('mission_control_version', 'events')"


@pytest.fixture(scope="module")
def taken(databases: Databases) -> Iterator[str]:
    """The URL of the reference's database."""
    url = databases.empty()
    reference.build(url)
    yield url


def migrate(url: str, folder: Path, *options: str, kill_after: float | None = None) -> subprocess.CompletedProcess[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "api.cli", "migrate", *options], cwd=folder, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"DATABASE_URL": url, "PATH": "/usr/bin:/bin", "HOME": str(folder), "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    if kill_after is not None:
        time.sleep(kill_after)
        process.send_signal(signal.SIGKILL)
    out, error = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, out, error)


def test_taking_over(taken: str, tmp_path: Path) -> None:
    before = reference.fingerprint(taken)
    assert (before["tasks"][0], before["agents"][0], before["activity_events"][0]) == (10_000, 200, 50_000 + 4 * 2220)
    checked = migrate(taken, tmp_path, "--check")
    assert checked.returncode == 0, checked.stderr + checked.stdout
    assert (
        "step: create the table events" in checked.stdout and "step: allow null in agents.gateway_id" in checked.stdout
    )
    assert "step: derive statuses from 8880 recorded moves" in checked.stdout and "Redis" in checked.stdout
    assert reference.fingerprint(taken) == before and query(taken, OURS)[0]["n"] == 0

    # Killed at any moment it is as it was; the last moments are where the work is.
    chance = random.Random(7)
    started = time.monotonic()
    migrate(taken, tmp_path, "--check")
    usual = time.monotonic() - started
    for _ in range(6):
        killed = migrate(taken, tmp_path, kill_after=usual * chance.uniform(0.4, 1.3))
        if killed.returncode == 0:
            break
        time.sleep(0.2)
        assert reference.fingerprint(taken) == before
        if query(taken, OURS)[0]["n"]:
            break  # it had committed before it died
    done = migrate(taken, tmp_path)
    assert done.returncode == 0, done.stderr
    assert reference.fingerprint(taken) == before
    again = migrate(taken, tmp_path, "--check")
    assert again.returncode == 0 and "Nothing to do" in again.stdout
    assert query(taken, "SELECT version_num FROM alembic_version")[0]["version_num"] == takeover.KNOWN_HEAD


def test_the_schema_is_ours_now(taken: str) -> None:
    def difference(connection: Connection) -> list[object]:
        context = MigrationContext.configure(
            connection, opts={"version_table": "mission_control_version", "compare_type": False}
        )
        found = compare_metadata(context, metadata)
        # What the reference has more of stays: its version table, its own indexes and constraints.
        return [
            one for one in found if isinstance(one, tuple) and not str(one[0]).startswith(("remove", "add_constraint"))
        ]

    async def run() -> list[object]:
        database = Database(taken)
        async with database.engine.connect() as connection:
            found = await connection.run_sync(difference)
        await database.close()
        return found

    assert finish(run()) == []


def test_history_is_derived_from_what_was_said(taken: str) -> None:
    rows = query(
        taken,
        "SELECT from_status, to_status, count(*) AS n FROM activity_events WHERE event_type = 'task.status_changed' "
        "GROUP BY 1, 2 ORDER BY 1, 2",
    )
    found = {(row["from_status"], row["to_status"]): row["n"] for row in rows}
    assert found == {
        ("inbox", "in_progress"): 2220, ("in_progress", "review"): 2220, ("review", "inbox"): 2220, (None, None): 2220,
    }  # fmt: skip
    assert query(taken, "SELECT count(*) AS n FROM activity_events WHERE board_id IS NULL")[0]["n"] == 0


@pytest.mark.acceptance("configuration.11")
def test_our_server_serves_it(taken: str, tmp_path: Path) -> None:
    server = RunningServer(taken, settings_for(tmp_path)).start()
    try:
        world = World(server)
        assert world.ok("GET", "/organizations/me")["name"] == "Old home"
        board = next(b for b in world.ok("GET", "/boards")["items"] if b["name"] == "Board 1")
        page = world.ok("GET", f"/boards/{board['id']}/tasks")
        assert page["total"] == 500
        health = world.ok("GET", "/agent/healthz", reference.LEGACY_TOKEN)
        assert health["board_id"] == board["id"]
        assert world.sql("SELECT count(*) AS n FROM agents WHERE token_digest IS NOT NULL")[0]["n"] == 1
        shown = world.ok("GET", "/organizations/me/invites")["items"]
        assert [(invite["token"], invite["role"]) for invite in shown] == [("clear-token", "wizard")]
        metrics = world.ok("GET", "/metrics/dashboard?range_key=14d")
        assert metrics["kpis"]["median_cycle_time_hours_7d"] == pytest.approx(24)
        moved = page["items"][0]
        world.ok("PATCH", f"/boards/{board['id']}/tasks/{moved['id']}", json={"title": "Ours"})
    finally:
        server.stop()


def test_obstacles_are_all_named_and_nothing_is_changed(databases: Databases, tmp_path: Path) -> None:
    url = databases.empty()
    reference.build(url)
    query(url, "UPDATE agents SET is_board_lead = true WHERE name IN ('Agent 1', 'Agent 2')")
    query(url, "UPDATE agents SET name = 'AGENT 4' WHERE name = 'Agent 3'")
    query(url, "UPDATE alembic_version SET version_num = 'other'")
    before = reference.fingerprint(url)
    for options in (("--check",), ()):
        refused = migrate(url, tmp_path, *options)
        text = refused.stdout + refused.stderr
        assert refused.returncode == 1
        assert "two leads" in text and "two agents of one name" in text and "other" in text
    assert reference.fingerprint(url) == before and query(url, OURS)[0]["n"] == 0
