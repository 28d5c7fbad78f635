"""`node` and `nodes`: anything by its id."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any
from uuid import UUID

import strawberry
from sqlalchemy import literal, select, union_all

from api.domain import access
from api.domain.activity import COMMENT
from api.domain.activity.tables import ActivityEvent
from api.domain.agents.tables import Agent as AgentRow
from api.domain.approvals.tables import Approval as ApprovalRow
from api.domain.boards.tables import Board as BoardRow
from api.domain.boards.tables import BoardGroup as GroupRow
from api.domain.boards.tables import Gateway as GatewayRow
from api.domain.context import Context
from api.domain.custom_fields.tables import CustomFieldDefinition
from api.domain.errors import DomainError, Forbidden, Invalid, NotFound
from api.domain.groups.operations import reachable
from api.domain.memory.tables import GroupMemoryEntry as GroupMemoryRow
from api.domain.memory.tables import MemoryEntry as MemoryRow
from api.domain.onboarding.tables import OnboardingSession as SessionRow
from api.domain.organizations.tables import Organization as OrganizationRow
from api.domain.organizations.tables import OrganizationMember
from api.domain.paging import by_ids
from api.domain.skills.tables import Skill as SkillRow
from api.domain.skills.tables import SkillPack as PackRow
from api.domain.tags import Tag as TagRow
from api.domain.tasks.tables import Task as TaskRow
from api.domain.users.tables import PersonalToken as TokenRow
from api.domain.users.tables import User as UserRow
from api.domain.webhooks.tables import BoardWebhook, WebhookPayload
from api.domain.webhooks.tables import NotificationEndpoint as EndpointRow
from api.schema.activity import Activity
from api.schema.agents import Agent
from api.schema.approvals import Approval
from api.schema.batching import Info
from api.schema.boards import Board
from api.schema.comments import Comment
from api.schema.gateways import Gateway
from api.schema.groups import BoardGroup, GroupMemoryEntry
from api.schema.memory import MemoryEntry
from api.schema.node import Node
from api.schema.notifications import NotificationEndpoint
from api.schema.onboarding import OnboardingSession
from api.schema.organizations import Member, Organization
from api.schema.scalars import as_uuid
from api.schema.skills import Skill, SkillPack
from api.schema.tags import CustomField, Tag
from api.schema.tasks import Task
from api.schema.users import PersonalToken, User
from api.schema.webhooks import Webhook, WebhookDelivery

Wrap = Callable[[Any], Node]


def _activity(row: ActivityEvent) -> Node:
    return Comment.of(row) if row.event_type == COMMENT else Activity.of(row)


#: What each table's rows become, and where the row says to which board or organisation it belongs.
KINDS: dict[str, tuple[Any, Wrap, str]] = {
    "board": (BoardRow, Board.of, "board"),
    "task": (TaskRow, Task.of, "board_id"),
    "approval": (ApprovalRow, Approval.of, "board_id"),
    "memory": (MemoryRow, MemoryEntry.of, "board_id"),
    "agent": (AgentRow, Agent.of, "agent"),
    "activity": (ActivityEvent, _activity, "board_id"),
    "tag": (TagRow, Tag.of, "organization_id"),
    "field": (CustomFieldDefinition, CustomField.of, "organization_id"),
    "group": (GroupRow, BoardGroup.of, "board_group"),
    "group_memory": (GroupMemoryRow, GroupMemoryEntry.of, "board_group_id"),
    "webhook": (BoardWebhook, Webhook.of, "people_board"),
    "delivery": (WebhookPayload, WebhookDelivery.of, "board_id"),
    "onboarding": (SessionRow, OnboardingSession.of, "board_id"),
    "skill": (SkillRow, Skill.of, "administered"),
    "pack": (PackRow, SkillPack.of, "administered"),
    "endpoint": (EndpointRow, NotificationEndpoint.of, "administered"),
    "gateway": (GatewayRow, Gateway.of, "organization_id"),
    "member": (OrganizationMember, Member.of, "organization_id"),
    "token": (TokenRow, PersonalToken.of, "user_id"),
    "organization": (OrganizationRow, Organization.of, "id"),
    "user": (UserRow, User.of, "user"),
}


async def find_nodes(ctx: Context, ids: Sequence[UUID]) -> dict[UUID, Node | DomainError]:
    """Each id's object, or why the caller does not get it."""
    access.signed_in(ctx.actor)
    found: dict[UUID, Node | DomainError] = dict.fromkeys(ids, NotFound())
    places = union_all(
        *(
            select(literal(kind).label("kind"), row.id.label("id")).where(row.id.in_(ids))
            for kind, (row, _, _) in KINDS.items()
        )
    ).subquery()
    kinds: dict[str, list[UUID]] = {}
    for kind, row_id in await ctx.rows(select(places)):
        kinds.setdefault(kind, []).append(row_id)
    for kind, members in kinds.items():
        entity, wrap, place = KINDS[kind]
        rows = list((await by_ids(ctx, entity, members)).values())
        checks = await _checks(ctx, rows, place)
        for row, check in zip(rows, checks, strict=True):
            found[row.id] = check or wrap(row)
    return found


async def _checks(ctx: Context, rows: Sequence[Any], place: str) -> list[DomainError | None]:
    """For each row None, or the error that hides it."""
    if place == "user":
        # People are seen through what they did; by id only by themselves.
        return [None if row.id == ctx.actor.id else NotFound() for row in rows]
    if place == "user_id":
        return [None if row.user_id == ctx.actor.id else NotFound() for row in rows]
    if place == "administered":
        return [_administered(ctx, row.organization_id) for row in rows]
    if place in ("organization_id", "id"):
        return [None if access.sees_organization(ctx.actor, getattr(row, place)) else NotFound() for row in rows]
    if place in ("board_group", "board_group_id"):
        return [await _group_check(ctx, row.id if place == "board_group" else row.board_group_id) for row in rows]
    if place == "agent":
        from api.domain.agents.operations import visible

        mine = set(await ctx.all(select(AgentRow.id).where(AgentRow.id.in_([row.id for row in rows]), visible(ctx))))
        boards = await by_ids(ctx, BoardRow, [row.board_id for row in rows])
        return [None if row.id in mine else _board_check(ctx, boards.get(row.board_id)) for row in rows]
    if place == "board":
        return [_board_check(ctx, row) for row in rows]
    boards = await by_ids(ctx, BoardRow, [row.board_id for row in rows])
    if place == "people_board" and ctx.actor.kind != "user":
        return [_board_check(ctx, boards.get(row.board_id)) or Forbidden() for row in rows]
    return [_board_check(ctx, boards.get(row.board_id)) for row in rows]


def _administered(ctx: Context, organization_id: UUID) -> DomainError | None:
    if not access.sees_organization(ctx.actor, organization_id):
        return NotFound()
    try:
        access.administrator(ctx.actor, organization_id)
    except Forbidden as error:
        return error
    return None


async def _group_check(ctx: Context, group_id: UUID) -> DomainError | None:
    try:
        await reachable(ctx, group_id)
    except (NotFound, Forbidden) as error:
        return error
    return None


def _board_check(ctx: Context, board: BoardRow | None) -> DomainError | None:
    try:
        access.read_board(ctx.actor, board)
    except (NotFound, Forbidden) as error:
        return error
    return None


@strawberry.type
class NodeQuery:
    """Query fields for anything."""

    @strawberry.field(description="Anything by its id.")
    async def node(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The UUID.")]
    ) -> Node | None:
        node_id = as_uuid(id)
        found = (await find_nodes(info.context, [node_id]))[node_id]
        if isinstance(found, DomainError):
            raise found
        return found

    @strawberry.field(description="Several things by id, in this order; null for those the caller cannot see.")
    async def nodes(
        self,
        info: Info,
        ids: Annotated[list[strawberry.ID], strawberry.argument(description="At most 200 UUIDs.")],
    ) -> list[Node | None]:
        wanted = [as_uuid(one, "ids") for one in ids]
        if len(wanted) > info.context.settings.max_page_size:
            raise Invalid("At most 200 ids at once.", asked=len(wanted))
        found = await find_nodes(info.context, wanted) if wanted else {}
        return [node if isinstance(node := found[one], Node) else None for one in wanted]
