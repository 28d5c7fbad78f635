"""Who is asking: a user, an agent (worker, lead, main) or nobody in particular."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Role(StrEnum):
    """A member's role in an organisation; it gives administration, never access to a board by itself."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"

    @classmethod
    def of(cls, text: str) -> Role:
        """Unknown texts of older databases count as member."""
        return cls(text) if text in cls._value2member_map_ else cls.MEMBER


@dataclass(frozen=True, slots=True)
class Membership:
    """A user's place in one organisation: role, flags over all boards, and rights per board `(read, write)`."""

    id: UUID
    organization_id: UUID
    role: Role
    all_boards_read: bool
    all_boards_write: bool
    boards: dict[UUID, tuple[bool, bool]] = field(default_factory=dict)

    @property
    def is_admin(self) -> bool:
        """Owner or admin."""
        return self.role in (Role.OWNER, Role.ADMIN)

    @property
    def reads_all(self) -> bool:
        """Reads every board of the organisation; writing includes reading."""
        return self.all_boards_read or self.all_boards_write

    def reads(self, board_id: UUID) -> bool:
        """May read this board."""
        return self.reads_all or any(self.boards.get(board_id, (False, False)))

    def writes(self, board_id: UUID) -> bool:
        """May write this board."""
        return self.all_boards_write or self.boards.get(board_id, (False, False))[1]


@dataclass(frozen=True, slots=True)
class Anonymous:
    """Nobody signed in."""

    kind = "anonymous"
    id = None
    name = "Anonymous"
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class User:
    """A signed-in person with all memberships; `active` is the organisation that unqualified questions mean."""

    id: UUID
    name: str
    active: Membership | None
    memberships: dict[UUID, Membership]
    expires_at: datetime | None = None
    token_id: UUID | None = None
    kind = "user"


@dataclass(frozen=True, slots=True)
class Agent:
    """A program at work: on its board as worker or lead, or as main agent of a gateway (no board)."""

    id: UUID
    name: str
    board_id: UUID | None
    organization_id: UUID | None
    gateway_id: UUID | None
    is_lead: bool
    last_seen_at: datetime | None = None
    expires_at: datetime | None = None
    kind = "agent"

    @property
    def is_main(self) -> bool:
        """Serves a gateway rather than a board."""
        return self.board_id is None


@dataclass(frozen=True, slots=True)
class System:
    """The server itself, for sweeps and releases that nobody asked for."""

    kind = "system"
    id = None
    name = "Mission Control"
    expires_at: datetime | None = None


Actor = Anonymous | User | Agent | System
ANONYMOUS = Anonymous()
SYSTEM = System()
