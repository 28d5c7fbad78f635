"""Skill packs: repositories of skills, registered, fetched by a guarded fetcher and taken over."""

from __future__ import annotations

import asyncio
import re
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID, uuid4

from sqlalchemy import func, select

from api.domain import access, outside
from api.domain.context import Context
from api.domain.errors import Code, Conflict, DomainError, NotFound, field_error
from api.domain.paging import Listing, Order
from api.domain.skills import discovery
from api.domain.skills.tables import Skill, SkillPack

ARCHIVE_LIMIT = 200 * 1024 * 1024
ARCHIVE_SECONDS = 60.0
_REPOSITORY = re.compile(r"https://github\.com/([A-Za-z0-9][A-Za-z0-9-]*)/([A-Za-z0-9._-]+)", re.IGNORECASE)


@dataclass(slots=True)
class Synced:
    """What a sync did."""

    pack: SkillPack
    synced: int = 0
    created: int = 0
    updated: int = 0
    warnings: list[str] = field(default_factory=list)


def repository(url: str) -> str:
    """The normal form of a repository's address. Raises `UNACCEPTABLE_URL` for anything but a GitHub repository."""
    text = url.strip().rstrip("/").removesuffix(".git").rstrip("/")
    if not _REPOSITORY.fullmatch(text):
        raise DomainError(
            "A pack is a repository like https://github.com/owner/repository.", code=Code.UNACCEPTABLE_URL
        )
    return "https://github.com" + text[len("https://github.com") :]


def name_of(url: str) -> str:
    """A name from an address: its last part, else its host."""
    parts = urlsplit(url)
    last = parts.path.rstrip("/").rpartition("/")[2]
    return discovery.title(unquote(last)) if last else parts.hostname or url


def listing(ctx: Context, *organization_ids: UUID) -> Listing:
    """The packs of organisations (default: the active one), newest first; administrators only."""
    ids = [access.administrator(ctx.actor, wanted).organization_id for wanted in organization_ids or (None,)]
    where = (SkillPack.organization_id.in_(ids),)
    return Listing(SkillPack, (Order(SkillPack.created_at, descending=True),), where, SkillPack.organization_id)


async def find(ctx: Context, pack_id: UUID, *, lock: bool = False) -> SkillPack:
    """A pack of an organisation that the caller administers."""
    access.signed_in(ctx.actor)
    statement = select(SkillPack).where(SkillPack.id == pack_id)
    pack: SkillPack | None = await ctx.one(statement.with_for_update() if lock else statement)
    if pack is None or not access.sees_organization(ctx.actor, pack.organization_id):
        raise NotFound()
    access.administrator(ctx.actor, pack.organization_id)
    return pack


async def skill_counts(ctx: Context, packs: Sequence[SkillPack]) -> list[int]:
    """How many skills of its organisation come from each pack."""
    base = func.lower(func.split_part(Skill.source_url, "/tree/", 1))
    organizations = {pack.organization_id for pack in packs}
    statement = (
        select(Skill.organization_id, base, func.count())
        .where(Skill.organization_id.in_(organizations), Skill.source_url.contains("/tree/"))
        .group_by(Skill.organization_id, base)
    )  # fmt: skip
    found = {(organization, url): count for organization, url, count in await ctx.rows(statement)}
    return [found.get((pack.organization_id, pack.source_url.lower()), 0) for pack in packs]


async def save(ctx: Context, draft: Mapping[str, Any], organization_id: UUID | None = None) -> SkillPack:
    """Register a pack; a known repository keeps its row and takes what was given. Administrators only."""
    member = access.administrator(ctx.actor, organization_id)
    url = repository(str(draft["source_url"]))
    async with ctx.write():
        await ctx.lock_key("packs", member.organization_id)
        pack, moment = await _by_url(ctx, member.organization_id, url), ctx.now()
        if pack is None:
            pack = SkillPack(
                id=uuid4(), organization_id=member.organization_id, source_url=url, created_at=moment,
                name=_name(draft.get("name")) or name_of(url), description=draft.get("description"),
            )  # fmt: skip
            ctx.add(pack)
        else:
            pack.name = _name(draft.get("name")) or pack.name
            if draft.get("description") is not None:
                pack.description = draft["description"]
        pack.branch = discovery.branch_name(draft.get("branch"))
        pack.details = _metadata(draft.get("metadata"))
        pack.updated_at = moment
        ctx.emit("pack.saved", subject_id=pack.id, organization_id=pack.organization_id)
    return pack


async def replace(ctx: Context, pack_id: UUID, draft: Mapping[str, Any]) -> SkillPack:
    """Replace everything of a pack. Raises `Conflict` for the repository of another pack."""
    url = repository(str(draft["source_url"]))
    async with ctx.write():
        pack = await find(ctx, pack_id, lock=True)
        await ctx.lock_key("packs", pack.organization_id)
        other = await _by_url(ctx, pack.organization_id, url)
        if other is not None and other.id != pack.id:
            raise Conflict("Another pack has this repository.", code=Code.NAME_TAKEN)
        pack.source_url, pack.name = url, _name(draft.get("name")) or name_of(url)
        pack.description, pack.details = draft.get("description"), _metadata(draft.get("metadata"))
        pack.branch, pack.updated_at = discovery.branch_name(draft.get("branch")), ctx.now()
        ctx.emit("pack.saved", subject_id=pack.id, organization_id=pack.organization_id)
    return pack


async def remove(ctx: Context, pack_id: UUID) -> None:
    """Take a pack away; its skills stay."""
    async with ctx.write():
        pack = await find(ctx, pack_id, lock=True)
        ctx.emit("pack.deleted", subject_id=pack.id, organization_id=pack.organization_id)
        await ctx.session.delete(pack)


async def sync(ctx: Context, pack_id: UUID) -> Synced:
    """Fetch the pack and take over its skills: new ones made, changed ones updated, hand-made changes kept."""
    pack = await find(ctx, pack_id)
    url, branch = repository(pack.source_url), pack.branch
    await ctx.end_moment()
    found, used = await fetch(ctx, url, branch)
    async with ctx.write():
        pack = await find(ctx, pack_id, lock=True)
        await ctx.lock_key("skills", pack.organization_id)
        result = Synced(pack, synced=len(found.skills), warnings=found.warnings)
        rows = await ctx.all(
            select(Skill).where(Skill.organization_id == pack.organization_id).order_by(Skill.id).with_for_update()
        )
        commit = {"commit": found.commit} if found.commit else {}
        known, moment = {row.source_url: row for row in rows}, ctx.now()
        for skill in found.skills.values():
            values: dict[str, Any] = {
                "name": skill.name, "description": skill.description, "category": skill.category, "risk": skill.risk,
                "source": skill.source, "details": {**skill.details, **commit},
            }  # fmt: skip
            row = known.get(skill.source_url)
            if row is None:
                ctx.add(Skill(id=uuid4(), organization_id=pack.organization_id, source_url=skill.source_url,
                              created_at=moment, updated_at=moment, **values))  # fmt: skip
                result.created += 1
                continue
            kept = set(row.edited or ())
            changed = {key: value for key, value in values.items() if key not in kept and getattr(row, key) != value}
            real = set(changed) - {"details"} or _without_commit(changed.get("details"), row) is not None
            row.details = values["details"]
            if real:
                for key, value in changed.items():
                    setattr(row, key, value)
                row.updated_at = moment
                result.updated += 1
        pack.details = {**pack.details, "synced_branch": used, **commit}
        ctx.emit("pack.synced", subject_id=pack.id, organization_id=pack.organization_id)
    return result


def _without_commit(details: dict[str, Any] | None, row: Skill) -> dict[str, Any] | None:
    """Other details than the commit that changed, or None."""
    if details is None:
        return None
    old = {key: value for key, value in (row.details or {}).items() if key != "commit"}
    new = {key: value for key, value in details.items() if key != "commit"}
    return new if new != old else None


async def fetch(ctx: Context, url: str, branch: str) -> tuple[discovery.Discovery, str]:
    """The skills of a repository, from its archive: no git runs here, so no hook, submodule or protocol does either.

    A branch that does not exist falls back to the default one, unless it is `main`.
    """
    path = urlsplit(url).path
    base = ctx.settings.skill_archive_url
    for reference, used in ((f"refs/heads/{branch}", branch), ("HEAD", "HEAD")):
        answer = await outside.request(
            "GET", f"{base}{path}/tar.gz/{reference}", allow_private=ctx.settings.allow_private_addresses,
            limit=ARCHIVE_LIMIT, seconds=ARCHIVE_SECONDS,
        )  # fmt: skip
        if answer.status == 200:
            break
        if answer.status != 404 or used == "HEAD" or branch == "main":
            raise outside.failed(f"The repository's archive answered with status {answer.status}.")
    try:
        found = await asyncio.to_thread(discovery.discover, answer.body, url, used)
    except discovery.TooLarge:
        raise outside.failed("The repository is larger than allowed.") from None
    except (tarfile.TarError, EOFError, OSError, ValueError):
        raise outside.failed("The repository's archive cannot be read.") from None
    return found, used


async def _by_url(ctx: Context, organization_id: UUID, url: str) -> SkillPack | None:
    pack: SkillPack | None = await ctx.one(
        select(SkillPack).where(
            SkillPack.organization_id == organization_id, func.lower(SkillPack.source_url) == url.lower()
        ).with_for_update()
    )  # fmt: skip
    return pack


def _metadata(value: Any) -> dict[str, Any]:
    if value is not None and not isinstance(value, Mapping):
        raise field_error("metadata", "metadata must be an object", value)
    return dict(value or {})


def _name(value: str | None) -> str | None:
    if value is None:
        return None
    text = value.strip()
    if not text or len(text) > 200:
        raise field_error("name", "name must have 1 to 200 characters", value)
    return text
