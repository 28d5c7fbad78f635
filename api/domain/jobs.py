"""Durable jobs: what must reach an agent, written in the transaction of the change that causes it.

A job of kind `message` is also the agent's inbox: it carries the text, the recipient and where it stands in the order
of the log. The process that holds an agent's gateway delivers it there; without a gateway it waits to be read.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Identity, Index
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from api.domain.database.base import Base, Created, Id, LongText
from api.domain.events.tables import XID


class Job(Base):
    """One piece of work for later; `reason` says why it exists (`task.assigned`, `chat`, …)."""

    __tablename__ = "jobs"
    id: Mapped[Id]
    seq: Mapped[int] = mapped_column(BigInteger, Identity(), unique=True)
    xid: Mapped[int] = mapped_column(BigInteger, server_default=XID)
    kind: Mapped[str] = mapped_column(default="message")
    reason: Mapped[str]
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"))
    board_id: Mapped[UUID | None] = mapped_column(ForeignKey("boards.id", ondelete="CASCADE"))
    #: The gateway, of jobs for a gateway itself.
    gateway_id: Mapped[UUID | None] = mapped_column(ForeignKey("gateways.id", ondelete="CASCADE"))
    task_id: Mapped[UUID | None]
    text: Mapped[LongText]
    deliver: Mapped[bool] = mapped_column(default=False)
    data: Mapped[dict[str, Any] | None]
    state: Mapped[str] = mapped_column(default="waiting")
    attempts: Mapped[int] = mapped_column(default=0)
    run_after: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    created_at: Mapped[Created]

    __table_args__ = (
        Index("ix_jobs_agent_id_xid_seq", "agent_id", "xid", "seq"),
        Index("ix_jobs_board_id", "board_id"),
        Index("ix_jobs_open", "agent_id", "xid", "seq", postgresql_where=sql("state IN ('waiting', 'running')")),
        Index("ix_jobs_gateway_id", "gateway_id", "xid", "seq", postgresql_where=sql("gateway_id IS NOT NULL")),
        Index("ix_jobs_waiting", "run_after", "seq", postgresql_where=sql("state = 'waiting'")),
        Index("ix_jobs_created_at", "created_at"),
    )
