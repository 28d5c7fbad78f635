"""People: their profile and the personal tokens they make for scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import available_timezones

from sqlalchemy import delete, func, select, update

from api.domain import access
from api.domain.actor import Role
from api.domain.actor import User as UserActor
from api.domain.authentication.tokens import PERSONAL_PREFIX, digest, mint
from api.domain.context import Context, naive_utc
from api.domain.errors import Code, Conflict, Forbidden, Invalid, NotFound, Unauthenticated, field_error
from api.domain.jobs import Job
from api.domain.organizations import members
from api.domain.organizations.operations import remove_everything
from api.domain.organizations.tables import Organization, OrganizationInvite, OrganizationMember
from api.domain.paging import Listing, Order
from api.domain.tasks.tables import Task
from api.domain.users.tables import DepartedUser, PersonalToken, User

PROFILE = ("name", "preferred_name", "pronouns", "timezone", "notes", "context")
LONG = {"notes", "context"}


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A personal token with its secret, which is shown this once."""

    token: PersonalToken
    secret: str


async def me(ctx: Context) -> User:
    """The caller's row."""
    actor = access.person(ctx.actor)
    user: User | None = await ctx.one(select(User).where(User.id == actor.id))
    if user is None:
        raise Unauthenticated()
    return user


async def update_profile(ctx: Context, change: Mapping[str, Any]) -> User:
    """Change the caller's profile; null clears a field."""
    actor = access.person(ctx.actor)
    for name in PROFILE:
        value = change.get(name)
        limit = 20_000 if name in LONG else 200
        if value is not None and len(value) > limit:
            raise field_error(name, f"{name} has at most {limit} characters")
    if (zone := change.get("timezone")) and zone not in available_timezones():
        raise field_error("timezone", "timezone must be an IANA name like Europe/Berlin", zone)
    async with ctx.write():
        user: User | None = await ctx.one(select(User).where(User.id == actor.id).with_for_update())
        if user is None:
            raise Unauthenticated()
        for name in PROFILE:
            if name in change:
                setattr(user, name, change[name])
    return user


async def delete_me(ctx: Context) -> UUID:
    """Delete the caller's account. Organisations where nobody else is go with it; work done elsewhere stays.

    Raises `Conflict` with the organisations that would be left without an owner. The account at the identity provider
    is deleted by a job afterwards, so that an unreachable provider holds nothing up.
    """
    actor = access.person(ctx.actor)
    if actor.token_id is not None:
        raise Forbidden("A personal token cannot delete its person; sign in for that.")
    async with ctx.write():
        # Organisations first and then the person, as everywhere else; what they say is read under their locks.
        held = select(OrganizationMember.organization_id).where(OrganizationMember.user_id == actor.id)
        for organization_id in sorted(await ctx.all(held)):
            await members.lock_organization(ctx, organization_id)
        user: User | None = await ctx.one(select(User).where(User.id == actor.id).with_for_update())
        if user is None:
            raise Unauthenticated()
        mine = await ctx.all(
            select(OrganizationMember).where(OrganizationMember.user_id == actor.id)
            .order_by(OrganizationMember.organization_id).execution_options(populate_existing=True)
        )  # fmt: skip
        others = dict(await ctx.rows(
            select(OrganizationMember.organization_id, func.count())
            .where(OrganizationMember.organization_id.in_([row.organization_id for row in mine]),
                   OrganizationMember.user_id != actor.id)
            .group_by(OrganizationMember.organization_id)
        ))  # fmt: skip
        stranded = [
            str(row.organization_id) for row in mine
            if row.role == Role.OWNER.value and row.organization_id in others
            and await members.owners(ctx, row.organization_id) <= 1
        ]  # fmt: skip
        if stranded:
            message = "Hand these organisations over before you go."
            raise Conflict(
                message, code=Code.LAST_OWNER, detail={"message": message, "organization_ids": stranded},
                organization_ids=stranded,
            )  # fmt: skip
        user.active_organization_id = None
        for row in mine:
            if row.organization_id in others:
                await members.drop(ctx, row)
            else:
                await remove_everything(ctx, row.organization_id)
        for statement in (
            update(OrganizationInvite).where(OrganizationInvite.created_by_user_id == actor.id)
            .values(created_by_user_id=None),
            update(OrganizationInvite).where(OrganizationInvite.accepted_by_user_id == actor.id)
            .values(accepted_by_user_id=None),
            update(Task).where(Task.created_by_user_id == actor.id).values(created_by_user_id=None),
            delete(PersonalToken).where(PersonalToken.user_id == actor.id),
            delete(User).where(User.id == actor.id),
        ):  # fmt: skip
            await ctx.run(statement.execution_options(synchronize_session=False))
        if ctx.settings.auth_mode != "local":
            await ctx.session.merge(DepartedUser(subject_digest=digest(user.clerk_user_id), departed_at=ctx.now()))
            if ctx.settings.auth_mode == "clerk":
                ctx.add(Job(kind="clerk.delete", reason="user.deleted", text="", created_at=ctx.now(),
                            data={"subject": user.clerk_user_id}))  # fmt: skip
        ctx.emit("access.user", subject_id=actor.id)
    return actor.id


def tokens(ctx: Context) -> Listing:
    """The caller's personal tokens that still work, newest first."""
    actor = access.person(ctx.actor)
    where = (PersonalToken.user_id == actor.id, PersonalToken.revoked_at.is_(None))
    return Listing(PersonalToken, (Order(PersonalToken.created_at, descending=True),), where)


async def create_token(
    ctx: Context, name: str, *, organization_id: UUID | None = None, expires_at: datetime | None = None
) -> IssuedToken:
    """Make a token with the caller's rights in one organisation."""
    actor = access.person(ctx.actor)
    member = access.membership(actor, organization_id)
    if actor.token_id is not None:
        raise Invalid("A personal token cannot make further tokens; sign in for that.")
    text = name.strip()
    if not text or len(text) > 200:
        raise field_error("name", "name must have 1 to 200 characters", name)
    expires = naive_utc(expires_at)
    if expires is not None and expires <= ctx.now():
        raise field_error("expires_at", "expires_at must lie in the future")
    secret = mint(PERSONAL_PREFIX)
    async with ctx.write():
        token = PersonalToken(
            id=uuid4(), user_id=actor.id, organization_id=member.organization_id, name=text, digest=digest(secret),
            created_at=ctx.now(), expires_at=expires,
        )  # fmt: skip
        ctx.add(token)
    return IssuedToken(token, secret)


async def revoke_token(ctx: Context, token_id: UUID) -> PersonalToken:
    """End a token of the caller; streams opened with it end as well."""
    actor = access.person(ctx.actor)
    async with ctx.write():
        token: PersonalToken | None = await ctx.one(
            select(PersonalToken).where(PersonalToken.id == token_id, PersonalToken.user_id == actor.id)
            .with_for_update()
        )  # fmt: skip
        if token is None:
            raise NotFound()
        if token.revoked_at is None:
            token.revoked_at = ctx.now()
            ctx.emit("access.token", subject_id=token.id, organization_id=token.organization_id)
    return token


async def rotate_local_token(ctx: Context) -> str:
    """Replace the shared token of local mode; streams opened with the old one end."""
    actor = access.person(ctx.actor)
    access.owner(actor)
    if actor.token_id is not None:
        raise Invalid("The local token is rotated with the local token itself.")
    authenticator = ctx.services.authenticator
    if authenticator.mode != "local" or authenticator.local_token.configured:
        raise Invalid("The token comes from LOCAL_AUTH_TOKEN or an identity provider; change it there.")
    token = authenticator.local_token.rotate()
    async with ctx.write():
        ctx.emit("access.user", subject_id=actor.id)
    return token


async def organizations(ctx: Context) -> list[Organization]:
    """The organisations the caller belongs to, by name."""
    actor = access.person(ctx.actor)
    found = await ctx.all(select(Organization).where(Organization.id.in_(list(actor.memberships))))
    return sorted(found, key=lambda organization: (organization.name.lower(), organization.id))


async def administered(ctx: Context, user_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the people who are the caller, or belong to an organisation that the caller administers."""
    actor = ctx.actor
    if not isinstance(actor, UserActor):
        return set()
    mine = [member.organization_id for member in actor.memberships.values() if member.is_admin]
    found = await ctx.all(
        select(OrganizationMember.user_id).where(
            OrganizationMember.user_id.in_(user_ids), OrganizationMember.organization_id.in_(mine)
        )
    )
    return {actor.id, *found}
