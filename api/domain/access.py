"""Who may do what: one function a question, and the only place that answers it.

A row of another organisation is unknown (`NotFound`); a row of one's own organisation without access is `Forbidden`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, false, or_, select, true

from api.domain.actor import Actor, Agent, Membership, System, User
from api.domain.boards.tables import Board, BoardGroup
from api.domain.errors import Forbidden, NotFound, Unauthenticated


def signed_in(actor: Actor) -> User | Agent:
    """Anybody we know."""
    if isinstance(actor, User | Agent):
        return actor
    raise Unauthenticated()


def person(actor: Actor) -> User:
    """A person, not an agent: an agent's token does not open what belongs to people."""
    if isinstance(actor, User):
        return actor
    raise Unauthenticated() if not isinstance(actor, Agent) else Forbidden("Only people may do this.")


def an_agent(actor: Actor) -> Agent:
    """An agent, not a person."""
    if isinstance(actor, Agent):
        return actor
    raise Unauthenticated() if not isinstance(actor, User) else Forbidden("Only agents may do this.")


def lead(actor: Actor) -> Agent:
    """The lead of a board."""
    agent = an_agent(actor)
    if not agent.is_lead:
        raise Forbidden("Only board leads may do this.")
    if agent.board_id is None:
        raise Forbidden("A lead needs a board for this.")
    return agent


def membership(actor: Actor, organization_id: UUID | None = None) -> Membership:
    """The caller's membership in the organisation asked about, else in the active one."""
    user = person(actor)
    found = user.memberships.get(organization_id) if organization_id else user.active
    if found is None:
        raise Forbidden("You are not a member of this organisation.")
    return found


def administrator(actor: Actor, organization_id: UUID | None = None) -> Membership:
    """An owner or admin of the organisation."""
    member = membership(actor, organization_id)
    if not member.is_admin:
        raise Forbidden()
    return member


def owner(actor: Actor, organization_id: UUID | None = None) -> Membership:
    """An owner of the organisation."""
    member = membership(actor, organization_id)
    if member.role != "owner":
        raise Forbidden()
    return member


def sees_organization(actor: Actor, organization_id: UUID | None) -> bool:
    """Whether rows of this organisation exist for the caller at all."""
    if isinstance(actor, User):
        return organization_id in actor.memberships
    if isinstance(actor, Agent):
        return organization_id is not None and organization_id == actor.organization_id
    return isinstance(actor, System)


def can_read_board(actor: Actor, board: Board) -> bool:
    """Whether the caller reads this board."""
    return _reach(actor, board, write=False)


def can_write_board(actor: Actor, board: Board) -> bool:
    """Whether the caller writes this board; agents of the board do."""
    return _reach(actor, board, write=True)


def _reach(actor: Actor, board: Board, *, write: bool) -> bool:
    if isinstance(actor, System):
        return True
    if isinstance(actor, User):
        member = actor.memberships.get(board.organization_id)
        return member is not None and (member.writes(board.id) if write else member.reads(board.id))
    if isinstance(actor, Agent):
        return board.organization_id == actor.organization_id and actor.board_id in (None, board.id)
    return False


def read_board(actor: Actor, board: Board | None) -> Board:
    """Raise unless the caller may read the board (`None` is unknown to everybody)."""
    return _enter(actor, board, write=False)


def write_board(actor: Actor, board: Board | None) -> Board:
    """Raise unless the caller may write the board."""
    return _enter(actor, board, write=True)


def _enter(actor: Actor, board: Board | None, *, write: bool) -> Board:
    if not isinstance(actor, System):
        signed_in(actor)
    if board is None or not (isinstance(actor, System) or sees_organization(actor, board.organization_id)):
        raise NotFound()
    if not _reach(actor, board, write=write):
        raise Forbidden("You have no access to this board.")
    return board


def decides(actor: Actor, board: Board) -> User:
    """A person with write access to the board: agents never decide."""
    user = person(actor)
    write_board(user, board)
    return user


def readable_boards(actor: Actor, organization_id: UUID | None = None, column: Any = None) -> ColumnElement[bool]:
    """The boards a list may show, as SQL on `column` (a board id; by default `Board.id` itself).

    For people: the boards of one organisation (default: the active one) that they read. For agents: their board, or
    for main agents every board of their organisation.
    """
    target = Board.id if column is None else column
    if isinstance(actor, User):
        member = actor.memberships.get(organization_id) if organization_id else actor.active
        if member is None:
            return false()
        return _of_membership(member, target)
    if isinstance(actor, Agent):
        if actor.board_id is not None:
            return target == actor.board_id
        return _in_organization(target, actor.organization_id)
    return true() if isinstance(actor, System) else false()


def reachable_boards(actor: Actor, column: Any = None) -> ColumnElement[bool]:
    """The boards the caller reads in any of its organisations, as SQL on a board id."""
    if isinstance(actor, User):
        target = Board.id if column is None else column
        parts = [_of_membership(member, target) for member in actor.memberships.values()]
        return or_(false(), *parts)
    return readable_boards(actor, column=column)


def _of_membership(member: Membership, target: Any) -> ColumnElement[bool]:
    if member.reads_all:
        return _in_organization(target, member.organization_id)
    return target.in_([board for board, rights in member.boards.items() if any(rights)])  # type: ignore[no-any-return]


def _in_organization(target: Any, organization_id: UUID | None) -> ColumnElement[bool]:
    if target is Board.id:
        return Board.organization_id == organization_id
    return target.in_(select(Board.id).where(Board.organization_id == organization_id))  # type: ignore[no-any-return]


def reads_all_boards(actor: Actor, organization_id: UUID | None) -> bool:
    """Whether the caller reads every board of the organisation."""
    if isinstance(actor, User):
        member = actor.memberships.get(organization_id) if organization_id else actor.active
        return member is not None and member.reads_all
    return isinstance(actor, Agent) and actor.is_main and actor.organization_id == organization_id


def enter_group(actor: Actor, group: BoardGroup | None, boards: Sequence[UUID], *, write: bool) -> BoardGroup:
    """Raise unless the caller may read or write the group: one of its boards is enough, an empty one is for admins."""
    signed_in(actor)
    if group is None or not sees_organization(actor, group.organization_id):
        raise NotFound()
    if isinstance(actor, User):
        member = actor.memberships[group.organization_id]
        if member.all_boards_write or (member.reads_all and not write):
            return group
        if any((member.writes if write else member.reads)(board_id) for board_id in boards):
            return group
        if not boards and member.is_admin:
            return group
    elif isinstance(actor, Agent) and (actor.is_main or actor.board_id in boards):
        return group
    raise Forbidden("You have no access to this group.")


def same_agent_or_admin(actor: Actor, agent_id: UUID) -> None:
    """An agent may speak for itself only."""
    if isinstance(actor, Agent) and actor.id != agent_id:
        raise Forbidden()


def redacts(actor: Actor, board: Board) -> User:
    """An administrator of the board's organisation may take a text away."""
    read_board(actor, board)
    administrator(actor, board.organization_id)
    return person(actor)


def may_see_event(actor: Actor, organization_id: UUID | None, board_id: UUID | None) -> bool:
    """Whether an event of the organisation's log is for the caller's eyes."""
    if not sees_organization(actor, organization_id):
        return False
    if isinstance(actor, User):
        member = actor.memberships[organization_id] if organization_id else None
        return member is not None and (member.is_admin if board_id is None else member.reads(board_id))
    return isinstance(actor, Agent) and (actor.board_id is None or actor.board_id == board_id)


def organization_of(actor: Actor) -> UUID | None:
    """The organisation that unqualified questions of the caller mean."""
    if isinstance(actor, Agent):
        return actor.organization_id
    return membership(actor).organization_id
