"""Versions of gateways: calendar versions, compared by number."""

from __future__ import annotations

import re
from typing import Any

from api.gateway.connection import Connection
from api.gateway.errors import GatewayError, Kind

_FORM = re.compile(r"v?(\d{4})\.(\d{1,2})\.(\d{1,2})(?:-(\d+))?(?:[-+][0-9A-Za-z.-]+)?", re.I)


def parsed(version: Any) -> tuple[int, int, int, int] | None:
    """`YYYY.M.D`, optionally `-revision`; a suffix like `-beta.1` is ignored. None for anything else."""
    found = _FORM.fullmatch(str(version).strip()) if version is not None else None
    if found is None:
        return None
    year, month, day, revision = (int(part or 0) for part in found.groups())
    return (year, month, day, revision) if 1 <= month <= 12 and 1 <= day <= 31 else None


def check(version: Any, minimum: str) -> None:
    """Raise a `VERSION` error unless the version is at least the minimum."""
    wanted = parsed(minimum)
    if wanted is None:
        raise GatewayError(Kind.VERSION, f"GATEWAY_MIN_VERSION is {minimum!r}; it must look like 2026.2.9.")
    found = parsed(version)
    if found is None:
        told = "tells no version" if version in (None, "") else f"has version {str(version)[:40]!r}"
        raise GatewayError(Kind.VERSION, f"The gateway {told}; at least {minimum} is needed. Run `openclaw update`.")
    if found < wanted:
        raise GatewayError(
            Kind.VERSION, f"The gateway has version {version}; at least {minimum} is needed. Run `openclaw update`."
        )


async def of(connection: Connection) -> Any:
    """The gateway's version; an old one tells it only in its configuration."""
    version = connection.hello.server.version
    if parsed(version) is not None:
        return version
    try:
        found = await connection.call("config.get")
        return ((found.get("config") or {}).get("meta") or {}).get("lastTouchedVersion") or version
    except (GatewayError, AttributeError):
        return version
