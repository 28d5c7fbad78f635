"""Bad input, each with its exact answer; nothing is lost and nothing is a 500."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import websockets

from tests.support.world import World

UNKNOWN = "00000000-0000-0000-0000-000000000001"
SETTINGS = {"max_operations_per_socket": "3"}


def post(world: World, content: bytes | str, media: str = "application/json", accept: str = "*/*") -> httpx.Response:
    headers = {"Content-Type": media, "Accept": accept, "Authorization": f"Bearer {world.token}"}
    return world.http.post("/graphql", content=content, headers=headers)


def error(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errors"][0]["extensions"]["code"]


# -- GraphQL over HTTP -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "media", "answered"),
    [
        (b"{", "application/json", (400, "BAD_REQUEST")),
        (b"\xff\xfe", "application/json", (400, "BAD_REQUEST")),
        (b"[]", "application/json", (400, "BAD_REQUEST")),
        (b"5", "application/json", (400, "BAD_REQUEST")),
        (b"{}", "application/json", (400, "BAD_REQUEST")),
        (b'{"query": 5}', "application/json", (400, "BAD_REQUEST")),
        (b'{"query": "{ me { name } }", "variables": []}', "application/json", (400, "BAD_REQUEST")),
        (b'{"query": "{ me { name } }", "operationName": {}}', "application/json", (400, "BAD_REQUEST")),
        (b'[{"query": "{ me { name } }"}]', "application/json", (400, "BAD_REQUEST")),
        (b'{"query": "{ me { name } }"}', "text/plain", (415, "UNSUPPORTED_MEDIA_TYPE")),
        (b"query=%7Bme%7Bname%7D%7D", "application/x-www-form-urlencoded", (415, "UNSUPPORTED_MEDIA_TYPE")),
        (b"[" * 100_000, "application/json", (400, "BAD_REQUEST")),
        (b'{"query": "{ me { name } }", "variables": {"a": 1e999}}', "application/json", (400, "BAD_REQUEST")),
        (b'{"query": "{ me { name } }", "variables": {"a": NaN}}', "application/json", (400, "BAD_REQUEST")),
        (b'{"query": "{ me { name } }", "variables": {"a": "\\ud800"}}', "application/json", (422, "BAD_USER_INPUT")),
        (b'{"query": "{ me { name } }", "variables": {"a": "\\u0000"}}', "application/json", (422, "BAD_USER_INPUT")),
    ],
)  # fmt: skip
def test_requests_that_are_none(world: World, content: bytes, media: str, answered: tuple[int, str]) -> None:
    assert error(post(world, content, media)) == answered


def test_a_body_over_the_limit_is_refused_by_its_declared_length(world: World) -> None:
    answer = post(world, b'{"query": "' + b"x" * (11 * 1024 * 1024) + b'"}')
    assert error(answer) == (413, "BODY_TOO_LARGE")
    assert answer.json()["errors"][0]["extensions"]["details"]["allowed"] == 10 * 1024 * 1024
    rest = world.rest(
        "PATCH", "/users/me", content=b"x" * (11 * 1024 * 1024), headers={"Content-Type": "application/json"}
    )
    assert (rest.status_code, rest.json()["code"]) == (413, "BODY_TOO_LARGE")


def test_a_body_over_the_limit_is_refused_while_reading(world: World) -> None:
    def endless() -> Any:
        for _ in range(11):
            yield b"x" * 1024 * 1024

    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {world.token}"}
    answer = world.http.post("/graphql", content=endless(), headers=headers)
    assert error(answer) == (413, "BODY_TOO_LARGE")


DEEP = "{ boards { nodes " + "{ tasks { nodes { board " * 10 + "{ id }" + " } } }" * 10 + " } }"
FLOOD = "{ " + " ".join(f"a{number}: me {{ name }}" for number in range(60)) + " }"
WIDE = "{ " + " ".join("me { name }" for _ in range(300)) + " }"
LONG = "{ me { " + "name " * 6000 + "} }"
MANY = "{ boards(first: 200) { nodes { tasks(first: 200) { nodes { comments(first: 200) { nodes { id } } } } } } }"
INTROSPECTION = "{ __schema { types " + "{ fields { type " * 4 + "{ name }" + " } }" * 4 + " } }"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("query A { me { name } } query B { me { name } }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ ...F } fragment F on Query { ...F }", "GRAPHQL_VALIDATION_FAILED"),
        (DEEP, "DEPTH_LIMIT"),
        ("{ a" * 1500 + "}" * 1500, "DEPTH_LIMIT"),
        (FLOOD, "ALIAS_LIMIT"),
        (WIDE, "WIDTH_LIMIT"),
        (LONG, "TOKEN_LIMIT"),
        (MANY, "NODE_LIMIT"),
        (INTROSPECTION, "INTROSPECTION_LIMIT"),
        ('{ me { name(x: "\\u0000") } }', "BAD_USER_INPUT"),
    ],
)
def test_documents_that_are_refused(world: World, query: str, code: str) -> None:
    for accept, status in (("application/json", 200), ("application/graphql-response+json", None)):
        answer = post(world, json.dumps({"query": query}), accept=accept)
        found = answer.json()
        assert found["errors"][0]["extensions"]["code"] == code
        assert "data" not in found
        assert answer.status_code == (status or found["errors"][0]["extensions"]["status"])
        assert found["errors"][0]["extensions"]["requestId"] == answer.headers["x-request-id"]


def test_a_default_of_a_variable_counts_towards_the_rows(world: World) -> None:
    query = MANY.replace("200", "$n").replace("{ boards", "query($n: Int = 200) { boards", 1)
    assert world.code(query) == "NODE_LIMIT"


@pytest.mark.parametrize(
    ("query", "variables", "code"),
    [
        ("query($i: ID!) { task(id: $i) { id } }", {"i": "no-uuid"}, "BAD_USER_INPUT"),
        ("query($i: ID!) { task(id: $i) { id } }", {"i": UNKNOWN}, "NOT_FOUND"),
        ("query($i: ID!) { task(id: $i) { id } }", {"i": None}, "BAD_USER_INPUT"),
        ("query($i: ID!) { task(id: $i) { id } }", {"i": ["a"]}, "BAD_USER_INPUT"),
        ("query($n: Int) { boards(first: $n) { nodes { id } } }", {"n": 100_000}, "PAGE_LIMIT"),
        ("query($n: Int) { boards(first: $n) { nodes { id } } }", {"n": -1}, "BAD_USER_INPUT"),
        ("query($n: Int) { boards(first: $n) { nodes { id } } }", {"n": 10**12}, "BAD_USER_INPUT"),
        ("query($n: Int) { boards(first: $n) { nodes { id } } }", {"n": 10**400}, "BAD_USER_INPUT"),
        ("{ boards(first: 1, last: 1) { nodes { id } } }", {}, "BAD_USER_INPUT"),
        ('{ boards(after: "nonsense") { nodes { id } } }', {}, "BAD_USER_INPUT"),
        ('{ boards(after: "WyJ4Il0") { nodes { id } } }', {}, "BAD_USER_INPUT"),
        ('{ viewer { inbox(after: "x") { endCursor } } boards(after: "é") { nodes { id } } }', {}, "BAD_USER_INPUT"),
        (
            "mutation($i: CreateTaskInput!) { createTask(input: $i) { cursor } }",
            {"i": {"title": "x"}}, "BAD_USER_INPUT",
        ),
        (
            "mutation($i: CreateTaskInput!) { createTask(input: $i) { cursor } }",
            {"i": {"boardId": UNKNOWN, "title": "x", "dueAt": "someday"}}, "BAD_USER_INPUT",
        ),
        (
            "mutation($i: UpdateTaskInput!) { updateTask(input: $i) { cursor } }",
            {"i": {"id": UNKNOWN, "title": None}}, "BAD_USER_INPUT",
        ),
        ("mutation($i: UpdateTaskInput!) { updateTask(input: $i) { cursor } }", {"i": {"id": UNKNOWN}}, "NOT_FOUND"),
    ],
)  # fmt: skip
def test_values_that_do_not_fit(world: World, query: str, variables: dict[str, Any], code: str) -> None:
    assert world.code(query, **variables) == code


def test_a_get_cannot_change_anything(world: World) -> None:
    headers = world.headers(None)
    query = 'mutation { createPersonalToken(input: {name: "x"}) { secret } }'
    answer = world.http.get("/graphql", params={"query": query}, headers=headers)
    assert answer.status_code == 405 and answer.json()["errors"][0]["extensions"]["code"] == "METHOD_NOT_ALLOWED"
    strict = {**headers, "Accept": "application/graphql-response+json"}
    assert world.http.get("/graphql", params={"query": query}, headers=strict).status_code == 405
    assert world.http.get("/graphql", params={"query": "{ me { name } }"}, headers=headers).json()["data"]["me"]


def test_a_subscription_needs_a_stream(world: World) -> None:
    query = f'subscription {{ boardEvents(boardId: "{UNKNOWN}") {{ cursor }} }}'
    assert world.code(query) == "NOT_ACCEPTABLE"


def test_an_unexpected_error_tells_its_id_only(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from api.domain.users import operations

    async def fail(_ctx: Any) -> None:
        raise KeyError("a secret detail")

    monkeypatch.setattr(operations, "me", fail)
    found = world.ask("{ me { name } }")["errors"][0]
    assert (found["extensions"]["code"], found["message"]) == ("INTERNAL", "An unexpected error happened.")
    rest = world.rest("GET", "/users/me")
    assert rest.status_code == 500
    assert rest.json() == {
        "detail": "Internal Server Error", "code": "INTERNAL", "request_id": rest.headers["x-request-id"],
    }  # fmt: skip
    assert rest.headers["x-content-type-options"] == "nosniff"


# -- REST ------------------------------------------------------------------------------------------------------------


@pytest.mark.acceptance("http-conventions.6")
def test_broken_json_comes_before_everything(world: World) -> None:
    for token in ("", None):
        answer = world.rest("POST", "/boards", token, content=b"{", headers={"Content-Type": "application/json"})
        entry = answer.json()["detail"][0]
        assert answer.status_code == 422
        assert (entry["type"], entry["loc"][0], entry["input"]) == ("json_invalid", "body", {})


@pytest.mark.acceptance("http-conventions.6")
def test_the_order_of_checks(world: World) -> None:
    other = world.person(world.organization(), "owner", read=True, write=True)
    board = world.board()
    member = world.person(board["organization_id"])
    for token, path, body, status in [
        ("", f"/boards/{board['id']}/tasks", {"title": 5}, 401),
        ("", f"/boards/{UNKNOWN}/tasks", {"title": 5}, 401),
        (None, f"/boards/{UNKNOWN}/tasks", {"title": 5}, 404),
        (other.token, f"/boards/{board['id']}/tasks", {"title": 5}, 404),
        (member.token, f"/boards/{board['id']}/tasks", {"title": 5}, 403),
        (None, f"/boards/{board['id']}/tasks", {"title": 5}, 422),
        (None, "/boards/no-uuid/tasks", {"title": "x"}, 422),
        (member.token, f"/boards/{board['id']}/tasks/no-uuid/comments", {}, 403),
        (None, f"/boards/{board['id']}/tasks/no-uuid/comments", {"message": "x"}, 422),
        (None, f"/boards/{board['id']}/tasks/{UNKNOWN}/comments", {}, 404),
    ]:
        assert world.rest("POST", path, token, json=body).status_code == status, (token, path, body)


@pytest.mark.parametrize(
    ("body", "kind", "loc"),
    [
        ({}, "missing", ["body", "title"]),
        ({"title": 5}, "string_type", ["body", "title"]),
        ({"title": None}, "string_type", ["body", "title"]),
        ({"title": "x", "status": "gone"}, "literal_error", ["body", "status"]),
        ({"title": "x", "assigned_agent_id": "x"}, "uuid_parsing", ["body", "assigned_agent_id"]),
        ({"title": "x", "due_at": "someday"}, "datetime_from_date_parsing", ["body", "due_at"]),
        ({"title": "x", "tag_ids": ["x"]}, "uuid_parsing", ["body", "tag_ids", 0]),
        ([], "model_attributes_type", ["body"]),
        (None, "missing", ["body"]),
    ],
)
def test_the_entries_of_a_validation_error(world: World, body: Any, kind: str, loc: list[Any]) -> None:
    board = world.board()
    answer = world.rest("POST", f"/boards/{board['id']}/tasks", json=body)
    entry = answer.json()["detail"][0]
    assert (answer.status_code, entry["type"], entry["loc"]) == (422, kind, loc)
    assert set(entry) <= {"type", "loc", "msg", "input", "ctx"}


@pytest.mark.parametrize(
    "query", ["limit=201", "limit=", "limit=0", "offset=-1", "offset=99999999999999999999", "status=x"]
)
@pytest.mark.acceptance("http-conventions.8")
def test_queries_that_do_not_fit(world: World, query: str) -> None:
    board = world.board()
    answer = world.rest("GET", f"/boards/{board['id']}/tasks?{query}")
    assert answer.status_code == 422
    if not query.startswith("status"):
        assert answer.json()["detail"][0]["loc"] == ["query", query.partition("=")[0]]
    world.forget_failures()


@pytest.mark.parametrize("text", ["\x00", "\ud800"])
def test_texts_that_cannot_be_stored(world: World, text: str) -> None:
    board = world.board()
    for path, body in (
        (f"/boards/{board['id']}/tasks", {"title": text}),
        (f"/boards/{board['id']}/memory", {"content": "x", "tags": [text]}),
        (f"/boards/{board['id']}/approvals",
         {"action_type": "x", "confidence": 1, "lead_reasoning": "r", "payload": {"a": {text: 1}}}),
    ):  # fmt: skip
        content = json.dumps(body).encode()
        answer = world.rest("POST", path, content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422, (path, answer.text)
    assert world.tasks(board) == {}


def test_unknown_and_foreign_references(world: World) -> None:
    board, foreign = world.board(), str(uuid4())
    organization = world.organization()
    world.sql(
        "INSERT INTO boards (id, organization_id, name, slug, description, board_type, goal_confirmed, max_agents, "
        "created_at, updated_at) VALUES ($1, $2, 'F', 'f', '', 'goal', false, 1, now(), now())",
        UUID(foreign), UUID(organization),
    )  # fmt: skip
    foreign_task = str(uuid4())
    world.sql(
        "INSERT INTO tasks (id, board_id, title, status, priority, auto_created, created_at, updated_at) "
        "VALUES ($1, $2, 'secret title', 'inbox', 'low', false, now(), now())", UUID(foreign_task), UUID(foreign),
    )  # fmt: skip
    tasks = f"/boards/{board['id']}/tasks"
    answer = world.rest("POST", tasks, json={"title": "x", "depends_on_task_ids": [UNKNOWN, foreign_task]})
    assert (answer.status_code, answer.json()["detail"]["missing_task_ids"]) == (404, [UNKNOWN, foreign_task])
    answer = world.rest("POST", tasks, json={"title": "x", "tag_ids": [UNKNOWN]})
    assert (answer.status_code, answer.json()["detail"]["missing_tag_ids"]) == (404, [UNKNOWN])
    assert world.rest("POST", tasks, json={"title": "x", "assigned_agent_id": UNKNOWN}).status_code == 404
    approval = {"action_type": "x", "confidence": 1, "lead_reasoning": "r", "task_ids": [foreign_task]}
    answer = world.rest("POST", f"/boards/{board['id']}/approvals", json=approval)
    assert answer.status_code == 404 and "secret title" not in answer.text
    assert world.rest("PATCH", f"/boards/{board['id']}", json={"board_group_id": UNKNOWN}).status_code == 422
    assert world.rest("DELETE", f"/agents/{UNKNOWN}").json() == {"ok": True}
    assert world.tasks(board) == {}


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/api/v1/nothing", 404, None),
        ("PUT", "/api/v1/users/me", 405, "DELETE, GET, HEAD, PATCH"),
        ("GET", "/", 404, None),
        ("PUT", "/graphql", 405, None),
        ("POST", "/healthz", 405, None),
        ("GET", "/graphql-assets/nothing.js", 404, None),
    ],
)
@pytest.mark.acceptance("http-conventions.5")
def test_paths_and_methods(world: World, method: str, path: str, status: int, allow: str | None) -> None:
    answer = world.http.request(method, path)
    assert answer.status_code == status
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    if allow:
        assert answer.headers["allow"] == allow


@pytest.mark.acceptance("http-conventions.4")
def test_a_trailing_slash_is_redirected_within_the_host(world: World) -> None:
    answer = world.http.get("/api/v1/users/me/?a=b", headers={"Host": "evil.example"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, "/api/v1/users/me?a=b")


def test_head_is_get_without_a_body(world: World) -> None:
    answer = world.http.head("/healthz")
    assert (answer.status_code, answer.content) == (200, b"")
    board = world.board()
    stream = world.rest("HEAD", f"/boards/{board['id']}/tasks/stream")
    assert (stream.status_code, stream.headers["content-type"].partition(";")[0]) == (200, "text/event-stream")


@pytest.mark.parametrize(("sent", "kept"), [("req-123", True), ("x" * 200, False), ("a b", False)])
def test_request_ids(world: World, sent: str, kept: bool) -> None:
    answer = world.http.get("/api/v1/nothing", headers={"X-Request-Id": sent})
    found = answer.headers["x-request-id"]
    assert (found == sent) is kept and answer.json()["request_id"] == found
    assert kept or len(found) == 32


def test_too_many_failures_of_one_address(world: World) -> None:
    statuses = [world.rest("GET", "/agent/healthz", f"wrong-{number}").status_code for number in range(22)]
    assert statuses == [401] * 20 + [429] * 2
    agent = world.agent(world.board(), "Right")
    assert world.rest("GET", "/agent/healthz", agent.token).status_code == 200
    refused = world.rest("GET", "/agent/healthz", "wrong")
    assert int(refused.headers["retry-after"]) > 0 and refused.json()["retryable"] is True


# -- WebSocket -------------------------------------------------------------------------------------------------------


async def converse(world: World, *messages: Any, protocol: str = "graphql-transport-ws") -> tuple[list[Any], int]:
    """Send messages, collect answers until the server closes; returns them and the close code."""
    url = world.server.url.replace("http", "ws") + "/graphql"
    heard = []
    async with websockets.connect(url, subprotocols=[protocol]) as socket:  # type: ignore[list-item]
        try:
            for message in messages:
                await socket.send(message if isinstance(message, str | bytes) else json.dumps(message))
            while True:
                heard.append(json.loads(await asyncio.wait_for(socket.recv(), 5)))
        except (websockets.ConnectionClosed, TimeoutError):
            return heard, socket.close_code or 0


INIT = {"type": "connection_init"}
ASK = {"type": "subscribe", "id": "1", "payload": {"query": "{ viewer { role } }"}}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("messages", "code"),
    [
        (["{"], 4400),
        ([b"\x00"], 4400),
        (["[]"], 4400),
        ([{"type": "unknown"}], 4400),
        ([{"id": "1"}], 4400),
        ([{"type": "connection_init", "payload": 5}], 4400),
        ([INIT, INIT], 4429),
        ([ASK], 4401),
        ([INIT, {"type": "subscribe", "payload": {}}], 4400),
        ([INIT, {"type": "subscribe", "id": "1", "payload": 5}], 4400),
        ([INIT, {"type": "complete"}], 4400),
        ([{"type": "connection_init", "payload": {"Authorization": "Bearer wrong"}}], 4403),
        ([{"type": "connection_init", "payload": {"X-Agent-Token": "wrong"}}], 4403),
        ([{"type": "ping"}, "{"], 4400),
    ],
)  # fmt: skip
async def test_messages_that_end_a_socket(world: World, messages: list[Any], code: int) -> None:
    assert (await converse(world, *messages))[1] == code


@pytest.mark.anyio
async def test_an_unknown_subprotocol_is_not_acceptable(world: World) -> None:
    assert (await converse(world, INIT, protocol="graphql-ws"))[1] == 4406


@pytest.mark.anyio
async def test_the_same_id_twice_and_too_many_operations(world: World) -> None:
    board = world.board()
    start = {"type": "connection_init", "payload": {"Authorization": f"Bearer {world.token}"}}
    follow = {"query": f'subscription {{ boardEvents(boardId: "{board["id"]}") {{ cursor }} }}'}
    operations = [{"type": "subscribe", "id": str(number), "payload": follow} for number in range(4)]
    heard, _ = await converse(world, start, *operations, {"type": "ping"}, "{")
    refused = next(message for message in heard if message["type"] == "error")
    assert (refused["id"], refused["payload"][0]["extensions"]["code"]) == ("3", "OPERATION_LIMIT")
    assert (await converse(world, start, operations[0], operations[0]))[1] == 4409


@pytest.mark.anyio
async def test_a_refused_operation_leaves_the_socket_open(world: World) -> None:
    start = {"type": "connection_init", "payload": {"Authorization": f"Bearer {world.token}"}}
    wrong = {"type": "subscribe", "id": "1", "payload": {"query": "{ nothing }"}}
    heard, _ = await converse(world, start, wrong, {**ASK, "id": "2"}, {"type": "ping"})
    by_id = {message.get("id"): message for message in heard if message["type"] != "complete"}
    assert by_id["1"]["payload"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert by_id["2"]["payload"]["data"]["viewer"]["role"] == "owner"


@pytest.mark.anyio
async def test_messages_after_a_completed_operation_are_no_error(world: World) -> None:
    start = {"type": "connection_init", "payload": {"Authorization": f"Bearer {world.token}"}}
    done = {"type": "complete", "id": "1"}
    heard, code = await converse(world, start, ASK, done, done, {"type": "ping"})
    assert [message["type"] for message in heard if message["type"] == "pong"] == ["pong"]
    assert code in (0, 1000)
