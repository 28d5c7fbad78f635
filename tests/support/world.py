"""Small builders: a running server with people, boards, agents and tasks on it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx

from api.domain.authentication.tokens import PERSONAL_PREFIX, digest, mint
from api.domain.context import Context, Services
from tests.support.databases import query
from tests.support.server import TOKEN, RunningServer


@dataclass
class Person:
    """A user with a token."""

    token: str
    id: str
    member_id: str = ""


@dataclass
class Bot:
    """An agent with its token."""

    token: str
    id: str
    name: str


class GraphQLErrors(AssertionError):
    """An answer had errors that the test did not expect."""

    def __init__(self, errors: list[Any]) -> None:
        super().__init__(json.dumps(errors, indent=1))
        self.errors = errors


@dataclass
class World:
    """A server and ways to talk to it."""

    server: RunningServer
    token: str = TOKEN
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=self.server.url, timeout=30)

    # -- talking --------------------------------------------------------------------------------------------------

    def headers(self, token: str | None) -> dict[str, str]:
        """Credentials as a header; agents' and people's tokens both go as bearer tokens."""
        return {} if token == "" else {"Authorization": f"Bearer {token or self.token}"}

    def rest(self, method: str, path: str, token: str | None = None, **rest: Any) -> httpx.Response:
        """A REST request."""
        headers = {**self.headers(token), **rest.pop("headers", {})}
        return self.http.request(method, f"/api/v1{path}", headers=headers, **rest)

    def ok(self, method: str, path: str, token: str | None = None, **rest: Any) -> Any:
        """A REST request that must succeed; its body."""
        answer = self.rest(method, path, token, **rest)
        assert answer.status_code == 200, (method, path, answer.status_code, answer.text)
        return answer.json()

    def ask(self, document: str, token: str | None = None, **variables: Any) -> dict[str, Any]:
        """A GraphQL request as it is answered."""
        answer = self.http.post(
            "/graphql", json={"query": document, "variables": variables}, headers=self.headers(token)
        )
        found: dict[str, Any] = answer.json()
        return found

    def gql(self, document: str, token: str | None = None, **variables: Any) -> Any:
        """A GraphQL request that must succeed; its data."""
        found = self.ask(document, token, **variables)
        if found.get("errors"):
            raise GraphQLErrors(found["errors"])
        return found["data"]

    def code(self, document: str, token: str | None = None, **variables: Any) -> str | None:
        """The code of a GraphQL request's first error, or None."""
        errors = self.ask(document, token, **variables).get("errors")
        return errors[0]["extensions"]["code"] if errors else None

    def sql(self, statement: str, *arguments: Any) -> list[Any]:
        """A statement beside the server."""
        return query(self.server.database_url, statement, *arguments)

    def forget_failures(self) -> None:
        """Start every rate limit anew."""
        self.sql("DELETE FROM rate_windows")

    # -- inside ---------------------------------------------------------------------------------------------------

    @property
    def services(self) -> Services:
        """The server's services, for tests of what only happens inside."""
        services = self.server.application.services
        assert services is not None
        return services

    def context(self, actor: Any) -> Context:
        """A context inside the server."""
        return Context(self.services, actor=actor)

    # -- building -------------------------------------------------------------------------------------------------

    def me(self) -> dict[str, Any]:
        """The local user."""
        found: dict[str, Any] = self.ok("GET", "/users/me")
        return found

    def board(self, **values: Any) -> dict[str, Any]:
        """A board of the local user's organisation; approval gate off unless asked for."""
        draft = {
            "name": "Board", "slug": "board", "description": "A board.", "require_approval_for_done": False,
            "max_agents": 5, **values,
        }  # fmt: skip
        made: dict[str, Any] = self.ok("POST", "/boards", json=draft)
        return made

    def agent(self, board: dict[str, Any], name: str, *, lead: bool = False) -> Bot:
        """An agent on a board, with its token."""
        made = self.gql(
            "mutation($input: CreateAgentInput!) { createAgent(input: $input) { token agent { id } } }",
            input={"name": name, "boardId": board["id"], "isLead": lead},
        )["createAgent"]
        return Bot(made["token"], made["agent"]["id"], name)

    def team(self, **values: Any) -> tuple[dict[str, Any], Bot, Bot]:
        """A board with a lead and a worker."""
        board = self.board(**values)
        return board, self.agent(board, "Lena", lead=True), self.agent(board, "Wim")

    def task(self, board: dict[str, Any], token: str | None = None, **values: Any) -> dict[str, Any]:
        """A task made by the person."""
        made: dict[str, Any] = self.ok("POST", f"/boards/{board['id']}/tasks", token, json={"title": "Task", **values})
        return made

    def tasks(self, board: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """A board's tasks by id."""
        return {task["id"]: task for task in self.ok("GET", f"/boards/{board['id']}/tasks")["items"]}

    def organization(self, name: str = "Other") -> str:
        """Another organisation."""
        organization_id = uuid4()
        self.sql(
            "INSERT INTO organizations (id, name, created_at, updated_at) VALUES ($1, $2, now(), now())",
            organization_id, name,
        )  # fmt: skip
        return str(organization_id)

    def home(self) -> str:
        """The local user's organisation."""
        return str(self.ok("GET", "/organizations/me")["id"])

    def person(
        self, organization_id: str, role: str = "member", *, read: bool = False, write: bool = False,
        boards: dict[str, tuple[bool, bool]] | None = None,
    ) -> Person:  # fmt: skip
        """A member of an organisation, with a personal token."""
        user_id, member_id, token = uuid4(), uuid4(), mint(PERSONAL_PREFIX)
        organization = UUID(organization_id)
        self.sql(
            "INSERT INTO users (id, clerk_user_id, email, name, is_super_admin, active_organization_id) "
            "VALUES ($1, $2, $3, $4, false, $5)",
            user_id, f"user-{user_id}", f"{user_id}@example.org", f"Person {str(user_id)[:4]}", organization,
        )  # fmt: skip
        self.sql(
            "INSERT INTO organization_members (id, organization_id, user_id, role, all_boards_read, all_boards_write, "
            "created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, now(), now())",
            member_id, organization, user_id, role, read, write,
        )  # fmt: skip
        for board_id, (can_read, can_write) in (boards or {}).items():
            self.sql(
                "INSERT INTO organization_board_access (id, organization_member_id, board_id, can_read, can_write, "
                "created_at, updated_at) VALUES ($1, $2, $3, $4, $5, now(), now())",
                uuid4(), member_id, UUID(board_id), can_read, can_write,
            )  # fmt: skip
        self.sql(
            "INSERT INTO personal_tokens (id, user_id, organization_id, name, digest, created_at) "
            "VALUES ($1, $2, $3, 'test', $4, now())",
            uuid4(), user_id, organization, digest(token),
        )  # fmt: skip
        return Person(token, str(user_id), str(member_id))

    def main_agent(self, organization_id: str) -> Bot:
        """A gateway of an organisation with its main agent."""
        gateway_id, agent_id, token = uuid4(), uuid4(), mint()
        self.sql(
            "INSERT INTO gateways (id, organization_id, name, url, workspace_root, disable_device_pairing, "
            "allow_insecure_tls, created_at, updated_at) "
            "VALUES ($1, $2, 'Gateway', 'ws://127.0.0.1:1', '/w', false, false, now(), now())",
            gateway_id, UUID(organization_id),
        )  # fmt: skip
        self.sql(
            "INSERT INTO agents (id, gateway_id, name, status, token_digest, is_board_lead, lifecycle_generation, "
            "wake_attempts, created_at, updated_at) VALUES ($1, $2, 'Main', 'online', $3, false, 0, 0, now(), now())",
            agent_id, gateway_id, digest(token),
        )  # fmt: skip
        return Bot(token, str(agent_id), "Main")
