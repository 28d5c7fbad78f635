"""What happens to a task when somebody asks for a change: pure decisions, no I/O.

`decide` answers with the task's next state or raises the error of the rule that stands in the way. The order in which
rules are asked is part of the contract: it decides which error a client sees.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from api.domain.actor import Actor, Agent
from api.domain.errors import Code, Conflict, Forbidden, Invalid


class Status(StrEnum):
    """Where a task stands."""

    INBOX = "inbox"
    IN_PROGRESS = "in_progress"
    REVIEW = "review"
    DONE = "done"


WORKER_FIELDS = {"status", "comment", "custom_field_values"}
LEAD_FIELDS = {"assigned_agent_id", "status", "depends_on_task_ids", "tag_ids", "custom_field_values"}


@dataclass(frozen=True, slots=True)
class BoardRules:
    """The gates a board has switched on."""

    require_approval_for_done: bool = True
    require_review_before_done: bool = False
    comment_required_for_review: bool = False
    block_status_changes_with_pending_approval: bool = False
    only_lead_can_change_status: bool = False

    @classmethod
    def of(cls, board: Any) -> BoardRules:
        """The rules of a board row."""
        return cls(**{name: getattr(board, name) for name in cls.__dataclass_fields__})


@dataclass(frozen=True, slots=True)
class State:
    """The part of a task that the rules move."""

    status: Status
    assignee_id: UUID | None = None
    in_progress_at: datetime | None = None
    previous_in_progress_at: datetime | None = None
    reviewed_work_of: UUID | None = None
    #: The task was put back by the rules although the request did not ask for it.
    was_reset: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules need to know beyond the task itself."""

    blocked_by: tuple[UUID, ...] = ()
    lead_id: UUID | None = None
    #: The worker that gets a returned task back, if it still can.
    last_worker_id: UUID | None = None
    has_pending_approval: bool = False
    has_approved_approval: bool = False
    has_recent_comment: bool = False
    #: Where the agent of the request's `assigned_agent_id` works and whether it leads; None if not given.
    assignee_on_board: bool = True
    assignee_is_lead: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """A change as asked for: only the keys that were given. `refuses_blocked` is GraphQL's manner (no silent reset)."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    refuses_blocked: bool = False

    def has(self, name: str) -> bool:
        """Whether the key was given."""
        return name in self.fields

    @property
    def status(self) -> Status | None:
        """The status asked for."""
        value = self.fields.get("status")
        return None if value is None else Status(value)

    @property
    def comment(self) -> str:
        """The inline comment, trimmed; blank counts as none."""
        return str(self.fields.get("comment") or "").strip()


def decide(task: State, request: Request, by: Actor, rules: BoardRules, facts: Facts, now: datetime) -> State:
    """The next state of `task`. Raises `Forbidden`, `Conflict` or `Invalid` with the contract's code and detail."""
    request = _without_same_status(task, request, by)
    if isinstance(by, Agent) and by.is_lead:
        after = _by_lead(task, request, facts, now)
    elif isinstance(by, Agent):
        after = _by_worker(task, request, by, rules, facts, now)
    else:
        after = _by_user(task, request, facts, now)
    _gates(task, after, request, by, rules, facts)
    return after


def asks_nothing(task: State, request: Request, by: Actor) -> bool:
    """The request only repeats the status that the task has, so it changes and records nothing."""
    return bool(request.fields) and not _without_same_status(task, request, by).fields


def _without_same_status(task: State, request: Request, by: Actor) -> Request:
    """A status the task already has counts as absent; the exception is a worker that claims a task without assignee."""
    if request.status != task.status:
        return request
    claims = isinstance(by, Agent) and not by.is_lead and task.assignee_id is None and task.status is Status.IN_PROGRESS
    if claims:
        return request
    rest = {key: value for key, value in request.fields.items() if key != "status"}
    return replace(request, fields=rest)


# -- people ----------------------------------------------------------------------------------------------------------


def _by_user(task: State, request: Request, facts: Facts, now: datetime) -> State:
    wanted = request.status
    if request.fields.get("assigned_agent_id") is not None and not facts.assignee_on_board:
        raise Conflict("The agent works on another board.", detail="Conflict")
    stays_done = task.status is Status.DONE and wanted in (None, Status.DONE)
    if facts.blocked_by and not stays_done:
        if not request.refuses_blocked:
            return State(Status.INBOX, reviewed_work_of=task.reviewed_work_of, was_reset=True)
        if wanted not in (None, Status.INBOX) or request.fields.get("assigned_agent_id") is not None:
            raise blocked(facts.blocked_by)
    return _enter(task, request, facts, now, assignee_in_progress=task.assignee_id)


def _enter(task: State, request: Request, facts: Facts, now: datetime, assignee_in_progress: UUID | None) -> State:
    """Timestamps and assignee on entering the requested status, for people and workers."""
    wanted = request.status
    supplied: UUID | None = request.fields.get("assigned_agent_id")
    assignee = supplied if request.has("assigned_agent_id") else task.assignee_id
    if wanted in (Status.INBOX, Status.REVIEW):
        assignee = supplied
        if wanted is Status.REVIEW and facts.lead_id is not None:
            assignee = facts.lead_id
        return replace(
            task,
            status=wanted,
            assignee_id=assignee,
            in_progress_at=None,
            previous_in_progress_at=task.in_progress_at,
        )
    if wanted is Status.IN_PROGRESS:
        holder = supplied if request.has("assigned_agent_id") else assignee_in_progress
        return replace(task, status=wanted, assignee_id=holder, in_progress_at=now)
    return replace(task, status=wanted or task.status, assignee_id=assignee)


# -- workers ---------------------------------------------------------------------------------------------------------


def _by_worker(task: State, request: Request, by: Agent, rules: BoardRules, facts: Facts, now: datetime) -> State:
    wanted = request.status
    if wanted is not None and task.assignee_id not in (None, by.id):
        raise _worker_error("The task is assigned to another agent.", "task_assignee_mismatch")
    extra = {
        key for key, value in request.fields.items()
        if key not in WORKER_FIELDS and not (key in ("depends_on_task_ids", "tag_ids") and value is None)
    }  # fmt: skip
    if extra:
        raise _worker_error(
            f"Workers may set status, comment and custom field values only, not {', '.join(sorted(extra))}.",
            "task_update_field_forbidden",
        )
    if wanted is None:
        return task
    if rules.only_lead_can_change_status:
        raise Forbidden("On this board only the lead changes the status of tasks.")
    if wanted is not Status.INBOX and facts.blocked_by:
        raise blocked(facts.blocked_by)
    after = _enter(task, request, facts, now, assignee_in_progress=by.id)
    if wanted is Status.DONE:
        after = replace(after, assignee_id=by.id)
    if wanted is Status.REVIEW:
        after = replace(after, reviewed_work_of=by.id)
    return after


def _worker_error(message: str, code: str) -> Forbidden:
    return Forbidden(message, detail={"message": message, "code": code}, reason=code)


# -- leads -----------------------------------------------------------------------------------------------------------


def _by_lead(task: State, request: Request, facts: Facts, now: datetime) -> State:
    check_lead_fields(request)
    if facts.blocked_by and (request.status is not None or request.has("assigned_agent_id")):
        raise blocked(facts.blocked_by)
    after = task
    if request.has("assigned_agent_id"):
        after = _assigned_by_lead(task, request, facts)
    wanted = request.status
    if wanted is None:
        return after
    if task.status is Status.INBOX and wanted is Status.IN_PROGRESS and request.fields.get("assigned_agent_id"):
        return replace(after, status=wanted, in_progress_at=now)
    if task.status is not Status.REVIEW:
        raise Forbidden(
            f"A lead moves tasks out of review, or starts one by assigning it; this task is in {task.status.value}."
        )
    if wanted is Status.DONE:
        return replace(after, status=wanted)
    if wanted is Status.INBOX:
        return replace(after, status=wanted, assignee_id=facts.last_worker_id, in_progress_at=None)
    raise Forbidden(f"From review a lead moves to done or inbox, not to {wanted.value}.")


def check_lead_fields(request: Request) -> None:
    """A lead changes assignment, status, dependencies, tags and custom fields; comments have their own route."""
    if request.comment:
        raise Forbidden("A lead comments through the comments of the task, not inside an update.")
    extra = {key for key in request.fields if key not in LEAD_FIELDS and key != "comment"}
    if extra:
        raise Forbidden(f"A lead may not set {', '.join(sorted(extra))}; allowed are {', '.join(sorted(LEAD_FIELDS))}.")


def _assigned_by_lead(task: State, request: Request, facts: Facts) -> State:
    wanted: UUID | None = request.fields["assigned_agent_id"]
    if wanted is None:
        return replace(task, assignee_id=None)
    if facts.assignee_is_lead:
        raise Forbidden("A lead assigns tasks to workers, not to a lead.")
    if not facts.assignee_on_board:
        raise Conflict("The agent works on another board.", detail="Conflict")
    return replace(task, assignee_id=wanted)


# -- gates -----------------------------------------------------------------------------------------------------------


def _gates(before: State, after: State, request: Request, by: Actor, rules: BoardRules, facts: Facts) -> None:
    """Pending approval, review first, approval, comment: in this order."""
    moved = before.status is not after.status
    if (
        rules.block_status_changes_with_pending_approval
        and request.status not in (None, before.status)
        and moved
        and facts.has_pending_approval
    ):
        raise _gate(Code.PENDING_APPROVAL, "A pending approval is linked to this task; decide it first.")
    if moved and after.status is Status.DONE:
        if rules.require_review_before_done and before.status is not Status.REVIEW:
            raise _gate(Code.REVIEW_REQUIRED, "On this board a task becomes done only from review.")
        if rules.require_approval_for_done and not facts.has_approved_approval:
            raise _gate(Code.APPROVAL_REQUIRED, "On this board a task becomes done only with an approved approval.")
    leads = isinstance(by, Agent) and by.is_lead
    if (
        rules.comment_required_for_review
        and request.status is Status.REVIEW
        and not leads
        and not after.was_reset
        and not (request.comment or facts.has_recent_comment)
    ):
        raise Invalid("This board asks for a comment with the move to review.", code=Code.COMMENT_REQUIRED)


def _gate(code: Code, message: str) -> Conflict:
    return Conflict(message, code=code, detail={"message": message, "blocked_by_task_ids": []})


def blocked(by: tuple[UUID, ...]) -> Conflict:
    """The error of a task that waits for others, with their ids."""
    ids = [str(task_id) for task_id in by]
    message = "The task waits for tasks that are not done."
    return Conflict(
        message, code=Code.TASK_BLOCKED, blocked_by_task_ids=ids,
        detail={"message": message, "code": "task_blocked_cannot_transition", "blocked_by_task_ids": ids},
    )  # fmt: skip


def check_create(blocked_by: tuple[UUID, ...], status: Status, assignee_id: UUID | None) -> None:
    """A task that waits for others is created in the inbox, without assignee."""
    if blocked_by and (assignee_id is not None or status is not Status.INBOX):
        raise blocked(blocked_by)


def reopened_dependent(task: State) -> State | None:
    """What becomes of a task when one it depends on is re-opened; None if nothing."""
    if task.status is Status.DONE:
        return None
    if task.status is Status.INBOX and task.assignee_id is None and task.in_progress_at is None:
        return None
    return replace(task, status=Status.INBOX, assignee_id=None, in_progress_at=None)


def comment_allowed(lead: Agent, status: Status, mentioned_before: bool, created_by_lead: bool) -> None:
    """A lead comments on a task in review, on one that mentions it, or on one that it created."""
    if lead.is_lead and not (status is Status.REVIEW or mentioned_before or created_by_lead):
        raise Forbidden("A lead comments on tasks in review, tasks that mention it, or tasks that it created.")
