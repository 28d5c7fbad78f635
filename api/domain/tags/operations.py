"""Tags on tasks, and the tags of an organisation: made, changed, counted, taken away."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, delete, func, select

from api.domain import access
from api.domain.context import Context
from api.domain.errors import Code, Conflict, Invalid, NotFound, field_error
from api.domain.paging import Listing, Order, among
from api.domain.tags import Tag, TagAssignment


async def check_ids(ctx: Context, organization_id: UUID, wanted: Sequence[UUID]) -> list[UUID]:
    """The ids without duplicates, in order. Raises `NotFound` with `missing_tag_ids` for foreign or unknown ones."""
    ids = list(dict.fromkeys(wanted))
    if ids:
        known = set(await ctx.all(select(Tag.id).where(Tag.id.in_(ids), Tag.organization_id == organization_id)))
        missing = [str(tag_id) for tag_id in ids if tag_id not in known]
        if missing:
            message = "Some tags do not exist in this organisation."
            raise NotFound(message, detail={"message": message, "missing_tag_ids": missing}, missing_tag_ids=missing)
    return ids


async def replace_on_task(ctx: Context, task_id: UUID, tag_ids: Sequence[UUID]) -> None:
    """Make `tag_ids` the task's tags, in this order."""
    await ctx.run(delete(TagAssignment).where(TagAssignment.task_id == task_id))
    moment = ctx.now()
    for index, tag_id in enumerate(tag_ids):
        created = moment + timedelta(microseconds=index)  # keeps the order
        ctx.add(TagAssignment(id=uuid4(), task_id=task_id, tag_id=tag_id, created_at=created))


def listing(*where: ColumnElement[bool]) -> Listing:
    """Tags by name."""
    return Listing(Tag, (Order(func.lower(Tag.name)), Order(Tag.created_at)), where, Tag.organization_id)


def slugify(text: str) -> str:
    """Lower case, everything but letters and digits becomes `-`; empty becomes `tag`."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "tag"


def color(value: str | None) -> str:
    """Six lower-case hex digits without `#`. Raises `Invalid` for anything else."""
    text = (value or "").strip().lower().removeprefix("#")
    if not re.fullmatch(r"[0-9a-f]{6}", text):
        raise field_error("color", "color must be six hex digits", value)
    return text


async def find(ctx: Context, tag_id: UUID, *, lock: bool = False) -> Tag:
    """A tag of one of the caller's organisations."""
    access.signed_in(ctx.actor)
    statement = select(Tag).where(Tag.id == tag_id)
    tag: Tag | None = await ctx.one(statement.with_for_update() if lock else statement)
    if tag is None or not access.sees_organization(ctx.actor, tag.organization_id):
        raise NotFound()
    return tag


async def task_counts(ctx: Context, tag_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many tasks carry each tag, on all boards of the organisation."""
    statement = (
        select(TagAssignment.tag_id, func.count())
        .where(among(TagAssignment.tag_id, tag_ids)).group_by(TagAssignment.tag_id)
    )  # fmt: skip
    return {tag_id: count for tag_id, count in await ctx.rows(statement)}


async def create(ctx: Context, draft: Mapping[str, Any], organization_id: UUID | None = None) -> Tag:
    """Make a tag; administrators only. Raises `Conflict` for a slug in use."""
    member = access.administrator(ctx.actor, organization_id)
    name = _name(draft.get("name"))
    async with ctx.write():
        slug = slugify((draft.get("slug") or "").strip() or name)
        await _check_slug(ctx, member.organization_id, slug)
        moment = ctx.now()
        tag = Tag(
            id=uuid4(), organization_id=member.organization_id, name=name, slug=slug,
            color=color(draft.get("color", "9e9e9e")), description=draft.get("description"), created_at=moment,
            updated_at=moment,
        )  # fmt: skip
        ctx.add(tag)
        await ctx.flush()
        ctx.emit("tag.created", subject_id=tag.id, organization_id=tag.organization_id)
    return tag


async def update(ctx: Context, tag_id: UUID, change: Mapping[str, Any]) -> Tag:
    """Change what was given; a new name keeps the slug unless the slug is given too. Administrators only."""
    if not change:
        raise field_error("", "give at least one field")
    async with ctx.write():
        tag = await find(ctx, tag_id, lock=True)
        access.administrator(ctx.actor, tag.organization_id)
        if "name" in change:
            tag.name = _name(change["name"])
        if "slug" in change:
            slug = slugify((change["slug"] or "").strip() or tag.name)
            await _check_slug(ctx, tag.organization_id, slug, besides=tag.id)
            tag.slug = slug
        if "color" in change:
            tag.color = color(change["color"])
        if "description" in change:
            tag.description = change["description"]
        tag.updated_at = ctx.now()
        ctx.emit("tag.updated", subject_id=tag.id, organization_id=tag.organization_id)
    return tag


async def remove(ctx: Context, tag_id: UUID) -> None:
    """Take a tag away, also from its tasks; administrators only."""
    async with ctx.write():
        tag = await find(ctx, tag_id, lock=True)
        access.administrator(ctx.actor, tag.organization_id)
        await ctx.run(delete(TagAssignment).where(TagAssignment.tag_id == tag.id))
        ctx.emit("tag.deleted", subject_id=tag.id, organization_id=tag.organization_id)
        await ctx.session.delete(tag)


def _name(value: str | None) -> str:
    text = (value or "").strip()
    if not text:
        raise field_error("name", "name must not be blank", value)
    if len(text) > 200:
        raise Invalid("A tag's name has at most 200 characters.")
    return text


async def _check_slug(ctx: Context, organization_id: UUID, slug: str, besides: UUID | None = None) -> None:
    if len(slug) > 200:
        raise field_error("slug", "slug has at most 200 characters", slug)
    await ctx.lock_key("tags", organization_id)
    taken = select(Tag.id).where(Tag.organization_id == organization_id, Tag.slug == slug)
    if besides is not None:
        taken = taken.where(Tag.id != besides)
    if await ctx.one(taken):
        raise Conflict("A tag of the organisation has this slug.", code=Code.NAME_TAKEN)
