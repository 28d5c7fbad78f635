"""People, and the personal tokens they make for scripts."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from api.domain.database.base import Base, Created, Id


class User(Base):
    """A person, known by the subject of the identity provider (`clerk_user_id`, whoever issues it)."""

    __tablename__ = "users"
    id: Mapped[Id]
    clerk_user_id: Mapped[str] = mapped_column(index=True, unique=True)
    email: Mapped[str | None] = mapped_column(index=True)
    name: Mapped[str | None]
    preferred_name: Mapped[str | None]
    pronouns: Mapped[str | None]
    timezone: Mapped[str | None]
    notes: Mapped[str | None]
    context: Mapped[str | None]
    is_super_admin: Mapped[bool] = mapped_column(default=False)
    active_organization_id: Mapped[UUID | None] = mapped_column(ForeignKey("organizations.id"), index=True)

    @property
    def display_name(self) -> str:
        """The name that messages show."""
        return self.preferred_name or self.name or "User"


class PersonalToken(Base):
    """A token a person made for scripts; only its SHA-256 digest is stored."""

    __tablename__ = "personal_tokens"
    id: Mapped[Id]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    digest: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[Created]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_personal_tokens_user_id_created_at", "user_id", "created_at"),)


class DepartedUser(Base):
    """The digest of an account that deleted itself: a token that outlives it must not bring it back at once."""

    __tablename__ = "departed_users"
    subject_digest: Mapped[str] = mapped_column(primary_key=True)
    departed_at: Mapped[Created]
