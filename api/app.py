"""The application: routes, what stands around them, and what lives as long as the process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import structlog
from pydantic_core import to_json
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route, Router, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from api import middleware
from api.domain.actor import SYSTEM
from api.domain.agents.presence import Presence
from api.domain.authentication import Authenticator
from api.domain.context import Context, Services
from api.domain.database import Database, migrate
from api.domain.errors import Code, DomainError
from api.domain.events.hub import EventHub
from api.domain.gateways.links import Links
from api.domain.organizations.operations import welcome
from api.domain.runner import run_forever
from api.domain.sealed import SecretBox
from api.domain.souls import SoulsDirectory
from api.domain.sweeps import sweep_forever
from api.rest_compat import openapi, reference, table
from api.rest_compat.routes import ROWS
from api.schema import build_schema
from api.schema.endpoint import GraphQLEndpoint
from api.schema.execution import Executor
from api.schema.graphiql import STATIC
from api.schema.websocket import GraphQLSocket
from api.settings import Settings

log = structlog.get_logger(__name__)


def app_version() -> str:
    """The installed version."""
    try:
        return version("mission-control")
    except PackageNotFoundError:
        return "0.0.0"


class Application:
    """The ASGI application; `services` is there between start and stop."""

    def __init__(self, settings: Settings, database_url: str | None = None) -> None:
        self.settings = settings
        self.database_url = database_url or settings.database_url
        self.services: Services | None = None
        executor = Executor(build_schema(), settings)
        endpoint = GraphQLEndpoint(executor)

        async def graphql(request: Request) -> Response:
            return await endpoint(request)

        async def graphql_socket(socket: WebSocket) -> None:
            await GraphQLSocket(executor, socket).run()

        self.starlette = Starlette(
            routes=[
                Route("/graphql", graphql, methods=["GET", "POST"]),
                WebSocketRoute("/graphql", graphql_socket),
                Route("/health", _alive), Route("/healthz", _alive), Route("/readyz", self._ready),
                Route("/metrics", self._metrics),
                Route("/openapi.json", _openapi),
                Route("/docs", _reference),
                *table.routes(ROWS),
                Mount("/graphql-assets", _assets()),
            ],
            lifespan=self._lifespan,
        )  # fmt: skip
        self.starlette.router.redirect_slashes = False
        self.starlette.router.default = _unknown
        self._asgi = middleware.wrap(self.starlette.router, settings)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        scope["app"] = self.starlette
        await self._asgi(scope, receive, send)

    # -- life -----------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        settings = self.settings
        database = Database(
            self.database_url,
            pool_size=settings.pool_size,
            write_timeout_seconds=settings.write_timeout_seconds,
        )
        if settings.migrate_at_start:
            await migrate.upgrade(database)
        elif not await migrate.is_current(database):
            raise RuntimeError("The database schema is not current: run `mission-control migrate`.")
        authenticator = Authenticator(settings, database)
        hub = EventHub(database, buffer=settings.subscriber_buffer)
        services = Services(
            settings, database, hub, authenticator, SecretBox(settings),
            SoulsDirectory(settings.souls_directory_url),
        )  # fmt: skip
        presence = Presence(services)
        authenticator.on_agent = presence.note
        services.settle_presence, services.note_presence = presence.settle, presence.note_id

        async def newcomer(subject: str, email: str | None, name: str | None, verified: bool) -> None:
            await welcome(Context(services, actor=SYSTEM), subject, email, name, verified=verified)

        authenticator.on_newcomer = newcomer
        await hub.start()
        services.gateways = Links(services, app_version())
        hub.on_commit.append(services.gateways.committed)
        await services.gateways.start()
        sweeper = asyncio.create_task(sweep_forever(services), name="sweeper")
        runner = asyncio.create_task(run_forever(services), name="runner")
        watcher = asyncio.create_task(_watch_token(services), name="token-watcher")
        self.services = self.starlette.state.services = services
        log.info("app.lifecycle.started", version=app_version())
        try:
            yield
        finally:
            self.starlette.state.services = None
            sweeper.cancel()
            watcher.cancel()
            runner.cancel()
            await asyncio.gather(sweeper, watcher, runner, return_exceptions=True)
            await services.gateways.stop()
            await hub.stop()
            await presence.stop()
            await database.close()
            log.info("app.lifecycle.stopped")

    async def drain(self) -> None:
        """End the streams with their last cursor, so that stopping need not wait for them."""
        if self.services is not None:
            await self.services.hub.stop()

    # -- routes that belong to no noun ----------------------------------------------------------------------------

    async def _ready(self, _request: Request) -> Response:
        try:
            assert self.services is not None
            async with asyncio.timeout(1):
                async with self.services.database.statements() as connection:
                    await connection.execute(text("SELECT 1"))
        except Exception as error:
            log.warning("readyz.not_ready", error=type(error).__name__)
            return Response(b'{"ok":false}', 503, {"Retry-After": "2"}, media_type="application/json")
        return await _alive(_request)

    async def _metrics(self, _request: Request) -> Response:
        if self.services is None:
            return PlainTextResponse("", 503)
        hub = self.services.hub
        lines = [
            "# HELP mission_control_event_lag_seconds Age of the oldest event that waits for an older transaction.",
            "# TYPE mission_control_event_lag_seconds gauge",
            f"mission_control_event_lag_seconds {hub.lag_seconds:.3f}",
            "# HELP mission_control_subscribers Open streams of this process.",
            "# TYPE mission_control_subscribers gauge",
            f"mission_control_subscribers {hub.subscribers}",
            "# HELP mission_control_events_read_total Events that this process's reader has read.",
            "# TYPE mission_control_events_read_total counter",
            f"mission_control_events_read_total {hub.delivered}",
        ]
        return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")


def _assets() -> StaticFiles:
    """The playground's files; a page that was not built has none, which is no error."""
    files = StaticFiles(directory=STATIC, check_dir=False)
    files.config_checked = True
    return files


async def _watch_token(services: Services) -> None:
    """A local token that was rotated by the command line ends the streams of the old one, too."""
    token = services.authenticator.local_token
    known = token.value
    while True:
        await asyncio.sleep(2)
        if token.value != known:
            known = token.value
            services.hub.recheck_all()


async def _alive(_request: Request) -> Response:
    return Response(b'{"ok":true}', media_type="application/json")


async def _openapi(_request: Request) -> Response:
    return Response(to_json(openapi.document(ROWS, app_version())), media_type="application/json")


async def _reference(_request: Request) -> Response:
    return HTMLResponse(reference.PAGE, headers={"Content-Security-Policy": reference.POLICY})


async def _unknown(scope: Any, receive: Any, send: Any) -> None:
    """A path nobody has: without its trailing slash it may be one."""
    if scope["type"] == "websocket":
        socket = WebSocket(scope, receive, send)
        await socket.close(4404)
        return
    path = scope["path"]
    if path.endswith("/") and path.strip("/") and _known(scope, path.rstrip("/")):
        query = scope.get("query_string", b"").decode("latin-1")
        target = path.rstrip("/") + (f"?{query}" if query else "")
        await RedirectResponse(target, status_code=307)(scope, receive, send)
        return
    raise DomainError("Not Found", code=Code.NOT_FOUND)


def _known(scope: Any, path: str) -> bool:
    router: Router = scope["app"].router
    return any(route.matches({**scope, "path": path})[0].value for route in router.routes if isinstance(route, Route))


def create_app(settings: Settings, database_url: str | None = None) -> Application:
    """The application for these settings, on the database they name or the one given."""
    return Application(settings, database_url)
