"""Clients that generators make of our documents: they compile, and call the live server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.clients.test_clients import FOLDER, run_node
from tests.support.world import World

ROOT = FOLDER.parents[1]
TOOLS = Path(os.environ.get("CLIENT_TOOLS", ROOT / ".venv-clients" / "bin"))


def tool(name: str, *arguments: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG")}
    done = subprocess.run(
        [str(TOOLS / name), *arguments], cwd=folder, env={**kept, **variables}, capture_output=True, text=True,
        timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def said(done: subprocess.CompletedProcess[str]) -> Any:
    return json.loads(done.stdout.splitlines()[-1])


def test_openapi_typescript(world: World) -> None:
    world.board(name="Typed")
    generated = FOLDER / "generated"
    shutil.rmtree(generated, ignore_errors=True)
    made = run_node(world, "node_modules/openapi-typescript/bin/cli.js", str(ROOT / "openapi.json"), "-o",
                    "generated/api.d.ts")  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    options = (
        "--strict",
        "--module",
        "esnext",
        "--moduleResolution",
        "bundler",
        "--target",
        "es2022",
        "--skipLibCheck",
        "--outDir",
        "generated/out",
    )
    compiled = run_node(world, "node_modules/typescript/bin/tsc", "rest.ts", *options)
    assert compiled.returncode == 0, compiled.stdout + compiled.stderr
    done = run_node(world, "generated/out/rest.js", REST_URL=world.server.url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert said(done) == ["Typed", "From TypeScript", "inbox", 404]


def test_graphql_codegen_makes_typed_documents(world: World, tmp_path: Path) -> None:
    generator = "node_modules/@graphql-codegen/cli/cjs/bin.js"
    done = run_node(world, generator, "--config", "codegen.mjs", OUT=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    checked = run_node(
        world, "node_modules/typescript/bin/tsc", "--noEmit", "--strict", "--skipLibCheck", str(tmp_path / "types.ts")
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_ariadne_codegen(world: World, tmp_path: Path) -> None:
    board = world.board(name="Ariadne")
    task = world.task(board, title="Typed task")
    (tmp_path / "pyproject.toml").write_text(
        f'[tool.ariadne-codegen]\nschema_path = "{ROOT / "schema.graphql"}"\n'
        f'queries_path = "{FOLDER / "operations.graphql"}"\n'
        '[tool.ariadne-codegen.scalars.DateTime]\ntype = "str"\n[tool.ariadne-codegen.scalars.Cursor]\ntype = "str"\n'
    )
    tool("ariadne-codegen", folder=tmp_path)
    done = tool(
        "python", str(FOLDER / "ariadne_story.py"), folder=tmp_path, OUT=str(tmp_path),
        GRAPHQL_URL=f"{world.server.url}/graphql", GRAPHQL_TOKEN=world.token, BOARD_ID=board["id"], TASK_ID=task["id"],
    )  # fmt: skip
    assert said(done) == ["Ariadne", "Typed task", "IN_PROGRESS"]


def test_openapi_python_client(world: World, tmp_path: Path) -> None:
    board, _, worker = world.team()
    world.task(board)
    (tmp_path / "config.yml").write_text("package_name_override: api_client\nproject_name_override: client\n")
    tool("openapi-python-client", "generate", "--path", str(ROOT / "openapi.json"), "--config", "config.yml",
         "--meta", "none", "--output-path", "api_client", folder=tmp_path)  # fmt: skip
    done = tool(
        "python", str(FOLDER / "agent_story.py"), folder=tmp_path, OUT=str(tmp_path), REST_URL=world.server.url,
        AGENT_TOKEN=worker.token, BOARD_ID=board["id"],
    )  # fmt: skip
    assert said(done) == ["Wim", 1, "On it"]


@pytest.fixture(autouse=True)
def _clean() -> Any:
    yield
    shutil.rmtree(FOLDER / "generated", ignore_errors=True)
