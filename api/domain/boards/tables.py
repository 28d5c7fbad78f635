"""Boards, the groups they form, and the gateways their agents live on."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, false, true
from sqlalchemy.orm import Mapped, mapped_column

from api.domain.database.base import Base, Created, Id


class Gateway(Base):
    """An OpenClaw gateway of an organisation."""

    __tablename__ = "gateways"
    id: Mapped[Id]
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"), index=True)
    name: Mapped[str]
    url: Mapped[str]
    token: Mapped[str | None]
    workspace_root: Mapped[str]
    disable_device_pairing: Mapped[bool] = mapped_column(default=False)
    allow_insecure_tls: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[Created]
    updated_at: Mapped[Created]


class BoardGroup(Base):
    """Boards that share memory and are looked at together."""

    __tablename__ = "board_groups"
    id: Mapped[Id]
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"), index=True)
    name: Mapped[str]
    slug: Mapped[str] = mapped_column(index=True)
    description: Mapped[str | None]
    created_at: Mapped[Created]
    updated_at: Mapped[Created]


class Board(Base):
    """A place of work: its tasks, agents, approvals and memory, and the rules that govern them."""

    __tablename__ = "boards"
    id: Mapped[Id]
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"), index=True)
    name: Mapped[str]
    slug: Mapped[str] = mapped_column(index=True)
    description: Mapped[str] = mapped_column(default="")
    gateway_id: Mapped[UUID | None] = mapped_column(ForeignKey("gateways.id"), index=True)
    board_group_id: Mapped[UUID | None] = mapped_column(ForeignKey("board_groups.id"), index=True)
    board_type: Mapped[str] = mapped_column(default="goal", index=True)
    objective: Mapped[str | None]
    success_metrics: Mapped[dict[str, Any] | None]
    target_date: Mapped[datetime | None]
    goal_confirmed: Mapped[bool] = mapped_column(default=False)
    goal_source: Mapped[str | None]
    require_approval_for_done: Mapped[bool] = mapped_column(default=True, server_default=true())
    require_review_before_done: Mapped[bool] = mapped_column(default=False, server_default=false())
    comment_required_for_review: Mapped[bool] = mapped_column(default=False, server_default=false())
    block_status_changes_with_pending_approval: Mapped[bool] = mapped_column(default=False, server_default=false())
    only_lead_can_change_status: Mapped[bool] = mapped_column(default=False, server_default=false())
    max_agents: Mapped[int] = mapped_column(default=1)
    #: Ours: after so many minutes a stalled task goes back to the inbox; null leaves it where it is.
    stalled_release_minutes: Mapped[int | None]
    created_at: Mapped[Created]
    updated_at: Mapped[Created]
