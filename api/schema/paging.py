"""Relay connections: built once from a domain listing, for one parent or for all parents of a level."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import strawberry

from api.domain import paging
from api.domain.context import Context
from api.domain.paging import Listing, Slice
from api.schema.batching import batch_field

T = TypeVar("T")

First = Annotated[int | None, strawberry.argument(description="At most so many rows from the start (default 50).")]
After = Annotated[str | None, strawberry.argument(description="Rows after this edge cursor.")]
Last = Annotated[int | None, strawberry.argument(description="At most so many rows from the end.")]
Before = Annotated[str | None, strawberry.argument(description="Rows before this edge cursor.")]


@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    """Relay's PageInfo."""

    has_next_page: bool = strawberry.field(description="Whether more rows follow.")
    has_previous_page: bool = strawberry.field(description="Whether rows come before.")
    start_cursor: str | None = strawberry.field(description="Cursor of the first row; null on an empty page.")
    end_cursor: str | None = strawberry.field(description="Cursor of the last row; null on an empty page.")


@strawberry.type(description="A row of a list with its place.")
class Edge(Generic[T]):
    """Relay's Edge."""

    cursor: str = strawberry.field(description="The row's place; give it as `after` or `before`.")
    node: T = strawberry.field(description="The row.")


async def load_totals(ctx: Context, connections: Sequence[Connection[Any]]) -> list[int]:
    """How many rows each whole list has; lists that differ only in their parent are counted together."""
    groups: dict[int, list[Connection[Any]]] = {}
    for connection in connections:
        groups.setdefault(id(connection.listing), []).append(connection)
    counts: dict[tuple[int, UUID | None], int] = {}
    for key, group in groups.items():
        listing = group[0].listing
        parents = [connection.parent for connection in group if connection.parent is not None]
        for parent, count in (await paging.totals(ctx, listing, parents or None)).items():
            counts[key, parent] = count
    return [counts[id(connection.listing), connection.parent] for connection in connections]


@strawberry.type(description="A page of a list.")
class Connection(Generic[T]):
    """Relay's Connection, with `nodes` for those who need no cursors."""

    listing: strawberry.Private[Listing]
    parent: strawberry.Private[UUID | None]
    edges: list[Edge[T]] = strawberry.field(description="The rows with their cursors.")
    nodes: list[T] = strawberry.field(description="The rows.")
    page_info: PageInfo = strawberry.field(description="Where this page stands in the list.")
    total_count: int = batch_field(load_totals, description="How many rows the whole list has; counted only if asked.")


async def connect(
    ctx: Context,
    listing: Listing,
    wrap: Callable[[Any], T],
    part: Slice,
    parents: Sequence[UUID] | None = None,
) -> list[Connection[T]]:
    """One connection a parent (or a single one without parents), in one statement."""
    pages = await paging.keyset_pages(ctx, listing, part, list(dict.fromkeys(parents)) if parents is not None else None)
    found = []
    for parent in parents if parents is not None else [None]:
        page = pages[parent]
        nodes = [wrap(row) for row in page.rows]
        info = PageInfo(
            has_next_page=page.has_next, has_previous_page=page.has_previous,
            start_cursor=page.cursors[0] if page.cursors else None,
            end_cursor=page.cursors[-1] if page.cursors else None,
        )  # fmt: skip
        edges = [Edge(cursor=cursor, node=node) for cursor, node in zip(page.cursors, nodes, strict=True)]
        found.append(Connection(listing=listing, parent=parent, edges=edges, nodes=nodes, page_info=info))
    return found


async def connect_one(ctx: Context, listing: Listing, wrap: Callable[[Any], T], part: Slice) -> Connection[T]:
    """A connection without parents."""
    return (await connect(ctx, listing, wrap, part))[0]
