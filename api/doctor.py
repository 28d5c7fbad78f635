"""`mission-control doctor`: looks at settings, identity, database and gateways, and says what to do."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from api.domain.authentication.tokens import LocalToken
from api.gateway import versions
from api.gateway.connection import Connection, Target
from api.gateway.errors import GatewayError
from api.gateway.identity import DamagedIdentity, DeviceIdentity
from api.settings import Settings

GATEWAYS = "{ gateways(first: 100) { nodes { name url status { state error version } } } }"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `advice` is what to do when it is not good."""

    good: bool
    what: str
    advice: str = ""


def examine(settings: Settings) -> int:
    """Print a line for each finding; 0 when all are good."""
    wrong = 0
    for finding in findings(settings):
        print(f"{'ok     ' if finding.good else 'PROBLEM'}  {finding.what}")
        if not finding.good:
            wrong += 1
            print(f"         → {finding.advice}")
    print("All is well." if not wrong else f"{wrong} to see to.")
    return 1 if wrong else 0


def findings(settings: Settings) -> Iterator[Finding]:
    """What was found, as it is found."""
    yield Finding(True, "settings are valid")
    identity: DeviceIdentity | None = None
    try:
        existed = settings.identity_file.exists()
        identity = DeviceIdentity.load(settings.identity_file)
        yield Finding(True, f"device identity {identity.device_id[:16]}… {'' if existed else 'was made '}in "
                      f"{settings.identity_file}")  # fmt: skip
        if stat.S_IMODE(settings.identity_file.stat().st_mode) & 0o077:
            yield Finding(False, "others may read the device identity", f"chmod 600 {settings.identity_file}")
    except (DamagedIdentity, OSError) as error:
        yield Finding(False, f"device identity {settings.identity_file} cannot be used", str(error))
    if _runs(settings):
        yield Finding(True, f"the server runs at {settings.public_url}, with its database")
        yield from _ask_server(settings)
    else:
        yield Finding(True, f"no server answers at {settings.public_url}; looking at the database itself")
        yield from _look(settings, identity)


def _runs(settings: Settings) -> bool:
    try:
        return httpx.get(f"{settings.public_url}/readyz", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def _ask_server(settings: Settings) -> Iterator[Finding]:
    """What the running server says of its gateways."""
    token = LocalToken(settings.local_auth_token.get_secret_value(), settings.data).value
    if not token:
        yield Finding(True, "gateways were not asked for: this server has no local token to sign in with")
        return
    answer = httpx.post(
        f"{settings.public_url}/graphql", json={"query": GATEWAYS}, headers={"Authorization": f"Bearer {token}"},
        timeout=30,
    ).json()  # fmt: skip
    if answer.get("errors"):
        yield Finding(False, "the server does not say how its gateways are", str(answer["errors"][0]["message"]))
        return
    rows = answer["data"]["gateways"]["nodes"]
    yield Finding(True, f"{len(rows)} gateways are registered")
    for row in rows:
        status = row["status"]
        name = f"gateway {row['name']} ({row['url']})"
        if status["state"] == "connected":
            yield Finding(True, f"{name}: connected, version {status['version']}")
        else:
            yield Finding(False, f"{name}: {status['state']}", status["error"] or "Wait a moment and look again.")


def _look(settings: Settings, identity: DeviceIdentity | None) -> Iterator[Finding]:
    """What the database and the gateways themselves say, while no server runs."""
    from api.domain.database.embedded import DataFolderInUse, EmbeddedPostgres, OlderDatabase

    embedded = None if settings.database_url else EmbeddedPostgres(settings.data)
    try:
        url = settings.database_url if embedded is None else embedded.start()
        found = asyncio.run(_examined(settings, url, identity))
    except DataFolderInUse:
        found = [Finding(False, f"the data folder {settings.data} belongs to a server at another address",
                         "Set MISSION_CONTROL_HOST and MISSION_CONTROL_PORT as that server has them.")]  # fmt: skip
    except OlderDatabase as error:
        found = [Finding(False, "the database is of an older PostgreSQL", str(error))]
    finally:
        if embedded is not None:
            embedded.stop()
    yield from found


async def _examined(settings: Settings, url: str, identity: DeviceIdentity | None) -> list[Finding]:
    from sqlalchemy import text

    from api.domain.database import Database, migrate
    from api.domain.sealed import SecretBox

    database = Database(url)
    found: list[Finding] = []
    try:
        report = await migrate.check(database)
        for line in report.obstacles if report is not None else ():
            found.append(Finding(False, "the database cannot be brought to the newest version", line))
        if report is not None and report.steps:
            found.append(Finding(True, "the database answers; its next start brings it to the newest version"))
        else:
            found.append(Finding(True, "the database answers and is at the newest version"))
        async with database.statements() as connection:
            there = (await connection.execute(text("SELECT to_regclass('gateways')"))).scalar()
            rows: list[Any] = []
            if there is not None:
                query = "SELECT name, url, token, allow_insecure_tls FROM gateways ORDER BY created_at"
                rows = list((await connection.execute(text(query))).all())
        found.append(Finding(True, f"{len(rows)} gateways are registered"))
        box = SecretBox(settings)
        for row in rows:
            found.append(await _gateway(settings, row, box, identity))
    except OSError as error:
        found.append(Finding(False, "the database does not answer", f"Check DATABASE_URL: {error}"))
    except Exception as error:
        found.append(Finding(False, "the database does not answer", f"Check DATABASE_URL: {type(error).__name__}"))
    finally:
        await database.close()
    return found


async def _gateway(settings: Settings, row: Any, box: Any, identity: DeviceIdentity | None) -> Finding:
    name = f"gateway {row.name} ({row.url})"
    try:
        token = box.open(row.token) if row.token else ""
    except Exception:
        return Finding(False, f"{name}: its token cannot be read", "Set MISSION_CONTROL_SECRET_KEY as it was, or give "
                       "the gateway its token again.")  # fmt: skip
    try:
        opened = await Connection.open(Target(row.url.strip(), token, row.allow_insecure_tls), identity)
    except GatewayError as error:
        return Finding(False, f"{name}: {error.kind.name.lower()}", str(error))
    try:
        version = await versions.of(opened)
        versions.check(version, settings.gateway_min_version)
        return Finding(True, f"{name}: answers, version {version}")
    except GatewayError as error:
        return Finding(False, f"{name}: too old", str(error))
    finally:
        await opened.close()
