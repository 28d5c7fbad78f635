"""Whether a value fits a custom field; pure, except that a regular expression may run out of time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

import regex

from api.domain.errors import Invalid

REGEX_SECONDS = 0.1


class Definition(Protocol):
    """The part of a definition that values are checked against."""

    field_key: str
    field_type: str
    validation_regex: str | None
    required: bool
    default_value: Any


def problem(definition: Definition, value: Any) -> str | None:
    """Why a value does not fit, or None. Null always fits here; whether it may be absent is `merge`'s question."""
    if value is None:
        return None
    wrong = _PROBLEMS[definition.field_type](value)
    if wrong is None and definition.validation_regex and isinstance(value, str):
        try:
            if regex.fullmatch(definition.validation_regex, value, timeout=REGEX_SECONDS) is None:
                return "does not match the field's pattern"
        except (TimeoutError, regex.error, RecursionError):
            return "could not be checked against the field's pattern"
    return wrong


def merge(
    definitions: Mapping[str, Definition],
    stored: Mapping[str, Any],
    sent: Mapping[str, Any],
    *,
    creating: bool,
) -> dict[str, Any]:
    """The values to store after `sent` (null deletes). Raises `Invalid` for unknown, unfit or missing ones."""
    unknown = sorted(set(sent) - set(definitions))
    if unknown:
        message = "The board has no such custom field."
        raise Invalid(message, detail={"message": message, "unknown_field_keys": unknown}, unknown_field_keys=unknown)
    for key, value in sent.items():
        reason = problem(definitions[key], value)
        if reason is not None:
            message = f"The value of {key!r} {reason}."
            detail = {
                "message": message, "field_key": key, "field_type": definitions[key].field_type, "reason": reason,
            }  # fmt: skip
            raise Invalid(message, detail=detail, field_key=key)
    result = {key: value for key, value in {**stored, **sent}.items() if value is not None and key in definitions}
    if creating:
        for key, definition in definitions.items():
            if key not in sent and definition.default_value is not None:
                result[key] = definition.default_value
    # A value cleared with null is missing when it is required; one never set falls back to the default.
    cleared = {key for key, value in sent.items() if value is None}
    missing = sorted(
        key for key, definition in definitions.items()
        if definition.required and result.get(key) is None and (key in cleared or definition.default_value is None)
    )  # fmt: skip
    if missing:
        message = "Required custom fields have no value."
        raise Invalid(message, detail={"message": message, "missing_field_keys": missing}, missing_field_keys=missing)
    return result


def _is_text(value: Any) -> str | None:
    return None if isinstance(value, str) else "must be a text"


def _is_integer(value: Any) -> str | None:
    return None if isinstance(value, int) and not isinstance(value, bool) else "must be an integer"


def _is_decimal(value: Any) -> str | None:
    return None if isinstance(value, int | float) and not isinstance(value, bool) else "must be a number"


def _is_boolean(value: Any) -> str | None:
    return None if isinstance(value, bool) else "must be true or false"


def _is_date(value: Any) -> str | None:
    try:
        date.fromisoformat(value)
    except (TypeError, ValueError):
        return "must be a date like 2026-01-31"
    return None


def _is_date_time(value: Any) -> str | None:
    try:
        datetime.fromisoformat(value.strip().replace("Z", "+00:00"))
    except (AttributeError, TypeError, ValueError):
        return "must be a date and time like 2026-01-31T12:00:00Z"
    return None


def _is_url(value: Any) -> str | None:
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
    except ValueError:
        parts = None
    return None if parts and parts.scheme in ("http", "https") and parts.hostname else "must be an http or https URL"


def _is_json(value: Any) -> str | None:
    return None if isinstance(value, dict | list) else "must be an object or an array"


_PROBLEMS = {
    "text": _is_text, "text_long": _is_text, "integer": _is_integer, "decimal": _is_decimal, "boolean": _is_boolean,
    "date": _is_date, "date_time": _is_date_time, "url": _is_url, "json": _is_json,
}  # fmt: skip
