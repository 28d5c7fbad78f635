"""The parts that tests share: a database server a process, a database and a server a module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.logs import configure_logging
from api.settings import load_settings
from tests.support.browser import chromium
from tests.support.databases import Databases
from tests.support.server import RunningServer, settings_for
from tests.support.world import World

__all__ = ["chromium"]


@pytest.fixture(scope="session", autouse=True)
def _quiet() -> None:
    """Log lines are looked at where a test is about them."""
    configure_logging(load_settings(log_level="CRITICAL"))


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """The test process's PostgreSQL."""
    found = Databases()
    yield found
    found.stop()


@pytest.fixture(scope="module")
def world(databases: Databases, tmp_path_factory: pytest.TempPathFactory, request: Any) -> Iterator[World]:
    """A running server with an empty database; a module may set `SETTINGS` for it."""
    folder: Path = tmp_path_factory.mktemp("data")
    settings = settings_for(folder, **getattr(request.module, "SETTINGS", {}))
    server = RunningServer(databases.clone(), settings).start()
    found = World(server)
    found.me()
    yield found
    server.stop()


@pytest.fixture
def anyio_backend() -> str:
    """Asynchronous tests run on asyncio."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _no_failures_remembered(request: Any) -> None:
    """The limit on failed attempts is a matter of its own test; here wrong tokens are sent on purpose."""
    if "world" in request.fixturenames:
        request.getfixturevalue("world").forget_failures()
