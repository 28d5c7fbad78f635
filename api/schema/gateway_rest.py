"""What the REST routes of gateways ask for, in their own shapes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from api.domain import access
from api.domain.boards.tables import Board
from api.domain.boards.tables import Gateway as GatewayRow
from api.domain.context import Context
from api.domain.errors import DomainError, Invalid, NotFound
from api.domain.events.hub import within
from api.domain.gateways import jobs, operations
from api.domain.gateways.workspaces import main_session
from api.domain.paging import OffsetPage, offset_page
from api.gateway import catalogue, versions
from api.gateway.connection import Target
from api.gateway.errors import GatewayError
from api.gateway.identity import DamagedIdentity
from api.schema.gateways import Gateway

#: How long a sync's request waits for its job.
SYNC_SECONDS = 60.0
#: After so long a gateway without connection is not waited for.
AWAY = timedelta(seconds=10)
LONGER = "It takes longer than a request may; it goes on as a job."


async def gateway_page(ctx: Context, limit: int, offset: int) -> OffsetPage:
    """The gateways of the active organisation."""
    page = await offset_page(ctx, operations.listing(access.administrator(ctx.actor).organization_id), limit, offset)
    page.rows = [Gateway.of(row) for row in page.rows]
    return page


async def gateway(ctx: Context, gateway_id: UUID) -> Gateway:
    """One gateway."""
    return Gateway.of(await operations.find(ctx, gateway_id))


async def create_gateway(ctx: Context, draft: dict[str, Any]) -> Gateway:
    """Register a gateway."""
    return Gateway.of(await operations.register(ctx, draft, None, await operations.try_out(ctx, draft)))


async def update_gateway(ctx: Context, gateway_id: UUID, change: dict[str, Any]) -> Gateway:
    """Change a gateway."""
    failure = await operations.try_out(ctx, change, gateway_id=gateway_id)
    return Gateway.of(await operations.update(ctx, gateway_id, change, failure))


async def delete_gateway(ctx: Context, gateway_id: UUID) -> None:
    """Take a gateway away."""
    await operations.delete(ctx, gateway_id)


async def commands(ctx: Context) -> dict[str, Any]:
    """What the protocol knows by name; no gateway is asked."""
    return {
        "protocol_version": catalogue.PROTOCOL, "methods": list(catalogue.METHODS), "events": list(catalogue.EVENTS),
    }  # fmt: skip


async def sync_templates(ctx: Context, gateway_id: UUID, flags: Mapping[str, Any]) -> dict[str, Any]:
    """Write all files anew; the job goes on when it takes longer than the request waits."""
    found = {"gateway_id": gateway_id, **{name: bool(flags.get(name)) for name in ("include_main", "reset_sessions")}}
    none = {"agents_updated": 0, "agents_skipped": 0, "main_updated": False}
    board_id = flags.get("board_id")
    if board_id is not None:
        here = select(Board.id).where(Board.id == board_id, Board.gateway_id == gateway_id)
        if await ctx.one(here) is None:
            wrong = {"board_id": board_id, "message": "The board is not on this gateway."}
            return {**found, **none, "errors": [wrong]}
    job = await operations.ask_sync(ctx, gateway_id, flags)
    away: str | None = None
    deadline = time.monotonic() + SYNC_SECONDS
    while job.state not in jobs.ENDED and away is None and (left := deadline - time.monotonic()) > 0:
        commit = ctx.services.hub.next_commit
        job = await jobs.find(ctx, job.id)
        link = (await operations.links(ctx, [gateway_id])).get(gateway_id)
        # One that restarts, as old ones do after a change, is soon back.
        gone = link is not None and link.state == "failed" and ctx.now() - link.updated_at > AWAY
        away = link.error if link is not None and gone else None
        await ctx.end_moment()
        if job.state not in jobs.ENDED:
            await within(commit, min(left, jobs.LOOK_SECONDS))
    data = job.data or {}
    report = {**none, "errors": [], **(data.get("report") or {})}
    report.pop("total", None)
    if job.state != "done":
        report["errors"] = [
            *report["errors"],
            {"message": away or data.get("error") or LONGER},
        ]
    return {**found, **report}


# -- status and sessions ---------------------------------------------------------------------------------------------


async def status(
    ctx: Context, board_id: UUID | None = None, gateway_url: str | None = None, gateway_token: str | None = None,
    gateway_disable_device_pairing: bool | None = None, gateway_allow_insecure_tls: bool | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Whether a gateway answers: one by its address, or a board's. Trouble with the gateway is an answer."""
    url = (gateway_url or "").strip()
    if url:
        flags = {
            "disable_device_pairing": gateway_disable_device_pairing,
            "allow_insecure_tls": gateway_allow_insecure_tls,
        }
        return await _status_of(ctx, url, (gateway_token or "").strip(), flags)
    if board_id is None:
        raise Invalid("Say which gateway: board_id or gateway_url.")
    _, row = await _board(ctx, board_id)
    found = {"connected": False, "gateway_url": row.url.strip()}
    try:
        sessions = await operations.sessions(ctx, row.id)
    except DomainError as error:
        return {**found, "error": error.message}
    main = _main(sessions, row)
    return {
        **found, "connected": True, "sessions": sessions, "sessions_count": len(sessions), "main_session": main,
        "main_session_error": None if main is not None else "The gateway has no main session yet.",
    }  # fmt: skip


async def _status_of(ctx: Context, url: str, token: str, flags: Mapping[str, bool | None]) -> dict[str, Any]:
    member = access.administrator(ctx.actor)
    saved = await ctx.one(
        select(GatewayRow).where(GatewayRow.organization_id == member.organization_id, GatewayRow.url == url).limit(1)
    )
    await ctx.end_moment()
    chosen: dict[str, Any] = {
        name: value if value is not None else bool(saved is not None and getattr(saved, name))
        for name, value in flags.items()
    }  # fmt: skip
    found = {"connected": False, "gateway_url": url}
    assert ctx.services.gateways is not None
    try:
        connection = await ctx.services.gateways.check(Target(url, token, **chosen))
        try:
            versions.check(await versions.of(connection), ctx.settings.gateway_min_version)
            sessions = await operations.every_session(lambda params: connection.call("sessions.list", params))
        finally:
            await connection.close()
    except (GatewayError, DamagedIdentity) as error:
        return {**found, "error": str(error)}
    return {**found, "connected": True, "sessions": sessions, "sessions_count": len(sessions)}


async def _board(ctx: Context, board_id: UUID | None, *, write: bool = False) -> tuple[Board, GatewayRow]:
    if board_id is None:
        raise Invalid("board_id is required.")
    return await operations.of_board(ctx, board_id, write=write)


def _main(sessions: list[Any], row: GatewayRow) -> Any:
    key = main_session(row.id)
    return next((one for one in sessions if isinstance(one, Mapping) and one.get("key") == key), None)


async def session_list(ctx: Context, board_id: UUID | None = None) -> dict[str, Any]:
    """The sessions of a board's gateway."""
    _, row = await _board(ctx, board_id)
    sessions = await operations.sessions(ctx, row.id)
    return {"sessions": sessions, "main_session": _main(sessions, row)}


async def session(ctx: Context, session_id: str, board_id: UUID | None = None) -> dict[str, Any]:
    """One session of a board's gateway."""
    _, row = await _board(ctx, board_id)
    sessions = await operations.sessions(ctx, row.id)
    found = next((one for one in sessions if isinstance(one, Mapping) and one.get("key") == session_id), None)
    if found is None:
        raise NotFound("There is no such session.")
    return {"session": found}


async def history(ctx: Context, session_id: str, board_id: UUID | None = None) -> dict[str, Any]:
    """What was said in a session of a board's gateway: its agents' and the main one, others for administrators."""
    _, row = await _board(ctx, board_id)
    return {"history": await operations.history(ctx, row.id, session_id)}


async def say(ctx: Context, session_id: str, content: str, board_id: UUID | None = None) -> None:
    """A person's words into a session of a board's gateway."""
    _, row = await _board(ctx, board_id, write=True)
    await operations.say(ctx, row, session_id, content)
