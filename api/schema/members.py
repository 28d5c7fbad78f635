"""Changing organisations and who belongs to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import strawberry

from api.domain import access
from api.domain.context import Context
from api.domain.organizations import members, operations
from api.domain.organizations.tables import Organization as OrganizationRow
from api.domain.organizations.tables import OrganizationMember
from api.domain.paging import by_ids
from api.schema.batching import Info
from api.schema.mutations import DeletedPayload, Payload, TargetInput, delete_target, mutate
from api.schema.organizations import Member, Organization, OrganizationRole
from api.schema.scalars import as_uuid, given, optional, optional_uuid

# -- resolvers that REST rows use -------------------------------------------------------------------------------------


def board_rights(entries: Sequence[Any]) -> list[tuple[UUID, bool, bool]]:
    """Rights on boards, from input objects or from the wire."""
    found = []
    for entry in entries:
        one = entry if isinstance(entry, dict) else vars(entry)
        found.append((as_uuid(one["board_id"], "boardId"), one.get("can_read", True), one.get("can_write", False)))
    return found


async def create_organization(ctx: Context, name: str) -> Organization:
    """Make an organisation, which becomes the active one."""
    return Organization.of(await operations.create(ctx, name))


async def activate_organization(ctx: Context, organization_id: UUID) -> Organization:
    """Switch to one of the caller's organisations."""
    return Organization.of(await operations.activate(ctx, organization_id))


async def delete_organization(ctx: Context) -> None:
    """Take the active organisation away with everything in it."""
    await operations.delete_organization(ctx)


async def update_member(ctx: Context, member_id: UUID, change: dict[str, Any]) -> Member:
    """Give a member another role."""
    return Member.of(await members.set_role(ctx, member_id, change))


async def set_member_access(ctx: Context, member_id: UUID, draft: dict[str, Any]) -> Member:
    """Replace what a member reaches."""
    row = await members.set_access(
        ctx, member_id, all_boards_read=draft.get("all_boards_read", False),
        all_boards_write=draft.get("all_boards_write", False), boards=board_rights(draft.get("board_access", [])),
    )  # fmt: skip
    return Member.of(row)


async def remove_member(ctx: Context, member_id: UUID) -> None:
    """Take a member out."""
    await members.remove(ctx, member_id)


# -- GraphQL ----------------------------------------------------------------------------------------------------------


@strawberry.input(description="A right on one board.")
class BoardAccessInput:
    """Part of `SetMemberAccessInput`."""

    board_id: strawberry.ID = strawberry.field(description="A board of the organisation.")
    can_read: bool = strawberry.field(default=True, description="May read it.")
    can_write: bool = strawberry.field(default=False, description="May write it.")


@strawberry.input(description="What a member shall reach; it replaces what the member reached before.")
class SetMemberAccessInput:
    """Input of `setMemberAccess`."""

    member_id: strawberry.ID = strawberry.field(description="The membership.")
    all_boards_read: bool = strawberry.field(default=False, description="Reads every board.")
    all_boards_write: bool = strawberry.field(default=False, description="Writes every board.")
    boards: list[BoardAccessInput] = strawberry.field(
        default_factory=list,
        description="Rights on single boards; ignored when a flag over all boards is set.",
    )
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.type(description="The member with its new rights.")
class SetMemberAccessPayload(Payload):
    """Payload of `setMemberAccess`."""

    member: Member = strawberry.field(description="The membership.")


@strawberry.input(description="A new organisation.")
class CreateOrganizationInput:
    """Input of `createOrganization`."""

    name: str = strawberry.field(description="Its name, up to 200 characters, another than of your own ones.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.input(description="What to change of an organisation; administrators only.")
class UpdateOrganizationInput:
    """Input of `updateOrganization`."""

    name: str = strawberry.field(description="Its name.")
    id: strawberry.ID | None = optional("The organisation; by default the active one.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.type(description="The organisation.")
class OrganizationPayload(Payload):
    """Payload of mutations that answer with an organisation."""

    organization: Organization = strawberry.field(description="The organisation as it is now.")


@strawberry.input(description="A member's new role; administrators only, owners are made and unmade by owners.")
class UpdateMemberInput:
    """Input of `updateMember`."""

    member_id: strawberry.ID = strawberry.field(description="The membership.")
    role: OrganizationRole = strawberry.field(description="The role.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.type(description="The membership.")
class MemberPayload(Payload):
    """Payload of mutations that answer with a membership."""

    member: Member = strawberry.field(description="The membership as it is now.")


@strawberry.type
class OrganizationMutation:
    """Mutations of organisations and members."""

    @strawberry.mutation(description="Make an organisation that you own; it becomes your active one.")
    async def create_organization(self, info: Info, input: CreateOrganizationInput) -> OrganizationPayload:
        return await mutate(
            info, input, lambda: operations.create(info.context, input.name), _reload_organizations,
            lambda row: {"organization": Organization.of(row)}, OrganizationPayload,
        )  # fmt: skip

    @strawberry.mutation(description="Rename an organisation; administrators only.")
    async def update_organization(self, info: Info, input: UpdateOrganizationInput) -> OrganizationPayload:
        target = optional_uuid(given(input).get("id"))
        return await mutate(
            info, input, lambda: operations.rename(info.context, target, input.name), _reload_organizations,
            lambda row: {"organization": Organization.of(row)}, OrganizationPayload,
        )  # fmt: skip

    @strawberry.mutation(description="Make one of your organisations the one that unqualified questions mean.")
    async def activate_organization(self, info: Info, input: TargetInput) -> OrganizationPayload:
        return await mutate(
            info, input, lambda: operations.activate(info.context, as_uuid(input.id)), _reload_organizations,
            lambda row: {"organization": Organization.of(row)}, OrganizationPayload,
        )  # fmt: skip

    @strawberry.mutation(description="Take an organisation away with everything in it; owners only.")
    async def delete_organization(self, info: Info, input: TargetInput) -> DeletedPayload:
        return await delete_target(info, input, operations.delete_organization)

    @strawberry.mutation(description="Leave an organisation; its last owner hands over first.")
    async def leave_organization(self, info: Info, input: TargetInput) -> DeletedPayload:
        return await delete_target(info, input, members.leave)

    @strawberry.mutation(description="Make another member owner, and yourself admin; owners only.")
    async def transfer_ownership(self, info: Info, input: TargetInput) -> MemberPayload:
        return await mutate(
            info, input, lambda: members.transfer(info.context, as_uuid(input.id)), reload_members,
            lambda row: {"member": Member.of(row)}, MemberPayload,
        )  # fmt: skip

    @strawberry.mutation(description="Give a member another role; the last owner stays owner.")
    async def update_member(self, info: Info, input: UpdateMemberInput) -> MemberPayload:
        return await mutate(
            info, input,
            lambda: members.set_role(info.context, as_uuid(input.member_id, "memberId"), {"role": input.role.value}),
            reload_members, lambda row: {"member": Member.of(row)}, MemberPayload,
        )  # fmt: skip

    @strawberry.mutation(description="Take a member out; administrators only, owners are removed by owners.")
    async def remove_member(self, info: Info, input: TargetInput) -> DeletedPayload:
        return await delete_target(info, input, members.remove)

    @strawberry.mutation(description="Replace what a member reaches; administrators only. Open streams follow at once.")
    async def set_member_access(self, info: Info, input: SetMemberAccessInput) -> SetMemberAccessPayload:
        boards = board_rights(input.boards)
        return await mutate(
            info, input,
            lambda: members.set_access(
                info.context, as_uuid(input.member_id, "memberId"), all_boards_read=input.all_boards_read,
                all_boards_write=input.all_boards_write, boards=boards,
            ),
            reload_members, lambda row: {"member": Member.of(row)}, SetMemberAccessPayload,
        )  # fmt: skip


async def reload_members(ctx: Context, ids: Sequence[UUID]) -> dict[Any, Any]:
    """Memberships of the caller's organisations, for a retried mutation."""
    mine = list(access.person(ctx.actor).memberships)
    return await by_ids(ctx, OrganizationMember, ids, OrganizationMember.organization_id.in_(mine))


async def _reload_organizations(ctx: Context, ids: Sequence[UUID]) -> dict[Any, Any]:
    mine = list(access.person(ctx.actor).memberships)
    return await by_ids(ctx, OrganizationRow, ids, OrganizationRow.id.in_(mine))
