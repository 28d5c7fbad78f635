"""One embedded PostgreSQL a test process, one migrated template, one clone a test module."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
from sqlalchemy import make_url

from api.domain.database import Database, asyncpg_arguments, migrate
from api.domain.database.embedded import EmbeddedPostgres

T = TypeVar("T")


def finish(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in a thread of its own: the test may have an event loop already."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


class Databases:
    """Clones of a migrated template on a server that lives as long as the test process."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mission-control-tests-"))
        self.postgres = EmbeddedPostgres(self.folder)
        self.template = self.postgres.start()
        self._numbers = itertools.count(1)
        finish(self._prepare())

    async def _prepare(self) -> None:
        database = Database(self.template)
        await migrate.upgrade(database)
        await database.close()
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            await self._admin(f"ALTER SYSTEM SET {setting} = off")
        await self._admin("SELECT pg_reload_conf()")

    async def _admin(self, sql: str) -> None:
        arguments = {**asyncpg_arguments(self.template), "database": "postgres"}
        connection = await asyncpg.connect(**arguments)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    def clone(self) -> str:
        """The URL of a fresh database with the schema in it."""
        name = f"clone_{next(self._numbers)}"
        finish(self._admin(f"CREATE DATABASE {name} TEMPLATE {make_url(self.template).database}"))
        return make_url(self.template).set(database=name).render_as_string(hide_password=False)

    def empty(self) -> str:
        """The URL of a database without anything in it."""
        name = f"empty_{next(self._numbers)}"
        finish(self._admin(f"CREATE DATABASE {name}"))
        return make_url(self.template).set(database=name).render_as_string(hide_password=False)

    def stop(self) -> None:
        """Stop the server."""
        self.postgres.stop()


def query(url: str, sql: str, *arguments: Any) -> list[Any]:
    """Run a statement on a database, beside the server."""

    async def run() -> list[Any]:
        connection = await asyncpg.connect(**asyncpg_arguments(url))
        try:
            return list(await connection.fetch(sql, *arguments))
        finally:
            await connection.close()

    return finish(run())
