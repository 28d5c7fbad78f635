"""What both HTTP interfaces need: who is calling from where, and reading a body within bounds."""

from __future__ import annotations

import ipaddress
import json
import math
from collections.abc import Mapping
from typing import Any

import structlog
from starlette.requests import HTTPConnection, Request

from api.domain.authentication import Accepts, Credentials
from api.domain.context import Context, Services
from api.domain.errors import Code, DomainError, Invalid
from api.settings import Settings

__all__ = [
    "Accepts", "Context", "Credentials", "check_text", "client_address", "credentials_from", "credentials_of",
    "new_context", "parse_json", "read_body", "services_of",
]  # fmt: skip


def services_of(connection: HTTPConnection) -> Services:
    """The process's services. Raises `UNAVAILABLE` before the start has finished."""
    services: Services | None = getattr(connection.app.state, "services", None)
    if services is None:
        raise DomainError("The server is starting.", code=Code.UNAVAILABLE, retry_after=1)
    return services


def credentials_of(connection: HTTPConnection, accepts: Accepts) -> Credentials:
    """The credentials in the headers of a request."""
    return credentials_from(connection.headers, client_address(connection, services_of(connection).settings), accepts)


def credentials_from(headers: Mapping[str, Any], address: str, accepts: Accepts) -> Credentials:
    """The credentials in headers, or in the payload of `connection_init` that looks like them."""
    named = {str(name).lower(): value for name, value in headers.items() if isinstance(value, str)}
    scheme, _, token = named.get("authorization", "").strip().partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    return Credentials(
        agent_token=named.get("x-agent-token", ""), bearer=bearer, address=address,
        organization_id=named.get("x-organization-id", ""), accepts=accepts,
    )  # fmt: skip


def client_address(connection: HTTPConnection, settings: Settings) -> str:
    """The client's address: the peer, or behind trusted proxies the nearest address that is not one of them."""
    peer = connection.client.host if connection.client else ""
    networks = [ipaddress.ip_network(entry, strict=False) for entry in settings.trusted_proxies]
    if not networks or not _inside(peer, networks):
        return peer
    forwarded = ",".join(connection.headers.getlist("forwarded"))
    if forwarded:
        hops = [
            part.strip()[4:].strip('"')
            for element in forwarded.split(",") for part in element.split(";")
            if part.strip().lower().startswith("for=")
        ]  # fmt: skip
    else:
        hops = [hop.strip() for hop in ",".join(connection.headers.getlist("x-forwarded-for")).split(",")]
    for hop in reversed([_bare(hop) for hop in hops if hop]):
        try:
            ipaddress.ip_address(hop)
        except ValueError:
            return peer
        if not _inside(hop, networks):
            return hop
    return peer


def _bare(hop: str) -> str:
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _inside(address: str, networks: list[Any]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)


async def read_body(request: Request, limit: int) -> bytes:
    """The request's body. Raises `BODY_TOO_LARGE` by the declared length and while reading."""
    declared = request.headers.get("content-length", "")
    too_large = DomainError(f"The body may have at most {limit} bytes.", code=Code.BODY_TOO_LARGE, allowed=limit)
    if declared.isdigit() and int(declared) > limit:
        raise too_large
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise too_large
        chunks.append(chunk)
    return b"".join(chunks)


def check_text(value: Any) -> None:
    """Refuse texts that no PostgreSQL text can hold: with U+0000, or with half a surrogate pair."""
    stack = [value]
    while stack:
        one = stack.pop()
        if isinstance(one, str):
            if "\x00" in one:
                raise Invalid("Text must not contain the character U+0000.")
            if not one.isascii() and any("\ud800" <= character <= "\udfff" for character in one):
                raise Invalid("Text must not contain half a surrogate pair.")
        elif isinstance(one, dict):
            stack += [*one.keys(), *one.values()]
        elif isinstance(one, list):
            stack += one


def parse_json(raw: bytes) -> Any:
    """The JSON of a body. Raises `ValueError` (also for bad UTF-8, endless nesting and numbers beyond reason)."""
    try:
        return json.loads(raw.decode("utf-8"), parse_constant=_refuse_constant, parse_float=_finite)
    except RecursionError:
        raise ValueError("The JSON nests too deeply.") from None


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is out of range.")
    return number


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON.")


def new_context(connection: HTTPConnection, actor: Any, credentials: Credentials) -> Context:
    """The context of one operation of this connection; its log lines say who it was for."""
    if actor is not None and actor.id is not None:
        structlog.contextvars.bind_contextvars(actor=f"{actor.kind}:{actor.id}")
    request_id = getattr(connection.state, "request_id", "")
    return Context(services_of(connection), actor=actor, credentials=credentials, request_id=request_id)
