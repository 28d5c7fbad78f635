"""Scalars, ids, and the small tools that all nouns use."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, NewType, TypeVar
from uuid import UUID

import strawberry
from strawberry.schema.config import StrawberryConfig

from api.domain.errors import Invalid

T = TypeVar("T")

#: An opaque position in the event log.
Cursor = NewType("Cursor", str)


def _write_time(value: datetime) -> str:
    """Stored times are naive UTC; the API says so with a `Z`."""
    return value.isoformat() + "Z" if value.tzinfo is None else value.astimezone(UTC).isoformat()


def _read_time(value: Any) -> datetime:
    if not isinstance(value, str):
        raise ValueError("A DateTime is a text like 2026-01-31T12:00:00Z.")
    parsed = datetime.fromisoformat(value)
    try:
        return parsed.astimezone(UTC).replace(tzinfo=None) if parsed.tzinfo else parsed
    except OverflowError:
        raise ValueError("The time is out of range.") from None


def _read_cursor(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("A Cursor is the opaque text that an answer or event gave.")
    return value


CONFIG = StrawberryConfig(
    scalar_map={
        datetime: strawberry.scalar(
            name="DateTime", description="A moment in RFC 3339 with `Z`, like 2026-01-31T12:00:00Z.",
            specified_by_url="https://scalars.graphql.org/andimarek/date-time.html",
            serialize=_write_time, parse_value=_read_time,
        ),
        Cursor: strawberry.scalar(
            name="Cursor", serialize=str, parse_value=_read_cursor,
            description="An opaque position in the event log: give it as `after` to a subscription to resume there.",
        ),
    },
)  # fmt: skip


def as_uuid(value: Any, name: str = "id") -> UUID:
    """The UUID an id argument holds. Raises `Invalid` for anything else."""
    try:
        return UUID(str(value))
    except ValueError:
        raise Invalid(f"{name} must be a UUID.", field=name, value=str(value)[:100]) from None


def as_uuids(values: Any, name: str) -> list[UUID] | None:
    """A list of ids as UUIDs; null stays null."""
    return None if values is None else [as_uuid(value, name) for value in values]


def optional_uuid(value: Any, name: str = "id") -> UUID | None:
    """An optional id argument."""
    return None if value is None else as_uuid(value, name)


@cache
def _plain_fields(cls: Any) -> tuple[str, ...]:
    return tuple(
        field.name for field in dataclasses.fields(cls)
        if field.init and getattr(field, "base_resolver", None) is None and field.name != "row"
    )  # fmt: skip


def shape(cls: type[T], row: Any, **values: Any) -> T:
    """An object type from a row: fields of the same name are copied, ids become texts, the rest is given."""
    fields: Any = _plain_fields
    for name in fields(cls):
        if name not in values:
            value = getattr(row, name)
            values[name] = str(value) if isinstance(value, UUID) else value
    make: Any = cls
    return make(row=row, **values)  # type: ignore[no-any-return]


def given(source: Any, *skip: str) -> dict[str, Any]:
    """The fields of an input that were given (null counts as given), enums as their values."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(source):
        value = getattr(source, field.name)
        if value is strawberry.UNSET or field.name in skip:
            continue
        found[field.name] = getattr(value, "value", value) if not isinstance(value, Mapping) else value
    return found


def optional(description: str) -> Any:
    """An input field that may be left out, which is not the same as null."""
    return strawberry.field(default=strawberry.UNSET, description=description)
