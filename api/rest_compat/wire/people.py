"""People, organisations, members, invites."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from api.rest_compat.wire.base import Model


class UserUpdate(Model):
    """What to change of one's profile."""

    name: str | None = None
    preferred_name: str | None = None
    pronouns: str | None = None
    timezone: str | None = None
    notes: str | None = None
    context: str | None = None


class UserRead(UserUpdate):
    """A person."""

    id: UUID
    clerk_user_id: str
    email: str | None = None
    is_super_admin: bool


class OrganizationRead(Model):
    """An organisation."""

    id: UUID
    name: str
    created_at: datetime
    updated_at: datetime


class OrganizationListItem(Model):
    """An organisation among one's own."""

    id: UUID
    name: str
    role: str
    is_active: bool


class OrganizationUserRead(Model):
    """A person as a member."""

    id: UUID
    email: str | None = None
    name: str | None = None
    preferred_name: str | None = None


class OrganizationBoardAccessRead(Model):
    """A right on one board."""

    id: UUID
    board_id: UUID
    can_read: bool
    can_write: bool
    created_at: datetime
    updated_at: datetime


class OrganizationMemberRead(Model):
    """A membership."""

    id: UUID
    organization_id: UUID
    user_id: UUID
    role: str
    all_boards_read: bool
    all_boards_write: bool
    created_at: datetime
    updated_at: datetime
    user: OrganizationUserRead | None = None
    board_access: list[OrganizationBoardAccessRead] = Field(default_factory=list)


class OrganizationCreate(Model):
    """A new organisation."""

    name: str


class OrganizationActiveUpdate(Model):
    """Which organisation shall be active."""

    organization_id: UUID


class OrganizationBoardAccessSpec(Model):
    """A right on one board."""

    board_id: UUID
    can_read: bool = True
    can_write: bool = False


class OrganizationMemberUpdate(Model):
    """What to change of a membership."""

    role: str | None = None


class OrganizationMemberAccessUpdate(Model):
    """What a member shall reach; replaces everything."""

    all_boards_read: bool = False
    all_boards_write: bool = False
    board_access: list[OrganizationBoardAccessSpec] = Field(default_factory=list)


class OrganizationInviteCreate(Model):
    """A new invite."""

    invited_email: str
    all_boards_read: bool = False
    all_boards_write: bool = False
    board_access: list[OrganizationBoardAccessSpec] = Field(default_factory=list)
    role: str = "member"


class OrganizationInviteAccept(Model):
    """The token of an invite."""

    token: str


class OrganizationInviteRead(Model):
    """An invite."""

    id: UUID
    all_boards_read: bool
    all_boards_write: bool
    created_at: datetime
    invited_email: str
    organization_id: UUID
    role: str
    token: str
    updated_at: datetime
    accepted_at: datetime | None = None
    accepted_by_user_id: UUID | None = None
    created_by_user_id: UUID | None = None
