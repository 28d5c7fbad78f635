"""Lists, once: keyset pages for one or many parents in one statement, and limit/offset pages for REST."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, any_, func, literal, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PgUUID
from sqlalchemy.orm import aliased

from api.domain.context import Context
from api.domain.errors import Code, Invalid

DEFAULT_PAGE = 50
_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Order:
    """One key of an order; `expression` must never be null."""

    expression: Any
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list shows, in which order; the id breaks ties, so pages are stable."""

    entity: Any
    order: tuple[Order, ...]
    where: tuple[ColumnElement[bool], ...] = ()
    #: The column that says to which parent a row belongs, for lists below many parents.
    parent: Any = None

    @property
    def keys(self) -> tuple[Order, ...]:
        """The order with its tie breaker."""
        last = self.order[-1].descending if self.order else False
        return (*self.order, Order(self.entity.id, last))

    def matching(self, *conditions: ColumnElement[bool]) -> Listing:
        """The same list, narrowed."""
        return Listing(self.entity, self.order, (*self.where, *conditions), self.parent)


@dataclass(frozen=True, slots=True)
class Slice:
    """Relay's four arguments."""

    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None


@dataclass(slots=True)
class KeysetPage:
    """A stretch of a list with the cursor of each row."""

    rows: list[Any] = field(default_factory=list)
    cursors: list[str] = field(default_factory=list)
    has_next: bool = False
    has_previous: bool = False


@dataclass(slots=True)
class OffsetPage:
    """A stretch of a list with the count of the whole."""

    rows: list[Any]
    total: int
    limit: int
    offset: int


def size(part: Slice, maximum: int) -> tuple[int, bool]:
    """How many rows, and whether they are counted from the end. Raises `Invalid` for sizes that are not allowed."""
    if part.first is not None and part.last is not None:
        raise Invalid("Give first or last, not both.")
    wanted = part.last if part.last is not None else part.first
    if wanted is None:
        return min(DEFAULT_PAGE, maximum), False
    if wanted < 0:
        raise Invalid("A page size is not negative.", asked=wanted)
    if wanted > maximum:
        raise Invalid(f"A page holds at most {maximum} rows.", code=Code.PAGE_LIMIT, asked=wanted, allowed=maximum)
    return wanted, part.last is not None


async def keyset_pages(
    ctx: Context, listing: Listing, part: Slice, parents: Sequence[UUID] | None = None
) -> dict[UUID | None, KeysetPage]:
    """The asked-for stretch of the list for each parent (`None` for a list without parents), in one statement."""
    count, backward = size(part, ctx.settings.max_page_size)
    keys = listing.keys
    conditions = list(listing.where)
    if part.after is not None:
        conditions.append(_beyond(keys, _read_cursor(keys, part.after), backward=False))
    if part.before is not None:
        conditions.append(_beyond(keys, _read_cursor(keys, part.before), backward=True))
    ordering = [key.expression.desc() if key.descending is not backward else key.expression.asc() for key in keys]
    columns = [key.expression.label(f"k{index}") for index, key in enumerate(keys)]
    rank = func.row_number().over(order_by=ordering).label("rank")
    inner = select(listing.entity, *columns, rank).where(*conditions).order_by(*ordering).limit(count + 1)
    if parents is None:
        source: Any = inner.subquery()
        entity = aliased(listing.entity, source)
        statement = select(entity, source).order_by(source.c.rank)
    else:
        each = select(func.unnest(uuids(parents)).label("parent")).subquery()
        source = inner.where(listing.parent == each.c.parent).lateral()
        entity = aliased(listing.entity, source)
        statement = (
            select(entity, source, each.c.parent).select_from(each.join(source, true()))
            .order_by(each.c.parent, source.c.rank)
        )  # fmt: skip
    found: dict[UUID | None, KeysetPage] = {None: KeysetPage()} if parents is None else {}
    found.update({parent: KeysetPage() for parent in parents or ()})
    for row in await ctx.rows(statement):
        page = found[row.parent if parents is not None else None]
        page.rows.append(row[0])
        page.cursors.append(_write_cursor([getattr(row, f"k{index}") for index in range(len(keys))]))
    for page in found.values():
        more = len(page.rows) > count
        del page.rows[count:], page.cursors[count:]
        if backward:
            page.rows.reverse()
            page.cursors.reverse()
        page.has_next = part.before is not None if backward else more
        page.has_previous = more if backward else part.after is not None
    return found


async def totals(ctx: Context, listing: Listing, parents: Sequence[UUID] | None = None) -> dict[UUID | None, int]:
    """How many rows the whole list has, for each parent, in one statement."""
    if parents is None:
        statement = select(func.count()).select_from(listing.entity).where(*listing.where)
        return {None: int((await ctx.run(statement)).scalar_one())}
    grouped = (
        select(listing.parent, func.count())
        .select_from(listing.entity)
        .where(*listing.where, among(listing.parent, parents))
        .group_by(listing.parent)
    )
    found: dict[UUID | None, int] = dict.fromkeys(parents, 0)
    found.update({parent: count for parent, count in await ctx.rows(grouped)})
    return found


async def offset_page(ctx: Context, listing: Listing, limit: int, offset: int) -> OffsetPage:
    """A limit/offset page with its total, in one statement (a second one only past the end)."""
    if offset > _LARGEST:
        raise Invalid("The offset is too large.")
    ordering = [key.expression.desc() if key.descending else key.expression.asc() for key in listing.keys]
    total = select(func.count()).select_from(listing.entity).where(*listing.where).scalar_subquery()
    statement = (
        select(listing.entity, total.label("total")).where(*listing.where).order_by(*ordering)
        .limit(limit).offset(offset)
    )  # fmt: skip
    rows = await ctx.rows(statement)
    if not rows and offset:
        return OffsetPage([], (await totals(ctx, listing))[None], limit, offset)
    return OffsetPage([row[0] for row in rows], rows[0].total if rows else 0, limit, offset)


async def by_ids(ctx: Context, entity: Any, ids: Sequence[Any], *where: ColumnElement[bool]) -> dict[Any, Any]:
    """The rows with these ids, in one statement; missing ones are left out."""
    wanted = {row_id for row_id in ids if row_id is not None}
    if not wanted:
        return {}
    return {row.id: row for row in await ctx.all(select(entity).where(among(entity.id, wanted), *where))}


def uuids(ids: Collection[UUID]) -> Any:
    """Ids as one array parameter."""
    return literal(list(ids), ARRAY(PgUUID(as_uuid=True)))


def among(column: Any, ids: Collection[UUID]) -> ColumnElement[bool]:
    """`column` is one of the ids: one parameter, however many there are."""
    return column == any_(uuids(ids))  # type: ignore[no-any-return]


def _beyond(keys: tuple[Order, ...], values: list[Any], *, backward: bool) -> ColumnElement[bool]:
    """Rows strictly after (or before) the values, key by key."""
    alternatives = []
    for index, key in enumerate(keys):
        equal = [keys[i].expression == values[i] for i in range(index)]
        smaller = key.descending is not backward
        step = key.expression < values[index] if smaller else key.expression > values[index]
        alternatives.append(and_(*equal, step))
    return or_(*alternatives)


def _write_cursor(values: list[Any]) -> str:
    plain = [
        {"t": value.isoformat()} if isinstance(value, datetime) else {"u": str(value)} if isinstance(value, UUID)
        else value for value in values
    ]  # fmt: skip
    return base64.urlsafe_b64encode(json.dumps(plain, separators=(",", ":")).encode()).rstrip(b"=").decode()


def _read_cursor(keys: tuple[Order, ...], text: str) -> list[Any]:
    try:
        plain = json.loads(base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)))
        if not isinstance(plain, list) or len(plain) != len(keys):
            raise ValueError(text)
        values = [_value(part) for part in plain]
        for key, value in zip(keys, values, strict=True):
            if not isinstance(value, key.expression.type.python_type):
                raise ValueError(value)
        return values
    except (ValueError, TypeError, KeyError, AttributeError, binascii.Error, RecursionError):
        raise Invalid("This is not a cursor of this list and order.", cursor=text[:200]) from None


def _value(part: Any) -> Any:
    if isinstance(part, dict):
        return datetime.fromisoformat(part["t"]) if "t" in part else UUID(part["u"])
    if isinstance(part, int) and abs(part) > _LARGEST:
        raise ValueError(part)
    if isinstance(part, str) and "\x00" in part:
        raise ValueError(part)
    return part
