"""People as GraphQL sees them, the viewer, and personal tokens."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from api.domain import access
from api.domain.actor import Agent as AgentActor
from api.domain.actor import User as UserActor
from api.domain.context import Context
from api.domain.paging import Slice, by_ids
from api.domain.users import operations
from api.domain.users.tables import PersonalToken as TokenRow
from api.domain.users.tables import User as UserRow
from api.schema.batching import Info, batch_field
from api.schema.inbox import load_viewer_inbox
from api.schema.mutations import DeletedPayload, Payload, mutate, secret_description
from api.schema.node import Actor, Node, load_actors
from api.schema.organizations import Organization, load_active_organization, load_my_organizations
from api.schema.paging import After, Before, Connection, First, Last, connect_one
from api.schema.scalars import as_uuid, given, optional, optional_uuid, shape

if TYPE_CHECKING:
    from api.schema.inbox import Inbox


async def load_emails(ctx: Context, users: Sequence[User]) -> list[str | None]:
    """The addresses that the caller may see."""
    mine = await operations.administered(ctx, [user.row.id for user in users])
    return [user.row.email if user.row.id in mine else None for user in users]


@strawberry.type(description="A person.")
class User(Node, Actor):
    """A row of `users`; profile details are the person's own."""

    row: strawberry.Private[Any]
    name: str | None = strawberry.field(description="The full name.")
    preferred_name: str | None = strawberry.field(description="What the person likes to be called.")

    email: str | None = batch_field(
        load_emails, description="The address; for the person itself and administrators of a shared organisation."
    )

    @strawberry.field(description="The IANA time zone, for the person itself.")
    def timezone(self, info: Info) -> str | None:
        return self._own(info, "timezone")

    @strawberry.field(description="The pronouns, for the person itself.")
    def pronouns(self, info: Info) -> str | None:
        return self._own(info, "pronouns")

    @strawberry.field(description="Notes that agents see, for the person itself.")
    def notes(self, info: Info) -> str | None:
        return self._own(info, "notes")

    @strawberry.field(description="Context that agents see, for the person itself.")
    def context(self, info: Info) -> str | None:
        return self._own(info, "context")

    def _own(self, info: Info, name: str) -> str | None:
        found: str | None = getattr(self.row, name) if info.context.actor.id == self.row.id else None
        return found

    @classmethod
    def of(cls, row: UserRow) -> User:
        """From a row."""
        return shape(cls, row, display_name=row.display_name)


async def load_viewer_actor(ctx: Context, viewers: Sequence[Viewer]) -> list[Actor | None]:
    """The caller as a type."""
    actor = ctx.actor
    users = [actor.id if isinstance(actor, UserActor) else None] * len(viewers)
    agents = [actor.id if isinstance(actor, AgentActor) else None] * len(viewers)
    return await load_actors(ctx, users, agents)


async def load_viewer_tokens(
    ctx: Context, viewers: Sequence[Viewer], first: First = None, after: After = None, last: Last = None,
    before: Before = None,
) -> list[Connection[PersonalToken]]:  # fmt: skip
    """The caller's personal tokens."""
    part = Slice(first, after, last, before)
    return [await connect_one(ctx, operations.tokens(ctx), PersonalToken.of, part)] * len(viewers)


@strawberry.type(description="Who asks, and what it may do.")
class Viewer:
    """The caller."""

    role: str | None = strawberry.field(description="A person's role in the active organisation: owner, admin, member.")
    is_administrator: bool = strawberry.field(description="Whether the caller administers the active organisation.")
    can_create_boards: bool = strawberry.field(description="Whether `createBoard` is open to the caller.")
    actor: Actor = batch_field(load_viewer_actor, description="The person or agent.")
    organization: Organization = batch_field(
        load_active_organization, description="The organisation that unqualified questions mean."
    )
    organizations: list[Organization] = batch_field(
        load_my_organizations, description="Every organisation the caller belongs to."
    )
    tokens: Connection[PersonalToken] = batch_field(
        load_viewer_tokens, description="The person's tokens for scripts that still work."
    )
    inbox: Annotated[Inbox, strawberry.lazy("api.schema.inbox")] | None = batch_field(
        load_viewer_inbox, description="What the calling agent has been told; null for people."
    )


def viewer(ctx: Context) -> Viewer:
    """The caller, if it is anybody."""
    actor = access.signed_in(ctx.actor)
    member = actor.active if isinstance(actor, UserActor) else None
    admin = member is not None and member.is_admin
    return Viewer(role=member.role.value if member else None, is_administrator=admin, can_create_boards=admin)


@strawberry.type(description="A token that a person made for scripts. The secret itself is never shown again.")
class PersonalToken(Node):
    """A row of `personal_tokens`."""

    row: strawberry.Private[Any]
    name: str = strawberry.field(description="What it is for.")
    created_at: datetime = strawberry.field(description="When it was made.")
    expires_at: datetime | None = strawberry.field(description="When it ends by itself; null for never.")
    last_used_at: datetime | None = strawberry.field(description="When it was used last, to the minute.")
    revoked_at: datetime | None = strawberry.field(description="When it was revoked.")

    @classmethod
    def of(cls, row: TokenRow) -> PersonalToken:
        """From a row."""
        return shape(cls, row)


# -- resolvers that REST rows use -------------------------------------------------------------------------------------


async def me(ctx: Context) -> User:
    """The caller's own row."""
    return User.of(await operations.me(ctx))


async def update_me(ctx: Context, change: dict[str, Any]) -> User:
    """Change the caller's profile."""
    return User.of(await operations.update_profile(ctx, change))


async def delete_me(ctx: Context) -> None:
    """Delete the caller's account."""
    await operations.delete_me(ctx)


# -- GraphQL ----------------------------------------------------------------------------------------------------------


@strawberry.input(description="What to change of one's own profile; omitted fields stay, null clears.")
class UpdateProfileInput:
    """Input of `updateProfile`."""

    name: str | None = optional("The full name.")
    preferred_name: str | None = optional("What you like to be called.")
    pronouns: str | None = optional("Your pronouns.")
    timezone: str | None = optional("An IANA time zone like Europe/Berlin.")
    notes: str | None = optional("Notes that agents see.")
    context: str | None = optional("Context that agents see.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.type(description="The changed profile.")
class UpdateProfilePayload(Payload):
    """Payload of `updateProfile`."""

    user: User = strawberry.field(description="The person.")


@strawberry.input(description="A new personal token.")
class CreatePersonalTokenInput:
    """Input of `createPersonalToken`."""

    name: str = strawberry.field(description="What it is for.")
    organization_id: strawberry.ID | None = optional("The organisation it reaches; by default the active one.")
    expires_at: datetime | None = optional("When it shall end by itself.")


@strawberry.type(description="The new token with its secret, which is shown this once.")
class CreatePersonalTokenPayload:
    """Payload of `createPersonalToken`."""

    token: PersonalToken = strawberry.field(description="The token's record.")
    secret: str = strawberry.field(description=secret_description("Send it as `Authorization: Bearer …`."))


@strawberry.input(description="A personal token to end.")
class RevokePersonalTokenInput:
    """Input of `revokePersonalToken`."""

    id: strawberry.ID = strawberry.field(description="The token.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.type(description="The revoked token.")
class RevokePersonalTokenPayload(Payload):
    """Payload of `revokePersonalToken`."""

    token: PersonalToken = strawberry.field(description="The token's record.")


@strawberry.type(description="The new local token, which is shown this once.")
class RotateLocalTokenPayload:
    """Payload of `rotateLocalToken`."""

    secret: str = strawberry.field(description=secret_description("The old one has ended."))


@strawberry.type
class UserQuery:
    """Query fields of people."""

    @strawberry.field(description="Who asks, and what it may do.")
    def viewer(self, info: Info) -> Viewer:
        return viewer(info.context)

    @strawberry.field(description="The signed-in person.")
    async def me(self, info: Info) -> User:
        return await me(info.context)


@strawberry.type
class UserMutation:
    """Mutations of people."""

    @strawberry.mutation(description="Change one's own profile.")
    async def update_profile(self, info: Info, input: UpdateProfileInput) -> UpdateProfilePayload:
        change = given(input, "client_mutation_id")
        return await mutate(
            info, input, lambda: operations.update_profile(info.context, change),
            lambda ctx, ids: by_ids(ctx, UserRow, ids), lambda row: {"user": User.of(row)}, UpdateProfilePayload,
        )  # fmt: skip

    @strawberry.mutation(description="Delete your account, and the organisations where nobody else is.")
    async def delete_account(self, info: Info) -> DeletedPayload:
        gone = await operations.delete_me(info.context)
        return DeletedPayload(cursor=None, client_mutation_id=None, deleted_id=strawberry.ID(str(gone)))

    @strawberry.mutation(description="Make a token for scripts with your rights in one organisation.")
    async def create_personal_token(self, info: Info, input: CreatePersonalTokenInput) -> CreatePersonalTokenPayload:
        values = given(input)
        issued = await operations.create_token(
            info.context, input.name, organization_id=optional_uuid(values.get("organization_id"), "organizationId"),
            expires_at=values.get("expires_at"),
        )  # fmt: skip
        return CreatePersonalTokenPayload(token=PersonalToken.of(issued.token), secret=issued.secret)

    @strawberry.mutation(description="End a personal token, and the streams that it opened.")
    async def revoke_personal_token(self, info: Info, input: RevokePersonalTokenInput) -> RevokePersonalTokenPayload:
        return await mutate(
            info, input, lambda: operations.revoke_token(info.context, as_uuid(input.id)),
            lambda ctx, ids: by_ids(ctx, TokenRow, ids), lambda row: {"token": PersonalToken.of(row)},
            RevokePersonalTokenPayload,
        )  # fmt: skip

    @strawberry.mutation(description="Replace the shared token of local mode; owners only.")
    async def rotate_local_token(self, info: Info) -> RotateLocalTokenPayload:
        return RotateLocalTokenPayload(secret=await operations.rotate_local_token(info.context))
