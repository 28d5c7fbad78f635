"""Our OpenAPI document against the documented wire: route by route, parameter by parameter, schema by schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

WIRE: dict[str, Any] = json.loads((Path(__file__).parent / "rest-wire.json").read_text())
_WORDS = {"title", "description", "examples", "example", "deprecated"}


def normal(schema: Any) -> Any:
    """A schema as the wire file spells it."""
    if isinstance(schema, list):
        return [normal(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: value for key, value in schema.items() if key not in _WORDS and not key.startswith("x-")}
    if "$ref" in found:
        return {"$ref": found["$ref"].rpartition("/")[2]}
    if "properties" in found:
        found["properties"] = {name: normal(value) for name, value in found["properties"].items()}
        if "required" in found:
            found["required"] = sorted(found["required"])
    for key in ("items", "additionalProperties"):
        if key in found:
            found[key] = normal(found[key])
    if "anyOf" in found:
        branches = [normal(one) for one in found.pop("anyOf")]
        others = [one for one in branches if one != {"type": "null"}]
        if len(others) == 1 and len(branches) == 2:
            only = others[0]
            if "$ref" in only:
                return {"nullable_ref": only["$ref"]}
            found = {**found, **only, "nullable": True}
        else:
            found["anyOf"] = branches
    if found.get("default", 0) is None:
        del found["default"]
    return found


def theirs(schema: Any) -> Any:
    """The wire file's schema with its lists in one order."""
    if isinstance(schema, dict):
        found = {key: theirs(value) for key, value in schema.items()}
        if isinstance(found.get("required"), list):
            found["required"] = sorted(found["required"])
        if "properties" in found and not found["properties"]:
            found["properties"] = {}
        return found
    return [theirs(one) for one in schema] if isinstance(schema, list) else schema


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Our operations, as the wire file describes its routes."""
    found = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            parameters = {}
            for one in operation.get("parameters", []):
                shown = normal(one["schema"])
                parameters[one["in"], one["name"]] = {"required": one["required"], **shown}
            body = operation.get("requestBody")
            responses = {}
            for status, response in operation["responses"].items():
                content = response.get("content", {})
                media = next(iter(content), None)
                responses[status] = (media, normal(content[media]["schema"]) if media else None)
            found[f"{method.upper()} {path}"] = {
                "operation": operation["operationId"], "tags": operation["tags"], "parameters": parameters,
                "body": normal(body["content"]["application/json"]["schema"]) if body else None,
                "body_required": body["required"] if body else None, "responses": responses,
                "intent": operation.get("x-llm-intent"), "actor": operation.get("x-required-actor"),
                "bearer": "security" in operation and operation["security"] == [{"HTTPBearer": []}],
            }  # fmt: skip
    return found


def wire_operations() -> dict[str, dict[str, Any]]:
    """The documented operations."""
    found = {}
    for route in WIRE["routes"]:
        parameters = {
            (one["in"], one["name"]): theirs({key: value for key, value in one.items() if key not in ("in", "name")})
            for one in route.get("parameters", [])
        }
        body = route.get("body")
        found[f"{route['method']} {route['path']}"] = {
            "operation": route["operation"], "tags": route["tags"], "parameters": parameters,
            "body": theirs(body["schema"]) if body else None, "body_required": body["required"] if body else None,
            "responses": {
                status: (one.get("content_type"), theirs(one.get("schema")))
                for status, one in route["responses"].items()
            },
            "intent": route.get("x-llm-intent"), "actor": route.get("x-required-actor"),
            "bearer": route.get("security") == ["HTTPBearer"],
        }  # fmt: skip
    return found


def differences(document: dict[str, Any]) -> list[str]:
    """Everything that is not as documented, one line each."""
    ours, wanted, found = operations(document), wire_operations(), []
    for name in sorted(wanted.keys() | ours.keys()):
        if name not in ours or name not in wanted:
            found.append(f"{name}: {'missing' if name not in ours else 'ours only'}")
            continue
        for part in ("operation", "tags", "body", "body_required", "intent", "actor", "bearer"):
            if ours[name][part] != wanted[name][part]:
                found.append(f"{name} {part}: {ours[name][part]!r} instead of {wanted[name][part]!r}")
        for part in ("parameters", "responses"):
            for key in sorted(ours[name][part].keys() | wanted[name][part].keys(), key=str):
                mine, other = ours[name][part].get(key), wanted[name][part].get(key)
                if mine != other:
                    found.append(f"{name} {part} {key}: {mine!r} instead of {other!r}")
    schemas = {name: normal(schema) for name, schema in document["components"]["schemas"].items()}
    for name in sorted(schemas.keys() | WIRE["schemas"].keys()):
        mine, other = schemas.get(name), theirs(WIRE["schemas"].get(name))
        if mine is None or other is None:
            found.append(f"schema {name}: {'missing' if mine is None else 'ours only'}")
            continue
        names = set(mine.get("properties", {})) | set(other.get("properties", {}))
        for field in sorted(names):
            a, b = mine.get("properties", {}).get(field), other.get("properties", {}).get(field)
            if a != b:
                found.append(f"schema {name}.{field}: {a!r} instead of {b!r}")
        rest = {key for key in mine.keys() | other.keys() if key != "properties" and mine.get(key) != other.get(key)}
        for key in sorted(rest):
            found.append(f"schema {name} {key}: {mine.get(key)!r} instead of {other.get(key)!r}")
    return found
