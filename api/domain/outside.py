"""Requests to addresses outside: checked, pinned to the resolved address, bounded in time and size, no redirects."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from api.domain.errors import Code, DomainError

AGENT = "mission-control"
_CARRIERS = [
    ipaddress.IPv6Network(one) for one in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96")
]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: bytes


def failed(message: str) -> DomainError:
    """The error for a service outside that does not do its part."""
    return DomainError(message, code=Code.UPSTREAM_FAILED)


async def request(
    method: str, url: str, *, allow_private: bool, limit: int, seconds: float, headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
) -> Answer:  # fmt: skip
    """One request; with `limit` 0 the body is not read.

    Raises `UNACCEPTABLE_URL` for addresses that may not be used, `UPSTREAM_FAILED` for everything else that goes wrong.
    """
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.password:
        raise DomainError("The address must be an http or https URL without credentials.", code=Code.UNACCEPTABLE_URL)
    try:
        async with asyncio.timeout(seconds):
            address = await _resolve(host, parts.port or (443 if secure else 80), allow_private=allow_private)
            port = f":{parts.port}" if parts.port else ""
            shown = f"[{address}]" if ":" in address else address
            target = f"{parts.scheme}://{shown}{port}{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
            sent = {"User-Agent": AGENT, "Accept-Encoding": "identity", **(headers or {}), "Host": f"{host}{port}"}
            # The name is resolved once, here: what was checked is what is connected to.
            async with (
                httpx.AsyncClient(timeout=httpx.Timeout(seconds, connect=5.0), trust_env=False) as client,
                client.stream(
                    method, target, headers=sent, content=content, extensions={"sni_hostname": host}
                ) as response,
            ):
                if limit == 0:
                    return Answer(response.status_code, b"")
                if response.headers.get("content-encoding", "identity").lower() != "identity":
                    raise failed(f"{host} answered in an encoding that was not asked for.")
                chunks, size = [], 0
                async for chunk in response.aiter_raw():
                    size += len(chunk)
                    if size > limit:
                        raise failed(f"{host} answered with more than {limit} bytes.")
                    chunks.append(chunk)
                return Answer(response.status_code, b"".join(chunks))
    except TimeoutError:
        raise failed(f"{host} did not answer within {seconds:g} seconds.") from None
    except (httpx.HTTPError, OSError) as error:
        raise failed(f"{host} could not be reached: {type(error).__name__}.") from None


async def _resolve(host: str, port: int, *, allow_private: bool) -> str:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        raise failed(f"{host} has no address.") from None
    addresses = [str(entry[4][0]) for entry in found]
    if not allow_private and not all(_is_public(address) for address in addresses):
        raise DomainError("The address is not a public one.", code=Code.UNACCEPTABLE_URL)
    return addresses[0]


def _is_public(address: str) -> bool:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if not parsed.is_global or parsed.is_multicast:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.is_site_local or any(parsed in network for network in _CARRIERS):
            # They carry an IPv4 address that somebody on the way unpacks.
            return False
        return parsed.ipv4_mapped is None or parsed.ipv4_mapped.is_global
    return True
