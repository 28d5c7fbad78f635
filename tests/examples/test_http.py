"""Around every answer: ids, headers, origins, proxies, limits and logs, as the documented examples put them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from api.middleware import wrap
from tests.end_to_end.test_start import free_port, run, serving, stop
from tests.support.databases import Databases, finish
from tests.support.server import RunningServer, settings_for
from tests.support.world import World

SETTINGS = {
    "cors_origins": "http://a, http://b", "security_header_x_frame_options": "SAMEORIGIN",
    "security_header_referrer_policy": "", "trusted_proxies": "127.0.0.0/8, 10.0.0.0/8",
}  # fmt: skip


@pytest.fixture(scope="module")
def plain(databases: Databases, tmp_path_factory: Any) -> Iterator[World]:
    """A server with nothing set."""
    server = RunningServer(databases.clone(), settings_for(tmp_path_factory.mktemp("plain"))).start()
    yield World(server)
    server.stop()


def preflight(world: World, origin: str) -> httpx.Response:
    headers = {
        "Origin": origin, "Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization",
    }  # fmt: skip
    return world.http.options("/api/v1/users/me", headers=headers)


@pytest.mark.acceptance("http-conventions.1", "http-conventions.2")
def test_every_answer_has_an_id(world: World) -> None:
    board = world.board()
    calls = [
        ("GET", "/users/me", None), ("GET", "/unknown", None), ("PUT", "/users/me", None), ("POST", "/boards", {}),
    ]  # fmt: skip
    for method, path, body in calls:
        answer = world.rest(method, path, json=body)
        shown = answer.headers["x-request-id"]
        assert re.fullmatch("[0-9a-f]{32}", shown), answer.status_code
        if answer.status_code >= 400:
            assert answer.json()["request_id"] == shown
    assert preflight(world, "http://b").headers["x-request-id"]
    path = f"/api/v1/boards/{board['id']}/tasks/stream"
    with world.http.stream("GET", path, headers=world.headers(None)) as stream:
        assert stream.headers["x-request-id"]
    told = world.rest("GET", "/unknown", headers={"X-Request-Id": "req-123"})
    assert told.headers["x-request-id"] == told.json()["request_id"] == "req-123"
    for bad in ("", "x" * 200):
        shown = world.rest("GET", "/users/me", headers={"X-Request-Id": bad}).headers["x-request-id"]
        assert re.fullmatch("[0-9a-f]{32}", shown)


@pytest.mark.acceptance("http-conventions.3")
def test_an_unexpected_error_has_every_header(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_ctx: Any) -> None:
        raise RuntimeError("internal text")

    monkeypatch.setattr("api.domain.users.operations.me", fail)
    answer = world.rest("GET", "/users/me", headers={"Origin": "http://b"})
    assert (answer.status_code, answer.json()["detail"]) == (500, "Internal Server Error")
    assert answer.json()["request_id"] == answer.headers["x-request-id"] and "internal text" not in answer.text
    assert answer.headers["x-frame-options"] == "SAMEORIGIN" and answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["access-control-allow-origin"] == "http://b"


@pytest.mark.acceptance("http-conventions.7")
def test_a_large_body_is_processed(world: World) -> None:
    board = world.board()
    path = f"/boards/{board['id']}/memory"
    assert world.rest("POST", path, json={"content": "m", "ignored": "x" * (9 * 1024 * 1024)}).status_code == 200
    assert world.rest("POST", path, json={"content": "x" * (11 * 1024 * 1024)}).status_code == 413
    assert world.rest("GET", "/users/me").status_code == 200


@pytest.mark.acceptance("http-conventions.9")
def test_other_origins(world: World, plain: World) -> None:
    answer = preflight(world, "http://b")
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "http://b"
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-max-age"] == "600"
    assert preflight(world, "http://c").status_code == 400
    found = plain.rest("GET", "/users/me", headers={"Origin": "http://b"})
    assert not [name for name in found.headers if name.startswith("access-control")]


@pytest.mark.acceptance("http-conventions.10")
def test_security_headers(world: World) -> None:
    for answer in (world.rest("GET", "/users/me"), preflight(world, "http://b")):
        assert answer.headers["x-frame-options"] == "SAMEORIGIN"
        assert "referrer-policy" not in answer.headers


@pytest.mark.acceptance("http-conventions.11")
def test_a_handler_s_own_header_stays(world: World) -> None:
    async def own(_request: Any) -> Response:
        return Response("own", headers={"X-Frame-Options": "DENY"})

    app = wrap(Starlette(routes=[Route("/own", own)]), world.services.settings)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
            return await client.get("/own")

    assert finish(ask()).headers.get_list("x-frame-options") == ["DENY"]


def failures(world: World, amount: int, **headers: str) -> list[int]:
    return [
        world.rest("GET", "/agent/healthz", "", headers={"X-Agent-Token": f"wrong-{n}", **headers}).status_code
        for n in range(amount)
    ]


@pytest.mark.acceptance("http-conventions.12")
def test_a_forged_address_does_not_help(plain: World) -> None:
    plain.forget_failures()
    found = [failures(plain, 1, **{"X-Forwarded-For": f"9.9.9.{n}"})[0] for n in range(21)]
    assert found == [401] * 20 + [429]
    plain.forget_failures()


@pytest.mark.acceptance("http-conventions.13")
def test_a_trusted_proxy_names_the_client(world: World) -> None:
    forwarded = {"Forwarded": 'for="[2001:db8::1]:443"', "X-Forwarded-For": "8.8.8.8"}
    failures(world, 1, **forwarded)
    keys = {row["key"] for row in world.sql("SELECT key FROM rate_windows")}
    assert any("2001:db8::1" in key for key in keys) and not any("8.8.8.8" in key for key in keys)


@pytest.mark.acceptance("http-conventions.14")
def test_the_window_slides(plain: World) -> None:
    plain.forget_failures()
    assert failures(plain, 20) == [401] * 20

    def pass_by(seconds: float) -> None:
        plain.sql("UPDATE rate_windows SET hits = ARRAY(SELECT h - $1 FROM unnest(hits) AS h)", seconds)

    pass_by(58)
    limited = plain.rest("GET", "/agent/healthz", "", headers={"X-Agent-Token": "wrong"})
    assert limited.status_code == 429 and int(limited.headers["retry-after"]) >= 1
    pass_by(3)
    assert failures(plain, 1) == [401]
    for _ in range(30):
        failures(plain, 1)
        pass_by(1)
    assert failures(plain, 1) == [429], "who never stops stays outside"
    plain.forget_failures()


@pytest.mark.acceptance("auth-and-access.12")
def test_good_tokens_are_never_refused(plain: World) -> None:
    plain.me()
    _, _, worker = plain.team()
    plain.forget_failures()
    assert failures(plain, 21)[-1] == 429
    assert {plain.rest("GET", "/agent/healthz", worker.token).status_code for _ in range(100)} == {200}
    assert plain.rest("GET", "/users/me").status_code == 200
    plain.forget_failures()


@pytest.mark.acceptance("http-conventions.17", "http-conventions.18", "configuration.9")
def test_logs_are_json_lines_and_slow_requests_stand_out(tmp_path: Path) -> None:
    with serving(tmp_path, LOG_FORMAT="json", LOG_LEVEL="DEBUG", REQUEST_LOG_SLOW_MS="1") as (process, url):
        token = (tmp_path / "local-token").read_text()
        httpx.get(f"{url}/healthz")
        httpx.get(f"{url}/api/v1/users/me", headers={"Authorization": f"Bearer {token}"})
        lines = [json.loads(line) for line in stop(process)[2].splitlines()]
    slow = [line for line in lines if line["event"] == "http.request.slow" and line["path"] == "/api/v1/users/me"]
    assert len(slow) == 1 and slow[0]["duration_ms"] >= slow[0]["slow_threshold_ms"] == 1
    assert not [line for line in lines if line["event"].startswith("http.request") and line["path"] == "/healthz"]
    for name, value in (("REQUEST_LOG_SLOW_MS", "-1"), ("CLERK_LEEWAY", "x"), ("RATE_LIMIT_BACKEND", "x")):
        wrong = run(tmp_path, "serve", "--port", str(free_port()), **{name: value})
        assert wrong.returncode != 0 and name in wrong.stderr


@pytest.mark.acceptance("configuration.8", "http-conventions.15")
def test_shared_rate_limits_want_an_address_and_need_nobody_there(tmp_path: Path) -> None:
    port = str(free_port())
    wrong = run(tmp_path, "serve", "--port", port, RATE_LIMIT_BACKEND="redis", RQ_REDIS_URL=" ")
    assert wrong.returncode != 0 and "RATE_LIMIT_REDIS_URL" in wrong.stderr
    shared = {"RATE_LIMIT_BACKEND": "redis", "RQ_REDIS_URL": "redis://:hidden-word@127.0.0.1:1/0"}
    with serving(tmp_path, **shared) as (process, url):
        # The limits are kept in the database, for all processes.
        wrong_token = {"X-Agent-Token": "wrong"}
        answers = [httpx.get(f"{url}/api/v1/agent/healthz", headers=wrong_token).status_code for _ in range(22)]
        assert answers == [401] * 20 + [429] * 2
        assert "hidden-word" not in stop(process)[2]


@pytest.mark.acceptance("configuration.4", "auth-and-access.1")
def test_the_length_of_the_local_token(tmp_path: Path) -> None:
    short = run(tmp_path, "serve", "--port", str(free_port()), LOCAL_AUTH_TOKEN="x" * 49)
    assert short.returncode != 0 and "LOCAL_AUTH_TOKEN" in short.stderr and "x" * 49 not in short.stderr
    clerk = run(tmp_path, "serve", "--port", str(free_port()), AUTH_MODE="clerk")
    assert clerk.returncode != 0 and "LOCAL_AUTH_TOKEN" not in clerk.stderr and "CLERK" in clerk.stderr
    with serving(tmp_path, LOCAL_AUTH_TOKEN="x" * 50, REQUEST_LOG_SLOW_MS="0", LOG_FORMAT="json") as (process, url):
        answer = httpx.get(f"{url}/api/v1/users/me", headers={"Authorization": f"Bearer {'x' * 50}"})
        assert answer.status_code == 200
        assert "http.request.slow" not in stop(process)[2]


@pytest.mark.acceptance("configuration.2")
def test_the_base_url_is_what_webhooks_show(databases: Databases, tmp_path: Path) -> None:
    server = RunningServer(databases.clone(), settings_for(tmp_path, base_url=" https://h/p// ")).start()
    world = World(server)
    board = world.board()
    made = world.ok("POST", f"/boards/{board['id']}/webhooks", json={"description": "d"})
    server.stop()
    assert made["endpoint_url"].startswith("https://h/p/api/v1/")
