"""Gateways as people administer them: register, check, change, delete; ask about sessions; write files anew."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, func, select

from api.domain import access
from api.domain.agents.lifecycle import ask_lifecycle, user_of
from api.domain.agents.tables import Agent
from api.domain.boards.tables import Board, Gateway
from api.domain.context import Context
from api.domain.errors import Code, Conflict, DomainError, Invalid, NotFound, field_error
from api.domain.gateways import removal
from api.domain.gateways.failures import as_domain
from api.domain.gateways.tables import GatewayLink
from api.domain.gateways.workspaces import main_session
from api.domain.jobs import Job
from api.domain.paging import Listing, Order, uuids
from api.gateway import versions
from api.gateway.compat import DIALECTS
from api.gateway.compat import NEWEST as NEWEST_PROTOCOL
from api.gateway.connection import Target
from api.gateway.errors import GatewayError
from api.gateway.identity import DamagedIdentity

#: Of a hundred sessions each.
PAGES = 100
NEWEST = (Order(Gateway.created_at, descending=True),)
CONNECTION = ("url", "token", "allow_insecure_tls", "disable_device_pairing")
MAIN_PROFILE = {
    "role": "Gateway Agent", "communication_style": "direct, concise, practical", "emoji": ":compass:",
}  # fmt: skip


def listing(organization_id: UUID) -> Listing:
    """The organisation's gateways, newest first."""
    return Listing(Gateway, NEWEST, (Gateway.organization_id == organization_id,), Gateway.organization_id)


async def find(ctx: Context, gateway_id: UUID, *, lock: bool = False) -> Gateway:
    """A gateway of an organisation that the caller administers. Raises `NotFound` for a foreign one."""
    access.signed_in(ctx.actor)
    statement = select(Gateway).where(Gateway.id == gateway_id)
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    found: Gateway | None = await ctx.one(statement)
    if found is None or not access.sees_organization(ctx.actor, found.organization_id):
        raise NotFound()
    access.administrator(ctx.actor, found.organization_id)
    return found


async def links(ctx: Context, gateway_ids: Sequence[UUID]) -> dict[UUID, GatewayLink]:
    """How the connections to gateways are, in one statement."""
    rows = await ctx.all(
        select(GatewayLink).where(GatewayLink.gateway_id == func.any_(uuids(gateway_ids)))
        .execution_options(populate_existing=True)
    )  # fmt: skip
    return {row.gateway_id: row for row in rows}


async def mains(ctx: Context, gateway_ids: Sequence[UUID]) -> dict[UUID, Agent]:
    """The main agents of gateways."""
    rows = await ctx.all(
        select(Agent).where(Agent.gateway_id == func.any_(uuids(gateway_ids)), Agent.board_id.is_(None))
    )
    return {row.gateway_id: row for row in rows if row.gateway_id is not None}


# -- register, change, delete ----------------------------------------------------------------------------------------


def _texts(values: Mapping[str, Any]) -> dict[str, Any]:
    """Checked fields. Raises `Invalid` for what cannot be a gateway."""
    found = dict(values)
    for name in ("name", "url", "workspace_root", "allow_insecure_tls", "disable_device_pairing"):
        if name in found and found[name] is None:
            raise field_error(name, f"{name} must not be null")
    if "url" in found and not str(found["url"]).strip().startswith(("ws://", "wss://")):
        raise field_error("url", "url must begin with ws:// or wss://", found["url"])
    if "workspace_root" in found and not str(found["workspace_root"]).strip():
        raise field_error("workspace_root", "workspace_root must not be blank", found["workspace_root"])
    if "name" in found and len(str(found["name"])) > 200:
        raise field_error("name", "name has at most 200 characters")
    if "token" in found:
        found["token"] = (found["token"] or "").strip() or None
    return found


async def try_out(
    ctx: Context, draft: Mapping[str, Any], organization_id: UUID | None = None, gateway_id: UUID | None = None
) -> DomainError | None:
    """Connect to what a gateway would be, outside of any transaction; what is wrong with it. Administrators only."""
    values = _texts(draft)
    if gateway_id is None:
        access.administrator(ctx.actor, organization_id)
    else:
        before = await find(ctx, gateway_id)
        if not any(name in values for name in CONNECTION):
            return None
        values = {**_plain(ctx, before, token="token" not in values), **values}
    try:
        await check(ctx, _target(values))
    except DomainError as failure:
        return failure
    return None


async def register(
    ctx: Context, draft: Mapping[str, Any], organization_id: UUID | None = None, failure: DomainError | None = None
) -> Gateway:
    """Register a gateway that was tried out, with its main agent; administrators. Nothing is stored after a failure."""
    member = access.administrator(ctx.actor, organization_id)
    values = _texts(draft)
    if failure is not None:
        raise failure
    async with ctx.write():
        token, moment = values.pop("token", None), ctx.now()
        gateway = Gateway(
            id=uuid4(), organization_id=member.organization_id, created_at=moment, updated_at=moment,
            token=ctx.services.secrets.seal(token) if token else None, **values,
        )  # fmt: skip
        ctx.add(gateway)
        await ctx.flush()
        await ensure_main(ctx, gateway)
        ctx.emit("gateway.created", subject_id=gateway.id, organization_id=gateway.organization_id)
    return gateway


async def update(
    ctx: Context, gateway_id: UUID, change: Mapping[str, Any], failure: DomainError | None = None
) -> Gateway:
    """Change what was given and, where it concerns the connection, was tried out. Its main agent follows."""
    values = _texts(change)
    if failure is not None:
        raise failure
    async with ctx.write():
        gateway = await find(ctx, gateway_id, lock=True)
        old = {name: getattr(gateway, name) for name in ("name", "url", "workspace_root")}
        if "token" in values:
            token = values.pop("token")
            gateway.token = ctx.services.secrets.seal(token) if token else None
        for name, value in values.items():
            setattr(gateway, name, value)
        new = {name: getattr(gateway, name) for name in old}
        if change:
            gateway.updated_at = ctx.now()
        await ctx.flush()
        if old != new or await _has_no_main(ctx, gateway):
            await ensure_main(ctx, gateway)
        changes = [
            {"field": name, "before": old[name], "after": new[name]} for name in old if old[name] != new[name]
        ]  # fmt: skip
        ctx.emit("gateway.updated", subject_id=gateway.id, organization_id=gateway.organization_id, changes=changes)
    return gateway


async def delete(ctx: Context, gateway_id: UUID) -> None:
    """Take a gateway away with its main agent. Raises `GATEWAY_IN_USE` while boards or their agents live on it."""
    async with ctx.write():
        gateway = await find(ctx, gateway_id, lock=True)
        boards = await ctx.one(select(func.count()).select_from(Board).where(Board.gateway_id == gateway_id))
        agents = await ctx.one(
            select(func.count()).select_from(Agent).where(Agent.gateway_id == gateway_id, Agent.board_id.is_not(None))
        )
        if boards or agents:
            raise Conflict(
                f"{boards} boards and {agents} agents use this gateway.", code=Code.GATEWAY_IN_USE, boards=boards,
                agents=agents,
            )  # fmt: skip
        await removal.of_gateway(ctx, gateway)
        ctx.emit("gateway.deleted", subject_id=gateway.id, organization_id=gateway.organization_id)
        await ctx.session.delete(gateway)


async def _has_no_main(ctx: Context, gateway: Gateway) -> bool:
    return not await mains(ctx, [gateway.id])


async def ensure_main(ctx: Context, gateway: Gateway) -> Agent:
    """The gateway's main agent, made or brought back to what it is called; provisioned by a job."""
    name = f"{gateway.name.strip() or 'OpenClaw'} Gateway Agent"
    agent: Agent | None = await ctx.one(
        select(Agent).where(Agent.gateway_id == gateway.id, Agent.board_id.is_(None)).with_for_update(key_share=True)
    )
    fresh = agent is None
    if agent is None:
        agent = Agent(
            id=uuid4(), gateway_id=gateway.id, name=name, status="provisioning", is_board_lead=False,
            identity_profile=dict(MAIN_PROFILE), created_at=ctx.now(), updated_at=ctx.now(),
            heartbeat_config={"every": "10m", "target": "last", "includeReasoning": False},
            announced_status="provisioning",
        )  # fmt: skip
        ctx.add(agent)
    agent.name, agent.openclaw_session_id = name, main_session(gateway.id)
    await ctx.flush()
    ask_lifecycle(
        ctx, agent, "provision" if fresh else "update", reset_session=False, user_id=user_of(ctx)
    )  # fmt: skip
    ctx.emit(
        "agent.created" if fresh else "agent.updated", subject_id=agent.id, organization_id=gateway.organization_id
    )
    return agent


# -- asking the gateway ----------------------------------------------------------------------------------------------


def _plain(ctx: Context, gateway: Gateway, *, token: bool) -> dict[str, Any]:
    found = {name: getattr(gateway, name) for name in CONNECTION}
    # A token that is to be replaced may be one that cannot be read any more.
    found["token"] = ctx.services.secrets.open(gateway.token) if gateway.token and token else None
    return found


def _target(values: Mapping[str, Any]) -> Target:
    return Target(
        str(values["url"]).strip(), (values.get("token") or "").strip(), bool(values.get("allow_insecure_tls")),
        bool(values.get("disable_device_pairing")),
    )  # fmt: skip


async def check(ctx: Context, target: Target) -> None:
    """Connect and look at the version, over a connection of its own. Raises the typed error, nothing is held open."""
    await ctx.release()
    assert ctx.services.gateways is not None
    try:
        connection = await ctx.services.gateways.check(target)
        try:
            versions.check(await versions.of(connection), ctx.settings.gateway_min_version)
        finally:
            await connection.close()
    except GatewayError as error:
        raise as_domain(error) from None
    except DamagedIdentity as error:
        raise DomainError(str(error), code=Code.UNAVAILABLE) from None


async def call(ctx: Context, gateway_id: UUID, method: str, params: dict[str, Any] | None = None) -> Any:
    """Ask a registered gateway; no database connection is held meanwhile."""
    await ctx.release()
    assert ctx.services.gateways is not None
    try:
        return await ctx.services.gateways.call(gateway_id, method, params)
    except GatewayError as error:
        raise as_domain(error) from None


async def of_board(ctx: Context, board_id: UUID, *, write: bool = False) -> tuple[Board, Gateway]:
    """A board with its gateway, for administrators who reach the board."""
    board = await ctx.one(select(Board).where(Board.id == board_id))
    found = (access.write_board if write else access.read_board)(ctx.actor, board)
    access.administrator(ctx.actor, found.organization_id)
    gateway = await ctx.one(select(Gateway).where(Gateway.id == found.gateway_id)) if found.gateway_id else None
    if gateway is None or gateway.organization_id != found.organization_id:
        raise Invalid("The board has no gateway.", code=Code.GATEWAY_REQUIRED)
    if not gateway.url.strip():
        raise Invalid("The board's gateway has no url.", code=Code.GATEWAY_REQUIRED)
    return found, gateway


async def sessions(ctx: Context, gateway_id: UUID) -> list[Any]:
    """The gateway's sessions as it tells them."""

    async def ask(params: dict[str, Any]) -> Any:
        return await call(ctx, gateway_id, "sessions.list", params)

    return await every_session(ask)


async def every_session(ask: Callable[[dict[str, Any]], Awaitable[Any]]) -> list[Any]:
    """All pages of `sessions.list`; a gateway that knows no pages tells all at once."""
    found: list[Any] = []
    offset: Any = None
    for _ in range(PAGES):
        answer = await ask({} if offset is None else {"offset": offset})
        rows = answer.get("sessions") if isinstance(answer, Mapping) else answer
        found += rows if isinstance(rows, list) else []
        offset = answer.get("nextOffset") if isinstance(answer, Mapping) and answer.get("hasMore") else None
        if not isinstance(offset, int):
            break
    return found


async def history(ctx: Context, gateway_id: UUID, session_key: str, limit: int | None = None) -> list[Any]:
    """What was said in a session, oldest first, as the gateway tells it."""
    params: dict[str, Any] = {"sessionKey": session_key}
    if limit is not None:
        params["limit"] = limit
    answer = await call(ctx, gateway_id, "chat.history", params)
    rows = answer.get("messages") if isinstance(answer, Mapping) else answer
    return list(rows) if isinstance(rows, list) else []


async def of_its_board(ctx: Context, board: Board, gateway: Gateway) -> set[str]:
    """The sessions that belong to a board: its agents' and the main one."""
    keys = await ctx.all(select(Agent.openclaw_session_id).where(Agent.board_id == board.id))
    return {key for key in keys if key} | {main_session(gateway.id)}


async def say(ctx: Context, gateway: Gateway, session_key: str, content: str) -> None:
    """A person's words into a session, now."""
    text = content.strip()
    if not text:
        raise field_error("content", "content must not be blank", content, "string_too_short")
    params = {
        "sessionKey": session_key, "message": text, "deliver": False, "idempotencyKey": str(uuid4()),
    }  # fmt: skip
    link = (await links(ctx, [gateway.id])).get(gateway.id)
    known = DIALECTS.get((link.protocol if link else None) or NEWEST_PROTOCOL)
    if known is not None and known.suppresses_commands:
        params["suppressCommandInterpretation"] = True
    await call(ctx, gateway.id, "chat.send", params)


# -- syncing ---------------------------------------------------------------------------------------------------------


async def ask_sync(ctx: Context, gateway_id: UUID, flags: Mapping[str, Any]) -> Job:
    """Write the job that writes all files of a gateway's agents anew."""
    async with ctx.write():
        gateway = await find(ctx, gateway_id, lock=True)
        chosen = {name: str(value) if isinstance(value, UUID) else value for name, value in flags.items()}
        data = {"flags": {**chosen, "user_id": user_of(ctx)}, "session_key": f"sync:{gateway.id}"}
        job = Job(
            id=uuid4(), kind="gateway.sync", reason="gateway.sync", text="", gateway_id=gateway.id, data=data,
            created_at=ctx.now(),
        )  # fmt: skip
        if await _has_no_main(ctx, gateway):
            await ensure_main(ctx, gateway)
        ctx.add(job)
        await ctx.flush()
        ctx.emit("gateway.sync", subject_id=job.id, organization_id=gateway.organization_id)
    return job


def jobs_where(organization_id: UUID) -> ColumnElement[bool]:
    """Jobs of an organisation's gateways and agents."""
    gateways = select(Gateway.id).where(Gateway.organization_id == organization_id)
    agents = select(Agent.id).where(Agent.gateway_id.in_(gateways))
    return Job.gateway_id.in_(gateways) | Job.agent_id.in_(agents)
