"""Gates: what must hold before a request's body is even looked at. REST rows name them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from api.domain import access
from api.domain.actor import Agent
from api.domain.agents import operations as agents
from api.domain.approvals import operations as approvals
from api.domain.boards import operations as boards
from api.domain.context import Context
from api.domain.errors import Forbidden, NotFound
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


async def approval_write(ctx: Context, path: Path) -> None:
    """The board is writable and has the approval."""
    await board_write(ctx, path)
    await approvals.find(ctx, path["approval_id"], path["board_id"])


async def agent_admin(ctx: Context, path: Path) -> None:
    """An administrator, and an agent of the active organisation."""
    member = access.administrator(ctx.actor)
    agent = await agents.reachable(ctx, path["agent_id"], write=False)
    if await agents.organization_of(ctx, agent) != member.organization_id:
        raise NotFound()


async def agent_maker(ctx: Context, path: Path) -> None:
    """An administrator, or the lead of a board."""
    if isinstance(ctx.actor, Agent):
        access.lead(ctx.actor)
    else:
        access.administrator(ctx.actor)


async def heartbeat_target(ctx: Context, path: Path) -> None:
    """The agent exists for the caller; an agent reports only itself."""
    await agents.reachable(ctx, path["agent_id"], write=False)
    access.same_agent_or_admin(ctx.actor, path["agent_id"])


async def listed_board(ctx: Context, board_id: UUID) -> None:
    """A board that a query names: what the caller cannot read is forbidden, whether or not it exists."""
    board = await boards.find(ctx, board_id)
    if board is None or not access.can_read_board(ctx.actor, board):
        raise Forbidden("You have no access to this board.")


#: The part of a gate that needs only the board, for requests whose other ids are not UUIDs.
BOARD_PART: dict[Any, Any] = {task_read: board_read, task_write: board_write, approval_write: board_write}


def organization_of(ctx: Context) -> UUID | None:
    """The organisation that an unqualified stream is about."""
    return access.organization_of(ctx.actor)
