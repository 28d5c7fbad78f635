"""Skills, packs and souls as GraphQL sees them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from api.domain import access
from api.domain.boards.tables import Gateway as GatewayRow
from api.domain.context import Context
from api.domain.paging import Slice, by_ids
from api.domain.skills import operations, packs
from api.domain.skills.tables import InstalledSkill
from api.domain.skills.tables import Skill as SkillRow
from api.domain.skills.tables import SkillPack as PackRow
from api.schema.batching import Info, batch_field
from api.schema.gateways import Gateway
from api.schema.mutations import DeletedPayload, Payload, TargetInput, delete_target, mutate
from api.schema.node import Node
from api.schema.paging import After, Before, Connection, First, Last, connect_one
from api.schema.scalars import as_uuid, given, optional, optional_uuid, shape

if TYPE_CHECKING:
    from api.domain.souls import Soul as SoulPlace


async def load_installations(ctx: Context, skills: Sequence[Skill]) -> list[list[SkillInstallation]]:
    """The gateways that were asked to have each skill."""
    rows = await operations.installations(ctx, [skill.row.id for skill in skills])
    gateways = await by_ids(ctx, GatewayRow, [row.gateway_id for row in rows])
    found: dict[UUID, list[SkillInstallation]] = {skill.row.id: [] for skill in skills}
    for row in rows:
        found[row.skill_id].append(SkillInstallation.of(row, gateways[row.gateway_id]))
    return [found[skill.row.id] for skill in skills]


@strawberry.type(description="A gateway that was asked to have a skill.")
class SkillInstallation:
    """A row of `gateway_installed_skills`."""

    gateway: Gateway = strawberry.field(description="The gateway.")
    state: str = strawberry.field(description="requested, installed or failed; the main agent reports it.")
    requested_at: datetime = strawberry.field(description="When it was asked first.")

    @classmethod
    def of(cls, row: InstalledSkill, gateway: GatewayRow) -> SkillInstallation:
        """From rows."""
        return cls(gateway=Gateway.of(gateway), state=row.state, requested_at=row.created_at)


@strawberry.type(description="Something that agents can learn, by the address where it is kept.")
class Skill(Node):
    """A row of `marketplace_skills`."""

    row: strawberry.Private[Any]
    name: str = strawberry.field(description="Its name.")
    description: str | None = strawberry.field(description="What it is for.")
    category: str | None = strawberry.field(description="Its category.")
    risk: str | None = strawberry.field(description="How risky it is said to be.")
    source: str | None = strawberry.field(description="Where in its repository it is.")
    source_url: str = strawberry.field(description="Its address.")
    metadata: JSON | None = strawberry.field(description="How it was found, and the commit where that is known.")
    created_at: datetime = strawberry.field(description="When it was added.")
    updated_at: datetime = strawberry.field(description="When it changed last.")
    installations: list[SkillInstallation] = batch_field(load_installations, description="Gateways asked to have it.")

    @classmethod
    def of(cls, row: SkillRow) -> Skill:
        """From a row."""
        return shape(cls, row, metadata=row.details)


async def load_skill_counts(ctx: Context, found: Sequence[SkillPack]) -> list[int]:
    """How many skills come from each pack."""
    return await packs.skill_counts(ctx, [pack.row for pack in found])


@strawberry.type(description="A repository of skills.")
class SkillPack(Node):
    """A row of `skill_packs`."""

    row: strawberry.Private[Any]
    name: str = strawberry.field(description="Its name.")
    description: str | None = strawberry.field(description="What is in it.")
    source_url: str = strawberry.field(description="The repository.")
    branch: str = strawberry.field(description="The branch that is fetched.")
    metadata: JSON | None = strawberry.field(description="Your own notes, and the commit fetched last.")
    created_at: datetime = strawberry.field(description="When it was registered.")
    updated_at: datetime = strawberry.field(description="When it changed last.")
    skill_count: int = batch_field(load_skill_counts, description="How many skills of the organisation come from it.")

    @classmethod
    def of(cls, row: PackRow) -> SkillPack:
        """From a row."""
        return shape(cls, row, metadata=row.details)


@strawberry.type(description="A personality for agents, from the directory of souls.")
class Soul:
    """A place in the directory."""

    place: strawberry.Private[Any]
    handle: str = strawberry.field(description="Who published it.")
    slug: str = strawberry.field(description="Its name.")
    page_url: str = strawberry.field(description="Its page for people.")
    raw_md_url: str = strawberry.field(description="Its text.")

    @classmethod
    def of(cls, place: SoulPlace) -> Soul:
        """From the directory's answer."""
        make: Any = cls
        soul: Soul = make(
            place=place, handle=place.handle, slug=place.slug, page_url=place.page_url, raw_md_url=place.raw_md_url
        )
        return soul


@strawberry.type(description="The text of a soul.")
class SoulText:
    """What the directory holds."""

    handle: str = strawberry.field(description="Who published it.")
    slug: str = strawberry.field(description="Its name.")
    content: str = strawberry.field(description="The text, in Markdown.")


@strawberry.input(description="Which skills; conditions add up.")
class SkillFilter:
    """Filter of skills."""

    search: str | None = strawberry.field(default=None, description="A part of name, description, category or risk.")
    category: str | None = strawberry.field(default=None, description="Of this category; `uncategorized` for none.")
    risk: str | None = strawberry.field(default=None, description="Of this risk; `uncategorized` for none.")
    pack_id: strawberry.ID | None = strawberry.field(default=None, description="From this pack.")


@strawberry.input(description="A skill by its address; administrators only.")
class SaveSkillInput:
    """Input of `saveSkill`."""

    source_url: str = strawberry.field(description="An http or https URL.")
    name: str | None = optional("Its name; by default made from the address.")
    description: str | None = optional("What it is for.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.type(description="The skill.")
class SkillResult(Payload):
    """Payload of skill mutations."""

    skill: Skill = strawberry.field(description="The skill as it is now.")


@strawberry.input(description="A skill and a gateway; administrators only.")
class InstallSkillInput:
    """Input of `installSkill` and `uninstallSkill`."""

    skill_id: strawberry.ID = strawberry.field(description="The skill.")
    gateway_id: strawberry.ID = strawberry.field(description="The gateway whose main agent is asked.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.input(description="A repository of skills; administrators only.")
class SaveSkillPackInput:
    """Input of `saveSkillPack`: without an id a new or known repository, with one a replacement."""

    source_url: str = strawberry.field(description="Like https://github.com/owner/repository.")
    id: strawberry.ID | None = optional("The pack to replace.")
    name: str | None = optional("Its name; by default made from the address.")
    description: str | None = optional("What is in it.")
    branch: str = strawberry.field(default="main", description="The branch to fetch.")
    metadata: JSON | None = optional("Your own notes.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.type(description="The pack.")
class SkillPackResult(Payload):
    """Payload of pack mutations."""

    pack: SkillPack = strawberry.field(description="The pack as it is now.")


@strawberry.type(description="What a sync did.")
class SyncSkillPackPayload:
    """Payload of `syncSkillPack`."""

    pack: SkillPack = strawberry.field(description="The pack.")
    synced: int = strawberry.field(description="Skills found.")
    created: int = strawberry.field(description="New ones.")
    updated: int = strawberry.field(description="Changed ones.")
    warnings: list[str] = strawberry.field(description="What was left out, and why.")


async def sync_pack(ctx: Context, pack_id: UUID) -> SyncSkillPackPayload:
    """Fetch a pack and take over its skills, for REST too."""
    done = await packs.sync(ctx, pack_id)
    return SyncSkillPackPayload(
        pack=SkillPack.of(done.pack), synced=done.synced, created=done.created, updated=done.updated,
        warnings=done.warnings,
    )  # fmt: skip


@strawberry.type
class SkillQuery:
    """Query fields of skills, packs and souls."""

    @strawberry.field(description="Skills of the active organisation, newest first; administrators only.")
    async def skills(
        self, info: Info,
        filter: Annotated[SkillFilter | None, strawberry.argument(description="Which skills.")] = None,
        first: First = None, after: After = None, last: Last = None, before: Before = None,
    ) -> Connection[Skill]:  # fmt: skip
        ctx, asked = info.context, filter or SkillFilter()
        access.administrator(ctx.actor)
        where = await operations.conditions(
            ctx, search=asked.search, category=asked.category, risk=asked.risk,
            pack_id=optional_uuid(asked.pack_id, "packId"),
        )  # fmt: skip
        return await connect_one(ctx, operations.listing(ctx, where=where), Skill.of, Slice(first, after, last, before))

    @strawberry.field(description="Packs of the active organisation, newest first; administrators only.")
    async def skill_packs(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[SkillPack]:
        return await connect_one(
            info.context, packs.listing(info.context), SkillPack.of, Slice(first, after, last, before)
        )

    @strawberry.field(description="Souls of the directory whose `handle/slug` contains a text.")
    async def souls(
        self, info: Info,
        search: Annotated[str, strawberry.argument(description="The text; empty finds the first ones.")] = "",
        first: Annotated[int, strawberry.argument(description="At most so many, up to 100.")] = 20,
    ) -> list[Soul]:  # fmt: skip
        ctx = info.context
        return [Soul.of(place) for place in await ctx.services.souls.search(ctx.actor, search, first)]

    @strawberry.field(description="The text of a soul, fetched from the directory when asked for.")
    async def soul(
        self, info: Info,
        handle: Annotated[str, strawberry.argument(description="Who published it.")],
        slug: Annotated[str, strawberry.argument(description="Its name.")],
    ) -> SoulText | None:  # fmt: skip
        found = await info.context.services.souls.read(info.context.actor, handle, slug)
        return SoulText(handle=found[0], slug=found[1], content=found[2])


@strawberry.type
class SkillMutation:
    """Mutations of skills and packs."""

    @strawberry.mutation(description="Add a skill by its address, or change a known one.")
    async def save_skill(self, info: Info, input: SaveSkillInput) -> SkillResult:
        draft = given(input, "client_mutation_id")
        return await _skill(info, input, lambda: operations.save(info.context, draft))

    @strawberry.mutation(description="Take a skill away; gateways that have it are asked to remove it.")
    async def delete_skill(self, info: Info, input: TargetInput) -> DeletedPayload:
        return await delete_target(info, input, operations.remove)

    @strawberry.mutation(description="Ask a gateway's main agent to install a skill.")
    async def install_skill(self, info: Info, input: InstallSkillInput) -> SkillResult:
        ids = as_uuid(input.skill_id, "skillId"), as_uuid(input.gateway_id, "gatewayId")
        return await _skill(info, input, lambda: operations.install(info.context, *ids))

    @strawberry.mutation(description="Ask a gateway's main agent to remove a skill.")
    async def uninstall_skill(self, info: Info, input: InstallSkillInput) -> SkillResult:
        ids = as_uuid(input.skill_id, "skillId"), as_uuid(input.gateway_id, "gatewayId")
        return await _skill(info, input, lambda: operations.uninstall(info.context, *ids))

    @strawberry.mutation(description="Register a repository of skills, or replace a registered one.")
    async def save_skill_pack(self, info: Info, input: SaveSkillPackInput) -> SkillPackResult:
        draft = given(input, "id", "client_mutation_id")
        target = optional_uuid(given(input).get("id"))
        return await mutate(
            info, input,
            lambda: packs.save(info.context, draft) if target is None else packs.replace(info.context, target, draft),
            _reload_packs, lambda row: {"pack": SkillPack.of(row)}, SkillPackResult,
        )  # fmt: skip

    @strawberry.mutation(description="Take a pack away; its skills stay.")
    async def delete_skill_pack(self, info: Info, input: TargetInput) -> DeletedPayload:
        return await delete_target(info, input, packs.remove)

    @strawberry.mutation(description="Fetch a pack and take over its skills.")
    async def sync_skill_pack(self, info: Info, input: TargetInput) -> SyncSkillPackPayload:
        return await sync_pack(info.context, as_uuid(input.id))


async def _skill(info: Info, input: Any, work: Any) -> SkillResult:
    async def reload(ctx: Context, ids: Sequence[UUID]) -> dict[Any, Any]:
        return await by_ids(ctx, SkillRow, ids, SkillRow.organization_id.in_(_administered(ctx)))

    return await mutate(info, input, work, reload, lambda row: {"skill": Skill.of(row)}, SkillResult)


async def _reload_packs(ctx: Context, ids: Sequence[UUID]) -> dict[Any, Any]:
    return await by_ids(ctx, PackRow, ids, PackRow.organization_id.in_(_administered(ctx)))


def _administered(ctx: Context) -> list[UUID]:
    return [member.organization_id for member in access.person(ctx.actor).memberships.values() if member.is_admin]
