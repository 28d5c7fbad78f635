"""JSON Web Tokens of Clerk or any OpenID Connect issuer, verified against the issuer's published keys."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import structlog

from api.domain.errors import Code, DomainError, Unauthenticated
from api.settings import Settings

log = structlog.get_logger(__name__)

ALGORITHMS = ["RS256", "ES256"]
#: An unknown key id may cause one fetch of the key set in so many seconds.
REFETCH_SECONDS = 60.0
#: A known key set is looked at again after so many seconds, so that withdrawn keys go.
LIFETIME_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Claims:
    """What we take from a verified token."""

    subject: str
    email: str | None
    name: str | None
    expires_at: datetime
    email_verified: bool = False


class KeySet:
    """A cached JWKS. One fetch at a time; while the host is down, the keys already known keep working."""

    def __init__(self, find_url: Any, headers: dict[str, str] | None = None) -> None:
        self._find_url = find_url
        self._headers = headers or {}
        self._keys: dict[str, Any] = {}
        self._fetched = float("-inf")
        self._tried = float("-inf")
        self._lock = asyncio.Lock()

    async def key(self, kid: str) -> Any:
        """The key with this id. Raises `Unauthenticated` if unknown, `UNAVAILABLE` if the host cannot be asked."""
        if time.monotonic() - self._fetched > LIFETIME_SECONDS or kid not in self._keys:
            await self._refresh(kid)
        if kid in self._keys:
            return self._keys[kid]
        if self._fetched == float("-inf"):
            raise DomainError("The identity provider is away for the moment.", code=Code.UNAVAILABLE, retry_after=5)
        raise Unauthenticated()

    async def _refresh(self, kid: str) -> None:
        async with self._lock:
            age = time.monotonic() - self._tried
            wait = REFETCH_SECONDS if self._fetched > float("-inf") else 1.0
            if age < wait or (kid in self._keys and time.monotonic() - self._fetched <= LIFETIME_SECONDS):
                return
            self._tried = time.monotonic()
            try:
                async with httpx.AsyncClient(timeout=5.0, headers=self._headers) as client:
                    answer = await client.get(await self._find_url(client))
                    answer.raise_for_status()
                    found = jwt.PyJWKSet.from_dict(answer.json())
            except (httpx.HTTPError, jwt.PyJWTError, ValueError, KeyError, TypeError, AttributeError) as error:
                log.warning("auth.jwks.away", error=type(error).__name__)
                return
            self._keys = {key.key_id: key for key in found.keys if key.key_id}
            self._fetched = time.monotonic()


class JwtVerifier:
    """Verifies bearer tokens in `clerk` and `oidc` mode; `docs/configuration.md` names the settings."""

    def __init__(self, settings: Settings) -> None:
        self._leeway = settings.clerk_leeway
        self._verify_iat = settings.clerk_verify_iat
        self._parties = settings.clerk_authorized_parties
        if settings.auth_mode == "clerk":
            secret = settings.clerk_secret_key.get_secret_value().strip()
            url = settings.clerk_jwks_url or f"{clerk_api(settings)}/jwks"
            headers = {"Authorization": f"Bearer {secret}"} if secret and not settings.clerk_jwks_url else {}
            self.keys = KeySet(_fixed(url), headers)
            self._issuer, self._audience = settings.clerk_issuer, settings.clerk_audience
        else:
            self.keys = KeySet(_discovered(settings.oidc_issuer, settings.oidc_jwks_url))
            self._issuer, self._audience = settings.oidc_issuer, settings.oidc_audience

    async def verify(self, token: str) -> Claims:
        """The claims of a good token. Raises `Unauthenticated` without a reason for any other."""
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in ALGORITHMS or not isinstance(header.get("kid"), str):
                raise Unauthenticated()
            key = await self.keys.key(header["kid"])
            claims: dict[str, Any] = jwt.decode(
                token, key, algorithms=ALGORITHMS, leeway=self._leeway, issuer=self._issuer or None,
                audience=list(self._audience) or None,
                options={"require": ["exp", "sub"], "verify_iat": self._verify_iat, "verify_aud": True},
            )  # fmt: skip
        except jwt.PyJWTError:
            raise Unauthenticated() from None
        subject = claims["sub"]
        if not isinstance(subject, str) or not subject.strip():
            raise Unauthenticated()
        if self._parties and claims.get("azp") not in self._parties:
            raise Unauthenticated()
        expires = datetime.fromtimestamp(claims["exp"], UTC).replace(tzinfo=None) + timedelta(seconds=self._leeway)
        return Claims(subject, email_of(claims), name_of(claims), expires, claims.get("email_verified") is True)


def clerk_api(settings: Settings) -> str:
    """The address of Clerk's Backend API, with its version."""
    base = settings.clerk_api_url.rstrip("/")
    return base if base.endswith("/v1") else f"{base}/v1"


def _fixed(url: str) -> Any:
    async def find(_client: httpx.AsyncClient) -> str:
        return url

    return find


def _discovered(issuer: str, url: str) -> Any:
    async def find(client: httpx.AsyncClient) -> str:
        if url:
            return url
        answer = await client.get(issuer.rstrip("/") + "/.well-known/openid-configuration")
        answer.raise_for_status()
        return str(answer.json()["jwks_uri"])

    return find


def _text(claims: dict[str, Any], *names: str) -> str | None:
    for name in names:
        value = claims.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()
    return None


def email_of(claims: dict[str, Any]) -> str | None:
    """The address in claims or in a profile, the primary one first."""
    found = _text(claims, "email", "email_address", "primary_email_address")
    if found is None and isinstance(entries := claims.get("email_addresses"), list):
        entries = sorted(
            entries,
            key=lambda entry: (
                not (isinstance(entry, dict) and entry.get("id") == claims.get("primary_email_address_id"))
            ),
        )
        for entry in entries:
            found = entry if isinstance(entry, str) else _text(entry, "email_address", "email")
            if found:
                break
    return found.lower() if found else None


def name_of(claims: dict[str, Any]) -> str | None:
    """The whole name in claims or in a profile, else the user name."""
    found = _text(claims, "name", "full_name")
    if found:
        return found
    parts = (_text(claims, "given_name", "first_name"), _text(claims, "family_name", "last_name"))
    return " ".join(part for part in parts if part) or _text(claims, "username")
