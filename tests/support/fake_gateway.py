"""A gateway in memory that keeps agents, files, configuration, sessions and messages, and refuses what a test wants.

It is for what a real one does not do on demand; what the real one does is tested on the real one (tests/gateway).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Callable
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

FILES = ("AGENTS.md", "SOUL.md", "USER.md", "BOOTSTRAP.md", "MEMORY.md", "IDENTITY.md")


class Refusal(Exception):
    """What a handler raises to answer with an error."""

    def __init__(self, message: str, code: str = "INVALID_REQUEST", **rest: Any) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message, **rest}


class FakeGateway:
    """Listens on loopback from its making until `stop`."""

    def __init__(
        self, *, version: str = "2026.9.6", protocol: int = 4, challenge: bool = True, tls: Any = None
    ) -> None:
        self.version, self.protocol, self.challenge, self._tls = version, protocol, challenge, tls
        #: Every request as it came: method and params.
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.connects: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.agents: dict[str, dict[str, Any]] = {}
        self.files: dict[str, dict[str, str]] = {}
        self.config: dict[str, Any] = {"agents": {"entries": {}}}
        self.sessions: dict[str, dict[str, Any]] = {}
        self.messages: dict[str, list[dict[str, Any]]] = {}
        self.removed: list[str] = []
        #: Whether a message is followed by the end of its run.
        self.runs = True
        #: Sessions with a turn under way.
        self.turning: set[str] = set()
        #: By method: called with the params instead of the usual answer; raises `Refusal`, or returns the payload.
        self.instead: dict[str, Callable[[dict[str, Any]], Any]] = {}
        #: Called with every frame that is to be sent; what it returns is sent.
        self.through: Callable[[str], list[str]] = lambda text: [text]
        self._began = time.monotonic()
        self._open: set[ServerConnection] = set()
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        ready = threading.Event()

        async def main() -> None:
            async with serve(self._serve, "127.0.0.1", 0, max_size=None, ping_interval=None, ssl=tls) as server:
                self.port = next(iter(server.sockets)).getsockname()[1]
                ready.set()
                await self._stopped.wait()

        threading.Thread(target=self._loop.run_until_complete, args=(main(),), daemon=True).start()
        assert ready.wait(10)
        self.url = f"{'wss' if tls else 'ws'}://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """End it."""
        self._loop.call_soon_threadsafe(self._stopped.set)

    def refuse(self, method: str, message: str, code: str = "INVALID_REQUEST", **rest: Any) -> None:
        """Answer a method with an error from now on."""

        def refusing(_params: dict[str, Any]) -> Any:
            raise Refusal(message, code, **rest)

        self.instead[method] = refusing

    def params(self, method: str) -> list[dict[str, Any]]:
        """The params of every request of a method."""
        return [params for name, params in self.asked if name == method]

    def said(self, session: str) -> list[str]:
        """What was said in a session."""
        return [one["content"] for one in self.messages.get(session, [])]

    def close(self, code: int, reason: str = "") -> None:
        """Close every connection with a code."""
        for client in list(self._open):
            asyncio.run_coroutine_threadsafe(client.close(code, reason), self._loop)

    def clock(self) -> int:
        """Its own time, years behind ours."""
        return 1700000000000 + int((time.monotonic() - self._began) * 1000)

    def event(self, name: str, **payload: Any) -> None:
        """Send an event to every connection."""
        frame = {"type": "event", "event": name, "payload": payload}
        for client in list(self._open):
            asyncio.run_coroutine_threadsafe(self._send(client, frame), self._loop).result(10)

    async def _serve(self, client: ServerConnection) -> None:
        self._open.add(client)
        self.headers.append(dict(client.request.headers) if client.request else {})
        try:
            if self.challenge:
                await self._send(client, {"type": "event", "event": "connect.challenge",
                                          "payload": {"nonce": "n", "ts": self.clock()}})  # fmt: skip
            async for text in client:
                frame = json.loads(text)
                answer: dict[str, Any] = {"type": "res", "id": frame["id"]}
                params = frame.get("params") or {}
                if frame["method"] == "connect":
                    self.connects.append(params)
                else:
                    self.asked.append((frame["method"], params))
                try:
                    handler = self.instead.get(frame["method"]) or getattr(
                        self, "_on_" + frame["method"].replace(".", "_"), None
                    )
                    if handler is None:
                        raise Refusal(f"unknown method: {frame['method']}")
                    answer |= {"ok": True, "payload": handler(params)}
                except Refusal as refusal:
                    answer |= {"ok": False, "error": refusal.error}
                await self._send(client, answer)
                if frame["method"] == "chat.send" and answer["ok"] and self.runs:
                    final = {"runId": params["idempotencyKey"], "sessionKey": params["sessionKey"], "state": "final"}
                    await self._send(client, {"type": "event", "event": "chat", "payload": final})
                if frame["method"] == "connect" and not answer["ok"]:
                    await client.close(1008, answer["error"]["message"])
        except ConnectionClosed:
            pass
        finally:
            self._open.discard(client)

    async def _send(self, client: ServerConnection, frame: dict[str, Any]) -> None:
        for text in self.through(json.dumps(frame)):
            with contextlib.suppress(ConnectionClosed):
                await client.send(text)

    # -- the usual answers --------------------------------------------------------------------------------------------

    def _on_connect(self, params: dict[str, Any]) -> Any:
        return {
            "type": "hello-ok", "protocol": self.protocol, "server": {"version": self.version, "connId": "c"},
            "features": {"methods": [], "events": []}, "snapshot": {},
            "policy": {"maxPayload": 26214400, "maxBufferedBytes": 52428800, "tickIntervalMs": 30000},
            "auth": {"role": "operator", "scopes": params["scopes"]},
        }  # fmt: skip

    def _on_health(self, _: dict[str, Any]) -> Any:
        return {"ok": True}

    def _on_agents_list(self, _: dict[str, Any]) -> Any:
        return {"agents": [{"id": key, **values} for key, values in self.agents.items()]}

    def _on_agents_create(self, params: dict[str, Any]) -> Any:
        if params["name"] in self.agents:
            raise Refusal(f'agent "{params["name"]}" already exists')
        self.agents[params["name"]] = {"name": params["name"], "workspace": params["workspace"]}
        self.files[params["name"]] = {}
        return {"ok": True, "agentId": params["name"]}

    def _agent(self, params: dict[str, Any]) -> str:
        key = str(params["agentId"])
        if key not in self.agents:
            raise Refusal(f'agent "{key}" not found')
        return key

    def _on_agents_update(self, params: dict[str, Any]) -> Any:
        self.agents[self._agent(params)].update({name: params[name] for name in ("name", "workspace")})
        return {"ok": True}

    def _on_agents_delete(self, params: dict[str, Any]) -> Any:
        key = self._agent(params)
        self.removed.append(key)
        del self.agents[key], self.files[key]
        return {"ok": True, "failed": []}

    def _on_agents_files_list(self, params: dict[str, Any]) -> Any:
        there = self.files[self._agent(params)]
        return {"files": [
            {"name": name, "missing": name not in there, **({"size": len(there[name])} if name in there else {})}
            for name in FILES
        ]}  # fmt: skip

    def _on_agents_files_get(self, params: dict[str, Any]) -> Any:
        there = self.files[self._agent(params)]
        if params["name"] not in FILES:
            raise Refusal(f'unsupported file "{params["name"]}"')
        found = {"name": params["name"], "missing": params["name"] not in there}
        return {"file": {**found, **({"content": there[params["name"]]} if params["name"] in there else {})}}

    def _on_agents_files_set(self, params: dict[str, Any]) -> Any:
        if params["name"] not in FILES:
            raise Refusal(f'unsupported file "{params["name"]}"')
        self.files[self._agent(params)][params["name"]] = params["content"]
        return {"ok": True}

    def _hash(self) -> str:
        return hashlib.sha256(json.dumps(self.config, sort_keys=True).encode()).hexdigest()

    def _on_config_get(self, _: dict[str, Any]) -> Any:
        return {"config": json.loads(json.dumps(self.config)), "hash": self._hash()}

    def _on_config_patch(self, params: dict[str, Any]) -> Any:
        if params.get("baseHash") != self._hash():
            raise Refusal("config changed since last load; re-run config.get and retry")

        def merge(into: dict[str, Any], patch: dict[str, Any]) -> None:
            for name, value in patch.items():
                if isinstance(value, dict) and isinstance(into.get(name), dict):
                    merge(into[name], value)
                else:
                    into[name] = value

        merge(self.config, json.loads(params["raw"]))
        return {"ok": True, "hash": self._hash()}

    def _on_sessions_list(self, params: dict[str, Any]) -> Any:
        rows = [{"key": key, **values} for key, values in self.sessions.items()]
        start, amount = int(params.get("offset") or 0), int(params.get("limit") or 100)
        page = rows[start : start + amount]
        more = start + amount < len(rows)
        return {"sessions": page, "hasMore": more, "nextOffset": start + amount if more else None,
                "totalCount": len(rows)}  # fmt: skip

    def _on_sessions_patch(self, params: dict[str, Any]) -> Any:
        self.sessions.setdefault(params["key"], {}).update(label=params.get("label"))
        return {"ok": True, "key": params["key"]}

    def _on_sessions_reset(self, params: dict[str, Any]) -> Any:
        self.messages.pop(params["key"], None)
        return {"ok": True, "key": params["key"]}

    def _on_sessions_delete(self, params: dict[str, Any]) -> Any:
        return {"ok": True, "deleted": self.sessions.pop(params["key"], None) is not None}

    def _on_chat_send(self, params: dict[str, Any]) -> Any:
        said = self.messages.setdefault(params["sessionKey"], [])
        key = f"{params['idempotencyKey']}:user"
        if key not in {one["idempotencyKey"] for one in said}:
            said.append({"role": "user", "content": params["message"], "idempotencyKey": key,
                         "timestamp": self.clock(), "__openclaw": {"seq": len(said)}})  # fmt: skip
        return {"runId": params["idempotencyKey"], "status": "started"}

    def _on_chat_history(self, params: dict[str, Any]) -> Any:
        session = params["sessionKey"]
        return {
            "messages": self.messages.get(session, []), "sessionInfo": {"hasActiveRun": session in self.turning},
        }  # fmt: skip

    def _on_chat_abort(self, params: dict[str, Any]) -> Any:
        return {"ok": True, "aborted": False, "runIds": []}
