"""Running the server: the embedded database if none is named, the port, the signals."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from typing import Any

import asyncpg
import structlog
import uvicorn
from sqlalchemy.exc import SQLAlchemyError

from api.app import Application, create_app
from api.domain.authentication.tokens import LocalToken
from api.domain.database import Database, migrate
from api.domain.database.embedded import DataFolderInUse, EmbeddedPostgres, OlderDatabase
from api.logs import configure_logging
from api.schema.graphiql import is_built
from api.settings import InvalidSettings, Settings

log = structlog.get_logger(__name__)


class CannotStart(Exception):
    """The server cannot start; the message is for the operator."""


class Server(uvicorn.Server):
    """Uvicorn, which ends the event streams before it waits for requests to finish."""

    def __init__(self, config: uvicorn.Config, application: Application) -> None:
        super().__init__(config)
        self._application = application

    async def serve(self, sockets: Any = None) -> None:
        """Serve until SIGTERM or SIGINT. Signals end here: uvicorn would raise them again and so skip our own end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        await self._serve(sockets)

    async def shutdown(self, sockets: Any = None) -> None:
        """Stop accepting, end streams with a cursor, finish requests."""
        for server in self.servers:
            server.close()
        await self._application.drain()
        await super().shutdown(sockets)


def serve(settings: Settings) -> int:
    """Serve until a signal comes; returns the exit code."""
    configure_logging(settings)
    embedded = None
    url = settings.database_url
    try:
        if not url:
            _make_folder(settings)
            embedded = EmbeddedPostgres(settings.data)
            url = embedded.start()
        return _run(settings, url)
    except (DataFolderInUse, OlderDatabase) as error:
        raise CannotStart(str(error)) from None
    finally:
        if embedded is not None:
            embedded.stop()


def _make_folder(settings: Settings) -> None:
    try:
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        line = f"MISSION_CONTROL_DATA = {str(settings.data)!r}: allowed: a folder that can be made and written"
        raise InvalidSettings([f"{line} ({error.strerror})"]) from None


async def _check_database(settings: Settings, url: str) -> None:
    """Say what is wrong with the database in a line, before anything else starts."""
    database = Database(url)
    try:
        current = await migrate.is_current(database)
    except (SQLAlchemyError, OSError, asyncpg.PostgresError, TimeoutError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise CannotStart(f"The database cannot be reached: {reason}") from None
    finally:
        await database.close()
    if not current and not settings.migrate_at_start:
        raise CannotStart(
            "The database schema is not current and DB_AUTO_MIGRATE is off: run `mission-control migrate`."
        )


def _run(settings: Settings, url: str) -> int:
    asyncio.run(_check_database(settings, url))
    for name in ("RQ_REDIS_URL", "RATE_LIMIT_REDIS_URL"):
        if os.environ.get(name):
            log.warning(
                "settings.ignored",
                variable=name,
                reason="jobs and limits live in PostgreSQL and this process",
            )
    token = LocalToken(settings.local_auth_token.get_secret_value(), settings.data)
    made = settings.auth_mode == "local" and token.ensure()
    application = create_app(settings, url)
    config = uvicorn.Config(
        application, host=settings.host, port=settings.port, log_config=None, access_log=False, server_header=False,
        timeout_graceful_shutdown=7, ws="websockets-sansio", ws_max_size=settings.max_body_bytes, lifespan="on",
        proxy_headers=False, backlog=1024,
    )  # fmt: skip
    server = Server(config, application)
    _announce(settings, token if settings.auth_mode == "local" else None, made)
    asyncio.run(server.serve())
    if not server.started:
        raise CannotStart(f"The server could not start on {settings.host}:{settings.port}; the log says why.")
    return 0


def _announce(settings: Settings, token: LocalToken | None, made: bool) -> None:
    """Where the playground is and how to get in. A token is shown only when it was made just now."""
    out = sys.stderr
    if settings.log_format == "json":
        told = {"event": "server.address", "level": "info", "url": f"{settings.public_url}/graphql"}
        print(json.dumps({**told, "token": token.value} if token and made and not token.configured else told), file=out)
        return
    print(f"Mission Control: playground and GraphQL at {settings.public_url}/graphql", file=out)
    if not is_built():
        print("  The playground page is not built yet: `make playground`. The API works without it.", file=out)
    if token is not None and not token.configured:
        if made:
            print(
                f"  A token was made for you. Paste it into the playground's token field:\n  {token.value}",
                file=out,
            )
        print(
            f"  The token is kept in {settings.data / 'local-token'}; `{sys.argv[0]} token show` prints it.",
            file=out,
        )
    out.flush()
