"""`python -m bench.broken_rules`: break rules at random, one at a time, and see that the tests notice each.

In a copy of the checkout one condition of the domain's rules is turned into its opposite, or a comparison is moved by
one, and the tests of the rules run until the first failure. A break that no test notices is printed as a survivor.
"""

from __future__ import annotations

import argparse
import ast
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RULES = ("domain/access.py", "domain/mentions.py", "domain/*/rules.py", "domain/tasks/dependencies.py")
TESTS = ("tests/domain", "tests/examples", "tests/rest_compat", "tests/schema/test_access.py")
MOVED = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}


def breaks(file: Path) -> Iterator[tuple[int, str, str]]:
    """Every way to break the file: line, the condition, the broken source."""
    source = file.read_text()
    lines = source.splitlines(keepends=True)
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.If | ast.IfExp):
            continue
        test = node.test
        if test.lineno != test.end_lineno or test.end_col_offset is None:
            continue
        line = lines[test.lineno - 1].encode()
        old = line[test.col_offset : test.end_col_offset].decode()
        changed: ast.expr = ast.UnaryOp(ast.Not(), test)
        if isinstance(test, ast.Compare) and type(test.ops[0]) in MOVED:
            changed = ast.Compare(test.left, [MOVED[type(test.ops[0])](), *test.ops[1:]], test.comparators)
        new = f"({ast.unparse(changed)})".encode()
        broken = (line[: test.col_offset] + new + line[test.end_col_offset :]).decode()
        yield test.lineno, old, "".join([*lines[: test.lineno - 1], broken, *lines[test.lineno :]])


def main() -> int:
    """Break them; returns 1 when a break went unnoticed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=None)
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.randrange(10**6)
    copy = Path(tempfile.mkdtemp(prefix="mission-control-broken-")) / "checkout"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".venv*", "node_modules", ".git", ".data", ".mypy_cache"))
    files = sorted({file for pattern in RULES for file in (copy / "api").glob(pattern)})
    found = [(file, *one) for file in files for one in breaks(file)]
    chosen = random.Random(seed).sample(found, min(arguments.count, len(found)))
    print(f"{len(found)} conditions in {len(files)} files; seed {seed}")
    survivors = 0
    for file, number, condition, broken in chosen:
        whole = file.read_text()
        file.write_text(broken)
        started = time.monotonic()
        run = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-n", "2", "--dist", "loadfile", *TESTS],
            cwd=copy, capture_output=True, text=True, check=False, timeout=900,
            env={"PATH": "/usr/bin:/bin", "HOME": str(Path.home()), "PYTHONPATH": str(copy)},
        )  # fmt: skip
        file.write_text(whole)
        failed = next((line for line in run.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))), "")
        survivors += run.returncode == 0
        noticed = failed.partition("::")[2].partition(" - ")[0] or ("SURVIVED" if run.returncode == 0 else "noticed")
        place = f"{file.relative_to(copy / 'api')}:{number}"
        print(f"{place:38} {condition[:60]:62} {noticed}  ({time.monotonic() - started:.0f} s)", flush=True)
    print(f"noticed: {len(chosen) - survivors} of {len(chosen)}")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
