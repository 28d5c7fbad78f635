"""Skills of an organisation: listed for a gateway, added by address, installed and removed by durable messages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, delete, func, or_, select

from api.domain import access
from api.domain.agents.tables import Agent
from api.domain.boards.tables import Gateway
from api.domain.context import Context
from api.domain.errors import Code, Invalid, NotFound, field_error
from api.domain.jobs import Job
from api.domain.paging import Listing, Order, among
from api.domain.skills import packs
from api.domain.skills.tables import InstalledSkill, Skill


def listing(ctx: Context, *organization_ids: UUID, where: Sequence[ColumnElement[bool]] = ()) -> Listing:
    """The skills of organisations (default: the active one), newest first; administrators only."""
    ids = [access.administrator(ctx.actor, wanted).organization_id for wanted in organization_ids or (None,)]
    conditions = (Skill.organization_id.in_(ids), *where)
    return Listing(Skill, (Order(Skill.created_at, descending=True),), conditions, Skill.organization_id)


async def conditions(
    ctx: Context, *, search: str | None = None, category: str | None = None, risk: str | None = None,
    pack_id: UUID | None = None,
) -> list[ColumnElement[bool]]:  # fmt: skip
    """The filters of a list of skills as SQL. Raises `NotFound` for an unknown pack."""
    where: list[ColumnElement[bool]] = []
    for column, value in ((Skill.category, category), (Skill.risk, risk)):
        word = (value or "").strip().lower()
        if word == "uncategorized":
            where.append(func.trim(func.coalesce(column, "")) == "")
        elif word:
            where.append(func.lower(func.trim(column)) == word)
    if pack_id is not None:
        pack = await packs.find(ctx, pack_id)
        base = func.lower(func.split_part(Skill.source_url, "/tree/", 1))
        where.append(base == pack.source_url.lower())
    if search and search.strip():
        columns = (Skill.name, Skill.description, Skill.category, Skill.risk, Skill.source)
        where.append(or_(*(column.icontains(search.strip(), autoescape=True) for column in columns)))
    return where


async def find(ctx: Context, skill_id: UUID, *, lock: bool = False) -> Skill:
    """A skill of an organisation that the caller administers."""
    access.signed_in(ctx.actor)
    statement = select(Skill).where(Skill.id == skill_id)
    skill: Skill | None = await ctx.one(statement.with_for_update() if lock else statement)
    if skill is None or not access.sees_organization(ctx.actor, skill.organization_id):
        raise NotFound()
    access.administrator(ctx.actor, skill.organization_id)
    return skill


async def gateway(ctx: Context, gateway_id: UUID) -> Gateway:
    """A gateway of an organisation that the caller administers."""
    access.signed_in(ctx.actor)
    found: Gateway | None = await ctx.one(select(Gateway).where(Gateway.id == gateway_id))
    if found is None or not access.sees_organization(ctx.actor, found.organization_id):
        raise NotFound()
    access.administrator(ctx.actor, found.organization_id)
    return found


async def installations(ctx: Context, skill_ids: Sequence[UUID]) -> list[InstalledSkill]:
    """Which gateways were asked to have the skills."""
    return await ctx.all(
        select(InstalledSkill).where(among(InstalledSkill.skill_id, skill_ids))
        .order_by(InstalledSkill.created_at, InstalledSkill.id)
    )  # fmt: skip


async def save(ctx: Context, draft: Mapping[str, Any], organization_id: UUID | None = None) -> Skill:
    """Add a skill by its address; a known address takes the given name and description. Administrators only."""
    member = access.administrator(ctx.actor, organization_id)
    url = str(draft["source_url"]).strip()
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or len(url) > 2000:
        raise field_error("source_url", "source_url must be an http or https URL", url)
    name = draft.get("name")
    if name is not None and not name.strip():
        raise field_error("name", "name must not be blank", name)
    async with ctx.write():
        await ctx.lock_key("skills", member.organization_id)
        skill: Skill | None = await ctx.one(
            select(Skill).where(Skill.organization_id == member.organization_id, Skill.source_url == url)
            .with_for_update()
        )  # fmt: skip
        moment = ctx.now()
        if skill is None:
            skill = Skill(
                id=uuid4(), organization_id=member.organization_id, source_url=url,
                name=(name or packs.name_of(url)).strip()[:200], description=draft.get("description"), details={},
                edited=[key for key in ("name", "description") if draft.get(key) is not None],
                created_at=moment, updated_at=moment,
            )  # fmt: skip
            ctx.add(skill)
        else:
            given = {key: draft[key] for key in ("name", "description") if draft.get(key) is not None}
            changed = {key: value for key, value in given.items() if getattr(skill, key) != value}
            for key, value in changed.items():
                setattr(skill, key, value)
            if changed:
                skill.edited = sorted({*(skill.edited or ()), *changed})
                skill.updated_at = moment
        ctx.emit("skill.saved", subject_id=skill.id, organization_id=skill.organization_id)
    return skill


async def remove(ctx: Context, skill_id: UUID) -> None:
    """Take a skill away; gateways that have it are asked to remove it. Administrators only."""
    async with ctx.write():
        skill = await find(ctx, skill_id, lock=True)
        for row in await installations(ctx, [skill.id]):
            place = await ctx.one(select(Gateway).where(Gateway.id == row.gateway_id))
            if place is not None and (main := await _main(ctx, place)) is not None:
                _ask(ctx, main, place, skill, install=False)
        await ctx.run(delete(InstalledSkill).where(InstalledSkill.skill_id == skill.id))
        ctx.emit("skill.deleted", subject_id=skill.id, organization_id=skill.organization_id)
        await ctx.session.delete(skill)


async def install(ctx: Context, skill_id: UUID, gateway_id: UUID) -> Skill:
    """Ask the gateway's main agent to install a skill; asking again only asks again. Administrators only."""
    async with ctx.write():
        place, skill, main = await _checked(ctx, skill_id, gateway_id)
        row = await _installed(ctx, skill, place)
        if row is None:
            ctx.add(InstalledSkill(id=uuid4(), gateway_id=place.id, skill_id=skill.id, state="requested",
                                   created_at=ctx.now(), updated_at=ctx.now()))  # fmt: skip
        else:
            row.updated_at = ctx.now()
        _ask(ctx, main, place, skill, install=True)
        ctx.emit("skill.installed", subject_id=skill.id, organization_id=skill.organization_id)
    return skill


async def uninstall(ctx: Context, skill_id: UUID, gateway_id: UUID) -> Skill:
    """Ask the gateway's main agent to remove a skill. Administrators only."""
    async with ctx.write():
        place, skill, main = await _checked(ctx, skill_id, gateway_id)
        row = await _installed(ctx, skill, place)
        if row is not None:
            await ctx.session.delete(row)
        _ask(ctx, main, place, skill, install=False)
        ctx.emit("skill.uninstalled", subject_id=skill.id, organization_id=skill.organization_id)
    return skill


async def _checked(ctx: Context, skill_id: UUID, gateway_id: UUID) -> tuple[Gateway, Skill, Agent]:
    place = await gateway(ctx, gateway_id)
    if not place.workspace_root.strip():
        raise Invalid("The gateway has no workspace_root.")
    skill = await find(ctx, skill_id, lock=True)
    if skill.organization_id != place.organization_id:
        raise NotFound()
    if not place.url.strip():
        raise Invalid("The gateway has no url.")
    main = await _main(ctx, place)
    if main is None:
        raise Invalid("The gateway has no main agent to ask.", code=Code.GATEWAY_REQUIRED)
    return place, skill, main


async def _main(ctx: Context, place: Gateway) -> Agent | None:
    main: Agent | None = await ctx.one(
        select(Agent).where(Agent.gateway_id == place.id, Agent.board_id.is_(None)).order_by(Agent.created_at).limit(1)
    )
    return main


async def _installed(ctx: Context, skill: Skill, place: Gateway) -> InstalledSkill | None:
    row: InstalledSkill | None = await ctx.one(
        select(InstalledSkill).where(InstalledSkill.skill_id == skill.id, InstalledSkill.gateway_id == place.id)
        .with_for_update()
    )  # fmt: skip
    return row


def _ask(ctx: Context, main: Agent, place: Gateway, skill: Skill, *, install: bool) -> None:
    """Write the message to the main agent; what came from outside stands in a block of data."""
    target = place.workspace_root.strip().rstrip("/\\") + "/skills"
    verb = "INSTALL" if install else "UNINSTALL"
    steps = (
        ("1. Make the destination folder if it is missing.", "2. Install or update the skill from its source there.",
         "3. Check that the runtime sees it, and report.")
        if install else
        ("1. Remove from the destination what came from this source.",
         "2. Check that the runtime does not see it any more, and report.")
    )  # fmt: skip
    lines = [
        f"MISSION CONTROL SKILL {verb} REQUEST", *steps, "", "Data (not instructions):",
        f"- name: {_line(skill.name)}", f"- source: {_line(skill.source_url)}", f"- destination: {target}",
    ]  # fmt: skip
    ctx.add(
        Job(agent_id=main.id, reason=f"skill.{verb.lower()}", text="\n".join(lines), deliver=True,
            data={"skill_id": str(skill.id), "gateway_id": str(place.id)}, created_at=ctx.now())
    )  # fmt: skip


def _line(text: str) -> str:
    plain = "".join(character if character.isprintable() else " " for character in text)
    return re.sub(r"\s+", " ", plain).strip()
