"""The directory of souls: searched and read through this server, with a cache of its index."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass
from urllib.parse import urlsplit
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from api.domain import access, outside
from api.domain.actor import Actor
from api.domain.errors import Code, DomainError, Invalid, NotFound

HOUR = 3600.0
#: So long a directory that is away is left alone.
MINUTE = 60.0
INDEX_LIMIT = 16 * 1024 * 1024
SOUL_LIMIT = 256 * 1024
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class Soul:
    """Where a soul is found."""

    handle: str
    slug: str
    page_url: str
    raw_md_url: str


class SoulsDirectory:
    """A client of the directory. `base` is a setting; empty switches it off."""

    def __init__(self, base: str) -> None:
        self.base = base.rstrip("/")
        self._souls: list[Soul] = []
        self._next = float("-inf")
        self._lock = asyncio.Lock()

    async def search(self, actor: Actor, text: str = "", limit: int = 20) -> list[Soul]:
        """Souls whose `handle/slug` contains the text, in the order of the index; anybody signed in."""
        access.signed_in(actor)
        if not 1 <= limit <= 100:
            raise Invalid("limit must lie between 1 and 100.")
        wanted = text.strip().lower()
        found = [soul for soul in await self._index() if wanted in f"{soul.handle}/{soul.slug}".lower()]
        return found[:limit]

    async def read(self, actor: Actor, handle: str, slug: str) -> tuple[str, str, str]:
        """Handle, slug and text of a soul. Raises `NotFound`, or `UPSTREAM_FAILED` while the site is away."""
        access.signed_in(actor)
        handle, slug = (part.strip(" /").removesuffix(".md") for part in (handle, slug))
        if not _NAME.fullmatch(handle) or not _NAME.fullmatch(slug):
            raise Invalid("Handle and slug are letters, digits, - and _.")
        if not self.base:
            raise NotFound()
        url = f"{self.base}/api/souls/{handle}/{slug}.md"
        answer = await outside.request("GET", url, allow_private=True, limit=SOUL_LIMIT, seconds=15)
        if answer.status == 404:
            raise NotFound()
        if answer.status != 200:
            raise outside.failed(f"The directory answered with status {answer.status}.")
        return handle, slug, answer.body.decode("utf-8", "replace")

    async def _index(self) -> list[Soul]:
        """The index, an hour old at most; while the site is away, the last one."""
        async with self._lock:
            return await self._refreshed()

    async def _refreshed(self) -> list[Soul]:
        if not self.base or (self._souls and time.monotonic() < self._next):
            return self._souls
        try:
            answer = await outside.request(
                "GET", f"{self.base}/sitemap.xml", allow_private=True, limit=INDEX_LIMIT, seconds=10
            )
            if answer.status != 200:
                raise outside.failed(f"The directory answered with status {answer.status}.")
            self._souls = await asyncio.to_thread(self._parse, answer.body)
            self._next = time.monotonic() + HOUR
        except DomainError as error:
            if error.code is not Code.UPSTREAM_FAILED or not self._souls:
                raise
            self._next = time.monotonic() + MINUTE
        return self._souls

    def _parse(self, body: bytes) -> list[Soul]:
        try:
            root = fromstring(body)
        except (ParseError, DefusedXmlException, ValueError):
            raise outside.failed("The directory's index is not XML.") from None
        found = []
        for element in root.iter():
            place = (element.text or "").strip()
            if not str(element.tag).endswith("loc") or not place.startswith(f"{self.base}/souls/"):
                continue
            parts = urlsplit(place).path.removeprefix(urlsplit(self.base).path + "/souls/").split("/")
            if len(parts) >= 2 and parts[0] and parts[1]:
                handle, slug = parts[0], parts[1]
                raw = f"{self.base}/api/souls/{handle}/{slug}.md"
                found.append(Soul(handle, slug, f"{self.base}/souls/{handle}/{slug}", raw))
        return found
