"""Boards: load, list, create, change, delete."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, func, select

from api.domain import access, removal
from api.domain.actor import Agent as AgentActor
from api.domain.agents.lifecycle import ask_lifecycle, close_inbox, removal_of, user_of
from api.domain.agents.rules import session_key
from api.domain.agents.tables import Agent
from api.domain.boards import rules
from api.domain.boards.tables import Board, BoardGroup, Gateway
from api.domain.context import Context
from api.domain.errors import Invalid, field_error
from api.domain.groups.operations import tell_of_change
from api.domain.jobs import Job
from api.domain.paging import Listing, Order

BY_NAME = (Order(func.lower(Board.name)), Order(Board.created_at, descending=True))
NEWEST = (Order(Board.created_at, descending=True),)

#: What `record` compares for the event's changes.
FIELDS = (
    "name", "slug", "description", "gateway_id", "board_group_id", "board_type", "objective", "success_metrics",
    "target_date", "goal_confirmed", "goal_source", "require_approval_for_done", "require_review_before_done",
    "comment_required_for_review", "block_status_changes_with_pending_approval", "only_lead_can_change_status",
    "max_agents", "stalled_release_minutes",
)  # fmt: skip
#: What the files of the board's agents say of it.
IN_FILES = set(FIELDS) - {
    "slug",
    "description",
    "gateway_id",
    "board_group_id",
    "goal_source",
    "stalled_release_minutes",
}


async def find(ctx: Context, board_id: UUID) -> Board | None:
    """The board, remembered for the operation."""
    key = ("board", board_id)
    if key not in ctx.memo:
        ctx.memo[key] = await ctx.one(select(Board).where(Board.id == board_id))
    board: Board | None = ctx.memo[key]
    return board


async def readable(ctx: Context, board_id: UUID) -> Board:
    """The board, if the caller may read it."""
    return access.read_board(ctx.actor, await find(ctx, board_id))


async def writable(ctx: Context, board_id: UUID) -> Board:
    """The board, if the caller may write it."""
    return access.write_board(ctx.actor, await find(ctx, board_id))


def listing(ctx: Context, *where: ColumnElement[bool], organization_id: UUID | None = None) -> Listing:
    """The boards of one organisation that the caller reads; by name for people, newest first for agents."""
    if not isinstance(ctx.actor, AgentActor):
        access.membership(ctx.actor, organization_id)
    order = NEWEST if isinstance(ctx.actor, AgentActor) else BY_NAME
    return Listing(Board, order, (access.readable_boards(ctx.actor, organization_id), *where))


async def create_board(ctx: Context, draft: Mapping[str, Any], organization_id: UUID | None = None) -> Board:
    """Make a board in the organisation. Raises `Invalid` for what `rules` does not allow."""
    member = access.administrator(ctx.actor, organization_id)
    rules.check_fields(draft)
    rules.check_goal(
        draft.get("board_type", "goal"), draft.get("goal_confirmed", False), draft.get("objective"),
        draft.get("success_metrics"),
    )  # fmt: skip
    async with ctx.write():
        await _check_references(ctx, draft, member.organization_id)
        moment = ctx.now()
        values = {name: draft[name] for name in FIELDS if name in draft}
        values["description"] = values.get("description", "").strip()
        board = Board(
            id=uuid4(), organization_id=member.organization_id, created_at=moment, updated_at=moment, **values
        )
        ctx.add(board)
        await ctx.flush()
        ctx.emit("board.created", subject_id=board.id, board_id=board.id, organization_id=board.organization_id)
    return board


async def update_board(ctx: Context, board_id: UUID, change: Mapping[str, Any]) -> Board:
    """Change what was given. A failure at any step changes nothing."""
    access.person(ctx.actor)
    rules.check_fields(change)
    async with ctx.write():
        board = access.write_board(
            ctx.actor, await ctx.one(select(Board).where(Board.id == board_id).with_for_update(key_share=True))
        )
        if "gateway_id" in change and change["gateway_id"] is None and board.gateway_id is not None:
            raise field_error("gateway_id", "gateway_id must not be null: the board's agents live on its gateway")
        references = {key: change[key] for key in ("gateway_id", "board_group_id") if key in change}
        if board.gateway_id is not None:
            references.setdefault("gateway_id", board.gateway_id)
        await _check_references(ctx, references, board.organization_id)
        before = {name: getattr(board, name) for name in FIELDS}
        for name in FIELDS:
            if name in change:
                setattr(board, name, change[name].strip() if name == "description" else change[name])
        if change.get("board_type") == "goal":
            rules.check_goal(board.board_type, True, board.objective, board.success_metrics)
        board.updated_at = ctx.now()
        changes = difference(before, {name: getattr(board, name) for name in FIELDS})
        await ctx.flush()
        ctx.emit(
            "board.updated", subject_id=board.id, board_id=board.id, organization_id=board.organization_id,
            changes=changes,
        )  # fmt: skip
        if before["board_group_id"] != board.board_group_id:
            await tell_of_change(ctx, board, before["board_group_id"], board.board_group_id)
        if changes:
            await _tell_lead(ctx, board, changes)
            await _follow(ctx, board, before["gateway_id"], {change["field"] for change in changes})
    return board


async def delete_board(ctx: Context, board_id: UUID) -> Board:
    """Take the board away with everything on it; one tombstone event stays until retention."""
    access.person(ctx.actor)
    async with ctx.write():
        board = access.write_board(
            ctx.actor, await ctx.one(select(Board).where(Board.id == board_id).with_for_update())
        )
        await _leave(ctx, board, board.gateway_id)
        for statement in removal.of_boards(select(Board.id).where(Board.id == board_id)):
            await ctx.run(statement.execution_options(synchronize_session=False))
        ctx.emit("board.deleted", subject_id=board.id, board_id=board.id, organization_id=board.organization_id)
    return board


async def _check_references(ctx: Context, values: Mapping[str, Any], organization_id: UUID) -> None:
    if (gateway_id := values.get("gateway_id")) is not None:
        main = select(Agent.id).where(Agent.gateway_id == gateway_id, Agent.board_id.is_(None)).exists()
        found = await ctx.rows(
            select(Gateway.id, main.label("has_main")).where(
                Gateway.id == gateway_id, Gateway.organization_id == organization_id
            )
        )
        rules.check_gateway(bool(found), bool(found and found[0].has_main))
    if (group_id := values.get("board_group_id")) is not None:
        known = await ctx.one(
            select(BoardGroup.id).where(BoardGroup.id == group_id, BoardGroup.organization_id == organization_id)
        )
        if known is None:
            raise Invalid("board_group_id is invalid: there is no such group in this organisation.")


async def _leave(ctx: Context, board: Board, gateway_id: UUID | None) -> list[Agent]:
    """Write the jobs that take the board's agents from a gateway; the agents."""
    agents = await ctx.all(
        select(Agent).where(Agent.board_id == board.id).order_by(Agent.created_at, Agent.id)
        .with_for_update(key_share=True)
    )  # fmt: skip
    gateway = await ctx.one(select(Gateway).where(Gateway.id == gateway_id)) if gateway_id else None
    if gateway is not None and gateway.url.strip():
        for agent in agents:
            if agent.gateway_id == gateway.id:
                ctx.add(removal_of(ctx, agent, gateway))
    return list(agents)


async def _follow(ctx: Context, board: Board, left: UUID | None, changed: set[str]) -> None:
    """The board's agents go with it to another gateway, and their files say what the board is now."""
    if "gateway_id" in changed:
        for agent in await _leave(ctx, board, left):
            if agent.gateway_id is None:
                await close_inbox(ctx, agent)
            agent.gateway_id = board.gateway_id
            agent.openclaw_session_id = session_key(agent.id, board.id, board.gateway_id, is_lead=agent.is_board_lead)
            ask_lifecycle(ctx, agent, "provision", user_id=user_of(ctx))
    elif board.gateway_id is not None and changed & IN_FILES:
        # A job that has not begun will write what the board is then; locked, so that it does not begin before.
        waiting = set(await ctx.all(
            select(Job.agent_id).where(Job.board_id == board.id, Job.reason == "agent.files", Job.state == "waiting",
                                       Job.attempts == 0).with_for_update(skip_locked=True)
        ))  # fmt: skip
        agents = await ctx.all(select(Agent).where(Agent.board_id == board.id, Agent.gateway_id.is_not(None)))
        for agent in (agent for agent in agents if agent.id not in waiting):
            ask_lifecycle(ctx, agent, "files", wake=False, reset_session=False, user_id=user_of(ctx))


async def _tell_lead(ctx: Context, board: Board, changes: list[dict[str, Any]]) -> None:
    lead = await ctx.one(select(Agent).where(Agent.board_id == board.id, Agent.is_board_lead.is_(True)))
    if lead is None or lead.id == ctx.actor.id:
        return
    lines = [f"- {change['field']}: {_shown(change['before'])} → {_shown(change['after'])}" for change in changes]
    ctx.tell(
        lead.id, "board.updated",
        "\n".join(["BOARD UPDATED", f"Board: {board.name} ({board.id})", *lines,
                   "Look whether plans and assignments still fit."]),
        board_id=board.id,
    )  # fmt: skip


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def plain(value: Any) -> Any:
    """A column value as JSON."""
    if value is None or isinstance(value, str | int | float | bool | list | dict):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The changed fields, sorted by name, each with its value before and after."""
    return [
        {"field": name, "before": plain(before[name]), "after": plain(after[name])}
        for name in sorted(before)
        if before[name] != after[name]
    ]


async def lead_of(ctx: Context, board_id: UUID) -> Agent | None:
    """The board's lead, if it has one."""
    lead: Agent | None = await ctx.one(select(Agent).where(Agent.board_id == board_id, Agent.is_board_lead.is_(True)))
    return lead
