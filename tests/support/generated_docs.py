"""The pages of docs/ that are made from the code: `python -m tests.support.generated_docs` writes them."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from api.domain.errors import RETRYABLE, Code
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


if __name__ == "__main__":
    (DOCS / "errors.md").write_text(errors())
    (DOCS / "configuration.md").write_text(configuration())
