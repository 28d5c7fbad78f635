"""Inputs, filters and orders of boards."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any

import strawberry
from sqlalchemy import ColumnElement, func
from strawberry.scalars import JSON

from api.domain.boards.tables import Board as BoardRow
from api.domain.paging import Order
from api.schema.scalars import as_uuid, as_uuids, optional


@strawberry.enum(description="Orders of boards.")
class BoardOrder(Enum):
    """Keys of an order."""

    NAME = strawberry.enum_value("name", description="By name.")
    NAME_DESC = strawberry.enum_value("name_desc", description="By name, backwards.")
    CREATED_AT = strawberry.enum_value("created_at", description="Oldest first.")
    CREATED_AT_DESC = strawberry.enum_value("created_at_desc", description="Newest first.")

    @property
    def key(self) -> Order:
        """The order as SQL."""
        name = str(self.value).removesuffix("_desc")
        expression: Any = func.lower(BoardRow.name) if name == "name" else BoardRow.created_at
        return Order(expression, str(self.value).endswith("_desc"))


@strawberry.input(description="Which boards; conditions add up.")
class BoardFilter:
    """Filter of boards."""

    organization_id: strawberry.ID | None = strawberry.field(
        default=None, description="The organisation; by default the active one."
    )
    ids: list[strawberry.ID] | None = strawberry.field(default=None, description="Only these boards.")
    group_id: strawberry.ID | None = strawberry.field(default=None, description="Boards of this group.")
    gateway_id: strawberry.ID | None = strawberry.field(default=None, description="Boards of this gateway.")
    name_contains: str | None = strawberry.field(default=None, description="A part of the name, in any case.")

    def conditions(self) -> list[ColumnElement[bool]]:
        """The filter as SQL."""
        where: list[ColumnElement[bool]] = []
        if (ids := as_uuids(self.ids, "ids")) is not None:
            where.append(BoardRow.id.in_(ids))
        if self.group_id is not None:
            where.append(BoardRow.board_group_id == as_uuid(self.group_id, "groupId"))
        if self.gateway_id is not None:
            where.append(BoardRow.gateway_id == as_uuid(self.gateway_id, "gatewayId"))
        if self.name_contains:
            where.append(BoardRow.name.icontains(self.name_contains, autoescape=True))
        return where


@strawberry.input(description="The gates of a board; omitted ones stay as they are.")
class BoardSettingsInput:
    """Part of board inputs."""

    require_approval_for_done: bool | None = optional("Done needs an approved approval.")
    require_review_before_done: bool | None = optional("Done only from review.")
    comment_required_for_review: bool | None = optional("Review needs a comment with it.")
    block_status_changes_with_pending_approval: bool | None = optional("A pending approval holds a task.")
    only_lead_can_change_status: bool | None = optional("Workers may not change statuses.")
    max_agents: int | None = optional("How many workers the lead may make.")
    stalled_release_minutes: int | None = optional("Put stalled tasks back after so many minutes; null never.")


@strawberry.input(description="A new board.")
class CreateBoardInput:
    """Input of `createBoard`."""

    name: str = strawberry.field(description="Its name.")
    slug: str = strawberry.field(description="Its name for addresses.")
    description: str = strawberry.field(description="What happens here; not blank.")
    organization_id: strawberry.ID | None = optional("Whose board; by default the active organisation's.")
    type: str | None = strawberry.field(default="goal", description="goal, general, or a word of your own.")
    objective: str | None = optional("What it works towards.")
    success_metrics: JSON | None = optional("How success is measured.")
    target_date: datetime | None = optional("By when.")
    goal_confirmed: bool = strawberry.field(default=False, description="A confirmed goal needs objective and metrics.")
    goal_source: str | None = optional("Where the goal came from.")
    group_id: strawberry.ID | None = optional("A group of the organisation.")
    gateway_id: strawberry.ID | None = optional("A gateway of the organisation; boards work without one.")
    settings: BoardSettingsInput | None = strawberry.field(default=None, description="The gates.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.input(description="What to change of a board; omitted fields stay, null clears.")
class UpdateBoardInput:
    """Input of `updateBoard`."""

    id: strawberry.ID = strawberry.field(description="The board.")
    name: str | None = optional("Its name.")
    slug: str | None = optional("Its name for addresses.")
    description: str | None = optional("What happens here.")
    type: str | None = optional("goal, general, or a word of your own.")
    objective: str | None = optional("What it works towards.")
    success_metrics: JSON | None = optional("How success is measured.")
    target_date: datetime | None = optional("By when.")
    goal_confirmed: bool | None = optional("Whether people confirmed the goal.")
    goal_source: str | None = optional("Where the goal came from.")
    group_id: strawberry.ID | None = optional("A group of the organisation; null leaves the group.")
    gateway_id: strawberry.ID | None = optional("A gateway of the organisation.")
    settings: BoardSettingsInput | None = strawberry.field(default=None, description="The gates.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")


@strawberry.input(description="A board to take away.")
class DeleteBoardInput:
    """Input of `deleteBoard`."""

    id: strawberry.ID = strawberry.field(description="The board.")
    client_mutation_id: str | None = optional("An idempotency key, good for a day.")
