"""The GraphQL document beside each REST route: it fits the schema, and it answers the same.

One normalisation makes the answers comparable: pages become their items and total, an object of one field becomes that
field, settings and key-value lists become plain keys, times lose their `Z`, and enumerations are written small.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from graphql import parse, validate

from api.rest_compat.graphql import DOCUMENTS, EXEMPT, STREAMS, document_of, key_of
from api.rest_compat.routes import ROWS
from api.schema import build_schema
from tests.schema.access_scene import QUERIES, SPECIAL, TARGETS, Scene, make_scene
from tests.support.world import World

SETTINGS = {"souls_directory_url": "", "allow_private_addresses": True, "max_query_nodes": 100_000_000}
READING = [row for row in ROWS if row.method == "GET" and row.stream is None and key_of(row.resolver) not in EXEMPT]

#: Fields of the wire that GraphQL spells otherwise or not at all, and why.
OMITTED = {
    "limit": "pages have cursors", "offset": "pages have cursors",
    "clerk_user_id": "the identity provider's business", "is_super_admin": "means nothing",
    "openclaw_session_id": "comes with gateways", "is_gateway_main": "`role` says it", "endpoint_path": "`endpointUrl`",
    "task_id": "the first of `tasks`", "assignee": "`assignee { name }`", "session_key": "comes with gateways",
    "route_name": "where a web page shows it", "route_params": "where a web page shows it",
    "agent_role": "`identityProfile`", "draft_goal": "`draft`", "installed": "`installations`",
    "installed_at": "`installations`", "webhook_id": "asked for by it",
}  # fmt: skip
#: Fields that only one noun leaves out; of activity, `agent_id` mixes who acted and who was told, `actor` does not.
OMITTED_OF = {
    "AgentRead": {"gateway_id"}, "AgentHealthStatusResponse": {"ok", "gateway_id", "status"},
    "TagRead": {"organization_id", "created_at", "updated_at"}, "ActivityEventRead": {"agent_id"},
    "TaskCustomFieldDefinitionRead": {"organization_id"}, "GatewayRead": {"organization_id", "token"},
    "MarketplaceSkillCardRead": {"organization_id", "source"},
    "SkillPackRead": {"organization_id"}, "BoardOnboardingRead": {"board_id"}, "BoardWebhookPayloadRead": {"board_id"},
}  # fmt: skip
#: Answers that are put together differently: compared by their own tests.
OWN_TESTS = {
    "snapshots.board_snapshot",
    "snapshots.group_snapshot",
    "snapshots.group_snapshot_of_board",
    "metrics.dashboard",
    # What a gateway answers: tests/gateway asks a real one.
    "gateway_rest.status",
    "gateway_rest.session_list",
    "gateway_rest.session",
    "gateway_rest.history",
}


@pytest.mark.parametrize("key", [*DOCUMENTS, *STREAMS])
def test_documents_fit_the_schema(key: str) -> None:
    document = DOCUMENTS.get(key) or STREAMS[key]
    assert validate(build_schema()._schema, parse(document)) == []


def test_every_route_has_its_document_or_a_reason() -> None:
    without = {key_of(row.resolver) for row in ROWS if document_of(row.resolver, row.stream) is None}
    assert without == set(EXEMPT)
    assert set(DOCUMENTS) <= {key_of(row.resolver) for row in ROWS}


@pytest.fixture(scope="module")
def scene(world: World) -> Scene:
    found = make_scene(world)
    field = found.custom_field()
    key = world.sql("SELECT field_key FROM task_custom_field_definitions WHERE id::text = $1", field)[0]["field_key"]
    tag = found.tag()
    done = world.task(found.board, title="First")
    task = world.task(found.board, title="Whole", tag_ids=[tag], depends_on_task_ids=[done["id"]],
                      custom_field_values={key: "v"}, due_at="2026-12-01T10:00:00Z")  # fmt: skip
    world.ok("POST", f"/boards/{found.board['id']}/approvals", found.tokens["lead"], json={
        "action_type": "x", "confidence": 90.5, "lead_reasoning": "r", "task_ids": [task["id"], done["id"]],
    })  # fmt: skip
    for text in ("one", "two"):
        world.ok("POST", f"/boards/{found.board['id']}/tasks/{task['id']}/comments", json={"message": text})
    found.newest["task"] = task["id"]
    found.webhook()
    found.delivery()
    found.invite()
    found.skill()
    found.pack()
    found.conversation()
    return found


def normal(value: Any, omitted: frozenset[str]) -> Any:
    if isinstance(value, list):
        if value and all(isinstance(one, dict) and one.keys() == {"key", "value"} for one in value):
            return normal({one["key"]: one["value"] for one in value}, omitted)
        return [normal(one, omitted) for one in value]
    if isinstance(value, dict):
        if "nodes" in value:
            items = normal(value["nodes"], omitted)
            return {"items": items, "total": value["totalCount"]} if "totalCount" in value else items
        found = {name: normal(one, omitted) for name, one in value.items() if name not in omitted}
        found.update(found.pop("settings", None) or {})
        if found.get("tags", 0) is None:
            found["tags"] = []
        return next(iter(found.values())) if len(found) == 1 else found or None
    if isinstance(value, str):
        if re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", value):
            return value[:-1]
        return value.lower() if re.fullmatch(r"[A-Z][A-Z_]+", value) else value
    return value


def asked(scene: Scene, row: Any) -> tuple[str, dict[str, Any]]:
    """The REST path, and the variables of the document."""
    line = f"{row.method} {row.path}"
    makers = {**TARGETS, **SPECIAL.get(line, {}), "task_id": lambda s: s.newest["task"]}
    variables: dict[str, Any] = {"limit": 200, "filter": None, "is_chat": None, "q": ""}
    path = row.path
    for name, maker in makers.items():
        if f"{{{name}}}" in path:
            variables[name] = maker(scene)
            path = path.replace(f"{{{name}}}", variables[name])
    if line in QUERIES:
        path += QUERIES[line](scene)
    return path, variables


@pytest.mark.parametrize("row", READING, ids=[f"{row.method} {row.path}" for row in READING])
def test_the_document_answers_what_the_route_answers(scene: Scene, row: Any) -> None:
    key = key_of(row.resolver)
    if key in OWN_TESTS:
        return
    path, variables = asked(scene, row)
    document = document_of(row.resolver)
    assert document is not None
    if key == "groups.memory_page":
        variables["group_id"] = scene.group
    if row.operation.startswith("get_my_membership"):
        variables["member_id"] = scene.world.ok("GET", path)["id"]
    token = scene.tokens["lead"] if row.path.startswith("/agent/") else scene.world.token
    if key == "skill_rest.soul":
        assert scene.world.rest("GET", path, token).status_code == 404
        assert scene.world.code(document, token, handle="someone", slug="soul") == "NOT_FOUND"
        return
    rest = scene.world.ok("GET", path, token)
    if key == "skill_rest.search_souls":
        variables["limit"] = 20
    used = {name: value for name, value in variables.items() if f"${name}" in document}
    graphql = scene.world.gql(document, token, **used)
    omitted = frozenset(OMITTED) | OMITTED_OF.get(getattr(row.returns is not str and row.item, "__name__", ""), set())
    ours, theirs = normal(graphql, omitted), normal(rest, omitted)
    while isinstance(theirs, dict) and isinstance(ours, dict) and len(ours) == 1:
        ours = next(iter(ours.values()))
    if key == "organizations.member_page":
        # By name there, by address here, which the cursors of GraphQL must not show.
        for page in (ours, theirs):
            for one in page["items"]:
                one.pop("board_access", None)
            page["items"].sort(key=lambda one: one["id"])
    if key in ("activity.activity_page", "activity.comment_page") and row.path != "/agent/boards":
        ours["items"] = [one for one in ours["items"] if one["id"] in {item["id"] for item in theirs["items"]}]
    assert ours == theirs


def test_the_dashboard_in_both(scene: Scene) -> None:
    rest = scene.world.ok("GET", "/metrics/dashboard?range_key=7d")
    graphql = scene.world.gql(DOCUMENTS["metrics.dashboard"], range="LAST_7_DAYS")["dashboard"]
    kpis = {name: value for name, value in rest["kpis"].items() if name != "tasks_in_progress"}
    assert {name: graphql[name] for name in kpis} == kpis
    for name in ("throughput", "cycle_time", "error_rate", "wip"):
        for part in ("primary", "comparison"):
            points = [{**point, "period": point["period"][:-1]} for point in graphql[name][part]]
            assert points == rest[name][part]["points"]
    assert [one["approval"]["id"] for one in graphql["pending"]] == [
        one["approval_id"] for one in rest["pending_approvals"]["items"]
    ]


def test_snapshots_in_both(scene: Scene) -> None:
    board = scene.board["id"]
    rest = scene.world.ok("GET", f"/boards/{board}/snapshot")
    graphql = scene.world.gql(DOCUMENTS["snapshots.board_snapshot"], board_id=board)["board"]
    for name in ("tasks", "approvals", "agents"):
        assert [one["id"] for one in graphql[name]["nodes"]] == [one["id"] for one in rest[name]]
    assert graphql["pending_approvals_count"] == rest["pending_approvals_count"]
    variables = {"limit": 5, "tasks": {"status": ["INBOX", "IN_PROGRESS", "REVIEW"]}}
    group = scene.world.ok("GET", f"/board-groups/{scene.group}/snapshot")
    found = scene.world.gql(DOCUMENTS["snapshots.group_snapshot"], group_id=scene.group, **variables)["boardGroup"]
    assert [one["board"] for one in found["boards"]["nodes"]] == [one["board"]["id"] for one in group["boards"]]
    for ours, theirs in zip(found["boards"]["nodes"], group["boards"], strict=True):
        assert [one["id"] for one in ours["tasks"]["nodes"]] == [one["id"] for one in theirs["tasks"]]
        counts = {one["status"].lower(): one["count"] for one in ours["task_counts"] if one["count"]}
        assert counts == theirs["task_counts"]
