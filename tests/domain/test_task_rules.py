"""The state machine of tasks as tables of cases: who moves what, what stands in the way, what becomes of the task."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from api.domain.actor import Agent, User
from api.domain.errors import Code, DomainError
from api.domain.tasks.rules import (
    BoardRules,
    Facts,
    Request,
    State,
    Status,
    check_create,
    comment_allowed,
    decide,
    reopened_dependent,
)

NOW = datetime(2026, 11, 24, 12, 0)
EARLIER = datetime(2026, 11, 24, 9, 0)
ME, OTHER, LEAD, WORKER, BLOCKER = (UUID(int=number) for number in range(1, 6))
BOARD = UUID(int=99)

PERSON = User(UUID(int=50), "Ada", None, {})
OWN = Agent(ME, "Wim", BOARD, None, None, is_lead=False)
LEADS = Agent(LEAD, "Lena", BOARD, None, None, is_lead=True)
OPEN = BoardRules(require_approval_for_done=False)
WITH_LEAD = Facts(lead_id=LEAD, last_worker_id=WORKER)

INBOX, IN_PROGRESS, REVIEW, DONE = Status


def state(status: Status, assignee: UUID | None = None, since: datetime | None = None, **rest: Any) -> State:
    return State(status, assignee, since, **rest)


def ask(**fields: Any) -> Request:
    return Request(fields)


def outcome(
    task: State, request: Request, by: Any, rules: BoardRules = OPEN, facts: Facts = WITH_LEAD
) -> State | tuple[int, str]:
    """The next state, or the status and code of the refusal."""
    try:
        return decide(task, request, by, rules, facts, NOW)
    except DomainError as error:
        return error.status, error.code.name


# -- people: any status to any status -------------------------------------------------------------------------------

PEOPLE = [
    (INBOX, IN_PROGRESS, state(IN_PROGRESS, OTHER, NOW)),
    (INBOX, REVIEW, state(REVIEW, LEAD, None, previous_in_progress_at=EARLIER)),
    (INBOX, DONE, state(DONE, OTHER, EARLIER)),
    (IN_PROGRESS, INBOX, state(INBOX, None, None, previous_in_progress_at=EARLIER)),
    (IN_PROGRESS, REVIEW, state(REVIEW, LEAD, None, previous_in_progress_at=EARLIER)),
    (IN_PROGRESS, DONE, state(DONE, OTHER, EARLIER)),
    (REVIEW, INBOX, state(INBOX, None, None, previous_in_progress_at=EARLIER)),
    (REVIEW, IN_PROGRESS, state(IN_PROGRESS, OTHER, NOW)),
    (REVIEW, DONE, state(DONE, OTHER, EARLIER)),
    (DONE, INBOX, state(INBOX, None, None, previous_in_progress_at=EARLIER)),
    (DONE, IN_PROGRESS, state(IN_PROGRESS, OTHER, NOW)),
    (DONE, REVIEW, state(REVIEW, LEAD, None, previous_in_progress_at=EARLIER)),
]


@pytest.mark.parametrize(("before", "wanted", "after"), PEOPLE)
def test_a_person_moves_a_task_from_any_status_to_any(before: Status, wanted: Status, after: State) -> None:
    assert outcome(state(before, OTHER, EARLIER), ask(status=wanted.value), PERSON) == after


@pytest.mark.parametrize("status", list(Status))
def test_the_same_status_again_changes_nothing(status: Status) -> None:
    task = state(status, OTHER, EARLIER, previous_in_progress_at=EARLIER)
    assert outcome(task, ask(status=status.value), PERSON) == task


def test_an_assignee_in_the_same_change_survives_the_move_to_inbox() -> None:
    moved = outcome(state(IN_PROGRESS, OTHER, EARLIER), ask(status="inbox", assigned_agent_id=ME), PERSON)
    assert moved == state(INBOX, ME, None, previous_in_progress_at=EARLIER)


def test_without_a_lead_review_keeps_the_supplied_assignee() -> None:
    moved = outcome(
        state(IN_PROGRESS, OTHER, EARLIER), ask(status="review", assigned_agent_id=ME), PERSON, facts=Facts()
    )
    assert isinstance(moved, State) and moved.assignee_id == ME


def test_the_lead_overrides_the_supplied_assignee_in_review() -> None:
    moved = outcome(state(IN_PROGRESS, OTHER, EARLIER), ask(status="review", assigned_agent_id=ME), PERSON)
    assert isinstance(moved, State) and moved.assignee_id == LEAD


def test_unassigning_does_not_move_the_task() -> None:
    task = state(IN_PROGRESS, OTHER, EARLIER)
    assert outcome(task, ask(assigned_agent_id=None), PERSON) == replace(task, assignee_id=None)


def test_an_agent_of_another_board_cannot_be_assigned() -> None:
    facts = replace(WITH_LEAD, assignee_on_board=False)
    assert outcome(state(INBOX), ask(assigned_agent_id=OTHER), PERSON, facts=facts) == (409, "CONFLICT")


# -- workers ---------------------------------------------------------------------------------------------------------

WORKERS = [
    (state(INBOX), "in_progress", state(IN_PROGRESS, ME, NOW)),
    (state(INBOX, ME), "in_progress", state(IN_PROGRESS, ME, NOW)),
    (state(INBOX, OTHER), "in_progress", (403, "FORBIDDEN")),
    (state(IN_PROGRESS, ME, EARLIER), "inbox", state(INBOX, None, None, previous_in_progress_at=EARLIER)),
    (
        state(IN_PROGRESS, ME, EARLIER), "review",
        state(REVIEW, LEAD, None, previous_in_progress_at=EARLIER, reviewed_work_of=ME),
    ),
    (state(IN_PROGRESS, ME, EARLIER), "done", state(DONE, ME, EARLIER)),
    (state(INBOX), "done", state(DONE, ME)),
    (state(REVIEW, LEAD), "in_progress", (403, "FORBIDDEN")),
    (state(REVIEW), "done", state(DONE, ME)),
    (state(DONE, ME), "in_progress", state(IN_PROGRESS, ME, NOW)),
    (state(IN_PROGRESS, None, EARLIER), "in_progress", state(IN_PROGRESS, ME, NOW)),
]  # fmt: skip


@pytest.mark.parametrize(("task", "wanted", "after"), WORKERS)
@pytest.mark.acceptance("tasks.4", "tasks.5", "tasks.6")
def test_a_worker_moves_its_own_and_free_tasks(task: State, wanted: str, after: Any) -> None:
    assert outcome(task, ask(status=wanted), OWN) == after


@pytest.mark.parametrize("field", ["title", "description", "priority", "due_at", "assigned_agent_id"])
@pytest.mark.acceptance("tasks.5")
def test_a_worker_may_not_set_other_fields(field: str) -> None:
    with pytest.raises(DomainError) as refused:
        decide(state(INBOX), ask(**{field: None}), OWN, OPEN, WITH_LEAD, NOW)
    assert refused.value.detail["code"] == "task_update_field_forbidden"


@pytest.mark.acceptance("tasks.5")
def test_a_mismatch_of_the_assignee_is_said_before_a_forbidden_field() -> None:
    with pytest.raises(DomainError) as refused:
        decide(state(INBOX, OTHER), ask(status="done", title="x"), OWN, OPEN, WITH_LEAD, NOW)
    assert refused.value.detail["code"] == "task_assignee_mismatch"


def test_null_dependencies_and_tags_count_as_absent_for_workers() -> None:
    task = state(INBOX)
    assert outcome(task, ask(depends_on_task_ids=None, tag_ids=None, comment="x"), OWN) == task


def test_a_worker_comments_on_the_task_of_another() -> None:
    task = state(IN_PROGRESS, OTHER, EARLIER)
    assert outcome(task, ask(comment="hello"), OWN) == task


@pytest.mark.acceptance("tasks.4")
def test_only_the_lead_changes_statuses_where_the_board_says_so() -> None:
    rules = replace(OPEN, only_lead_can_change_status=True)
    assert outcome(state(INBOX), ask(status="in_progress"), OWN, rules) == (403, "FORBIDDEN")
    assert isinstance(outcome(state(INBOX), ask(status="in_progress"), PERSON, rules), State)
    returned = outcome(state(REVIEW, LEAD), ask(status="inbox"), LEADS, rules)
    assert isinstance(returned, State) and returned.assignee_id == WORKER


# -- leads -----------------------------------------------------------------------------------------------------------

LEADING = [
    (state(REVIEW, LEAD), {"status": "done"}, state(DONE, LEAD)),
    (
        state(REVIEW, LEAD, None, previous_in_progress_at=EARLIER), {"status": "inbox"},
        state(INBOX, WORKER, None, previous_in_progress_at=EARLIER),
    ),
    (state(REVIEW, LEAD), {"status": "in_progress"}, (403, "FORBIDDEN")),
    (state(INBOX), {"status": "in_progress"}, (403, "FORBIDDEN")),
    (state(INBOX), {"status": "in_progress", "assigned_agent_id": ME}, state(IN_PROGRESS, ME, NOW)),
    (state(INBOX), {"status": "done"}, (403, "FORBIDDEN")),
    (state(IN_PROGRESS, ME), {"status": "review"}, (403, "FORBIDDEN")),
    (state(DONE, ME), {"status": "inbox"}, (403, "FORBIDDEN")),
    (state(DONE, ME), {"assigned_agent_id": OTHER}, state(DONE, OTHER)),
    (state(IN_PROGRESS, ME), {"assigned_agent_id": None}, state(IN_PROGRESS, None)),
    (state(INBOX), {"comment": "no"}, (403, "FORBIDDEN")),
    (state(INBOX), {"comment": "  "}, state(INBOX)),
    (state(INBOX), {"title": "no"}, (403, "FORBIDDEN")),
]  # fmt: skip


@pytest.mark.parametrize(("task", "fields", "after"), LEADING)
def test_a_lead_assigns_and_moves_out_of_review(task: State, fields: dict[str, Any], after: Any) -> None:
    assert outcome(task, ask(**fields), LEADS) == after


def test_a_lead_does_not_assign_to_a_lead() -> None:
    facts = replace(WITH_LEAD, assignee_is_lead=True)
    assert outcome(state(INBOX), ask(assigned_agent_id=LEAD), LEADS, facts=facts) == (403, "FORBIDDEN")


# -- blocked ---------------------------------------------------------------------------------------------------------

BLOCKED = replace(WITH_LEAD, blocked_by=(BLOCKER,))
RESET = State(INBOX, was_reset=True)


@pytest.mark.parametrize(
    ("task", "fields", "by", "after"),
    [
        (state(IN_PROGRESS, ME, EARLIER), {"title": "x"}, PERSON, RESET),
        (state(IN_PROGRESS, ME, EARLIER), {"status": "done"}, PERSON, RESET),
        (state(DONE, ME, EARLIER), {"title": "x"}, PERSON, state(DONE, ME, EARLIER)),
        (state(DONE, ME, EARLIER), {"status": "review"}, PERSON, RESET),
        (state(INBOX), {"status": "in_progress"}, OWN, (409, "TASK_BLOCKED")),
        (state(IN_PROGRESS, ME, EARLIER), {"status": "inbox"}, OWN,
         state(INBOX, None, None, previous_in_progress_at=EARLIER)),
        (state(INBOX), {"comment": "x"}, OWN, state(INBOX)),
        (state(INBOX), {"assigned_agent_id": ME}, LEADS, (409, "TASK_BLOCKED")),
        (state(INBOX), {"status": "inbox"}, LEADS, state(INBOX)),
        (state(INBOX), {"tag_ids": []}, LEADS, state(INBOX)),
    ],
)  # fmt: skip
def test_a_task_that_waits_for_others(task: State, fields: dict[str, Any], by: Any, after: Any) -> None:
    assert outcome(task, ask(**fields), by, facts=BLOCKED) == after


@pytest.mark.parametrize(
    ("fields", "after"),
    [
        ({"title": "x"}, state(IN_PROGRESS, ME, EARLIER)),
        ({"status": "done"}, (409, "TASK_BLOCKED")),
        ({"assigned_agent_id": OTHER}, (409, "TASK_BLOCKED")),
        ({"status": "inbox"}, state(INBOX, None, None, previous_in_progress_at=EARLIER)),
    ],
)
def test_graphql_refuses_instead_of_resetting(fields: dict[str, Any], after: Any) -> None:
    request = Request(fields, refuses_blocked=True)
    assert outcome(state(IN_PROGRESS, ME, EARLIER), request, PERSON, facts=BLOCKED) == after


def test_the_refusal_names_the_blocking_tasks() -> None:
    with pytest.raises(DomainError) as refused:
        decide(state(INBOX), ask(status="in_progress"), OWN, OPEN, BLOCKED, NOW)
    assert refused.value.detail["blocked_by_task_ids"] == [str(BLOCKER)]
    assert refused.value.detail["code"] == "task_blocked_cannot_transition"


@pytest.mark.parametrize(
    ("status", "assignee", "refused"), [(INBOX, None, False), (INBOX, ME, True), (IN_PROGRESS, None, True)]
)
def test_a_waiting_task_is_created_in_the_inbox_only(status: Status, assignee: UUID | None, refused: bool) -> None:
    if refused:
        with pytest.raises(DomainError):
            check_create((BLOCKER,), status, assignee)
    else:
        check_create((BLOCKER,), status, assignee)
    check_create((), status, assignee)


@pytest.mark.parametrize(
    ("task", "after"),
    [
        (state(DONE, ME), None),
        (state(INBOX), None),
        (state(INBOX, ME), state(INBOX)),
        (state(IN_PROGRESS, ME, EARLIER), state(INBOX)),
        (state(REVIEW, LEAD, None, previous_in_progress_at=EARLIER), state(INBOX, previous_in_progress_at=EARLIER)),
    ],
)
def test_a_reopened_dependency_sends_started_work_back(task: State, after: State | None) -> None:
    assert reopened_dependent(task) == after


# -- gates -----------------------------------------------------------------------------------------------------------

ALL_GATES = BoardRules(True, True, True, True, False)


@pytest.mark.parametrize(
    ("before", "wanted", "rules", "facts", "code"),
    [
        (REVIEW, "done", BoardRules(True), Facts(), "APPROVAL_REQUIRED"),
        (REVIEW, "done", BoardRules(True), Facts(has_approved_approval=True), None),
        (IN_PROGRESS, "done", BoardRules(False, True), Facts(), "REVIEW_REQUIRED"),
        (REVIEW, "done", BoardRules(False, True), Facts(), None),
        (IN_PROGRESS, "review", BoardRules(False, False, True), Facts(), "COMMENT_REQUIRED"),
        (IN_PROGRESS, "review", BoardRules(False, False, True), Facts(has_recent_comment=True), None),
        (INBOX, "in_progress", BoardRules(False, False, False, True), Facts(has_pending_approval=True),
         "PENDING_APPROVAL"),
        (INBOX, "inbox", BoardRules(False, False, False, True), Facts(has_pending_approval=True), None),
        (REVIEW, "done", BoardRules(True, False, False, True),
         Facts(has_pending_approval=True, has_approved_approval=True), "PENDING_APPROVAL"),
        (IN_PROGRESS, "done", ALL_GATES, Facts(has_pending_approval=True), "PENDING_APPROVAL"),
        (IN_PROGRESS, "done", ALL_GATES, Facts(), "REVIEW_REQUIRED"),
        (REVIEW, "done", ALL_GATES, Facts(), "APPROVAL_REQUIRED"),
        (DONE, "inbox", ALL_GATES, Facts(), None),
    ],
)  # fmt: skip
def test_the_board_s_gates_in_their_order(
    before: Status, wanted: str, rules: BoardRules, facts: Facts, code: str | None
) -> None:
    for by in (PERSON, OWN):
        found = outcome(state(before, ME, EARLIER), ask(status=wanted), by, rules, facts)
        assert (found[1] if isinstance(found, tuple) else None) == code


def test_an_inline_comment_opens_the_comment_gate() -> None:
    rules = BoardRules(False, False, True)
    assert isinstance(outcome(state(IN_PROGRESS, ME), ask(status="review", comment="done"), OWN, rules), State)
    assert outcome(state(IN_PROGRESS, ME), ask(status="review", comment=" "), OWN, rules) == (422, "COMMENT_REQUIRED")


def test_the_comment_gate_does_not_hold_leads() -> None:
    rules = BoardRules(False, False, True)
    assert outcome(state(IN_PROGRESS, ME), ask(status="review"), LEADS, rules) == (403, "FORBIDDEN")


def test_a_forced_reset_passes_the_pending_approval_gate() -> None:
    rules = BoardRules(False, False, False, True)
    facts = replace(BLOCKED, has_pending_approval=True)
    assert outcome(state(REVIEW, LEAD), ask(depends_on_task_ids=[BLOCKER]), PERSON, rules, facts) == RESET


@pytest.mark.parametrize(
    ("status", "mentioned", "created", "allowed"),
    [
        (REVIEW, False, False, True),
        (INBOX, True, False, True),
        (INBOX, False, True, True),
        (INBOX, False, False, False),
    ],
)
def test_where_a_lead_may_comment(status: Status, mentioned: bool, created: bool, allowed: bool) -> None:
    if allowed:
        comment_allowed(LEADS, status, mentioned, created)
    else:
        with pytest.raises(DomainError) as refused:
            comment_allowed(LEADS, status, mentioned, created)
        assert refused.value.code is Code.FORBIDDEN
    comment_allowed(OWN, status, False, False)
