"""Invites by e-mail address: made, listed, revoked, accepted. A token works once and is sealed at rest."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import and_, delete, func, or_, select

from api.domain import access
from api.domain.actor import Role
from api.domain.authentication.tokens import digest
from api.domain.context import Context
from api.domain.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from api.domain.organizations.members import check_boards, role_of
from api.domain.organizations.tables import (
    OrganizationBoardAccess,
    OrganizationInvite,
    OrganizationInviteBoardAccess,
    OrganizationMember,
)
from api.domain.paging import Listing, Order
from api.domain.users.tables import User

_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
_RANK = {Role.OWNER: 2, Role.ADMIN: 1, Role.MEMBER: 0}


def listing(ctx: Context, *organization_ids: UUID) -> Listing:
    """Pending invites of the organisations (default: the active one), newest first; administrators only."""
    ids = [access.administrator(ctx.actor, wanted).organization_id for wanted in organization_ids or (None,)]
    where = (OrganizationInvite.organization_id.in_(ids), *_open(ctx))
    order = (Order(OrganizationInvite.created_at, descending=True),)
    return Listing(OrganizationInvite, order, where, OrganizationInvite.organization_id)


def _open(ctx: Context) -> list[Any]:
    pending: list[Any] = [OrganizationInvite.accepted_at.is_(None)]
    if (days := ctx.settings.invite_lifetime_days) is not None:
        pending.append(OrganizationInvite.created_at > ctx.now() - timedelta(days=days))
    return pending


async def create(
    ctx: Context, invited_email: str, *, role: str | None = "member", all_boards_read: bool = False,
    all_boards_write: bool = False, boards: Sequence[Any] = (), organization_id: UUID | None = None,
) -> OrganizationInvite:  # fmt: skip
    """Invite an address; `boards` holds `(board_id, can_read, can_write)`. Administrators; owners invite owners."""
    mine = access.administrator(ctx.actor, organization_id)
    address = invited_email.strip().lower()
    if not address:
        raise Invalid("invited_email must not be blank.", detail="Unprocessable Entity")
    if not _ADDRESS.fullmatch(address) or len(address) > 320:
        raise Invalid("invited_email must be an e-mail address.")
    given = role_of(role)
    if given is Role.OWNER and mine.role != Role.OWNER:
        raise Forbidden("Only owners invite owners.")
    async with ctx.write():
        await ctx.lock_key("invites", mine.organization_id, address)
        member = (
            select(OrganizationMember.id)
            .join(User, User.id == OrganizationMember.user_id)
            .where(OrganizationMember.organization_id == mine.organization_id, func.lower(User.email) == address)
        )
        if await ctx.one(member.limit(1)):
            raise Conflict("A member has this address.", detail="Conflict")
        same = (OrganizationInvite.organization_id == mine.organization_id, OrganizationInvite.invited_email == address)
        if await ctx.one(select(OrganizationInvite.id).where(*same, *_open(ctx)).limit(1)):
            raise Conflict("This address has a pending invite; revoke it to invite again.")
        await check_boards(ctx, mine.organization_id, boards)
        moment, token = ctx.now(), secrets.token_urlsafe(24)
        invite = OrganizationInvite(
            id=uuid4(), organization_id=mine.organization_id, invited_email=address, role=given.value,
            token=ctx.services.secrets.seal(token), token_digest=digest(token), all_boards_read=all_boards_read,
            all_boards_write=all_boards_write, created_by_user_id=ctx.actor.id, created_at=moment, updated_at=moment,
        )  # fmt: skip
        ctx.add(invite)
        await ctx.flush()
        if not (all_boards_read or all_boards_write):
            for board_id, can_read, can_write in boards:
                ctx.add(
                    OrganizationInviteBoardAccess(
                        id=uuid4(), organization_invite_id=invite.id, board_id=board_id, can_read=can_read,
                        can_write=can_write, created_at=moment, updated_at=moment,
                    )
                )  # fmt: skip
        ctx.emit("invite.created", subject_id=invite.id, organization_id=mine.organization_id)
    return invite


async def revoke(ctx: Context, invite_id: UUID) -> OrganizationInvite:
    """Take an invite away, pending or accepted; a membership that came of it stays. Administrators only."""
    access.signed_in(ctx.actor)
    async with ctx.write():
        invite: OrganizationInvite | None = await ctx.one(
            select(OrganizationInvite).where(OrganizationInvite.id == invite_id).with_for_update()
        )
        if invite is None or not access.sees_organization(ctx.actor, invite.organization_id):
            raise NotFound()
        access.administrator(ctx.actor, invite.organization_id)
        rows = OrganizationInviteBoardAccess.organization_invite_id == invite.id
        await ctx.run(delete(OrganizationInviteBoardAccess).where(rows))
        await ctx.session.delete(invite)
        ctx.emit("invite.revoked", subject_id=invite.id, organization_id=invite.organization_id)
    return invite


async def accept(ctx: Context, token: str) -> OrganizationMember:
    """Join by token. The invite's address must be the caller's; a token that was used once is unknown."""
    actor = access.person(ctx.actor)
    if actor.token_id is not None:
        raise Forbidden("A personal token stays in its organisation; sign in for that.")
    async with ctx.write():
        legacy = and_(OrganizationInvite.token_digest.is_(None), OrganizationInvite.token == token)
        match = or_(OrganizationInvite.token_digest == digest(token), legacy)
        invite: OrganizationInvite | None = await ctx.one(
            select(OrganizationInvite).where(match, *_open(ctx)).with_for_update()
        )
        if invite is None or not token:
            raise NotFound()
        user: User | None = await ctx.one(select(User).where(User.id == actor.id).with_for_update())
        if user is None:
            raise Unauthenticated()
        if (user.email or "").strip().lower() != invite.invited_email.strip().lower():
            raise Forbidden("This invite is for another address.")
        if actor.active is not None:
            # Where the person is now stays the active one, also when that was only a fallback.
            user.active_organization_id = actor.active.organization_id
        member = await enter(ctx, user, invite)
    await ctx.refresh_actor()
    return member


async def enter(ctx: Context, user: User, invite: OrganizationInvite) -> OrganizationMember:
    """Make the person a member as the invite says; an existing membership is only ever raised."""
    moment = ctx.now()
    member: OrganizationMember | None = await ctx.one(
        select(OrganizationMember).where(
            OrganizationMember.organization_id == invite.organization_id, OrganizationMember.user_id == user.id
        ).with_for_update()
    )  # fmt: skip
    offered = await ctx.all(
        select(OrganizationInviteBoardAccess)
        .where(OrganizationInviteBoardAccess.organization_invite_id == invite.id)
        .order_by(OrganizationInviteBoardAccess.created_at, OrganizationInviteBoardAccess.id)
    )
    flagged = invite.all_boards_read or invite.all_boards_write
    if member is None:
        member = OrganizationMember(
            id=uuid4(), organization_id=invite.organization_id, user_id=user.id, role=Role.of(invite.role).value,
            all_boards_read=invite.all_boards_read, all_boards_write=invite.all_boards_write, created_at=moment,
            updated_at=moment,
        )  # fmt: skip
        ctx.add(member)
        user.active_organization_id = user.active_organization_id or invite.organization_id
        await ctx.flush()
        held: dict[UUID, OrganizationBoardAccess] = {}
        reads = {row.board_id: row.can_read for row in offered}
    else:
        if _RANK[Role.of(invite.role)] > _RANK[Role.of(member.role)]:
            member.role, member.updated_at = invite.role, moment
        if flagged:
            member.all_boards_read |= invite.all_boards_read or invite.all_boards_write
            member.all_boards_write |= invite.all_boards_write
            member.updated_at = moment
        rows = await ctx.all(
            select(OrganizationBoardAccess).where(OrganizationBoardAccess.organization_member_id == member.id)
        )
        held = {row.board_id: row for row in rows}
        reads = {row.board_id: row.can_read or row.can_write for row in offered}
    for row in () if flagged else offered:
        mine = held.get(row.board_id)
        if mine is not None:
            mine.can_read |= reads[row.board_id]
            mine.can_write |= row.can_write
            mine.updated_at = moment
        else:
            ctx.add(
                OrganizationBoardAccess(
                    id=uuid4(), organization_member_id=member.id, board_id=row.board_id,
                    can_read=reads[row.board_id], can_write=row.can_write, created_at=moment, updated_at=moment,
                )
            )  # fmt: skip
    invite.accepted_by_user_id, invite.accepted_at, invite.updated_at = user.id, moment, moment
    await ctx.flush()
    ctx.emit("access.member", subject_id=user.id, organization_id=invite.organization_id)
    return member


async def waiting_for(ctx: Context, address: str) -> OrganizationInvite | None:
    """The oldest pending invite of an address, under lock."""
    found: OrganizationInvite | None = await ctx.one(
        select(OrganizationInvite).where(OrganizationInvite.invited_email == address.strip().lower(), *_open(ctx))
        .order_by(OrganizationInvite.created_at, OrganizationInvite.id).limit(1).with_for_update()
    )  # fmt: skip
    return found
