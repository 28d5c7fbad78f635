"""From resolver results to wire objects: one function a model, for any number of objects, with the schema's loaders."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from api.rest_compat import wire
from api.schema import agents, approvals, organizations, tags, tasks
from api.schema.batching import Context, Loader

Fill = Callable[[Context, Sequence[Any]], Awaitable[list[dict[str, Any]]]]


def columns(model: type[wire.Model], *besides: str) -> tuple[str, ...]:
    """The fields of a model that are columns of its row."""
    return tuple(name for name in model.model_fields if name not in besides)


def plain(model: type[wire.Model]) -> Fill:
    """Models whose fields are the row's columns."""
    names = columns(model)

    async def fill(ctx: Context, objects: Sequence[Any]) -> list[dict[str, Any]]:
        return [{name: getattr(one.row, name) for name in names} for one in objects]

    return fill


def loaded(model: type[wire.Model], **loaders: Loader) -> Fill:
    """Models with columns of the row and fields that the schema's loaders know."""
    names = columns(model, *loaders)

    async def fill(ctx: Context, objects: Sequence[Any]) -> list[dict[str, Any]]:
        found = [{name: getattr(one.row, name) for name in names} for one in objects]
        for name, loader in loaders.items():
            for values, value in zip(found, await loader(ctx, objects), strict=True):
                values[name] = value
        return found

    return fill


_TASK = columns(
    wire.TaskRead,
    "depends_on_task_ids",
    "tag_ids",
    "tags",
    "blocked_by_task_ids",
    "is_blocked",
    "custom_field_values",
)


async def task_read(ctx: Context, objects: Sequence[Any]) -> list[dict[str, Any]]:
    """Tasks with their dependencies, tags and field values."""
    found = []
    for one, details in zip(objects, await tasks.load_details(ctx, objects), strict=True):
        values = {name: getattr(one.row, name) for name in _TASK}
        values["depends_on_task_ids"] = details.depends_on
        values["blocked_by_task_ids"] = details.blocked_by
        values["is_blocked"] = bool(details.blocked_by)
        values["tag_ids"] = [tag.id for tag in details.tags]
        values["tags"] = [{"id": t.id, "name": t.name, "slug": t.slug, "color": t.color} for t in details.tags]
        values["custom_field_values"] = {value.key: value.value for value in details.fields}
        found.append(values)
    return found


_APPROVAL = columns(wire.ApprovalRead, "task_id", "task_ids", "task_titles")


async def approval_read(ctx: Context, objects: Sequence[Any]) -> list[dict[str, Any]]:
    """Approvals with their tasks and titles."""
    links = await approvals.linked_task_ids(ctx, objects)
    titles = await approvals.load_task_titles(ctx, objects)
    return [
        {
            **{name: getattr(one.row, name) for name in _APPROVAL},
            "task_id": ids[0] if ids else None, "task_ids": ids, "task_titles": names,
        }
        for one, ids, names in zip(objects, links, titles, strict=True)
    ]  # fmt: skip


_AGENT = columns(wire.AgentRead, "status", "is_gateway_main")
_PRIVATE = ("identity_template", "soul_template", "openclaw_session_id")


async def agent_read(ctx: Context, objects: Sequence[Any]) -> list[dict[str, Any]]:
    """Agents with the status people see; a worker does not see its colleagues' templates and sessions."""
    found = []
    for one in objects:
        values = {name: getattr(one.row, name) for name in _AGENT}
        values["status"] = agents.shown_status(ctx, one)
        values["is_gateway_main"] = one.row.board_id is None
        if not agents.shows_private(ctx, one):
            values.update(dict.fromkeys(_PRIVATE))
        found.append(values)
    return found


async def agent_health(ctx: Context, objects: Sequence[Any]) -> list[dict[str, Any]]:
    """The calling agent; the stored status after its sign of life."""
    return [
        {
            "ok": True, "agent_id": one.row.id, "board_id": one.row.board_id, "gateway_id": one.row.gateway_id,
            "status": one.row.status, "is_board_lead": one.row.is_board_lead,
        }
        for one in objects
    ]  # fmt: skip


async def organization_item(ctx: Context, objects: Sequence[Any]) -> list[dict[str, Any]]:
    """The caller's organisations."""
    return [{"id": one.row.id, "name": one.row.name, **organizations.my_place(ctx, one)} for one in objects]


_MEMBER = columns(wire.OrganizationMemberRead, "user", "board_access")
_MEMBER_USER = columns(wire.OrganizationUserRead)
_ACCESS = columns(wire.OrganizationBoardAccessRead)


def member_read(*, with_access: bool) -> Fill:
    """Memberships; the list has never shown board rights."""

    async def fill(ctx: Context, objects: Sequence[Any]) -> list[dict[str, Any]]:
        people = await organizations.load_member_users(ctx, objects)
        rights = await organizations.load_member_access(ctx, objects) if with_access else [[] for _ in objects]
        return [
            {
                **{name: getattr(one.row, name) for name in _MEMBER},
                "user": {name: getattr(person.row, name) for name in _MEMBER_USER},
                "board_access": [{name: getattr(right.row, name) for name in _ACCESS} for right in own],
            }
            for one, person, own in zip(objects, people, rights, strict=True)
        ]  # fmt: skip

    return fill


async def _sorted_boards(ctx: Context, objects: Sequence[Any]) -> list[list[str]]:
    return [sorted(ids) for ids in await tags.load_bound_boards(ctx, objects)]


async def invite_read(ctx: Context, objects: Sequence[Any]) -> list[dict[str, Any]]:
    """Invites with their token, as administrators see them."""
    names = columns(wire.OrganizationInviteRead, "token")
    return [{**{name: getattr(one.row, name) for name in names}, "token": one.token} for one in objects]


FILLS: dict[type[wire.Model], Fill] = {
    wire.TaskRead: task_read,
    wire.ApprovalRead: approval_read,
    wire.AgentRead: agent_read,
    wire.AgentHealthStatusResponse: agent_health,
    wire.OrganizationListItem: organization_item,
    wire.OrganizationMemberRead: member_read(with_access=True),
    wire.BoardRead: plain(wire.BoardRead),
    wire.TaskCommentRead: plain(wire.TaskCommentRead),
    wire.BoardMemoryRead: plain(wire.BoardMemoryRead),
    wire.UserRead: plain(wire.UserRead),
    wire.OrganizationRead: plain(wire.OrganizationRead),
    wire.OrganizationInviteRead: invite_read,
    wire.BoardGroupRead: plain(wire.BoardGroupRead),
    wire.BoardGroupMemoryRead: plain(wire.BoardGroupMemoryRead),
    wire.TagRef: plain(wire.TagRef),
    wire.TagRead: loaded(wire.TagRead, task_count=tags.load_task_counts),
    wire.TaskCustomFieldDefinitionRead: loaded(wire.TaskCustomFieldDefinitionRead, board_ids=_sorted_boards),
}
