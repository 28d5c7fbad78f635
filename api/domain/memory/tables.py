"""Memory: notes that everybody on a board or in a group shares, and their chat."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from api.domain.database.base import Base, Created, Id


class MemoryEntry(Base):
    """One entry; append-only. `source` is a free label, the author columns say who really wrote it."""

    __tablename__ = "board_memory"
    id: Mapped[Id]
    board_id: Mapped[UUID] = mapped_column(ForeignKey("boards.id"), index=True)
    content: Mapped[str]
    tags: Mapped[list[Any] | None]
    is_chat: Mapped[bool] = mapped_column(default=False, index=True)
    source: Mapped[str | None]
    created_at: Mapped[Created]
    author_user_id: Mapped[UUID | None]
    author_agent_id: Mapped[UUID | None]
    redacted_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_board_memory_board_id_is_chat_created_at", "board_id", "is_chat", "created_at"),)


class GroupMemoryEntry(Base):
    """One entry that all boards of a group share."""

    __tablename__ = "board_group_memory"
    id: Mapped[Id]
    board_group_id: Mapped[UUID] = mapped_column(ForeignKey("board_groups.id"), index=True)
    content: Mapped[str]
    tags: Mapped[list[Any] | None]
    is_chat: Mapped[bool] = mapped_column(default=False, index=True)
    source: Mapped[str | None]
    created_at: Mapped[Created]
    author_user_id: Mapped[UUID | None]
    author_agent_id: Mapped[UUID | None]

    __table_args__ = (
        Index("ix_board_group_memory_board_group_id_is_chat_created_at", "board_group_id", "is_chat", "created_at"),
    )
