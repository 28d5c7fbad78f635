"""Memory: what makes an entry chat, who wrote it, and who must be told. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from api.domain.errors import Invalid, field_error
from api.domain.mentions import is_meant, tokens

COMMANDS = {"/pause", "/resume"}
SNIPPET = 800
MAXIMUM_CONTENT = 100_000
MAXIMUM_TAGS = 100
MAXIMUM_LABEL = 200


class Recipient(Protocol):
    """An agent of the board."""

    id: UUID
    name: str
    is_board_lead: bool


@dataclass(frozen=True, slots=True)
class Notice:
    """One message to one agent: `header` says why, None for a bare command."""

    agent_id: UUID
    header: str | None


def is_chat(tags: Sequence[str] | None) -> bool:
    """Exactly the tag `chat`, in lower case."""
    return "chat" in (tags or ())


def is_broadcast(content: str, tags: Sequence[str] | None) -> bool:
    """Everybody of a group shall hear it: the tag `broadcast`, or `@all` in the text."""
    return "broadcast" in (tags or ()) or "all" in tokens(content)


def text(content: str, tags: Sequence[str] | None, source: str | None = None) -> str:
    """The trimmed content. Raises `Invalid` for a blank one and beyond the limits."""
    found = content.strip()
    if not found:
        raise field_error("content", "content must not be blank", content, "string_too_short")
    if len(found) > MAXIMUM_CONTENT or len(tags or ()) > MAXIMUM_TAGS:
        raise Invalid(f"An entry has at most {MAXIMUM_CONTENT} characters and {MAXIMUM_TAGS} tags.")
    if any(len(label) > MAXIMUM_LABEL for label in (source or "", *(tags or ()))):
        raise Invalid(f"A tag, and the source, has at most {MAXIMUM_LABEL} characters.")
    return found


def command(content: str) -> str | None:
    """The command a whole chat entry is, if it is one."""
    text = content.strip().lower()
    return text if text in COMMANDS else None


def notices(content: str, agents: Sequence[Recipient], author_id: UUID | None) -> list[Notice]:
    """Who hears of a chat entry: the lead always, others when mentioned; a command goes to everybody but its author."""
    others = [agent for agent in agents if agent.id != author_id]
    if command(content) is not None:
        return [Notice(agent.id, None) for agent in others]
    wanted = tokens(content)
    found = []
    for agent in others:
        if is_meant(agent, wanted):
            found.append(Notice(agent.id, "BOARD CHAT MENTION"))
        elif agent.is_board_lead:
            found.append(Notice(agent.id, "BOARD CHAT"))
    return found


def group_notices(
    content: str, tags: Sequence[str] | None, agents: Sequence[Recipient], author_id: UUID | None
) -> list[Notice]:
    """Who hears of a group's entry: everybody of a broadcast (tag `broadcast` or `@all`), else leads and mentioned."""
    others, wanted = [agent for agent in agents if agent.id != author_id], tokens(content)
    if is_broadcast(content, tags):
        return [Notice(agent.id, "GROUP BROADCAST") for agent in others]
    if not is_chat(tags):
        return []
    found = []
    for agent in others:
        if is_meant(agent, wanted):
            found.append(Notice(agent.id, "GROUP CHAT MENTION"))
        elif agent.is_board_lead:
            found.append(Notice(agent.id, "GROUP CHAT"))
    return found
