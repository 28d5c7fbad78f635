"""Clerk's Backend API: who an account belongs to, when its tokens do not say, and its deletion."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import structlog

from api.domain import outside
from api.domain.authentication.jwt import clerk_api, email_of, name_of
from api.settings import Settings

log = structlog.get_logger(__name__)

#: How long Clerk has for a profile, and how long one account is not asked for again, in seconds.
PROFILE_SECONDS, AGAIN_SECONDS = 5.0, 600.0
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Profile:
    """An account as Clerk knows it; `verified` is of its primary address."""

    email: str | None
    name: str | None
    verified: bool


class Clerk:
    """Asks with the secret key of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._users = f"{clerk_api(settings)}/users"
        secret = settings.clerk_secret_key.get_secret_value().strip()
        self._headers = {"Authorization": f"Bearer {secret}"} if secret else None
        #: Of each account, when it was asked for and the answer, which all its requests share.
        self._asked: dict[str, tuple[float, asyncio.Task[Profile | None]]] = {}

    async def profile(self, subject: str) -> Profile | None:
        """The profile, asked for once in ten minutes; None when it could not be had. Never raises."""
        moment = time.monotonic()
        asked = self._asked.get(subject)
        if asked is None or moment - asked[0] > AGAIN_SECONDS:
            if len(self._asked) >= _REMEMBERED:
                self._asked.clear()
            asked = self._asked[subject] = (moment, asyncio.create_task(self._profile(subject)))
        # A request that ends early takes the answer from nobody.
        return await asyncio.shield(asked[1])

    async def _profile(self, subject: str) -> Profile | None:
        if self._headers is None:
            return None
        try:
            answer = await self._ask("GET", subject, PROFILE_SECONDS)
            if answer.status != 200:
                raise outside.failed(f"Clerk answered with status {answer.status}.")
            found = json.loads(answer.body)
            return Profile(email_of(found), name_of(found), _verified(found))
        except Exception as error:
            # Whatever it was, signing in goes on without it.
            log.warning("auth.profile.away", account=subject[-6:], error=str(error)[:200])
            return None

    async def delete(self, subject: str) -> None:
        """Delete the account; one that is not there any more is done. Raises `UPSTREAM_FAILED`."""
        answer = await self._ask("DELETE", subject, 10.0)
        if answer.status != 404 and not 200 <= answer.status < 300:
            raise outside.failed(f"Clerk answered with status {answer.status}.")

    async def _ask(self, method: str, subject: str, seconds: float) -> outside.Answer:
        return await outside.request(
            method, f"{self._users}/{quote(subject, safe='')}", allow_private=True, limit=1 << 20, seconds=seconds,
            headers=self._headers,
        )  # fmt: skip


def _verified(profile: dict[str, Any]) -> bool:
    for entry in profile.get("email_addresses") or ():
        if isinstance(entry, dict) and entry.get("id") == profile.get("primary_email_address_id"):
            return isinstance(state := entry.get("verification"), dict) and state.get("status") == "verified"
    return False
