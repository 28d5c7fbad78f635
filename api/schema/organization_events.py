"""What happens to an organisation itself, and in the memory of groups, as subscriptions."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from enum import Enum
from typing import Annotated

import strawberry

from api.domain import access
from api.domain.context import Context
from api.domain.errors import NotFound
from api.domain.events.cursor import Cursor as LogCursor
from api.domain.events.log import Scope
from api.domain.events.tables import Event
from api.domain.groups import operations as groups
from api.schema.batching import Info
from api.schema.events import After, FieldChange, group_memory_now
from api.schema.groups import GroupMemoryEntry
from api.schema.node import Actor, load_actors
from api.schema.scalars import Cursor, as_uuid

#: Topics that concern an organisation rather than one of its boards.
TOPICS = ("organization", "invite", "tag", "field", "group", "gateway", "skill", "pack", "webhook", "access")


@strawberry.enum(description="What happened to an organisation.")
class OrganizationEventKind(Enum):
    """Kinds of the log without a board."""

    ORGANIZATION_RENAMED = strawberry.enum_value("organization.renamed", description="It got another name.")
    MEMBER_CHANGED = strawberry.enum_value("access.member", description="Somebody joined, left, or got other rights.")
    INVITE_CREATED = strawberry.enum_value("invite.created", description="An address was invited.")
    INVITE_REVOKED = strawberry.enum_value("invite.revoked", description="An invite was taken away.")
    TAG_CREATED = strawberry.enum_value("tag.created", description="A tag was made.")
    TAG_UPDATED = strawberry.enum_value("tag.updated", description="A tag changed.")
    TAG_DELETED = strawberry.enum_value("tag.deleted", description="A tag was taken away.")
    CUSTOM_FIELD_CREATED = strawberry.enum_value("field.created", description="A custom field was defined.")
    CUSTOM_FIELD_UPDATED = strawberry.enum_value("field.updated", description="A custom field changed.")
    CUSTOM_FIELD_DELETED = strawberry.enum_value("field.deleted", description="A custom field was taken away.")
    GROUP_CREATED = strawberry.enum_value("group.created", description="A group of boards was made.")
    GROUP_UPDATED = strawberry.enum_value("group.updated", description="A group changed.")
    GROUP_DELETED = strawberry.enum_value("group.deleted", description="A group was taken away.")
    OTHER = strawberry.enum_value("other", description="A kind that this version of the schema does not name.")


@strawberry.type(description="Something that happened to an organisation.")
class OrganizationEvent:
    """A row of `events` without a board."""

    cursor: Cursor = strawberry.field(description="The log's position after this event; resume `after` it.")
    kind: OrganizationEventKind = strawberry.field(description="What happened.")
    at: datetime = strawberry.field(description="When.")
    subject_id: strawberry.ID | None = strawberry.field(description="The thing that changed, also when it is gone.")
    changes: list[FieldChange] = strawberry.field(description="The fields that changed, where recorded.")
    actor: Actor | None = strawberry.field(description="Who did it; null for the server itself.")


@strawberry.type(description="An entry was written into a group's memory.")
class GroupMemoryEvent:
    """A `group.memory_written` row of `events`."""

    cursor: Cursor = strawberry.field(description="The log's position after this event; resume `after` it.")
    at: datetime = strawberry.field(description="When.")
    entry: GroupMemoryEntry = strawberry.field(description="The entry.")


async def _event(ctx: Context, row: Event, cursor: LogCursor) -> OrganizationEvent:
    known = row.kind in OrganizationEventKind._value2member_map_
    actor = await load_actors(
        ctx, [row.actor_id if row.actor_kind == "user" else None], [row.actor_id if row.actor_kind == "agent" else None]
    )
    return OrganizationEvent(
        cursor=Cursor(str(cursor)), kind=OrganizationEventKind(row.kind) if known else OrganizationEventKind.OTHER,
        at=row.at, subject_id=strawberry.ID(str(row.subject_id)) if row.subject_id else None,
        changes=[FieldChange(**change) for change in row.changes or []], actor=actor[0],
    )  # fmt: skip


@strawberry.type
class OrganizationSubscription:
    """Subscriptions beside the boards."""

    @strawberry.subscription(description="What happens to the active organisation itself; administrators only.")
    async def organization_events(self, info: Info, after: After = None) -> AsyncGenerator[OrganizationEvent, None]:
        ctx = info.context
        start = LogCursor.parse(after) if after is not None else None
        organization_id = access.administrator(ctx.actor).organization_id

        async def gate() -> None:
            access.administrator(ctx.actor, organization_id)

        async with aclosing(ctx.follow(Scope(organization_id=organization_id), start, gate)) as events:
            async for row, cursor in events:
                if row.board_id is None and row.topic in TOPICS and row.kind != "group.memory_written":
                    event = await _event(ctx, row, cursor)
                    await ctx.end_moment()
                    yield event

    @strawberry.subscription(description="What is written into a group's memory.")
    async def group_memory_events(
        self, info: Info,
        group_id: Annotated[strawberry.ID, strawberry.argument(description="The group.")],
        after: After = None,
    ) -> AsyncGenerator[GroupMemoryEvent, None]:  # fmt: skip
        ctx, wanted = info.context, as_uuid(group_id, "groupId")
        start = LogCursor.parse(after) if after is not None else None

        async def gate() -> None:
            await groups.reachable(ctx, wanted)

        organization_id = (await groups.reachable(ctx, wanted)).organization_id
        await ctx.end_moment()
        async with aclosing(ctx.follow(Scope(organization_id=organization_id), start, gate)) as events:
            async for row, cursor in events:
                if row.kind == "group.deleted" and row.subject_id == wanted:
                    raise NotFound()
                entry = await group_memory_now(ctx, row)
                if entry is not None and entry.row.board_group_id == wanted:
                    await gate()
                    yield GroupMemoryEvent(cursor=Cursor(str(cursor)), at=row.at, entry=entry)
                else:
                    await ctx.end_moment()
