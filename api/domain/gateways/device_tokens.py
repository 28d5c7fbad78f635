"""Tokens that gateways issue to our device: kept, and used when the gateway's own token is not accepted any more.

An operator who changes a gateway's token closes every connection that was made with the old one; a device that was
approved still gets in, so agents stay reachable until the new token is set here.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from sqlalchemy import select, update

from api.domain.gateways.tables import GatewayLink
from api.gateway.connection import Connection, Target
from api.gateway.errors import GatewayError, Kind

if TYPE_CHECKING:
    from api.domain.context import Services
    from api.domain.gateways.links import Links

log = structlog.get_logger(__name__)


async def enter(links: Links, gateway_id: UUID, target: Target) -> tuple[Connection, GatewayError | None]:
    """Connect with the gateway's token, else with our device's, and then why not with the first; keep the one that the
    gateway issues. Raises `GatewayError`, of the gateway's token.
    """
    refused: GatewayError | None = None
    kept = await _kept(links.services, gateway_id, target.url)
    try:
        opened = await links.check(target)
    except GatewayError as error:
        if error.kind is not Kind.AUTH or not kept:
            raise
        try:
            opened = await links.check(replace(target, token="", device_token=kept))
        except GatewayError:
            raise error from None
        refused = error
        log.warning("gateway.token_refused", gateway=str(gateway_id), entered="with the device's token")
    issued = opened.hello.auth.deviceToken
    if issued and issued != kept:
        try:
            await _keep(links.services, gateway_id, target.url, issued)
        except BaseException:
            await opened.close()
            raise
    return opened, refused


async def _kept(services: Services, gateway_id: UUID, url: str) -> str:
    """The token that a gateway at this address has issued, or nothing; it is never sent to another address."""
    async with services.database.statements() as connection:
        row = (await connection.execute(
            select(GatewayLink.device_token).where(GatewayLink.gateway_id == gateway_id)
        )).scalar()  # fmt: skip
    # Under another key, or written by hand, it is none.
    with contextlib.suppress(Exception):
        found = json.loads(services.secrets.open(row)) if row else {}
        return str(found["token"]) if found.get("url") == url else ""
    return ""


async def _keep(services: Services, gateway_id: UUID, url: str, token: str) -> None:
    sealed = services.secrets.seal(json.dumps({"url": url, "token": token}))
    async with services.database.statements() as connection:
        await connection.execute(
            update(GatewayLink).where(GatewayLink.gateway_id == gateway_id).values(device_token=sealed)
        )
