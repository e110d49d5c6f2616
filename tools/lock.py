"""Writes requirements.lock: the newest versions that fit pyproject.toml, pinned, without any registry address."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEADER = "# Made by `make lock` from pyproject.toml; all groups. Install with `pip install -r requirements.lock`.\n"


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = [requirement for group in project["dependency-groups"].values() for requirement in group]
    wanted = [*project["project"]["dependencies"], *project["build-system"]["requires"], *groups, "editables"]
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder, "bin", "python"))
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
        frozen = subprocess.run([python, "-m", "pip", "freeze"], check=True, capture_output=True, text=True).stdout
    (ROOT / "requirements.lock").write_text(HEADER + frozen)
    print(f"{len(frozen.splitlines())} packages pinned", file=sys.stderr)


if __name__ == "__main__":
    main()
