"""Draft a revision from the tables: `python -m tests.support.new_migration "what changes"`."""

from __future__ import annotations

import asyncio
import sys

from alembic import command
from sqlalchemy import Connection

from api.domain.database import Database
from api.domain.database.migrate import configuration, script_folder
from tests.support.databases import Databases


async def draft(url: str, message: str, number: str) -> None:
    """Compare a migrated database with the tables and write the revision."""

    def run(connection: Connection) -> None:
        command.revision(configuration(connection), message=message, autogenerate=True, rev_id=number)

    database = Database(url)
    async with database.engine.begin() as connection:
        await connection.run_sync(run)
    await database.close()


if __name__ == "__main__":
    if len(sys.argv) < 2 or not sys.argv[1]:
        sys.exit('Say what changes: make migration MESSAGE="…"')
    taken = len(list((script_folder() / "versions").glob("*.py")))
    databases = Databases()
    try:
        asyncio.run(draft(databases.template, sys.argv[1], f"{taken + 1:04d}"))
    finally:
        databases.stop()
