"""The load: the same requests, sent one after the other, to any server that speaks `/api/v1`."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

TASKS = 200


@dataclass
class Target:
    """A server, a person's token, and for an agent's requests the token of an agent of `board_id`."""

    url: str
    token: str
    agent_token: str = ""
    board_id: str = ""
    task_ids: list[str] = field(default_factory=list)
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=f"{self.url.rstrip('/')}/api/v1", timeout=30)

    def ask(self, method: str, path: str, *, agent: bool = False, **rest: Any) -> httpx.Response:
        """One request, which must succeed."""
        headers = {"X-Agent-Token": self.agent_token} if agent else {"Authorization": f"Bearer {self.token}"}
        answer = self.http.request(method, path, headers=headers, **rest)
        if answer.status_code != 200:
            raise SystemExit(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        return answer

    def prepare(self, gateway_id: str | None = None) -> None:
        """A board of its own, unless one is given, with tasks on it."""
        if not self.board_id:
            draft = {
                "name": "Bench", "slug": f"bench-{uuid4().hex[:8]}", "description": "Load.", "gateway_id": gateway_id,
                "require_approval_for_done": False, "max_agents": 500,
            }  # fmt: skip
            self.board_id = self.ask("POST", "/boards", json=draft).json()["id"]
        path = f"/boards/{self.board_id}/tasks"
        self.task_ids = [
            self.ask("POST", path, json={"title": f"Task {number}"}).json()["id"] for number in range(TASKS)
        ]

    def cases(self) -> dict[str, Callable[[], httpx.Response]]:
        """What is measured, by name."""
        board, turns = f"/boards/{self.board_id}", itertools.cycle(("in_progress", "inbox"))
        changed = f"{board}/tasks/{self.task_ids[0]}"
        found: dict[str, Callable[[], httpx.Response]] = {
            "list of 200 tasks": lambda: self.ask("GET", f"{board}/tasks?limit=200"),
            "board snapshot, 200 tasks": lambda: self.ask("GET", f"{board}/snapshot"),
            "create a task": lambda: self.ask("POST", f"{board}/tasks", json={"title": "n"}),
            "change a status": lambda: self.ask("PATCH", changed, json={"status": next(turns)}),
        }
        if self.agent_token:
            mine = f"/agent/boards/{self.board_id}/tasks?limit=20"
            found["agent heartbeat"] = lambda: self.ask("POST", "/agent/heartbeat", agent=True)
            for count in AGENTS:
                found[f"agent task list, {count} agents"] = lambda: self.ask("GET", mine, agent=True)
        return found


#: How many agents are registered while an agent's list is measured.
AGENTS = (1, 20, 200)
