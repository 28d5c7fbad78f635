"""GraphQL over HTTP: JSON answers by the draft, and streams by GraphQL over SSE (distinct connections)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from graphql import GraphQLError, OperationType
from pydantic_core import to_json
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api.domain.authentication import Accepts
from api.domain.context import Context
from api.domain.database import translate
from api.domain.errors import Code, DomainError
from api.schema.execution import Answer, Executor, Params
from api.schema.graphiql import playground
from api.schema.http import check_text, credentials_of, new_context, parse_json, read_body, services_of
from api.schema.limits import Refused

RESPONSE_JSON = "application/graphql-response+json"
PLAIN_JSON = "application/json"
EVENT_STREAM = "text/event-stream"
COST_HEADER = "x-graphql-cost"
PING_SECONDS = 15.0


def negotiate(accept: str) -> str | None:
    """The media type to answer with; None when the client takes none of ours."""
    ranges: list[tuple[float, str]] = []
    for part in (accept or "*/*").split(","):
        name, *parameters = [piece.strip() for piece in part.split(";")]
        quality = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        try:
            ranges.append((float(quality), name.lower()))
        except ValueError:
            ranges.append((0.0, name.lower()))
    for weight, name in sorted(ranges, key=lambda found: -found[0]):
        if weight <= 0:
            continue
        if name in (RESPONSE_JSON, PLAIN_JSON, EVENT_STREAM):
            return name
        if name in ("*/*", "application/*"):
            return PLAIN_JSON
    return None


class GraphQLEndpoint:
    """The ASGI-side of `/graphql` for HTTP requests."""

    def __init__(self, executor: Executor) -> None:
        self.executor = executor

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        accept = request.headers.get("accept", "")
        if request.method in ("GET", "HEAD") and "query" not in request.query_params and "text/html" in accept:
            return playground()
        media = negotiate(accept)
        ctx = Context(services_of(request), request_id=getattr(request.state, "request_id", ""))
        try:
            if media is None:
                raise DomainError("Accept application/json, application/graphql-response+json or text/event-stream.",
                                  code=Code.NOT_ACCEPTABLE)  # fmt: skip
            credentials = credentials_of(request, Accepts.ANYBODY)
            params = await self._params(request)
            actor = await ctx.services.authenticator.authenticate(credentials)
            ctx = new_context(request, actor, credentials)
            try:
                kind = self.executor.prepare(ctx, params)
                self._check_kind(request, kind, media)
            except Refused as refused:
                answer = self.executor.refusal(ctx, refused.errors)
                if media == EVENT_STREAM and answer.body["errors"][0]["extensions"]["code"] != "GRAPHQL_PARSE_FAILED":
                    return _event_stream(_once(answer))
                return self._respond(answer, media)
            if media == EVENT_STREAM:
                return _event_stream(self.executor.stream(ctx, params))
            with_cost = request.headers.get(COST_HEADER, "") not in ("", "0")
            return self._respond(await self.executor.execute(ctx, params, with_cost=with_cost), media)
        except (DomainError, SQLAlchemyError, OSError, TimeoutError) as caught:
            error = caught if isinstance(caught, DomainError) else translate(caught)
            if error is None:
                raise
            # Request errors are errors under every media type: nothing was executed.
            answer = self.executor.refusal(ctx, [GraphQLError(error.message, original_error=error)])
            headers = _error_headers(error)
            media = media if media in (RESPONSE_JSON, PLAIN_JSON) else PLAIN_JSON
            return Response(to_json(answer.body), error.status, headers, media_type=media)

    async def _params(self, request: Request) -> Params:
        if request.method in ("GET", "HEAD"):
            values: dict[str, Any] = dict(request.query_params)
            for name in ("variables", "extensions"):
                if values.get(name):
                    try:
                        values[name] = json.loads(values[name])
                    except (ValueError, RecursionError):
                        raise DomainError(f"{name} must be JSON.", code=Code.BAD_REQUEST) from None
            check_text(values)
            return Params.of(values)
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media not in (PLAIN_JSON, RESPONSE_JSON):
            raise DomainError("Send the request as application/json.", code=Code.UNSUPPORTED_MEDIA_TYPE)
        raw = await read_body(request, self.executor.settings.max_body_bytes)
        try:
            body = parse_json(raw)
        except ValueError as error:
            raise DomainError(f"The body is not JSON: {error}", code=Code.BAD_REQUEST) from None
        check_text(body)
        return Params.of(body)

    @staticmethod
    def _check_kind(request: Request, kind: OperationType, media: str) -> None:
        if kind is OperationType.MUTATION and request.method != "POST":
            raise DomainError("Mutations need POST.", code=Code.METHOD_NOT_ALLOWED)
        if kind is OperationType.SUBSCRIPTION and media != EVENT_STREAM:
            raise DomainError(
                "Subscriptions need Accept: text/event-stream, or a WebSocket with graphql-transport-ws.",
                code=Code.NOT_ACCEPTABLE,
            )

    @staticmethod
    def _respond(answer: Answer, media: str) -> Response:
        if media == EVENT_STREAM:
            media = PLAIN_JSON
            status = answer.status if answer.is_request_error else 200
        else:
            status = answer.status if media == RESPONSE_JSON and answer.is_request_error else 200
        return Response(to_json(answer.body), status, media_type=f"{media}; charset=utf-8")


def _error_headers(error: DomainError) -> dict[str, str]:
    headers = {}
    if error.code is Code.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = "Bearer"
    if error.code is Code.METHOD_NOT_ALLOWED:
        headers["Allow"] = "POST"
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    return headers


async def _once(answer: Answer) -> AsyncIterator[Answer]:
    yield answer


def _event_stream(answers: AsyncIterator[Answer]) -> Response:
    async def frames() -> AsyncIterator[bytes]:
        yield b":\n\n"
        async with aclosing(pinged(answers, PING_SECONDS)) as items:
            async for answer in items:
                if answer is None:
                    yield b": ping\n\n"
                else:
                    yield b"event: next\ndata: " + to_json(answer.body) + b"\n\n"
        yield b"event: complete\ndata:\n\n"

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(frames(), headers=headers, media_type=f"{EVENT_STREAM}; charset=utf-8")


async def pinged(source: AsyncIterator[Any], seconds: float) -> AsyncGenerator[Any, None]:
    """The source's items, with None whenever it was silent for so long; the source is never cancelled by that."""
    pending: asyncio.Future[Any] | None = None
    try:
        while True:
            if pending is None:
                pending = asyncio.ensure_future(_next(source))
            done, _ = await asyncio.wait({pending}, timeout=seconds)
            if not done:
                yield None
                continue
            finished, pending = pending, None
            try:
                item = finished.result()
            except StopAsyncIteration:
                return
            yield item
    finally:
        if pending is not None:
            pending.cancel()
            await asyncio.gather(pending, return_exceptions=True)
        if hasattr(source, "aclose"):
            await source.aclose()


async def _next(source: AsyncIterator[Any]) -> Any:
    return await anext(source)
