"""An agent's life on a gateway: its entry, its files, its heartbeat, its session; each step repeatable."""

from __future__ import annotations

import asyncio
import json
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from api.gateway.compat import Dialect, Entry
from api.gateway.connection import Connection
from api.gateway.errors import GatewayError, Kind
from api.gateway.provisioning.files import AgentKind

#: How long a gateway may take until an agent that it has just made can be changed.
RELOAD_SECONDS = 20.0
#: Files that belong to the agent once they are there.
_KEPT = ("MEMORY.md", "USER.md")
#: What a gateway says of an agent that it does not have.
MISSING = ("not found", "unknown agent", "no such agent", "agent does not exist", "no longer exists")


@dataclass(frozen=True)
class Workspace:
    """What an agent shall be on its gateway."""

    kind: AgentKind
    key: str
    session_key: str
    name: str
    path: str
    files: Mapping[str, str]
    heartbeat: Mapping[str, Any]

    @staticmethod
    def place(root: str, kind: AgentKind, key: str) -> str:
        """The folder of an agent below a gateway's root."""
        plain = key.removeprefix("mc-") if kind is AgentKind.MAIN else key
        slug = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-") or uuid4().hex[:12]
        return f"{root.rstrip('/')}/workspace-{slug}"


@dataclass(frozen=True)
class Options:
    """How files that are there already are treated, and whether the session starts anew."""

    provision: bool = False
    overwrite: bool = False
    force_bootstrap: bool = False
    reset_session: bool = False


async def write(connection: Connection, wanted: Workspace, options: Options, heartbeats: Heartbeats) -> None:
    """Make or update the agent with everything it has. Raises `GatewayError`; running again finishes it."""
    fresh = await _make(connection, wanted)
    await heartbeats.set(wanted)
    listing = await connection.call("agents.files.list", {"agentId": wanted.key}, seconds=30)
    present = {
        str(file.get("name") or file.get("path") or ""): not file.get("missing")
        for file in (listing or {}).get("files") or [] if isinstance(file, Mapping)
    }  # fmt: skip
    # First steps that were not taken yet would name a token that does not count any more.
    waiting = any(
        file.get("name") == "BOOTSTRAP.md" and file.get("size") for file in (listing or {}).get("files") or []
    )
    refused = [
        name for name, text in _chosen(wanted, options, present, fresh, steps=waiting).items()
        if not await _write_file(connection, wanted, name, text)
    ]  # fmt: skip
    if refused and wanted.kind is AgentKind.LEAD:
        raise GatewayError(Kind.REJECTED, f"The gateway refuses files of the lead: {', '.join(refused)}.")
    if connection.dialect.deletes_files and wanted.kind is AgentKind.LEAD:
        await _drop_stale(connection, wanted, present)
    if options.reset_session:
        try:
            await connection.call("sessions.reset", {"key": wanted.session_key}, seconds=30)
        except GatewayError as error:
            if not error.says("not found", "unknown session", "no such session"):
                raise


async def remove(connection: Connection, key: str, session_key: str) -> bool:
    """Take the agent away with its files and session; true when files stayed. What is missing is gone already."""
    stayed = False
    try:
        answer = await connection.call("agents.delete", {"agentId": key, "deleteFiles": True}, seconds=60)
        stayed = bool(isinstance(answer, Mapping) and answer.get("failed"))
    except GatewayError as error:
        if not error.says(*MISSING):
            raise
    if connection.dialect.deletes_files:
        try:
            await connection.call("sessions.delete", {"key": session_key}, seconds=30)
        except GatewayError as error:
            if not error.says("not found", "unknown session", "no such session", "cannot delete the main session"):
                raise
    return stayed


async def entry_of(connection: Connection, key: str) -> Mapping[str, Any] | None:
    """The agent as the gateway lists it; None when it does not have it. Raises `GatewayError`."""
    listing = await connection.call("agents.list", {}, seconds=30)
    agents = (listing or {}).get("agents") or []
    return next((one for one in agents if isinstance(one, Mapping) and one.get("id") == key), None)


async def _make(connection: Connection, wanted: Workspace) -> bool:
    """Create the agent unless it is there, then give it its name and place; true when it was new.

    Each change makes the gateway read its configuration again, so one that changes nothing is not asked for.
    """
    there = await entry_of(connection, wanted.key)
    if there is not None and (there.get("name"), there.get("workspace")) == (wanted.name, wanted.path):
        return False
    fresh = True
    try:
        await connection.call("agents.create", {"name": wanted.key, "workspace": wanted.path}, seconds=60)
    except GatewayError as error:
        if not error.says("already exist", "duplicate"):
            raise
        fresh = False
    change = {"agentId": wanted.key, "name": wanted.name, "workspace": wanted.path}
    deadline = asyncio.get_running_loop().time() + RELOAD_SECONDS
    pause = 0.1
    while True:
        try:
            await connection.call("agents.update", change, seconds=30)
            return fresh
        except GatewayError as error:
            # An entry that was just made is known after the gateway has read its configuration again.
            if not error.says(*MISSING) or not fresh or asyncio.get_running_loop().time() > deadline:
                raise
        await asyncio.sleep(pause)
        pause = min(pause * 2, 1.0)


def _chosen(
    wanted: Workspace, options: Options, present: Mapping[str, bool], fresh: bool, *, steps: bool
) -> dict[str, str]:
    """Which files are written: what the agent may have changed itself is kept."""
    found = {}
    for name, text in wanted.files.items():
        there = present.get(name, False)
        if name in _KEPT and there and not (options.overwrite or fresh):
            keeps = name == "MEMORY.md" or wanted.kind is not AgentKind.MAIN
            if keeps:
                continue
        if name == "BOOTSTRAP.md" and not (fresh or steps or options.provision or options.force_bootstrap):
            continue
        found[name] = text
    if fresh and present.get("BOOTSTRAP.md") and "BOOTSTRAP.md" not in found:
        # The gateway's own first steps would lead an agent of ours astray.
        found["BOOTSTRAP.md"] = ""
    return found


async def _write_file(connection: Connection, wanted: Workspace, name: str, text: str) -> bool:
    """Write it; false when the gateway does not take a file of this name."""
    try:
        await connection.call("agents.files.set", {"agentId": wanted.key, "name": name, "content": text}, seconds=30)
    except GatewayError as error:
        if not error.says("unsupported file"):
            raise
        return False
    return True


async def _drop_stale(connection: Connection, wanted: Workspace, present: Mapping[str, bool]) -> None:
    stale = {"ROUTING.md", "LEARNINGS.md", "ROLE.md", "WORKFLOW.md", "STATUS.md", "APIS.md"}
    for name in sorted(name for name, there in present.items() if there and name in stale):
        try:
            await connection.call("agents.files.delete", {"agentId": wanted.key, "name": name}, seconds=30)
        except GatewayError as error:
            if error.kind is not Kind.REJECTED:
                raise


class Heartbeats:
    """Writes the heartbeats of many agents with one change of the gateway's configuration.

    The gateway takes `PER_MINUTE` changes a minute, refused ones too; those that come within `GATHER` seconds go
    together, one change at a time. What the gateway refuses of several is tried one by one, so that a wrong one harms
    itself only.
    """

    GATHER, PER_MINUTE = 0.2, 28

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._wanted: dict[str, Entry] = {}
        self._round: asyncio.Task[dict[str, GatewayError]] | None = None
        self._lock = asyncio.Lock()
        self._changes: deque[float] = deque(maxlen=self.PER_MINUTE)

    async def set(self, wanted: Workspace) -> None:
        """Return when the gateway has this agent's heartbeat. Raises `GatewayError`."""
        dialect: Dialect = self._connection.dialect
        self._wanted[wanted.key] = Entry(wanted.name, wanted.path, dialect.heartbeat(wanted.heartbeat))
        if self._round is None:
            self._round = asyncio.create_task(self._write())
        failures = await asyncio.shield(self._round)
        if wanted.key in failures:
            raise failures[wanted.key]

    async def _write(self) -> dict[str, GatewayError]:
        await asyncio.sleep(self.GATHER)
        async with self._lock:
            agents, self._wanted, self._round = self._wanted, {}, None
            return await self._patch(agents)

    async def _patch(self, agents: Mapping[str, Entry]) -> dict[str, GatewayError]:
        try:
            await self._change(agents)
        except GatewayError as error:
            if error.kind is not Kind.REJECTED or len(agents) == 1:
                return dict.fromkeys(agents, error)
            found = {}
            for key, one in agents.items():
                found.update(await self._patch({key: one}))
            return found
        return {}

    async def _change(self, agents: Mapping[str, Entry]) -> None:
        call = self._connection.call
        for attempt in range(8):
            now = await call("config.get", seconds=30)
            config = now.get("config") if isinstance(now.get("config"), Mapping) else now.get("parsed") or {}
            patch = self._connection.dialect.patch(config, agents)
            if not patch:
                return
            change = {"raw": json.dumps(patch)}
            if now.get("hash"):
                change["baseHash"] = now["hash"]
            await self._turn()
            try:
                await call("config.patch", change, seconds=60)
                return
            except GatewayError as error:
                if error.retry_after is not None:
                    await asyncio.sleep(min(error.retry_after, 60.0) + 0.1)
                elif not error.says("changed since", "base hash", "superseded"):
                    raise
                if attempt == 7:
                    raise

    async def _turn(self) -> None:
        """Wait until the gateway takes another change."""
        now = asyncio.get_running_loop().time
        if len(self._changes) == self.PER_MINUTE:
            await asyncio.sleep(max(0.0, self._changes[0] + 60.0 - now()))
        self._changes.append(now())
