"""Every operation × every kind of caller, on GraphQL and REST, against cells written by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from graphql import get_named_type, is_leaf_type

from api.domain.events.cursor import Cursor
from api.rest_compat.routes import ROWS
from api.schema import build_schema
from tests.schema.access_cells import ACTORS, GRAPHQL, REST
from tests.schema.access_scene import ARGUMENTS, INPUTS, Scene, make_scene, rest_body, rest_path
from tests.support.world import World

#: Nothing outside is asked for: the directory of souls is off, and no archive is where packs are fetched.
SETTINGS = {"souls_directory_url": "", "skill_archive_url": "http://127.0.0.1:1", "allow_private_addresses": True}


@pytest.fixture(scope="module")
def scene(world: World) -> Iterator[Scene]:
    yield make_scene(world)


STATUS = {200: "2", 202: "2", 401: "U", 403: "F", 404: "N", 409: "L", 422: "I", 502: "B"}
CODES = {
    "2": None,
    "U": "UNAUTHENTICATED",
    "F": "FORBIDDEN",
    "N": "NOT_FOUND",
    "I": "BAD_USER_INPUT",
    "L": "LAST_OWNER",
    "B": "UPSTREAM_FAILED",
    "G": "GATEWAY_UNREACHABLE",
    "Q": "GATEWAY_REQUIRED",
    "S": "SILENT",
}


# -- REST -----------------------------------------------------------------------------------------------------------


def test_every_route_has_a_line() -> None:
    assert {f"{row.method} {row.path}" for row in ROWS} == set(REST)


@pytest.mark.parametrize("line", REST)
@pytest.mark.acceptance("tasks.13", "auth-and-access.20", "agents.17")
def test_rest(scene: Scene, line: str) -> None:
    found = []
    tokens = scene.tokens_for(line)
    for actor in ACTORS:
        method, url = line.partition(" ")[0], f"{scene.world.server.url}/api/v1{rest_path(scene, line)}"
        headers = scene.world.headers(tokens[actor]) if tokens[actor] else {}
        body = rest_body(scene, line)
        scene.world.forget_failures()
        with httpx.stream(method, url, headers=headers, json=body, timeout=10) as answer:
            found.append(STATUS.get(answer.status_code, answer.status_code))
    assert dict(zip(ACTORS, found, strict=True)) == dict(zip(ACTORS, REST[line].split(), strict=True))


# -- GraphQL --------------------------------------------------------------------------------------------------------


def document(scene: Scene, operation: str) -> tuple[str, dict[str, Any]]:
    root, name = operation.split(".")
    schema = build_schema()._schema
    field = getattr(schema, f"{root.lower()}_type").fields[name]
    leaf = "" if is_leaf_type(get_named_type(field.type)) else "{ __typename }"
    arguments = ARGUMENTS[name](scene) if name in ARGUMENTS else ""
    if root == "Query":
        asked = f"({arguments})" if arguments else ""
        return f"{{ {name}{asked} {leaf} }}", {}
    if root == "Subscription":
        resumes = "after" in field.args and get_named_type(field.args["after"].type).name == "Cursor"
        start = f'after: "{Cursor(scene.world.services.hub.epoch, 0, 0)}"' if resumes else ""
        return f"subscription {{ {name}({arguments} {start}) {{ __typename }} }}", {}
    if "input" not in field.args:
        return f"mutation {{ {name} {leaf} }}", {}
    kind = field.args["input"].type
    return f"mutation($input: {kind}) {{ {name}(input: $input) {leaf} }}", {"input": INPUTS[name](scene)}


def code_of(scene: Scene, operation: str, token: str) -> str | None:
    query, variables = document(scene, operation)
    body = {"query": query, "variables": variables}
    headers = scene.world.headers(token) if token else {}
    if not operation.startswith("Subscription"):
        answer = scene.world.http.post("/graphql", json=body, headers=headers).json()
        assert answer.get("errors") or answer["data"][operation.partition(".")[2]] is not None
        return answer["errors"][0]["extensions"]["code"] if answer.get("errors") else None
    headers["Accept"] = "text/event-stream"
    with httpx.stream("POST", f"{scene.world.server.url}/graphql", json=body, headers=headers, timeout=1) as stream:
        try:
            for text in stream.iter_lines():
                if text.startswith(("data: {", "{")):
                    found = json.loads(text.removeprefix("data: "))
                    return found["errors"][0]["extensions"]["code"] if found.get("errors") else None
        except httpx.ReadTimeout:
            # Open; only the streams over everything may have nothing for this caller's eyes.
            return None if operation in ("Subscription.activity", "Subscription.organizationEvents") else "SILENT"
    return "ENDED"


def test_every_operation_has_a_line() -> None:
    schema = build_schema()._schema
    roots = {"Query": schema.query_type, "Mutation": schema.mutation_type, "Subscription": schema.subscription_type}
    assert {f"{root}.{name}" for root, kind in roots.items() for name in kind.fields} == set(GRAPHQL)  # type: ignore[union-attr]


@pytest.mark.parametrize("operation", GRAPHQL)
@pytest.mark.acceptance("auth-and-access.20")
def test_graphql(scene: Scene, operation: str) -> None:
    found = {}
    tokens = scene.tokens_for(operation)
    for actor in ACTORS:
        scene.world.forget_failures()
        found[actor] = code_of(scene, operation, tokens[actor])
    assert found == {actor: CODES[sign] for actor, sign in zip(ACTORS, GRAPHQL[operation].split(), strict=True)}


# -- what access hides inside answers --------------------------------------------------------------------------------


def test_lists_hold_only_what_the_caller_reads(scene: Scene) -> None:
    query = "{ boards { nodes { id } } tasks { totalCount } agents { nodes { id } } }"
    scene.task()
    assert scene.world.gql(query, scene.tokens["member"])["boards"]["nodes"] == []
    assert scene.world.gql(query, scene.tokens["member"])["tasks"]["totalCount"] == 0
    reader = scene.world.gql(query, scene.tokens["reader"])
    shown = {board["id"] for board in reader["boards"]["nodes"]}
    hidden = scene.world.sql("SELECT id FROM boards WHERE name = 'Elsewhere'")[0]["id"]
    assert scene.board["id"] in shown and str(hidden) not in shown
    outside = {board["id"] for board in scene.world.gql(query, scene.tokens["outsider"])["boards"]["nodes"]}
    assert not outside & (shown | {str(hidden)})


@pytest.mark.acceptance("auth-and-access.20")
def test_node_finds_what_the_caller_reads_and_nothing_else(scene: Scene) -> None:
    ids = [scene.task(), scene.comment(), scene.approval(), scene.memory(), scene.agent(), scene.group]
    for target in ids:
        query = f'{{ node(id: "{target}") {{ id }} }}'
        found = {actor: scene.world.code(query, scene.tokens[actor]) for actor in ("reader", "worker", "lead", "owner")}
        assert set(found.values()) == {None}, (target, found)
        hidden = {actor: scene.world.code(query, scene.tokens[actor]) for actor in ("member", "other_worker")}
        assert set(hidden.values()) == {"FORBIDDEN"}, (target, hidden)
        foreign = {actor: scene.world.code(query, scene.tokens[actor]) for actor in ("outsider", "foreign_main")}
        assert set(foreign.values()) == {"NOT_FOUND"}, (target, foreign)
    many = f"{{ nodes(ids: {json.dumps(ids)}) {{ id }} }}"
    assert [node["id"] for node in scene.world.gql(many, scene.tokens["reader"])["nodes"]] == ids
    for actor in ("member", "other_worker", "outsider", "foreign_main"):
        assert scene.world.gql(many, scene.tokens[actor])["nodes"] == [None] * len(ids)


def test_what_happens_is_listed_only_to_those_who_read_it(scene: Scene) -> None:
    query = "{ approvals { nodes { id } } activity { nodes { id } } agents { nodes { board { id } } } }"
    approval, board = scene.approval(), scene.board["id"]
    for actor in ("member", "outsider", "foreign_main"):
        found = scene.world.gql(query, scene.tokens[actor])
        assert approval not in {one["id"] for one in found["approvals"]["nodes"]}
        assert board not in {(one["board"] or {}).get("id") for one in found["agents"]["nodes"]}
    assert scene.world.gql(query, scene.tokens["member"])["activity"]["nodes"] == []
    seen = scene.world.gql(query, scene.tokens["reader"])
    assert approval in {one["id"] for one in seen["approvals"]["nodes"]} and seen["activity"]["nodes"]


def test_a_foreign_row_looks_like_one_that_does_not_exist(scene: Scene) -> None:
    unknown = "00000000-0000-0000-0000-000000000001"
    for target in (scene.board["id"], unknown):
        answer = scene.world.ask(f'{{ board(id: "{target}") {{ id }} }}', scene.tokens["outsider"])
        assert answer["data"] == {"board": None}
        assert answer["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    answers = [
        scene.world.rest("GET", f"/boards/{target}", scene.tokens["outsider"]).json()
        for target in (scene.board["id"], unknown)
    ]
    assert answers[0]["detail"] == answers[1]["detail"] == "Not Found"


@pytest.mark.acceptance("auth-and-access.11", "auth-and-access.13")
def test_a_token_beside_a_wrong_agent_token_does_not_rescue_it(scene: Scene) -> None:
    both = {"X-Agent-Token": "wrong", "Authorization": f"Bearer {scene.tokens['worker']}"}
    path = f"{scene.world.server.url}/api/v1/agent/healthz"
    assert httpx.get(path, headers=both).status_code == 401
    both["X-Agent-Token"] = ""
    assert httpx.get(path, headers=both).status_code == 200
    user_only = {"X-Agent-Token": "wrong", "Authorization": f"Bearer {scene.world.token}"}
    assert httpx.get(f"{scene.world.server.url}/api/v1/users/me", headers=user_only).status_code == 200
    mixed = f"{scene.world.server.url}/api/v1/boards/{scene.board['id']}/tasks"
    assert httpx.get(mixed, headers=user_only).status_code == 401
