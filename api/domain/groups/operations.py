"""Board groups: read, list, make, change, take away, and give their agents a rhythm."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import func, or_, select

from api.domain import access, removal
from api.domain.actor import User as UserActor
from api.domain.agents.lifecycle import ask_lifecycle
from api.domain.agents.tables import Agent
from api.domain.boards.tables import Board, BoardGroup, Gateway
from api.domain.context import Context
from api.domain.errors import Forbidden, Invalid, NotFound, field_error
from api.domain.paging import Listing, Order

DEFAULT_HEARTBEAT = {"every": "10m", "target": "last", "includeReasoning": False}


@dataclass(slots=True)
class Applied:
    """Which agents have the new rhythm; `failed` of them have no usable gateway."""

    group_id: UUID
    requested: dict[str, Any]
    updated: list[UUID] = field(default_factory=list)
    failed: list[UUID] = field(default_factory=list)


async def find(ctx: Context, group_id: UUID) -> BoardGroup | None:
    """The group, remembered for the operation."""
    key = ("group", group_id)
    if key not in ctx.memo:
        ctx.memo[key] = await ctx.one(select(BoardGroup).where(BoardGroup.id == group_id))
    group: BoardGroup | None = ctx.memo[key]
    return group


async def reachable(ctx: Context, group_id: UUID, *, write: bool = False) -> BoardGroup:
    """The group, if the caller may read or write it; see `access.enter_group`."""
    group = await find(ctx, group_id)
    boards = await ctx.all(select(Board.id).where(Board.board_group_id == group_id)) if group is not None else []
    return access.enter_group(ctx.actor, group, boards, write=write)


def listing(ctx: Context, *organization_ids: UUID) -> Listing:
    """The groups of organisations (default: the caller's) that hold a board the caller reads."""
    where = []
    for wanted in organization_ids or (access.organization_of(ctx.actor),):
        boards = access.readable_boards(ctx.actor, wanted)
        mine = BoardGroup.organization_id == wanted
        if not access.reads_all_boards(ctx.actor, wanted):
            held = select(Board.board_group_id).where(boards, Board.board_group_id.is_not(None))
            mine &= BoardGroup.id.in_(held)
        where.append(mine)
    order = (Order(func.lower(BoardGroup.name)), Order(BoardGroup.created_at))
    return Listing(BoardGroup, order, (or_(*where),), BoardGroup.organization_id)


def slugify(text: str) -> str:
    """Lower case with `-`; a name without letters or digits gets a random slug."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or uuid4().hex


def _check_lengths(group: BoardGroup) -> None:
    for name in ("name", "slug"):
        if len(getattr(group, name)) > 200:
            raise field_error(name, f"{name} has at most 200 characters")


async def create(ctx: Context, draft: Mapping[str, Any], organization_id: UUID | None = None) -> BoardGroup:
    """Make a group; administrators only."""
    member = access.administrator(ctx.actor, organization_id)
    async with ctx.write():
        moment = ctx.now()
        slug = draft.get("slug") or ""
        group = BoardGroup(
            id=uuid4(), organization_id=member.organization_id, name=draft["name"],
            slug=slug if slug.strip() else slugify(draft["name"]), description=draft.get("description"),
            created_at=moment, updated_at=moment,
        )  # fmt: skip
        _check_lengths(group)
        ctx.add(group)
        ctx.emit("group.created", subject_id=group.id, organization_id=group.organization_id)
    return group


async def update(ctx: Context, group_id: UUID, change: Mapping[str, Any]) -> BoardGroup:
    """Change what was given; administrators with write access to the group."""
    for name in ("name", "slug"):
        if name in change and change[name] is None:
            raise field_error(name, f"{name} must not be null")
    async with ctx.write():
        group = await _locked(ctx, group_id)
        for name in ("name", "description"):
            if name in change:
                setattr(group, name, change[name])
        if "slug" in change:
            group.slug = change["slug"] if change["slug"].strip() else slugify(group.name)
        _check_lengths(group)
        group.updated_at = ctx.now()
        ctx.emit("group.updated", subject_id=group.id, organization_id=group.organization_id)
    return group


async def remove(ctx: Context, group_id: UUID) -> None:
    """Take a group away with its memory; its boards stay without one. Administrators with write access."""
    async with ctx.write():
        group = await _locked(ctx, group_id)
        boards = await ctx.all(select(Board.id).where(Board.board_group_id == group_id).order_by(Board.id))
        for statement in removal.of_group(group_id):
            await ctx.run(statement.execution_options(synchronize_session=False))
        for board_id in boards:
            ctx.emit(
                "board.updated", subject_id=board_id, board_id=board_id, organization_id=group.organization_id,
                changes=[{"field": "board_group_id", "before": str(group_id), "after": None}],
            )  # fmt: skip
        ctx.emit("group.deleted", subject_id=group_id, organization_id=group.organization_id)


async def may_set_rhythm(ctx: Context, group_id: UUID) -> BoardGroup:
    """The group, for its organisation's administrators with write access, and for leads of its boards."""
    actor = access.signed_in(ctx.actor)
    group = await find(ctx, group_id)
    if group is None or not access.sees_organization(actor, group.organization_id):
        raise NotFound()
    if isinstance(actor, UserActor):
        access.administrator(actor, group.organization_id)
        return await reachable(ctx, group_id, write=True)
    board = await ctx.one(select(Board).where(Board.id == access.lead(actor).board_id))
    if board is None or board.board_group_id != group_id:
        raise Forbidden("Your board is not in this group.")
    return group


async def set_rhythm(ctx: Context, group_id: UUID, every: str, *, include_board_leads: bool = False) -> Applied:
    """Give every agent on the group's boards (leads if asked) a heartbeat interval; gateways are told by jobs."""
    if len(every) > 200:
        raise Invalid("every has at most 200 characters.")
    group = await may_set_rhythm(ctx, group_id)
    found = Applied(group_id, {"every": every, "include_board_leads": include_board_leads})
    async with ctx.write():
        statement = (
            select(Agent, Board, Gateway)
            .join(Board, Board.id == Agent.board_id)
            .outerjoin(Gateway, (Gateway.id == Board.gateway_id) & (Gateway.organization_id == Board.organization_id))
            .where(Board.board_group_id == group_id)
            .order_by(Agent.created_at, Agent.id).with_for_update(of=Agent, key_share=True)
        )  # fmt: skip
        if not include_board_leads:
            statement = statement.where(Agent.is_board_lead.is_(False))
        for agent, board, gateway in await ctx.rows(statement):
            stored = agent.heartbeat_config or {}
            agent.heartbeat_config = {**DEFAULT_HEARTBEAT, **stored, "every": every, "target": "last"}
            agent.updated_at = ctx.now()
            found.updated.append(agent.id)
            if gateway is None or not gateway.url.strip() or not gateway.workspace_root.strip():
                found.failed.append(agent.id)
            else:
                ask_lifecycle(ctx, agent, "heartbeat")
            await ctx.flush()
            ctx.emit(
                "agent.updated", subject_id=agent.id, board_id=board.id, organization_id=group.organization_id,
                changes=[{"field": "heartbeat_config", "before": stored or None, "after": agent.heartbeat_config}],
            )  # fmt: skip
    return found


async def _locked(ctx: Context, group_id: UUID) -> BoardGroup:
    access.signed_in(ctx.actor)
    group: BoardGroup | None = await ctx.one(
        select(BoardGroup).where(BoardGroup.id == group_id).with_for_update()
        .execution_options(populate_existing=True)
    )  # fmt: skip
    if group is None or not access.sees_organization(ctx.actor, group.organization_id):
        raise NotFound()
    access.administrator(ctx.actor, group.organization_id)
    boards = await ctx.all(select(Board.id).where(Board.board_group_id == group_id))
    return access.enter_group(ctx.actor, group, boards, write=True)


async def tell_of_change(ctx: Context, board: Board, left: UUID | None, joined: UUID | None) -> None:
    """Tell the agents of a board and of its old and new group that it has left or joined; leaving comes first."""
    for group_id, verb, hints in ((left, "Left", LEFT), (joined, "Joined", JOINED)):
        group = await find(ctx, group_id) if group_id is not None else None
        if group is None:
            continue
        rows = await ctx.rows(
            select(Agent, Board).join(Board, Board.id == Agent.board_id)
            .where(or_(Board.board_group_id == group_id, Board.id == board.id), Agent.id != ctx.actor.id)
            .order_by(Board.name, Agent.created_at, Agent.id)
        )  # fmt: skip
        for agent, own in rows:
            lines = [
                "BOARD GROUP UPDATED", f"{verb} Board: {board.name} ({board.id})", f"Your board: {own.name} ({own.id})",
                f"Group: {group.name} ({group.id})", *hints,
            ]  # fmt: skip
            reason = f"board.group.{'leave' if verb == 'Left' else 'join'}"
            ctx.tell(agent.id, reason, "\n".join(lines), board_id=own.id)


JOINED = (
    "- Talk over shared work in the group's memory.",
    "- Look at what the other boards are doing before you plan.",
    "- Agree who owns what both boards touch.",
)
LEFT = (
    "- Coordination with that board is over for now.",
    "- Check dependencies and owners that involved it.",
    "- Make sure no hand-over is still open.",
)
