"""Examples in the OpenAPI document, made from the schemas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_FORMATS = {
    "uuid": "3f2b8c1e-7d4a-4f6b-9a55-0c1d2e3f4a5b", "date-time": "2026-01-31T12:00:00", "uri": "https://github.com/o/r",
}  # fmt: skip
_FIELDS = {
    "name": "Launch", "title": "Write the announcement", "slug": "launch", "description": "What it is about.",
    "message": "Done, please look.", "content": "We decided for the blue one.", "email": "ada@example.org",
    "invited_email": "ada@example.org", "color": "0f172a", "every": "10m", "priority": "medium", "branch": "main",
    "timezone": "Europe/Berlin", "workspace_root": "/home/agents", "url": "ws://127.0.0.1:18789",
}  # fmt: skip
DEEPEST = 6


def add(operation: dict[str, Any], schemas: Mapping[str, Any]) -> None:
    """Give the body and the good answer of an operation an example."""
    places = [operation.get("requestBody"), *(operation["responses"].get(status) for status in ("200", "202"))]
    for place in places:
        content = (place or {}).get("content", {}).get("application/json")
        if content is not None:
            content["example"] = of(content["schema"], schemas)


def of(schema: Mapping[str, Any], schemas: Mapping[str, Any], name: str = "", depth: int = 0) -> Any:
    """One value that the schema allows."""
    if "$ref" in schema:
        target = schema["$ref"].rpartition("/")[2]
        return of(schemas[target], schemas, name, depth + 1) if depth < DEEPEST else {}
    for key in ("const", "default"):
        if schema.get(key) is not None:
            return schema[key]
    if schema.get("examples"):
        return schema["examples"][0]
    if schema.get("enum"):
        return schema["enum"][0]
    for branch in schema.get("anyOf", ()):
        if branch.get("type") != "null":
            return of(branch, schemas, name, depth)
    kind = schema.get("type")
    if kind == "object":
        found = {key: of(one, schemas, key, depth + 1) for key, one in schema.get("properties", {}).items()}
        return found if found or schema.get("additionalProperties") is not True else {"key": "value"}
    if kind == "array":
        return [of(schema.get("items", {}), schemas, name, depth + 1)] if depth < DEEPEST else []
    if kind in ("integer", "number"):
        return max(schema.get("minimum", 0), 0)
    if kind == "boolean":
        return False
    return _FORMATS.get(schema.get("format", "")) or _FIELDS.get(name, "text")
