"""Webhooks of boards: configured, listed, and their deliveries read."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, delete, select

from api.domain import access
from api.domain.agents.tables import Agent
from api.domain.boards import operations as boards
from api.domain.boards.tables import Board
from api.domain.context import Context
from api.domain.errors import Invalid, NotFound, field_error
from api.domain.paging import Listing, Order
from api.domain.webhooks import rules
from api.domain.webhooks.tables import BoardWebhook, WebhookPayload


@dataclass(frozen=True, slots=True)
class Configured:
    """A webhook, with its secret when one was made for it, which is shown this once."""

    webhook: BoardWebhook
    secret: str | None = None


def listing(*where: ColumnElement[bool]) -> Listing:
    """Webhooks, newest first."""
    return Listing(BoardWebhook, (Order(BoardWebhook.created_at, descending=True),), where, BoardWebhook.board_id)


def payload_listing(*where: ColumnElement[bool]) -> Listing:
    """Deliveries, newest first."""
    order = (Order(WebhookPayload.received_at, descending=True),)
    return Listing(WebhookPayload, order, where, WebhookPayload.webhook_id)


async def find(ctx: Context, webhook_id: UUID, board_id: UUID | None = None) -> BoardWebhook:
    """A webhook of a board that the caller reads; for people."""
    access.person(ctx.actor)
    row: BoardWebhook | None = await ctx.one(select(BoardWebhook).where(BoardWebhook.id == webhook_id))
    if row is None or board_id not in (None, row.board_id):
        raise NotFound()
    await boards.readable(ctx, row.board_id)
    return row


async def find_payload(
    ctx: Context, payload_id: UUID, webhook_id: UUID | None = None, board_id: UUID | None = None
) -> WebhookPayload:
    """A delivery of a board that the caller reads; for people and the board's agents."""
    access.signed_in(ctx.actor)
    row: WebhookPayload | None = await ctx.one(select(WebhookPayload).where(WebhookPayload.id == payload_id))
    if row is None or webhook_id not in (None, row.webhook_id) or board_id not in (None, row.board_id):
        raise NotFound()
    await boards.readable(ctx, row.board_id)
    return row


async def create(ctx: Context, board_id: UUID, draft: Mapping[str, Any], *, make_secret: bool = False) -> Configured:
    """Make a webhook; people with write access."""
    access.person(ctx.actor)
    secret = secrets.token_urlsafe(32) if make_secret else None
    async with ctx.write():
        board = access.write_board(ctx.actor, await ctx.one(select(Board).where(Board.id == board_id)))
        moment = ctx.now()
        row = BoardWebhook(id=uuid4(), board_id=board.id, created_at=moment, updated_at=moment)
        await _apply(ctx, row, {"enabled": True, **draft, **({"secret": secret} if secret else {})})
        ctx.add(row)
        await ctx.flush()
        ctx.emit("board.webhook_created", subject_id=row.id, board_id=board.id, organization_id=board.organization_id)
    return Configured(row, secret)


async def update(ctx: Context, webhook_id: UUID, change: Mapping[str, Any], *, make_secret: bool = False) -> Configured:
    """Change what was given; people with write access."""
    secret = secrets.token_urlsafe(32) if make_secret else None
    change = {**change, **({"secret": secret} if secret else {})}
    async with ctx.write():
        row, board = await _locked(ctx, webhook_id)
        if change:
            await _apply(ctx, row, change)
            row.updated_at = ctx.now()
            ctx.emit(
                "board.webhook_updated", subject_id=row.id, board_id=board.id, organization_id=board.organization_id
            )
    return Configured(row, secret)


async def remove(ctx: Context, webhook_id: UUID) -> None:
    """Take a webhook away with its deliveries; what it wrote into memory stays. People with write access."""
    async with ctx.write():
        row, board = await _locked(ctx, webhook_id)
        await ctx.run(delete(WebhookPayload).where(WebhookPayload.webhook_id == row.id))
        ctx.emit("board.webhook_deleted", subject_id=row.id, board_id=board.id, organization_id=board.organization_id)
        await ctx.session.delete(row)


async def _locked(ctx: Context, webhook_id: UUID) -> tuple[BoardWebhook, Board]:
    access.person(ctx.actor)
    row: BoardWebhook | None = await ctx.one(
        select(BoardWebhook).where(BoardWebhook.id == webhook_id).with_for_update()
    )
    if row is None:
        raise NotFound()
    return row, access.write_board(ctx.actor, await ctx.one(select(Board).where(Board.id == row.board_id)))


async def _apply(ctx: Context, row: BoardWebhook, values: Mapping[str, Any]) -> None:
    if "description" in values:
        text = (values["description"] or "").strip()
        if not text or len(text) > 20_000:
            raise field_error("description", "description must have 1 to 20000 characters", values["description"])
        row.description = text
    if "enabled" in values:
        if values["enabled"] is None:
            raise field_error("enabled", "enabled must not be null")
        row.enabled = values["enabled"]
    if "secret" in values:
        secret = (values["secret"] or "").strip()
        row.secret = ctx.services.secrets.seal(secret) if secret else None
    if "signature_header" in values:
        header = (values["signature_header"] or "").strip() or None
        if header is not None and not rules.is_header_name(header):
            raise field_error("signature_header", "signature_header must be the name of a header", header)
        row.signature_header = header
    if "agent_id" in values:
        agent_id = values["agent_id"]
        known = select(Agent.id).where(Agent.id == agent_id, Agent.board_id == row.board_id)
        if agent_id is not None and await ctx.one(known) is None:
            raise Invalid("agent_id must be an agent of this board.")
        row.agent_id = agent_id
