"""The pages of docs/ that are made from the code: `python -m tests.support.generated_docs` writes them."""

from __future__ import annotations

import ast
from pathlib import Path

from graphql import parse, print_ast
from pydantic import SecretStr

from api.domain.errors import RETRYABLE, Code
from api.rest_compat import graphql, openapi
from api.rest_compat.routes import ROWS
from api.settings import Settings, variable_of

DOCS = Path(__file__).resolve().parents[2] / "docs"


def errors() -> str:
    """docs/errors.md."""
    lines = [
        "# Errors",
        "",
        "The same code stands in GraphQL's `extensions.code` and in REST's top-level `code`. The status is REST's,",
        "and what `extensions.status` says.",
        "",
        "| Code | Status | Meaning | Retry unchanged |",
        "|---|---|---|---|",
    ]
    for code in Code:
        lines.append(f"| `{code.name}` | {code.status} | {code.value[1]} | {'yes' if code in RETRYABLE else ''} |")
    return "\n".join(lines) + "\n"


def settings_table() -> str:
    """The table of docs/configuration.md."""
    lines = ["| Variable | Default |", "|---|---|"]
    for name, field in Settings.model_fields.items():
        default = field.default
        if name == "data":
            shown = "a per-user data directory"
        elif isinstance(default, SecretStr) or default in ("", (), None):
            shown = "unset"
        else:
            shown = f"`{default}`"
        lines.append(f"| `{variable_of(name)}` | {shown} |")
    return "\n".join(lines) + "\n"


def configuration() -> str:
    """docs/configuration.md with its table made new."""
    page = (DOCS / "configuration.md").read_text()
    head, _, rest = page.partition("<!-- settings -->\n")
    _, _, tail = rest.partition("<!-- /settings -->")
    return f"{head}<!-- settings -->\n{settings_table()}<!-- /settings -->{tail}"


def rest_to_graphql() -> str:
    """docs/rest-to-graphql.md."""
    lines = [
        "# From REST to GraphQL",
        "",
        "Every route of `/api/v1` with the GraphQL document that does the same; `/openapi.json` carries it as",
        "`x-graphql` on each operation. Fields have REST's names as aliases, variables those of path and query; the",
        "body of a change is `$input`, described by its type in the schema.",
        "",
        "What is spelled otherwise: pages have cursors instead of limit and offset, times end in `Z`, enumerations are",
        "written large, and another object is a field of its own instead of its id. A list of 200 is the largest page.",
        "",
        "Routes without a document:",
        "",
        *(f"- {key.partition('.')[2]}: {reason}." for key, reason in graphql.EXEMPT.items()),
        "",
    ]
    for tag in openapi.TAGS:
        rows = [row for row in ROWS if row.tags[0] == tag]
        if rows:
            lines += [f"## {tag}", "", openapi.TAGS[tag], ""]
        for row in rows:
            document = graphql.document_of(row.resolver, row.stream)
            if document is not None:
                lines += [f"### {row.method} `/api/v1{row.path}`", "", f"{row.summary}.", "", "```graphql"]
                lines += [print_ast(parse(document)), "```", ""]
    return "\n".join(lines)


def acceptance() -> str:
    """docs/acceptance.md."""
    found: dict[str, list[str]] = {}
    for file in sorted((DOCS.parent / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for decorator in node.decorator_list:
                    if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.acceptance":
                        for argument in decorator.args:
                            rule = eval(compile(ast.Expression(argument), "rule", "eval"), _constants(file))
                            found.setdefault(rule, []).append(f"{file.relative_to(DOCS.parent)}::{node.name}")
    lines = [
        "# Rules and their tests",
        "",
        "The documented API is described area by area, each area with numbered examples. Which test shows which:",
        "",
        "| Example | Tests |",
        "|---|---|",
    ]
    for rule in sorted(found, key=lambda name: (name.rpartition(".")[0], int(name.rpartition(".")[2]))):
        lines.append(f"| {rule} | {'<br>'.join(f'`{test}`' for test in sorted(set(found[rule])))} |")
    return "\n".join(lines) + "\n"


def _constants(file: Path) -> dict[str, object]:
    """The module's constants of text, which ids are made of."""
    return {
        target.id: node.value.value
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets if isinstance(target, ast.Name)
    }  # fmt: skip


PAGES = {
    "errors.md": errors, "configuration.md": configuration, "rest-to-graphql.md": rest_to_graphql,
    "acceptance.md": acceptance,
}  # fmt: skip

if __name__ == "__main__":
    for name, page in PAGES.items():
        (DOCS / name).write_text(page())
