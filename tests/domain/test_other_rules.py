"""Approval, memory, mention, agent, board and custom field rules as tables of cases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from api.domain import access
from api.domain.actor import Membership, Role, User
from api.domain.agents import rules as agents
from api.domain.approvals import rules as approvals
from api.domain.approvals.rules import ApprovalStatus
from api.domain.boards import rules as boards
from api.domain.custom_fields import rules as fields
from api.domain.errors import DomainError
from api.domain.memory import rules as memory
from api.domain.mentions import mentioned, snippet, tokens

A, B, C, NOW = UUID(int=1), UUID(int=2), UUID(int=3), datetime(2026, 11, 24, 12)


@dataclass
class Bot:
    id: UUID
    name: str
    is_board_lead: bool = False


RIYA, ONE, LEAD_BY_NAME = Bot(A, "Riya", True), Bot(B, "Worker One"), Bot(C, "Lead")


# -- approvals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "reasoning", "stored"),
    [
        ({"reason": "because"}, None, {"reason": "because"}),
        ({"decision": {"reason": "because"}}, "other", {"decision": {"reason": "because"}}),
        ({"x": 1}, "  because ", {"x": 1, "reason": "because"}),
        (None, "because", {"reason": "because"}),
        ({"reason": " "}, "because", {"reason": "because"}),
        ({"reason": " "}, " ", None),
        (None, None, None),
        ({"decision": "x"}, None, None),
    ],
)
def test_an_approval_needs_reasoning(payload: Any, reasoning: str | None, stored: Any) -> None:
    if stored is None:
        with pytest.raises(DomainError) as refused:
            approvals.with_reasoning(payload, reasoning)
        assert refused.value.status == 422
    else:
        assert approvals.with_reasoning(payload, reasoning) == stored


@pytest.mark.parametrize(
    ("task_id", "task_ids", "payload", "linked"),
    [
        (None, None, None, []),
        (B, [A], {"task_id": str(A), "task_ids": [str(B), str(A)], "taskIds": [str(C), "not-a-uuid"]}, [B, A, C]),
        (None, [A, A], {"taskID": str(B)}, [A, B]),
        (None, [], {"task_ids": "no list", "taskId": 5}, []),
    ],
)
def test_the_tasks_of_an_approval_come_in_order_of_mention(
    task_id: Any, task_ids: Any, payload: Any, linked: list[UUID]
) -> None:
    assert approvals.linked_tasks(task_id, task_ids, payload) == linked


EARLIER = NOW - timedelta(hours=1)


@pytest.mark.parametrize(
    ("present", "wanted", "resolved_at", "told", "reopens"),
    [
        ("pending", "pending", EARLIER, False, False),
        ("pending", "approved", NOW, True, False),
        ("pending", "rejected", NOW, True, False),
        ("approved", "pending", EARLIER, False, True),
        ("approved", "approved", NOW, False, False),
        ("approved", "rejected", NOW, True, False),
        ("rejected", "pending", EARLIER, False, True),
        ("rejected", "approved", NOW, True, False),
        ("rejected", "rejected", NOW, False, False),
    ],
)
def test_a_decision_from_any_status_to_any(
    present: str, wanted: str, resolved_at: datetime, told: bool, reopens: bool
) -> None:
    found = approvals.decide(present, EARLIER, ApprovalStatus(wanted), NOW)
    assert (found.resolved_at, found.told, found.reopens) == (resolved_at, told, reopens)


@pytest.mark.parametrize(
    ("confidence", "external", "risky", "needed"),
    [(80, False, False, False), (79.9, False, False, True), (100, True, False, True), (100, False, True, True)],
)
def test_when_a_lead_should_ask(confidence: float, external: bool, risky: bool, needed: bool) -> None:
    assert approvals.needs_approval(confidence, is_external=external, is_risky=risky) is needed


def test_confidence_planning_and_fingerprints() -> None:
    assert approvals.confidence({"clarity": 25, "risk": 10}) == 35.0
    assert approvals.is_planning(True, False, True) and not approvals.is_planning(True, False)
    assert approvals.fingerprint(A, " Do IT ", None) == approvals.fingerprint(A, "do it", "")
    assert approvals.fingerprint(A, "do it", "x") != approvals.fingerprint(B, "do it", "x")


# -- mentions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("hi @One", {"one"}),
        ("a@lead.com", {"lead"}),
        ("@1one @_x", set()),
        ("@" + "a" * 40, {"a" * 32}),
        ("@worker-1 @Worker-1", {"worker-1"}),
        ("@jörg", {"jörg"}),
        ("nobody", set()),
    ],
)
@pytest.mark.acceptance("tasks.15")
def test_mention_tokens(text: str, found: set[str]) -> None:
    assert tokens(text) == found


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("@lead", [RIYA]),
        ("@riya", [RIYA]),
        ("@worker", [ONE]),
        ("@one", []),
        ("@Worker", [ONE]),
        ("@all", []),
        ("no token", []),
    ],
)
@pytest.mark.acceptance("tasks.15")
def test_who_is_meant(text: str, meant: list[Bot]) -> None:
    assert mentioned([RIYA, ONE, LEAD_BY_NAME, Bot(UUID(int=9), "  ")], text) == meant


def test_snippets_say_that_they_are_cut() -> None:
    assert snippet(" x ", 5) == "x"
    assert snippet("a" * 900, 800) == "a" * 797 + "..."
    assert snippet("a" * 800, 800) == "a" * 800, "what just fits is whole"


def test_the_session_of_an_agent_says_what_it_is() -> None:
    assert agents.session_key(A, None, B, is_lead=False) == f"agent:mc-gateway-{B}:main"
    assert agents.session_key(A, B, None, is_lead=True) == f"agent:lead-{B}:main"
    assert agents.session_key(A, B, None, is_lead=False) == f"agent:mc-{A}:main"


def test_whose_eyes_an_event_is_for() -> None:
    def member(role: Role, **rights: Any) -> User:
        membership = Membership(B, A, role, False, False, **rights)
        return User(A, "n", membership, {A: membership})

    plain, admin = member(Role.MEMBER), member(Role.ADMIN)
    reader = member(Role.MEMBER, boards={B: (True, False)})
    # Without a board it is the organisation's administration; on a board it is for those who read the board.
    assert [access.may_see_event(one, A, None) for one in (plain, reader, admin)] == [False, False, True]
    assert [access.may_see_event(one, A, B) for one in (plain, reader, admin)] == [False, True, False]


def test_who_reads_all_boards_of_the_organisation_that_is_meant() -> None:
    here = Membership(A, A, Role.MEMBER, True, False)
    there = Membership(B, B, Role.MEMBER, False, False)
    person = User(A, "n", there, {A: here, B: there})
    assert access.reads_all_boards(person, A) is True
    assert access.reads_all_boards(person, B) is False
    assert access.reads_all_boards(person, None) is False, "the active one"


# -- memory ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("tags", "chat"), [(["chat"], True), (["Chat"], False), (None, False), (["x", "chat"], True)])
@pytest.mark.acceptance("memory-and-mentions.2")
def test_chat_is_the_exact_tag(tags: Any, chat: bool) -> None:
    assert memory.is_chat(tags) is chat


LEADER, WORKER = Bot(A, "Lena", True), Bot(B, "Worker One")


@pytest.mark.parametrize(
    ("content", "author", "told"),
    [
        ("hi @one", None, [(A, "BOARD CHAT")]),
        ("hi @worker", None, [(A, "BOARD CHAT"), (B, "BOARD CHAT MENTION")]),
        ("@lead hi", None, [(A, "BOARD CHAT MENTION")]),
        ("@lead @worker", A, [(B, "BOARD CHAT MENTION")]),
        ("@worker me", B, [(A, "BOARD CHAT")]),
        (" /PAUSE ", None, [(A, None), (B, None)]),
        ("/resume", B, [(A, None)]),
        ("/pause now", None, [(A, "BOARD CHAT")]),
    ],
)
@pytest.mark.acceptance("memory-and-mentions.4", "memory-and-mentions.5", "memory-and-mentions.6")
def test_who_hears_of_a_chat_message(content: str, author: UUID | None, told: list[Any]) -> None:
    found = memory.notices(content, [LEADER, WORKER], author)
    assert [(notice.agent_id, notice.header) for notice in found] == told


# -- agents ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "seen_ago", "error", "shown"),
    [
        ("online", None, None, "provisioning"),
        ("provisioning", None, "boom", "offline"),
        ("online", timedelta(minutes=9), None, "online"),
        ("online", timedelta(minutes=11), None, "offline"),
        ("updating", timedelta(minutes=11), None, "updating"),
        ("deleting", None, None, "deleting"),
        ("thinking", timedelta(minutes=1), None, "thinking"),
    ],
)
def test_the_status_people_see(stored: str, seen_ago: timedelta | None, error: str | None, shown: str) -> None:
    agent = SimpleNamespace(
        status=stored, last_seen_at=NOW - seen_ago if seen_ago is not None else None, last_provision_error=error,
        checkin_deadline_at=None,
    )  # fmt: skip
    assert agents.shown_status(agent, NOW) == shown


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ({"a": [" x ", "", "y"], "b": 5, "c": " ", "d": None, " e ": "f"}, {"a": "x, y", "b": "5", "e": "f"}),
        ({}, None),
        ("text", None),
        ({"a": [" "]}, None),
    ],
)
@pytest.mark.acceptance("agents.2")
def test_identity_profiles(sent: Any, stored: Any) -> None:
    assert agents.identity_profile(sent) == stored


@pytest.mark.parametrize(
    ("every", "fits"), [("10m", True), ("1.5h", True), ("banana", False), ("10", False), (5, False)]
)
def test_heartbeat_intervals(every: Any, fits: bool) -> None:
    if fits:
        assert agents.heartbeat_config({"every": every})["every"] == every
    else:
        with pytest.raises(DomainError):
            agents.heartbeat_config({"every": every})
    assert agents.heartbeat_config(None) == {"every": "10m", "target": "last", "includeReasoning": False}


@pytest.mark.parametrize(
    ("stored", "sent", "after"),
    [("provisioning", None, "online"), ("online", "busy", "busy"), ("busy", " ", "busy"), ("updating", None, "online")],
)
def test_a_heartbeat_s_status(stored: str, sent: str | None, after: str) -> None:
    assert agents.heartbeat_status(stored, sent) == after


@pytest.mark.parametrize("reserved", ["updating", "deleting", "provisioning"])
def test_an_agent_may_not_claim_the_server_s_statuses(reserved: str) -> None:
    with pytest.raises(DomainError) as refused:
        agents.heartbeat_status("online", reserved)
    assert refused.value.status == 422


@pytest.mark.acceptance("boards-and-groups.9")
def test_the_limit_of_workers() -> None:
    agents.check_limit(1, 2)
    with pytest.raises(DomainError, match="max_agents=2"):
        agents.check_limit(2, 2)


# -- boards ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "confirmed", "objective", "metrics", "fits"),
    [
        ("goal", True, None, None, False),
        ("goal", True, "x", {}, False),
        ("goal", True, "x", {"a": 1}, True),
        ("goal", False, None, None, True),
        ("general", True, None, None, True),
    ],
)
def test_confirmed_goals_say_what_they_are(
    kind: str, confirmed: bool, objective: str | None, metrics: Any, fits: bool
) -> None:
    if fits:
        boards.check_goal(kind, confirmed, objective, metrics)
    else:
        with pytest.raises(DomainError):
            boards.check_goal(kind, confirmed, objective, metrics)


@pytest.mark.parametrize(
    "change", [{"name": None}, {"description": " "}, {"max_agents": -1}, {"max_agents": 2**31}, {"description": None}]
)
def test_boards_refuse_nulls_blanks_and_nonsense(change: dict[str, Any]) -> None:
    with pytest.raises(DomainError) as refused:
        boards.check_fields(change)
    assert refused.value.status == 422 and isinstance(refused.value.detail, list)


# -- custom fields ---------------------------------------------------------------------------------------------------


def definition(kind: str, pattern: str | None = None, *, required: bool = False, default: Any = None) -> Any:
    return SimpleNamespace(
        field_key="k", field_type=kind, validation_regex=pattern, required=required, default_value=default
    )


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("text", "x", 1),
        ("integer", 5, 1.0),
        ("integer", -1, True),
        ("decimal", 1.5, True),
        ("boolean", False, 0),
        ("date", "2026-11-24", "24.11.2026"),
        ("date_time", "2026-11-24T10:00:00Z", "later"),
        ("url", "https://x.org/a", "ftp://x"),
        ("url", "http://h", "http://["),
        ("json", {"a": 1}, "text"),
        ("text_long", "", []),
    ],
)
def test_values_of_every_type(kind: str, good: Any, bad: Any) -> None:
    assert fields.problem(definition(kind), good) is None
    assert fields.problem(definition(kind), bad) is not None
    assert fields.problem(definition(kind), None) is None


def test_patterns_match_the_whole_text_and_run_out_of_time() -> None:
    assert fields.problem(definition("text", "[a-z]+"), "abc") is None
    assert fields.problem(definition("text", "[a-z]+"), "abc1") is not None
    assert fields.problem(definition("text", r"(a+)+$"), "a" * 40 + "b") is not None


def merged(stored: dict[str, Any], sent: dict[str, Any], *, creating: bool, **kind: Any) -> Any:
    try:
        return fields.merge({"k": definition("text", **kind)}, stored, sent, creating=creating)
    except DomainError as error:
        return next(key for key in error.detail if key != "message")


@pytest.mark.parametrize(
    ("stored", "sent", "creating", "kind", "after"),
    [
        ({}, {"k": "v"}, True, {}, {"k": "v"}),
        ({}, {}, True, {"default": "d"}, {"k": "d"}),
        ({}, {"k": None}, True, {"default": "d", "required": True}, "missing_field_keys"),
        ({}, {}, True, {"required": True}, "missing_field_keys"),
        ({}, {"z": 1}, True, {}, "unknown_field_keys"),
        ({}, {"k": 5}, True, {}, "field_key"),
        ({"k": "v"}, {"k": None}, False, {}, {}),
        ({"k": "v"}, {}, False, {"required": True}, {"k": "v"}),
        ({}, {}, False, {"required": True, "default": "d"}, {}),
        ({"k": "v"}, {"k": None}, False, {"required": True}, "missing_field_keys"),
    ],
)
def test_values_are_merged(stored: Any, sent: Any, creating: bool, kind: Any, after: Any) -> None:
    assert merged(stored, sent, creating=creating, **kind) == after
