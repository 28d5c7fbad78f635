"""Tags of an organisation, and which tasks carry them."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from api.domain.database.base import Base, Created, Id


class Tag(Base):
    """A label; `color` is six lower-case hex digits without `#`."""

    __tablename__ = "tags"
    id: Mapped[Id]
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"), index=True)
    name: Mapped[str]
    slug: Mapped[str] = mapped_column(index=True)
    color: Mapped[str] = mapped_column(default="9e9e9e")
    description: Mapped[str | None]
    created_at: Mapped[Created]
    updated_at: Mapped[Created]

    __table_args__ = (UniqueConstraint("organization_id", "slug", name="uq_tags_organization_id_slug"),)


class TagAssignment(Base):
    """A tag on a task, in the order of assignment."""

    __tablename__ = "tag_assignments"
    id: Mapped[Id]
    task_id: Mapped[UUID] = mapped_column(ForeignKey("tasks.id"), index=True)
    tag_id: Mapped[UUID] = mapped_column(ForeignKey("tags.id"), index=True)
    created_at: Mapped[Created]

    __table_args__ = (UniqueConstraint("task_id", "tag_id", name="uq_tag_assignments_task_id_tag_id"),)
