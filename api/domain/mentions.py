"""Who is meant by `@name` in a text, and how texts are cut for messages. Shared by comments and memory."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Protocol, TypeVar

#: `@`, one ASCII letter, then up to 31 letters, digits, `_` or `-`; anywhere, also inside words.
_TOKEN = re.compile(r"@([A-Za-z][\w-]{0,31})")


class Mentionable(Protocol):
    """What the rule looks at."""

    name: str
    is_board_lead: bool


M = TypeVar("M", bound=Mentionable)


def tokens(text: str) -> set[str]:
    """The mention tokens of a text, lower-cased."""
    return {found.lower() for found in _TOKEN.findall(text)}


def is_meant(agent: Mentionable, wanted: set[str]) -> bool:
    """`@lead` means the board lead and nobody who is merely called so; else the whole name or its first word."""
    if "lead" in wanted and agent.is_board_lead:
        return True
    names = wanted - {"lead"}
    name = agent.name.strip().lower()
    return bool(name) and (name in names or name.split()[0] in names)


def mentioned(agents: Iterable[M], text: str) -> list[M]:
    """The agents a text mentions."""
    wanted = tokens(text)
    return [agent for agent in agents if wanted and is_meant(agent, wanted)]


def snippet(text: str, limit: int) -> str:
    """The trimmed text, cut to `limit` characters of which the last three say so."""
    text = text.strip()
    return text if len(text) <= limit else text[: limit - 3] + "..."
