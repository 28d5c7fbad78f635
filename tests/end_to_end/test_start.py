"""Starting and stopping for real: settings, the data folder, signals, the database that goes away and comes back."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.databases import Databases

PYTHON = [sys.executable, "-m", "api.cli"]
ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(folder: Path, **extra: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "VIRTUAL_ENV")}
    return {**kept, "PYTHONPATH": str(ROOT), "MISSION_CONTROL_DATA": str(folder), **extra}


@contextmanager
def serving(folder: Path, **extra: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server process; killed if the test leaves it running."""
    port = free_port()
    process = subprocess.Popen(
        [*PYTHON, "serve", "--port", str(port)], env=environment(folder, **extra), cwd=folder, text=True,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                if httpx.get(f"{url}/readyz").status_code == 200:
                    break
            except httpx.HTTPError:
                assert process.poll() is None, process.stderr.read() if process.stderr else ""
                time.sleep(0.05)
        yield process, url
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(15)


def run(folder: Path, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PYTHON, *arguments], env=environment(folder, **extra), cwd=folder, text=True, capture_output=True, timeout=60,
        check=False,
    )  # fmt: skip


def stop(process: subprocess.Popen[str]) -> tuple[int, float, str]:
    started = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=20)
    return process.returncode, time.monotonic() - started, told


def test_the_first_start_makes_a_token_and_data_survive_a_restart(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, url):
        token = (tmp_path / "local-token").read_text()
        assert (tmp_path / "local-token").stat().st_mode & 0o777 == 0o600
        headers = {"Authorization": f"Bearer {token}"}
        board = {"name": "Kept", "slug": "kept", "description": "d"}
        assert httpx.post(f"{url}/api/v1/boards", json=board, headers=headers).status_code == 200
        second = run(tmp_path, "serve", "--port", str(free_port()))
        assert second.returncode == 1
        assert "in use by another mission-control server" in second.stderr and str(process.pid) in second.stderr
        code, seconds, told = stop(process)
        assert (code, seconds < 10) == (0, True)
        assert token in told, "the first start shows the token once"
    assert not (tmp_path / "postgres" / "postmaster.pid").exists(), "the embedded database was left running"
    with serving(tmp_path) as (process, url):
        found = httpx.get(f"{url}/api/v1/boards", headers=headers).json()
        assert [board["name"] for board in found["items"]] == ["Kept"]
        told = stop(process)[2]
        assert token not in told, "later starts do not show it"
        for line in told.splitlines():
            if line.startswith("{"):
                assert json.loads(line)["event"]
    assert run(tmp_path, "token", "show").stdout.strip() == token
    assert run(tmp_path, "token", "rotate").stdout.strip() != token


def test_personal_tokens_from_the_command_line(tmp_path: Path) -> None:
    with serving(tmp_path, LOG_LEVEL="DEBUG") as (process, url):
        made = run(tmp_path, "token", "create", "nightly", "--expires-days", "7", "--url", url)
        secret = made.stdout.strip()
        assert made.returncode == 0 and secret.startswith("mcp_")
        listed = run(tmp_path, "token", "list", "--url", url).stdout
        assert "nightly" in listed and secret not in listed
        headers = {"Authorization": f"Bearer {secret}"}
        assert httpx.get(f"{url}/api/v1/users/me", headers=headers).status_code == 200
        assert run(tmp_path, "token", "revoke", listed.split()[0], "--url", url).stdout.strip() == "Revoked."
        assert httpx.get(f"{url}/api/v1/users/me", headers=headers).status_code == 401
        assert run(tmp_path, "token", "revoke", "nobody", "--url", url).returncode == 1
        told = stop(process)[2]
        lines = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
        done = [
            line for line in lines if line["event"] == "http.request.complete" and line["path"] == "/api/v1/users/me"
        ]
        assert all(line["request_id"] for line in done) and done[0]["actor"].startswith("user:")
        assert secret not in told


def test_streams_end_with_a_cursor_when_the_server_stops(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, url):
        headers = {"Authorization": f"Bearer {(tmp_path / 'local-token').read_text()}"}
        board = httpx.post(
            f"{url}/api/v1/boards", json={"name": "B", "slug": "b", "description": "d"}, headers=headers
        ).json()
        query = f'subscription {{ boardEvents(boardId: "{board["id"]}") {{ cursor }} }}'
        accept = {**headers, "Accept": "text/event-stream"}
        with httpx.stream("POST", f"{url}/graphql", json={"query": query}, headers=accept, timeout=15) as stream:
            lines = stream.iter_lines()
            assert next(lines) == ":"
            time.sleep(0.5)
            process.send_signal(signal.SIGTERM)
            ended = json.loads(next(line for line in lines if line.startswith("data: {")).removeprefix("data: "))
        extensions = ended["errors"][0]["extensions"]
        assert extensions["code"] == "SHUTTING_DOWN" and extensions["details"]["cursor"]
        assert process.wait(10) == 0


def test_a_local_token_rotated_by_the_command_line_ends_its_streams(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, url):
        headers = {"Authorization": f"Bearer {(tmp_path / 'local-token').read_text()}"}
        board = httpx.post(
            f"{url}/api/v1/boards", json={"name": "B", "slug": "b", "description": "d"}, headers=headers
        ).json()
        path = f"{url}/api/v1/boards/{board['id']}/tasks/stream"
        with httpx.stream("GET", path, headers=headers, timeout=10) as stream:
            lines = stream.iter_lines()
            time.sleep(0.5)
            fresh = run(tmp_path, "token", "rotate").stdout.strip()
            started = time.monotonic()
            assert any(": ended SUBSCRIPTION_ENDED" in line for line in lines)
            assert time.monotonic() - started < 5
        assert httpx.get(f"{url}/api/v1/users/me", headers=headers).status_code == 401
        headers = {"Authorization": f"Bearer {fresh}"}
        assert httpx.get(f"{url}/api/v1/users/me", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"AUTH_MODE": "LOCAL"}, "AUTH_MODE = 'LOCAL': allowed: 'local', 'clerk' or 'oidc'"),
        ({"AUTH_MODE": "clerk"}, "CLERK_SECRET_KEY: required when AUTH_MODE is clerk"),
        ({"AUTH_MODE": "oidc"}, "MISSION_CONTROL_OIDC_ISSUER: required"),
        ({"LOCAL_AUTH_TOKEN": "secret-but-short"}, "LOCAL_AUTH_TOKEN: allowed: at least 50 characters"),
        ({"BASE_URL": "ftp://x"}, "BASE_URL = 'ftp://x': allowed: an absolute http or https URL"),
        ({"DATABASE_URL": "mysql://u:hidden@h/d"}, "DATABASE_URL = 'mysql://u:***@h/d': allowed: postgresql://"),
        ({"REQUEST_LOG_SLOW_MS": "-1"}, "REQUEST_LOG_SLOW_MS = '-1'"),
        ({"CLERK_LEEWAY": "x"}, "CLERK_LEEWAY = 'x'"),
        ({"MISSION_CONTROL_PORT": "99999"}, "MISSION_CONTROL_PORT = '99999'"),
        ({"LOG_LEVEL": "LOUD"}, "LOG_LEVEL = 'LOUD': allowed: TRACE, DEBUG"),
        ({"MISSION_CONTROL_DATA": "/proc/nope"}, "MISSION_CONTROL_DATA = '/proc/nope': allowed: a folder"),
        ({"TRUSTED_PROXIES": "10.0.0.0/8, nowhere"}, "TRUSTED_PROXIES"),
    ],
)
@pytest.mark.acceptance("configuration.1")
def test_a_wrong_setting_is_one_line(tmp_path: Path, variables: dict[str, str], said: str) -> None:
    done = run(tmp_path, "serve", **variables)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1 and "Traceback" not in done.stderr
    assert "secret-but-short" not in done.stderr and "hidden" not in done.stderr


@pytest.mark.acceptance("configuration.5", "configuration.6", "configuration.10")
def test_settings_come_from_the_environment_then_files_then_defaults(tmp_path: Path) -> None:
    (tmp_path / "backend").mkdir()
    (tmp_path / "backend" / ".env").write_text("ENVIRONMENT=low\nBASE_URL=http://low\nRQ_QUEUE_NAME=low\nUNKNOWN=x\n")
    (tmp_path / ".env").write_text("BASE_URL=http://middle//\nRQ_QUEUE_NAME=middle\n")
    (tmp_path / "key").write_text("from-a-file\n")
    shown = run(
        tmp_path, "config", RQ_QUEUE_NAME="high", DB_AUTO_MIGRATE="", CLERK_SECRET_KEY_FILE=str(tmp_path / "key"),
        DATABASE_URL="postgres://u:hidden@h/d",
    ).stdout  # fmt: skip
    for line in ("RQ_QUEUE_NAME=high", "BASE_URL=http://middle", "ENVIRONMENT=low", "DB_AUTO_MIGRATE=None"):
        assert line in shown.splitlines()
    assert "hidden" not in shown and "from-a-file" not in shown and "CLERK_SECRET_KEY=***" in shown


def test_a_folder_of_another_postgresql_is_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("16\n")
    done = run(tmp_path, "serve")
    assert done.returncode == 1
    for word in ("PostgreSQL 16", "mission-control dump", "mission-control restore"):
        assert word in done.stderr


def test_a_dump_is_restored_into_a_new_folder_and_old_cursors_expire(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    read = "{ eventCursor boards { nodes { name } } }"
    with serving(old) as (process, url):
        token = (old / "local-token").read_text()
        headers = {"Authorization": f"Bearer {token}"}
        httpx.post(f"{url}/api/v1/boards", json={"name": "B", "slug": "b", "description": "d"}, headers=headers)
        cursor = httpx.post(f"{url}/graphql", json={"query": read}, headers=headers).json()["data"]["eventCursor"]
        stop(process)
    dump = run(old, "dump").stdout
    restored = subprocess.run(
        [*PYTHON, "restore"], env=environment(new), cwd=new, input=dump, text=True, capture_output=True, check=False
    )
    assert restored.returncode == 0, restored.stderr
    with serving(new, LOCAL_AUTH_TOKEN=token) as (_, url):
        found = httpx.post(f"{url}/graphql", json={"query": read}, headers=headers).json()["data"]
        assert found["boards"]["nodes"] == [{"name": "B"}]
        board = httpx.get(f"{url}/api/v1/boards", headers=headers).json()["items"][0]["id"]
        late = {**headers, "Last-Event-ID": cursor}
        answer = httpx.get(f"{url}/api/v1/boards/{board}/tasks/stream", headers=late)
        assert (answer.status_code, answer.json()["code"]) == (410, "CURSOR_EXPIRED")


@pytest.mark.parametrize("spelling", ["postgresql", "postgres", "postgresql+psycopg", "postgresql+asyncpg"])
@pytest.mark.acceptance("configuration.3")
def test_every_spelling_of_a_database_url_connects(tmp_path: Path, databases: Databases, spelling: str) -> None:
    url = databases.empty().replace("postgresql+asyncpg", spelling)
    with serving(tmp_path, DATABASE_URL=url) as (process, base):
        assert httpx.get(f"{base}/readyz").json() == {"ok": True}
        assert not (tmp_path / "postgres").exists()
        assert stop(process)[0] == 0


@pytest.mark.acceptance("configuration.7")
def test_two_servers_start_on_one_empty_database(tmp_path: Path, databases: Databases) -> None:
    url = databases.empty()
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir()
    second.mkdir()
    with serving(first, DATABASE_URL=url) as (_, one), serving(second, DATABASE_URL=url) as (_, two):
        assert httpx.get(f"{one}/readyz").status_code == httpx.get(f"{two}/readyz").status_code == 200


@pytest.mark.acceptance("configuration.7")
def test_without_migrations_at_start_an_old_schema_is_refused(tmp_path: Path, databases: Databases) -> None:
    done = run(tmp_path, "serve", DATABASE_URL=databases.empty(), DB_AUTO_MIGRATE="false", MISSION_CONTROL_PORT="0")
    assert done.returncode == 1 and "mission-control migrate" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unreachable_database_is_said_in_a_line(tmp_path: Path) -> None:
    url = f"postgresql://u:hidden@127.0.0.1:{free_port()}/d"
    done = run(tmp_path, "serve", DATABASE_URL=url)
    assert done.returncode == 1 and "database" in done.stderr.lower()
    assert "hidden" not in done.stderr and "Traceback" not in done.stderr


@pytest.mark.acceptance("http-conventions.16")
def test_a_database_that_goes_away_is_503_and_comes_back(tmp_path: Path) -> None:
    from api.domain.database.embedded import EmbeddedPostgres

    database = EmbeddedPostgres(tmp_path / "db")
    url = database.start()
    try:
        with serving(tmp_path, DATABASE_URL=url) as (_, base):
            headers: Any = {"Authorization": f"Bearer {(tmp_path / 'local-token').read_text()}"}
            assert httpx.get(f"{base}/api/v1/users/me", headers=headers).status_code == 200
            database.stop()
            away = httpx.get(f"{base}/api/v1/users/me", headers=headers, timeout=30)
            assert (away.status_code, away.json()["code"], away.headers["retry-after"]) == (503, "UNAVAILABLE", "2")
            query = httpx.post(f"{base}/graphql", json={"query": "{ me { name } }"}, headers=headers, timeout=30)
            assert query.json()["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
            assert httpx.get(f"{base}/healthz").status_code == 200
            assert httpx.get(f"{base}/readyz").status_code == 503
            database.start()
            deadline = time.monotonic() + 20
            while httpx.get(f"{base}/api/v1/users/me", headers=headers).status_code != 200:
                assert time.monotonic() < deadline
                time.sleep(0.2)
    finally:
        database.stop()
