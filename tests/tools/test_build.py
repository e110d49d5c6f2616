from __future__ import annotations

import os
import subprocess
from pathlib import Path

BUILD = Path(__file__).parents[2] / "tools/dapr/build"
NAMES = ("daprd", "placement", "scheduler")


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def build(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the script with a cache of its own, and with whatever ``bin/go`` in the folder does as ``go``."""
    (folder / "bin").mkdir(exist_ok=True)
    environment = {"PATH": f"{folder}/bin:/usr/bin:/bin", "PILLION_CACHE": str(folder / "cache"), "HOME": os.devnull}
    return subprocess.run([BUILD, *arguments], env=environment, capture_output=True, text=True, check=False)


def cached(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "cache").glob("dapr/*/*") if not path.name.startswith("."))


def test_a_dry_run_builds_nothing(tmp_path: Path) -> None:
    result = build(tmp_path, "--dry-run")
    assert result.returncode == 0
    assert result.stdout.count("would build") == 3
    assert cached(tmp_path) == []


def test_each_binary_is_built_once(tmp_path: Path) -> None:
    # The last argument but one is the file to write: go build ... -o FILE ./NAME
    program(tmp_path / "bin/go", 'while [ "$1" != -o ]; do shift; done; echo built > "$2"')
    assert build(tmp_path).returncode == 0
    assert cached(tmp_path) == sorted(NAMES)
    assert build(tmp_path).stdout.count("is there") == 3


def test_a_failed_build_leaves_no_binary(tmp_path: Path) -> None:
    program(tmp_path / "bin/go", 'while [ "$1" != -o ]; do shift; done; echo half > "$2"; exit 1')
    assert build(tmp_path).returncode != 0
    assert not list((tmp_path / "cache").glob("dapr/*/*"))
    assert not list((tmp_path / "cache").glob("dapr/*/.*"))


def test_an_unknown_argument_is_refused(tmp_path: Path) -> None:
    result = build(tmp_path, "--all")
    assert result.returncode == 2
    assert "--dry-run" in result.stderr
