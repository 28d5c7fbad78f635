"""Gateways as GraphQL sees them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import strawberry

from api.domain.boards.tables import Gateway as GatewayRow
from api.schema.node import Node
from api.schema.scalars import shape


@strawberry.type(description="An OpenClaw gateway, where agents live.")
class Gateway(Node):
    """A row of `gateways`."""

    row: strawberry.Private[Any]
    name: str = strawberry.field(description="Its name.")
    created_at: datetime = strawberry.field(description="When it was registered.")

    @classmethod
    def of(cls, row: GatewayRow) -> Gateway:
        """From a row."""
        return shape(cls, row)
