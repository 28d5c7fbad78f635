"""Custom fields of an organisation: defined, bound to boards, taken away."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import regex
from sqlalchemy import delete, func, select

from api.domain import access
from api.domain.boards.tables import Board
from api.domain.context import Context
from api.domain.custom_fields import rules
from api.domain.custom_fields.tables import BoardCustomField, CustomFieldDefinition, CustomFieldValue
from api.domain.errors import Code, Conflict, Invalid, NotFound, field_error
from api.domain.paging import Listing, Order, among

#: The types whose values a pattern can be asked of.
PATTERNED = {"text", "text_long", "date", "date_time", "url"}
REQUIRED = ("label", "field_type", "ui_visibility", "required")


def listing(ctx: Context, *organization_ids: UUID) -> Listing:
    """The fields of organisations (default: the caller's), by label."""
    ids = organization_ids or (access.organization_of(ctx.actor),)
    order = (Order(func.lower(CustomFieldDefinition.label)), Order(CustomFieldDefinition.created_at))
    where = (CustomFieldDefinition.organization_id.in_(ids),)
    return Listing(CustomFieldDefinition, order, where, CustomFieldDefinition.organization_id)


async def boards_of(ctx: Context, field_ids: Sequence[UUID]) -> dict[UUID, list[UUID]]:
    """The boards each field is bound to, in the order of binding."""
    found: dict[UUID, list[UUID]] = {field_id: [] for field_id in field_ids}
    rows = await ctx.rows(
        select(BoardCustomField.task_custom_field_definition_id, BoardCustomField.board_id)
        .where(among(BoardCustomField.task_custom_field_definition_id, field_ids))
        .order_by(BoardCustomField.created_at, BoardCustomField.board_id)
    )
    for field_id, board_id in rows:
        found[field_id].append(board_id)
    return found


async def create(ctx: Context, draft: Mapping[str, Any], organization_id: UUID | None = None) -> CustomFieldDefinition:
    """Define a field and bind it to boards; administrators only. Raises `Conflict` for a key in use."""
    member = access.administrator(ctx.actor, organization_id)
    key = (draft.get("field_key") or "").strip()
    if not key or len(key) > 200:
        raise field_error("field_key", "field_key must have 1 to 200 characters", draft.get("field_key"))
    moment = ctx.now()
    row = CustomFieldDefinition(
        id=uuid4(), organization_id=member.organization_id, field_key=key,
        label=(draft.get("label") or "").strip() or key, field_type=draft.get("field_type", "text"),
        ui_visibility=draft.get("ui_visibility", "always"), validation_regex=_pattern(draft.get("validation_regex")),
        description=draft.get("description"), required=draft.get("required", False),
        default_value=draft.get("default_value"), created_at=moment, updated_at=moment,
    )  # fmt: skip
    check(row)
    boards = list(dict.fromkeys(draft.get("board_ids") or ()))
    if not boards:
        raise field_error("board_ids", "board_ids must name at least one board")
    async with ctx.write():
        await ctx.lock_key("custom-fields", member.organization_id)
        await _check_boards(ctx, member.organization_id, boards)
        same = (CustomFieldDefinition.organization_id == member.organization_id, CustomFieldDefinition.field_key == key)
        if await ctx.one(select(CustomFieldDefinition.id).where(*same)):
            raise Conflict("A field of the organisation has this key.", code=Code.NAME_TAKEN)
        ctx.add(row)
        await ctx.flush()
        await _bind(ctx, row.id, boards)
        ctx.emit("field.created", subject_id=row.id, organization_id=row.organization_id)
    return row


async def update(ctx: Context, field_id: UUID, change: Mapping[str, Any]) -> CustomFieldDefinition:
    """Change what was given; the result must fit together, stored values are left alone. Administrators only."""
    if "field_key" in change:
        raise field_error("field_key", "field_key cannot be changed", change["field_key"])
    if not change:
        raise field_error("", "give at least one field")
    for name in REQUIRED:
        if name in change and change[name] is None:
            raise field_error(name, f"{name} must not be null")
    async with ctx.write():
        row = await _locked(ctx, field_id)
        if "label" in change:
            row.label = change["label"].strip()
            if not row.label:
                raise field_error("label", "label must not be blank", change["label"])
        for name in ("field_type", "ui_visibility", "required", "description", "default_value"):
            if name in change:
                setattr(row, name, change[name])
        if "validation_regex" in change:
            row.validation_regex = _pattern(change["validation_regex"])
        check(row)
        if change.get("board_ids") is not None:
            boards = list(dict.fromkeys(change["board_ids"]))
            if not boards:
                raise field_error("board_ids", "board_ids must name at least one board", [])
            await _check_boards(ctx, row.organization_id, boards)
            await ctx.run(delete(BoardCustomField).where(
                BoardCustomField.task_custom_field_definition_id == row.id, BoardCustomField.board_id.not_in(boards)
            ))  # fmt: skip
            held = set((await boards_of(ctx, [row.id]))[row.id])
            await _bind(ctx, row.id, [board_id for board_id in boards if board_id not in held])
        row.updated_at = ctx.now()
        ctx.emit("field.updated", subject_id=row.id, organization_id=row.organization_id)
    return row


async def remove(ctx: Context, field_id: UUID) -> None:
    """Take a field away; refused while any task has a value of it. Administrators only."""
    async with ctx.write():
        row = await _locked(ctx, field_id)
        used = select(CustomFieldValue.id).where(CustomFieldValue.task_custom_field_definition_id == row.id).limit(1)
        if await ctx.one(used):
            raise Conflict("Tasks have values of this field; clear them first.", code=Code.IN_USE)
        await ctx.run(delete(BoardCustomField).where(BoardCustomField.task_custom_field_definition_id == row.id))
        ctx.emit("field.deleted", subject_id=row.id, organization_id=row.organization_id)
        await ctx.session.delete(row)


def check(row: CustomFieldDefinition) -> None:
    """Type, pattern and default of a definition fit together, else `Invalid`."""
    if row.validation_regex and row.field_type not in PATTERNED:
        raise Invalid(f"A field of type {row.field_type} cannot have validation_regex.")
    reason = rules.problem(row, row.default_value)
    if reason is not None:
        raise Invalid(f"default_value {reason}.")


def _pattern(text: str | None) -> str | None:
    pattern = (text or "").strip()
    if not pattern:
        return None
    if len(pattern) > 1000:
        raise field_error("validation_regex", "validation_regex has at most 1000 characters")
    try:
        re.compile(pattern)
        regex.compile(pattern)
    except (re.error, regex.error, RecursionError, OverflowError) as error:
        raise field_error("validation_regex", f"validation_regex is not a pattern: {error}", text) from None
    return pattern


async def _locked(ctx: Context, field_id: UUID) -> CustomFieldDefinition:
    access.signed_in(ctx.actor)
    row: CustomFieldDefinition | None = await ctx.one(
        select(CustomFieldDefinition).where(CustomFieldDefinition.id == field_id).with_for_update()
    )
    if row is None or not access.sees_organization(ctx.actor, row.organization_id):
        raise NotFound()
    access.administrator(ctx.actor, row.organization_id)
    return row


async def _check_boards(ctx: Context, organization_id: UUID, boards: Sequence[UUID]) -> None:
    known = set(await ctx.all(select(Board.id).where(Board.id.in_(boards), Board.organization_id == organization_id)))
    invalid = sorted(str(board_id) for board_id in boards if board_id not in known)
    if invalid:
        message = "Some boards are not of this organisation."
        raise Invalid(message, detail={"message": message, "invalid_board_ids": invalid}, invalid_board_ids=invalid)


async def _bind(ctx: Context, field_id: UUID, boards: Sequence[UUID]) -> None:
    for index, board_id in enumerate(boards):
        created = ctx.now() + timedelta(microseconds=index)  # keeps the order
        ctx.add(
            BoardCustomField(
                id=uuid4(), board_id=board_id, task_custom_field_definition_id=field_id, created_at=created
            )
        )  # fmt: skip
    await ctx.flush()
