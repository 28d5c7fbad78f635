"""The REST table: what a row is, and the only code that runs for any row.

Checks come in the contract's order: broken JSON (422), who asks (401), what exists (404), who may (403), path, query
and body (422), then the resolver with its role and state rules.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute

from api.domain.errors import RETRYABLE, Code, DomainError, Invalid
from api.rest_compat import queries, streams, wire
from api.rest_compat.shapes import FILLS, Fill
from api.schema.gates import BOARD_PART, anybody
from api.schema.http import (
    Accepts,
    Context,
    Credentials,
    check_text,
    client_address,
    credentials_of,
    new_context,
    parse_json,
    read_body,
    services_of,
)
from api.schema.webhooks import Delivery

PREFIX = "/api/v1"
ANYBODY, USER, AGENT, MIXED = Accepts


@dataclass(frozen=True, slots=True)
class Hints:
    """What agents read in the document to choose an operation."""

    intent: str
    actor: str
    when: str
    when_not: str
    effects: str = "Reads only."
    privilege: str = "An agent token."


@dataclass(frozen=True, slots=True)
class Row:
    """One route: its resolver, its gate, and the shapes of what goes in and comes out."""

    method: str
    path: str
    resolver: Callable[..., Awaitable[Any]]
    name: str
    summary: str
    tags: tuple[str, ...]
    who: Accepts = MIXED
    gate: Callable[[Context, Mapping[str, UUID]], Awaitable[None]] = anybody
    query: type[wire.Model] = queries.NoQuery
    body: Any = None
    returns: Any = wire.OkResponse
    fill: Fill | None = None
    fixed: Mapping[str, Any] = field(default_factory=dict)
    errors: Mapping[int, type[BaseModel]] = field(default_factory=dict)
    operation_id: str | None = None
    hints: Hints | None = None
    stream: streams.Stream | None = None
    body_required: bool = True
    status: int = 200
    #: Parameters of the path that are any text; the others are UUIDs.
    texts: tuple[str, ...] = ()
    #: Further statuses that it may answer with.
    refusals: tuple[int, ...] = ()
    #: The resolver takes the request as it came in: `delivery` has headers, address and a way to read the body.
    raw: bool = False

    @property
    def operation(self) -> str:
        """The operation id: fixed, or name, path and method as generated clients know them."""
        path = re.sub(r"\W", "_", PREFIX + self.path)
        return self.operation_id or f"{self.name}{path}_{self.method.lower()}"

    @property
    def path_names(self) -> list[str]:
        """The parameters in the path."""
        return re.findall(r"{(\w+)}", self.path)

    @property
    def is_page(self) -> bool:
        """Whether the answer is a limit/offset page."""
        return get_origin(self.returns) is wire.Page or (
            isinstance(self.returns, type) and issubclass(self.returns, wire.Page)
        )

    @property
    def item(self) -> type[wire.Model]:
        """The model of one object in the answer."""
        if self.is_page:
            model: type[wire.Model] = self.returns.model_fields["items"].annotation.__args__[0]
            return model
        found = get_args(self.returns)[0] if get_origin(self.returns) is list else self.returns
        assert isinstance(found, type) and issubclass(found, wire.Model)
        return found


def get(path: str, resolver: Any, **rest: Any) -> Row:
    """A row for GET."""
    return Row("GET", path, resolver, **rest)


def post(path: str, resolver: Any, **rest: Any) -> Row:
    """A row for POST."""
    return Row("POST", path, resolver, **rest)


def patch(path: str, resolver: Any, **rest: Any) -> Row:
    """A row for PATCH."""
    return Row("PATCH", path, resolver, **rest)


def put(path: str, resolver: Any, **rest: Any) -> Row:
    """A row for PUT."""
    return Row("PUT", path, resolver, **rest)


def delete(path: str, resolver: Any, **rest: Any) -> Row:
    """A row for DELETE."""
    return Row("DELETE", path, resolver, **rest)


def stream(path: str, source: streams.Stream, **rest: Any) -> Row:
    """A row for an event stream."""
    return Row("GET", path, anybody, stream=source, **{"query": queries.StreamQuery, **rest})


async def answer(row: Row, request: Request) -> Response:
    """Run a row for a request."""
    services = services_of(request)
    body = await _read(row, request, services.settings.max_body_bytes)
    # Senders of deliveries have credentials of their own, which mean nothing here.
    credentials = Credentials() if row.who is ANYBODY else credentials_of(request, row.who)
    ctx = new_context(request, await services.authenticator.authenticate(credentials), credentials)
    try:
        path, problems = _bind_path(row, request)
        gate = row.gate if not problems else BOARD_PART.get(row.gate, anybody)
        if gate is not anybody and (not problems or "board_id" in path or "board_id" not in row.path_names):
            await gate(ctx, path)
        query = _validated(row.query, _query(request), "query", problems)
        sent = _bind_body(row, body, problems)
        if problems:
            raise Invalid("The request is not valid.", detail=problems)
        if row.stream is not None:
            assert query is not None
            return await streams.respond(row.stream, ctx, path, query, request, lambda: row.gate(ctx, path))
        arguments = _arguments(row, path, query, sent, _delivery(request) if row.raw else None)
        try:
            result = await row.resolver(ctx, **arguments)
        except Invalid as error:
            raise _with_input(error, body) from None
        return Response(
            to_json(await _shape(row, ctx, result)), row.status, _headers(row, result), media_type="application/json"
        )
    finally:
        # A stream that has begun holds no connection; whatever else happened, this request gives its own back.
        await ctx.end_moment()


# -- binding ----------------------------------------------------------------------------------------------------------


async def _read(row: Row, request: Request, limit: int) -> Any:
    """The parsed body; broken JSON is refused before anything else is asked."""
    if row.body is None:
        return None
    raw = await read_body(request, limit)
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not raw:
        return None
    if media and media != "application/json" and not (media.startswith("application/") and media.endswith("+json")):
        return raw.decode("utf-8", "replace")
    try:
        return parse_json(raw)
    except ValueError as error:
        position = getattr(error, "pos", getattr(error, "start", 0))
        reason = getattr(error, "msg", None) or getattr(error, "reason", None) or str(error)
        entry = {
            "type": "json_invalid",
            "loc": ["body", position],
            "msg": "JSON decode error",
            "input": {},
            "ctx": {"error": reason},
        }
        raise Invalid("The body is not JSON.", detail=[entry]) from None


def _bind_path(row: Row, request: Request) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    found: dict[str, Any] = {}
    problems: list[dict[str, Any]] = []
    for name in row.path_names:
        text = request.path_params[name]
        if name in row.texts:
            check_text(text)
            found[name] = text
            continue
        try:
            found[name] = UUID(text)
        except ValueError:
            problems.append(
                {"type": "uuid_parsing", "loc": ["path", name], "msg": "Input should be a valid UUID", "input": text,
                 "ctx": {"error": "invalid UUID"}}
            )  # fmt: skip
    return found, problems


def _query(request: Request) -> dict[str, str]:
    return dict(request.query_params)


def _bind_body(row: Row, body: Any, problems: list[dict[str, Any]]) -> wire.Model | None:
    if row.body is None:
        return None
    if body is None:
        if row.body_required:
            problems.append({"type": "missing", "loc": ["body"], "msg": "Field required", "input": None})
        return None
    if not isinstance(body, dict):
        problems.append(
            {"type": "model_attributes_type", "loc": ["body"], "input": body,
             "msg": "Input should be a valid dictionary or object to extract fields from"}
        )  # fmt: skip
        return None
    check_text(body)
    return _validated(row.body, body, "body", problems)


def _validated(model: Any, values: Any, place: str, problems: list[dict[str, Any]]) -> wire.Model | None:
    try:
        found: wire.Model = TypeAdapter(model).validate_python(values)
        return found
    except ValidationError as error:
        for entry in error.errors(include_url=False):
            shown: dict[str, Any] = {**entry, "loc": [place, *entry["loc"]]}
            if "ctx" in shown:
                shown["ctx"] = {key: _plain(value) for key, value in shown["ctx"].items()}
            if any(word in str(part) for part in entry["loc"] for word in ("token", "secret")):
                shown["input"] = None
            problems.append(shown)
        return None


def _with_input(error: Invalid, body: Any) -> Invalid:
    """Rules know which field is wrong, the request knows what was sent there."""
    for entry in error.detail if isinstance(error.detail, list) else ():
        if entry.get("input") is None and entry["loc"][0] == "body":
            entry["input"] = body if len(entry["loc"]) == 1 else (body or {}).get(entry["loc"][1])
    return error


def _delivery(request: Request) -> Delivery:
    """The request as it came in, for resolvers that read it themselves."""
    address = client_address(request, services_of(request).settings)
    return Delivery(dict(request.headers), address, lambda limit: read_body(request, limit))


def _headers(row: Row, result: Any) -> dict[str, str]:
    """Counts that a plain list carries in headers."""
    return getattr(result, "headers", {}) if get_origin(row.returns) is list else {}


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _arguments(
    row: Row, path: Mapping[str, UUID], query: wire.Model | None, body: wire.Model | None, delivery: Any
) -> dict[str, Any]:  # fmt: skip
    """The resolver's arguments by name: path, query, the fixed ones of the row, and the body whole or by field."""
    bound = getattr(query, "bound", None)
    asked = bound() if bound else query.model_dump() if query else {}
    given = body.model_dump(exclude_unset=True) if body else {}
    available = {**given, **asked, **path, **row.fixed, "draft": given, "change": given, "delivery": delivery}
    names = list(inspect.signature(row.resolver).parameters)[1:]
    return {name: available[name] for name in names if name in available}


# -- answering --------------------------------------------------------------------------------------------------------


async def _shape(row: Row, ctx: Context, result: Any) -> Any:
    if row.returns is wire.OkResponse:
        return {"ok": True}
    if row.returns is str:
        return result
    fill = row.fill or FILLS[row.item]
    if row.is_page:
        items = await fill(ctx, result.rows)
        return {"items": items, "total": result.total, "limit": result.limit, "offset": result.offset}
    if get_origin(row.returns) is list:
        return await fill(ctx, result)
    return (await fill(ctx, [result]))[0]


def error_response(error: DomainError, request_id: str) -> Response:
    """An error as REST spells it."""
    body: dict[str, Any] = {"detail": error.detail, "code": error.code.name, "request_id": request_id}
    if error.status in (429, 502, 503):
        body["retryable"] = error.code in RETRYABLE
    headers = {}
    if error.code is Code.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = "Bearer"
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    return Response(to_json(body), error.status, headers, media_type="application/json")


def routes(rows: Sequence[Row]) -> list[StarletteRoute]:
    """Starlette's routes: one a path, literal segments before parameters, all methods of the path known together."""
    by_path: dict[str, dict[str, Row]] = {}
    for row in rows:
        by_path.setdefault(row.path, {})[row.method] = row
    paths = sorted(by_path, key=lambda path: (path.count("{"), path))
    return [StarletteRoute(PREFIX + path, _Endpoint(by_path[path]), name=path) for path in paths]


class _Endpoint:
    """All rows of a path."""

    def __init__(self, rows: Mapping[str, Row]) -> None:
        self.rows = rows

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive, send)
        row = self.rows.get("GET" if request.method == "HEAD" else request.method)
        if row is None:
            error = DomainError(code=Code.METHOD_NOT_ALLOWED)
            response = error_response(error, getattr(request.state, "request_id", ""))
            response.headers["Allow"] = ", ".join(sorted({*self.rows, *({"HEAD"} if "GET" in self.rows else set())}))
        else:
            response = await answer(row, request)
        await response(scope, receive, send)
