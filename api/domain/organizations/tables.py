"""Organisations, who belongs to them, and which boards each member reaches."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from api.domain.database.base import Base, Created, Id


class Organization(Base):
    """A tenant: nothing of one organisation is visible in another."""

    __tablename__ = "organizations"
    id: Mapped[Id]
    name: Mapped[str] = mapped_column(index=True)
    created_at: Mapped[Created]
    updated_at: Mapped[Created]


class OrganizationMember(Base):
    """A person's membership: role, and the flags that reach every board."""

    __tablename__ = "organization_members"
    id: Mapped[Id]
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"), index=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    role: Mapped[str] = mapped_column(default="member", index=True)
    all_boards_read: Mapped[bool] = mapped_column(default=False)
    all_boards_write: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[Created]
    updated_at: Mapped[Created]

    __table_args__ = (UniqueConstraint("organization_id", "user_id", name="uq_organization_members_org_user"),)


class OrganizationBoardAccess(Base):
    """One member's right on one board."""

    __tablename__ = "organization_board_access"
    id: Mapped[Id]
    organization_member_id: Mapped[UUID] = mapped_column(ForeignKey("organization_members.id"), index=True)
    board_id: Mapped[UUID] = mapped_column(ForeignKey("boards.id"), index=True)
    can_read: Mapped[bool] = mapped_column(default=True)
    can_write: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[Created]
    updated_at: Mapped[Created]

    __table_args__ = (UniqueConstraint("organization_member_id", "board_id", name="uq_org_board_access_member_board"),)


class OrganizationInvite(Base):
    """An invitation by e-mail address; `token` is encrypted at our own writes, `token_digest` finds it."""

    __tablename__ = "organization_invites"
    id: Mapped[Id]
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"), index=True)
    invited_email: Mapped[str] = mapped_column(index=True)
    token: Mapped[str] = mapped_column(index=True)
    token_digest: Mapped[str | None]
    role: Mapped[str] = mapped_column(default="member", index=True)
    all_boards_read: Mapped[bool] = mapped_column(default=False)
    all_boards_write: Mapped[bool] = mapped_column(default=False)
    created_by_user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"), index=True)
    accepted_by_user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"), index=True)
    accepted_at: Mapped[datetime | None]
    created_at: Mapped[Created]
    updated_at: Mapped[Created]

    __table_args__ = (
        UniqueConstraint("token", name="uq_org_invites_token"),
        Index("uq_organization_invites_token_digest", "token_digest", unique=True),
    )


class OrganizationInviteBoardAccess(Base):
    """The board rights that an invite will give."""

    __tablename__ = "organization_invite_board_access"
    id: Mapped[Id]
    organization_invite_id: Mapped[UUID] = mapped_column(ForeignKey("organization_invites.id"), index=True)
    board_id: Mapped[UUID] = mapped_column(ForeignKey("boards.id"), index=True)
    can_read: Mapped[bool] = mapped_column(default=True)
    can_write: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[Created]
    updated_at: Mapped[Created]

    __table_args__ = (
        UniqueConstraint("organization_invite_id", "board_id", name="uq_org_invite_board_access_invite_board"),
    )
