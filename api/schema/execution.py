"""Running an operation, whatever transport brought it: check, execute, spell the answer and its errors."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import structlog
from graphql import GraphQLError, OperationType
from sqlalchemy.exc import SQLAlchemyError

from api.domain.actor import Anonymous
from api.domain.context import Context
from api.domain.database import translate
from api.domain.errors import RETRYABLE, Code, DomainError
from api.schema.http import check_text
from api.schema.limits import Documents, Prepared, Refused, introspects
from api.settings import Settings

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Params:
    """The parameters of a GraphQL request."""

    query: str
    operation_name: str | None
    variables: dict[str, Any]

    @classmethod
    def of(cls, body: Any) -> Params:
        """From a JSON object. Raises `BAD_REQUEST` for anything that is not a GraphQL request."""
        if isinstance(body, list):
            raise _bad("Batches are not taken; send one operation a request.")
        if not isinstance(body, dict):
            raise _bad("A GraphQL request is a JSON object.")
        if not isinstance(body.get("query"), str):
            raise _bad("query must be a text with a GraphQL document.")
        for name, kind in (("variables", dict), ("extensions", dict), ("operationName", str)):
            if body.get(name) is not None and not isinstance(body[name], kind):
                raise _bad(f"{name} must be {'a text' if kind is str else 'an object'} or null.")
        return cls(body["query"], body.get("operationName") or None, body.get("variables") or {})


def _bad(message: str) -> DomainError:
    return DomainError(message, code=Code.BAD_REQUEST)


@dataclass(slots=True)
class Answer:
    """A result to send. `is_request_error` means that nothing was executed, so there is no `data`."""

    body: dict[str, Any]
    is_request_error: bool = False
    status: int = 200


class Executor:
    """Executes operations on one schema."""

    def __init__(self, schema: Any, settings: Settings) -> None:
        self.schema = schema
        self.settings = settings
        self.documents = Documents(schema, settings)

    def prepare(self, ctx: Context, params: Params) -> OperationType:
        """Check the request and remember its document; returns the kind of the operation. Raises `Refused`."""
        try:
            check_text(params.query)
            check_text(params.variables)
            if "\\u0000" in params.query:
                raise DomainError("Text must not contain the character U+0000.", code=Code.BAD_USER_INPUT)
            prepared = self.documents.prepare(params.query)
            operation = prepared.operation(params.operation_name)
            self.documents.check_nodes(prepared, operation, params.variables)
            self._check_introspection(ctx, prepared)
        except DomainError as error:
            raise Refused([GraphQLError(error.message, original_error=error)]) from None
        ctx.document, ctx.operation = prepared.document, operation.operation
        return operation.operation

    def _check_introspection(self, ctx: Context, prepared: Prepared) -> None:
        if self.settings.introspection_for_anonymous or not isinstance(ctx.actor, Anonymous):
            return
        if introspects(prepared.document):
            raise DomainError(code=Code.INTROSPECTION_CLOSED)

    def refusal(self, ctx: Context, errors: list[GraphQLError]) -> Answer:
        """The answer to a request that was not executed."""
        shown = [self.error(ctx, error) for error in errors]
        status = shown[0]["extensions"].get("status", 400)
        return Answer({"errors": shown}, is_request_error=True, status=status)

    async def execute(self, ctx: Context, params: Params, *, with_cost: bool = False) -> Answer:
        """Run a prepared query or mutation."""
        try:
            result = await self.schema.execute(
                params.query,
                variable_values=params.variables,
                context_value=ctx,
                operation_name=params.operation_name,
            )
        finally:
            await ctx.end_moment()
        return self.answer(ctx, result, with_cost=with_cost)

    async def stream(self, ctx: Context, params: Params) -> AsyncGenerator[Answer, None]:
        """Run a prepared operation as a stream; each event's reads are a moment of their own."""
        if ctx.operation is not OperationType.SUBSCRIPTION:
            yield await self.execute(ctx, params)
            return
        results = self.schema.subscribe(
            params.query,
            variable_values=params.variables,
            context_value=ctx,
            operation_name=params.operation_name,
        )
        if not hasattr(results, "__aiter__"):
            results = await results
        try:
            async with aclosing(results):
                async for result in results:
                    await ctx.end_moment()
                    yield self.answer(ctx, result)
        finally:
            await ctx.end_moment()

    def answer(self, ctx: Context, result: Any, *, with_cost: bool = False) -> Answer:
        """Spell an execution result."""
        body: dict[str, Any] = {}
        errors = list(result.errors or [])
        # Variables that do not fit are found before anything runs; such an answer has no data.
        refused = result.data is None and errors and all(error.path is None for error in errors)
        if errors:
            body["errors"] = [self.error(ctx, error) for error in errors]
        if not refused:
            body["data"] = result.data
        if with_cost:
            cost = ctx.cost
            spent = round((time.perf_counter() - cost.started) * 1000, 2)
            body["extensions"] = {"cost": {"statements": cost.statements, "rows": cost.rows, "ms": spent}}
        status = body["errors"][0]["extensions"]["status"] if refused else 200
        return Answer(body, is_request_error=bool(refused), status=status)

    def error(self, ctx: Context, error: GraphQLError) -> dict[str, Any]:
        """An error as clients see it: `extensions` has code, status, requestId and details."""
        shown: dict[str, Any] = {"message": error.message}
        if error.locations:
            shown["locations"] = [{"line": at.line, "column": at.column} for at in error.locations]
        if error.path is not None:
            shown["path"] = list(error.path)
        extensions: dict[str, Any] = dict(error.extensions or {})
        original = error.original_error
        known = original if isinstance(original, DomainError) else None
        if known is None and isinstance(original, SQLAlchemyError | OSError | TimeoutError):
            known = translate(original)
        if known is not None:
            shown["message"] = known.message
            extensions = _extensions(known)
        elif original is not None and not isinstance(original, GraphQLError):
            shown["message"] = "An unexpected error happened."
            extensions = {"code": Code.INTERNAL.name, "status": 500}
        elif "code" not in extensions:
            extensions = {"code": Code.BAD_USER_INPUT.name, "status": 400}
        extensions["requestId"] = ctx.request_id
        shown["extensions"] = extensions
        return shown


def _extensions(error: DomainError) -> dict[str, Any]:
    found: dict[str, Any] = {"code": error.code.name, "status": error.status}
    details: Mapping[str, Any] = error.details
    if details:
        found["details"] = dict(details)
    if error.code in RETRYABLE:
        found["retryable"] = True
    return found
