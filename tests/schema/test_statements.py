"""No N+1: every list field of the schema costs the same number of statements for one row and for fifty."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from graphql import (
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    get_named_type,
    is_interface_type,
    is_leaf_type,
    is_list_type,
    is_object_type,
)

from api.schema import build_schema
from tests.support.world import World

SCHEMA = build_schema()._schema
FEW, MANY = 1, 50
#: The list fields that the documents of this module have selected.
VISITED: set[str] = set()


@pytest.fixture(scope="module")
def filled(world: World) -> Iterator[World]:
    """Two boards: one holds one of everything, the other fifty, hung together in every way the schema can show."""
    for name, count in (("few", FEW + 1), ("many", MANY + 1)):
        board = world.board(name=name, slug=name, max_agents=200)
        lead = world.agent(board, f"Lead {name}", lead=True)
        organization = UUID(board["organization_id"])
        field = uuid4()
        world.sql(
            "INSERT INTO task_custom_field_definitions (id, organization_id, field_key, label, required, created_at, "
            "updated_at) VALUES ($1, $2, $3, 'L', false, now(), now())", field, organization, f"key-{name}",
        )  # fmt: skip
        world.sql(
            "INSERT INTO board_task_custom_fields (id, board_id, task_custom_field_definition_id, created_at) "
            "VALUES ($1, $2, $3, now())", uuid4(), UUID(board["id"]), field,
        )  # fmt: skip
        previous = None
        for number in range(count):
            tag = uuid4()
            world.sql(
                "INSERT INTO tags (id, organization_id, name, slug, color, created_at, updated_at) "
                "VALUES ($1, $2, 'T', $3, 'ffffff', now(), now())", tag, organization, f"{name}-{number}",
            )  # fmt: skip
            agent = world.agent(board, f"Agent {number}")
            task = world.ok(
                "POST", f"/agent/boards/{board['id']}/tasks", lead.token,
                json={
                    "title": f"Task {number}", "tag_ids": [str(tag)],
                    "depends_on_task_ids": [previous] if previous else [],
                    "custom_field_values": {f"key-{name}": "v"},
                    **({} if previous else {"assigned_agent_id": agent.id}),
                },
            )  # fmt: skip
            if number:
                world.sql("UPDATE tasks SET assigned_agent_id = $1 WHERE id = $2", UUID(agent.id), UUID(task["id"]))
            previous = task["id"]
            world.ok("POST", f"/boards/{board['id']}/tasks/{task['id']}/comments", agent.token, json={"message": "hi"})
            world.ok(
                "POST", f"/boards/{board['id']}/approvals", agent.token,
                json={"action_type": "x", "confidence": 1, "lead_reasoning": "r", "task_ids": [task["id"]]},
            )  # fmt: skip
            world.ok("POST", f"/boards/{board['id']}/memory", agent.token, json={"content": "m", "tags": ["chat"]})
        for number in range(count):
            webhook = world.ok("POST", f"/boards/{board['id']}/webhooks", json={"description": f"w{number}"})
            assert world.rest("POST", f"/boards/{board['id']}/webhooks/{webhook['id']}", json={}).status_code == 202
            world.forget_failures()
        group = world.ok("POST", "/board-groups", json={"name": name, "slug": name})["id"]
        world.ok("PATCH", f"/boards/{board['id']}", json={"board_group_id": group})
        for number in range(count):
            world.ok("POST", f"/board-groups/{group}/memory", json={"content": f"m{number}"})
    home = world.home()
    world.main_agent(home)
    gateway = world.sql("SELECT id FROM gateways LIMIT 1")[0]["id"]
    for number in range(MANY):
        world.person(home)
        main = world.main_agent(home)
        world.sql(
            "INSERT INTO jobs (id, kind, reason, agent_id, text, deliver, state, attempts, created_at) "
            "VALUES ($1, 'message', 'chat', $2, 't', false, 'failed', 5, now())", uuid4(), UUID(main.id),
        )  # fmt: skip
        world.ok("POST", "/organizations/me/invites", json={"invited_email": f"i{number}@example.org"})
        world.ok("POST", "/board-groups", json={"name": f"g{number}", "slug": "g"})
        world.ok("POST", "/skills/packs", json={"source_url": f"https://github.com/o/r{number}"})
        skill = world.ok("POST", "/skills/marketplace", json={"source_url": f"https://example.org/{number}"})
        world.ok("POST", f"/skills/marketplace/{skill['id']}/install?gateway_id={gateway}")
        world.gql(
            "mutation($u: String!) { createNotificationEndpoint(input: {url: $u}) { endpoint { id } } }",
            u=f"https://example.org/{number}",
        )
    yield world


def element(field: Any) -> GraphQLObjectType | None:
    """The object type that a list or connection field holds; None for other fields."""
    named = get_named_type(field.type)
    if not is_object_type(named):
        return None
    if named.name.endswith("Connection"):
        return get_named_type(named.fields["nodes"].type)  # type: ignore[no-any-return]
    kind = field.type.of_type if isinstance(field.type, GraphQLNonNull) else field.type
    return named if is_list_type(kind) or isinstance(kind, GraphQLList) else None


def arguments(name: str, field: Any, count: int) -> str:
    given = []
    if "first" in field.args:
        given.append(f"first: {count}")
    return f"({', '.join(given)})" if given else ""


def selection(kind: GraphQLObjectType, count: int, depth: int, total: bool = True) -> str:
    """Everything of a type: its leaves, its relations, and one more level of lists."""
    parts = ["__typename"]
    for name, field in kind.fields.items():
        if depth > 0 and element(field) is not None:
            VISITED.add(f"{kind.name}.{name}")
        required = [
            arg for arg in field.args.values() if isinstance(arg.type, GraphQLNonNull) and arg.default_value is None
        ]
        if required or name in ("inbox", "eventHistory", "sessions"):
            continue
        named = get_named_type(field.type)
        if is_leaf_type(named):
            parts.append(name)
        elif depth > 0:
            holds = element(field)
            inner = selection(holds, count, depth - 1) if holds is not None else shallow(named)
            if named.name.endswith("Connection"):
                parts.append(f"{name}{arguments(name, field, count)} {{ totalCount nodes {{ {inner} }} }}")
            else:
                parts.append(f"{name} {{ {inner} }}")
    return " ".join(dict.fromkeys(parts))


def shallow(kind: Any) -> str:
    if is_interface_type(kind):
        return "__typename id displayName" if kind.name == "Actor" else "__typename"
    names = [name for name, field in kind.fields.items() if is_leaf_type(get_named_type(field.type)) and not field.args]
    return " ".join(["__typename", *names])


def cost(world: World, document: str, token: str | None = None, **variables: Any) -> tuple[int, int]:
    """Statements and rows of an operation."""
    answer = world.http.post(
        "/graphql", json={"query": document, "variables": variables},
        headers={**world.headers(token), "X-GraphQL-Cost": "1"},
    ).json()  # fmt: skip
    assert not answer.get("errors"), answer["errors"][:2]
    found = answer["extensions"]["cost"]
    return found["statements"], found["rows"]


def statements(world: World, document: str) -> int:
    """Statements of an operation."""
    return cost(world, document)[0]


#: Rows of one kind, so that one row needs the same relations as fifty.
SAME = {"activity": 'filter: {types: ["task.comment"]}', "agents": "filter: {role: WORKER}"}

ROOTS = [
    name for name, field in SCHEMA.query_type.fields.items()  # type: ignore[union-attr]
    if element(field) is not None and name not in ("nodes", "souls")  # which is no table of ours
]  # fmt: skip
BOARD_LISTS = [name for name, field in SCHEMA.type_map["Board"].fields.items() if element(field) is not None]
SETTINGS = {"max_query_width": "500", "max_query_tokens": "50000", "max_query_nodes": "100000000"}


@pytest.mark.parametrize("name", ROOTS)
def test_a_root_list_costs_the_same_for_one_and_for_fifty(filled: World, name: str) -> None:
    field = SCHEMA.query_type.fields[name]  # type: ignore[union-attr]
    kind = element(field)
    assert kind is not None
    same = SAME.get(name, "")
    costs = [
        cost(filled, f"{{ {name}({same} first: {count}) {{ totalCount nodes {{ {inner} }} }} }}")
        for count, inner in ((count, selection(kind, count, 1)) for count in (FEW, MANY))
    ]
    assert costs[0][0] == costs[1][0]
    assert costs[0][1] < costs[1][1], "the longer list brought no more rows"


@pytest.mark.parametrize("name", BOARD_LISTS)
def test_a_board_s_list_nested_two_levels_costs_the_same(filled: World, name: str) -> None:
    field = SCHEMA.type_map["Board"].fields[name]
    kind = element(field)
    assert kind is not None
    costs = []
    for which, count in (("few", FEW), ("many", MANY)):
        inner = selection(kind, count, 1)
        wrapped = f"totalCount nodes {{ {inner} }}" if get_named_type(field.type).name.endswith("Connection") else inner
        if get_named_type(field.type).name == "BoardEventConnection":
            wrapped = "nodes { cursor actor { id } board { id } ... on TaskEvent { task { title tags { name } } } }"
        given = arguments(name, field, count)
        if name == "eventHistory":
            given = given.replace(")", ", kinds: [TASK_COMMENTED])")
        document = f'{{ boards(filter: {{nameContains: "{which}"}}) {{ nodes {{ {name}{given} {{ {wrapped} }} }} }} }}'
        costs.append(cost(filled, document))
    assert costs[0][0] == costs[1][0]
    # Counts, the organisation's tags and the bound fields are as many for both boards.
    same_for_both = name in ("taskCounts", "tags", "customFields")
    assert same_for_both or costs[0][1] < costs[1][1], "the longer list brought no more rows"


def test_inboxes_of_fifty_agents_are_one_statement(filled: World) -> None:
    one, many = (
        statements(filled, f"{{ agents(first: {count}) {{ nodes {{ inbox {{ messages {{ text }} }} }} }} }}")
        for count in (FEW, MANY)
    )
    assert one == many


def test_members_and_their_people_are_loaded_together(filled: World) -> None:
    one, many = (
        statements(
            filled,
            f"{{ viewer {{ organizations {{ members(first: {count}) {{ totalCount nodes {{ user {{ email }} "
            "boardAccess { boardId } effectiveAccess { canWrite board { name } } } } } } }",
        )
        for count in (FEW, MANY)
    )
    assert one == many


class Statements:
    """Counts what the server sends to the database."""

    def __init__(self, world: World) -> None:
        self.engine = world.services.database.engine.sync_engine
        self.sent: list[str] = []

    def __enter__(self) -> Statements:
        from sqlalchemy import event

        event.listen(self.engine, "before_cursor_execute", self._note)
        return self

    def __exit__(self, *_: object) -> None:
        from sqlalchemy import event

        event.remove(self.engine, "before_cursor_execute", self._note)

    def _note(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        # What works in the background is no part of the operation.
        if not statement.startswith(("BEGIN", "COMMIT", "ROLLBACK")) and not any(
            word in statement for word in ("gateway_links", "SKIP LOCKED")
        ):
            self.sent.append(statement)


def test_the_list_of_tasks_takes_at_most_four_statements(filled: World) -> None:
    board = filled.gql('{ boards(filter: {nameContains: "many"}) { nodes { id lead { id } } } }')["boards"]["nodes"][0]
    lead = filled.gql("mutation($a: ID!) { issueAgentToken(input: {agentId: $a}) { token } }", a=board["lead"]["id"])[
        "issueAgentToken"
    ]["token"]
    filled.ok("GET", "/agent/healthz", lead)
    for path, token in ((f"/boards/{board['id']}/tasks", None), (f"/agent/boards/{board['id']}/tasks", lead)):
        with Statements(filled) as counted:
            page = filled.ok("GET", path, token)
        assert page["total"] == MANY + 1 and page["items"][0]["tags"]
        assert len(counted.sent) <= 4, counted.sent


def test_an_agent_is_authenticated_with_one_statement(filled: World) -> None:
    agent = filled.agent(filled.board(), "Counted")
    filled.ok("GET", "/agent/healthz", agent.token)
    from api.domain.authentication import Accepts, Credentials

    credentials = Credentials(agent_token=agent.token, accepts=Accepts.AGENT)
    with Statements(filled) as counted:
        filled.server.run(filled.services.authenticator.authenticate(credentials))
    assert len(counted.sent) == 1


def test_tags_and_tokens_of_the_caller_s_organisations(filled: World) -> None:
    for number in range(MANY):
        filled.gql("mutation($n: String!) { createPersonalToken(input: {name: $n}) { secret } }", n=f"t{number}")
    for lists in ("organizations {{ tags(first: {0}) {{ totalCount nodes {{ name }} }} }}",
                  "tokens(first: {0}) {{ totalCount nodes {{ name }} }}"):  # fmt: skip
        few, many = (cost(filled, f"{{ viewer {{ {lists.format(count)} }} }}") for count in (FEW, MANY))
        assert few[0] == many[0] and few[1] < many[1]


@pytest.mark.parametrize("name", ["customFields", "invites"])
def test_lists_of_an_organization_cost_the_same(filled: World, name: str) -> None:
    kind = element(SCHEMA.type_map["Organization"].fields[name])
    assert kind is not None
    few, many = (
        cost(filled, f"{{ organization {{ {name}(first: {count}) {{ totalCount nodes {{ {inner} }} }} }} }}")
        for count, inner in ((count, selection(kind, count, 1)) for count in (FEW, MANY))
    )
    assert few[0] == many[0] and few[1] < many[1]


def test_the_dashboard_costs_the_same_for_any_window(filled: World) -> None:
    document = "{{ dashboard(range: {}) {{ pendingApprovals {{ approval {{ tasks {{ title }} }} }} {} }} }}"
    points = " ".join(f"{name} {{ primary {{ period value }} }}" for name in ("throughput", "cycleHours", "errorRate"))
    day, year = (statements(filled, document.format(key, points)) for key in ("LAST_24_HOURS", "LAST_YEAR"))
    assert day == year <= 10


def test_every_list_field_of_the_schema_was_measured() -> None:
    plumbing = ("Connection", "Edge", "Payload")
    kinds = [
        kind for name, kind in SCHEMA.type_map.items()
        if is_object_type(kind) and not name.startswith("__") and not name.endswith(plumbing)
        and name not in ("Query", "Mutation", "Subscription")
    ]  # fmt: skip
    every = {
        f"{kind.name}.{name}" for kind in kinds for name, field in kind.fields.items() if element(field) is not None
    }
    measured = VISITED | {f"Board.{name}" for name in BOARD_LISTS}
    # Selected by hand in the tests above.
    measured |= {"Viewer.organizations", "Viewer.tokens", "Organization.members", "Organization.tags"}
    measured |= {"Member.boardAccess", "Member.effectiveAccess", "Inbox.messages"}
    measured |= {"Organization.customFields", "Organization.invites", "Dashboard.pendingApprovals"}
    # Asked of the gateway itself.
    measured |= {"GatewaySession.messages"}
    # Values inside their parent's own row or answer; nothing is loaded for them.
    inside = ("Series", "WorkInProgress", "OnboardingSession", "OnboardingQuestion")
    measured |= {name for name in every if name.partition(".")[0] in inside}
    # Values inside the event's own row; nothing is loaded for them.
    measured |= {name for name in every if name.endswith("Event.changes")}
    assert every - measured == set()
