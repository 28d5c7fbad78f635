"""Organisations: reading them and their members, making, switching and deleting them, welcoming newcomers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import func, select, update

from api.domain import access, removal
from api.domain.actor import Agent as AgentActor
from api.domain.actor import Role
from api.domain.authentication.tokens import digest
from api.domain.context import Context
from api.domain.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated, field_error
from api.domain.organizations import invites
from api.domain.organizations.tables import Organization, OrganizationBoardAccess, OrganizationMember
from api.domain.paging import Listing, Order
from api.domain.skills.tables import SkillPack
from api.domain.users.tables import DepartedUser, User

PERSONAL = "Personal"
MAXIMUM_NAME = 200
#: For so long a deleted account's token brings nothing back.
DEPARTED = timedelta(minutes=10)
#: What the contract puts into a newcomer's organisation.
DEFAULT_PACKS = (
    ("antigravity-awesome-skills", "https://github.com/sickn33/antigravity-awesome-skills"),
    ("ai-marketing-skills", "https://github.com/BrianRWagner/ai-marketing-skills"),
)


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


def members(ctx: Context, *organization_ids: UUID, by_address: bool = False) -> Listing:
    """Everybody in the organisations (default: the active one), by name; any member may look.

    `by_address` is REST's order. Cursors hold the values of an order, so lists with cursors keep to names.
    """
    ids = [access.membership(ctx.actor, wanted).organization_id for wanted in organization_ids or (None,)]

    def last(column: Any) -> Any:
        found = select(column).where(User.id == OrganizationMember.user_id).scalar_subquery()
        return func.coalesce(found, "\U0010ffff")

    names = (Order(last(User.name)),)
    order = (Order(last(func.lower(User.email))), *names) if by_address else names
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


async def create(ctx: Context, name: str) -> Organization:
    """Make an organisation that the caller owns; it becomes the active one. Raises `Conflict` for a name of one's own.

    Names of other people's organisations are nobody's business and may repeat.
    """
    actor = access.person(ctx.actor)
    if actor.token_id is not None:
        raise Forbidden("A personal token stays in its organisation; sign in for that.")
    text = name.strip()
    if not text:
        raise Invalid("name must not be blank.", detail="Unprocessable Entity")
    if len(text) > MAXIMUM_NAME:
        raise field_error("name", f"name has at most {MAXIMUM_NAME} characters")
    async with ctx.write():
        user: User | None = await ctx.one(select(User).where(User.id == actor.id).with_for_update())
        if user is None:
            raise Unauthenticated()
        await _check_name(ctx, actor.id, text)
        organization = await _found(ctx, user, text)
        ctx.emit("access.user", subject_id=actor.id, organization_id=organization.id)
    await ctx.refresh_actor()
    return organization


async def rename(ctx: Context, organization_id: UUID | None, name: str) -> Organization:
    """Give the organisation another name; administrators only."""
    mine = access.administrator(ctx.actor, organization_id)
    text = name.strip()
    if not text or len(text) > MAXIMUM_NAME:
        raise field_error("name", f"name must have 1 to {MAXIMUM_NAME} characters", name)
    async with ctx.write():
        row: Organization | None = await ctx.one(
            select(Organization).where(Organization.id == mine.organization_id).with_for_update()
        )
        if row is None:
            raise NotFound()
        await _check_name(ctx, access.person(ctx.actor).id, text, besides=row.id)
        before, row.name, row.updated_at = row.name, text, ctx.now()
        ctx.emit(
            "organization.renamed", subject_id=row.id, organization_id=row.id,
            changes=[{"field": "name", "before": before, "after": text}],
        )  # fmt: skip
    return row


async def _check_name(ctx: Context, user_id: UUID, name: str, besides: UUID | None = None) -> None:
    same = (
        select(Organization.id)
        .join(OrganizationMember, OrganizationMember.organization_id == Organization.id)
        .where(OrganizationMember.user_id == user_id, func.lower(Organization.name) == name.lower())
    )
    if besides is not None:
        same = same.where(Organization.id != besides)
    if await ctx.one(same.limit(1)):
        raise Conflict("One of your organisations has this name.", detail="Conflict")


async def activate(ctx: Context, organization_id: UUID) -> Organization:
    """Make one of the caller's organisations the one that unqualified questions mean."""
    actor = access.person(ctx.actor)
    access.membership(actor, organization_id)
    async with ctx.write():
        organization: Organization | None = await ctx.one(
            select(Organization).where(Organization.id == organization_id)
        )
        if organization is None:
            raise Forbidden("You are not a member of this organisation.")
        if actor.token_id is None:
            await ctx.run(update(User).where(User.id == actor.id).values(active_organization_id=organization_id))
            ctx.emit("access.user", subject_id=actor.id, organization_id=organization_id)
    await ctx.refresh_actor()
    return organization


async def delete_organization(ctx: Context, organization_id: UUID | None = None) -> UUID:
    """Take an organisation away with everything in it; owners only. Its streams end, one tombstone event stays."""
    mine = access.owner(ctx.actor, organization_id)
    async with ctx.write():
        await ctx.one(select(Organization.id).where(Organization.id == mine.organization_id).with_for_update())
        await remove_everything(ctx, mine.organization_id)
    return mine.organization_id


async def remove_everything(ctx: Context, organization_id: UUID) -> None:
    """Every row of the organisation, inside the caller's write."""
    for statement in removal.of_organization(organization_id):
        await ctx.run(statement.execution_options(synchronize_session=False))
    ctx.emit("access.organization", subject_id=organization_id, organization_id=organization_id)


async def _found(ctx: Context, user: User, name: str) -> Organization:
    """An organisation with its owner, which becomes the active one."""
    moment = ctx.now()
    organization = Organization(id=uuid4(), name=name, created_at=moment, updated_at=moment)
    ctx.add(organization)
    await ctx.flush()
    ctx.add(
        OrganizationMember(
            id=uuid4(), organization_id=organization.id, user_id=user.id, role=Role.OWNER.value,
            all_boards_read=True, all_boards_write=True, created_at=moment, updated_at=moment,
        )
    )  # fmt: skip
    user.active_organization_id = organization.id
    await ctx.flush()
    return organization


async def welcome(
    ctx: Context, subject: str, email: str | None, name: str | None, *, verified: bool = False
) -> User | None:
    """A newcomer's row and a place to be; two first requests make one of each.

    A pending invite for the verified address is accepted, else an organisation of its own is made, with the default
    skill packs if those are switched on. None for an account that deleted itself within the last minutes.
    """
    async with ctx.write():
        await ctx.lock_key("newcomer", subject)
        user: User | None = await ctx.one(select(User).where(User.clerk_user_id == subject).with_for_update())
        if user is None:
            if await ctx.one(
                select(DepartedUser).where(
                    DepartedUser.subject_digest == digest(subject), DepartedUser.departed_at > ctx.now() - DEPARTED
                )
            ):
                return None
            user = User(id=uuid4(), clerk_user_id=subject, email=email, name=name)
            ctx.add(user)
            await ctx.flush()
        if not await ctx.one(select(OrganizationMember.id).where(OrganizationMember.user_id == user.id).limit(1)):
            invite = await invites.waiting_for(ctx, email) if verified and email else None
            if invite is not None:
                user.active_organization_id = None
                await invites.enter(ctx, user, invite)
            else:
                organization = await _found(ctx, user, PERSONAL)
                if ctx.settings.default_skill_packs:
                    for pack_name, url in DEFAULT_PACKS:
                        ctx.add(
                            SkillPack(id=uuid4(), organization_id=organization.id, name=pack_name, source_url=url,
                                      created_at=ctx.now(), updated_at=ctx.now())
                        )  # fmt: skip
    return user
