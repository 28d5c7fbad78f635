"""What is read back from an agent's files on its gateway."""

from __future__ import annotations

import re
from typing import Any

from api.domain.agents.lifecycle import key_of
from api.domain.agents.tables import Agent
from api.domain.authentication.tokens import digest
from api.gateway.connection import Connection
from api.gateway.errors import GatewayError

#: A token in the files, as a line of its own or in a list.
_TOKEN = re.compile(r"AUTH_TOKEN=([\w.~+/=-]+)")


async def token_of(connection: Connection, agent: Agent) -> tuple[str | None, bool]:
    """The token in the agent's files, and whether it is the agent's."""
    for name in ("TOOLS.md", "AGENTS.md"):
        if name not in connection.dialect.files:
            continue
        try:
            found = await connection.call("agents.files.get", {"agentId": key_of(agent), "name": name}, seconds=30)
        except GatewayError as error:
            if error.says("unsupported file", "not found", "unknown agent"):
                continue
            raise
        match = _TOKEN.search(text_of(found) or "")
        if match is not None:
            return match[1], digest(match[1]) in (agent.token_digest, agent.next_token_digest)
    return None, False


def text_of(found: Any) -> str | None:
    """The text in an answer of `agents.files.get`, in each of its forms."""
    if isinstance(found, str):
        return found
    if isinstance(found, dict):
        file = found.get("file")
        for holder in (found, file if isinstance(file, dict) else {}):
            if isinstance(holder.get("content"), str):
                return str(holder["content"])
    return None
