"""The types of the public API: right usage passes both checkers, each wrong usage is rejected by both."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RIGHT = ROOT / "tests" / "typing" / "right.py"
WRONG = sorted((ROOT / "tests" / "typing" / "wrong").glob("*.py"))

pytestmark = pytest.mark.timeout(300)


def marked(files: Iterable[Path]) -> set[tuple[str, int]]:
    """File and line of each ``# wrong``."""
    lines = ((file, number, line) for file in files for number, line in enumerate(file.read_text().splitlines(), 1))
    return {(file.name, number) for file, number, line in lines if "# wrong" in line}


def mypy() -> set[tuple[str, int]]:
    """Where mypy --strict finds errors."""
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--hide-error-context"]
    files = [str(file.relative_to(ROOT)) for file in (RIGHT, *WRONG)]
    done = subprocess.run([*command, *files], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = re.findall(r"^(\S+?):(\d+):(?:\d+:)? error", done.stdout, re.MULTILINE)
    return {(Path(file).name, int(line)) for file, line in found}


def pyright(tmp_path: Path) -> set[tuple[str, int]]:
    """Where pyright finds errors."""
    config = {
        "include": [os.path.relpath(file, tmp_path) for file in (RIGHT, *WRONG)],
        "extraPaths": [str(ROOT / "sdk")],
        "pythonVersion": "3.11",
        "typeCheckingMode": "standard",
    }
    project = tmp_path / "pyrightconfig.json"
    project.write_text(json.dumps(config))
    command = [sys.executable, "-m", "pyright", "--project", str(project), "--pythonpath", sys.executable]
    done = subprocess.run([*command, "--outputjson"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    diagnostics = json.loads(done.stdout)["generalDiagnostics"]
    errors = (found for found in diagnostics if found["severity"] == "error")
    return {(Path(found["file"]).name, found["range"]["start"]["line"] + 1) for found in errors}


@pytest.mark.slow
def test_mypy_rejects_what_is_wrong_and_nothing_else() -> None:
    assert mypy() == marked(WRONG)


@pytest.mark.slow
def test_pyright_rejects_what_is_wrong_and_nothing_else(tmp_path: Path) -> None:
    assert pyright(tmp_path) == marked(WRONG)


def test_at_least_eight_wrong_usages_are_tried() -> None:
    assert len(marked(WRONG)) >= 8
