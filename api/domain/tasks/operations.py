"""Tasks: create, change, claim, delete. Each reads top to bottom: load, ask, decide, write, tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete, func, select, true, update

from api.domain import access
from api.domain.activity import COMMENT, record
from api.domain.activity.tables import ActivityEvent
from api.domain.actor import Actor
from api.domain.actor import Agent as AgentActor
from api.domain.actor import User as UserActor
from api.domain.agents.tables import Agent
from api.domain.approvals.tables import Approval, ApprovalTaskLink
from api.domain.boards.operations import difference
from api.domain.boards.tables import Board, Gateway
from api.domain.context import Context, naive_utc
from api.domain.custom_fields import operations as custom_fields
from api.domain.custom_fields.tables import CustomFieldValue
from api.domain.errors import Code, Conflict, Forbidden, Invalid, NotFound, field_error
from api.domain.events.tables import Event
from api.domain.tags import TagAssignment
from api.domain.tags import operations as tags
from api.domain.tasks import dependencies, notices, rules
from api.domain.tasks.comments import add_comment, board_agents
from api.domain.tasks.queries import PRIORITY_RANK, board_of, facts, find, is_blocked, linked_approval, state_of
from api.domain.tasks.rules import BoardRules, Facts, Request, State, Status
from api.domain.tasks.tables import Task, TaskDependency, TaskFingerprint

#: Columns whose change an event lists.
TRACKED = ("title", "description", "status", "priority", "due_at", "assigned_agent_id")


async def create_task(ctx: Context, board_id: UUID, draft: Mapping[str, Any]) -> Task:
    """Create a task: people with write access, and the board's lead."""
    actor = access.signed_in(ctx.actor)
    _check_fields(draft)
    async with ctx.write():
        board = access.write_board(actor, await ctx.one(select(Board).where(Board.id == board_id)))
        if isinstance(actor, AgentActor):
            access.lead(actor)
        moment = ctx.now()
        task = Task(
            id=uuid4(), board_id=board.id, title=draft["title"], description=draft.get("description"),
            status=str(draft.get("status") or Status.INBOX.value), priority=draft.get("priority") or "medium",
            due_at=naive_utc(draft.get("due_at")), assigned_agent_id=draft.get("assigned_agent_id"),
            created_by_user_id=actor.id if isinstance(actor, UserActor) else None,
            auto_created=isinstance(actor, AgentActor),
            auto_reason=f"lead_agent:{actor.id}" if isinstance(actor, AgentActor) else None,
            created_at=moment, updated_at=moment,
        )  # fmt: skip
        wanted = draft.get("depends_on_task_ids") or []
        depends_on = await dependencies.check(ctx, task, wanted) if wanted else []
        tag_ids = await tags.check_ids(ctx, board.organization_id, draft.get("tag_ids") or [])
        if depends_on:
            open_ones = await ctx.all(select(Task.id).where(Task.id.in_(depends_on), Task.status != Status.DONE.value))
            blocked_by = tuple(task_id for task_id in depends_on if task_id in open_ones)
            rules.check_create(blocked_by, Status(task.status), task.assigned_agent_id)
        assignee = await _assignee(ctx, board, task.assigned_agent_id)
        if assignee is not None:
            _check_new_assignee(actor, board, assignee)
        if task.status == Status.IN_PROGRESS.value:
            task.in_progress_at = moment
        ctx.add(task)
        await ctx.flush()
        await dependencies.store(ctx, task, depends_on)
        await tags.replace_on_task(ctx, task.id, tag_ids)
        await custom_fields.store(ctx, task.id, board.id, draft.get("custom_field_values") or {}, creating=True)
        by_lead = " by the lead" if isinstance(actor, AgentActor) else ""
        row = record(
            ctx, "task.created", f"Task created{by_lead}: {task.title}", task_id=task.id, board_id=board.id,
            to_status=task.status,
        )  # fmt: skip
        await ctx.flush()
        _emit(ctx, "task.created", board, task, row)
        if isinstance(actor, UserActor) and (lead := await _lead(ctx, board)) is not None:
            notices.new_task(ctx, board, task, lead)
        if assignee is not None and assignee.id != actor.id:
            notices.assigned(ctx, board, task, assignee.id, is_lead=assignee.is_board_lead)
    return task


async def update_task(
    ctx: Context, task_id: UUID, change: Mapping[str, Any], *, board_id: UUID | None = None,
    refuses_blocked: bool = False,
) -> Task:  # fmt: skip
    """Change what was given, under the board's rules. Any error leaves the task untouched."""
    actor = access.signed_in(ctx.actor)
    _check_fields(change)
    async with ctx.write():
        await _lock_dependencies(ctx, await find(ctx, task_id, board_id), change)
        task = await find(ctx, task_id, board_id, lock=True)
        board = await board_of(ctx, task, write=True)
        request = Request(change, refuses_blocked)
        leads = isinstance(actor, AgentActor) and actor.is_lead
        if leads:
            rules.check_lead_fields(request)
        elif isinstance(actor, AgentActor):
            # Workers may not touch dependencies and tags: say so before these are looked at.
            rules.decide(state_of(task), request, actor, BoardRules(False), Facts(), ctx.now())
        if rules.asks_nothing(state_of(task), request, actor):
            return task
        tag_ids = None
        if change.get("tag_ids") is not None and not leads:
            tag_ids = await tags.check_ids(ctx, board.organization_id, change["tag_ids"])
        if change.get("depends_on_task_ids") is not None:
            await dependencies.replace(ctx, task, change["depends_on_task_ids"])
        if change.get("tag_ids") is not None and leads:
            tag_ids = await tags.check_ids(ctx, board.organization_id, change["tag_ids"])
        known = (await facts(ctx, [task], change.get("assigned_agent_id")))[task.id]
        if leads and known.blocked_by and (request.status or request.has("assigned_agent_id")):
            raise rules.blocked(known.blocked_by)
        assignee = await _assignee(ctx, board, change.get("assigned_agent_id"))
        if assignee is not None:
            known = replace(
                known, assignee_on_board=assignee.board_id in (None, board.id), assignee_is_lead=assignee.is_board_lead
            )
        before = {name: getattr(task, name) for name in TRACKED}
        after = rules.decide(state_of(task), request, actor, BoardRules.of(board), known, ctx.now())
        _apply(task, change, after)
        task.updated_at = ctx.now()
        if tag_ids is not None:
            await tags.replace_on_task(ctx, task.id, tag_ids)
        if "custom_field_values" in change:
            await custom_fields.store(ctx, task.id, board.id, change["custom_field_values"] or {})
        await ctx.flush()
        if request.comment:
            await add_comment(ctx, board, task, request.comment)
        await _tell_change(ctx, board, task, before, change)
        await dependencies.propagate(ctx, task, board.organization_id, before["status"])
        await _notify(ctx, board, task, before, after, known)
    return task


async def claim_task(ctx: Context, board_id: UUID, task_id: UUID | None = None) -> Task:
    """Take a free task: the one asked for, or the most urgent, oldest one; atomic between any number of agents."""
    actor = access.an_agent(ctx.actor)
    async with ctx.write():
        board = access.write_board(actor, await ctx.one(select(Board).where(Board.id == board_id)))
        if actor.is_lead:
            raise Forbidden("A lead assigns tasks; workers claim them.")
        statement = (
            select(Task.id)
            .where(
                Task.board_id == board.id, Task.status == Status.INBOX.value, Task.assigned_agent_id.is_(None),
                ~is_blocked(),
                ~linked_approval("pending") if board.block_status_changes_with_pending_approval else true(),
            )
            .order_by(PRIORITY_RANK, Task.created_at, Task.id).limit(1).with_for_update(skip_locked=True, of=Task)
        )  # fmt: skip
        if task_id is not None:
            task = await find(ctx, task_id, board_id, lock=True)
            if task.status != Status.INBOX.value or task.assigned_agent_id not in (None, actor.id):
                raise Conflict("The task is not free.", code=Code.NOTHING_TO_CLAIM)
            found: UUID | None = task.id
        else:
            found = await ctx.one(statement)
        if found is None:
            raise Conflict("There is no free task on this board.", code=Code.NOTHING_TO_CLAIM)
        return await update_task(ctx, found, {"status": Status.IN_PROGRESS.value}, board_id=board.id)


async def delete_task(ctx: Context, task_id: UUID, board_id: UUID | None = None) -> Task:
    """Take a task away with all that hangs on it: people with write access, and the board's lead."""
    actor = access.signed_in(ctx.actor)
    async with ctx.write():
        task = await find(ctx, task_id, board_id, lock=True)
        board = await board_of(ctx, task, write=True)
        if isinstance(actor, AgentActor):
            access.lead(actor)
        await _remove(ctx, task)
        _emit(ctx, "task.deleted", board, task, None)
    return task


async def release_stalled(ctx: Context, task: Task, board: Board) -> None:
    """Put a stalled task back into the inbox (the caller holds the row's lock)."""
    before = {name: getattr(task, name) for name in TRACKED}
    task.previous_in_progress_at, task.in_progress_at = task.in_progress_at, None
    task.status, task.assigned_agent_id = Status.INBOX.value, None
    task.stalled_at, task.updated_at = None, ctx.now()
    row = record(
        ctx, "task.status_changed", f"Back to inbox, its agent fell silent: {task.title}", task_id=task.id,
        board_id=board.id, from_status=before["status"], to_status=task.status,
    )  # fmt: skip
    await ctx.flush()
    _emit(
        ctx,
        "task.moved",
        board,
        task,
        row,
        difference(before, {name: getattr(task, name) for name in TRACKED}),
    )
    if (lead := await _lead(ctx, board)) is not None:
        notices.back_in_inbox(ctx, board, task, lead)


async def _lock_dependencies(ctx: Context, task: Task, change: Mapping[str, Any]) -> None:
    """Changes of a board's dependencies, and moves over the done boundary, wait for each other before any row does."""
    crosses = "status" in change and Status.DONE.value in (task.status, change["status"])
    if change.get("depends_on_task_ids") is not None or crosses:
        await ctx.lock_key("dependencies", task.board_id)


# -- parts -----------------------------------------------------------------------------------------------------------


def _check_fields(change: Mapping[str, Any]) -> None:
    for name in ("title", "status", "priority"):
        if name in change and change[name] is None:
            raise field_error(name, f"{name} must not be null")
    if "due_at" in change and change["due_at"] is not None and not 1 <= change["due_at"].year <= 9999:
        raise Invalid("due_at is out of range.")


async def _assignee(ctx: Context, board: Board, agent_id: UUID | None) -> Agent | None:
    """The agent that a request names; of another organisation or unknown, it does not exist."""
    if agent_id is None:
        return None
    organization = func.coalesce(Board.organization_id, Gateway.organization_id)
    agent: Agent | None = await ctx.one(
        select(Agent)
        .outerjoin(Board, Board.id == Agent.board_id)
        .outerjoin(Gateway, Gateway.id == Agent.gateway_id)
        .where(Agent.id == agent_id, organization == board.organization_id)
    )
    if agent is None:
        raise NotFound("There is no such agent in this organisation.")
    return agent


def _check_new_assignee(actor: Actor, board: Board, assignee: Agent) -> None:
    if isinstance(actor, AgentActor) and assignee.is_board_lead:
        raise Forbidden("A lead assigns tasks to workers, not to a lead.")
    if assignee.board_id not in (None, board.id):
        raise Conflict("The agent works on another board.", detail="Conflict")


def _apply(task: Task, change: Mapping[str, Any], after: State) -> None:
    for name in ("title", "description", "priority"):
        if name in change:
            setattr(task, name, change[name])
    if "due_at" in change:
        task.due_at = naive_utc(change["due_at"])
    if task.status != after.status.value or task.assigned_agent_id != after.assignee_id:
        task.stalled_at = None
    task.status = after.status.value
    task.assigned_agent_id = after.assignee_id
    task.in_progress_at = after.in_progress_at
    task.previous_in_progress_at = after.previous_in_progress_at
    task.reviewed_work_of = after.reviewed_work_of


async def _tell_change(
    ctx: Context, board: Board, task: Task, before: Mapping[str, Any], change: Mapping[str, Any]
) -> None:
    changes = difference(before, {name: getattr(task, name) for name in TRACKED})
    for name in ("tag_ids", "depends_on_task_ids", "custom_field_values"):
        if change.get(name) is not None:
            value = change[name]
            after = [str(entry) for entry in value] if isinstance(value, list) else value
            changes.append({"field": name, "before": None, "after": after})
    moved = before["status"] != task.status
    row = record(
        ctx,
        "task.status_changed" if moved else "task.updated",
        f"Moved to {task.status}: {task.title}" if moved else f"Task updated: {task.title}",
        task_id=task.id,
        board_id=board.id,
        from_status=before["status"] if moved else None,
        to_status=task.status if moved else None,
    )
    await ctx.flush()
    assigned = before["assigned_agent_id"] != task.assigned_agent_id
    _emit(
        ctx,
        "task.moved" if moved else "task.assigned" if assigned else "task.updated",
        board,
        task,
        row,
        changes,
    )


def _emit(
    ctx: Context, kind: str, board: Board, task: Task, row: ActivityEvent | None,
    changes: list[dict[str, Any]] | None = None,
) -> None:  # fmt: skip
    ctx.emit(
        kind, subject_id=task.id, task_id=task.id, board_id=board.id, organization_id=board.organization_id,
        activity_id=row.id if row else None, changes=changes,
    )  # fmt: skip


async def _notify(
    ctx: Context, board: Board, task: Task, before: Mapping[str, Any], after: State, known: Facts
) -> None:
    """Who must hear of the change: the new assignee (as rework when the lead sent it back), or the lead."""
    actor = ctx.actor
    holder = task.assigned_agent_id
    if holder is not None and holder != before["assigned_agent_id"] and holder != actor.id:
        returned = (
            isinstance(actor, AgentActor) and actor.is_lead
            and before["status"] == Status.REVIEW.value and task.status == Status.INBOX.value
        )  # fmt: skip
        if returned:
            notices.rework(ctx, board, task, holder, await _latest_comment(ctx, task, actor))
        else:
            notices.assigned(ctx, board, task, holder, is_lead=holder == known.lead_id)
    leads = isinstance(actor, AgentActor) and actor.is_lead
    free = task.status == Status.INBOX.value and holder is None
    was_busy = before["status"] != Status.INBOX.value or before["assigned_agent_id"] is not None
    if not leads and free and was_busy and known.lead_id is not None:
        lead = await _lead(ctx, board)
        if lead is not None:
            notices.back_in_inbox(ctx, board, task, lead)


async def _latest_comment(ctx: Context, task: Task, by: Actor) -> str | None:
    message: str | None = await ctx.one(
        select(ActivityEvent.message)
        .where(
            ActivityEvent.task_id == task.id,
            ActivityEvent.event_type == COMMENT,
            ActivityEvent.agent_id == by.id,
        )
        .order_by(ActivityEvent.created_at.desc(), ActivityEvent.id)
        .limit(1)
    )
    return message


async def _lead(ctx: Context, board: Board) -> Agent | None:
    return next((agent for agent in await board_agents(ctx, board.id) if agent.is_board_lead), None)


async def _remove(ctx: Context, task: Task) -> None:
    """The task and its rows; approvals about it are pointed at their next task, or go when they have none."""
    # The log keeps that something happened, not what it said.
    await ctx.run(update(Event).where(Event.task_id == task.id).values(changes=None))
    await ctx.run(delete(ActivityEvent).where(ActivityEvent.task_id == task.id))
    await ctx.run(delete(TaskFingerprint).where(TaskFingerprint.task_id == task.id))
    await ctx.run(delete(ApprovalTaskLink).where(ApprovalTaskLink.task_id == task.id))
    for approval in await ctx.all(select(Approval).where(Approval.task_id == task.id).with_for_update()):
        approval.task_id = await ctx.one(
            select(ApprovalTaskLink.task_id)
            .where(ApprovalTaskLink.approval_id == approval.id)
            .order_by(ApprovalTaskLink.created_at, ApprovalTaskLink.id)
            .limit(1)
        )
        if approval.task_id is None:
            await ctx.session.delete(approval)
            ctx.emit(
                "approval.deleted", subject_id=approval.id, task_id=task.id, board_id=approval.board_id,
                organization_id=(await ctx.one(select(Board.organization_id).where(Board.id == approval.board_id))),
            )  # fmt: skip
    await ctx.flush()
    await ctx.run(
        delete(TaskDependency).where(
            (TaskDependency.task_id == task.id) | (TaskDependency.depends_on_task_id == task.id)
        )
    )
    await ctx.run(delete(TagAssignment).where(TagAssignment.task_id == task.id))
    await ctx.run(delete(CustomFieldValue).where(CustomFieldValue.task_id == task.id))
    await ctx.session.delete(task)
    await ctx.flush()
