"""`python -m bench.paging`: limit/offset pages of a board of 100,000 tasks, and the plans of the lists."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from uuid import UUID

from api.logs import configure_logging
from tests.support.databases import Databases, query
from tests.support.server import RunningServer, settings_for
from tests.support.world import World

TASKS, ROUNDS = 100_000, 15
FILL = """
INSERT INTO tasks (id, board_id, title, status, priority, auto_created, created_at, updated_at)
SELECT gen_random_uuid(), $1, 'Task ' || n, (ARRAY['inbox','in_progress','review','done'])[1 + n % 4], 'medium', false,
  now() - n * interval '1 second', now() FROM generate_series(1, $2::int) n
"""


def main() -> int:
    """Measure and print; returns the exit code."""
    databases = Databases()
    settings = settings_for(Path(tempfile.mkdtemp(prefix="mission-control-bench-")))
    configure_logging(settings)
    server = RunningServer(databases.clone(), settings).start()
    world = World(server)
    world.me()
    board = world.board()
    query(server.database_url, FILL, UUID(board["id"]), TASKS)
    query(server.database_url, "VACUUM ANALYZE tasks")
    path = f"/boards/{board['id']}/tasks?limit=50"
    first = 0.0
    print(f"{'page of 50 at offset':32}{'ms':>8}{'ratio':>8}")
    for offset in (0, 100, 1_000, 10_000, 50_000, TASKS - 50):
        times = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            found = world.ok("GET", f"{path}&offset={offset}")
            times.append((time.perf_counter() - started) * 1000)
            assert len(found["items"]) == 50 and found["total"] == TASKS
        median = statistics.median(times)
        first = first or median
        print(f"{offset:32,}{median:8.1f}{median / first:8.2f}")
    count = "SELECT count(*) FROM tasks WHERE board_id = '{}'".format(board["id"])
    times = []
    for _ in range(ROUNDS):
        plan = query(server.database_url, f"EXPLAIN (ANALYZE, TIMING OFF, SUMMARY ON) {count}")
        times.append(float(plan[-1][0].split()[-2]))
    print(f"{'total, in the database':32}{statistics.median(times):8.1f}")
    for row in query(server.database_url, f"EXPLAIN {count}"):
        print("   ", row[0])
    server.stop()
    databases.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
