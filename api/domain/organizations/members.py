"""Members of an organisation: roles, access, leaving, and who owns it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete, func, select, update

from api.domain import access
from api.domain.actor import Membership, Role
from api.domain.boards.tables import Board
from api.domain.context import Context
from api.domain.errors import Code, Conflict, Forbidden, Invalid, NotFound, field_error
from api.domain.organizations.tables import Organization, OrganizationBoardAccess, OrganizationMember
from api.domain.removal import oldest_other
from api.domain.users.tables import PersonalToken, User


def role_of(text: str | None) -> Role:
    """The role a text names; blank is member. Raises `Invalid` for anything but the three."""
    word = (text or "").strip().lower() or Role.MEMBER.value
    if text is None or word not in Role._value2member_map_:
        raise field_error("role", "role must be owner, admin or member", text)
    return Role(word)


async def check_boards(ctx: Context, organization_id: UUID, boards: Sequence[Any]) -> None:
    """Every entry `(board_id, can_read, can_write)` names another board of the organisation, else `Invalid`."""
    ids = [board_id for board_id, _, _ in boards]
    if len(set(ids)) != len(ids):
        raise Invalid("A board is listed twice.")
    known = await ctx.all(select(Board.id).where(Board.id.in_(ids), Board.organization_id == organization_id))
    if len(known) != len(ids):
        raise Invalid("A board is not one of the organisation.", detail="Unprocessable Entity")


async def locked(ctx: Context, member_id: UUID, *, active_only: bool = False) -> OrganizationMember:
    """The membership under the lock of its organisation, which orders all changes of who owns it."""
    found: OrganizationMember | None = await ctx.one(
        select(OrganizationMember).where(OrganizationMember.id == member_id)
    )
    if found is None or not access.sees_organization(ctx.actor, found.organization_id):
        raise NotFound()
    if active_only and found.organization_id != access.membership(ctx.actor).organization_id:
        raise NotFound()
    await lock_organization(ctx, found.organization_id)
    row: OrganizationMember | None = await ctx.one(
        select(OrganizationMember).where(OrganizationMember.id == member_id)
        .with_for_update().execution_options(populate_existing=True)
    )  # fmt: skip
    if row is None:
        raise NotFound()
    return row


async def lock_organization(ctx: Context, organization_id: UUID) -> None:
    """Serialise changes of an organisation's owners."""
    await ctx.one(select(Organization.id).where(Organization.id == organization_id).with_for_update(key_share=True))


async def still(ctx: Context, organization_id: UUID, *, owner: bool = False) -> Membership:
    """The caller's membership as it is under the organisation's lock: an administrator's, or (`owner`) an owner's."""
    mine = (access.owner if owner else access.administrator)(ctx.actor, organization_id)
    role = await ctx.one(select(OrganizationMember.role).where(OrganizationMember.id == mine.id))
    if role is None or role not in ((Role.OWNER,) if owner else (Role.OWNER, Role.ADMIN)):
        raise Forbidden()
    return replace(mine, role=Role(role))


async def owners(ctx: Context, organization_id: UUID) -> int:
    """How many owners it has."""
    statement = select(func.count()).select_from(OrganizationMember)
    where = (OrganizationMember.organization_id == organization_id, OrganizationMember.role == Role.OWNER.value)
    return int(await ctx.one(statement.where(*where)) or 0)


async def _keep_an_owner(ctx: Context, row: OrganizationMember) -> None:
    if row.role == Role.OWNER.value and await owners(ctx, row.organization_id) <= 1:
        raise Conflict("An organisation keeps at least one owner.", code=Code.LAST_OWNER)


async def set_role(ctx: Context, member_id: UUID, change: dict[str, Any]) -> OrganizationMember:
    """Give a member another role. Only owners make or unmake owners; the last one stays. Administrators only."""
    access.signed_in(ctx.actor)
    async with ctx.write():
        row = await locked(ctx, member_id)
        mine = await still(ctx, row.organization_id)
        before = row.role
        if "role" in change:
            role = role_of(change["role"])
            touches_owner = Role.OWNER in (role, Role.of(row.role))
            if touches_owner and role.value != row.role and mine.role != Role.OWNER:
                raise Forbidden("Only owners make or unmake owners.")
            if role is not Role.OWNER:
                await _keep_an_owner(ctx, row)
            row.role = role.value
        row.updated_at = ctx.now()
        if before != row.role:
            ctx.emit(
                "access.member", subject_id=row.user_id, organization_id=row.organization_id,
                changes=[{"field": "role", "before": before, "after": row.role}],
            )  # fmt: skip
    return row


async def transfer(ctx: Context, member_id: UUID) -> OrganizationMember:
    """Make another member owner and oneself admin, in one step; owners only."""
    access.signed_in(ctx.actor)
    async with ctx.write():
        row = await locked(ctx, member_id)
        mine = await still(ctx, row.organization_id, owner=True)
        if row.id == mine.id:
            raise Invalid("You own the organisation already.")
        own = await locked(ctx, mine.id)
        for member, role in ((row, Role.OWNER), (own, Role.ADMIN)):
            before, member.role, member.updated_at = member.role, role.value, ctx.now()
            ctx.emit(
                "access.member", subject_id=member.user_id, organization_id=member.organization_id,
                changes=[{"field": "role", "before": before, "after": role.value}],
            )  # fmt: skip
    await ctx.refresh_actor()
    return row


async def remove(ctx: Context, member_id: UUID) -> OrganizationMember:
    """Take a member out; what the person made stays. Administrators only, owners by owners."""
    access.signed_in(ctx.actor)
    async with ctx.write():
        row = await locked(ctx, member_id)
        mine = await still(ctx, row.organization_id)
        if row.id == mine.id:
            raise Forbidden("To go yourself, leave the organisation.")
        if row.role == Role.OWNER.value and mine.role != Role.OWNER:
            raise Forbidden("Only owners remove owners.")
        await _keep_an_owner(ctx, row)
        await drop(ctx, row)
    return row


async def leave(ctx: Context, organization_id: UUID) -> OrganizationMember:
    """Leave an organisation; its last owner hands over first."""
    mine = access.person(ctx.actor).memberships.get(organization_id)
    if mine is None:
        raise NotFound()
    async with ctx.write():
        row = await locked(ctx, mine.id)
        await _keep_an_owner(ctx, row)
        await drop(ctx, row)
    return row


async def drop(ctx: Context, row: OrganizationMember) -> None:
    """End a membership with its rights; the person's active organisation becomes the oldest other one."""
    await ctx.run(delete(OrganizationBoardAccess).where(OrganizationBoardAccess.organization_member_id == row.id))
    await ctx.run(
        update(User)
        .where(User.id == row.user_id, User.active_organization_id == row.organization_id)
        .values(active_organization_id=oldest_other(row.organization_id))
    )
    await ctx.run(
        delete(PersonalToken).where(
            PersonalToken.user_id == row.user_id, PersonalToken.organization_id == row.organization_id
        )
    )
    ctx.emit("access.member", subject_id=row.user_id, organization_id=row.organization_id)
    await ctx.session.delete(row)
    await ctx.flush()


async def set_access(
    ctx: Context, member_id: UUID, *, all_boards_read: bool, all_boards_write: bool, boards: Sequence[Any]
) -> OrganizationMember:
    """Replace what a member reaches; `boards` holds `(board_id, can_read, can_write)`. Administrators only."""
    access.signed_in(ctx.actor)
    async with ctx.write():
        row = await locked(ctx, member_id)
        await still(ctx, row.organization_id)
        await check_boards(ctx, row.organization_id, boards)
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
