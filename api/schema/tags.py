"""Tags and custom fields as GraphQL sees them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

import strawberry
from sqlalchemy import select
from strawberry.scalars import JSON

from api.domain.boards import operations as boards
from api.domain.context import Context
from api.domain.custom_fields import definitions
from api.domain.custom_fields.tables import BoardCustomField, CustomFieldDefinition
from api.domain.tags import Tag as TagRow
from api.domain.tags import operations
from api.schema.batching import batch_field
from api.schema.node import Node
from api.schema.scalars import as_uuid, shape


async def load_task_counts(ctx: Context, tags: Sequence[Tag]) -> list[int]:
    """How many tasks carry each tag."""
    ids = [as_uuid(tag.id) for tag in tags]
    counts = await operations.task_counts(ctx, ids)
    return [counts.get(tag_id, 0) for tag_id in ids]


@strawberry.type(description="A label of an organisation.")
class Tag(Node):
    """A row of `tags`, or what a task shows of it."""

    row: strawberry.Private[Any]
    name: str = strawberry.field(description="Its name.")
    slug: str = strawberry.field(description="Its name for addresses, unique in the organisation.")
    color: str = strawberry.field(description="Six lower-case hex digits.")
    description: str | None = strawberry.field(description="What it means.")
    task_count: int = batch_field(load_task_counts, description="How many tasks of the organisation carry it.")

    @classmethod
    def of(cls, row: Any) -> Tag:
        """From a row or a reference on a task."""
        return shape(cls, row)


@strawberry.enum(description="What a custom field holds.")
class CustomFieldType(Enum):
    """The nine types."""

    TEXT = strawberry.enum_value("text", description="A line of text.")
    TEXT_LONG = strawberry.enum_value("text_long", description="Text of any length.")
    INTEGER = strawberry.enum_value("integer", description="A whole number.")
    DECIMAL = strawberry.enum_value("decimal", description="A number.")
    BOOLEAN = strawberry.enum_value("boolean", description="True or false.")
    DATE = strawberry.enum_value("date", description="A date, YYYY-MM-DD.")
    DATE_TIME = strawberry.enum_value("date_time", description="A date with time.")
    URL = strawberry.enum_value("url", description="An http or https address.")
    JSON = strawberry.enum_value("json", description="An object or array.")


@strawberry.enum(description="When people see a custom field.")
class CustomFieldVisibility(Enum):
    """Three."""

    ALWAYS = strawberry.enum_value("always", description="Always.")
    IF_SET = strawberry.enum_value("if_set", description="Only when it has a value.")
    HIDDEN = strawberry.enum_value("hidden", description="Never; for programs.")


async def load_bound_boards(ctx: Context, fields: Sequence[CustomField]) -> list[list[strawberry.ID]]:
    """The boards of each field."""
    found = await definitions.boards_of(ctx, [field.row.id for field in fields])
    return [[strawberry.ID(str(board_id)) for board_id in found[field.row.id]] for field in fields]


@strawberry.type(description="A field that tasks of certain boards carry.")
class CustomField(Node):
    """A row of `task_custom_field_definitions`."""

    row: strawberry.Private[Any]
    key: str = strawberry.field(description="Its name in values, unique in the organisation.")
    label: str = strawberry.field(description="Its name for people.")
    type: CustomFieldType = strawberry.field(description="What it holds.")
    description: str | None = strawberry.field(description="What it is for.")
    required: bool = strawberry.field(description="Whether a task needs a value.")
    visibility: CustomFieldVisibility = strawberry.field(description="When people see it.")
    validation_regex: str | None = strawberry.field(description="The pattern that the whole text must match.")
    default_value: JSON | None = strawberry.field(description="The value of tasks that have none.")
    created_at: datetime = strawberry.field(description="When it was made.")
    updated_at: datetime = strawberry.field(description="When it changed last.")
    board_ids: list[strawberry.ID] = batch_field(load_bound_boards, description="The boards whose tasks carry it.")

    @classmethod
    def of(cls, row: CustomFieldDefinition) -> CustomField:
        """From a row."""
        visibility = CustomFieldVisibility(row.ui_visibility)
        return shape(cls, row, key=row.field_key, type=CustomFieldType(row.field_type), visibility=visibility)


@strawberry.type(description="A task's value of a custom field.")
class CustomFieldValue:
    """A value, else the field's default, else null."""

    key: str = strawberry.field(description="The field's key.")
    label: str = strawberry.field(description="The field's label.")
    type: CustomFieldType = strawberry.field(description="What the field holds.")
    value: JSON | None = strawberry.field(description="The stored value, else the default.")


async def load_board_tags(ctx: Context, boards: Sequence[Any]) -> list[list[Tag]]:
    """The tags that tasks of each board may carry: those of its organisation."""
    organizations = {board.row.organization_id for board in boards}
    rows = await ctx.all(select(TagRow).where(TagRow.organization_id.in_(organizations)).order_by(*_by_name()))
    return [[Tag.of(row) for row in rows if row.organization_id == board.row.organization_id] for board in boards]


def _by_name() -> list[Any]:
    return [key.expression for key in operations.listing().keys]


async def load_board_fields(ctx: Context, boards: Sequence[Any]) -> list[list[CustomField]]:
    """The fields bound to each board."""
    rows = await ctx.rows(
        select(BoardCustomField.board_id, CustomFieldDefinition)
        .join(
            CustomFieldDefinition,
            CustomFieldDefinition.id == BoardCustomField.task_custom_field_definition_id,
        )
        .where(BoardCustomField.board_id.in_([board.row.id for board in boards]))
        .order_by(CustomFieldDefinition.created_at, CustomFieldDefinition.id)
    )
    found: dict[UUID, list[CustomField]] = {board.row.id: [] for board in boards}
    for board_id, definition in rows:
        found[board_id].append(CustomField.of(definition))
    return [found[board.row.id] for board in boards]


async def board_tags(ctx: Context, board_id: UUID) -> list[Tag]:
    """The tags of a board the caller reads, for REST."""
    board = await boards.readable(ctx, board_id)
    rows = await ctx.all(select(TagRow).where(TagRow.organization_id == board.organization_id).order_by(*_by_name()))
    return [Tag.of(row) for row in rows]
