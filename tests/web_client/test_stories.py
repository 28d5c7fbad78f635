"""What a browser client of `/api/v1` does, page by page, from another origin: calls, streams, refusals, two windows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from tests.support.fake_gateway import FakeGateway
from tests.support.openclaw import free_port
from tests.support.outside import Outside, archive
from tests.support.world import World
from tests.web_client.window import ORIGIN, PROBLEMS, SEEN, Window

WEB = "web-client-expectations"


OUTSIDE = Outside({"/o/pack/tar.gz/refs/heads/main": (200, archive({"SKILL.md": "# One"}))}).start()
SETTINGS = {"cors_origins": ORIGIN, "skill_archive_url": OUTSIDE.url, "allow_private_addresses": True}


@pytest.fixture
def window(chromium: Any, world: World) -> Iterator[Window]:
    found = Window(chromium, world, world.token)
    yield found
    found.page.context.close()


@pytest.mark.acceptance(f"{WEB}.1", f"{WEB}.2")
def test_signing_in(chromium: Any, world: World) -> None:
    tab = Window(chromium, world)
    asked: list[str] = []
    tab.page.on("request", lambda request: asked.append(request.url))
    for token, said in (("x" * 49, "too short"), ("x" * 50, "invalid")):
        tab.page.fill("#token", token)
        tab.page.get_by_role("button").click()
        tab.page.wait_for_function("t => document.getElementById('said').value === t", arg=said)
        assert bool(asked) is (said == "invalid")
    tab.page.fill("#token", f"  {world.token} ")
    tab.page.get_by_role("button").click()
    tab.page.wait_for_function("() => document.getElementById('organization').innerText === 'Personal'")
    tab.shows("health", "all systems operational")
    assert tab.js("sessionStorage.getItem('mc_local_auth_token')") == world.token
    fresh = tab.js("window.ready")
    assert fresh["complete"] is False, "a newcomer without a time zone is sent to its profile"
    tab.send("PATCH", "/users/me", {"name": "Ada", "preferred_name": "Ada", "timezone": "Europe/Berlin"})
    tab.page.reload()
    assert tab.js("window.ready")["complete"] is True
    tab.page.context.close()


@pytest.mark.acceptance(f"{WEB}.5", f"{WEB}.7", f"{WEB}.8", f"{WEB}.9")
def test_a_board_live_in_two_windows(chromium: Any, world: World, window: Window) -> None:
    group = window.send("POST", "/board-groups", {"name": "Team", "slug": "team", "description": None})["id"]
    draft = {"name": "Launch", "slug": "launch", "description": "d", "board_group_id": group, "gateway_id": None}
    board = window.send("POST", "/boards", draft)
    here = f"/boards/{board['id']}"
    assert "Launch" in [one["name"] for one in window.get("/boards?limit=200")["items"]]
    tag = window.send("POST", "/tags", {"name": "Urgent", "slug": "urgent", "color": "ff0000", "description": None})
    field = {
        "field_key": "size", "label": "Size", "field_type": "integer", "ui_visibility": "always",
        "validation_regex": None, "description": None, "required": True, "default_value": None,
        "board_ids": [board["id"]],
    }  # fmt: skip
    window.send("POST", "/organizations/me/custom-fields", field)
    second = Window(chromium, world, world.token)
    for tab in (window, second):
        opened = tab.js("openBoard(v.id)", id=board["id"])
        assert [one["id"] for one in opened["tags"]["items"]] == [tag["id"]] and len(opened["fields"]) == 1
    refused = window.attempt("POST", f"{here}/tasks", {
        "title": "No size", "status": "inbox", "priority": "high", "tag_ids": [], "due_at": None, "description": None,
        "custom_field_values": {"size": None},
    })  # fmt: skip
    assert (refused["status"], refused["text"]) == (422, "Request failed")
    body = {
        "title": "Write", "description": None, "status": "inbox", "priority": "high",
        "due_at": "2026-12-01T00:00:00.000Z",
        "tag_ids": [tag["id"]], "custom_field_values": {"size": 3},
    }  # fmt: skip
    task = window.send("POST", f"{here}/tasks", body)
    second.shows("board", "inbox: Write")
    one = f"{here}/tasks/{task['id']}"
    second.send("POST", f"{one}/comments", {"message": "Looking at it"})
    window.shows("feed", "comment: Looking at it")
    assert [entry["message"] for entry in window.get(f"{one}/comments")["items"]] == ["Looking at it"]
    assert window.js("drag(v.id, 'in_progress')", id=task["id"]) == "moved"
    second.shows("board", "in_progress: Write")
    # A move that the rules refuse goes back, with the words of the refusal.
    whole = {
        "name": "Launch", "slug": "launch", "description": "d", "gateway_id": None, "board_group_id": group,
        "board_type": "general", "objective": None, "require_approval_for_done": True,
        "require_review_before_done": True, "comment_required_for_review": False,
        "block_status_changes_with_pending_approval": False, "only_lead_can_change_status": False, "max_agents": 1,
        "success_metrics": None, "target_date": None,
    }  # fmt: skip
    saved = window.send("PATCH", here, whole)
    assert {name: saved[name] for name in whole} == whole
    assert window.js("drag(v.id, 'done')", id=task["id"]) == "Request failed", "its detail is an object for programs"
    window.shows("board", "in_progress: Write")
    assert window.js("drag(v.id, 'review')", id=task["id"]) == "moved"
    changed = {
        "title": "Write it", "description": "d", "status": "review", "priority": "low", "assigned_agent_id": None,
        "tag_ids": [], "due_at": None, "custom_field_values": {"size": 4}, "depends_on_task_ids": [],
    }  # fmt: skip
    window.send("PATCH", one, changed)
    second.shows("board", "review: Write it")
    window.js("say('hello')")
    for tab in (window, second):
        tab.shows("chat", "hello")
    window.js("say('/pause')")
    second.shows("chat", "/pause")
    world.gql(
        "mutation($b: ID!, $t: ID!) { requestApproval(input: {boardId: $b, taskIds: [$t], actionType: \"done\", "
        "confidence: 80, reasoning: \"r\"}) { approval { id } } }", b=board["id"], t=task["id"],
    )  # fmt: skip
    window.shows("approvals", "pending: done")
    (approval,) = window.get(f"{here}/approvals")["items"]
    decided = window.send("PATCH", f"{here}/approvals/{approval['id']}", {"status": "approved"})
    assert decided["task_titles"] == ["Write it"] and decided["task_ids"] == [task["id"]]
    second.shows("approvals", "approved: done")
    assert window.js("drag(v.id, 'done')", id=task["id"]) == "moved"
    second.shows("board", "done: Write it")
    world.agent(world.ok("GET", here), "Robo")
    window.shows("feed", "agent: Robo")
    # Deleting by one window brings the card back in none.
    assert window.send("DELETE", one) == {"ok": True}
    second.page.wait_for_timeout(1500)
    second.shows("board", "Write it", 1)
    assert second.js("openBoard(v.id)", id=board["id"])["snapshot"]["tasks"] == []
    second.page.context.close()
    window.js("state.stop.splice(0).forEach(stop => stop())")
    assert window.send("DELETE", f"{here}") == {"ok": True}
    assert window.send("DELETE", f"/board-groups/{group}") == {"ok": True}


@pytest.mark.acceptance(f"{WEB}.20")
def test_a_minute_away_and_back(chromium: Any, world: World, window: Window) -> None:
    board = window.send("POST", "/boards", {"name": "Away", "slug": "away", "description": "d", "gateway_id": None})
    here, away = f"/boards/{board['id']}", Window(chromium, world, world.token)
    task = window.send("POST", f"{here}/tasks", {"title": "Before", "status": "inbox", "priority": "low"})
    approval = {"action_type": "deploy", "confidence": 90, "payload": {}, "lead_reasoning": "r", "task_id": task["id"]}
    # What a tab has nothing of, it cannot ask for from a time on: it hears of it from now on.
    window.send("POST", f"{here}/approvals", {**approval, "action_type": "prepare", "task_id": None})
    window.send("POST", f"{here}/memory", {"content": "Welcome.", "tags": ["chat"]})
    agents = [window.send("POST", "/agents", {"name": "Settler", "board_id": board["id"]})]
    for tab in (window, away):
        tab.js("openBoard(v.id)", id=board["id"])
    away.page.evaluate("dispatchEvent(new Event('blur'))")
    window.send("PATCH", f"{here}/tasks/{task['id']}", {"status": "in_progress"})
    deadline = time.monotonic() + 60
    for number in range(5):
        window.send("POST", f"{here}/tasks/{task['id']}/comments", {"message": f"Note {number}."})
        window.send("POST", f"{here}/tasks", {"title": f"New {number}.", "status": "inbox", "priority": "low"})
        window.js("say(v.text)", text=f"Hello {number}.")
        time.sleep(8)
    window.send("POST", f"{here}/approvals", approval)
    agents.append(window.send("POST", "/agents", {"name": "Newcomer", "board_id": board["id"]}))
    time.sleep(max(0.0, deadline - time.monotonic()))
    shown = away.page.inner_text("main")
    assert "inbox: Before" in shown and "Note" not in shown and "Hello" not in shown, "nothing is heard while away"
    for turn in range(2):
        # What a second look away brings anew is what a first one has brought.
        away.page.evaluate("dispatchEvent(new Event('focus'))")
        away.shows("board", "in_progress: Before")
        away.shows("approvals", "pending: deploy")
        for number in range(5):
            away.shows("feed", f"comment: Note {number}.")
            away.shows("board", f"inbox: New {number}.")
            away.shows("chat", f"Hello {number}.")
        if turn == 0:
            away.shows("feed", "agent: Newcomer")
        away.page.evaluate("dispatchEvent(new Event('blur'))")
    for agent in agents:
        window.send("DELETE", f"/agents/{agent['id']}")
    away.page.context.close()


@pytest.mark.acceptance(f"{WEB}.3")
def test_the_backend_goes_away_and_comes_back(window: Window) -> None:
    context = window.page.context
    context.set_offline(True)
    assert window.attempt("GET", "/healthz")["status"] == 0
    context.set_offline(False)
    assert window.js("get('/healthz')") == {"ok": True}


@pytest.mark.acceptance(f"{WEB}.4", f"{WEB}.11", f"{WEB}.12")
def test_approvals_activity_and_dashboard(world: World, window: Window) -> None:
    board, lead, worker = world.team()
    here = f"/boards/{board['id']}"
    task = world.task(board, title="Counted")
    asked = {"action_type": "ship", "confidence": 85, "lead_reasoning": "r", "task_ids": [task["id"]]}
    world.ok("POST", f"{here}/approvals", lead.token, json=asked)
    (pending,) = window.get(f"{here}/approvals?limit=200")["items"]
    assert pending["confidence"] == 85 and pending["task_titles"] == ["Counted"]
    found = window.get("/metrics/dashboard?range_key=7d")
    counts = {name: found["kpis"][f"{name}_tasks"] for name in ("inbox", "in_progress", "review", "done")}
    tasks = [
        one
        for b in window.get("/boards?limit=200")["items"]
        for one in window.get(f"/boards/{b['id']}/snapshot")["tasks"]
    ]
    assert counts == {name: sum(one["status"] == name for one in tasks) for name in counts}
    assert pending["id"] in [one["approval_id"] for one in found["pending_approvals"]["items"]]
    rows = window.get("/activity?limit=200&offset=0")["items"]
    made = next(row for row in rows if row["task_id"] == task["id"])
    assert made["route_name"] == "board" and all(isinstance(value, str) for value in made["route_params"].values())
    assert window.send("PATCH", f"{here}/approvals/{pending['id']}", {"status": "rejected"})["status"] == "rejected"
    agents = window.get("/agents?limit=200")["items"]
    assert {"Lena", "Wim"} <= {one["name"] for one in agents}


@pytest.mark.acceptance(f"{WEB}.6", f"{WEB}.10")
def test_setting_a_board_up(world: World, window: Window) -> None:
    board, lead, _ = world.team(gateway_id=None)
    here = f"/boards/{board['id']}"
    window.send("POST", f"{here}/onboarding/start", {})
    question = {"question": "What for?", "options": [{"id": "1", "label": "Growth"}, {"id": "2", "label": "Other"}]}
    assert world.rest("POST", f"/agent{here}/onboarding", lead.token, json=question).status_code == 200
    shown = window.get(f"{here}/onboarding")["messages"][-1]
    assert shown["role"] == "assistant" and '"question":"What for?"' in shown["content"]
    window.send("POST", f"{here}/onboarding/answer", {"answer": "Growth", "other_text": None})
    draft = {"status": "complete", "board_type": "goal", "objective": "Grow", "success_metrics": {"users": 10}}
    assert world.rest("POST", f"/agent{here}/onboarding", lead.token, json=draft).status_code == 200
    goal = window.get(f"{here}/onboarding")["draft_goal"]
    body = {name: goal[name] for name in ("board_type", "objective", "success_metrics", "target_date")}
    assert window.send("POST", f"{here}/onboarding/confirm", body)["objective"] == "Grow"
    assert window.get(here)["success_metrics"] == {"users": 10}
    made = window.send("POST", f"{here}/webhooks", {"description": "d", "enabled": True, "agent_id": None})
    one = f"{here}/webhooks/{made['id']}"
    assert made["endpoint_url"].startswith("http") and window.get(f"{here}/webhooks?limit=50")["total"] == 1
    for number in range(21):
        world.http.post(f"/api/v1{one}", json={"n": number})
    assert window.get(one)["description"] == "d"
    first, last = (window.get(f"{one}/payloads?limit=20&offset={offset}") for offset in (0, 20))
    assert (len(first["items"]), len(last["items"]), first["total"]) == (20, 1, 21)
    assert window.send("PATCH", one, {"description": "e", "agent_id": lead.id})["agent_id"] == lead.id
    assert window.send("DELETE", one) == {"ok": True}
    assert window.get(f"/agents?board_id={board['id']}&limit=200")["total"] == 2


@pytest.mark.acceptance(f"{WEB}.13", f"{WEB}.14")
def test_groups_and_agents(world: World, window: Window) -> None:
    board = world.board()
    group = window.send("POST", "/board-groups", {"name": "G", "slug": "g", "description": None})["id"]
    path = f"/board-groups/{group}"
    window.send("PATCH", f"/boards/{board['id']}", {"board_group_id": group})
    assert window.get(f"/boards?limit=200&board_group_id={group}")["total"] == 1
    window.get("/board-groups?limit=200")
    assert window.get(path)["name"] == "G"
    assert window.send("PATCH", path, {"name": "H", "slug": "h", "description": None})["slug"] == "h"
    for tags in (["chat"], ["note", "broadcast"]):
        window.send("POST", f"{path}/memory", {"content": tags[0], "tags": tags})
    for chat in ("true", "false"):
        (entry,) = window.get(f"{path}/memory?limit=200&is_chat={chat}")["items"]
        assert entry["content"] == ("chat" if chat == "true" else "note")
    window.js("followMemory(v.path)", path=f"{path}/memory/stream?is_chat=true&since=null")
    window.page.wait_for_timeout(500)
    world.ok("POST", f"{path}/memory", json={"content": "live talk", "tags": ["chat"]})
    window.shows("feed", "live talk")
    draft = {
        "name": "Newbie", "board_id": board["id"], "identity_profile": {"role": "x", "extra": "kept"},
        "heartbeat_config": {"every": "10m", "target": "last", "includeReasoning": False, "own": 1},
    }  # fmt: skip
    agent = window.send("POST", "/agents", draft)
    window.get(f"/agents/{agent['id']}")
    change = {"name": "Renamed", "heartbeat_config": {**agent["heartbeat_config"], "every": "1h"},
              "identity_profile": agent["identity_profile"]}  # fmt: skip
    saved = window.send("PATCH", f"/agents/{agent['id']}?force=true", change)
    assert saved["heartbeat_config"]["own"] == 1 and saved["identity_profile"]["extra"] == "kept"
    beat = window.send("POST", f"{path}/heartbeat", {"every": "5m", "include_board_leads": False})
    assert (len(beat["updated_agent_ids"]), len(beat["failed_agent_ids"])) == (1, 1)
    window.get(f"{path}/snapshot?include_done=false&per_board_task_limit=5")
    assert window.send("DELETE", f"/agents/{agent['id']}") == {"ok": True}


@pytest.mark.acceptance(f"{WEB}.15")
def test_a_gateway_is_saved_when_it_can_be_reached(window: Window) -> None:
    fake = FakeGateway()
    draft = {"name": "Home", "url": f"ws://127.0.0.1:{free_port()}", "token": "tok", "workspace_root": "/w",
             "disable_device_pairing": False, "allow_insecure_tls": False}  # fmt: skip
    save = "saveGateway(v.draft, v.id)"
    said = window.js(save, draft=draft, id=None)
    assert "cannot be reached" in said["said"] and window.get("/gateways")["items"] == []
    saved = window.js(save, draft={**draft, "url": fake.url}, id=None)["saved"]
    form = window.get(f"/gateways/{saved['id']}")
    assert "said" in window.js(save, draft={**form, "url": draft["url"]}, id=saved["id"])
    assert window.get(f"/gateways/{saved['id']}")["url"] == fake.url
    again = window.js(save, draft={**form, "name": "Office"}, id=saved["id"])["saved"]
    assert (again["name"], again["token"]) == ("Office", "tok")
    assert {one["auth"]["token"] for one in fake.connects} == {"tok"}
    window.send("DELETE", f"/gateways/{saved['id']}")
    fake.stop()


@pytest.mark.acceptance(f"{WEB}.16")
def test_tags_and_fields_of_every_type(world: World, window: Window) -> None:
    board = world.board()
    window.get("/boards?limit=200")
    tag = window.send("POST", "/tags", {"name": "T", "slug": "t-web", "color": "00ff00", "description": None})
    assert window.get(f"/tags/{tag['id']}")["task_count"] == 0
    world.task(board, tag_ids=[tag["id"]])
    changed = window.send(
        "PATCH", f"/tags/{tag['id']}", {"name": "U", "slug": "u-web", "color": "0000ff", "description": "d"}
    )
    assert (changed["slug"], changed["task_count"]) == ("u-web", 1)
    assert window.send("DELETE", f"/tags/{tag['id']}") == {"ok": True}
    for kind in ("text", "text_long", "integer", "decimal", "boolean", "date", "date_time", "url", "json"):
        body = {
            "field_key": f"w_{kind}", "label": kind, "field_type": kind, "ui_visibility": "if_set", "required": False,
            "validation_regex": None, "description": None, "default_value": None, "board_ids": [board["id"]],
        }  # fmt: skip
        field = window.send("POST", "/organizations/me/custom-fields", body)
        assert {name: field[name] for name in body} == body
        path = f"/organizations/me/custom-fields/{field['id']}"
        assert window.send("PATCH", path, {"label": f"{kind}!"})["label"] == f"{kind}!"
        assert window.send("DELETE", path) == {"ok": True}
    left = [one["field_key"] for one in window.get("/organizations/me/custom-fields")]
    assert not any(key.startswith("w_") for key in left)


@pytest.mark.acceptance(f"{WEB}.17")
def test_skills_and_packs(world: World, window: Window) -> None:
    main = world.main_agent(world.home())
    gateway = str(world.sql("SELECT gateway_id AS id FROM agents WHERE id = $1", UUID(main.id))[0]["id"])
    pack = window.send(
        "POST", "/skills/packs", {"source_url": "https://github.com/o/pack", "branch": "main", "metadata": {}}
    )
    one = f"/skills/packs/{pack['id']}"
    assert window.send("POST", f"{one}/sync")["warnings"] == []
    assert window.get(one)["skill_count"] == 1 and window.get("/skills/packs")[0]["id"] == pack["id"]
    page = window.js(
        "call('GET', v.path)", path=f"/skills/marketplace?gateway_id={gateway}&limit=25&offset=0&pack_id={pack['id']}"
    )
    assert page["total"] == "1", "the count of a paged list is readable from another origin"
    assert window.get(f"/skills/marketplace?gateway_id={gateway}&limit=25&offset=0&risk=safe") == []
    skill = page["data"][0]["id"]
    assert window.send("POST", f"/skills/marketplace/{skill}/install?gateway_id={gateway}")["installed"] is True
    assert window.get(f"/skills/marketplace?gateway_id={gateway}")[0]["installed"] is True
    assert window.send("POST", f"/skills/marketplace/{skill}/uninstall?gateway_id={gateway}")["installed"] is False
    body = {"source_url": "https://github.com/o/pack", "branch": "main", "name": "Renamed"}
    assert window.send("PATCH", one, body)["name"] == "Renamed"
    assert window.send("DELETE", one) == {"ok": True}


@pytest.mark.acceptance(f"{WEB}.18", f"{WEB}.19")
def test_members_invites_and_switching(chromium: Any, world: World, window: Window) -> None:
    board = world.board()
    plain = world.person(world.home())
    for path in ("/organizations/me", "/organizations/me/members?limit=200", "/organizations/me/invites?limit=200"):
        window.get(path)
    member = f"/organizations/me/members/{plain.member_id}"
    assert window.get(member)["board_access"] == []
    window.send("PATCH", member, {"role": "admin"})
    rights = {"all_boards_read": False, "all_boards_write": False, "board_access": [
        {"board_id": board["id"], "can_read": True, "can_write": False}]}  # fmt: skip
    window.send("PUT", f"{member}/access", rights)
    assert window.get(member)["board_access"][0]["board_id"] == board["id"]
    reader = Window(chromium, world, plain.token)
    assert reader.shell["member"]["role"] == "admin"
    refused = reader.attempt("PATCH", f"/boards/{board['id']}", {"name": "n"})
    assert refused["status"] == 403
    reader.page.context.close()
    own = window.shell["member"]["id"]
    assert window.attempt("DELETE", f"/organizations/me/members/{own}")["status"] == 403
    assert window.attempt("PATCH", f"/organizations/me/members/{own}", {"role": "member"})["status"] == 409
    assert window.send("DELETE", member) == {"ok": True}
    invited = window.send("POST", "/organizations/me/invites", {
        "invited_email": "new@example.org", "role": "member", "all_boards_read": True, "all_boards_write": False,
        "board_access": [],
    })  # fmt: skip
    listed = window.get("/organizations/me/invites?limit=200")["items"]
    assert [one["token"] for one in listed] == [invited["token"]]
    wrong = window.attempt("POST", "/organizations/invites/accept", {"token": invited["token"]})
    assert wrong["status"] == 403 and wrong["text"]
    assert window.send("DELETE", f"/organizations/me/invites/{invited['id']}")["id"] == invited["id"]
    home = window.get("/organizations/me")["id"]
    made = window.send("POST", "/organizations", {"name": "Second"})
    window.page.reload()
    assert window.js("window.ready")["list"][1]["is_active"] is True
    assert window.send("DELETE", "/organizations/me") == {"ok": True}
    window.send("PATCH", "/organizations/me/active", {"organization_id": home})
    assert made["id"] not in [one["id"] for one in window.get("/organizations/me/list")]


def test_leaving(window: Window) -> None:
    assert window.send("DELETE", "/users/me") == {"ok": True}


#: The calls of the client's pages.
CALLS = """
GET /healthz|GET /users/me|PATCH /users/me|DELETE /users/me|GET /organizations/me/list|PATCH /organizations/me/active
POST /organizations|GET /organizations/me|DELETE /organizations/me|GET /organizations/me/member
GET /organizations/me/members|GET /organizations/me/members/{id}|PATCH /organizations/me/members/{id}
PUT /organizations/me/members/{id}/access|DELETE /organizations/me/members/{id}|GET /organizations/me/invites
POST /organizations/me/invites|DELETE /organizations/me/invites/{id}|POST /organizations/invites/accept
GET /boards|POST /boards|GET /boards/{id}|PATCH /boards/{id}|DELETE /boards/{id}|GET /boards/{id}/snapshot
GET /boards/{id}/group-snapshot|POST /boards/{id}/tasks|PATCH /boards/{id}/tasks/{id}|DELETE /boards/{id}/tasks/{id}
GET /boards/{id}/tasks/{id}/comments|POST /boards/{id}/tasks/{id}/comments|POST /boards/{id}/memory
GET /boards/{id}/approvals|PATCH /boards/{id}/approvals/{id}|GET /boards/{id}/webhooks|POST /boards/{id}/webhooks
GET /boards/{id}/webhooks/{id}|PATCH /boards/{id}/webhooks/{id}|DELETE /boards/{id}/webhooks/{id}
GET /boards/{id}/webhooks/{id}/payloads|POST /boards/{id}/onboarding/start|GET /boards/{id}/onboarding
POST /boards/{id}/onboarding/answer|POST /boards/{id}/onboarding/confirm|GET /board-groups|POST /board-groups
GET /board-groups/{id}|PATCH /board-groups/{id}|DELETE /board-groups/{id}|GET /board-groups/{id}/snapshot
GET /board-groups/{id}/memory|POST /board-groups/{id}/memory|POST /board-groups/{id}/heartbeat|GET /agents
POST /agents|GET /agents/{id}|PATCH /agents/{id}|DELETE /agents/{id}|GET /tags|POST /tags|GET /tags/{id}
PATCH /tags/{id}|DELETE /tags/{id}|GET /organizations/me/custom-fields|POST /organizations/me/custom-fields
PATCH /organizations/me/custom-fields/{id}|DELETE /organizations/me/custom-fields/{id}|GET /activity
GET /metrics/dashboard|GET /skills/packs|POST /skills/packs|GET /skills/packs/{id}|PATCH /skills/packs/{id}
DELETE /skills/packs/{id}|POST /skills/packs/{id}/sync|GET /skills/marketplace|POST /skills/marketplace/{id}/install
POST /skills/marketplace/{id}/uninstall|GET /boards/{id}/tasks/stream|GET /boards/{id}/approvals/stream
GET /boards/{id}/memory/stream|GET /agents/stream|GET /board-groups/{id}/memory/stream|GET /gateways|POST /gateways
GET /gateways/{id}|PATCH /gateways/{id}|DELETE /gateways/{id}|GET /gateways/status
"""


def test_every_call_of_the_client_was_made_and_nothing_went_wrong() -> None:
    wanted = {call for line in CALLS.split("\n") for call in line.split("|") if call}
    assert wanted - SEEN == set()
    assert PROBLEMS == []
