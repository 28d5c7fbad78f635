"""Finding and ordering tasks by their custom fields, as SQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Float, String, and_, case, cast, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from api.domain.custom_fields.tables import BoardCustomField, CustomFieldDefinition, CustomFieldValue
from api.domain.paging import Order
from api.domain.tasks.tables import Task


def value_of(key: str) -> Any:
    """A task's value of the field with this key, else the field's default, else null; for the task of the query."""
    stored = cast(CustomFieldValue.value, JSONB)
    return (
        select(func.coalesce(stored, cast(CustomFieldDefinition.default_value, JSONB)))
        .select_from(BoardCustomField)
        .join(CustomFieldDefinition, CustomFieldDefinition.id == BoardCustomField.task_custom_field_definition_id)
        .outerjoin(
            CustomFieldValue,
            and_(
                CustomFieldValue.task_id == Task.id,
                CustomFieldValue.task_custom_field_definition_id == CustomFieldDefinition.id,
            ),
        )
        .where(BoardCustomField.board_id == Task.board_id, CustomFieldDefinition.field_key == key)
        .limit(1).correlate(Task).scalar_subquery()
    )  # fmt: skip


def _number(value: Any) -> Any:
    """The value as a number; null for anything else."""
    return case((func.jsonb_typeof(value) == "number", cast(cast(value, String), Float)))


def _text(value: Any) -> Any:
    """The value as text, without the quotes of a JSON string."""
    return value.op("#>>", return_type=String())(literal([], ARRAY(String())))


def equals(key: str, value: Any) -> Any:
    """The value is exactly this one."""
    return value_of(key) == cast(literal(value, JSONB), JSONB)


def is_set(key: str) -> Any:
    """The task has a value, its own or the default."""
    return value_of(key).is_not(None)


def between(key: str, at_least: float | None, below: float | None) -> list[Any]:
    """The value is a number within the bounds."""
    number = _number(value_of(key))
    found = [number >= at_least] if at_least is not None else []
    return [*found, *([number < below] if below is not None else [])]


def contains(key: str, text: str) -> Any:
    """The value's text contains this one, in any case."""
    return _text(value_of(key)).cast(String).icontains(text, autoescape=True)


def order(key: str, *, descending: bool = False) -> tuple[Order, ...]:
    """By the field's value: numbers by size, the rest by text; tasks without a value come last."""
    value = value_of(key)
    missing = case((value.is_(None), 1), else_=0)
    number = func.coalesce(_number(value), literal(0.0))
    text = func.coalesce(_text(value).cast(String), literal(""))
    return Order(missing), Order(number, descending), Order(text, descending)
