"""The event log: one row a change, in the order in which every stream sees it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from api.domain.database.base import Base, Created

#: The writing transaction's number; with `seq` it is the log's one global order.
XID = text("(pg_current_xact_id()::text::bigint)")


class Event(Base):
    """What happened. No foreign keys: the log outlives what it tells about.

    `kind` is `<topic>.<verb>`; `subject_id` the changed thing; `activity_id` the words for people, if any.
    """

    __tablename__ = "events"
    seq: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    xid: Mapped[int] = mapped_column(BigInteger, server_default=XID)
    at: Mapped[Created]
    kind: Mapped[str]
    organization_id: Mapped[UUID | None]
    board_id: Mapped[UUID | None]
    subject_id: Mapped[UUID | None]
    task_id: Mapped[UUID | None]
    activity_id: Mapped[UUID | None]
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    changes: Mapped[list[Any] | None]

    __table_args__ = (
        Index("ix_events_xid_seq", "xid", "seq"),
        Index("ix_events_board_id_xid_seq", "board_id", "xid", "seq"),
        Index("ix_events_at", "at"),
    )

    @property
    def topic(self) -> str:
        """The first word of the kind: task, approval, memory, agent, board or access."""
        return self.kind.partition(".")[0]


class EventLogState(Base):
    """One row: which life of the log this is, and up to where retention has dropped events."""

    __tablename__ = "event_log"
    id: Mapped[int] = mapped_column(primary_key=True, default=1)
    epoch: Mapped[int] = mapped_column(default=1)
    dropped_xid: Mapped[int] = mapped_column(BigInteger, default=0)
    dropped_seq: Mapped[int] = mapped_column(BigInteger, default=0)
    #: The identifier of the database cluster whose transaction numbers these are.
    cluster: Mapped[str | None]
    updated_at: Mapped[datetime | None]
