"""Taking over a database of the reference implementation: only additions, in one transaction, every row kept.

Missing tables, columns and indexes are added and one column is allowed to be null; nothing is dropped or rewritten, and
the reference's own version table stays as it is, so that going back is possible until something is written here. What
the reference wrote as words becomes history: the statuses of its recorded moves, from which cycle times are computed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from alembic.autogenerate import produce_migrations
from alembic.operations import Operations, ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, inspect, text

#: The newest version of the reference that is known here.
KNOWN_HEAD = "a9b1c2d3e4f7"

#: Rows that would break a rule of ours, as `(what it means, a query for examples)`.
_DUPLICATES = (
    (
        "a board has two leads; make one of them a worker",
        "SELECT board_id::text FROM agents WHERE is_board_lead GROUP BY board_id HAVING count(*) > 1",
    ),
    (
        "a board has two agents of one name; rename one of them",
        "SELECT board_id::text || ' ' || lower(name) FROM agents WHERE board_id IS NOT NULL "
        "GROUP BY board_id, lower(name) HAVING count(*) > 1",
    ),
    (
        "a gateway has two main agents; delete one of them",
        "SELECT gateway_id::text FROM agents WHERE board_id IS NULL GROUP BY gateway_id HAVING count(*) > 1",
    ),
)

_HISTORY = text("""
WITH moves AS (
  SELECT id, task_id, created_at,
    CASE WHEN message LIKE 'Task returned to inbox%' THEN 'inbox'
      ELSE substring(message FROM '^Task moved to (inbox|in_progress|review|done):') END AS reached
  FROM activity_events
  WHERE event_type = 'task.status_changed' AND task_id IS NOT NULL AND to_status IS NULL
), chained AS (
  SELECT id, reached, coalesce(
    lag(reached) OVER (PARTITION BY task_id ORDER BY created_at, id), 'inbox') AS left_behind
  FROM moves WHERE reached IS NOT NULL
)
UPDATE activity_events AS a SET from_status = c.left_behind, to_status = c.reached
FROM chained AS c WHERE a.id = c.id AND c.left_behind <> c.reached
""")
_BOARDS = text(
    "UPDATE activity_events AS a SET board_id = t.board_id FROM tasks AS t "
    "WHERE a.task_id = t.id AND a.board_id IS NULL AND t.board_id IS NOT NULL"
)
_LOG = text(
    "INSERT INTO event_log (id, epoch, dropped_xid, dropped_seq, updated_at) "
    "VALUES (1, 1, 0, 0, now() AT TIME ZONE 'UTC') ON CONFLICT DO NOTHING"
)


@dataclass
class Report:
    """What was found and done: `obstacles` stop it, `notes` do not, `steps` is what changes."""

    obstacles: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)


class Obstacles(Exception):
    """The database cannot be taken over as it is; `lines` say why."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def is_reference(connection: Connection) -> bool:
    """Whether the reference has made this database."""
    names = set(inspect(connection).get_table_names())
    return {"alembic_version", "boards", "tasks", "agents"} <= names


def inspected(connection: Connection, metadata: MetaData) -> Report:
    """What would be done, and every obstacle; reads only."""
    report = Report()
    version = int(connection.execute(text("SHOW server_version_num")).scalar_one())
    if version < 140_000:
        report.obstacles.append("PostgreSQL 14 or newer is needed.")
    heads = list(connection.execute(text("SELECT version_num FROM alembic_version")).scalars())
    if heads != [KNOWN_HEAD]:
        report.obstacles.append(
            f"The reference's schema is at {', '.join(heads) or 'no version'}; bring it to {KNOWN_HEAD} first."
        )
    for right, place in (("CREATE", "schema public"), ("USAGE", "schema public")):
        allowed = connection.execute(text(f"SELECT has_schema_privilege('public', '{right}')")).scalar_one()
        if not allowed:
            report.obstacles.append(f"The database user lacks {right} on {place}.")
    owners = text(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = 'public' AND c.relkind = 'r' AND NOT pg_has_role(c.relowner, 'USAGE') ORDER BY 1"
    )
    for table in connection.execute(owners).scalars():
        report.obstacles.append(f"The database user does not own the table {table}.")
    for meaning, query in _DUPLICATES:
        for example in connection.execute(text(f"{query} ORDER BY 1 LIMIT 20")).scalars():
            report.obstacles.append(f"{meaning}: {example}")
    others = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND backend_type = 'client backend' AND application_name <> 'mission-control'"
    )
    if connected := connection.execute(others).scalar_one():
        report.notes.append(f"{connected} other connections are open: stop the reference and its worker first.")
    report.notes.append("Jobs that wait in Redis are not taken over: let the reference's worker finish them first.")
    report.steps += [_words(operation) for operation in _additions(connection, metadata)]
    moves = text("SELECT count(*) FROM activity_events WHERE event_type = 'task.status_changed'")
    report.steps.append(f"derive statuses from {connection.execute(moves).scalar_one()} recorded moves")
    return report


def take_over(connection: Connection, metadata: MetaData) -> Report:
    """Do it, in the connection's transaction. Raises `Obstacles` before anything is changed."""
    report = inspected(connection, metadata)
    if report.obstacles:
        raise Obstacles(report.obstacles)
    operations = Operations(MigrationContext.configure(connection))
    for operation in _additions(connection, metadata):
        operations.invoke(operation)
    for statement in (_BOARDS, _HISTORY, _LOG):
        connection.execute(statement)
    return report


def _additions(connection: Connection, metadata: MetaData) -> list[Any]:
    """What is missing, without anything that would take away or rewrite."""
    context = MigrationContext.configure(connection, opts={"compare_type": False, "compare_server_default": False})
    upgrade = produce_migrations(context, metadata).upgrade_ops
    return list(_flat(upgrade.ops)) if upgrade is not None else []


def _flat(operations: Any) -> Iterator[Any]:
    for operation in operations:
        if isinstance(operation, ops.ModifyTableOps):
            yield from _flat(operation.ops)
        elif isinstance(operation, ops.CreateTableOp | ops.AddColumnOp | ops.CreateIndexOp) or (
            isinstance(operation, ops.AlterColumnOp) and operation.modify_nullable
        ):
            yield operation


def _words(operation: Any) -> str:
    if isinstance(operation, ops.CreateTableOp):
        return f"create the table {operation.table_name}"
    if isinstance(operation, ops.AddColumnOp):
        return f"add the column {operation.table_name}.{operation.column.name}"
    if isinstance(operation, ops.CreateIndexOp):
        return f"create the index {operation.index_name} on {operation.table_name}"
    return f"allow null in {operation.table_name}.{operation.column_name}"
