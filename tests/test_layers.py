"""The import order of the packages holds."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "sdk" / "pillion").rglob("*.py"))


@pytest.mark.timeout(120)
def test_every_import_goes_down() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def imported(module: Path) -> Iterable[str]:
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module


def test_nothing_imports_the_root() -> None:
    # It sees everything, so importing it is how import cycles begin; `from pillion import errors` is no better.
    suspects = (module for module in MODULES if re.search(r"import pillion\b|from pillion import", module.read_text()))
    assert [str(module) for module in suspects if "pillion" in set(imported(module))] == []
