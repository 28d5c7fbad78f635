"""The database: one pool, two ways to use it. A read is a moment, a write is a short transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import URL, exc, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine

from api.domain.errors import Code, DomainError


class Database:
    """An engine on PostgreSQL 14 or newer, with the sessions that operations use."""

    def __init__(self, url: str, *, pool_size: int = 10, write_timeout_seconds: int = 15) -> None:
        self.url = url
        # A transaction of ours that idles longer than this is ended by the server: it would hold up the streams,
        # which read only below the oldest running transaction.
        limit = str(write_timeout_seconds * 1000)
        session = {
            "application_name": "mission-control", "timezone": "UTC", "idle_in_transaction_session_timeout": limit,
        }  # fmt: skip
        self.engine: AsyncEngine = create_async_engine(
            _without_libpq_options(url), pool_size=pool_size, max_overflow=0, pool_timeout=10, hide_parameters=True,
            connect_args={"server_settings": session, "timeout": 10, **_tls(url)},
        )  # fmt: skip
        self._reads = self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._statements = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    def moment(self) -> AsyncSession:
        """A session whose reads all see one snapshot; it cannot write."""
        return AsyncSession(self._reads, expire_on_commit=False, autoflush=False)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """A read-committed transaction, committed at the end of the block, rolled back on any error."""
        session = AsyncSession(self.engine, expire_on_commit=False, autoflush=True)
        async with session, session.begin():
            yield session

    @asynccontextmanager
    async def statements(self) -> AsyncIterator[AsyncConnection]:
        """A connection in autocommit mode, for single statements."""
        async with self._statements.connect() as connection:
            yield connection

    async def listen_connection(self) -> Any:
        """A raw asyncpg connection outside the pool, for LISTEN."""
        return await asyncpg.connect(**asyncpg_arguments(self.url), timeout=10)

    async def close(self) -> None:
        """Close the pool."""
        await self.engine.dispose()


def asyncpg_arguments(url: str) -> dict[str, Any]:
    """The keyword arguments of `asyncpg.connect` for a SQLAlchemy URL."""
    parts = make_url(url)
    host = parts.query.get("host", parts.host)
    arguments: dict[str, Any] = {"host": host, "database": parts.database, "user": parts.username}
    if parts.port:
        arguments["port"] = parts.port
    if parts.password:
        arguments["password"] = str(parts.password)
    return {**arguments, **_tls(url)}


def _tls(url: str) -> dict[str, Any]:
    """The `sslmode` of psycopg's URLs in asyncpg's words."""
    mode = make_url(url).query.get("sslmode")
    return {"ssl": mode} if isinstance(mode, str) else {}


def _without_libpq_options(url: str) -> URL:
    """The URL without the options that only libpq knows."""
    return make_url(url).difference_update_query(["sslmode", "channel_binding", "target_session_attrs"])


_AWAY = (
    OSError,
    asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError, asyncpg.AdminShutdownError,
    asyncpg.TooManyConnectionsError, ConnectionError, TimeoutError, exc.TimeoutError, asyncpg.InterfaceError,
)  # fmt: skip


def translate(error: BaseException) -> DomainError | None:
    """The domain error that a database failure means to a client, if it means one."""
    original = error.orig if isinstance(error, exc.DBAPIError) else error
    cause = getattr(original, "__cause__", None) or original
    if isinstance(cause, _AWAY) or (isinstance(error, exc.DBAPIError) and error.connection_invalidated):
        return DomainError("The database is away for the moment.", code=Code.UNAVAILABLE, retry_after=2)
    if isinstance(cause, asyncpg.CharacterNotInRepertoireError | asyncpg.UntranslatableCharacterError):
        return DomainError("Text must not contain the character U+0000.", code=Code.BAD_USER_INPUT)
    if isinstance(cause, asyncpg.DeadlockDetectedError | asyncpg.SerializationError | asyncpg.LockNotAvailableError):
        return DomainError("Another change was faster; try again.", code=Code.UNAVAILABLE, retry_after=1)
    if isinstance(cause, asyncpg.UniqueViolationError):
        return DomainError("Such a row exists already.", code=Code.CONFLICT)
    if isinstance(cause, asyncpg.ForeignKeyViolationError):
        return DomainError("Something this refers to does not exist any more.", code=Code.CONFLICT)
    if isinstance(cause, asyncpg.DataError | asyncpg.ProgramLimitExceededError):
        return DomainError("A value is out of range.", code=Code.BAD_USER_INPUT)
    return None
