"""Bring the schema to the newest version, one process at a time."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, text

from api.domain.database import Database, takeover
from api.domain.database.takeover import Report

#: The key of the advisory lock that a migrating process holds.
MIGRATION_LOCK = 7_411_002
#: Our own version table: the reference's `alembic_version` is left alone when a database is taken over.
VERSION_TABLE = "mission_control_version"


def script_folder() -> Path:
    """Where the revisions are: `migrations/` in a checkout, inside the package in a wheel."""
    checkout = Path(__file__).resolve().parents[3] / "migrations"
    return checkout if checkout.is_dir() else Path(__file__).resolve().parent / "migrations"


def configuration(connection: Connection | None = None) -> Config:
    """Alembic's configuration, on `connection` if given."""
    config = Config()
    config.set_main_option("script_location", str(script_folder()))
    config.set_main_option("version_table", VERSION_TABLE)
    config.attributes["connection"] = connection
    return config


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()


def head() -> str | None:
    """The newest revision that this version of the code knows."""
    return ScriptDirectory.from_config(configuration()).get_current_head()


async def is_current(database: Database) -> bool:
    """Whether the schema is at the newest version."""
    async with database.engine.connect() as connection:
        return await connection.run_sync(_current) == head()


async def upgrade(database: Database) -> Report | None:
    """Apply what is missing, in one transaction, under an advisory lock; a database of the reference is taken over.

    Returns what a take-over did. Raises `takeover.Obstacles` when one is not possible.
    """

    def run(connection: Connection) -> Report | None:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        if _current(connection) == head():
            return None
        if _current(connection) is None and takeover.is_reference(connection):
            report = takeover.take_over(connection, _metadata())
            context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
            context.stamp(ScriptDirectory.from_config(configuration()), "head")
            return report
        command.upgrade(configuration(connection), "head")
        return None

    async with database.engine.begin() as connection:
        return await connection.run_sync(run)


async def check(database: Database) -> Report:
    """What `upgrade` would do, and what stands in its way; changes nothing."""

    def run(connection: Connection) -> Report:
        current = _current(connection)
        if current == head():
            return Report(notes=["Nothing to do: the database is at the newest version."])
        if current is None and takeover.is_reference(connection):
            return takeover.inspected(connection, _metadata())
        return Report(steps=[f"migrate from {current or 'an empty database'} to {head()}"])

    async with database.engine.connect() as connection:
        return await connection.run_sync(run)


def _metadata() -> MetaData:
    from api.domain.database.tables import metadata

    return metadata
