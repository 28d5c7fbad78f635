"""Approvals: ask, decide, re-open. One pending approval a task, held by locking the tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, and_, exists, func, or_, select

from api.domain import access
from api.domain.activity import record
from api.domain.actor import Agent as AgentActor
from api.domain.actor import User as UserActor
from api.domain.agents.tables import Agent
from api.domain.approvals import rules
from api.domain.approvals.rules import ApprovalStatus
from api.domain.approvals.tables import Approval, ApprovalTaskLink
from api.domain.boards.operations import lead_of
from api.domain.boards.tables import Board, Gateway
from api.domain.context import Context
from api.domain.errors import Code, Conflict, Forbidden, NotFound, field_error
from api.domain.paging import Listing, Order, among
from api.domain.tasks.tables import Task

PENDING = ApprovalStatus.PENDING.value


def listing(*where: ColumnElement[bool]) -> Listing:
    """Newest first."""
    return Listing(Approval, (Order(Approval.created_at, descending=True),), where, Approval.board_id)


def visible(ctx: Context) -> ColumnElement[bool]:
    """Approvals of boards that the caller reads in the active organisation."""
    access.signed_in(ctx.actor)
    return access.readable_boards(ctx.actor, column=Approval.board_id)


def about_task(task_id: Any) -> ColumnElement[bool]:
    """Approvals linked to a task, by link row, or by the older column when they have no link rows at all."""
    link = ApprovalTaskLink
    linked = exists(select(link.id).where(link.approval_id == Approval.id, link.task_id == task_id))
    any_link = exists(select(link.id).where(link.approval_id == Approval.id))
    return or_(linked, and_(Approval.task_id == task_id, ~any_link))


async def find(ctx: Context, approval_id: UUID, board_id: UUID | None = None, *, lock: bool = False) -> Approval:
    """The approval; on another board than asked for, or unknown, it is `NotFound`."""
    statement = select(Approval).where(Approval.id == approval_id)
    approval: Approval | None = await ctx.one(
        statement.with_for_update(key_share=True).execution_options(populate_existing=True) if lock else statement
    )
    if approval is None or (board_id is not None and approval.board_id != board_id):
        raise NotFound()
    return approval


async def request_approval(ctx: Context, board_id: UUID, draft: Mapping[str, Any]) -> Approval:
    """Ask for a decision. Agents ask only for pending ones, and in their own name."""
    actor = access.signed_in(ctx.actor)
    status = ApprovalStatus(draft.get("status") or PENDING)
    payload = rules.with_reasoning(draft.get("payload"), draft.get("lead_reasoning"))
    task_ids = rules.linked_tasks(draft.get("task_id"), draft.get("task_ids"), draft.get("payload"))
    async with ctx.write():
        board = access.write_board(actor, await ctx.one(select(Board).where(Board.id == board_id)))
        if isinstance(actor, AgentActor) and status is not ApprovalStatus.PENDING:
            raise Forbidden("Agents ask for approvals; people decide them.")
        await _lock_tasks(ctx, board.id, task_ids)
        agent_id = actor.id if isinstance(actor, AgentActor) else draft.get("agent_id")
        if agent_id is not None and not isinstance(actor, AgentActor):
            mains = select(Gateway.id).where(Gateway.organization_id == board.organization_id)
            own = (Agent.board_id == board.id) | (Agent.board_id.is_(None) & Agent.gateway_id.in_(mains))
            known = await ctx.one(select(Agent.id).where(Agent.id == agent_id, own))
            if known is None:
                raise NotFound("There is no such agent on this board.")
        if status is ApprovalStatus.PENDING:
            await _check_conflicts(ctx, board.id, task_ids)
        moment = ctx.now()
        decided = status is not ApprovalStatus.PENDING
        approval = Approval(
            id=uuid4(), board_id=board.id, task_id=task_ids[0] if task_ids else None, agent_id=agent_id,
            action_type=draft["action_type"], payload=payload, confidence=draft["confidence"],
            rubric_scores=draft.get("rubric_scores"), status=status.value, created_at=moment,
            resolved_at=moment if decided else None,
            requested_by_agent_id=agent_id, requested_by_user_id=actor.id if isinstance(actor, UserActor) else None,
            decided_by_user_id=actor.id if decided else None,
        )  # fmt: skip
        ctx.add(approval)
        await ctx.flush()
        for index, task_id in enumerate(task_ids):
            created = moment + timedelta(microseconds=index)  # keeps the order
            ctx.add(ApprovalTaskLink(id=uuid4(), approval_id=approval.id, task_id=task_id, created_at=created))
        await ctx.flush()
        _emit(ctx, "approval.requested", board, approval)
    return approval


async def decide_approval(
    ctx: Context, approval_id: UUID, change: Mapping[str, Any], *, board_id: UUID | None = None
) -> Approval:
    """Approve, reject or re-open: people with write access only. Records who decided, when, with what note."""
    async with ctx.write():
        approval = await find(ctx, approval_id, board_id, lock=True)
        board = access.write_board(ctx.actor, await ctx.one(select(Board).where(Board.id == approval.board_id)))
        access.decides(ctx.actor, board)
        if "status" in change and change["status"] is None:
            raise field_error("status", "status must not be null")
        if change.get("status") is None:
            return approval
        task_ids = await tasks_of(ctx, [approval])
        before = approval.status
        decision = rules.decide(before, approval.resolved_at, ApprovalStatus(change["status"]), ctx.now())
        if decision.reopens:
            await _lock_tasks(ctx, board.id, task_ids[approval.id], must_exist=False)
            await _check_conflicts(ctx, board.id, task_ids[approval.id], besides=approval.id)
        if not decision.changed and decision.resolved_at == approval.resolved_at:
            return approval
        approval.status, approval.resolved_at = decision.status.value, decision.resolved_at
        if decision.reopens:
            approval.decided_by_user_id = approval.decision_note = None
        else:
            approval.decided_by_user_id = access.person(ctx.actor).id
            approval.decision_note = (change.get("note") or "").strip() or None
        await ctx.flush()
        kind = "approval.reopened" if decision.reopens else f"approval.{decision.status.value}"
        changes = [{"field": "status", "before": before, "after": approval.status}]
        row = record(
            ctx, "approval.decided" if not decision.reopens else "approval.reopened",
            f"Approval {approval.action_type}: {before} → {approval.status}", board_id=board.id,
            task_id=approval.task_id,
        )  # fmt: skip
        await ctx.flush()
        _emit(ctx, kind, board, approval, changes if decision.changed else [], row.id)
        if decision.told:
            await _tell(ctx, board, approval, task_ids[approval.id])
    return approval


async def tasks_of(ctx: Context, approvals: Sequence[Any]) -> dict[UUID, list[UUID]]:
    """The linked tasks of each approval in link order, falling back to the older column; one statement."""
    ids = [approval.id if isinstance(approval.id, UUID) else UUID(str(approval.id)) for approval in approvals]
    found: dict[UUID, list[UUID]] = {approval_id: [] for approval_id in ids}
    statement = (
        select(ApprovalTaskLink.approval_id, ApprovalTaskLink.task_id)
        .where(among(ApprovalTaskLink.approval_id, ids))
        .order_by(ApprovalTaskLink.created_at, ApprovalTaskLink.id)
    )
    for approval_id, task_id in await ctx.rows(statement):
        found[approval_id].append(task_id)
    for approval, approval_id in zip(approvals, ids, strict=True):
        if not found[approval_id] and getattr(approval, "task_id", None):
            found[approval_id] = [UUID(str(approval.task_id))]
    return found


async def counts(ctx: Context, board_id: UUID, task_ids: Sequence[UUID]) -> dict[UUID, tuple[int, int]]:
    """How many approvals, and how many pending ones, are linked to each task."""
    if not task_ids:
        return {}
    legacy = select(Approval.task_id.label("task_id"), Approval.status.label("status")).where(
        Approval.task_id.in_(task_ids), Approval.board_id == board_id,
        ~exists(select(ApprovalTaskLink.id).where(ApprovalTaskLink.approval_id == Approval.id)),
    )  # fmt: skip
    linked = (
        select(ApprovalTaskLink.task_id, Approval.status)
        .join(Approval, Approval.id == ApprovalTaskLink.approval_id)
        .where(ApprovalTaskLink.task_id.in_(task_ids), Approval.board_id == board_id)
    )
    united = legacy.union_all(linked).subquery()
    statement = select(united.c.task_id, func.count(), func.count().filter(united.c.status == PENDING)).group_by(
        united.c.task_id
    )
    return {task_id: (total, pending) for task_id, total, pending in await ctx.rows(statement)}


async def pending_count(ctx: Context, board_id: UUID) -> int:
    """How many approvals of the board wait for a decision."""
    statement = select(func.count()).select_from(Approval).where(
        Approval.board_id == board_id, Approval.status == PENDING
    )  # fmt: skip
    return int((await ctx.run(statement)).scalar_one())


async def _lock_tasks(ctx: Context, board_id: UUID, task_ids: Sequence[UUID], *, must_exist: bool = True) -> None:
    """Serialise approvals about common tasks; tasks that are not on the board do not exist."""
    if not task_ids:
        return
    known = set(
        await ctx.all(
            select(Task.id)
            .where(Task.id.in_(task_ids), Task.board_id == board_id)
            .order_by(Task.id)
            .with_for_update(key_share=True)
        )
    )
    missing = [str(task_id) for task_id in task_ids if task_id not in known]
    if missing and must_exist:
        message = "Some tasks are not on this board."
        raise NotFound(message, detail={"message": message, "missing_task_ids": missing}, missing_task_ids=missing)


async def _check_conflicts(ctx: Context, board_id: UUID, task_ids: Sequence[UUID], besides: UUID | None = None) -> None:
    if not task_ids:
        return
    link = ApprovalTaskLink
    pending = and_(Approval.board_id == board_id, Approval.status == PENDING, Approval.id != (besides or UUID(int=0)))
    by_link = (
        select(link.task_id, Approval.id, Approval.created_at).join(Approval, Approval.id == link.approval_id)
        .where(pending, link.task_id.in_(task_ids))
    )  # fmt: skip
    legacy = select(Approval.task_id, Approval.id, Approval.created_at).where(
        pending,
        Approval.task_id.in_(task_ids),
        ~exists(select(link.id).where(link.approval_id == Approval.id)),
    )
    first: dict[UUID, UUID] = {}
    for statement in (by_link, legacy):
        for task_id, approval_id, _ in await ctx.rows(statement.order_by(Approval.created_at, Approval.id)):
            first.setdefault(task_id, approval_id)
    if first:
        message = "Another pending approval is linked to one of these tasks."
        conflicts = [
            {"task_id": str(task_id), "approval_id": str(first[task_id])} for task_id in sorted(first, key=str)
        ]
        raise Conflict(
            message, code=Code.APPROVAL_CONFLICT, detail={"message": message, "conflicts": conflicts},
            conflicts=conflicts,
        )  # fmt: skip


def _emit(
    ctx: Context, kind: str, board: Board, approval: Approval, changes: list[dict[str, Any]] | None = None,
    activity_id: UUID | None = None,
) -> None:  # fmt: skip
    ctx.emit(
        kind, subject_id=approval.id, task_id=approval.task_id, board_id=board.id,
        organization_id=board.organization_id, changes=changes, activity_id=activity_id,
    )  # fmt: skip


async def _tell(ctx: Context, board: Board, approval: Approval, task_ids: list[UUID]) -> None:
    """The lead, and the agent that asked, hear of the decision."""
    lead = await lead_of(ctx, board.id)
    recipients = {agent_id for agent_id in (lead.id if lead else None, approval.requested_by_agent_id) if agent_id}
    lines = [
        "APPROVAL RESOLVED", f"Board: {board.name}", f"Approval id: {approval.id}", f"Action: {approval.action_type}",
        f"Decision: {approval.status}", f"Confidence: {approval.confidence:g}",
    ]  # fmt: skip
    if task_ids:
        lines.append(f"{'Task' if len(task_ids) == 1 else 'Tasks'}: {', '.join(map(str, task_ids))}")
    if approval.decision_note:
        lines.append(f"Note: {approval.decision_note}")
    lines += ["", "Go on from this decision."]
    alive = await ctx.all(select(Agent.id).where(Agent.id.in_(recipients))) if recipients else []
    for agent_id in alive:
        ctx.tell(
            agent_id, "approval.resolved", "\n".join(lines), board_id=board.id, task_id=approval.task_id,
            data={"approval_id": str(approval.id), "status": approval.status},
        )  # fmt: skip
