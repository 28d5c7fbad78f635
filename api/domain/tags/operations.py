"""Tags on tasks and the tags of an organisation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, delete, func, select

from api.domain.context import Context
from api.domain.errors import NotFound
from api.domain.paging import Listing, Order
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
