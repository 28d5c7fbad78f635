"""Organisations: reading them and their members, the access each member has, and the first one of a newcomer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete, func, select

from api.domain import access
from api.domain.actor import Agent as AgentActor
from api.domain.actor import Role
from api.domain.boards.tables import Board
from api.domain.context import Context
from api.domain.errors import Forbidden, Invalid, NotFound
from api.domain.organizations.tables import Organization, OrganizationBoardAccess, OrganizationMember
from api.domain.paging import Listing, Order
from api.domain.users.tables import User

PERSONAL = "Personal"


async def active(ctx: Context, organization_id: UUID | None = None) -> Organization:
    """The caller's organisation: the one asked about, else the active one; for an agent its own."""
    if isinstance(ctx.actor, AgentActor):
        wanted = ctx.actor.organization_id
    else:
        wanted = access.membership(ctx.actor, organization_id).organization_id
    organization: Organization | None = await ctx.one(select(Organization).where(Organization.id == wanted))
    if organization is None:
        raise Forbidden()
    return organization


def members(ctx: Context, *organization_ids: UUID) -> Listing:
    """Everybody in the organisations (default: the active one), by e-mail address; any member may look."""
    ids = [access.membership(ctx.actor, wanted).organization_id for wanted in organization_ids or (None,)]
    email = select(func.lower(User.email)).where(User.id == OrganizationMember.user_id).scalar_subquery()
    order = (Order(func.coalesce(email, "\U0010ffff")),)
    where = (OrganizationMember.organization_id.in_(ids),)
    return Listing(OrganizationMember, order, where, OrganizationMember.organization_id)


async def member(ctx: Context, member_id: UUID | None = None) -> OrganizationMember:
    """The caller's own membership, or (for administrators) another one of the organisation."""
    own = access.membership(ctx.actor)
    row: OrganizationMember | None = await ctx.one(
        select(OrganizationMember).where(OrganizationMember.id == (member_id or own.id))
    )
    if row is None or row.organization_id != own.organization_id:
        raise NotFound()
    if row.id != own.id:
        access.administrator(ctx.actor)
    return row


async def board_access(ctx: Context, member_ids: Sequence[UUID]) -> dict[UUID, list[OrganizationBoardAccess]]:
    """The board rights of members, oldest first, in one statement."""
    found: dict[UUID, list[OrganizationBoardAccess]] = {member_id: [] for member_id in member_ids}
    rows = await ctx.all(
        select(OrganizationBoardAccess)
        .where(OrganizationBoardAccess.organization_member_id.in_(member_ids))
        .order_by(OrganizationBoardAccess.created_at, OrganizationBoardAccess.id)
    )
    for row in rows:
        found[row.organization_member_id].append(row)
    return found


async def set_access(
    ctx: Context, member_id: UUID, *, all_boards_read: bool, all_boards_write: bool, boards: Sequence[Any]
) -> OrganizationMember:
    """Replace what a member reaches; `boards` holds `(board_id, can_read, can_write)`. Administrators only."""
    access.signed_in(ctx.actor)
    async with ctx.write():
        row: OrganizationMember | None = await ctx.one(
            select(OrganizationMember).where(OrganizationMember.id == member_id).with_for_update()
        )
        if row is None or not access.sees_organization(ctx.actor, row.organization_id):
            raise NotFound()
        access.administrator(ctx.actor, row.organization_id)
        ids = [board_id for board_id, _, _ in boards]
        if len(set(ids)) != len(ids):
            raise Invalid("A board is listed twice.")
        known = await ctx.all(select(Board.id).where(Board.id.in_(ids), Board.organization_id == row.organization_id))
        if len(known) != len(ids):
            raise Invalid("A board is not one of the organisation.", detail="Unprocessable Entity")
        await ctx.run(delete(OrganizationBoardAccess).where(OrganizationBoardAccess.organization_member_id == row.id))
        moment = ctx.now()
        row.all_boards_read, row.all_boards_write, row.updated_at = all_boards_read, all_boards_write, moment
        if not (all_boards_read or all_boards_write):
            for board_id, can_read, can_write in boards:
                ctx.add(
                    OrganizationBoardAccess(
                        id=uuid4(), organization_member_id=row.id, board_id=board_id, can_read=can_read,
                        can_write=can_write, created_at=moment, updated_at=moment,
                    )
                )  # fmt: skip
        ctx.emit("access.member", subject_id=row.user_id, organization_id=row.organization_id)
    return row


async def welcome(ctx: Context, subject: str, email: str | None, name: str | None) -> User:
    """A newcomer's row, and an organisation of its own if it has none; two first requests make one of each."""
    async with ctx.write():
        await ctx.lock_key("newcomer", subject)
        user: User | None = await ctx.one(select(User).where(User.clerk_user_id == subject).with_for_update())
        if user is None:
            user = User(id=uuid4(), clerk_user_id=subject, email=email, name=name)
            ctx.add(user)
            await ctx.flush()
        if not await ctx.one(select(OrganizationMember.id).where(OrganizationMember.user_id == user.id).limit(1)):
            moment = ctx.now()
            organization = Organization(id=uuid4(), name=PERSONAL, created_at=moment, updated_at=moment)
            ctx.add(organization)
            await ctx.flush()
            ctx.add(
                OrganizationMember(
                    id=uuid4(), organization_id=organization.id, user_id=user.id, role=Role.OWNER.value,
                    all_boards_read=True, all_boards_write=True, created_at=moment, updated_at=moment,
                )
            )  # fmt: skip
            user.active_organization_id = organization.id
    return user
