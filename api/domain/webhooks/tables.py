"""Webhooks in and out."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from api.domain.database.base import Base, Created, Id


class BoardWebhook(Base):
    """An address that services deliver to; `secret` is sealed at our own writes."""

    __tablename__ = "board_webhooks"
    id: Mapped[Id]
    board_id: Mapped[UUID] = mapped_column(ForeignKey("boards.id"), index=True)
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id"), index=True)
    description: Mapped[str]
    enabled: Mapped[bool] = mapped_column(default=True, index=True)
    secret: Mapped[str | None]
    signature_header: Mapped[str | None]
    created_at: Mapped[Created]
    updated_at: Mapped[Created]


class WebhookPayload(Base):
    """One stored delivery. `delivery_key` is ours: the sender's id of the delivery, which is taken once a webhook."""

    __tablename__ = "board_webhook_payloads"
    id: Mapped[Id]
    board_id: Mapped[UUID] = mapped_column(ForeignKey("boards.id"), index=True)
    webhook_id: Mapped[UUID] = mapped_column(ForeignKey("board_webhooks.id"), index=True)
    payload: Mapped[Any | None] = mapped_column(JSON())
    headers: Mapped[dict[str, Any] | None]
    source_ip: Mapped[str | None]
    content_type: Mapped[str | None]
    received_at: Mapped[Created] = mapped_column(index=True)
    delivery_key: Mapped[str | None]
    #: Ours: the message that tells an agent of it.
    job_id: Mapped[UUID | None]

    __table_args__ = (
        Index(
            "ix_board_webhook_payloads_board_webhook_received_at", "board_id", "webhook_id", "received_at"
        ),
        Index("uq_board_webhook_payloads_webhook_id_delivery_key", "webhook_id", "delivery_key", unique=True),
    )  # fmt: skip


class NotificationEndpoint(Base):
    """Ours: an address outside that is told what people must see, for an organisation or one of its boards."""

    __tablename__ = "notification_endpoints"
    id: Mapped[Id]
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"), index=True)
    board_id: Mapped[UUID | None] = mapped_column(ForeignKey("boards.id"), index=True)
    url: Mapped[str]
    description: Mapped[str]
    topics: Mapped[list[Any]]
    secret: Mapped[str]
    enabled: Mapped[bool] = mapped_column(default=True)
    last_success_at: Mapped[datetime | None]
    last_failure_at: Mapped[datetime | None]
    last_failure: Mapped[str | None]
    created_at: Mapped[Created]
    updated_at: Mapped[Created]
