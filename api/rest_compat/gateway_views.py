"""Wire objects of gateways, of messages between agents, and of inboxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.rest_compat import wire
from api.rest_compat.shapes import Fill, columns
from api.schema.batching import Context

_GATEWAY = columns(wire.GatewayRead, "token")


async def gateway_read(ctx: Context, objects: Sequence[Any]) -> list[dict[str, Any]]:
    """Gateways, with their token as administrators have always seen it."""
    secrets = ctx.services.secrets
    return [
        {
            **{name: getattr(one.row, name) for name in _GATEWAY},
            "token": secrets.shown(one.row.token) or None if one.row.token else None,
        }
        for one in objects
    ]  # fmt: skip


async def as_it_is(ctx: Context, objects: Sequence[Any]) -> list[dict[str, Any]]:
    """Answers that are put together already; what is not said is as the model has it."""
    return [dict(one) for one in objects]


def _with_defaults(model: type[wire.Model]) -> Any:
    async def fill(ctx: Context, objects: Sequence[Any]) -> list[dict[str, Any]]:
        return [model(**one).model_dump(mode="json") for one in objects]

    return fill


async def user_asked(ctx: Context, objects: Sequence[Any]) -> list[dict[str, Any]]:
    """Who carries the question."""
    return [
        {
            "ok": True, "board_id": one.board_id, "main_agent_id": one.agent.id if one.agent else None,
            "main_agent_name": one.agent.name if one.agent else None,
        }
        for one in objects
    ]  # fmt: skip


def _lead(one: Any) -> dict[str, Any]:
    return {
        "board_id": one.board_id, "lead_agent_id": one.agent.id if one.agent else None,
        "lead_agent_name": one.agent.name if one.agent else None,
    }  # fmt: skip


async def lead_told(ctx: Context, objects: Sequence[Any]) -> list[dict[str, Any]]:
    """Which lead was told."""
    return [{"ok": True, **_lead(one), "lead_created": one.created} for one in objects]


async def leads_told(ctx: Context, objects: Sequence[Any]) -> list[dict[str, Any]]:
    """Board by board."""
    found = []
    for told in objects:
        failed = sum(one.error is not None for one in told)
        results = [{**_lead(one), "ok": one.error is None, "error": one.error} for one in told]
        found.append({"ok": True, "sent": len(told) - failed, "failed": failed, "results": results})
    return found


async def inbox_read(ctx: Context, objects: Sequence[Any]) -> list[dict[str, Any]]:
    """What an agent was told."""
    names = columns(wire.InboxMessage)
    return [
        {
            "cursor": one.end_cursor, "has_more": one.has_next_page,
            "messages": [{name: getattr(message.row, name) for name in names} for message in one.messages],
        }
        for one in objects
    ]  # fmt: skip


GATEWAY_FILLS: dict[type[wire.Model], Fill] = {
    wire.GatewayRead: gateway_read,
    wire.GatewayCommandsResponse: as_it_is,
    wire.GatewaysStatusResponse: _with_defaults(wire.GatewaysStatusResponse),
    wire.GatewaySessionsResponse: as_it_is,
    wire.GatewaySessionResponse: as_it_is,
    wire.GatewaySessionHistoryResponse: as_it_is,
    wire.GatewayTemplatesSyncResult: _with_defaults(wire.GatewayTemplatesSyncResult),
    wire.GatewayMainAskUserResponse: user_asked,
    wire.GatewayLeadMessageResponse: lead_told,
    wire.GatewayLeadBroadcastResponse: leads_told,
    wire.AgentInboxRead: inbox_read,
}
