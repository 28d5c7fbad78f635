"""Custom field values on tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete, select

from api.domain.context import Context
from api.domain.custom_fields import rules
from api.domain.custom_fields.tables import BoardCustomField, CustomFieldDefinition, CustomFieldValue


async def bound(ctx: Context, board_id: UUID) -> dict[str, CustomFieldDefinition]:
    """The fields bound to a board, by key."""
    found = await ctx.all(
        select(CustomFieldDefinition)
        .join(BoardCustomField, BoardCustomField.task_custom_field_definition_id == CustomFieldDefinition.id)
        .where(BoardCustomField.board_id == board_id)
        .order_by(CustomFieldDefinition.created_at, CustomFieldDefinition.id)
    )
    return {definition.field_key: definition for definition in found}


async def store(
    ctx: Context, task_id: UUID, board_id: UUID, sent: Mapping[str, Any], *, creating: bool = False
) -> None:
    """Merge the sent values into the task's. Raises `Invalid` with the contract's detail."""
    definitions = await bound(ctx, board_id)
    if not definitions and not sent:
        return
    rows = await ctx.all(select(CustomFieldValue).where(CustomFieldValue.task_id == task_id))
    keys = {definition.id: key for key, definition in definitions.items()}
    stored = {
        keys[row.task_custom_field_definition_id]: row for row in rows if row.task_custom_field_definition_id in keys
    }
    before = {key: row.value for key, row in stored.items()}
    after = rules.merge(definitions, before, sent, creating=creating)
    moment = ctx.now()
    for key in before.keys() - after.keys():
        await ctx.run(delete(CustomFieldValue).where(CustomFieldValue.id == stored[key].id))
    for key, value in after.items():
        if key not in before:
            definition_id = definitions[key].id
            ctx.add(
                CustomFieldValue(
                    id=uuid4(), task_id=task_id, task_custom_field_definition_id=definition_id, value=value,
                    created_at=moment, updated_at=moment,
                )
            )  # fmt: skip
        elif before[key] != value:
            stored[key].value, stored[key].updated_at = value, moment
