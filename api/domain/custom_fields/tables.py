"""Custom fields: defined by an organisation, bound to boards, filled on tasks."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from api.domain.database.base import Base, Created, Id

FIELD_TYPES = ("text", "text_long", "integer", "decimal", "boolean", "date", "date_time", "url", "json")
VISIBILITIES = ("always", "if_set", "hidden")


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


class CustomFieldDefinition(Base):
    """A field that tasks of the bound boards carry."""

    __tablename__ = "task_custom_field_definitions"
    id: Mapped[Id]
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"), index=True)
    field_key: Mapped[str] = mapped_column(index=True)
    label: Mapped[str]
    field_type: Mapped[str] = mapped_column(default="text", server_default="text")
    ui_visibility: Mapped[str] = mapped_column(default="always", server_default="always")
    validation_regex: Mapped[str | None]
    description: Mapped[str | None]
    required: Mapped[bool] = mapped_column(default=False)
    default_value: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[Created]
    updated_at: Mapped[Created]

    __table_args__ = (
        UniqueConstraint("organization_id", "field_key", name="uq_tcf_def_org_key"),
        CheckConstraint(_one_of("field_type", FIELD_TYPES), name="field_type"),
        CheckConstraint(_one_of("ui_visibility", VISIBILITIES), name="ui_visibility"),
    )


class BoardCustomField(Base):
    """A field bound to a board."""

    __tablename__ = "board_task_custom_fields"
    id: Mapped[Id]
    board_id: Mapped[UUID] = mapped_column(ForeignKey("boards.id"), index=True)
    task_custom_field_definition_id: Mapped[UUID] = mapped_column(
        ForeignKey("task_custom_field_definitions.id"), index=True
    )
    created_at: Mapped[Created]

    __table_args__ = (UniqueConstraint("board_id", "task_custom_field_definition_id", name="uq_board_tcf_binding"),)


class CustomFieldValue(Base):
    """The value of a field on a task; a null value is no row."""

    __tablename__ = "task_custom_field_values"
    id: Mapped[Id]
    task_id: Mapped[UUID] = mapped_column(ForeignKey("tasks.id"), index=True)
    task_custom_field_definition_id: Mapped[UUID] = mapped_column(
        ForeignKey("task_custom_field_definitions.id"), index=True
    )
    value: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[Created]
    updated_at: Mapped[Created]

    __table_args__ = (UniqueConstraint("task_id", "task_custom_field_definition_id", name="uq_tcf_values_task_def"),)
