"""Who holds the connection to a gateway, and how it is."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from api.domain.database.base import Base, LongText


class GatewayLink(Base):
    """A gateway's connection: one process has the lease and renews it; another may take it once it has expired.

    `state` is `connecting`, `connected` or `failed` (then with `error` and its `error_code`).
    """

    __tablename__ = "gateway_links"
    gateway_id: Mapped[UUID] = mapped_column(ForeignKey("gateways.id", ondelete="CASCADE"), primary_key=True)
    holder: Mapped[UUID | None]
    expires_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(default="connecting")
    error: Mapped[LongText | None]
    error_code: Mapped[str | None]
    version: Mapped[str | None]
    protocol: Mapped[int | None]
    connected_at: Mapped[datetime | None]
    #: How often hands were shaken since the gateway was registered.
    handshakes: Mapped[int] = mapped_column(default=0)
    #: What the gateway has issued to our device, sealed.
    device_token: Mapped[LongText | None]
    updated_at: Mapped[datetime]
