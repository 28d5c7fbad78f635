"""Gates: what must hold before a request's body is even looked at. REST rows name them."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from api.domain import access
from api.domain.boards import operations as boards
from api.domain.context import Context
from api.domain.tasks import queries

Path = Mapping[str, UUID]


async def anybody(ctx: Context, path: Path) -> None:
    """Whoever the route's class lets in."""


async def organization_member(ctx: Context, path: Path) -> None:
    """A member of the active organisation."""
    access.membership(ctx.actor)


async def organization_admin(ctx: Context, path: Path) -> None:
    """An owner or admin of the active organisation."""
    access.administrator(ctx.actor)


async def board_read(ctx: Context, path: Path) -> None:
    """The board exists for the caller, and the caller reads it."""
    await boards.readable(ctx, path["board_id"])


async def board_write(ctx: Context, path: Path) -> None:
    """The board exists for the caller, and the caller writes it."""
    await boards.writable(ctx, path["board_id"])


async def task_read(ctx: Context, path: Path) -> None:
    """The board is readable and has the task."""
    await board_read(ctx, path)
    await queries.find(ctx, path["task_id"], path["board_id"])


async def task_write(ctx: Context, path: Path) -> None:
    """The board is writable and has the task."""
    await board_write(ctx, path)
    await queries.find(ctx, path["task_id"], path["board_id"])


async def agent_admin(ctx: Context, path: Path) -> None:
    """An administrator of the active organisation, for the routes of one agent."""
    access.administrator(ctx.actor)


def organization_of(ctx: Context) -> UUID | None:
    """The organisation that an unqualified stream is about."""
    return access.organization_of(ctx.actor)
