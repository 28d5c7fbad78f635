"""Clients of other makers, run for real: the HTTP audits, graphql-ws, graphql-sse, graphql-codegen, gql-cli."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from api.schema.graphiql.build import npm_command
from tests.support.world import World

FOLDER = Path(__file__).resolve().parent


def run_node(world: World, script: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script of this folder with the Node of the playground's build."""
    command, environment = npm_command()
    node = command[0] if len(command) > 1 else "node"
    environment |= {"GRAPHQL_URL": f"{world.server.url}/graphql", "GRAPHQL_TOKEN": world.token, **variables}
    return subprocess.run(
        [node, script, *arguments],
        cwd=FOLDER,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_graphql_over_http_audits_find_nothing(world: World) -> None:
    done = run_node(world, "audit.mjs")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["ok"] >= 61


@pytest.mark.parametrize("script", ["ws.mjs", "sse.mjs"])
def test_npm_clients_query_change_and_follow(world: World, script: str) -> None:
    board = world.board(name="Npm")
    done = run_node(world, script, BOARD_ID=board["id"])
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told == ["Npm", "From npm", "TASK_CREATED", "From npm", "BAD_USER_INPUT"]


def test_graphql_codegen_introspects_and_generates(world: World, tmp_path: Path) -> None:
    generator = "node_modules/@graphql-codegen/cli/cjs/bin.js"
    done = run_node(world, generator, "--config", "codegen.mjs", OUT=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "export type OverviewQuery" in (tmp_path / "types.ts").read_text()
    introspected: dict[str, Any] = json.loads((tmp_path / "schema.json").read_text())
    assert introspected["__schema"]["queryType"]["name"] == "Query"


def test_gql_cli_prints_the_schema(world: World) -> None:
    command = [str(Path(sys.executable).parent / "gql-cli"), f"{world.server.url}/graphql", "--print-schema"]
    headers = ["-H", f"Authorization:Bearer {world.token}"]
    done = subprocess.run(
        [*command, *headers], capture_output=True, text=True, timeout=60, check=False, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr
    assert "type Task implements Node" in done.stdout
