"""Agents: programs that work on a board, with their token, presence and heartbeat."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from api.domain.database.base import Base, Created, Id, LongText


class Agent(Base):
    """A worker or lead of a board, or (without board) the main agent of a gateway.

    `token_digest` is the SHA-256 of the token and finds its agent in one indexed lookup; `agent_token_hash` is the
    reference's slow hash, accepted once and then replaced.
    """

    __tablename__ = "agents"
    id: Mapped[Id]
    board_id: Mapped[UUID | None] = mapped_column(ForeignKey("boards.id"), index=True)
    gateway_id: Mapped[UUID | None] = mapped_column(ForeignKey("gateways.id"), index=True)
    name: Mapped[str] = mapped_column(index=True)
    status: Mapped[str] = mapped_column(default="provisioning", index=True)
    openclaw_session_id: Mapped[str | None] = mapped_column(index=True)
    agent_token_hash: Mapped[str | None] = mapped_column(index=True)
    token_digest: Mapped[str | None]
    #: Ours: of the token that is on its way into the workspace; the old one holds until it is there, or is used.
    next_token_digest: Mapped[str | None]
    heartbeat_config: Mapped[dict[str, Any] | None]
    identity_profile: Mapped[dict[str, Any] | None]
    identity_template: Mapped[LongText | None]
    soul_template: Mapped[LongText | None]
    provision_requested_at: Mapped[datetime | None]
    provision_confirm_token_hash: Mapped[str | None] = mapped_column(index=True)
    provision_action: Mapped[str | None] = mapped_column(index=True)
    delete_requested_at: Mapped[datetime | None]
    delete_confirm_token_hash: Mapped[str | None] = mapped_column(index=True)
    last_seen_at: Mapped[datetime | None]
    is_board_lead: Mapped[bool] = mapped_column(default=False, index=True)
    lifecycle_generation: Mapped[int] = mapped_column(default=0)
    wake_attempts: Mapped[int] = mapped_column(default=0)
    last_wake_sent_at: Mapped[datetime | None]
    checkin_deadline_at: Mapped[datetime | None]
    last_provision_error: Mapped[LongText | None]
    #: Ours: the presence that the event log announced last, so that the passing of time is announced once.
    announced_status: Mapped[str | None]
    created_at: Mapped[Created]
    updated_at: Mapped[Created]

    __table_args__ = (
        Index("uq_agents_token_digest", "token_digest", unique=True),
        Index("uq_agents_next_token_digest", "next_token_digest", unique=True),
        Index("uq_agents_board_lead", "board_id", unique=True, postgresql_where=text("is_board_lead")),
        Index("uq_agents_gateway_main", "gateway_id", unique=True, postgresql_where=text("board_id IS NULL")),
        Index("uq_agents_board_name", "board_id", func.lower(text("name")), unique=True),
        Index("ix_agents_legacy_tokens", "id", postgresql_where=text(
            "token_digest IS NULL AND agent_token_hash IS NOT NULL")),
        Index("ix_agents_board_id_created_at", "board_id", "created_at"),
    )  # fmt: skip
