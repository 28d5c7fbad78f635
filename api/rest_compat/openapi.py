"""The OpenAPI document, from the rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.rest_compat import examples, graphql, wire
from api.rest_compat.table import AGENT, ANYBODY, MIXED, PREFIX, USER, Row

TAGS = {
    "auth": "Signing in.",
    "health": "Whether the service is well.",
    "agents": "Agents, as people administer them.",
    "activity": "What happened, in words, and comments as they come.",
    "gateways": "Where agents live.",
    "metrics": "The dashboard's numbers.",
    "organizations": "One's organisations, their members and invites.",
    "souls-directory": "Personalities for agents, searched and read through this server.",
    "skills": "What agents can learn, and the packs it comes from.",
    "board-groups": "Boards that are looked at together.",
    "board-group-memory": "What all boards of a group share.",
    "boards": "Places of work.",
    "board-memory": "What everybody on a board shares.",
    "board-webhooks": "Addresses that services deliver to.",
    "board-onboarding": "The conversation that sets a board up.",
    "approvals": "Questions that people decide.",
    "tasks": "Work and its comments.",
    "custom-fields": "Fields of tasks that an organisation defines.",
    "tags": "Labels of an organisation.",
    "users": "People and their profiles.",
    "agent": "What agents call with their own token.",
    "agent-lead": "For the lead of a board.",
    "agent-worker": "For the workers of a board.",
    "agent-main": "For the main agent of a gateway.",
}

REFUSALS = {
    400: "The address is not one that may be used.",
    401: "No credentials were sent, or they are unknown, expired or revoked.",
    403: "The caller is known but may not do this.",
    404: "There is no such thing in any organisation of the caller.",
    409: "The present state does not allow it.",
    410: "It is switched off, or the cursor is older than what is still held.",
    413: "The body is larger than allowed.",
    422: "A value is of the wrong type or outside what is allowed.",
    429: "Too many attempts; `Retry-After` says when to try again.",
    502: "A service outside did not answer as it should.",
    503: "A part that the request needs is away for the moment.",
}


def document(rows: Sequence[Row], version: str) -> dict[str, Any]:
    """The whole document."""
    models: dict[str, type[BaseModel]] = {}
    for model in (wire.HTTPValidationError, wire.LLMErrorResponse, wire.HealthStatusResponse):
        models[_name(model)] = model
    for row in rows:
        for named in (*_bodies(row), *row.errors.values(), *_returned(row)):
            models[_name(named)] = named
    template = "#/components/schemas/{model}"
    inputs = [(model, "validation") for model in models.values()]
    _, definitions = models_json_schema(inputs, ref_template=template)  # type: ignore[arg-type]
    schemas = {_clean(name): _rename(schema) for name, schema in definitions.get("$defs", {}).items()}
    for name, schema in schemas.items():
        schema["title"] = name
        if name.startswith("LimitOffsetPage"):
            schema["description"] = "A limit/offset page."
    paths: dict[str, Any] = {}
    for row in rows:
        paths.setdefault(PREFIX + row.path, {})[row.method.lower()] = _operation(row)
    for methods in paths.values():
        for operation in methods.values():
            examples.add(operation, schemas)
    for path, name in (("/health", "health"), ("/healthz", "healthz"), ("/readyz", "readyz")):
        paths[path] = {"get": _health(path, name)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Mission Control API", "version": version,
            "description": "The REST face of Mission Control. GraphQL at `/graphql` offers the same and more.",
        },
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {
                "HTTPBearer": {"type": "http", "scheme": "bearer"},
                "AgentToken": {"type": "apiKey", "in": "header", "name": "X-Agent-Token"},
            },
        },
    }  # fmt: skip


def _name(model: type[BaseModel]) -> str:
    return _clean(model.__name__)


def _clean(name: str) -> str:
    """`Page[TaskRead]` has the name that generated clients know."""
    for opening in ("Page[", "Page_"):
        if name.startswith(opening):
            return f"LimitOffsetPage__T_Customized_{name[len(opening) :].rstrip(']_')}_"
    return name


def _rename(schema: Any) -> Any:
    if isinstance(schema, dict):
        found = {key: _rename(value) for key, value in schema.items()}
        if isinstance(found.get("$ref"), str):
            head, _, name = found["$ref"].rpartition("/")
            found["$ref"] = f"{head}/{_clean(name)}"
        return found
    return [_rename(part) for part in schema] if isinstance(schema, list) else schema


def _bodies(row: Row) -> list[type[BaseModel]]:
    if row.body is None:
        return []
    return list(get_args(row.body)) or [row.body]


def _returned(row: Row) -> list[type[BaseModel]]:
    if row.stream is not None or row.returns is str:
        return []
    if row.is_page:
        return [row.returns, row.item]
    return [row.item]


def _reference(model: type[BaseModel]) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{_name(model)}"}


def _content(schema: dict[str, Any], media: str = "application/json") -> dict[str, Any]:
    return {media: {"schema": schema}}


def _operation(row: Row) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": row.operation, "summary": row.summary, "description": f"{row.summary}.",
        "tags": list(row.tags),
    }  # fmt: skip
    if row.who is USER:
        operation["security"] = [{"HTTPBearer": []}]
    elif row.who is AGENT:
        operation["security"] = [{"AgentToken": []}, {"HTTPBearer": []}]
    elif row.who is MIXED:
        operation["security"] = [{"HTTPBearer": []}, {"AgentToken": []}]
    parameters = [
        {
            "name": name, "in": "path", "required": True,
            "schema": {"type": "string", **({} if name in row.texts else {"format": "uuid"})},
        }
        for name in row.path_names
    ]  # fmt: skip
    parameters += _query_parameters(row.query)
    if row.who is AGENT and "agent" in row.tags:
        text = {"anyOf": [{"type": "string"}, {"type": "null"}]}
        parameters += [
            {"name": name, "in": "header", "required": False, "schema": text}
            for name in ("X-Agent-Token", "Authorization")
        ]
    if parameters:
        operation["parameters"] = parameters
    if row.body is not None:
        references = [_reference(model) for model in _bodies(row)]
        operation["requestBody"] = {
            "required": row.body_required,
            "description": " Or: ".join((model.__doc__ or "").strip() for model in _bodies(row)),
            "content": _content(references[0] if len(references) == 1 else {"anyOf": references}),
        }  # fmt: skip
    operation["responses"] = _responses(row)
    if row.hints is not None:
        operation.update(_hints(row))
    document = graphql.document_of(row.resolver, row.stream)
    if document is not None:
        operation["x-graphql"] = document
    return operation


def _query_parameters(query: type[wire.Model]) -> list[dict[str, Any]]:
    schema = query.model_json_schema()
    found = []
    for name, field in schema.get("properties", {}).items():
        shown = {key: value for key, value in field.items() if key not in ("title", "exclusiveMaximum")}
        required = name in schema.get("required", [])
        found.append({"name": name, "in": "query", "required": required, "schema": shown})
    return found


def _responses(row: Row) -> dict[str, Any]:
    if row.stream is not None:
        good = {"description": "The stream.", "content": _content({"type": "string"}, "text/event-stream")}
    elif row.returns is str:
        good = {"description": "The text.", "content": _content({"type": "string"})}
    elif get_origin(row.returns) is list:
        items = {"type": "array", "items": _reference(get_args(row.returns)[0])}
        good = {"description": "The list.", "content": _content(items)}
    else:
        good = {
            "description": row.returns.__doc__ or "The answer.",
            "content": _content(_reference(row.returns)),
        }
    responses: dict[str, Any] = {str(row.status): good}
    for status, model in row.errors.items():
        responses[str(status)] = {"description": model.__doc__ or "", "content": _content(_reference(model))}
    bound = row.path_names or row.body or row.query.model_fields or row.who is AGENT
    if bound and 422 not in row.errors:
        model = wire.HTTPValidationError
        responses["422"] = {"description": model.__doc__ or "", "content": _content(_reference(model))}
    for status in _refusals(row):
        content = _content(_reference(wire.LLMErrorResponse))
        responses.setdefault(str(status), {"description": REFUSALS[status], "content": content})
    return dict(sorted(responses.items()))


def _refusals(row: Row) -> set[int]:
    """The statuses beside success that a row can answer with."""
    found = {422, 429, 503}
    if row.who is not ANYBODY:
        found |= {401, 403}
    if row.path_names or row.query.model_fields or row.body is not None:
        found.add(404)
    if row.method != "GET":
        found.add(409)
    if row.body is not None or row.raw:
        found.add(413)
    if row.stream is not None or row.raw:
        found.add(410)
    if row.raw:
        found.add(403)
    return found | set(row.refusals)


def _hints(row: Row) -> dict[str, Any]:
    assert row.hints is not None
    hints = row.hints
    return {
        "x-llm-intent": hints.intent,
        "x-required-actor": hints.actor,
        "x-when-to-use": [hints.when],
        "x-when-not-to-use": [hints.when_not],
        "x-negative-guidance": [hints.when_not],
        "x-prerequisites": [hints.privilege],
        "x-side-effects": [hints.effects],
        "x-routing-policy": [f"Choose {row.operation} {hints.when[0].lower()}{hints.when[1:]}"],
        "x-routing-policy-examples": [
            {"input": {"intent": hints.when, "required_privilege": hints.actor}, "decision": row.operation}
        ],
    }


def _health(path: str, name: str) -> dict[str, Any]:
    good = {"description": "Well.", "content": _content(_reference(wire.HealthStatusResponse))}
    return {
        "operationId": f"{name}{path.replace('/', '_')}_get", "summary": f"Health: {name}",
        "description": "Whether the service is well.", "tags": ["health"], "responses": {"200": good},
    }  # fmt: skip
