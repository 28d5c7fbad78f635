"""Tags and custom fields."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field, model_validator

from api.rest_compat.wire.base import Model, NonBlank

_TYPES = {
    "text (long)": "text_long", "long_text": "text_long", "true/false": "boolean", "date & time": "date_time",
    "datetime": "date_time",
}  # fmt: skip


def _word(value: Any, aliases: dict[str, str]) -> Any:
    word = value.strip().lower() if isinstance(value, str) else value
    return aliases.get(word, word) if isinstance(word, str) else word


#: Written in any case, and with the names that forms show.
FieldType = Annotated[
    Literal["text", "text_long", "integer", "decimal", "boolean", "date", "date_time", "url", "json"],
    BeforeValidator(lambda value: _word(value, _TYPES)),
]
Visibility = Annotated[
    Literal["always", "if_set", "hidden"], BeforeValidator(lambda value: _word(value, {"if set": "if_set"}))
]


class TagRef(Model):
    """A tag as tasks show it."""

    id: UUID
    name: str
    slug: str
    color: str


class TagCreate(Model):
    """A new tag."""

    name: NonBlank
    color: str = "9e9e9e"
    description: str | None = None
    slug: str | None = None


class TagUpdate(Model):
    """What to change of a tag."""

    color: str | None = None
    description: str | None = None
    name: NonBlank | None = None
    slug: str | None = None


class TagRead(Model):
    """A tag."""

    id: UUID
    created_at: datetime
    name: str
    organization_id: UUID
    slug: str
    updated_at: datetime
    color: str = "9e9e9e"
    description: str | None = None
    task_count: int = 0


class TaskCustomFieldDefinitionCreate(Model):
    """A new custom field."""

    board_ids: list[UUID] = Field(min_length=1)
    field_key: NonBlank
    default_value: Any | None = None
    description: str | None = None
    field_type: FieldType = "text"
    label: NonBlank | None = None
    required: bool = False
    ui_visibility: Visibility = "always"
    validation_regex: str | None = None


class TaskCustomFieldDefinitionUpdate(Model):
    """What to change of a custom field."""

    board_ids: list[UUID] | None = None
    default_value: Any | None = None
    description: str | None = None
    field_type: FieldType | None = None
    label: NonBlank | None = None
    required: bool | None = None
    ui_visibility: Visibility | None = None
    validation_regex: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _keeps_its_key(cls, values: Any) -> Any:
        if isinstance(values, dict) and "field_key" in values:
            raise ValueError("field_key cannot be changed")
        return values


class TaskCustomFieldDefinitionRead(Model):
    """A custom field."""

    id: UUID
    created_at: datetime
    field_key: str
    field_type: FieldType
    label: str
    organization_id: UUID
    ui_visibility: Visibility
    updated_at: datetime
    board_ids: list[UUID] = Field(default_factory=list)
    default_value: Any | None = None
    description: str | None = None
    required: bool = False
    validation_regex: str | None = None
