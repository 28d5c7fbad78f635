"""What our connection says to a gateway and makes of its answers, frame by frame."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.x509.oid import NameOID

from api.gateway import versions
from api.gateway.connection import Connection, Gap, Target
from api.gateway.errors import GatewayError, Kind
from api.gateway.identity import DeviceIdentity
from tests.support.fake_gateway import FakeGateway

pytestmark = pytest.mark.anyio


@pytest.fixture
def identity(tmp_path: Path) -> DeviceIdentity:
    return DeviceIdentity.load(tmp_path / "device.json")


@pytest.fixture
def fake() -> Iterator[FakeGateway]:
    found = FakeGateway()
    yield found
    found.stop()


@pytest.mark.acceptance("gateway-rpc-client.1", "gateway-rpc-client.4")
async def test_the_connect_frame_carries_token_role_scopes_and_device(fake: FakeGateway, identity: Any) -> None:
    await (await Connection.open(Target(fake.url, " tok&1 "), identity)).close()
    await (await Connection.open(Target(fake.url), identity)).close()
    with_token, without = fake.connects
    assert with_token["auth"] == {"token": "tok&1"} and "auth" not in without
    assert with_token["role"] == "operator" and with_token["scopes"][:4] == [
        "operator.read", "operator.write", "operator.admin", "operator.approvals",
    ]  # fmt: skip
    assert (with_token["minProtocol"], with_token["maxProtocol"]) == (3, 4)
    assert not any("origin" in {name.lower() for name in headers} for headers in fake.headers)
    assert not any("tok&1" in json.dumps(headers) for headers in fake.headers)


@pytest.mark.acceptance("gateway-rpc-client.3")
async def test_without_pairing_the_device_is_shown_all_the_same(fake: FakeGateway, identity: DeviceIdentity) -> None:
    await (await Connection.open(Target(fake.url, "tok", disable_device_pairing=True), identity)).close()
    (connect,) = fake.connects
    assert (connect["client"]["id"], connect["client"]["mode"]) == ("gateway-client", "backend")
    assert connect["device"]["id"] == identity.device_id
    assert "origin" not in {name.lower() for name in fake.headers[0]}, "with one, current gateways grant no scope"


@pytest.mark.acceptance("gateway-rpc-client.5", "gateway-rpc-client.6")
async def test_the_device_signs_the_challenge(fake: FakeGateway, identity: DeviceIdentity) -> None:
    await (await Connection.open(Target(fake.url, "tok"), identity)).close()
    connect = fake.connects[0]
    device = connect["device"]
    raw = base64.urlsafe_b64decode(device["publicKey"] + "=")
    assert device["nonce"] == "n" and device["id"] == hashlib.sha256(raw).hexdigest()
    text = "|".join([
        "v2", device["id"], connect["client"]["id"], connect["client"]["mode"], "operator", ",".join(connect["scopes"]),
        str(device["signedAt"]), "tok", "n",
    ])  # fmt: skip
    signature = base64.urlsafe_b64decode(device["signature"] + "==")
    Ed25519PublicKey.from_public_bytes(raw).verify(signature, text.encode())
    assert 1700000000000 <= device["signedAt"] <= fake.clock(), "the gateway's clock counts, not ours"


async def test_a_gateway_that_sends_no_challenge_gets_no_device(
    identity: DeviceIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.gateway.connection.CHALLENGE_SECONDS", 0.2)
    silent = FakeGateway(challenge=False)
    await (await Connection.open(Target(silent.url, "tok"), identity)).close()
    silent.stop()
    assert "device" not in silent.connects[0]


def certificate(folder: Path) -> ssl.SSLContext:
    """A server's side of TLS, with a certificate that nobody has signed, for another host."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "elsewhere.example")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "both.pem").write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    found.load_cert_chain(folder / "both.pem")
    return found


@pytest.mark.acceptance("gateway-rpc-client.2")
async def test_certificates_are_verified_unless_told_otherwise(identity: DeviceIdentity, tmp_path: Path) -> None:
    tls = certificate(tmp_path)
    secure = FakeGateway(tls=tls)
    try:
        with pytest.raises(GatewayError) as refused:
            await Connection.open(Target(secure.url, "t"), identity)
        assert refused.value.kind is Kind.TLS and "allow_insecure_tls" in str(refused.value)
        opened = await Connection.open(Target(secure.url, "t", allow_insecure_tls=True), identity)
        assert (await opened.call("health"))["ok"] is True
        await opened.close()
    finally:
        secure.stop()


@pytest.mark.acceptance("gateway-rpc-client.8")
async def test_a_refusal_is_told_and_strange_frames_are_passed_over(fake: FakeGateway, identity: Any) -> None:
    opened = await Connection.open(Target(fake.url, "t"), identity)
    fake.refuse("health", "boom")
    strange = ['{"type":"event","event":"tick","payload":{}}', '{"type":"res","id":"other","ok":true}', "{", "[1]"]
    fake.through = lambda text: [*strange, text]
    with pytest.raises(GatewayError, match="boom") as refused:
        await opened.call("health")
    assert refused.value.kind is Kind.REJECTED and not refused.value.transient
    await opened.close()


@pytest.mark.acceptance("gateway-rpc-client.9")
async def test_a_missing_scope_ends_it_at_once(fake: FakeGateway, identity: Any) -> None:
    fake.refuse("connect", "missing scope: operator.read")
    with pytest.raises(GatewayError, match=r"operator\.read") as refused:
        await Connection.open(Target(fake.url, "t"), identity)
    assert refused.value.kind is Kind.SCOPE and not refused.value.transient and len(fake.connects) == 1


async def test_fewer_scopes_than_asked_for_are_refused(fake: FakeGateway, identity: Any) -> None:
    usual = fake._on_connect
    fake.instead["connect"] = lambda params: {**usual(params), "auth": {"role": "operator", "scopes": []}}
    with pytest.raises(GatewayError, match=r"operator\.admin.*openclaw devices") as refused:
        await Connection.open(Target(fake.url, "t"), identity)
    assert refused.value.kind is Kind.SCOPE


@pytest.mark.acceptance("gateway-rpc-client.16")
async def test_large_answers_come_whole_and_larger_questions_are_not_sent(fake: FakeGateway, identity: Any) -> None:
    fake.instead["sessions.list"] = lambda _: {"sessions": [{"key": "k", "label": "x" * 3_000_000}]}
    opened = await Connection.open(Target(fake.url, "t"), identity)
    assert len((await opened.call("sessions.list"))["sessions"][0]["label"]) == 3_000_000
    with pytest.raises(GatewayError, match="larger than the gateway takes") as refused:
        await opened.call("agents.files.set", {"content": "x" * 27_000_000})
    assert refused.value.sent is False
    assert (await opened.call("health"))["ok"] is True, "the connection stays"
    await opened.close()


async def test_an_oversized_frame_ends_the_connection_and_says_so(fake: FakeGateway, identity: Any) -> None:
    opened = await Connection.open(Target(fake.url, "t"), identity)
    fake.instead["sessions.list"] = lambda _: {"text": "x" * 60_000_000}
    with pytest.raises(GatewayError) as refused:
        await opened.call("sessions.list", seconds=20)
    assert opened.closed.is_set() and refused.value.kind in (Kind.UNREACHABLE, Kind.REJECTED, Kind.PROTOCOL)
    await opened.close()


async def test_a_gap_in_the_sequence_is_told_to_who_follows(fake: FakeGateway, identity: Any) -> None:
    opened = await Connection.open(Target(fake.url, "t"), identity)
    found: list[Any] = []

    async def follow() -> None:
        async for event in opened.events():
            found.append("gap" if isinstance(event, Gap) else event.seq)

    following = asyncio.create_task(follow())
    await asyncio.sleep(0)
    events = [json.dumps({"type": "event", "event": "chat", "payload": {}, "seq": seq}) for seq in (1, 2, 5, 6)]
    fake.through = lambda text: [*events, text]
    await opened.call("health")
    await asyncio.sleep(0.05)
    following.cancel()
    await opened.close()
    assert found == [1, 2, "gap", 5, 6]


async def test_a_slow_follower_holds_nobody_up(fake: FakeGateway, identity: Any) -> None:
    opened = await Connection.open(Target(fake.url, "t"), identity)
    slow = opened.events()
    reading = asyncio.ensure_future(anext(slow))
    await asyncio.sleep(0)
    events = [json.dumps({"type": "event", "event": "chat", "payload": {}, "seq": seq}) for seq in range(1, 6001)]
    fake.through = lambda text: [*events, text]
    started = time.monotonic()
    assert (await opened.call("health", seconds=20))["ok"] is True
    assert time.monotonic() - started < 15
    await reading
    assert isinstance(await anext(slow), Gap), "what was lost is said"
    await opened.close()


async def test_a_half_open_connection_is_noticed(fake: FakeGateway, identity: Any) -> None:
    usual = fake._on_connect
    short = {"maxPayload": 26214400, "maxBufferedBytes": 1, "tickIntervalMs": 500}
    fake.instead["connect"] = lambda params: {**usual(params), "policy": short}
    opened = await Connection.open(Target(fake.url, "t"), identity)
    fake.through = lambda _: []
    with pytest.raises(GatewayError, match="silent"):
        await opened.call("health", seconds=30)
    assert opened.closed.is_set()
    await opened.close()


@pytest.mark.parametrize(
    ("code", "kind"), [(1012, Kind.BUSY), (4001, Kind.AUTH), (1008, Kind.AUTH), (1006, Kind.UNREACHABLE)]
)
async def test_why_a_connection_was_closed_is_known(fake: FakeGateway, identity: Any, code: int, kind: Kind) -> None:
    opened = await Connection.open(Target(fake.url, "t"), identity)
    fake.close(code if code != 1006 else 1000, "why")
    await asyncio.wait_for(opened.closed.wait(), 5)
    assert opened.reason.kind is kind
    await opened.close()


@pytest.mark.acceptance("gateways-and-sessions.2")
@pytest.mark.parametrize(
    ("told", "least", "good"),
    [
        ("2026.02.20", "2026.2.20", True), ("2026.2.21-2", "2026.2.21-1", True), ("2026.2.21-1", "2026.2.21-2", False),
        ("2026.1.29", "2026.1.30", False), ("2026.9.6", "2026.1.30", True),
    ],
)  # fmt: skip
async def test_versions_are_compared_by_their_numbers(told: str, least: str, good: bool) -> None:
    if good:
        versions.check(told, least)
        return
    with pytest.raises(GatewayError, match="openclaw update"):
        versions.check(told, least)


@pytest.mark.acceptance("gateways-and-sessions.3")
async def test_the_version_is_in_the_configuration_when_the_greeting_has_none(identity: DeviceIdentity) -> None:
    odd, plain = FakeGateway(version="dev"), FakeGateway(version="2026.9.6")
    odd.config["meta"] = {"lastTouchedVersion": "2026.2.9"}
    try:
        for gateway, version, asked in ((odd, "2026.2.9", 1), (plain, "2026.9.6", 0)):
            opened = await Connection.open(Target(gateway.url, "t"), identity)
            assert await versions.of(opened) == version
            versions.check(version, "2026.1.30")
            assert len(gateway.params("config.get")) == asked
            await opened.close()
    finally:
        odd.stop()
        plain.stop()
