"""A database as the reference implementation leaves it: its tables from their description, filled with work."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import asyncpg

from api.domain.database import asyncpg_arguments
from api.domain.database.takeover import KNOWN_HEAD
from tests.support.databases import finish

TABLES: dict[str, Any] = json.loads((Path(__file__).parent / "reference-tables.json").read_text())
assert TABLES.pop("alembic_head") == KNOWN_HEAD
LEGACY_TOKEN = "legacy-token-of-an-agent-from-before-the-take-over"


def legacy_hash(token: str, salt: bytes = b"0123456789abcdef", iterations: int = 200) -> str:
    """A hash as the reference stores it (with fewer rounds, for speed)."""
    digest = hashlib.pbkdf2_hmac("sha256", token.encode(), salt, iterations)
    parts = [base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (salt, digest)]
    return f"pbkdf2_sha256${iterations}${parts[0]}${parts[1]}"


def ddl() -> list[str]:
    """The statements that make the reference's tables."""
    tables, keys, rest = [], [], []
    for name, table in TABLES.items():
        named = {}
        for index in table["indexes"]:
            title, _, definition = index.partition(": ")
            columns = re.search(r"\((.*?)\)(?: unique)?(?: WHERE|$)", definition)
            assert columns is not None, index
            unique = " unique" in definition.partition(" WHERE ")[0]
            constraint = f"UNIQUE ({columns.group(1)})"
            if unique and constraint in table["constraints"]:
                named[constraint] = title
                continue
            where = definition.partition(" WHERE ")[2]
            rest.append(
                f"CREATE {'UNIQUE ' if unique else ''}INDEX {title} ON {name} ({columns.group(1)})"
                + (f" WHERE {where}" if where else "")
            )
        tables.append(f"CREATE TABLE {name} ({', '.join(table['columns'])})")
        for constraint in table["constraints"]:
            title = f"CONSTRAINT {named[constraint]} " if constraint in named else ""
            statement = f"ALTER TABLE {name} ADD {title}{constraint}"
            (rest if constraint.startswith("FOREIGN KEY") else keys).append(statement)
    version = [
        "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)",
        f"INSERT INTO alembic_version VALUES ('{KNOWN_HEAD}')",
    ]
    return [*version, *tables, *keys, *rest]


WORK = """
INSERT INTO organizations (id, name, created_at, updated_at) SELECT gen_random_uuid(), 'Old home', now(), now();
INSERT INTO users (id, clerk_user_id, email, name, is_super_admin, active_organization_id)
  SELECT gen_random_uuid(), 'local-auth-user', 'admin@home.local', 'Local User', false, id FROM organizations;
INSERT INTO organization_members (id, organization_id, user_id, role, all_boards_read, all_boards_write, created_at,
  updated_at) SELECT gen_random_uuid(), o.id, u.id, 'owner', true, true, now(), now() FROM organizations o, users u;
INSERT INTO organization_invites (id, organization_id, invited_email, token, role, all_boards_read, all_boards_write,
  created_at, updated_at) SELECT gen_random_uuid(), id, 'old@x.io', 'clear-token', 'wizard', false, false, now(), now()
  FROM organizations;
INSERT INTO gateways (id, organization_id, name, url, workspace_root, disable_device_pairing, allow_insecure_tls,
  created_at, updated_at) SELECT gen_random_uuid(), id, 'G', 'ws://127.0.0.1:1', '/w', false, false, now(), now()
  FROM organizations;
INSERT INTO boards (id, organization_id, name, slug, description, gateway_id, board_type, goal_confirmed,
  require_approval_for_done, require_review_before_done, comment_required_for_review,
  block_status_changes_with_pending_approval, only_lead_can_change_status, max_agents, created_at, updated_at)
  SELECT gen_random_uuid(), o.id, 'Board ' || n, 'b', 'd', g.id, 'goal', false, false, false, false, false, false, 9,
  now(), now() FROM organizations o, gateways g, generate_series(1, 20) n;
INSERT INTO agents (id, board_id, gateway_id, name, status, is_board_lead, lifecycle_generation, wake_attempts,
  agent_token_hash, created_at, updated_at)
  SELECT gen_random_uuid(), b.id, b.gateway_id, 'Agent ' || n, 'online', n = 1, 0, 0,
  CASE WHEN n = 2 AND b.name = 'Board 1' THEN '{hash}' ELSE 'pbkdf2_sha256$1$YQ$YQ' END, now(), now()
  FROM boards b, generate_series(1, 10) n;
INSERT INTO tasks (id, board_id, title, status, priority, auto_created, created_at, updated_at)
  SELECT gen_random_uuid(), b.id, 'Task ' || n, (ARRAY['inbox','in_progress','review','done'])[1 + n % 4], 'medium',
  false, now() - interval '9 days', now() FROM boards b, generate_series(1, 500) n;
INSERT INTO activity_events (id, event_type, message, agent_id, task_id, board_id, created_at)
  SELECT gen_random_uuid(), 'task.comment', 'Comment ' || n, a.id, t.id, t.board_id, now() - n * interval '1 minute'
  FROM tasks t JOIN agents a ON a.board_id = t.board_id AND a.is_board_lead, generate_series(1, 5) n;
INSERT INTO activity_events (id, event_type, message, task_id, board_id, created_at)
  SELECT gen_random_uuid(), 'task.status_changed', m.text, t.id, CASE WHEN m.n = 1 THEN NULL ELSE t.board_id END,
  now() - interval '8 days' + m.n * interval '1 day'
  FROM tasks t, (VALUES (1, 'Task moved to in_progress: x.'), (2, 'Task moved to review: x.'),
  (3, 'Task returned to inbox: dependency reopened (y).'), (4, 'Something else.')) AS m(n, text)
  WHERE t.title LIKE 'Task 1%';
"""


async def _build(url: str) -> None:
    connection = await asyncpg.connect(**asyncpg_arguments(url))
    try:
        async with connection.transaction():
            for statement in ddl():
                await connection.execute(statement)
            await connection.execute(WORK.replace("{hash}", legacy_hash(LEGACY_TOKEN)))
    finally:
        await connection.close()


def build(url: str) -> None:
    """Fill an empty database: 20 boards, 200 agents, 10,000 tasks, 50,000 comments, and their history."""
    finish(_build(url))


def fingerprint(url: str) -> dict[str, tuple[int, str]]:
    """The count and a digest of all rows of each of the reference's tables, over the reference's columns."""

    async def run() -> dict[str, tuple[int, str]]:
        connection = await asyncpg.connect(**asyncpg_arguments(url))
        found = {}
        try:
            for name, table in TABLES.items():
                columns = [column.split()[0] for column in table["columns"]]
                if name == "activity_events":
                    columns.remove("board_id")  # filled from the task where it was missing
                row = ", ".join(f"{column}::text" for column in columns)
                found[name] = tuple(await connection.fetchrow(
                    f"SELECT count(*), md5(coalesce(string_agg(ROW({row})::text, '|' ORDER BY ROW({row})::text), '')) "
                    f"FROM {name}"
                ))  # fmt: skip
        finally:
            await connection.close()
        return found

    return finish(run())
