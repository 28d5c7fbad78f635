"""`mission-control doctor`: what it finds, and what it says to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from api.doctor import examine, findings
from api.settings import load_settings
from tests.protocol.conftest import Place


def settings(home: Place, **values: Any) -> Any:
    own = home.world.services.settings
    return load_settings(data=own.data, database_url=home.world.server.database_url, **values)


def test_it_looks_at_everything_while_no_server_runs(home: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert examine(settings(home, port=1)) == 0
    told = capsys.readouterr().out
    assert "1 gateways are registered" in told and "answers, version 2026.9.6" in told and "All is well." in told


def test_it_says_what_to_do(home: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world = home.world
    home.fake.refuse("connect", "unauthorized: wrong", details={"code": "AUTH_TOKEN_MISMATCH"})
    assert examine(settings(home, port=1)) == 1
    assert "openclaw dashboard --json --no-open" in capsys.readouterr().out
    home.fake.instead.clear()
    home.fake.version = "2020.1.1"
    assert examine(settings(home, port=1)) == 1
    assert "openclaw update" in capsys.readouterr().out
    capsys.readouterr()
    home.fake.version, home.fake.config["meta"] = "dev", {"lastTouchedVersion": "2026.2.9"}
    assert examine(settings(home, port=1)) == 0 and "answers, version 2026.2.9" in capsys.readouterr().out
    home.fake.version = "2026.9.6"
    url = home.fake.url
    world.sql("UPDATE gateways SET url = 'ws://127.0.0.1:9' WHERE id = $1", UUID(home.id))
    assert examine(settings(home, port=1)) == 1
    assert "connection refused" in capsys.readouterr().out
    world.sql("UPDATE gateways SET url = $2 WHERE id = $1", UUID(home.id), url)
    path = world.services.settings.identity_file
    kept = path.read_text()
    path.chmod(0o644)
    assert any("chmod 600" in found.advice for found in findings(settings(home, port=1)))
    path.write_text("{}")
    assert any("backup" in found.advice for found in findings(settings(home, port=1)))
    path.write_text(kept)
    path.chmod(0o600)
    away = load_settings(data=tmp_path, database_url="postgresql://127.0.0.1:9/none", port=1)
    assert any("DATABASE_URL" in found.advice for found in findings(away))


def test_it_asks_a_server_that_runs(home: Place) -> None:
    own = home.world.server
    host, port = own.url.removeprefix("http://").split(":")
    found = list(findings(settings(home, host=host, port=port, local_auth_token=home.world.token)))
    assert any("the server runs" in one.what for one in found)
    assert any("connected, version 2026.9.6" in one.what for one in found), found
