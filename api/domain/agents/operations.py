"""Agents: create, tokens, change, heartbeat, delete. Boards without a gateway are first class here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, case, delete, func, or_, select, update

from api.domain import access
from api.domain.activity import record
from api.domain.activity.tables import ActivityEvent
from api.domain.actor import Agent as AgentActor
from api.domain.actor import User as UserActor
from api.domain.agents import making, rules
from api.domain.agents.lifecycle import ask_lifecycle, close_inbox, removal_of, user_of
from api.domain.agents.making import Issued, check_name, emit
from api.domain.agents.tables import Agent
from api.domain.approvals.tables import Approval
from api.domain.authentication.tokens import digest, mint
from api.domain.boards.operations import difference, find
from api.domain.boards.tables import Board, Gateway
from api.domain.context import Context
from api.domain.errors import Code, Conflict, Forbidden, Invalid, NotFound
from api.domain.jobs import Job
from api.domain.paging import Listing, Order
from api.domain.tasks.rules import Status
from api.domain.tasks.tables import Task
from api.domain.webhooks.tables import BoardWebhook

NEWEST = (Order(Agent.created_at, descending=True),)
TRACKED = (
    "name",
    "board_id",
    "gateway_id",
    "heartbeat_config",
    "identity_profile",
    "identity_template",
    "soul_template",
)


def listing(*where: ColumnElement[bool]) -> Listing:
    """Newest first."""
    return Listing(Agent, NEWEST, where, Agent.board_id)


def visible(ctx: Context, organization_id: UUID | None = None) -> ColumnElement[bool]:
    """Agents of readable boards, and main agents of the organisation's gateways (not for agents of a board)."""
    actor = access.signed_in(ctx.actor)
    if isinstance(actor, UserActor):
        organization_id = access.membership(actor, organization_id).organization_id
    on_boards = access.readable_boards(actor, organization_id, Agent.board_id)
    if isinstance(actor, AgentActor) and not actor.is_main:
        return on_boards
    organization_id = organization_id or (actor.organization_id if isinstance(actor, AgentActor) else None)
    mains = select(Gateway.id).where(Gateway.organization_id == organization_id)
    return or_(on_boards, (Agent.board_id.is_(None)) & Agent.gateway_id.in_(mains))


async def of_gateway(ctx: Context, gateway_id: UUID) -> ColumnElement[bool]:
    """Agents of the boards that use a gateway, and its main agent. Raises `NotFound` for a foreign gateway."""
    known = await ctx.one(select(Gateway).where(Gateway.id == gateway_id))
    if known is None or not access.sees_organization(ctx.actor, known.organization_id):
        raise NotFound()
    boards = select(Board.id).where(Board.gateway_id == gateway_id)
    return or_(Agent.board_id.in_(boards), (Agent.board_id.is_(None)) & (Agent.gateway_id == gateway_id))


async def organization_of(ctx: Context, agent: Agent) -> UUID | None:
    """The organisation an agent belongs to, through its board or its gateway."""
    if agent.board_id is not None:
        board = await find(ctx, agent.board_id)
        return board.organization_id if board else None
    organization_id: UUID | None = await ctx.one(select(Gateway.organization_id).where(Gateway.id == agent.gateway_id))
    return organization_id


async def reachable(ctx: Context, agent_id: UUID, *, write: bool, lock: bool = False) -> Agent:
    """The agent, if the caller may read or write its board; main agents belong to the organisation's people."""
    statement = select(Agent).where(Agent.id == agent_id)
    locked = statement.with_for_update(key_share=True).execution_options(populate_existing=True)
    agent: Agent | None = await ctx.one(locked if lock else statement)
    access.signed_in(ctx.actor)
    if agent is None:
        raise NotFound()
    if agent.board_id is not None:
        board = await find(ctx, agent.board_id)
        (access.write_board if write else access.read_board)(ctx.actor, board)
        return agent
    organization_id = await organization_of(ctx, agent)
    if not access.sees_organization(ctx.actor, organization_id):
        raise NotFound()
    if isinstance(ctx.actor, AgentActor) and ctx.actor.id != agent.id and not ctx.actor.is_main:
        raise Forbidden()
    return agent


async def create_agent(
    ctx: Context, draft: Mapping[str, Any], *, is_lead: bool = False, own_board: bool = False
) -> Issued:
    """Put an agent on a board: an administrator with write access, or the board's lead within `max_agents`.

    `own_board` makes a lead's request mean its own board, whatever it names.
    """
    actor = access.signed_in(ctx.actor)
    if isinstance(actor, AgentActor):
        actor = access.lead(actor)
        if own_board or draft.get("board_id") is None:
            draft = {**draft, "board_id": actor.board_id}
        if draft["board_id"] != actor.board_id:
            raise Forbidden("A lead makes agents for its own board only.")
        if is_lead:
            raise Forbidden("Leads are made by people.")
    else:
        access.administrator(actor)
    name = rules.name(draft.get("name"))
    heartbeat = rules.heartbeat_config(draft.get("heartbeat_config"))
    if draft.get("board_id") is None:
        raise Invalid("board_id is required: agents work on a board.")
    async with ctx.write():
        # The board's row is locked, so that counting workers and checking names is not overtaken.
        board = await ctx.one(select(Board).where(Board.id == draft["board_id"]).with_for_update(key_share=True))
        access.write_board(actor, board)
        assert board is not None
        if isinstance(actor, UserActor):
            access.administrator(actor, board.organization_id)
        if isinstance(actor, AgentActor):
            workers = await ctx.one(
                select(func.count()).select_from(Agent).where(Agent.board_id == board.id, ~Agent.is_board_lead)
            )
            rules.check_limit(int(workers or 0), board.max_agents)
        return await making.make(ctx, board, {**draft, "heartbeat_config": heartbeat}, name, is_lead=is_lead)


async def issue_token(ctx: Context, agent_id: UUID) -> Issued:
    """A new token for an agent; the old one ends at once. Administrators with write access to its board."""
    async with ctx.write():
        agent = await reachable(ctx, agent_id, write=True, lock=True)
        organization_id = await organization_of(ctx, agent)
        access.administrator(ctx.actor, organization_id)
        token = mint()
        # Nor does one take its place that is on its way to the files.
        agent.token_digest, agent.next_token_digest, agent.agent_token_hash = digest(token), None, None
        agent.updated_at = ctx.now()
        await ctx.flush()
        ctx.emit("access.agent", subject_id=agent.id, organization_id=organization_id, board_id=None)
        emit(ctx, "agent.token_rotated", agent, organization_id)
    return Issued(agent, token)


async def update_agent(ctx: Context, agent_id: UUID, change: Mapping[str, Any], *, force: bool = False) -> Agent:
    """Change what was given; administrators with write access."""
    async with ctx.write():
        agent = await reachable(ctx, agent_id, write=True, lock=True)
        organization_id = await organization_of(ctx, agent)
        access.administrator(ctx.actor, organization_id)
        rules.refuse_status(change)
        if not change and not force:
            return agent
        before = {name: getattr(agent, name) for name in TRACKED}
        left, lived = await _leave(ctx, agent), (agent.gateway_id, agent.openclaw_session_id)
        if change.get("is_gateway_main") is not None:
            await _convert(ctx, agent, change, organization_id)
        elif "board_id" in change and agent.board_id is not None:
            await _move(ctx, agent, change["board_id"], organization_id)
        if "name" in change:
            name = rules.name(change["name"])
            if agent.board_id is not None and name.lower() != agent.name.lower():
                board = await find(ctx, agent.board_id)
                assert board is not None
                await check_name(ctx, board, name, besides=agent.id)
            agent.name = name
        if "heartbeat_config" in change:
            agent.heartbeat_config = rules.heartbeat_config(change["heartbeat_config"])
        if "identity_profile" in change:
            agent.identity_profile = rules.identity_profile(change["identity_profile"])
        for field in ("identity_template", "soul_template"):
            if field in change:
                setattr(agent, field, rules.template(change[field]))
        agent.updated_at = ctx.now()
        await ctx.flush()
        if left is not None and (agent.gateway_id, agent.openclaw_session_id) != lived:
            ctx.add(left)
        if agent.gateway_id is not None:
            if lived[0] is None:
                await close_inbox(ctx, agent)
            ask_lifecycle(ctx, agent, "update", force_bootstrap=force, user_id=user_of(ctx))
        changes = difference(before, {name: getattr(agent, name) for name in TRACKED})
        emit(ctx, "agent.updated", agent, organization_id, changes=changes)
        if before["board_id"] != agent.board_id:
            ctx.emit(
                "agent.updated", subject_id=agent.id, board_id=before["board_id"], organization_id=organization_id,
                changes=changes,
            )  # fmt: skip
            ctx.emit("access.agent", subject_id=agent.id, organization_id=organization_id)
    return agent


async def set_up_again(ctx: Context, agent_id: UUID, action: str, **options: Any) -> Agent:
    """`provision` an agent anew on its gateway, or `wake` it; administrators with write access to its board."""
    async with ctx.write():
        agent = await reachable(ctx, agent_id, write=True, lock=True)
        organization_id = await organization_of(ctx, agent)
        access.administrator(ctx.actor, organization_id)
        if agent.gateway_id is None:
            raise Invalid("The agent lives on no gateway.", code=Code.GATEWAY_REQUIRED)
        agent.updated_at, agent.wake_attempts = ctx.now(), 0
        ask_lifecycle(ctx, agent, action, user_id=user_of(ctx), **options)
        await ctx.flush()
        emit(ctx, "agent.updated", agent, organization_id)
    return agent


async def delete_agent(ctx: Context, agent_id: UUID, *, by_lead_on: UUID | None = None) -> None:
    """Take an agent away; its work in progress returns to the inbox. Unknown agents are gone already.

    `by_lead_on` is the lead's way: workers of that board only.
    """
    if by_lead_on is not None:
        access.lead(ctx.actor)
    async with ctx.write():
        agent = await ctx.one(select(Agent).where(Agent.id == agent_id).with_for_update())
        if agent is None:
            return
        organization_id = await organization_of(ctx, agent)
        if by_lead_on is not None:
            actor = access.lead(ctx.actor)
            if agent.board_id is None and organization_id == actor.organization_id:
                raise Forbidden("The main agent of a gateway is not the lead's to delete.")
            if agent.board_id != by_lead_on or actor.board_id != by_lead_on:
                raise NotFound()
            if agent.is_board_lead:
                raise Forbidden("A lead is deleted by people.")
        else:
            if not access.sees_organization(ctx.actor, organization_id):
                return
            access.administrator(ctx.actor, organization_id)
            await reachable(ctx, agent_id, write=True)
        if agent.board_id is None and await ctx.one(
            select(Board.id).where(Board.gateway_id == agent.gateway_id).limit(1)
        ):
            raise Conflict("Boards use the gateway of this main agent.", code=Code.CONFLICT)
        await _release_tasks(ctx, agent)
        if (left := await _leave(ctx, agent)) is not None:
            ctx.add(left)
        for statement in (
            update(ActivityEvent).where(ActivityEvent.agent_id == agent.id).values(agent_id=None),
            update(Approval).where(Approval.agent_id == agent.id).values(agent_id=None),
            update(BoardWebhook).where(BoardWebhook.agent_id == agent.id).values(agent_id=None, updated_at=ctx.now()),
            delete(Job).where(Job.agent_id == agent.id),
        ):
            await ctx.run(statement)
        record(ctx, "agent.delete.direct", f"Agent deleted: {agent.name}", board_id=agent.board_id)
        emit(ctx, "agent.deleted", agent, organization_id)
        ctx.emit("access.agent", subject_id=agent.id, organization_id=organization_id)
        await ctx.session.delete(agent)


async def send_heartbeat(
    ctx: Context, agent_id: UUID | None = None, status: str | None = None, *, by_writer: bool = False
) -> Agent:
    """A sign of life with an optional status text: an agent for itself, or an administrator for an agent.

    With `by_writer`, board write access is enough for a person.
    """
    actor = access.signed_in(ctx.actor)
    if isinstance(actor, AgentActor):
        access.same_agent_or_admin(actor, agent_id or actor.id)
        agent_id = actor.id
    if agent_id is None:
        raise Invalid("Say which agent.")
    async with ctx.write():
        if isinstance(actor, AgentActor):
            agent = await ctx.one(select(Agent).where(Agent.id == agent_id).with_for_update(key_share=True))
            if agent is None:
                raise NotFound()
        else:
            agent = await reachable(ctx, agent_id, write=True, lock=True)
        organization_id = await organization_of(ctx, agent)
        if isinstance(actor, UserActor) and not (by_writer and agent.board_id is not None):
            access.administrator(actor, organization_id)
        agent.status = rules.heartbeat_status(agent.status, status)
        agent.last_seen_at = agent.updated_at = ctx.now()
        agent.wake_attempts, agent.checkin_deadline_at, agent.last_provision_error = 0, None, None
        shown = rules.shown_status(agent, ctx.now())
        before, agent.announced_status = agent.announced_status, shown
        await ctx.flush()
        if before != shown:
            changes = [{"field": "status", "before": before, "after": shown}]
            emit(ctx, "agent.presence", agent, organization_id, changes=changes)
    return agent


async def heartbeat_or_create(ctx: Context, draft: Mapping[str, Any]) -> Agent:
    """An agent's own heartbeat, or a person's for an agent named in the active organisation, made when missing."""
    if isinstance(ctx.actor, AgentActor):
        return await send_heartbeat(ctx, status=draft.get("status"))
    access.membership(ctx.actor)
    name = rules.name(draft.get("name"))
    where = [Agent.name == name, visible(ctx)]
    if draft.get("board_id") is not None:
        where.append(Agent.board_id == draft["board_id"])
    found = await ctx.one(select(Agent.id).where(*where).order_by(Agent.created_at, Agent.id).limit(1))
    if found is None:
        found = (await create_agent(ctx, {**draft, "name": name})).agent.id
    return await send_heartbeat(ctx, found, draft.get("status"), by_writer=True)


# -- parts -----------------------------------------------------------------------------------------------------------


async def _leave(ctx: Context, agent: Agent) -> Job | None:
    """The job that takes the agent from the gateway where it lives now."""
    gateway = await ctx.one(select(Gateway).where(Gateway.id == agent.gateway_id)) if agent.gateway_id else None
    return removal_of(ctx, agent, gateway) if gateway is not None and gateway.url.strip() else None


async def _move(ctx: Context, agent: Agent, board_id: UUID | None, organization_id: UUID | None) -> None:
    if board_id is None:
        raise Invalid("board_id must not be null: agents work on a board.")
    board = access.write_board(
        ctx.actor, await ctx.one(select(Board).where(Board.id == board_id).with_for_update(key_share=True))
    )
    if board.organization_id != organization_id:
        raise NotFound()
    if board.id == agent.board_id:
        return
    if agent.is_board_lead and await ctx.one(select(Agent.id).where(Agent.board_id == board.id, Agent.is_board_lead)):
        raise Conflict("The board has a lead already.")
    await check_name(ctx, board, agent.name, besides=agent.id)
    await _release_tasks(ctx, agent)
    agent.board_id, agent.gateway_id = board.id, board.gateway_id
    agent.openclaw_session_id = (
        rules.session_key(agent.id, board.id, board.gateway_id, is_lead=agent.is_board_lead)
        if board.gateway_id
        else None
    )


async def _convert(ctx: Context, agent: Agent, change: Mapping[str, Any], organization_id: UUID | None) -> None:
    """To the main agent of its gateway, or from there to a board."""
    if not change["is_gateway_main"]:
        if change.get("board_id") is None:
            raise Invalid("board_id is required for an agent that is not the main agent of a gateway.")
        await _move(ctx, agent, change["board_id"], organization_id)
        return
    gateway_id = agent.gateway_id
    if change.get("board_id") is not None:
        board = access.write_board(ctx.actor, await find(ctx, change["board_id"]))
        if board.organization_id != organization_id:
            raise NotFound()
        gateway_id = board.gateway_id
    if gateway_id is None:
        raise Invalid("The board has no gateway, so no agent can be its main agent.", code=Code.GATEWAY_REQUIRED)
    taken = select(Agent.id).where(Agent.gateway_id == gateway_id, Agent.board_id.is_(None), Agent.id != agent.id)
    if await ctx.one(taken):
        raise Conflict("The gateway has a main agent already.")
    agent.board_id, agent.gateway_id, agent.is_board_lead = None, gateway_id, False
    agent.openclaw_session_id = rules.session_key(agent.id, None, gateway_id, is_lead=False)


async def _release_tasks(ctx: Context, agent: Agent) -> None:
    """Work in progress goes back to the inbox, other tasks only lose their assignee."""
    started = Task.status == Status.IN_PROGRESS.value
    tasks = await ctx.rows(
        select(Task.id, Task.status, Task.board_id, Board.organization_id)
        .join(Board, Board.id == Task.board_id)
        .where(Task.assigned_agent_id == agent.id)
        .order_by(Task.id)
        .with_for_update(of=Task)
    )
    await ctx.run(
        update(Task)
        .where(Task.assigned_agent_id == agent.id)
        .values(
            status=case((started, Status.INBOX.value), else_=Task.status), assigned_agent_id=None,
            in_progress_at=case((started, None), else_=Task.in_progress_at), stalled_at=None, updated_at=ctx.now(),
        )
        .execution_options(synchronize_session=False)
    )  # fmt: skip
    for task in tasks:
        moved = task.status == Status.IN_PROGRESS.value
        changes = [{"field": "assigned_agent_id", "before": str(agent.id), "after": None}]
        if moved:
            changes.append({"field": "status", "before": task.status, "after": Status.INBOX.value})
        row = record(
            ctx, "task.status_changed" if moved else "task.updated", f"Released: {agent.name} is gone",
            task_id=task.id, board_id=task.board_id, from_status=task.status if moved else None,
            to_status=Status.INBOX.value if moved else None,
        )  # fmt: skip
        await ctx.flush()
        ctx.emit(
            "task.moved" if moved else "task.assigned", subject_id=task.id, task_id=task.id, board_id=task.board_id,
            organization_id=task.organization_id, activity_id=row.id, changes=changes,
        )  # fmt: skip
