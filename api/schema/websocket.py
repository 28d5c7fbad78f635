"""GraphQL over WebSocket: the `graphql-transport-ws` protocol."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from typing import Any

import structlog
from graphql import GraphQLError
from pydantic_core import to_json
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from api.domain.authentication import Accepts, Credentials
from api.domain.context import Context
from api.domain.database import translate
from api.domain.errors import Code, DomainError
from api.schema.execution import Executor, Params
from api.schema.http import client_address, credentials_from, credentials_of, new_context, services_of
from api.schema.limits import Refused

log = structlog.get_logger(__name__)

PROTOCOL = "graphql-transport-ws"
INIT_SECONDS = 10.0


class Closed(Exception):
    """The protocol asks to close the socket with this code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class _Gone(Exception):
    """The client is no longer there to hear it."""


def _known(error: Exception) -> DomainError:
    """Any error as one that clients understand; unexpected ones are logged."""
    if isinstance(error, DomainError):
        return error
    found = translate(error)
    if found is None:
        log.error("websocket.unexpected_error", exc_info=error)
    return found or DomainError("An unexpected error happened.", code=Code.INTERNAL)


class GraphQLSocket:
    """One socket: initialised once, then any number of operations side by side, up to the limit."""

    def __init__(self, executor: Executor, socket: WebSocket) -> None:
        self.executor = executor
        self.socket = socket
        self.credentials: Credentials | None = None
        self.operations: dict[str, asyncio.Task[None]] = {}
        self._sending = asyncio.Lock()

    async def run(self) -> None:
        """Serve the socket until it closes."""
        if PROTOCOL not in self.socket.scope.get("subprotocols", []):
            await self.socket.accept()
            await self.socket.close(4406, "Subprotocol not acceptable")
            return
        await self.socket.accept(subprotocol=PROTOCOL)
        try:
            async with asyncio.timeout(INIT_SECONDS) as patience:
                while True:
                    await self._take(await self._receive())
                    if self.credentials is not None:
                        patience.reschedule(None)
        except TimeoutError:
            await self._close(4408, "Connection initialisation timeout")
        except Closed as closed:
            await self._close(closed.code, closed.reason)
        except (WebSocketDisconnect, _Gone):
            pass
        finally:
            for task in list(self.operations.values()):
                task.cancel()
            await asyncio.gather(*self.operations.values(), return_exceptions=True)

    async def _receive(self) -> dict[str, Any]:
        message = await self.socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        text = message.get("text")
        try:
            if text is None:
                raise ValueError("binary")
            found = json.loads(text)
        except (ValueError, RecursionError):
            raise Closed(4400, "Invalid message: not a JSON text") from None
        if not isinstance(found, dict) or not isinstance(found.get("type"), str):
            raise Closed(4400, "Invalid message: no type")
        return found

    async def _take(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "connection_init":
            await self._init(message.get("payload"))
        elif kind == "ping":
            await self._send({"type": "pong"})
        elif kind == "pong":
            return
        elif kind == "subscribe":
            await self._subscribe(message)
        elif kind == "complete":
            if not isinstance(message.get("id"), str):
                raise Closed(4400, "Invalid message: complete needs an id")
            if (task := self.operations.pop(message["id"], None)) is not None:
                task.cancel()
        else:
            raise Closed(4400, f"Invalid message: unknown type {kind[:50]}")

    async def _init(self, payload: Any) -> None:
        if self.credentials is not None:
            raise Closed(4429, "Too many initialisation requests")
        if payload is not None and not isinstance(payload, dict):
            raise Closed(4400, "Invalid message: the payload of connection_init must be an object")
        services = services_of(self.socket)
        address = client_address(self.socket, services.settings)
        credentials = credentials_from(payload or {}, address, Accepts.ANYBODY)
        if credentials.empty:
            credentials = credentials_of(self.socket, Accepts.ANYBODY)
        try:
            await services.authenticator.authenticate(credentials)
        except Exception as caught:
            error = _known(caught)
            codes = {Code.UNAVAILABLE: 1013, Code.RATE_LIMITED: 4429}
            raise Closed(codes.get(error.code, 1011 if error.code is Code.INTERNAL else 4403), error.message) from None
        self.credentials = credentials
        await self._send({"type": "connection_ack"})

    async def _subscribe(self, message: dict[str, Any]) -> None:
        operation_id, payload = message.get("id"), message.get("payload")
        if self.credentials is None:
            raise Closed(4401, "Unauthorized")
        if not isinstance(operation_id, str) or not operation_id or not isinstance(payload, dict):
            raise Closed(4400, "Invalid message: subscribe needs an id and a payload")
        if operation_id in self.operations:
            raise Closed(4409, f"Subscriber for {operation_id[:100]} already exists")
        allowed = self.executor.settings.max_operations_per_socket
        if len(self.operations) >= allowed:
            error = DomainError(
                f"A socket has at most {allowed} operations under way.",
                code=Code.OPERATION_LIMIT,
                allowed=allowed,
            )
            await self._error(operation_id, self._context(None), error)
            return
        task = asyncio.create_task(self._operate(operation_id, payload), name="graphql-operation")
        self.operations[operation_id] = task

    def _context(self, actor: Any) -> Context:
        assert self.credentials is not None
        return new_context(self.socket, actor, self.credentials)

    async def _operate(self, operation_id: str, payload: dict[str, Any]) -> None:
        ctx = self._context(None)
        try:
            assert self.credentials is not None
            # Asked anew for every operation: a token may have ended since the socket was opened.
            ctx = self._context(await ctx.services.authenticator.authenticate(self.credentials))
            params = Params.of(payload)
            self.executor.prepare(ctx, params)
            async with aclosing(self.executor.stream(ctx, params)) as answers:
                async for answer in answers:
                    if answer.is_request_error and not self._is_end_of_stream(answer.body):
                        await self._send({"id": operation_id, "type": "error", "payload": answer.body["errors"]})
                        return
                    await self._send({"id": operation_id, "type": "next", "payload": answer.body})
            await self._send({"id": operation_id, "type": "complete"})
        except Refused as refused:
            answer = self.executor.refusal(ctx, refused.errors)
            await self._send({"id": operation_id, "type": "error", "payload": answer.body["errors"]})
        except (WebSocketDisconnect, _Gone):
            pass
        except Exception as error:
            await self._error(operation_id, ctx, _known(error))
        finally:
            if self.operations.get(operation_id) is asyncio.current_task():
                del self.operations[operation_id]

    @staticmethod
    def _is_end_of_stream(body: dict[str, Any]) -> bool:
        """A stream that ends by itself says so as a last result, so that clients keep its cursor."""
        codes = {error["extensions"]["code"] for error in body["errors"]}
        return bool(codes & {Code.SLOW_SUBSCRIBER.name, Code.SUBSCRIPTION_ENDED.name, Code.SHUTTING_DOWN.name})

    async def _error(self, operation_id: str, ctx: Context, error: DomainError) -> None:
        shown = self.executor.error(ctx, GraphQLError(error.message, original_error=error))
        await self._send({"id": operation_id, "type": "error", "payload": [shown]})

    async def _send(self, message: dict[str, Any]) -> None:
        async with self._sending:
            try:
                await self.socket.send_text(to_json(message).decode())
            except (RuntimeError, WebSocketDisconnect):
                raise _Gone from None

    async def _close(self, code: int, reason: str) -> None:
        if self.socket.application_state is WebSocketState.CONNECTED:
            await self.socket.close(code, reason[:120])
