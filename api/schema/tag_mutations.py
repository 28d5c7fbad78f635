"""Changing tags and custom fields, and their REST resolvers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from api.domain import access
from api.domain.context import Context
from api.domain.custom_fields import definitions
from api.domain.custom_fields.tables import CustomFieldDefinition
from api.domain.paging import OffsetPage, by_ids, offset_page
from api.domain.tags import Tag as TagRow
from api.domain.tags import operations
from api.schema.batching import Info
from api.schema.mutations import DeletedPayload, Payload, TargetInput, delete_target, mutate
from api.schema.scalars import as_uuid, as_uuids, given, optional, optional_uuid
from api.schema.tags import CustomField, CustomFieldType, CustomFieldVisibility, Tag

# -- resolvers that REST rows use -------------------------------------------------------------------------------------


async def tag_page(ctx: Context, limit: int, offset: int) -> OffsetPage:
    """Tags of the active organisation."""
    listing = operations.listing(TagRow.organization_id == access.membership(ctx.actor).organization_id)
    page = await offset_page(ctx, listing, limit, offset)
    page.rows = [Tag.of(row) for row in page.rows]
    return page


async def tag(ctx: Context, tag_id: UUID) -> Tag:
    """One tag."""
    return Tag.of(await operations.find(ctx, tag_id))


async def create_tag(ctx: Context, draft: dict[str, Any]) -> Tag:
    """Make a tag."""
    return Tag.of(await operations.create(ctx, draft))


async def update_tag(ctx: Context, tag_id: UUID, change: dict[str, Any]) -> Tag:
    """Change a tag."""
    return Tag.of(await operations.update(ctx, tag_id, change))


async def delete_tag(ctx: Context, tag_id: UUID) -> None:
    """Take a tag away."""
    await operations.remove(ctx, tag_id)


async def field_list(ctx: Context) -> list[CustomField]:
    """Every field of the active organisation."""
    listing = definitions.listing(ctx)
    return [CustomField.of(row) for row in (await offset_page(ctx, listing, 10_000, 0)).rows]


async def create_field(ctx: Context, draft: dict[str, Any]) -> CustomField:
    """Define a field."""
    return CustomField.of(await definitions.create(ctx, draft))


async def update_field(ctx: Context, task_custom_field_definition_id: UUID, change: dict[str, Any]) -> CustomField:
    """Change a field."""
    return CustomField.of(await definitions.update(ctx, task_custom_field_definition_id, change))


async def delete_field(ctx: Context, task_custom_field_definition_id: UUID) -> None:
    """Take a field away."""
    await definitions.remove(ctx, task_custom_field_definition_id)


# -- GraphQL ----------------------------------------------------------------------------------------------------------


@strawberry.input(description="A new tag; administrators only.")
class CreateTagInput:
    """Input of `createTag`."""

    name: str = strawberry.field(description="Its name.")
    organization_id: strawberry.ID | None = optional("Whose tag; by default the active organisation's.")
    slug: str | None = optional("Its name for addresses; by default made from the name.")
    color: str = strawberry.field(default="9e9e9e", description="Six hex digits.")
    description: str | None = optional("What it means.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.input(description="What to change of a tag; omitted fields stay.")
class UpdateTagInput:
    """Input of `updateTag`."""

    id: strawberry.ID = strawberry.field(description="The tag.")
    name: str | None = optional("Its name; the slug stays.")
    slug: str | None = optional("Its name for addresses; null makes it from the name.")
    color: str | None = optional("Six hex digits.")
    description: str | None = optional("What it means; null clears.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.type(description="The tag.")
class TagPayload(Payload):
    """Payload of tag mutations."""

    tag: Tag = strawberry.field(description="The tag as it is now.")


@strawberry.input(description="A new custom field; administrators only.")
class CreateCustomFieldInput:
    """Input of `createCustomField`."""

    key: str = strawberry.field(description="Its name in values; cannot be changed later.")
    board_ids: list[strawberry.ID] = strawberry.field(description="At least one board whose tasks carry it.")
    organization_id: strawberry.ID | None = optional("Whose field; by default the active organisation's.")
    label: str | None = optional("Its name for people; by default the key.")
    type: CustomFieldType = strawberry.field(default=CustomFieldType.TEXT, description="What it holds.")
    visibility: CustomFieldVisibility = strawberry.field(
        default=CustomFieldVisibility.ALWAYS, description="When people see it."
    )
    validation_regex: str | None = optional("A pattern that the whole text must match; for texts, dates, addresses.")
    description: str | None = optional("What it is for.")
    required: bool = strawberry.field(default=False, description="Whether a task needs a value.")
    default_value: JSON | None = optional("The value of tasks that have none.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.input(description="What to change of a custom field; omitted fields stay.")
class UpdateCustomFieldInput:
    """Input of `updateCustomField`."""

    id: strawberry.ID = strawberry.field(description="The field.")
    board_ids: list[strawberry.ID] | None = optional("The boards that carry it; stored values of others stay.")
    label: str | None = optional("Its name for people.")
    type: CustomFieldType | None = optional("What it holds; stored values are not checked again.")
    visibility: CustomFieldVisibility | None = optional("When people see it.")
    validation_regex: str | None = optional("A pattern that the whole text must match; null clears.")
    description: str | None = optional("What it is for; null clears.")
    required: bool | None = optional("Whether a task needs a value.")
    default_value: JSON | None = optional("The value of tasks that have none; null clears.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.type(description="The custom field.")
class CustomFieldPayload(Payload):
    """Payload of custom field mutations."""

    custom_field: CustomField = strawberry.field(description="The field as it is now.")


@strawberry.type
class TagQuery:
    """Query fields of tags and custom fields."""

    @strawberry.field(description="One tag.")
    async def tag(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The tag's id.")]
    ) -> Tag | None:
        return await tag(info.context, as_uuid(id))


@strawberry.type
class TagMutation:
    """Mutations of tags and custom fields."""

    @strawberry.mutation(description="Make a tag; administrators only.")
    async def create_tag(self, info: Info, input: CreateTagInput) -> TagPayload:
        draft = given(input, "client_mutation_id", "organization_id")
        organization = optional_uuid(given(input).get("organization_id"), "organizationId")
        return await mutate(
            info, input, lambda: operations.create(info.context, draft, organization), _reload_tags,
            lambda row: {"tag": Tag.of(row)}, TagPayload,
        )  # fmt: skip

    @strawberry.mutation(description="Change a tag; administrators only.")
    async def update_tag(self, info: Info, input: UpdateTagInput) -> TagPayload:
        change = given(input, "id", "client_mutation_id")
        return await mutate(
            info, input, lambda: operations.update(info.context, as_uuid(input.id), change), _reload_tags,
            lambda row: {"tag": Tag.of(row)}, TagPayload,
        )  # fmt: skip

    @strawberry.mutation(description="Take a tag away, also from its tasks; administrators only.")
    async def delete_tag(self, info: Info, input: TargetInput) -> DeletedPayload:
        return await delete_target(info, input, operations.remove)

    @strawberry.mutation(description="Define a custom field and bind it to boards; administrators only.")
    async def create_custom_field(self, info: Info, input: CreateCustomFieldInput) -> CustomFieldPayload:
        draft = _definition(given(input, "client_mutation_id", "organization_id"))
        organization = optional_uuid(given(input).get("organization_id"), "organizationId")
        return await mutate(
            info, input, lambda: definitions.create(info.context, draft, organization), _reload_fields,
            lambda row: {"custom_field": CustomField.of(row)}, CustomFieldPayload,
        )  # fmt: skip

    @strawberry.mutation(description="Change a custom field; administrators only.")
    async def update_custom_field(self, info: Info, input: UpdateCustomFieldInput) -> CustomFieldPayload:
        change = _definition(given(input, "id", "client_mutation_id"))
        return await mutate(
            info, input, lambda: definitions.update(info.context, as_uuid(input.id), change), _reload_fields,
            lambda row: {"custom_field": CustomField.of(row)}, CustomFieldPayload,
        )  # fmt: skip

    @strawberry.mutation(description="Take a custom field away; refused while tasks have values of it.")
    async def delete_custom_field(self, info: Info, input: TargetInput) -> DeletedPayload:
        return await delete_target(info, input, definitions.remove)


def _definition(values: dict[str, Any]) -> dict[str, Any]:
    renamed = {"key": "field_key", "type": "field_type", "visibility": "ui_visibility"}
    found = {renamed.get(name, name): value for name, value in values.items()}
    if "board_ids" in found:
        found["board_ids"] = as_uuids(found["board_ids"], "boardIds")
    return found


def _mine(ctx: Context, column: Any) -> Any:
    return column.in_(list(access.person(ctx.actor).memberships))


async def _reload_tags(ctx: Context, ids: Sequence[UUID]) -> dict[Any, Any]:
    return await by_ids(ctx, TagRow, ids, _mine(ctx, TagRow.organization_id))


async def _reload_fields(ctx: Context, ids: Sequence[UUID]) -> dict[Any, Any]:
    return await by_ids(ctx, CustomFieldDefinition, ids, _mine(ctx, CustomFieldDefinition.organization_id))
