"""Invites as GraphQL sees them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry

from api.domain.actor import Role
from api.domain.context import Context
from api.domain.organizations import invites
from api.domain.organizations.tables import OrganizationInvite
from api.domain.paging import OffsetPage, by_ids, offset_page
from api.schema.batching import Info, batch_field
from api.schema.members import BoardAccessInput, board_rights, reload_members
from api.schema.mutations import DeletedPayload, Payload, TargetInput, delete_target, mutate
from api.schema.node import Actor, Node, load_actors
from api.schema.organizations import Member, Organization, OrganizationRole, load_own_organizations
from api.schema.scalars import given, optional, optional_uuid, shape


async def load_inviters(ctx: Context, invites: Sequence[Invite]) -> list[Actor | None]:
    """Who made each invite."""
    return await load_actors(ctx, [one.row.created_by_user_id for one in invites], [None] * len(invites))


async def load_accepters(ctx: Context, invites: Sequence[Invite]) -> list[Actor | None]:
    """Who accepted each invite."""
    return await load_actors(ctx, [one.row.accepted_by_user_id for one in invites], [None] * len(invites))


@strawberry.type(description="An invitation by e-mail address. Pass its link on yourself; no mail is sent.")
class Invite(Node):
    """A row of `organization_invites`."""

    row: strawberry.Private[Any]
    invited_email: str = strawberry.field(description="The address, in lower case.")
    role: OrganizationRole = strawberry.field(description="The role it gives.")
    all_boards_read: bool = strawberry.field(description="Whether it gives reading of every board.")
    all_boards_write: bool = strawberry.field(description="Whether it gives writing of every board.")
    token: str = strawberry.field(description="What `acceptInvite` takes; works once.")
    created_at: datetime = strawberry.field(description="When it was made.")
    updated_at: datetime = strawberry.field(description="When it changed last.")
    accepted_at: datetime | None = strawberry.field(description="When it was accepted.")
    organization: Organization = batch_field(load_own_organizations, description="The organisation.")
    created_by: Actor | None = batch_field(load_inviters, description="Who made it.")
    accepted_by: Actor | None = batch_field(load_accepters, description="Who accepted it.")

    @classmethod
    def of(cls, ctx: Context, row: OrganizationInvite) -> Invite:
        """From a row; only administrators come here."""
        return shape(
            cls, row, role=OrganizationRole(Role.of(row.role).value), token=ctx.services.secrets.shown(row.token)
        )


# -- resolvers that REST rows use -------------------------------------------------------------------------------------


async def invite_page(ctx: Context, limit: int, offset: int) -> OffsetPage:
    """Pending invites of the active organisation."""
    page = await offset_page(ctx, invites.listing(ctx), limit, offset)
    page.rows = [Invite.of(ctx, row) for row in page.rows]
    return page


async def create_invite(ctx: Context, draft: dict[str, Any]) -> Invite:
    """Invite an address to the active organisation."""
    values = {**draft, "boards": board_rights(draft.pop("board_access", []))}
    values.pop("board_access", None)
    return Invite.of(ctx, await invites.create(ctx, **values))


async def revoke_invite(ctx: Context, invite_id: UUID) -> Invite:
    """Take an invite away; it is answered as it was."""
    return Invite.of(ctx, await invites.revoke(ctx, invite_id))


async def accept_invite(ctx: Context, token: str) -> Member:
    """Join by token."""
    return Member.of(await invites.accept(ctx, token))


# -- GraphQL ----------------------------------------------------------------------------------------------------------


@strawberry.input(description="A new invite; administrators only.")
class CreateInviteInput:
    """Input of `createInvite`."""

    invited_email: str = strawberry.field(description="The address.")
    organization_id: strawberry.ID | None = optional("The organisation; by default the active one.")
    role: OrganizationRole = strawberry.field(default=OrganizationRole.MEMBER, description="The role it gives.")
    all_boards_read: bool = strawberry.field(default=False, description="Gives reading of every board.")
    all_boards_write: bool = strawberry.field(default=False, description="Gives writing of every board.")
    boards: list[BoardAccessInput] = strawberry.field(
        default_factory=list, description="Rights on single boards; ignored when a flag over all boards is set."
    )
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.type(description="The new invite.")
class CreateInvitePayload(Payload):
    """Payload of `createInvite`."""

    invite: Invite = strawberry.field(description="The invite with its token.")


@strawberry.input(description="The token of an invite.")
class AcceptInviteInput:
    """Input of `acceptInvite`."""

    token: str = strawberry.field(description="The token of an invite for the caller's address.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.type(description="The membership that the invite gave or raised.")
class AcceptInvitePayload(Payload):
    """Payload of `acceptInvite`."""

    member: Member = strawberry.field(description="The membership.")


@strawberry.type
class InviteMutation:
    """Mutations of invites."""

    @strawberry.mutation(description="Invite an address; administrators only, owners are invited by owners.")
    async def create_invite(self, info: Info, input: CreateInviteInput) -> CreateInvitePayload:
        ctx, values = info.context, given(input, "client_mutation_id", "boards", "organization_id")
        organization_id = optional_uuid(given(input).get("organization_id"), "organizationId")
        return await mutate(
            info, input,
            lambda: invites.create(
                ctx, **values, boards=board_rights(input.boards), organization_id=organization_id
            ),
            _reload, lambda row: {"invite": Invite.of(ctx, row)}, CreateInvitePayload,
        )  # fmt: skip

    @strawberry.mutation(description="Take an invite away; administrators only. A membership that came of it stays.")
    async def revoke_invite(self, info: Info, input: TargetInput) -> DeletedPayload:
        return await delete_target(info, input, invites.revoke)

    @strawberry.mutation(description="Join an organisation by an invite for one's own address.")
    async def accept_invite(self, info: Info, input: AcceptInviteInput) -> AcceptInvitePayload:
        return await mutate(
            info, input, lambda: invites.accept(info.context, input.token), reload_members,
            lambda row: {"member": Member.of(row)}, AcceptInvitePayload,
        )  # fmt: skip


async def _reload(ctx: Context, ids: Sequence[UUID]) -> dict[Any, Any]:
    mine = [member.organization_id for member in ctx.actor.memberships.values() if member.is_admin]  # type: ignore[union-attr]
    return await by_ids(ctx, OrganizationInvite, ids, OrganizationInvite.organization_id.in_(mine))
