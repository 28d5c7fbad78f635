"""What differs between the protocols of gateways, in one table; chosen by the protocol that `hello-ok` names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.gateway.errors import GatewayError, Kind

OLDEST, NEWEST = 3, 4


@dataclass(frozen=True)
class Entry:
    """An agent in the gateway's configuration."""

    name: str
    workspace: str
    heartbeat: dict[str, Any]

    @property
    def listed(self) -> dict[str, Any]:
        """As it stands in a list of agents."""
        return {"name": self.name, "workspace": self.workspace, "heartbeat": self.heartbeat}


@dataclass(frozen=True)
class Dialect:
    """One protocol's spelling of configuration and workspace files."""

    protocol: int
    #: Files that may be written; what others would say goes into AGENTS.md.
    files: frozenset[str]
    #: Keys of a heartbeat that the gateway takes; others are left out.
    heartbeat_keys: frozenset[str] | None
    #: Where agents without a channel send what a heartbeat says: nowhere.
    heartbeat_target: str
    #: The key of the defaults of heartbeats below `channels.defaults`.
    visibility: str
    #: Whether agents stand in a map (`agents.entries`) or a list (`agents.list`).
    agents_by_id: bool
    #: Whether a stale file can be deleted and the main session of an agent, too.
    deletes_files: bool
    #: Whether text from people can be sent so that the gateway does not take it for its own commands.
    suppresses_commands: bool
    #: Whether a session's history shows the idempotency key of each message.
    keeps_keys: bool

    def heartbeat(self, config: Mapping[str, Any] | None) -> dict[str, Any]:
        """The heartbeat block of an agent."""
        found = {"every": "10m", "target": "last", "includeReasoning": False, **(config or {})}
        if found.get("target") == "last":
            found["target"] = self.heartbeat_target
        return {name: value for name, value in found.items() if not self.heartbeat_keys or name in self.heartbeat_keys}

    def patch(self, config: Mapping[str, Any], agents: Mapping[str, Entry]) -> dict[str, Any]:
        """The merge patch that gives agents, by id, their blocks; empty when nothing changes.

        Raises `GatewayError` when the configuration is not what it should be.
        """
        block = config.get("agents") or {}
        if not isinstance(block, Mapping):
            raise GatewayError(Kind.PROTOCOL, "The gateway's configuration has no readable agents.")
        found: dict[str, Any] = {}
        known: Any = block.get("entries" if self.agents_by_id else "list") or ({} if self.agents_by_id else [])
        if self.agents_by_id:
            changed = {
                key: {"heartbeat": entry.heartbeat}
                for key, entry in agents.items()
                if (known.get(key) or {}).get("heartbeat") != entry.heartbeat
            }
            if changed:
                found["agents"] = {"entries": changed}
        else:
            if not isinstance(known, list):
                raise GatewayError(Kind.PROTOCOL, "The gateway's configuration has no readable list of agents.")
            # The whole list is written, so what `agents.update` has just changed in it is said again.
            listed = [
                {**one, **agents[one["id"]].listed} if isinstance(one, Mapping) and one.get("id") in agents else one
                for one in known
            ]
            ids = {one.get("id") for one in known if isinstance(one, Mapping)}
            listed += [{"id": key, **entry.listed} for key, entry in agents.items() if key not in ids]
            if listed != known:
                found["agents"] = {"list": listed}
        defaults = (config.get("channels") or {}).get("defaults") or {}
        shown = defaults.get(self.visibility) or {}
        wanted = {"showOk": False, "showAlerts": True, "useIndicator": True, **shown}
        if wanted != shown:
            found["channels"] = {"defaults": {self.visibility: wanted}}
        if not ((config.get("tools") or {}).get("exec") or {}).get("host"):
            found["tools"] = {"exec": {"host": "gateway"}}
        return found


_CORE = frozenset({"AGENTS.md", "SOUL.md", "USER.md", "BOOTSTRAP.md", "MEMORY.md", "IDENTITY.md"})

DIALECTS = {
    3: Dialect(
        protocol=3, files=_CORE | {"TOOLS.md", "HEARTBEAT.md"}, heartbeat_keys=None, heartbeat_target="last",
        visibility="heartbeat", agents_by_id=False, deletes_files=True, suppresses_commands=False, keeps_keys=False,
    ),
    4: Dialect(
        protocol=4, files=_CORE, heartbeat_keys=frozenset({"every", "target", "prompt", "model", "activeHours"}),
        heartbeat_target="none", visibility="heartbeatVisibility", agents_by_id=True, deletes_files=False,
        suppresses_commands=True, keeps_keys=True,
    ),
}  # fmt: skip


def dialect(protocol: int) -> Dialect:
    """The dialect of a negotiated protocol."""
    if protocol not in DIALECTS:
        raise GatewayError(
            Kind.VERSION, f"The gateway chose protocol {protocol}; {OLDEST} to {NEWEST} are spoken here."
        )
    return DIALECTS[protocol]
