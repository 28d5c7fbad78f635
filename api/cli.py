"""The command `mission-control`."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from api.settings import InvalidSettings, Settings, load_settings


def main(argv: list[str] | None = None) -> int:
    """Run a command; returns the exit code (2 for wrong settings or arguments)."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return run(arguments)
    except InvalidSettings as error:
        for line in error.lines:
            print(f"mission-control: {line}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _settings(arguments: argparse.Namespace) -> Settings:
    names = ("host", "port")
    given: dict[str, Any] = {name: getattr(arguments, name, None) for name in names}
    given["data"] = getattr(arguments, "data_dir", None)
    return load_settings(**given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mission-control", description="The control plane for teams of AI agents.")
    commands = parser.add_subparsers(required=True, metavar="command")

    def command(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.add_argument("--data-dir", help="the data folder (MISSION_CONTROL_DATA)")
        sub.set_defaults(run=run)
        return sub

    serve = command("serve", _serve, "Run the server.")
    serve.add_argument("--host", help="address to listen on (MISSION_CONTROL_HOST, default 127.0.0.1)")
    serve.add_argument("--port", help="port to listen on (MISSION_CONTROL_PORT, default 8000)")
    serve.add_argument("--workers", type=int, default=1, choices=[1], help="processes; one is what is supported")
    migrate = command("migrate", _migrate, "Bring the database to the newest version, or take over a reference's.")
    migrate.add_argument("--check", action="store_true", help="say what would be done and what stands in the way")
    command("dump", _dump, "Write the embedded database as SQL to standard output.")
    command("restore", _restore, "Read SQL from standard input into the embedded database.")
    command("schema", _schema, "Print the GraphQL schema.")
    command("openapi", _openapi, "Print the OpenAPI document.")
    command("config", _config, "Check the settings and print them, secrets masked.")
    command("doctor", _doctor, "Look at settings, database, device identity and gateways, and say what to do.")
    templates = command("templates", _templates, "Show the sizes of the files that agents are given.")
    templates.add_argument("--budget", action="store_true", help="fail when a kind of agent is given too many bytes")
    token = command("token", _token, "Show or rotate the local token, or manage personal tokens on a server.")
    token.add_argument("action", choices=["show", "rotate", "create", "list", "revoke"])
    token.add_argument("name", nargs="?", help="name (create) or id (revoke) of a personal token")
    token.add_argument("--url", help="the server (default: from the settings)")
    token.add_argument("--token", help="the token to sign in with (default: the local one)")
    token.add_argument("--expires-days", type=int, help="let the new token end after so many days")
    demo = command("demo", _demo, "Play a board's story and print it as it happens.")
    demo.add_argument("--url", help="a running server; without it one is started for the story")
    demo.add_argument("--token", help="that server's token")
    return parser


def _serve(arguments: argparse.Namespace) -> int:
    from api.server import CannotStart, serve

    try:
        return serve(_settings(arguments))
    except CannotStart as error:
        print(f"mission-control: {error}", file=sys.stderr)
        return 1


def _with_database(arguments: argparse.Namespace, work: Callable[[str, Any], int]) -> int:
    from api.domain.database.embedded import DataFolderInUse, EmbeddedPostgres, OlderDatabase

    settings = _settings(arguments)
    if settings.database_url:
        return work(settings.database_url, None)
    embedded = EmbeddedPostgres(settings.data)
    try:
        return work(embedded.start(), embedded)
    except (DataFolderInUse, OlderDatabase) as error:
        print(f"mission-control: {error}", file=sys.stderr)
        return 1
    finally:
        embedded.stop()


def _migrate(arguments: argparse.Namespace) -> int:
    from api.domain.database import Database, migrate
    from api.domain.database.takeover import Obstacles, Report

    async def run(url: str) -> Report | None:
        database = Database(url)
        try:
            return await (migrate.check(database) if arguments.check else migrate.upgrade(database))
        finally:
            await database.close()

    def work(url: str, _embedded: Any) -> int:
        try:
            report = asyncio.run(run(url))
        except Obstacles as error:
            for line in error.lines:
                print(f"mission-control: {line}", file=sys.stderr)
            return 1
        for kind in ("obstacles", "notes", "steps"):
            for line in getattr(report, kind, ()):
                print(f"{kind.removesuffix('s')}: {line}")
        if arguments.check:
            return 1 if report is not None and report.obstacles else 0
        print(f"The database is at version {migrate.head()}.")
        return 0

    return _with_database(arguments, work)


def _dump(arguments: argparse.Namespace) -> int:
    return _tool(arguments, "pg_dump", "--no-owner")


def _restore(arguments: argparse.Namespace) -> int:
    return _tool(arguments, "psql", "-X", "-q", "--single-transaction", "-v", "ON_ERROR_STOP=1")


def _tool(arguments: argparse.Namespace, name: str, *options: str) -> int:
    import subprocess

    def work(_url: str, embedded: Any) -> int:
        if embedded is None:
            print(f"mission-control: DATABASE_URL is set; use {name} on that server.", file=sys.stderr)
            return 1
        return subprocess.run([embedded.tool(name), *options, embedded.admin_url], check=False).returncode  # noqa: S603

    return _with_database(arguments, work)


def _schema(_arguments: argparse.Namespace) -> int:
    from api.schema import build_schema

    print(build_schema().as_str())
    return 0


def _openapi(_arguments: argparse.Namespace) -> int:
    from api.app import app_version
    from api.rest_compat import openapi
    from api.rest_compat.routes import ROWS

    print(json.dumps(openapi.document(ROWS, app_version()), indent=1, ensure_ascii=False))
    return 0


def _config(arguments: argparse.Namespace) -> int:
    from api.settings import masked, variable_of

    settings = _settings(arguments)
    for field in Settings.model_fields:
        print(f"{variable_of(field)}={masked(getattr(settings, field))}")
    return 0


def _doctor(arguments: argparse.Namespace) -> int:
    from api.doctor import examine

    return examine(_settings(arguments))


def _templates(arguments: argparse.Namespace) -> int:
    from api.gateway.compat import DIALECTS
    from api.gateway.provisioning.files import BUDGET, sizes

    wrong = False
    for number, dialect in sorted(DIALECTS.items()):
        for kind, files in sizes(dialect, _settings(arguments).public_url).items():
            total = sum(files.values())
            wrong |= total > BUDGET[kind]
            print(f"protocol {number}  {kind.value:<6}  {total:>6} of {BUDGET[kind]:>6} bytes")
            for name, size in sorted(files.items(), key=lambda item: -item[1]):
                print(f"    {size:>6}  {name}")
    return 1 if wrong and arguments.budget else 0


def _token(arguments: argparse.Namespace) -> int:
    from api.domain.authentication.tokens import LocalToken

    settings = _settings(arguments)
    local = LocalToken(settings.local_auth_token.get_secret_value(), settings.data)
    if arguments.action == "show":
        if not local.value:
            print("mission-control: there is no local token yet; start the server once.", file=sys.stderr)
            return 1
        print(local.value)
        return 0
    if arguments.action == "rotate":
        if local.configured:
            print("mission-control: LOCAL_AUTH_TOKEN fixes the token; change it there.", file=sys.stderr)
            return 1
        print(local.rotate())
        return 0
    from api.personal_tokens import manage

    return manage(arguments, arguments.url or settings.public_url, arguments.token or local.value)


def _demo(arguments: argparse.Namespace) -> int:
    from api.demo import play

    data = Path(arguments.data_dir) if arguments.data_dir else None
    return play(arguments.url, arguments.token, data)


if __name__ == "__main__":
    sys.exit(main())
