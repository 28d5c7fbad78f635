"""Onboarding: started and answered by people, driven by an agent, confirmed by people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select

from api.domain import access
from api.domain.actor import User as UserActor
from api.domain.agents.making import ensure_lead
from api.domain.agents.tables import Agent
from api.domain.boards import operations as boards
from api.domain.boards import rules as board_rules
from api.domain.boards.tables import Board
from api.domain.context import Context, naive_utc
from api.domain.errors import Code, Conflict, Forbidden, Invalid, NotFound, field_error
from api.domain.onboarding import rules
from api.domain.onboarding.tables import OnboardingSession
from api.domain.users.tables import User


async def latest(ctx: Context, board_id: UUID, *, lock: bool = False) -> OnboardingSession | None:
    """The board's conversation that changed last."""
    statement = (
        select(OnboardingSession).where(OnboardingSession.board_id == board_id)
        .order_by(OnboardingSession.updated_at.desc(), OnboardingSession.id).limit(1)
    )  # fmt: skip
    found: OnboardingSession | None = await ctx.one(
        statement.with_for_update().execution_options(populate_existing=True) if lock else statement
    )
    return found


async def read(ctx: Context, board_id: UUID) -> OnboardingSession:
    """The conversation of a board that the caller reads. Raises `NotFound` before the first one."""
    await boards.readable(ctx, board_id)
    found = await latest(ctx, board_id)
    if found is None:
        raise NotFound()
    return found


async def start(ctx: Context, board_id: UUID) -> OnboardingSession:
    """Begin the conversation, or go on with the one that is active; people with write access."""
    access.person(ctx.actor)
    async with ctx.write():
        board = await _locked_board(ctx, board_id)
        agent = await _interviewer(ctx, board)
        session, moment = await latest(ctx, board_id, lock=True), ctx.now()
        if session is not None and session.status == "active":
            last = (session.messages or [{}])[-1]
            if last.get("role") == "user":
                session.updated_at = moment
                _send(ctx, board, agent, last["content"])
            return session
        prompt = rules.start_prompt(board.name, board.description, ctx.settings.public_url, board.id)
        session = OnboardingSession(
            id=uuid4(), board_id=board.id, status="active", created_at=moment, updated_at=moment,
            session_key=(agent.openclaw_session_id if agent else None) or f"board:{board.id}",
            messages=[rules.message("user", prompt, moment)],
        )  # fmt: skip
        ctx.add(session)
        await ctx.flush()
        _send(ctx, board, agent, prompt)
        _emit(ctx, board, session)
    return session


async def answer(ctx: Context, board_id: UUID, answer: str, other_text: str | None = None) -> OnboardingSession:
    """Answer the agent's question; stored first, then told. People with write access."""
    access.person(ctx.actor)
    if not answer.strip() or len(answer) + len(other_text or "") > 20_000:
        raise field_error("answer", "answer must have 1 to 20000 characters", answer)
    async with ctx.write():
        board = await _locked_board(ctx, board_id)
        session = await _open_session(ctx, board_id)
        text = rules.answer_text(answer, other_text)
        _say(ctx, session, "user", text)
        _send(ctx, board, await _interviewer(ctx, board), text)
        _emit(ctx, board, session)
    return session


async def update(ctx: Context, board_id: UUID, update: Mapping[str, Any]) -> OnboardingSession:
    """An agent's next question, or its draft: the main agent of the board's gateway, else an agent of the board."""
    agent = access.an_agent(ctx.actor)
    is_draft = "status" in update
    if is_draft:
        update = rules.normalised(update)
        board_rules.check_goal(update["board_type"], True, update.get("objective"), update.get("success_metrics"))
    elif not update["question"].strip() or not update["options"] or not all(
        one["id"].strip() and one["label"].strip() for one in update["options"]
    ):  # fmt: skip
        raise Invalid("A question has words, and at least one option with id and label.")
    async with ctx.write():
        board = await _locked_board(ctx, board_id)
        if board.gateway_id is not None and (not agent.is_main or agent.gateway_id != board.gateway_id):
            raise Forbidden("Only the main agent of the board's gateway may do this.")
        if board.gateway_id is None and agent.board_id != board.id:
            raise Forbidden("Only agents of the board may do this.")
        session = await _open_session(ctx, board_id)
        if is_draft:
            session.draft_goal, session.status = dict(update), "completed"
        _say(ctx, session, "assistant", rules.compact(update))
        _emit(ctx, board, session)
    return session


async def confirm(
    ctx: Context, board_id: UUID, goal: Mapping[str, Any], *, require_approval: bool | None = None,
    take_profile: bool = True,
) -> Board:  # fmt: skip
    """The person's goal for the board; the draft makes the lead, and (if wanted) fills the person's profile.

    Whether done needs an approval follows from the draft's autonomy unless it is said. Refused once confirmed, except
    that a board whose lead is gone gets one.
    """
    actor = access.person(ctx.actor)
    if goal.get("success_metrics") is not None and not isinstance(goal["success_metrics"], Mapping):
        raise Invalid("success_metrics must be an object.")
    board_rules.check_goal(goal["board_type"], True, goal.get("objective"), goal.get("success_metrics"))
    async with ctx.write():
        board = await _locked_board(ctx, board_id)
        session = await latest(ctx, board_id, lock=True)
        if session is None:
            raise NotFound()
        if session.status == "confirmed" and await boards.lead_of(ctx, board_id) is not None:
            raise Conflict("This board is confirmed already.", detail="Conflict")
        draft = session.draft_goal
        board.board_type, board.objective = goal["board_type"], goal.get("objective")
        board.success_metrics, board.target_date = goal.get("success_metrics"), naive_utc(goal.get("target_date"))
        board.goal_confirmed, board.goal_source = True, "lead_agent_onboarding"
        board.require_approval_for_done = rules.needs_approval(draft) if require_approval is None else require_approval
        board.updated_at = ctx.now()
        session.status, session.updated_at = "confirmed", ctx.now()
        if take_profile:
            await _take_profile(ctx, actor, draft)
        name, profile = rules.lead_of(draft)
        await ctx.flush()
        await ensure_lead(ctx, board, name, profile)
        _emit(ctx, board, session)
        ctx.emit("board.updated", subject_id=board.id, board_id=board.id, organization_id=board.organization_id)
    return board


async def _take_profile(ctx: Context, actor: UserActor, draft: Mapping[str, Any] | None) -> None:
    profile = (draft or {}).get("user_profile")
    user = await ctx.one(select(User).where(User.id == actor.id).with_for_update())
    if isinstance(profile, Mapping) and user is not None:
        for key in rules.PROFILE:
            if profile.get(key):
                setattr(user, key, profile[key])


async def _locked_board(ctx: Context, board_id: UUID) -> Board:
    return access.write_board(
        ctx.actor, await ctx.one(select(Board).where(Board.id == board_id).with_for_update(key_share=True))
    )


async def _open_session(ctx: Context, board_id: UUID) -> OnboardingSession:
    session = await latest(ctx, board_id, lock=True)
    if session is None:
        raise NotFound()
    if session.status == "confirmed":
        raise Conflict("This conversation is over: the board is confirmed.", detail="Conflict")
    return session


async def _interviewer(ctx: Context, board: Board) -> Agent | None:
    """The main agent of the board's gateway; on a board without one its lead, if it has one."""
    if board.gateway_id is None:
        return await boards.lead_of(ctx, board.id)
    agent: Agent | None = await ctx.one(
        select(Agent).where(Agent.gateway_id == board.gateway_id, Agent.board_id.is_(None))
    )
    if agent is None:
        raise Invalid("The board's gateway has no main agent.", code=Code.GATEWAY_REQUIRED)
    return agent


def _say(ctx: Context, session: OnboardingSession, role: str, content: str) -> None:
    moment = ctx.now()
    session.messages = [*(session.messages or []), rules.message(role, content, moment)]
    session.updated_at = moment


def _send(ctx: Context, board: Board, agent: Agent | None, text: str) -> None:
    if agent is not None:
        ctx.tell(agent.id, "onboarding", text, board_id=board.id)


def _emit(ctx: Context, board: Board, session: OnboardingSession) -> None:
    ctx.emit("board.onboarding", subject_id=session.id, board_id=board.id, organization_id=board.organization_id)
