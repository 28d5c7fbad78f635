"""What the project promises about itself: one list of dependencies, a schema in which everything is described."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from graphql import build_schema as parse_schema
from graphql import is_enum_type, is_input_object_type, is_interface_type, is_object_type

from api.domain.database.tables import metadata
from api.schema import build_schema

ROOT = Path(__file__).resolve().parents[1]


def _listed(name: str) -> set[str]:
    lines = (ROOT / "requirements" / name).read_text().splitlines()
    return {line for line in lines if line and not line.startswith(("#", "-r"))}


def test_the_lock_files_are_made_from_the_dependencies_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = set(project["project"]["dependencies"])
    assert wanted <= _listed("requirements.in")
    assert set(project["dependency-groups"]["dev"]) == _listed("requirements-dev.in")


def test_lock_files_name_no_registry() -> None:
    for lock in ROOT.glob("requirements*.lock"):
        assert "://" not in lock.read_text(), lock


def test_everything_in_the_schema_is_described() -> None:
    schema = parse_schema(build_schema().as_str())
    missing = []
    for name, kind in schema.type_map.items():
        if name.startswith("__") or name in ("String", "Int", "Float", "Boolean", "ID"):
            continue
        if not kind.description:
            missing.append(name)
        if is_enum_type(kind):
            missing += [f"{name}.{value}" for value, found in kind.values.items() if not found.description]
        if is_object_type(kind) or is_interface_type(kind) or is_input_object_type(kind):
            members: dict[str, Any] = kind.fields
            for field, found in members.items():
                if not found.description:
                    missing.append(f"{name}.{field}")
                arguments = getattr(found, "args", {})
                missing += [f"{name}.{field}({a})" for a, arg in arguments.items() if not arg.description]
    assert missing == []


@pytest.mark.anyio
async def test_migrations_and_tables_agree(databases: Any) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import Connection

    from api.domain.database import Database
    from api.domain.database.migrate import VERSION_TABLE

    def differences(connection: Connection) -> list[Any]:
        found = compare_metadata(MigrationContext.configure(connection), metadata)
        return [entry for entry in found if VERSION_TABLE not in str(entry)]

    database = Database(databases.template)
    async with database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await database.close()


def test_generated_pages_say_what_the_code_says() -> None:
    from tests.support import generated_docs

    for name, page in generated_docs.PAGES.items():
        assert (ROOT / "docs" / name).read_text() == page(), f"docs/{name}: make docs"
