"""From credentials to an actor: people by local token, JWT or personal token; agents by their token."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import JSONB

from api.domain.actor import ANONYMOUS, Actor, Agent, Membership, Role, User
from api.domain.agents.tables import Agent as AgentRow
from api.domain.authentication.clerk import Clerk
from api.domain.authentication.jwt import Claims, JwtVerifier
from api.domain.authentication.tokens import PERSONAL_PREFIX, LocalToken, digest, verifies_legacy
from api.domain.boards.tables import Board, Gateway
from api.domain.database import Database
from api.domain.database.base import now
from api.domain.errors import Forbidden, Invalid, Unauthenticated
from api.domain.limits import RateLimit
from api.domain.organizations.tables import OrganizationBoardAccess, OrganizationMember
from api.domain.users.tables import PersonalToken
from api.domain.users.tables import User as UserRow
from api.settings import Settings

LOCAL_SUBJECT = "local-auth-user"
LOCAL_EMAIL = "admin@home.local"
LOCAL_NAME = "Local User"


class Accepts(Enum):
    """Whom a door lets in."""

    ANYBODY = "anybody"
    USER = "user"
    AGENT = "agent"
    MIXED = "mixed"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request or a socket brought: the agent header, the bearer token, where it came from."""

    agent_token: str = ""
    bearer: str = ""
    address: str = ""
    organization_id: str = ""
    accepts: Accepts = Accepts.ANYBODY

    @property
    def empty(self) -> bool:
        """Nothing was sent that this door looks at."""
        looked_at = self.bearer if self.accepts is Accepts.USER else self.agent_token or self.bearer
        return not looked_at


@dataclass(frozen=True, slots=True)
class _Identity:
    """A person as the identity provider sees it."""

    subject: str
    email: str | None
    name: str | None
    expires_at: datetime | None = None
    verified: bool = False


class Authenticator:
    """Answers who is asking. A hit costs one statement; presence is noted outside the request."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.database = database
        self.mode = settings.auth_mode
        self.local_token = LocalToken(settings.local_auth_token.get_secret_value(), settings.data)
        self.jwt = JwtVerifier(settings) if settings.auth_mode != "local" else None
        self.clerk = Clerk(settings) if settings.auth_mode == "clerk" else None
        self.failures = RateLimit(database, "agent_auth", 20)
        #: Called with each authenticated agent; set by the application to note presence.
        self.on_agent: Any = None
        #: Called with a person that has no membership yet; set by the application.
        self.on_newcomer: Any = None

    async def authenticate(self, credentials: Credentials) -> Actor:
        """The actor. Raises `Unauthenticated`, or `RATE_LIMITED` after too many failures of one address."""
        if credentials.empty:
            if credentials.accepts is Accepts.ANYBODY:
                return ANONYMOUS
            raise Unauthenticated()
        accepts = credentials.accepts
        if accepts is Accepts.AGENT or (accepts is not Accepts.USER and credentials.agent_token):
            return await self._agent(credentials.agent_token or credentials.bearer, credentials.address)
        user = await self._user(credentials)
        if user is not None:
            return user
        if accepts is Accepts.USER:
            await self.failures.hit(_window(credentials.address, credentials.bearer))
            raise Unauthenticated()
        return await self._agent(credentials.bearer, credentials.address)

    # -- people ---------------------------------------------------------------------------------------------------

    async def _user(self, credentials: Credentials) -> User | None:
        token = credentials.bearer
        if token.startswith(PERSONAL_PREFIX):
            return await self._by_personal_token(token, credentials)
        identity: _Identity | None = None
        if self.jwt is None:
            if self.local_token.matches(token):
                identity = _Identity(LOCAL_SUBJECT, LOCAL_EMAIL, LOCAL_NAME)
        elif token.count(".") == 2:
            try:
                claims: Claims = await self.jwt.verify(token)
            except Unauthenticated:
                return None
            identity = _Identity(
                claims.subject, claims.email, claims.name, claims.expires_at, claims.email_verified
            )  # fmt: skip
        if identity is None:
            return None
        user = await self._load(UserRow.clerk_user_id == identity.subject, identity=identity)
        if user is None or user.active is None:
            identity = await self._completed(identity)
            await self.on_newcomer(identity.subject, identity.email, identity.name, identity.verified)
            user = await self._load(UserRow.clerk_user_id == identity.subject, identity=identity)
        return self._in_organization(user, credentials) if user is not None else None

    async def _by_personal_token(self, token: str, credentials: Credentials) -> User | None:
        user = await self._load(PersonalToken.digest == digest(token), personal=True)
        return self._in_organization(user, credentials) if user is not None else None

    async def _load(self, condition: Any, *, identity: _Identity | None = None, personal: bool = False) -> User | None:
        rights = (
            select(
                func.json_agg(
                    func.json_build_array(
                        OrganizationBoardAccess.board_id,
                        OrganizationBoardAccess.can_read,
                        OrganizationBoardAccess.can_write,
                    )
                ).cast(JSONB)
            )
            .where(OrganizationBoardAccess.organization_member_id == OrganizationMember.id)
            .scalar_subquery()
        )
        statement = (
            select(UserRow, OrganizationMember, rights.label("rights"))
            .select_from(UserRow)
            .outerjoin(OrganizationMember, OrganizationMember.user_id == UserRow.id)
            .where(condition)
            .order_by(OrganizationMember.created_at, OrganizationMember.id)
        )
        columns = [*UserRow.__table__.columns, *OrganizationMember.__table__.columns]
        if personal:
            statement = statement.add_columns(PersonalToken).join(
                PersonalToken,
                (PersonalToken.user_id == UserRow.id)
                & (PersonalToken.organization_id == OrganizationMember.organization_id)
                & PersonalToken.revoked_at.is_(None)
                & (PersonalToken.expires_at.is_(None) | (PersonalToken.expires_at > now())),
            )
            columns = [*columns, *PersonalToken.__table__.columns]
        labelled = statement.with_only_columns(
            *[column.label(f"{column.table.name}_{column.name}") for column in columns],
            rights.label("rights"),
            maintain_column_froms=True,
        )
        async with self.database.statements() as connection:
            rows = (await connection.execute(labelled)).mappings().all()
        if not rows:
            return None
        first = rows[0]
        if identity is not None and not (first["users_email"] and first["users_name"]):
            identity = await self._completed(identity)
        if identity is not None and self._is_stale(first, identity):
            await self._sync(first["users_id"], identity)
        memberships = {
            row["organization_members_organization_id"]: _membership(row)
            for row in rows
            if row["organization_members_id"] is not None
        }
        chosen = first["personal_tokens_organization_id"] if personal else first["users_active_organization_id"]
        active = memberships.get(chosen) or next(iter(memberships.values()), None)
        name = first["users_preferred_name"] or first["users_name"] or (identity and identity.name) or "User"
        user = User(first["users_id"], name, active, memberships, identity.expires_at if identity else None)
        if personal:
            await self._note_use(first["personal_tokens_id"], first["personal_tokens_last_used_at"])
            user = replace(user, token_id=first["personal_tokens_id"], expires_at=first["personal_tokens_expires_at"])
        return user

    def _in_organization(self, user: User, credentials: Credentials) -> User:
        if not credentials.organization_id:
            return user
        try:
            wanted = UUID(credentials.organization_id)
        except ValueError:
            raise Invalid("X-Organization-Id must be a UUID.") from None
        if wanted not in user.memberships:
            raise Forbidden("You are not a member of this organisation.")
        return replace(user, active=user.memberships[wanted])

    async def _completed(self, identity: _Identity) -> _Identity:
        """With what Clerk knows of an account whose token does not say it."""
        if self.clerk is None or (identity.email and identity.name):
            return identity
        profile = await self.clerk.profile(identity.subject)
        if profile is None:
            return identity
        return replace(
            identity, email=profile.email or identity.email, name=identity.name or profile.name,
            verified=profile.verified if profile.email else identity.verified,
        )  # fmt: skip

    @staticmethod
    def _is_stale(row: Any, identity: _Identity) -> bool:
        if identity.subject == LOCAL_SUBJECT:
            return not row["users_email"] or not row["users_name"]
        return bool(identity.email and identity.email != row["users_email"]) or bool(
            identity.name and not row["users_name"]
        )

    async def _sync(self, user_id: UUID, identity: _Identity) -> None:
        async with self.database.write() as session:
            row = await session.get(UserRow, user_id, with_for_update=True)
            if row is not None:
                local = identity.subject == LOCAL_SUBJECT
                if identity.email and (not local or not row.email):
                    row.email = identity.email
                row.name = row.name or identity.name

    async def _note_use(self, token_id: UUID, last_used_at: datetime | None) -> None:
        if last_used_at is None or now() - last_used_at > timedelta(minutes=1):
            async with self.database.statements() as connection:
                await connection.execute(
                    update(PersonalToken).where(PersonalToken.id == token_id).values(last_used_at=now())
                )

    # -- agents ---------------------------------------------------------------------------------------------------

    async def _agent(self, token: str, address: str) -> Agent:
        agent = await self._find_agent(AgentRow.token_digest == digest(token)) or await self._next_token(token)
        if agent is None:
            # Slow hashes are tried only while the address has failures left; a match is no failure.
            await self.failures.check(_window(address, token))
            agent = await self._legacy_agent(token)
        if agent is None:
            await self.failures.hit(_window(address, token))
            raise Unauthenticated()
        if self.on_agent is not None:
            self.on_agent(agent)
        return agent

    async def _next_token(self, token: str) -> Agent | None:
        """A token on its way into a workspace is there once it is used: from now on it is the agent's."""
        async with self.database.statements() as connection:
            row = (
                await connection.execute(
                    update(AgentRow)
                    .where(AgentRow.next_token_digest == digest(token))
                    .values(token_digest=digest(token), next_token_digest=None, agent_token_hash=None)
                    .returning(AgentRow.id)
                )
            ).first()
        return await self._find_agent(AgentRow.id == row.id) if row is not None else None

    async def agent_by_id(self, agent_id: UUID) -> Agent | None:
        """An agent as an actor, for what is done in its name."""
        return await self._find_agent(AgentRow.id == agent_id)

    async def _find_agent(self, condition: Any) -> Agent | None:
        statement = (
            select(
                AgentRow.id, AgentRow.name, AgentRow.board_id, AgentRow.gateway_id, AgentRow.is_board_lead,
                AgentRow.last_seen_at, func.coalesce(Board.organization_id, Gateway.organization_id).label("org"),
            )
            .outerjoin(Board, Board.id == AgentRow.board_id)
            .outerjoin(Gateway, Gateway.id == AgentRow.gateway_id)
            .where(condition)
        )  # fmt: skip
        async with self.database.statements() as connection:
            row = (await connection.execute(statement)).first()
        if row is None:
            return None
        return Agent(
            id=row.id, name=row.name, board_id=row.board_id, organization_id=row.org,
            gateway_id=row.gateway_id, is_lead=row.is_board_lead, last_seen_at=row.last_seen_at,
        )  # fmt: skip

    async def _legacy_agent(self, token: str) -> Agent | None:
        """Try the slow hashes of agents that have no digest yet; a match gets its digest."""
        async with self.database.statements() as connection:
            rows = (
                await connection.execute(
                    select(AgentRow.id, AgentRow.agent_token_hash).where(
                        AgentRow.token_digest.is_(None), AgentRow.agent_token_hash.is_not(None)
                    )
                )
            ).all()
        for row in rows:
            if await asyncio.to_thread(verifies_legacy, token, row.agent_token_hash):
                async with self.database.statements() as connection:
                    await connection.execute(
                        update(AgentRow).where(AgentRow.id == row.id).values(token_digest=digest(token))
                    )
                return await self._find_agent(AgentRow.id == row.id)
        return None


def _window(address: str, token: str) -> str:
    """Failures count for an address and the beginning of a token."""
    return f"{address}:{token[:4]}"


def _membership(row: Any) -> Membership:
    rights = row["rights"] or []
    if isinstance(rights, str):
        rights = json.loads(rights)
    return Membership(
        id=row["organization_members_id"],
        organization_id=row["organization_members_organization_id"],
        role=Role.of(row["organization_members_role"]),
        all_boards_read=row["organization_members_all_boards_read"],
        all_boards_write=row["organization_members_all_boards_write"],
        boards={UUID(board): (read, write) for board, read, write in rights},
    )
