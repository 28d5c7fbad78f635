"""A second database server: Debian's PostgreSQL, the demo on it, and two servers of ours on one database."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.end_to_end.test_start import PYTHON, free_port, run, serving


@pytest.fixture(scope="module")
def external() -> Iterator[str]:
    """A PostgreSQL of the distribution with a password, on a TCP port."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    folder = Path(tempfile.mkdtemp(prefix="external-postgres-"))
    data, port = folder / "data", free_port()
    as_user = []
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    password = folder / "password"
    password.write_text("ext-secret")
    shutil.chown(password, "postgres") if as_user else None

    def pg(*command: str) -> None:
        subprocess.run([*as_user, *command], check=True, capture_output=True, cwd=folder)

    pg(str(binaries / "initdb"), "-D", str(data), "-U", "mc", "--pwfile", str(password), "--auth=scram-sha-256")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
    pg(str(binaries / "pg_ctl"), "-w", "-D", str(data), "-o", options, "-l", str(folder / "log"), "start")
    yield f"postgresql://mc:ext-secret@127.0.0.1:{port}/postgres"
    pg(str(binaries / "pg_ctl"), "-w", "-D", str(data), "-m", "fast", "stop")
    shutil.rmtree(folder, ignore_errors=True)


def test_the_demo_plays_on_an_external_database(external: str, tmp_path: Path) -> None:
    done = run(tmp_path, "demo", DATABASE_URL=external)
    assert done.returncode == 0, done.stderr
    assert "The end: everything happened as it should." in done.stdout
    assert "ext-secret" not in done.stdout + done.stderr


def test_the_external_server_is_one_we_support(external: str) -> None:
    from tests.support.databases import query

    version = query(external.replace("postgresql://", "postgresql+asyncpg://"), "SHOW server_version_num")
    assert int(version[0][0]) >= 140_000


def test_two_servers_on_one_database_see_each_other_s_events_at_once(external: str, tmp_path: Path) -> None:
    import time

    token = "t" * 60
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with (
        serving(tmp_path / "a", DATABASE_URL=external, LOCAL_AUTH_TOKEN=token) as (_, one),
        serving(tmp_path / "b", DATABASE_URL=external, LOCAL_AUTH_TOKEN=token) as (_, two),
    ):
        headers = {"Authorization": f"Bearer {token}"}
        board = httpx.post(
            f"{one}/api/v1/boards", json={"name": "B", "slug": "b", "description": "d"}, headers=headers
        ).json()["id"]
        with httpx.stream("GET", f"{two}/api/v1/boards/{board}/tasks/stream", headers=headers, timeout=10) as stream:
            lines = stream.iter_lines()
            time.sleep(0.5)
            started = time.monotonic()
            httpx.post(f"{one}/api/v1/boards/{board}/tasks", json={"title": "across"}, headers=headers)
            data = next(line for line in lines if line.startswith("data:"))
            assert "across" in data and time.monotonic() - started < 0.9, "woken, not found by the slow poll"


def test_the_demo_plays_against_a_running_server(external: str, tmp_path: Path) -> None:
    with serving(tmp_path, DATABASE_URL=external, LOCAL_AUTH_TOKEN="u" * 60) as (_, url):
        done = run(tmp_path, "demo", "--url", url, "--token", "u" * 60)
        assert done.returncode == 0, done.stderr
        wrong = subprocess.run(
            [*PYTHON, "demo", "--url", url, "--token", "wrong"], capture_output=True, text=True, check=False
        )
        assert wrong.returncode == 1 and "deviated" in wrong.stderr
