"""Organisations, their members and what each member reaches."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry
from sqlalchemy import func, select

from api.domain import access
from api.domain.actor import Role
from api.domain.boards.tables import Board as BoardRow
from api.domain.context import Context
from api.domain.custom_fields import definitions
from api.domain.errors import NotFound
from api.domain.organizations import invites, operations
from api.domain.organizations.tables import Organization as OrganizationRow
from api.domain.organizations.tables import OrganizationBoardAccess, OrganizationMember
from api.domain.paging import Slice, by_ids, offset_page
from api.domain.tags import Tag as TagRow
from api.domain.tags import operations as tag_operations
from api.domain.users import operations as user_operations
from api.domain.users.tables import User as UserRow
from api.schema.batching import Info, batch_field
from api.schema.node import Node
from api.schema.paging import After, Before, Connection, First, Last, connect
from api.schema.scalars import as_uuid, shape
from api.schema.tags import CustomField, Tag

if TYPE_CHECKING:
    from api.schema.boards import Board
    from api.schema.invites import Invite
    from api.schema.users import User, Viewer


@strawberry.enum(description="A member's role; it gives administration, never access to a board by itself.")
class OrganizationRole(Enum):
    """Roles."""

    OWNER = strawberry.enum_value("owner", description="Administers everything, makes and unmakes owners.")
    ADMIN = strawberry.enum_value("admin", description="Administers boards, agents and members.")
    MEMBER = strawberry.enum_value("member", description="Works on the boards it was given.")


async def load_active_organization(ctx: Context, viewers: Sequence[Viewer]) -> list[Organization]:
    """The organisation that the caller's unqualified questions mean."""
    return [Organization.of(await operations.active(ctx))] * len(viewers)


async def load_my_organizations(ctx: Context, viewers: Sequence[Viewer]) -> list[list[Organization]]:
    """The organisations the caller belongs to."""
    if ctx.actor.kind == "agent":
        return [[Organization.of(await operations.active(ctx))]] * len(viewers)
    return [[Organization.of(row) for row in await user_operations.organizations(ctx)]] * len(viewers)


async def load_members(
    ctx: Context, organizations: Sequence[Organization], first: First = None, after: After = None, last: Last = None,
    before: Before = None,
) -> list[Connection[Member]]:  # fmt: skip
    """Members of each organisation; for its members' eyes."""
    ids = [organization.row.id for organization in organizations]
    listing = operations.members(ctx, *ids)
    return await connect(ctx, listing, Member.of, Slice(first, after, last, before), ids)


async def load_tags(
    ctx: Context, organizations: Sequence[Organization], first: First = None, after: After = None, last: Last = None,
    before: Before = None,
) -> list[Connection[Tag]]:  # fmt: skip
    """Tags of each organisation."""
    listing = tag_operations.listing().matching(TagRow.organization_id.in_([o.row.id for o in organizations]))
    part = Slice(first, after, last, before)
    return await connect(ctx, listing, Tag.of, part, [organization.row.id for organization in organizations])


async def load_fields(
    ctx: Context, organizations: Sequence[Organization], first: First = None, after: After = None, last: Last = None,
    before: Before = None,
) -> list[Connection[CustomField]]:  # fmt: skip
    """Custom fields of each organisation."""
    ids = [organization.row.id for organization in organizations]
    return await connect(ctx, definitions.listing(ctx, *ids), CustomField.of, Slice(first, after, last, before), ids)


async def load_invites(
    ctx: Context, organizations: Sequence[Organization], first: First = None, after: After = None, last: Last = None,
    before: Before = None,
) -> list[Connection[Invite]]:  # fmt: skip
    """Pending invites of each organisation."""
    from api.schema.invites import Invite

    ids = [organization.row.id for organization in organizations]
    listing = invites.listing(ctx, *ids)
    return await connect(ctx, listing, lambda row: Invite.of(ctx, row), Slice(first, after, last, before), ids)


@strawberry.type(description="A tenant: nothing of one organisation is visible in another.")
class Organization(Node):
    """A row of `organizations`."""

    row: strawberry.Private[Any]
    name: str = strawberry.field(description="Its name.")
    created_at: datetime = strawberry.field(description="When it was made.")
    updated_at: datetime = strawberry.field(description="When it changed last.")

    @strawberry.field(description="The caller's role in it; null for agents.")
    def viewer_role(self, info: Info) -> OrganizationRole | None:
        member = getattr(info.context.actor, "memberships", {}).get(self.row.id)
        return OrganizationRole(member.role.value) if member is not None else None

    @strawberry.field(description="Whether the caller's unqualified questions mean it.")
    def is_active(self, info: Info) -> bool:
        return bool(access.organization_of(info.context.actor) == self.row.id)

    members: Connection[Member] = batch_field(load_members, description="Who belongs to it.")
    tags: Connection[Tag] = batch_field(load_tags, description="Its tags by name.")
    custom_fields: Connection[CustomField] = batch_field(load_fields, description="Its custom fields by label.")
    invites: Connection[Annotated[Invite, strawberry.lazy("api.schema.invites")]] = batch_field(
        load_invites, description="Invites that wait, newest first; for administrators."
    )

    @classmethod
    def of(cls, row: OrganizationRow) -> Organization:
        """From a row."""
        return shape(cls, row)


async def load_own_organizations(ctx: Context, rows: Sequence[Any]) -> list[Organization]:
    """The organisation of each row that has an `organization_id`."""
    found = await by_ids(ctx, OrganizationRow, [one.row.organization_id for one in rows])
    return [Organization.of(found[one.row.organization_id]) for one in rows]


async def load_member_users(ctx: Context, members: Sequence[Member]) -> list[User]:
    """The person of each membership."""
    from api.schema.users import User

    rows = await by_ids(ctx, UserRow, [member.row.user_id for member in members])
    return [User.of(rows[member.row.user_id]) for member in members]


async def load_member_access(ctx: Context, members: Sequence[Member]) -> list[list[BoardAccess]]:
    """The board rights of each member; other people's are for administrators."""
    for member in members:
        if member.row.user_id != ctx.actor.id:
            access.administrator(ctx.actor, member.row.organization_id)
    rows = await operations.board_access(ctx, [member.row.id for member in members])
    return [[BoardAccess.of(row) for row in rows[member.row.id]] for member in members]


@strawberry.type(description="One member's right on one board.")
class BoardAccess:
    """A row of `organization_board_access`."""

    row: strawberry.Private[Any]
    id: strawberry.ID = strawberry.field(description="The UUID.")
    board_id: strawberry.ID = strawberry.field(description="The board.")
    can_read: bool = strawberry.field(description="May read it.")
    can_write: bool = strawberry.field(description="May write it, which includes reading.")
    created_at: datetime = strawberry.field(description="When it was given.")
    updated_at: datetime = strawberry.field(description="When it changed last.")

    @classmethod
    def of(cls, row: OrganizationBoardAccess) -> BoardAccess:
        """From a row."""
        return shape(cls, row)


async def load_effective_access(ctx: Context, members: Sequence[Member]) -> list[list[EffectiveAccess]]:
    """What flags and single rights come to, for every board that each member reaches."""
    from api.schema.boards import Board

    rights = await load_member_access(ctx, members)
    organizations = {member.row.organization_id for member in members}
    boards = await ctx.all(
        select(BoardRow).where(BoardRow.organization_id.in_(organizations)).order_by(func.lower(BoardRow.name))
    )
    found = []
    for member, own in zip(members, rights, strict=True):
        single = {right.row.board_id: right.row for right in own}
        reached = []
        for board in boards:
            row = single.get(board.id)
            write = member.row.all_boards_write or (row is not None and row.can_write)
            read = write or member.row.all_boards_read or (row is not None and row.can_read)
            if read and board.organization_id == member.row.organization_id:
                reached.append(EffectiveAccess(board=Board.of(board), can_write=write))
        found.append(reached)
    return found


@strawberry.type(description="A board that a member reaches.")
class EffectiveAccess:
    """Flags and single rights together."""

    board: Annotated[Board, strawberry.lazy("api.schema.boards")] = strawberry.field(description="The board.")
    can_write: bool = strawberry.field(description="Writes it; otherwise reads it.")


@strawberry.type(description="A person's place in an organisation.")
class Member(Node):
    """A row of `organization_members`."""

    row: strawberry.Private[Any]
    role: OrganizationRole = strawberry.field(description="Owner, admin or member.")
    all_boards_read: bool = strawberry.field(description="Reads every board of the organisation.")
    all_boards_write: bool = strawberry.field(description="Writes every board of the organisation.")
    created_at: datetime = strawberry.field(description="Since when.")
    updated_at: datetime = strawberry.field(description="When role or rights changed last.")
    organization: Organization = batch_field(load_own_organizations, description="The organisation.")
    user: Annotated[User, strawberry.lazy("api.schema.users")] = batch_field(
        load_member_users, description="The person."
    )
    board_access: list[BoardAccess] = batch_field(
        load_member_access, description="Rights on single boards; of others, for administrators."
    )
    effective_access: list[EffectiveAccess] = batch_field(
        load_effective_access, description="Every board the member reaches; of others, for administrators."
    )

    @classmethod
    def of(cls, row: OrganizationMember) -> Member:
        """From a row."""
        return shape(cls, row, role=OrganizationRole(Role.of(row.role).value))


# -- resolvers that REST rows use -------------------------------------------------------------------------------------


async def my_organization(ctx: Context) -> Organization:
    """The active organisation."""
    return Organization.of(await operations.active(ctx))


async def my_organizations(ctx: Context) -> list[Organization]:
    """Every organisation of the caller."""
    access.membership(ctx.actor)
    return [Organization.of(row) for row in await user_operations.organizations(ctx)]


async def member(ctx: Context, member_id: UUID | None = None) -> Member:
    """One membership of the active organisation, one's own without an id."""
    return Member.of(await operations.member(ctx, member_id))


async def member_page(ctx: Context, limit: int, offset: int) -> Any:
    """Members of the active organisation."""
    page = await offset_page(ctx, operations.members(ctx, by_address=True), limit, offset)
    page.rows = [Member.of(row) for row in page.rows]
    return page


def my_place(ctx: Context, organization: Organization) -> dict[str, Any]:
    """The caller's role in one of its organisations, and whether that is the active one."""
    actor = access.person(ctx.actor)
    active = actor.active
    return {
        "role": actor.memberships[organization.row.id].role.value,
        "is_active": active is not None and active.organization_id == organization.row.id,
    }


# -- GraphQL ----------------------------------------------------------------------------------------------------------


@strawberry.type
class OrganizationQuery:
    """Query fields of organisations."""

    @strawberry.field(description="The active organisation, or one of the caller's by id.")
    async def organization(
        self,
        info: Info,
        id: Annotated[
            strawberry.ID | None, strawberry.argument(description="One of the caller's organisations.")
        ] = None,
    ) -> Organization | None:
        wanted = None if id is None else as_uuid(id)
        if wanted is not None and not access.sees_organization(access.signed_in(info.context.actor), wanted):
            raise NotFound()
        return Organization.of(await operations.active(info.context, wanted))
