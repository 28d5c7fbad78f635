"""Gates: what must hold before a request's body is even looked at. REST rows name them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select

from api.domain import access
from api.domain.actor import Agent
from api.domain.agents import operations as agents
from api.domain.approvals import operations as approvals
from api.domain.boards import operations as boards
from api.domain.boards.tables import BoardGroup
from api.domain.context import Context
from api.domain.custom_fields.tables import CustomFieldDefinition
from api.domain.errors import Forbidden, NotFound
from api.domain.gateways import operations as gateways
from api.domain.groups import operations as groups
from api.domain.organizations.tables import OrganizationInvite, OrganizationMember
from api.domain.skills import operations as skills
from api.domain.skills import packs
from api.domain.tags import operations as tags
from api.domain.tasks import queries
from api.domain.webhooks import operations as webhooks

Path = Mapping[str, UUID]


async def anybody(ctx: Context, path: Path) -> None:
    """Whoever the route's class lets in."""


async def anyone_signed_in(ctx: Context, path: Path) -> None:
    """Any person or agent that we know."""
    access.signed_in(ctx.actor)


async def organization_member(ctx: Context, path: Path) -> None:
    """A member of the active organisation."""
    access.membership(ctx.actor)


async def organization_reader(ctx: Context, path: Path) -> None:
    """An agent, or a member of the active organisation."""
    access.organization_of(ctx.actor)


async def organization_admin(ctx: Context, path: Path) -> None:
    """An owner or admin of the active organisation."""
    access.administrator(ctx.actor)


async def organization_owner(ctx: Context, path: Path) -> None:
    """An owner of the active organisation."""
    access.owner(ctx.actor)


async def tag_admin(ctx: Context, path: Path) -> None:
    """An administrator, and a tag of one of its organisations."""
    await tag_read(ctx, path)
    access.administrator(ctx.actor)


async def tag_read(ctx: Context, path: Path) -> None:
    """A tag of the active organisation."""
    member = access.membership(ctx.actor)
    if (await tags.find(ctx, path["tag_id"])).organization_id != member.organization_id:
        raise NotFound()


async def field_admin(ctx: Context, path: Path) -> None:
    """An administrator, and a custom field of the active organisation."""
    member = access.administrator(ctx.actor)
    name = "task_custom_field_definition_id"
    found = await ctx.one(select(CustomFieldDefinition.organization_id).where(CustomFieldDefinition.id == path[name]))
    if found != member.organization_id:
        raise NotFound()


async def member_admin(ctx: Context, path: Path) -> None:
    """An administrator, and a member of the active organisation."""
    member = access.administrator(ctx.actor)
    found = await ctx.one(select(OrganizationMember.organization_id).where(OrganizationMember.id == path["member_id"]))
    if found != member.organization_id:
        raise NotFound()


async def invite_admin(ctx: Context, path: Path) -> None:
    """An administrator, and an invite of the active organisation."""
    member = access.administrator(ctx.actor)
    found = await ctx.one(select(OrganizationInvite.organization_id).where(OrganizationInvite.id == path["invite_id"]))
    if found != member.organization_id:
        raise NotFound()


async def board_read(ctx: Context, path: Path) -> None:
    """The board exists for the caller, and the caller reads it."""
    await boards.readable(ctx, path["board_id"])


async def board_write(ctx: Context, path: Path) -> None:
    """The board exists for the caller, and the caller writes it."""
    await boards.writable(ctx, path["board_id"])


async def _here(ctx: Context, group: BoardGroup) -> None:
    if group.organization_id != access.organization_of(ctx.actor):
        raise NotFound()


async def group_read(ctx: Context, path: Path) -> None:
    """The group is of the active organisation, and the caller reads it."""
    await _here(ctx, await groups.reachable(ctx, path["group_id"]))


async def group_write(ctx: Context, path: Path) -> None:
    """The group is of the active organisation, and the caller writes it."""
    await _here(ctx, await groups.reachable(ctx, path["group_id"], write=True))


async def group_admin(ctx: Context, path: Path) -> None:
    """An administrator who writes the group."""
    group = await groups.reachable(ctx, path["group_id"], write=True)
    await _here(ctx, group)
    access.administrator(ctx.actor, group.organization_id)


async def group_rhythm(ctx: Context, path: Path) -> None:
    """Who may set the heartbeat of a group's agents."""
    await groups.may_set_rhythm(ctx, path["group_id"])


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


async def skill_admin(ctx: Context, path: Path) -> None:
    """An administrator, and a skill of its organisation."""
    member = access.administrator(ctx.actor)
    if (await skills.find(ctx, path["skill_id"])).organization_id != member.organization_id:
        raise NotFound()


async def pack_admin(ctx: Context, path: Path) -> None:
    """An administrator, and a pack of its organisation."""
    member = access.administrator(ctx.actor)
    if (await packs.find(ctx, path["pack_id"])).organization_id != member.organization_id:
        raise NotFound()


async def main_of_gateway(ctx: Context, path: Path) -> None:
    """The main agent of a gateway."""
    if not access.an_agent(ctx.actor).is_main:
        raise Forbidden("Only the main agent of a gateway may do this.")


async def gateway_admin(ctx: Context, path: Path) -> None:
    """An administrator, and a gateway of the active organisation."""
    member = access.administrator(ctx.actor)
    if (await gateways.find(ctx, path["gateway_id"])).organization_id != member.organization_id:
        raise NotFound()


async def webhook_read(ctx: Context, path: Path) -> None:
    """The board is readable and has the webhook."""
    await board_read(ctx, path)
    await webhooks.find(ctx, path["webhook_id"], path["board_id"])


async def webhook_write(ctx: Context, path: Path) -> None:
    """The board is writable and has the webhook."""
    await board_write(ctx, path)
    await webhooks.find(ctx, path["webhook_id"], path["board_id"])


async def delivery_read(ctx: Context, path: Path) -> None:
    """The board is readable and has the delivery."""
    await board_read(ctx, path)
    await webhooks.find_payload(ctx, path["payload_id"], path["webhook_id"], path["board_id"])


async def board_of_agent(ctx: Context, path: Path) -> None:
    """The board exists for the caller, which is an agent."""
    access.an_agent(ctx.actor)
    await boards.readable(ctx, path["board_id"])


async def active_board(ctx: Context, board_id: UUID) -> None:
    """The same, for boards of the active organisation only."""
    await listed_board(ctx, board_id)
    board = await boards.find(ctx, board_id)
    if board is None or board.organization_id != access.organization_of(ctx.actor):
        raise Forbidden("You have no access to this board.")


#: The part of a gate that needs only the board, for requests whose other ids are not UUIDs.
BOARD_PART: dict[Any, Any] = {
    task_read: board_read, task_write: board_write, approval_write: board_write, webhook_read: board_read,
    webhook_write: board_write, delivery_read: board_read, member_admin: organization_admin,
    invite_admin: organization_admin, field_admin: organization_admin, tag_admin: organization_admin,
    skill_admin: organization_admin, pack_admin: organization_admin, tag_read: organization_member,
    gateway_admin: organization_admin, main_of_gateway: main_of_gateway,
}  # fmt: skip


async def organization_of_path(ctx: Context, path: Path) -> UUID | None:
    """The organisation that a stream is about: of the board or group in its address, else the caller's."""
    if "board_id" in path:
        return (await boards.readable(ctx, path["board_id"])).organization_id
    if "group_id" in path:
        return (await groups.reachable(ctx, path["group_id"])).organization_id
    return access.organization_of(ctx.actor)
