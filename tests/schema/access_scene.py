"""An organisation with everybody in it, and fresh targets for every operation of the access matrix."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from tests.support.world import World

NUMBERS = itertools.count()
OPTION = {"id": "1", "label": "l"}
UNKNOWN = "00000000-0000-0000-0000-000000000001"

#: Lines that take away what the others need: they get people and an organisation of their own.
DISPOSABLE = {
    "DELETE /organizations/me", "DELETE /users/me", "Mutation.deleteOrganization", "Mutation.leaveOrganization",
    "Mutation.transferOwnership", "Mutation.deleteAccount",
}  # fmt: skip


@dataclass
class Scene:
    """Who asks by name, and what is asked about. Each target is made afresh where asking may change it."""

    world: World
    home: str
    tokens: dict[str, str]
    board: dict[str, Any]
    group: str
    member_id: str
    reader_member_id: str
    gateway: str = ""
    disposable: str = ""
    newest: dict[str, str] = field(default_factory=dict)

    def ok(self, method: str, path: str, **body: Any) -> str:
        """A REST request of the owner; the id in its answer."""
        return str(self.world.ok(method, path, json=body)["id"])

    def task(self) -> str:
        task = self.world.task(self.board, status="inbox")
        self.world.sql("UPDATE tasks SET status = 'review' WHERE id::text = $1", task["id"])
        return str(task["id"])

    def inbox_task(self) -> str:
        return str(self.world.task(self.board)["id"])

    def approval(self) -> str:
        path = f"/boards/{self.board['id']}/approvals"
        return self.ok("POST", path, action_type="x", confidence=1, lead_reasoning="r")

    def agent(self) -> str:
        return self.world.agent(self.board, f"Fresh {next(NUMBERS)}").id

    def memory(self) -> str:
        return self.ok("POST", f"/boards/{self.board['id']}/memory", content="m")

    def comment(self) -> str:
        return self.ok("POST", f"/boards/{self.board['id']}/tasks/{self.task()}/comments", message="m")

    def member(self) -> str:
        return self.world.person(self.home).member_id

    def invite(self) -> str:
        return self.ok("POST", "/organizations/me/invites", invited_email=f"i{next(NUMBERS)}@example.org")

    def tag(self) -> str:
        return self.ok("POST", "/tags", name=f"Tag {next(NUMBERS)}")

    def custom_field(self) -> str:
        body = {"field_key": f"key{next(NUMBERS)}", "board_ids": [self.board["id"]]}
        return self.ok("POST", "/organizations/me/custom-fields", **body)

    def empty_group(self) -> str:
        return self.ok("POST", "/board-groups", name="g", slug="g")

    def webhook(self) -> str:
        self.newest["webhook"] = self.ok("POST", f"/boards/{self.board['id']}/webhooks", description="d")
        return self.newest["webhook"]

    def delivery(self) -> str:
        """A delivery of the newest webhook."""
        path = f"/boards/{self.board['id']}/webhooks/{self.newest['webhook']}"
        return str(self.world.rest("POST", path, json={"a": 1}).json()["payload_id"])

    def conversation(self, **body: Any) -> Any:
        """The board's onboarding, open again; a body for it."""
        self.world.ok("POST", f"/boards/{self.board['id']}/onboarding/start", json={})
        self.world.sql("UPDATE board_onboarding_sessions SET status = 'active'")
        return body

    def skill(self) -> str:
        return self.ok("POST", "/skills/marketplace", source_url=f"https://example.org/s{next(NUMBERS)}")

    def pack(self) -> str:
        return self.ok("POST", "/skills/packs", source_url=f"https://github.com/owner/p{next(NUMBERS)}")

    def endpoint(self) -> str:
        made = self.world.gql(
            'mutation { createNotificationEndpoint(input: {url: "http://127.0.0.1:1/"}) { endpoint { id } } }'
        )
        return str(made["createNotificationEndpoint"]["endpoint"]["id"])

    def spare_gateway(self) -> str:
        """A gateway that nothing lives on but its main agent."""
        main = self.world.main_agent(self.home)
        return str(self.world.sql("SELECT gateway_id FROM agents WHERE id::text = $1", main.id)[0]["gateway_id"])

    def failed_job(self) -> str:
        """A job that was given up."""
        job = uuid4()
        self.world.sql(
            "INSERT INTO jobs (id, kind, reason, gateway_id, text, deliver, state, attempts, created_at) "
            "VALUES ($1, 'gateway.sync', 'x', $2::text::uuid, '', false, 'failed', 5, now())", job, self.gateway,
        )  # fmt: skip
        return str(job)

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

    def tokens_for(self, line: str) -> dict[str, str]:
        """The tokens of a line: everybody's, or those of an organisation made for it."""
        if line not in DISPOSABLE:
            return self.tokens
        home = self.world.organization(f"Disposable {uuid4()}")
        people = {
            "outsider": self.world.person(self.world.organization(f"Far {uuid4()}"), "owner"),
            "owner": self.world.person(home, "owner", read=True, write=True),
            "admin": self.world.person(home, "admin"),
            **{name: self.world.person(home) for name in ("member", "reader", "writer")},
        }  # fmt: skip
        self.disposable = home
        self.newest["member"] = people["member"].member_id
        return {**self.tokens, **{name: person.token for name, person in people.items()}}


def make_scene(world: World) -> Scene:
    """Everybody of the matrix's columns."""
    home = world.home()
    group = str(world.ok("POST", "/board-groups", json={"name": "Group", "slug": "group"})["id"])
    board = world.board(max_agents=1000, board_group_id=group)
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
    found = Scene(world, home, tokens, board, group, people["member"].member_id, people["reader"].member_id)
    found.approval()
    found.memory()
    found.comment()
    found.tag()
    world.main_agent(home)
    found.gateway = str(world.sql("SELECT id FROM gateways WHERE organization_id::text = $1", home)[0]["id"])
    world.ok("POST", f"/board-groups/{group}/memory", json={"content": "m"})
    return found


# -- REST ------------------------------------------------------------------------------------------------------------

Maker = Callable[[Scene], Any]

BODIES: dict[str, Maker] = {
    "PATCH /users/me": lambda s: {},
    "POST /agents": lambda s: {"name": f"A{next(NUMBERS)}", "board_id": s.board["id"]},
    "POST /agents/heartbeat": lambda s: {"name": "Worker", "board_id": s.board["id"]},
    "PATCH /agents/{agent_id}": lambda s: {"identity_profile": {"role": "x"}},
    "POST /agents/{agent_id}/heartbeat": lambda s: {},
    "POST /boards": lambda s: {"name": "n", "slug": "s", "description": "d"},
    "PATCH /boards/{board_id}": lambda s: {"objective": "o"},
    "POST /agent/agents": lambda s: {"name": f"A{next(NUMBERS)}"},
    "POST /organizations": lambda s: {"name": f"O{next(NUMBERS)}"},
    "PATCH /organizations/me/active": lambda s: {"organization_id": s.home},
    "PATCH /organizations/me/members/{member_id}": lambda s: {},
    "PUT /organizations/me/members/{member_id}/access": lambda s: {},
    "POST /organizations/me/invites": lambda s: {"invited_email": f"n{next(NUMBERS)}@example.org"},
    "POST /organizations/invites/accept": lambda s: {"token": "unknown"},
    "POST /tags": lambda s: {"name": f"T{next(NUMBERS)}"},
    "PATCH /tags/{tag_id}": lambda s: {"description": "d"},
    "POST /organizations/me/custom-fields": lambda s: {
        "field_key": f"k{next(NUMBERS)}", "board_ids": [s.board["id"]],
    },
    "PATCH /organizations/me/custom-fields/{task_custom_field_definition_id}": lambda s: {"label": "l"},
    "POST /board-groups": lambda s: {"name": "g", "slug": "g"},
    "PATCH /board-groups/{group_id}": lambda s: {"description": "d"},
    "POST /board-groups/{group_id}/heartbeat": lambda s: {"every": "10m"},
    "POST /skills/marketplace": lambda s: {"source_url": f"https://example.org/r{next(NUMBERS)}"},
    "POST /skills/packs": lambda s: {"source_url": f"https://github.com/owner/r{next(NUMBERS)}"},
    "PATCH /skills/packs/{pack_id}": lambda s: {"source_url": f"https://github.com/owner/r{next(NUMBERS)}"},
    "POST /gateways": lambda s: {"name": "g", "url": "ws://127.0.0.1:1", "workspace_root": "/w"},
    "PATCH /gateways/{gateway_id}": lambda s: {"name": "Gateway"},
    "POST /gateways/sessions/{session_id}/message": lambda s: {"content": "c"},
    "POST /agent/boards/{board_id}/agents/{agent_id}/nudge": lambda s: {"message": "m"},
    "PUT /agent/boards/{board_id}/agents/{agent_id}/soul": lambda s: {"content": "c"},
    "POST /agent/boards/{board_id}/gateway/main/ask-user": lambda s: {"content": "c"},
    "POST /agent/gateway/boards/{board_id}/lead/message": lambda s: {"content": "c"},
    "POST /agent/gateway/leads/broadcast": lambda s: {"content": "c"},
    "POST /boards/{board_id}/webhooks": lambda s: {"description": "d"},
    "PATCH /boards/{board_id}/webhooks/{webhook_id}": lambda s: {"description": "e"},
    "GET /boards/{board_id}/onboarding": lambda s: s.conversation() or None,
    "POST /boards/{board_id}/onboarding/start": lambda s: {},
    "POST /boards/{board_id}/onboarding/answer": lambda s: s.conversation(answer="a"),
    "POST /boards/{board_id}/onboarding/confirm": lambda s: s.conversation(board_type="general"),
    "POST /boards/{board_id}/onboarding/agent": lambda s: s.conversation(question="q", options=[OPTION]),
    "POST /agent/boards/{board_id}/onboarding": lambda s: s.conversation(status="complete", board_type="general"),
}  # fmt: skip

#: Bodies by the end of a line.
ENDINGS: dict[tuple[str, str], Any] = {
    ("POST", "/tasks"): {"title": "t"},
    ("PATCH", "/tasks/{task_id}"): {"custom_field_values": {}},
    ("POST", "/comments"): {"message": "m"},
    ("POST", "/approvals"): {"action_type": "x", "confidence": 1, "lead_reasoning": "r"},
    ("POST", "memory"): {"content": "c"},
    ("PATCH", "/approvals/{approval_id}"): {"status": "approved"},
}

TARGETS: dict[str, Maker] = {
    "task_id": Scene.task, "agent_id": Scene.agent, "approval_id": Scene.approval, "invite_id": Scene.invite,
    "tag_id": Scene.tag, "task_custom_field_definition_id": Scene.custom_field,
    "skill_id": Scene.skill, "pack_id": Scene.pack, "handle": lambda s: "someone", "slug": lambda s: "soul",
    "webhook_id": Scene.webhook,
    "payload_id": Scene.delivery, "member_id": Scene.member, "board_id": lambda s: s.board["id"],
    "group_id": lambda s: s.group, "gateway_id": lambda s: s.gateway, "session_id": lambda s: "agent:main:main",
}  # fmt: skip

SPECIAL: dict[str, dict[str, Maker]] = {
    "DELETE /boards/{board_id}": {"board_id": Scene.other_board},
    "DELETE /board-groups/{group_id}": {"group_id": Scene.empty_group},
    "GET /organizations/me/members/{member_id}": {"member_id": lambda s: s.reader_member_id},
    "DELETE /gateways/{gateway_id}": {"gateway_id": lambda s: s.spare_gateway()},
}

QUERIES: dict[str, Maker] = {
    "GET /skills/marketplace": lambda s: f"?gateway_id={s.gateway}",
    "POST /skills/marketplace/{skill_id}/install": lambda s: f"?gateway_id={s.gateway}",
    "POST /skills/marketplace/{skill_id}/uninstall": lambda s: f"?gateway_id={s.gateway}",
}


def rest_body(scene: Scene, line: str) -> Any:
    """A body that the line takes."""
    if line in BODIES:
        return BODIES[line](scene)
    method, _, path = line.partition(" ")
    return next((body for (verb, end), body in ENDINGS.items() if verb == method and path.endswith(end)), None)


def rest_path(scene: Scene, line: str) -> str:
    """The line's path with targets in it."""
    path = line.partition(" ")[2]
    for name, maker in {**TARGETS, **SPECIAL.get(line, {})}.items():
        if f"{{{name}}}" in path:
            path = path.replace(f"{{{name}}}", maker(scene))
    return path + (QUERIES[line](scene) if line in QUERIES else "")


# -- GraphQL ---------------------------------------------------------------------------------------------------------

INPUTS: dict[str, Maker] = {
    "updateProfile": lambda s: {},
    "createPersonalToken": lambda s: {"name": "t"},
    "revokePersonalToken": lambda s: {"id": UNKNOWN},
    "setMemberAccess": lambda s: {"memberId": s.member_id},
    "createBoard": lambda s: {"name": "n", "slug": "s", "description": "d"},
    "updateBoard": lambda s: {"id": s.board["id"], "objective": "o"},
    "deleteBoard": lambda s: {"id": s.other_board()},
    "createTask": lambda s: {"boardId": s.board["id"], "title": "t"},
    "updateTask": lambda s: {"id": s.task(), "customFieldValues": {}},
    "updateTasks": lambda s: {"tasks": [{"id": s.task(), "customFieldValues": {}}]},
    "claimTask": lambda s: {"boardId": s.board["id"], "taskId": s.inbox_task()},
    "deleteTask": lambda s: {"id": s.task()},
    "commentOnTask": lambda s: {"taskId": s.task(), "message": "m"},
    "redactComment": lambda s: {"id": s.comment()},
    "requestApproval": lambda s: {"boardId": s.board["id"], "actionType": "x", "confidence": 1, "reasoning": "r"},
    "decideApproval": lambda s: {"id": s.approval(), "status": "APPROVED"},
    "decideApprovals": lambda s: {"ids": [s.approval()], "status": "APPROVED"},
    "writeMemory": lambda s: {"boardId": s.board["id"], "content": "c"},
    "redactMemory": lambda s: {"id": s.memory()},
    "createAgent": lambda s: {"boardId": s.board["id"], "name": f"A{next(NUMBERS)}"},
    "issueAgentToken": lambda s: {"agentId": s.agent()},
    "provisionAgent": lambda s: {"id": s.agent()},
    "wakeAgent": lambda s: {"id": s.agent()},
    "updateAgent": lambda s: {"id": s.agent(), "identityProfile": {"role": "x"}},
    "deleteAgent": lambda s: {"id": s.agent()},
    "sendHeartbeat": lambda s: {"agentId": s.agent()},
    "createOrganization": lambda s: {"name": f"O{next(NUMBERS)}"},
    "updateOrganization": lambda s: {"name": f"O{next(NUMBERS)}"},
    "activateOrganization": lambda s: {"id": s.home},
    "deleteOrganization": lambda s: {"id": s.disposable},
    "leaveOrganization": lambda s: {"id": s.disposable},
    "transferOwnership": lambda s: {"id": s.newest["member"]},
    "updateMember": lambda s: {"memberId": s.member(), "role": "MEMBER"},
    "removeMember": lambda s: {"id": s.member()},
    "createInvite": lambda s: {"invitedEmail": f"g{next(NUMBERS)}@example.org"},
    "revokeInvite": lambda s: {"id": s.invite()},
    "acceptInvite": lambda s: {"token": "unknown"},
    "createTag": lambda s: {"name": f"G{next(NUMBERS)}"},
    "updateTag": lambda s: {"id": s.tag(), "description": "d"},
    "deleteTag": lambda s: {"id": s.tag()},
    "createCustomField": lambda s: {"key": f"g{next(NUMBERS)}", "boardIds": [s.board["id"]]},
    "updateCustomField": lambda s: {"id": s.custom_field(), "label": "l"},
    "deleteCustomField": lambda s: {"id": s.custom_field()},
    "createBoardGroup": lambda s: {"name": "g"},
    "updateBoardGroup": lambda s: {"id": s.group, "description": "d"},
    "deleteBoardGroup": lambda s: {"id": s.empty_group()},
    "writeGroupMemory": lambda s: {"groupId": s.group, "content": "c"},
    "saveSkill": lambda s: {"sourceUrl": f"https://example.org/g{next(NUMBERS)}"},
    "deleteSkill": lambda s: {"id": s.skill()},
    "installSkill": lambda s: {"skillId": s.skill(), "gatewayId": s.gateway},
    "uninstallSkill": lambda s: {"skillId": s.skill(), "gatewayId": s.gateway},
    "saveSkillPack": lambda s: {"sourceUrl": f"https://github.com/owner/g{next(NUMBERS)}"},
    "deleteSkillPack": lambda s: {"id": s.pack()},
    "syncSkillPack": lambda s: {"id": s.pack()},
    "createGateway": lambda s: {"name": "g", "url": "ws://127.0.0.1:1", "workspaceRoot": "/w"},
    "updateGateway": lambda s: {"id": s.gateway, "name": "Gateway"},
    "deleteGateway": lambda s: {"id": s.spare_gateway()},
    "syncGatewayTemplates": lambda s: {"gatewayId": s.gateway},
    "sendGatewayMessage": lambda s: {"gatewayId": s.gateway, "sessionKey": "agent:main:main", "content": "c"},
    "retryJob": lambda s: {"id": s.failed_job()},
    "nudgeAgent": lambda s: {"boardId": s.board["id"], "agentId": s.agent(), "message": "m"},
    "writeAgentSoul": lambda s: {"boardId": s.board["id"], "agentId": s.agent(), "content": "c"},
    "askUser": lambda s: {"boardId": s.board["id"], "content": "c"},
    "messageLead": lambda s: {"boardId": s.board["id"], "content": "c"},
    "broadcastToLeads": lambda s: {"content": "c"},
    "createNotificationEndpoint": lambda s: {"url": "http://127.0.0.1:1/"},
    "updateNotificationEndpoint": lambda s: {"id": s.endpoint(), "description": "d"},
    "deleteNotificationEndpoint": lambda s: {"id": s.endpoint()},
    "testNotificationEndpoint": lambda s: {"id": s.endpoint()},
    "createWebhook": lambda s: {"boardId": s.board["id"], "description": "d"},
    "updateWebhook": lambda s: {"id": s.webhook(), "description": "e"},
    "deleteWebhook": lambda s: {"id": s.webhook()},
    "startOnboarding": lambda s: {"boardId": s.board["id"]},
    "answerOnboarding": lambda s: s.conversation(boardId=s.board["id"], answer="a"),
    "confirmOnboarding": lambda s: s.conversation(boardId=s.board["id"], boardType="general"),
    "askOnboardingQuestion": lambda s: s.conversation(boardId=s.board["id"], question="q", options=[OPTION]),
    "draftOnboarding": lambda s: s.conversation(boardId=s.board["id"], boardType="general"),
    "setGroupHeartbeat": lambda s: {"groupId": s.group, "every": "10m"},
}

ARGUMENTS: dict[str, Maker] = {
    **{
        name: maker for name, maker in (
            ("board", lambda s: f'id: "{s.board["id"]}"'), ("node", lambda s: f'id: "{s.board["id"]}"'),
            ("task", lambda s: f'id: "{s.task()}"'), ("approval", lambda s: f'id: "{s.approval()}"'),
            ("agent", lambda s: f'id: "{s.agent()}"'), ("organization", lambda s: f'id: "{s.home}"'),
            ("tag", lambda s: f'id: "{s.tag()}"'), ("boardGroup", lambda s: f'id: "{s.group}"'),
            ("gateway", lambda s: f'id: "{s.gateway}"'), ("job", lambda s: f'id: "{s.failed_job()}"'),
            ("gatewaySession", lambda s: f'gatewayId: "{s.gateway}", key: "k"'),
            ("agentSoul", lambda s: f'agentId: "{s.agent()}"'), ("jobEvents", lambda s: f'id: "{s.failed_job()}"'),
            ("gatewaySessionEvents", lambda s: f'gatewayId: "{s.gateway}", sessionKey: "k"'),
            ("soul", lambda s: 'handle: "someone", slug: "soul"'),
            ("webhook", lambda s: f'id: "{s.webhook()}"'),
            ("webhookDelivery", lambda s: s.webhook() and f'id: "{s.delivery()}"'),
            ("nodes", lambda s: f'ids: ["{s.board["id"]}"]'), ("groupMemoryEvents", lambda s: f'groupId: "{s.group}"'),
        )
    },
    **{
        f"{topic}Events": lambda s: f'boardId: "{s.board["id"]}"'
        for topic in ("board", "task", "approval", "memory", "agent")
    },
}  # fmt: skip
