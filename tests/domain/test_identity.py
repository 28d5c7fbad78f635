"""Who is asking: a local key-set server, tokens good and bad, legacy agent tokens, personal tokens, presence."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from api.domain.authentication.tokens import verifies_legacy
from tests.support.databases import Databases
from tests.support.live import StreamEnded, over_sse
from tests.support.outside import Outside
from tests.support.server import RunningServer, settings_for
from tests.support.world import World

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ISSUER = "https://issuer.example"


class KeyHost:
    """A key-set server on the loopback that counts its requests and can be switched off."""

    def __init__(self) -> None:
        self.calls = 0
        self.up = True
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                host.calls += 1
                keys = [
                    {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(RSA.public_key())), "kid": "r", "alg": "RS256"},
                    {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(EC.public_key())), "kid": "e", "alg": "ES256"},
                ]
                body = json.dumps({"keys": keys}).encode()
                self.send_response(200 if host.up else 500)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def keys() -> Iterator[KeyHost]:
    host = KeyHost()
    yield host
    host.server.shutdown()


CLERK = Outside().start()


@pytest.fixture(scope="module", params=["clerk", "oidc"])
def provider(request: Any, keys: KeyHost, databases: Databases, tmp_path_factory: Any) -> Iterator[World]:
    if request.param == "clerk":
        values = {"auth_mode": "clerk", "clerk_secret_key": "sk", "clerk_jwks_url": keys.url, "clerk_issuer": ISSUER,
                  "clerk_api_url": CLERK.url, "rq_dispatch_retry_base_seconds": 0.2}  # fmt: skip
    else:
        values = {"auth_mode": "oidc", "oidc_issuer": ISSUER, "oidc_jwks_url": keys.url}
    settings = settings_for(tmp_path_factory.mktemp("jwt"), **values)
    server = RunningServer(databases.clone(), settings).start()
    yield World(server)
    server.stop()


def signed(key: Any = RSA, kid: str = "r", algorithm: str = "RS256", **changes: Any) -> str:
    moment = int(time.time())
    claims = {"sub": "user_1", "iss": ISSUER, "iat": moment, "exp": moment + 60, "email": "Ada@X.io", "name": "Ada"}
    claims = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid})


def status(world: World, token: str) -> int:
    world.forget_failures()
    return world.rest("GET", "/users/me", token).status_code


@pytest.mark.acceptance("auth-and-access.5")
def test_tokens_of_the_provider(provider: World) -> None:
    moment = int(time.time())
    good = {
        "rs256": signed(),
        "es256": signed(EC, "e", "ES256"),
        "expired within the leeway": signed(exp=moment - 5),
    }
    bad = {
        "unknown key": signed(STRANGER),
        "hs256": jwt.encode({"sub": "x", "exp": moment + 60, "iss": ISSUER}, "k" * 40, headers={"kid": "r"}),
        "expired": signed(exp=moment - 15),
        "no expiry": signed(exp=None),
        "from the future": signed(iat=moment + 60),
        "not yet": signed(nbf=moment + 60),
        "no subject": signed(sub=None),
        "blank subject": signed(sub="  "),
        "another issuer": signed(iss="https://other.example"),
        "an audience that is not ours": signed(aud="other"),
        "no token": "a.b.c",
    }
    assert {name: status(provider, token) for name, token in good.items()} == dict.fromkeys(good, 200)
    assert {name: status(provider, token) for name, token in bad.items()} == dict.fromkeys(bad, 401)


@pytest.mark.acceptance("auth-and-access.8")
def test_a_person_is_made_once_and_follows_the_claims(provider: World) -> None:
    person = provider.ok("GET", "/users/me", signed(sub="u2"))
    assert (person["email"], person["name"], person["clerk_user_id"]) == ("ada@x.io", "Ada", "u2")
    provider.ok("PATCH", "/users/me", signed(sub="u2"), json={"name": "Countess"})
    changed = provider.ok("GET", "/users/me", signed(sub="u2", email="new@x.io", name="Other"))
    assert (changed["id"], changed["email"], changed["name"]) == (person["id"], "new@x.io", "Countess")
    assert provider.ok("GET", "/organizations/me/member", signed(sub="u2"))["role"] == "owner"


@pytest.mark.acceptance("auth-and-access.7")
def test_what_a_token_does_not_say_is_asked_of_clerk_once(provider: World) -> None:
    clerk = provider.server.settings.auth_mode == "clerk"
    profile = {
        "first_name": "Grace", "last_name": "Hopper", "username": "gh", "primary_email_address_id": "e2",
        "email_addresses": [{"id": "e1", "email_address": "old@x.io"}, {"id": "e2", "email_address": "Grace@X.io"}],
    }  # fmt: skip
    CLERK.answers = {"/v1/users/bare": (200, json.dumps(profile).encode()), "/v1/users/mute": (500, b"")}
    CLERK.requests.clear()
    found = provider.ok("GET", "/users/me", signed(sub="bare", email=None, name=None))
    assert (found["email"], found["name"]) == (("grace@x.io", "Grace Hopper") if clerk else (None, None))
    started = time.monotonic()
    for _ in range(3):
        assert provider.ok("GET", "/users/me", signed(sub="mute", email=None, name=None))["name"] is None
    assert time.monotonic() - started < 6
    told = provider.ok("GET", "/users/me", signed(sub="mute", email=None, name="Mute"))
    assert told["name"] == "Mute"
    asked = [path for path, _, _ in CLERK.requests]
    assert asked == (["/v1/users/bare", "/v1/users/mute"] if clerk else []), "one try, not again for ten minutes"


@pytest.mark.parametrize("provider", ["clerk"], indirect=True)
def test_an_address_that_clerk_has_verified_opens_its_invite_however_many_requests_come_first(provider: World) -> None:
    owner = signed(sub="owner", email="owner@x.io")
    home = provider.ok("GET", "/organizations/me", owner)["id"]
    for name in ("sure", "unsure"):
        provider.ok("POST", "/organizations/me/invites", owner, json={"invited_email": f"{name}@x.io"})
    CLERK.answers = {}
    for name, state in (("sure", "verified"), ("unsure", "unverified")):
        address = {"id": "e", "email_address": f"{name}@x.io", "verification": {"status": state}}
        profile = {"username": name, "primary_email_address_id": "e", "email_addresses": [address, None]}
        body = json.dumps(profile).encode()
        CLERK.answers[f"/v1/users/{name}"] = lambda _, body=body: (time.sleep(0.3), (200, body))[1]  # type: ignore[misc]
        token = signed(sub=name, email=None, name=None)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _, token=token: provider.ok("GET", "/users/me", token), range(4)))
        joined = provider.ok("GET", "/organizations/me/list", token)
        assert (home in [one["id"] for one in joined]) is (name == "sure") and len(joined) == 1
    CLERK.answers["/v1/users/odd"] = (200, b'{"email_addresses": [null]}')
    assert status(provider, signed(sub="odd", email=None, name=None)) == 200


@pytest.mark.acceptance("organizations-and-users.24")
def test_who_leaves_is_deleted_at_clerk_too_however_it_answers(provider: World) -> None:
    clerk = provider.server.settings.auth_mode == "clerk"
    again = iter([(500, b""), (503, b""), (200, b"{}")])
    CLERK.answers = {"/v1/users/leaver": lambda _: next(again), "/v1/users/gone": (404, b"")}
    CLERK.requests.clear()
    for subject in ("leaver", "gone"):
        provider.ok("GET", "/users/me", signed(sub=subject))
        assert provider.ok("DELETE", "/users/me", signed(sub=subject)) == {"ok": True}
        assert provider.sql("SELECT 1 FROM users WHERE clerk_user_id = $1", subject) == []
    deadline = time.monotonic() + 20
    while provider.sql("SELECT 1 FROM jobs WHERE state <> 'done'") and time.monotonic() < deadline:
        time.sleep(0.05)
    done = "SELECT data->>'subject' AS subject, attempts FROM jobs WHERE kind = 'clerk.delete' AND state = 'done'"
    jobs = {row["subject"]: row["attempts"] for row in provider.sql(done)}
    assert jobs == ({"leaver": 3, "gone": 1} if clerk else {})
    asked = sorted(path for path, headers, _ in CLERK.requests if headers["authorization"] == "Bearer sk")
    assert asked == (["/v1/users/gone", *["/v1/users/leaver"] * 3] if clerk else [])


@pytest.mark.acceptance("auth-and-access.6")
def test_an_unknown_key_id_is_asked_for_at_most_once_a_minute(provider: World, keys: KeyHost) -> None:
    assert status(provider, signed()) == 200
    calls = keys.calls
    for number in range(10):
        assert status(provider, signed(kid=f"unknown-{number}")) == 401
    assert keys.calls - calls <= 1


def test_known_keys_keep_working_while_the_host_is_down(provider: World, keys: KeyHost) -> None:
    assert status(provider, signed()) == 200
    keyset = provider.services.authenticator.jwt.keys  # type: ignore[union-attr]
    keyset._fetched = keyset._tried = time.monotonic() - 1000
    keys.up = False
    try:
        assert status(provider, signed()) == 200
        keyset._keys, keyset._fetched, keyset._tried = {}, float("-inf"), float("-inf")
        answer = provider.rest("GET", "/users/me", signed())
        assert (answer.status_code, answer.json()["code"]) == (503, "UNAVAILABLE")
    finally:
        keys.up = True
        keyset._tried = float("-inf")
    assert status(provider, signed()) == 200


@pytest.mark.anyio
async def test_the_end_of_a_token_ends_its_streams(provider: World) -> None:
    leeway = provider.server.settings.clerk_leeway
    token = signed(exp=int(time.time() - leeway) + 3)
    made = provider.ok("POST", "/boards", token, json={"name": "B", "slug": "b", "description": "d"})
    started = time.monotonic()
    with pytest.raises(StreamEnded) as ended:
        async for _ in over_sse(provider, made["id"], None, token):
            pass
    assert ended.value.error["code"] == "SUBSCRIPTION_ENDED"
    assert time.monotonic() - started < 8


# -- agents ----------------------------------------------------------------------------------------------------------

LEGACY = "pbkdf2_sha256$200000$AAECAwQFBgcICQoLDA0ODw$FgLNo0LIdz2ngDcyG0yyl75lCZWbZABKypMM4ItE3ZI"


@pytest.mark.parametrize(
    "stored", ["", "x", "pbkdf2_sha256$x$a$b", "md5$1$a$b", "pbkdf2_sha256$0$AA$AA", "pbkdf2_sha256$1$!$!$", "a$b$c$d"]
)
def test_unreadable_hashes_never_match(stored: str) -> None:
    assert not verifies_legacy("legacy-agent-token", stored)
    assert verifies_legacy("legacy-agent-token", LEGACY)


@pytest.mark.acceptance("auth-and-access.9", "auth-and-access.10")
def test_a_legacy_token_works_and_is_upgraded_at_first_use(world: World) -> None:
    board = world.board()
    legacy, broken = world.agent(board, "Legacy"), world.agent(board, "Broken")
    world.sql("UPDATE agents SET token_digest = NULL, agent_token_hash = $1 WHERE id = $2", LEGACY, UUID(legacy.id))
    world.sql("UPDATE agents SET token_digest = NULL, agent_token_hash = 'x$y' WHERE id = $1", UUID(broken.id))
    for headers in ({"X-Agent-Token": "legacy-agent-token"}, {"Authorization": "bearer   legacy-agent-token"}):
        answer = world.http.get("/api/v1/agent/healthz", headers=headers)
        assert answer.json()["agent_id"] == legacy.id
    stored = world.sql("SELECT token_digest FROM agents WHERE id = $1", UUID(legacy.id))
    assert len(stored[0]["token_digest"]) == 64


@pytest.mark.acceptance("auth-and-access.15", "auth-and-access.16")
def test_any_call_is_a_sign_of_life_at_most_every_thirty_seconds(world: World) -> None:
    board, _, worker = world.team()

    def seen() -> Any:
        return world.sql("SELECT last_seen_at, status FROM agents WHERE id = $1", UUID(worker.id))[0]

    world.sql(
        "UPDATE agents SET last_seen_at = (now() AT TIME ZONE 'UTC') - interval '31 s', status = 'offline' "
        "WHERE id = $1", UUID(worker.id),
    )  # fmt: skip
    before = seen()["last_seen_at"]
    assert (
        world.rest("POST", f"/agent/boards/{board['id']}/tasks", worker.token, json={"title": "x"}).status_code == 403
    )
    deadline = time.monotonic() + 5
    while seen()["last_seen_at"] == before and time.monotonic() < deadline:
        time.sleep(0.02)
    first = seen()
    assert first["last_seen_at"] > before and first["status"] == "online"
    world.ok("GET", "/agent/healthz", worker.token)
    assert seen()["last_seen_at"] == first["last_seen_at"]


def test_a_personal_token_reaches_one_organisation_until_it_ends(world: World) -> None:
    make = "mutation($i: CreatePersonalTokenInput!) { createPersonalToken(input: $i) { secret token { id } } }"
    made = world.gql(make, i={"name": "script"})["createPersonalToken"]
    assert world.ok("GET", "/boards", made["secret"])["items"] == world.ok("GET", "/boards")["items"]
    stored = world.sql("SELECT digest FROM personal_tokens WHERE id = $1", UUID(made["token"]["id"]))[0]["digest"]
    assert made["secret"] not in stored and len(stored) == 64
    listed = world.gql("{ viewer { tokens { nodes { id name lastUsedAt } } } }")["viewer"]["tokens"]["nodes"]
    assert [(token["id"], token["name"]) for token in listed] == [(made["token"]["id"], "script")]
    assert listed[0]["lastUsedAt"]
    world.sql("UPDATE personal_tokens SET expires_at = now() - interval '1 s'")
    assert status(world, made["secret"]) == 401
    past = {"name": "x", "expiresAt": "2020-01-01T00:00:00Z"}
    assert world.code(make, i=past) == "BAD_USER_INPUT"


@pytest.mark.parametrize("header", ["", "Basic x", "Bearer", "Bearer ü", "Token x"])
def test_headers_that_are_no_credentials(world: World, header: str) -> None:
    answer = world.http.get("/api/v1/users/me", headers={"Authorization": header.encode()})
    assert (answer.status_code, answer.json()["detail"]) == (401, "Unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_an_organisation_is_chosen_by_header(world: World) -> None:
    headers = {"X-Organization-Id": world.home()}
    assert world.rest("GET", "/organizations/me", headers=headers).status_code == 200
    assert world.rest("GET", "/organizations/me", headers={"X-Organization-Id": str(uuid4())}).status_code == 403
    assert world.rest("GET", "/organizations/me", headers={"X-Organization-Id": "x"}).status_code == 422
