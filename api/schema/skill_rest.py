"""What the REST routes of skills, packs and souls ask for, in their own shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from api.domain.context import Context
from api.domain.paging import OffsetPage, offset_page
from api.domain.skills import operations, packs
from api.domain.skills.tables import InstalledSkill
from api.schema.skills import Skill, SkillPack, Soul, SoulText, SyncSkillPackPayload, sync_pack

ALL = 100_000


@dataclass(slots=True)
class Card:
    """A skill, and whether the gateway that was asked about has it."""

    skill: Skill
    installation: InstalledSkill | None


class Counted(list[Any]):
    """A plain list with the counts that travel in headers."""

    headers: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Action:
    """What was asked of a gateway."""

    skill_id: UUID
    gateway_id: UUID
    installed: bool


async def skill_list(
    ctx: Context, gateway_id: UUID, search: str | None = None, category: str | None = None, risk: str | None = None,
    pack_id: UUID | None = None, limit: int | None = None, offset: int = 0,
) -> Counted:  # fmt: skip
    """The skills of the active organisation as cards for a gateway; counted in headers when a limit is given."""
    place = await operations.gateway(ctx, gateway_id)
    where = await operations.conditions(ctx, search=search, category=category, risk=risk, pack_id=pack_id)
    listing = operations.listing(ctx, place.organization_id, where=where)
    page: OffsetPage = await offset_page(ctx, listing, limit or ALL, offset if limit else 0)
    rows = await operations.installations(ctx, [row.id for row in page.rows])
    installed = {row.skill_id: row for row in rows if row.gateway_id == gateway_id}
    found = Counted(Card(Skill.of(row), installed.get(row.id)) for row in page.rows)
    if limit:
        counts = {"X-Total-Count": page.total, "X-Limit": limit, "X-Offset": offset}
        found.headers = {name: str(count) for name, count in counts.items()}
    return found


async def save_skill(ctx: Context, draft: dict[str, Any]) -> Skill:
    """Add a skill by its address."""
    return Skill.of(await operations.save(ctx, draft))


async def delete_skill(ctx: Context, skill_id: UUID) -> None:
    """Take a skill away."""
    await operations.remove(ctx, skill_id)


async def install(ctx: Context, skill_id: UUID, gateway_id: UUID) -> Action:
    """Ask a gateway to install a skill."""
    await operations.install(ctx, skill_id, gateway_id)
    return Action(skill_id, gateway_id, True)


async def uninstall(ctx: Context, skill_id: UUID, gateway_id: UUID) -> Action:
    """Ask a gateway to remove a skill."""
    await operations.uninstall(ctx, skill_id, gateway_id)
    return Action(skill_id, gateway_id, False)


async def pack_list(ctx: Context) -> list[SkillPack]:
    """Every pack of the active organisation."""
    return [SkillPack.of(row) for row in (await offset_page(ctx, packs.listing(ctx), ALL, 0)).rows]


async def pack(ctx: Context, pack_id: UUID) -> SkillPack:
    """One pack."""
    return SkillPack.of(await packs.find(ctx, pack_id))


async def save_pack(ctx: Context, draft: dict[str, Any]) -> SkillPack:
    """Register a pack."""
    return SkillPack.of(await packs.save(ctx, draft))


async def replace_pack(ctx: Context, pack_id: UUID, draft: dict[str, Any]) -> SkillPack:
    """Replace everything of a pack."""
    return SkillPack.of(await packs.replace(ctx, pack_id, draft))


async def delete_pack(ctx: Context, pack_id: UUID) -> None:
    """Take a pack away."""
    await packs.remove(ctx, pack_id)


async def sync(ctx: Context, pack_id: UUID) -> SyncSkillPackPayload:
    """Fetch a pack and take over its skills."""
    return await sync_pack(ctx, pack_id)


async def search_souls(ctx: Context, q: str = "", limit: int = 20) -> list[Soul]:
    """Souls of the directory."""
    return [Soul.of(place) for place in await ctx.services.souls.search(ctx.actor, q, limit)]


async def soul(ctx: Context, handle: str, slug: str) -> SoulText:
    """The text of a soul."""
    found = await ctx.services.souls.read(ctx.actor, handle, slug)
    return SoulText(handle=found[0], slug=found[1], content=found[2])
