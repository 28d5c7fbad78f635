"""Every operation × every kind of caller, on GraphQL and REST, against cells written by hand."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from api.domain.events.cursor import Cursor
from api.rest_compat.routes import ROWS
from api.schema import build_schema
from tests.schema.access_cells import ACTORS, GRAPHQL, REST
from tests.support.world import World

NUMBERS = itertools.count()


@dataclass
class Scene:
    """An organisation with everybody in it, and fresh targets for what changes them."""

    world: World
    home: str
    tokens: dict[str, str]
    member_id: str
    reader_member_id: str

    def board(self) -> dict[str, Any]:
        """A board that all of the organisation's people and its two agents reach as the columns say."""
        return self._board

    def fresh_task(self) -> str:
        task = self.world.task(self._board, status="inbox")
        self.world.sql("UPDATE tasks SET status = 'review' WHERE id::text = $1", task["id"])
        return str(task["id"])

    def inbox_task(self) -> str:
        return str(self.world.task(self._board)["id"])

    def fresh_approval(self) -> str:
        body = {"action_type": "x", "confidence": 1, "lead_reasoning": "r"}
        return str(self.world.ok("POST", f"/boards/{self._board['id']}/approvals", json=body)["id"])

    def fresh_agent(self) -> str:
        return self.world.agent(self._board, f"Fresh {next(NUMBERS)}").id

    def fresh_memory(self) -> str:
        return str(self.world.ok("POST", f"/boards/{self._board['id']}/memory", json={"content": "m"})["id"])

    def fresh_comment(self) -> str:
        path = f"/boards/{self._board['id']}/tasks/{self.fresh_task()}/comments"
        return str(self.world.ok("POST", path, json={"message": "m"})["id"])

    def other_board(self) -> str:
        """A board to delete, with the same rights on it."""
        board = self.world.board(max_agents=1000)
        for name in ("reader", "writer", "admin"):
            self.world.sql(
                "INSERT INTO organization_board_access (id, organization_member_id, board_id, can_read, can_write, "
                "created_at, updated_at) SELECT gen_random_uuid(), m.id, $1::text::uuid, true, $2, now(), now() "
                "FROM organization_members m JOIN users u ON u.id = m.user_id WHERE u.name = $3",
                board["id"], name != "reader", name,
            )  # fmt: skip
        return str(board["id"])


@pytest.fixture(scope="module")
def scene(world: World) -> Iterator[Scene]:
    home = world.home()
    board = world.board(max_agents=1000)
    here = {board["id"]: (True, False)}
    writes = {board["id"]: (True, True)}
    people = {
        "outsider": world.person(world.organization(), "owner", read=True, write=True),
        "member": world.person(home),
        "reader": world.person(home, boards=here),
        "writer": world.person(home, boards=writes),
        "admin": world.person(home, "admin", boards=writes),
    }
    for name, person in people.items():
        world.sql("UPDATE users SET name = $1 WHERE id::text = $2", name, person.id)
    other = world.board(name="Elsewhere")
    tokens = {
        "anonymous": "", "wrong": "wrong-token", "owner": world.token,
        **{name: person.token for name, person in people.items()},
        "worker": world.agent(board, "Worker").token,
        "other_worker": world.agent(other, "Other").token,
        "lead": world.agent(board, "Lead", lead=True).token,
        "foreign_main": world.main_agent(world.organization("Third")).token,
    }  # fmt: skip
    found = Scene(world, home, tokens, people["member"].member_id, people["reader"].member_id)
    found._board = board  # type: ignore[attr-defined]
    found.fresh_approval()
    found.fresh_memory()
    found.fresh_comment()
    yield found


STATUS = {"2": 200, "U": 401, "F": 403, "N": 404, "I": 422}
CODES = {"2": None, "U": "UNAUTHENTICATED", "F": "FORBIDDEN", "N": "NOT_FOUND", "I": "BAD_USER_INPUT"}


# -- REST ------------------------------------------------------------------------------------------------------------


def rest_body(scene: Scene, line: str) -> dict[str, Any] | None:
    board = scene.board()["id"]
    bodies: dict[str, Any] = {
        "PATCH /users/me": {},
        "POST /agents": {"name": f"A{next(NUMBERS)}", "board_id": board},
        "POST /agents/heartbeat": {"name": "Worker", "board_id": board},
        "PATCH /agents/{agent_id}": {"identity_profile": {"role": "x"}},
        "POST /agents/{agent_id}/heartbeat": {},
        "POST /boards": {"name": "n", "slug": "s", "description": "d"},
        "PATCH /boards/{board_id}": {"objective": "o"},
        "POST /agent/agents": {"name": f"A{next(NUMBERS)}"},
    }
    if line in bodies:
        return dict(bodies[line])
    if line.endswith("/tasks") and line.startswith("POST"):
        return {"title": "t"}
    if line.endswith("/tasks/{task_id}") and line.startswith("PATCH"):
        return {"custom_field_values": {}}
    if line.endswith("/comments") and line.startswith("POST"):
        return {"message": "m"}
    if line.endswith("/approvals") and line.startswith("POST"):
        return {"action_type": "x", "confidence": 1, "lead_reasoning": "r"}
    if line.endswith("/memory") and line.startswith("POST"):
        return {"content": "c"}
    return {"status": "approved"} if line.startswith("PATCH") else None


def rest_path(scene: Scene, line: str) -> str:
    path = line.partition(" ")[2]
    path = path.replace("{task_id}", scene.fresh_task() if "{task_id}" in path else "")
    path = path.replace("{agent_id}", scene.fresh_agent() if "{agent_id}" in path else "")
    path = path.replace("{approval_id}", scene.fresh_approval() if "{approval_id}" in path else "")
    path = path.replace("{member_id}", scene.reader_member_id)
    board = scene.other_board() if line == "DELETE /boards/{board_id}" else scene.board()["id"]
    return path.replace("{board_id}", board)


def test_every_route_has_a_line() -> None:
    assert {f"{row.method} {row.path}" for row in ROWS} == set(REST)


@pytest.mark.parametrize("line", REST)
def test_rest(scene: Scene, line: str) -> None:
    found = []
    for actor in ACTORS:
        method, url = line.partition(" ")[0], f"{scene.world.server.url}/api/v1{rest_path(scene, line)}"
        headers = scene.world.headers(scene.tokens[actor]) if scene.tokens[actor] else {}
        body = rest_body(scene, line)
        scene.world.services.authenticator.failures._failures.clear()
        with httpx.stream(method, url, headers=headers, json=body, timeout=10) as answer:
            found.append(
                next((sign for sign, status in STATUS.items() if status == answer.status_code), answer.status_code)
            )
    assert dict(zip(ACTORS, found, strict=True)) == dict(zip(ACTORS, REST[line].split(), strict=True))


# -- GraphQL ---------------------------------------------------------------------------------------------------------


def graphql_input(scene: Scene, name: str) -> Any:
    board, unknown = scene.board()["id"], "00000000-0000-0000-0000-000000000001"
    makers: dict[str, Any] = {
        "updateProfile": lambda: {},
        "createPersonalToken": lambda: {"name": "t"},
        "revokePersonalToken": lambda: {"id": unknown},
        "setMemberAccess": lambda: {"memberId": scene.member_id},
        "createBoard": lambda: {"name": "n", "slug": "s", "description": "d"},
        "updateBoard": lambda: {"id": board, "objective": "o"},
        "deleteBoard": lambda: {"id": scene.other_board()},
        "createTask": lambda: {"boardId": board, "title": "t"},
        "updateTask": lambda: {"id": scene.fresh_task(), "customFieldValues": {}},
        "updateTasks": lambda: {"tasks": [{"id": scene.fresh_task(), "customFieldValues": {}}]},
        "claimTask": lambda: {"boardId": board, "taskId": scene.inbox_task()},
        "deleteTask": lambda: {"id": scene.fresh_task()},
        "commentOnTask": lambda: {"taskId": scene.fresh_task(), "message": "m"},
        "redactComment": lambda: {"id": scene.fresh_comment()},
        "requestApproval": lambda: {"boardId": board, "actionType": "x", "confidence": 1, "reasoning": "r"},
        "decideApproval": lambda: {"id": scene.fresh_approval(), "status": "APPROVED"},
        "decideApprovals": lambda: {"ids": [scene.fresh_approval()], "status": "APPROVED"},
        "writeMemory": lambda: {"boardId": board, "content": "c"},
        "redactMemory": lambda: {"id": scene.fresh_memory()},
        "createAgent": lambda: {"boardId": board, "name": f"A{next(NUMBERS)}"},
        "issueAgentToken": lambda: {"agentId": scene.fresh_agent()},
        "updateAgent": lambda: {"id": scene.fresh_agent(), "identityProfile": {"role": "x"}},
        "deleteAgent": lambda: {"id": scene.fresh_agent()},
        "sendHeartbeat": lambda: {"agentId": scene.fresh_agent()},
    }
    return makers[name]()


def query_arguments(scene: Scene, name: str) -> str:
    ids = {
        "board": lambda: scene.board()["id"],
        "node": lambda: scene.board()["id"],
        "task": scene.fresh_task,
        "approval": scene.fresh_approval,
        "agent": scene.fresh_agent,
        "organization": lambda: scene.home,
    }
    if name in ids:
        return f'(id: "{ids[name]()}")'
    return f'(ids: ["{scene.board()["id"]}"])' if name == "nodes" else ""


def document(scene: Scene, operation: str) -> tuple[str, dict[str, Any]]:
    root, name = operation.split(".")
    schema = build_schema()._schema
    field = getattr(schema, f"{root.lower()}_type").fields[name]
    leaf = "" if name == "eventCursor" else "{ __typename }"
    if root == "Query":
        return f"{{ {name}{query_arguments(scene, name)} {leaf} }}", {}
    if root == "Subscription":
        start = f'after: "{Cursor(scene.world.services.hub.epoch, 0, 0)}"'
        board = f'boardId: "{scene.board()["id"]}", ' if name != "activity" else ""
        return f"subscription {{ {name}({board}{start}) {{ __typename }} }}", {}
    if "input" not in field.args:
        return f"mutation {{ {name} {leaf} }}", {}
    kind = field.args["input"].type
    return f"mutation($input: {kind}) {{ {name}(input: $input) {leaf} }}", {"input": graphql_input(scene, name)}


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
            # Open; only the stream over everything may have nothing for this caller's eyes.
            return None if operation == "Subscription.activity" else "SILENT"
    return "ENDED"


def test_every_operation_has_a_line() -> None:
    schema = build_schema()._schema
    roots = {"Query": schema.query_type, "Mutation": schema.mutation_type, "Subscription": schema.subscription_type}
    assert {f"{root}.{name}" for root, kind in roots.items() for name in kind.fields} == set(GRAPHQL)  # type: ignore[union-attr]


@pytest.mark.parametrize("operation", GRAPHQL)
def test_graphql(scene: Scene, operation: str) -> None:
    found = {}
    for actor in ACTORS:
        scene.world.services.authenticator.failures._failures.clear()
        found[actor] = code_of(scene, operation, scene.tokens[actor])
    assert found == {actor: CODES[sign] for actor, sign in zip(ACTORS, GRAPHQL[operation].split(), strict=True)}


# -- what access hides inside answers --------------------------------------------------------------------------------


def test_lists_hold_only_what_the_caller_reads(scene: Scene) -> None:
    query = "{ boards { nodes { id } } tasks { totalCount } agents { nodes { id } } }"
    scene.fresh_task()
    assert scene.world.gql(query, scene.tokens["member"])["boards"]["nodes"] == []
    assert scene.world.gql(query, scene.tokens["member"])["tasks"]["totalCount"] == 0
    reader = scene.world.gql(query, scene.tokens["reader"])
    shown = {board["id"] for board in reader["boards"]["nodes"]}
    hidden = scene.world.sql("SELECT id FROM boards WHERE name = 'Elsewhere'")[0]["id"]
    assert scene.board()["id"] in shown and str(hidden) not in shown
    outside = {board["id"] for board in scene.world.gql(query, scene.tokens["outsider"])["boards"]["nodes"]}
    assert not outside & (shown | {str(hidden)})


def test_node_finds_what_the_caller_reads_and_nothing_else(scene: Scene) -> None:
    ids = [scene.fresh_task(), scene.fresh_comment(), scene.fresh_approval(), scene.fresh_memory(), scene.fresh_agent()]
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
    approval, board = scene.fresh_approval(), scene.board()["id"]
    for actor in ("member", "outsider", "foreign_main"):
        found = scene.world.gql(query, scene.tokens[actor])
        assert approval not in {one["id"] for one in found["approvals"]["nodes"]}
        assert board not in {(one["board"] or {}).get("id") for one in found["agents"]["nodes"]}
    assert scene.world.gql(query, scene.tokens["member"])["activity"]["nodes"] == []
    seen = scene.world.gql(query, scene.tokens["reader"])
    assert approval in {one["id"] for one in seen["approvals"]["nodes"]} and seen["activity"]["nodes"]


def test_a_foreign_row_looks_like_one_that_does_not_exist(scene: Scene) -> None:
    unknown = "00000000-0000-0000-0000-000000000001"
    for target in (scene.board()["id"], unknown):
        answer = scene.world.ask(f'{{ board(id: "{target}") {{ id }} }}', scene.tokens["outsider"])
        assert answer["data"] == {"board": None}
        assert answer["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    answers = [
        scene.world.rest("GET", f"/boards/{target}", scene.tokens["outsider"]).json()
        for target in (scene.board()["id"], unknown)
    ]
    assert answers[0]["detail"] == answers[1]["detail"] == "Not Found"


def test_a_token_beside_a_wrong_agent_token_does_not_rescue_it(scene: Scene) -> None:
    both = {"X-Agent-Token": "wrong", "Authorization": f"Bearer {scene.tokens['worker']}"}
    path = f"{scene.world.server.url}/api/v1/agent/healthz"
    assert httpx.get(path, headers=both).status_code == 401
    both["X-Agent-Token"] = ""
    assert httpx.get(path, headers=both).status_code == 200
    user_only = {"X-Agent-Token": "wrong", "Authorization": f"Bearer {scene.world.token}"}
    assert httpx.get(f"{scene.world.server.url}/api/v1/users/me", headers=user_only).status_code == 200
    mixed = f"{scene.world.server.url}/api/v1/boards/{scene.board()['id']}/tasks"
    assert httpx.get(mixed, headers=user_only).status_code == 401
