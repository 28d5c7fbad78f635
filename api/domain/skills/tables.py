"""Skills, packs and installations."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, ForeignKey, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from api.domain.database.base import Base, Created, Id


class Skill(Base):
    """A skill by its address. `edited` is ours: the fields that people changed, which a sync leaves alone."""

    __tablename__ = "marketplace_skills"
    id: Mapped[Id]
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"), index=True)
    name: Mapped[str]
    description: Mapped[str | None]
    category: Mapped[str | None]
    risk: Mapped[str | None]
    source: Mapped[str | None]
    source_url: Mapped[str]
    details: Mapped[dict[str, Any]] = mapped_column("metadata", JSON(), default=dict, server_default=text("'{}'"))
    edited: Mapped[list[Any] | None]
    created_at: Mapped[Created]
    updated_at: Mapped[Created]

    __table_args__ = (
        UniqueConstraint("organization_id", "source_url", name="uq_marketplace_skills_org_source_url"),
    )  # fmt: skip


class SkillPack(Base):
    """A repository of skills."""

    __tablename__ = "skill_packs"
    id: Mapped[Id]
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"), index=True)
    name: Mapped[str]
    description: Mapped[str | None]
    source_url: Mapped[str]
    branch: Mapped[str] = mapped_column(default="main", server_default="main")
    details: Mapped[dict[str, Any]] = mapped_column("metadata", JSON(), default=dict, server_default=text("'{}'"))
    created_at: Mapped[Created]
    updated_at: Mapped[Created]

    __table_args__ = (
        UniqueConstraint("organization_id", "source_url", name="uq_skill_packs_org_source_url"),
        CheckConstraint("source_url LIKE 'https://github.com/%/%'", name="source_url"),
    )


class InstalledSkill(Base):
    """A skill that a gateway was asked to install. `state` and `version` are ours."""

    __tablename__ = "gateway_installed_skills"
    id: Mapped[Id]
    gateway_id: Mapped[UUID] = mapped_column(ForeignKey("gateways.id", ondelete="CASCADE"), index=True)
    skill_id: Mapped[UUID] = mapped_column(ForeignKey("marketplace_skills.id"), index=True)
    state: Mapped[str] = mapped_column(default="requested", server_default="requested")
    created_at: Mapped[Created]
    updated_at: Mapped[Created]

    __table_args__ = (
        UniqueConstraint("gateway_id", "skill_id", name="uq_gateway_installed_skills_gateway_id_skill_id"),
    )  # fmt: skip
