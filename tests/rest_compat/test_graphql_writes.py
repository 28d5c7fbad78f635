"""Each writing route and the GraphQL document beside it leave the same rows.

Both run on one server, each on targets made for it; compared is every row of every table that came, went or changed,
with ids, times and counters of the moment replaced by placeholders.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from strawberry.utils.str_converters import to_camel_case as camel

from api.rest_compat.graphql import document_of, key_of
from api.rest_compat.routes import ROWS
from api.schema import build_schema
from tests.schema.access_scene import NUMBERS, OPTION, SPECIAL, TARGETS, Scene, make_scene, rest_body
from tests.support.outside import Outside, archive
from tests.support.world import World

OUTSIDE = Outside().start()
SETTINGS = {
    "souls_directory_url": "", "skill_archive_url": f"{OUTSIDE.url}/archives", "allow_private_addresses": True,
}  # fmt: skip
WRITING = [row for row in ROWS if row.method != "GET" and document_of(row.resolver)]
A_GATEWAY = "needs a gateway, and its main agent: tests/gateway"
#: Compared elsewhere, and why.
ELSEWHERE = {
    "POST /auth/bootstrap": "writes nothing but the first sight of a person",
    "DELETE /users/me": "the only person without a personal token, which may not do it, is the local user",
    "POST /organizations/invites/accept": "a personal token may not; test_organizations accepts in both",
    "POST /gateways": A_GATEWAY,
    "POST /gateways/sessions/{session_id}/message": A_GATEWAY,
    "POST /gateways/{gateway_id}/templates/sync": A_GATEWAY,
    "POST /agent/boards/{board_id}/gateway/main/ask-user": A_GATEWAY,
    "POST /agent/gateway/boards/{board_id}/lead/message": A_GATEWAY,
    "POST /agent/gateway/leads/broadcast": A_GATEWAY,
    "PATCH /organizations/me/active": "the second of two runs would find nothing to do; test_organizations does both",
}
ROWS_COMPARED = [row for row in WRITING if f"{row.method} {row.path}" not in ELSEWHERE]

#: Of tables and columns: what is never twice the same, or written by requests of any kind.
NOT_TABLES = {
    "gateway_links",
    "rate_windows",
    "event_log",
    "idempotency_keys",
    "alembic_version",
    "mission_control_version",
}
NOT_COLUMNS = {
    "seq", "xid", "token", "token_digest", "secret", "digest", "agent_token_hash", "last_seen_at", "last_used_at",
    "fingerprint_hash", "announced_status",
}  # fmt: skip

#: Bodies that say more than the least.
RICH: dict[str, Callable[[Scene], dict[str, Any]]] = {
    "PATCH /users/me": lambda s: {"preferred_name": f"N{next(NUMBERS)}", "pronouns": "they", "notes": None},
    "POST /boards": lambda s: {
        "name": f"B{next(NUMBERS)}", "slug": f"b{next(NUMBERS)}", "description": "d", "board_type": "goal",
        "objective": "o", "success_metrics": {"a": 1}, "board_group_id": s.group, "max_agents": 3,
        "require_review_before_done": True,
    },
    "PATCH /boards/{board_id}": lambda s: {"objective": f"o{next(NUMBERS)}", "comment_required_for_review": False},
    "POST /boards/{board_id}/tasks": lambda s: {
        "title": "t", "description": "d", "priority": "high", "due_at": "2027-01-02T03:04:05Z", "tag_ids": [s.tag()],
        "depends_on_task_ids": [s.inbox_task()], "status": "inbox",
    },
    "POST /agent/boards/{board_id}/tasks": lambda s: {"title": f"t{next(NUMBERS)}", "assigned_agent_id": s.agent()},
    "PATCH /boards/{board_id}/tasks/{task_id}": lambda s: {"title": "u", "priority": "low", "comment": "@lead look"},
    "PATCH /agent/boards/{board_id}/tasks/{task_id}": lambda s: {"status": "done"},
    "PATCH /board-groups/{group_id}": lambda s: {"description": f"d{next(NUMBERS)}"},
    "POST /board-groups/{group_id}/heartbeat": lambda s: {"every": f"{next(NUMBERS)}m"},
    "POST /agent/boards/{board_id}/onboarding": lambda s: s.conversation(question="q", options=[OPTION]),
    "POST /boards/{board_id}/approvals": lambda s: {
        "action_type": "deploy", "confidence": 71.5, "lead_reasoning": "r", "task_ids": [s.inbox_task()],
        "payload": {"a": 1}, "rubric_scores": {"x": 3},
    },
    "POST /boards/{board_id}/memory": lambda s: {"content": "@lead hello", "tags": ["chat"], "source": "me"},
    "PATCH /organizations/me/members/{member_id}": lambda s: {"role": "admin"},
    "PUT /organizations/me/members/{member_id}/access": lambda s: {
        "all_boards_read": False, "all_boards_write": False,
        "board_access": [{"board_id": s.board["id"], "can_read": True, "can_write": False}],
    },
    "POST /organizations/me/invites": lambda s: {
        "invited_email": f"w{next(NUMBERS)}@example.org", "role": "admin", "all_boards_read": True,
        "board_access": [{"board_id": s.board["id"], "can_read": True, "can_write": True}],
    },
    "POST /tags": lambda s: {"name": f"W {next(NUMBERS)}", "color": "ff0000", "description": "d"},
    "POST /organizations/me/custom-fields": lambda s: {
        "field_key": f"w{next(NUMBERS)}", "board_ids": [s.board["id"]], "field_type": "integer", "default_value": 3,
        "label": "L", "ui_visibility": "if_set", "required": True,
    },
    "POST /agents": lambda s: {
        "name": f"W{next(NUMBERS)}", "board_id": s.board["id"], "identity_profile": {"role": "x"},
        "heartbeat_config": {"every": "5m"},
    },
    "POST /boards/{board_id}/webhooks": lambda s: {"description": "w", "enabled": False, "secret": "s" * 20},
    "POST /boards/{board_id}/onboarding/confirm": lambda s: s.conversation(board_type="general"),
}  # fmt: skip
#: Names of REST, as GraphQL spells them.
NAMES = {
    "lead_reasoning": "reasoning", "assigned_agent_id": "assigneeId", "depends_on_task_ids": "dependsOn",
    "field_key": "key", "field_type": "type", "ui_visibility": "visibility", "board_access": "boards",
    "board_type": "type", "board_group_id": "groupId", "target_agent_id": "agentId", "organization_id": "id",
}  # fmt: skip
ENUMS = {"status", "role", "type", "visibility"}
#: Settings of a board stand together.
TOGETHER = {
    "require_approval_for_done", "require_review_before_done", "comment_required_for_review", "max_agents",
    "block_status_changes_with_pending_approval", "only_lead_can_change_status",
}  # fmt: skip


@pytest.fixture(scope="module")
def scene(world: World) -> Iterator[Scene]:
    found = make_scene(world)
    world.ok("POST", "/agent/heartbeat", found.tokens["lead"])
    world.ok("POST", "/agent/heartbeat", found.tokens["worker"])
    world.ok("POST", f"/boards/{found.board['id']}/onboarding/start", json={})
    yield found


@pytest.fixture(scope="module")
def kept(scene: Scene) -> set[str]:
    """Ids that both runs share."""
    return {
        str(found[0])
        for table in ("agents", "users", "boards", "organizations", "board_groups", "gateways")
        for found in scene.world.sql(f"SELECT id FROM {table}")
    }


#: What a run leaves on things that both runs share.
RESET = (
    "UPDATE users SET active_organization_id = $1::text::uuid, preferred_name = NULL, pronouns = NULL, notes = 'n'",
    "UPDATE boards SET objective = NULL, goal_confirmed = false, goal_source = NULL, board_type = 'goal', "
    "require_approval_for_done = false, comment_required_for_review = true WHERE organization_id = $1::text::uuid",
    "UPDATE agents SET name = 'Lead' WHERE is_board_lead AND $1::text IS NOT NULL",
    "UPDATE agents SET heartbeat_config = NULL WHERE $1::text IS NOT NULL",
    "UPDATE board_groups SET description = NULL WHERE organization_id = $1::text::uuid",
    "DELETE FROM board_onboarding_sessions WHERE $1::text IS NOT NULL",
)


def rows_of(world: World) -> dict[tuple[str, str], dict[str, Any]]:
    """Every row that matters, by table and identity."""
    tables = world.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    found = {}
    for (table,) in tables:
        if table in NOT_TABLES:
            continue
        for (text,) in world.sql(f"SELECT to_jsonb(t) FROM {table} t"):
            row = json.loads(text)
            if table == "events" and row["kind"] in ("agent.presence", "gateway.link"):
                continue
            identity = str(row.get("id") or row.get("seq") or row)
            found[table, identity] = {name: value for name, value in row.items() if name not in NOT_COLUMNS}
    return found


def changes(before: dict[Any, Any], after: dict[Any, Any], kept: set[str]) -> list[str]:
    """What came, went and changed, without what only this moment knows."""
    found = []
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        if old is not None and new is not None:
            # A request is a sign of life of the agent that sends it, at most every 30 s.
            if key[0] == "agents" and {name for name in new if old[name] != new[name]} == {"updated_at"}:
                continue
            told: Any = {name: [old[name], new[name]] for name in new if old[name] != new[name]}
        else:
            told = new if old is None else old
        kind = "came" if old is None else "went" if new is None else "changed"
        found.append(f"{key[0]} {kind} {json.dumps(normal(told, kept), sort_keys=True)}")
    return sorted(found)


def normal(value: Any, kept: set[str]) -> Any:
    if isinstance(value, dict):
        return {name: normal(one, kept) for name, one in value.items()}
    if isinstance(value, list):
        return [normal(one, kept) for one in value]
    if not isinstance(value, str):
        return value
    if value.startswith("{"):
        # A message that holds JSON: the order of its keys says nothing.
        with contextlib.suppress(ValueError):
            return normal(json.loads(value), kept)
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", lambda m: m[0] if m[0] in kept else "ID", value)
    if text in kept:
        return text
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?", "TIME", text)
    return re.sub(r"\d+", "#", text)


def body_of(scene: Scene, line: str) -> dict[str, Any]:
    body = RICH[line](scene) if line in RICH else rest_body(scene, line)
    return dict(body or {})


def targets_of(scene: Scene, row: Any) -> dict[str, str]:
    line = f"{row.method} {short(row)}"
    makers = {**TARGETS, **SPECIAL.get(line, {})}
    if row.path.endswith("/tasks/{task_id}") and row.method == "PATCH" and "agent" in row.path:
        makers["task_id"] = Scene.task
    if line == "DELETE /organizations/me":
        return {}
    return {name: maker(scene) for name, maker in makers.items() if f"{{{name}}}" in row.path}


def short(row: Any) -> str:
    return str(row.path).removeprefix("/api/v1")


def input_of(scene: Scene, row: Any, kind: Any, targets: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """A mutation's input out of a route's path and body."""
    fields, found = set(kind.fields), {}
    for name, value in body.items():
        if name in TOGETHER and "settings" in fields:
            found.setdefault("settings", {})[camel(name)] = value
            continue
        spelled = next((one for one in (camel(name), NAMES.get(name)) if one in fields), None)
        assert spelled, f"{name} of {row.path} has no place in {sorted(fields)}"
        if spelled == "boards":
            value = [{camel(key): one for key, one in entry.items()} for entry in value]
        if spelled in ENUMS and isinstance(value, str) and enumerated(kind.fields[spelled].type):
            value = value.upper()
        found[spelled] = value
    for name, value in targets.items():
        if camel(name) in fields:
            found[camel(name)] = value
    last = re.findall(r"{(\w+)}", row.path)
    if "id" in fields and last and "id" not in found:
        found["id"] = targets[last[-1]]
    if "gatewayId" in fields and "skills" in row.path:
        found["gatewayId"] = scene.gateway
    return found


def enumerated(kind: Any) -> bool:
    return hasattr(getattr(kind, "of_type", kind), "values")


def ran(
    scene: Scene, kept: set[str], row: Any, run: Callable[[dict[str, str], dict[str, Any], str], None]
) -> list[str]:
    """The changes that a run makes, on fresh targets."""
    for statement in RESET:
        scene.world.sql(statement, scene.home)
    line = f"{row.method} {short(row)}"
    token = scene.world.token
    if line == "DELETE /organizations/me":
        token = scene.tokens_for(line)["owner"]
    elif "/agent" in short(row) and not short(row).startswith("/agents"):
        token = scene.tokens["lead"]
    targets, body = targets_of(scene, row), body_of(scene, line)
    if "pack_id" in targets and row.path.endswith("/sync"):
        [(url,)] = scene.world.sql("SELECT source_url FROM skill_packs WHERE id::text = $1", targets["pack_id"])
        packed = archive({"one/SKILL.md": "# One", "two/SKILL.md": "# Two"})
        OUTSIDE.answers[f"/archives/{url.removeprefix('https://github.com/')}/tar.gz/refs/heads/main"] = (200, packed)
    before = rows_of(scene.world)
    run(targets, body, token)
    return changes(before, rows_of(scene.world), kept)


def test_every_writing_route_is_compared_or_said_why() -> None:
    assert ELSEWHERE.keys() <= {f"{row.method} {short(row)}" for row in WRITING}


@pytest.mark.parametrize("row", ROWS_COMPARED, ids=[f"{row.method} {row.path}" for row in ROWS_COMPARED])
def test_both_leave_the_same_rows(scene: Scene, kept: set[str], row: Any) -> None:
    document = document_of(row.resolver)
    assert document is not None
    kind = None
    if "$input" in document:
        name = re.search(r"\$input: (\w+)", document)[1]  # type: ignore[index]
        kind = build_schema()._schema.type_map[name]

    def rest(targets: dict[str, str], body: dict[str, Any], token: str) -> None:
        path = short(row)
        for name, value in targets.items():
            path = path.replace(f"{{{name}}}", value)
        query = {"gateway_id": scene.gateway} if path.endswith("install") else {}
        answer = scene.world.rest(row.method, path, token, json=body, params=query)
        assert answer.status_code == 200, answer.text

    def graphql(targets: dict[str, str], body: dict[str, Any], token: str) -> None:
        values = input_of(scene, row, kind, targets, body)
        if short(row) == "/organizations/me":
            values["id"] = scene.disposable
        scene.world.gql(document, token, input=values)

    by_route, by_document = ran(scene, kept, row, rest), ran(scene, kept, row, graphql)
    assert by_route == by_document
    assert by_route or key_of(row.resolver) == "agents.send_heartbeat", "nothing was written"
