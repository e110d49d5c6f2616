"""The code of the documentation is code that runs, and its commands answer what it says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, Block, blocks

SNIPPETS = ROOT / "docs" / "snippets"
BLOCKS = [block for page in PAGES for block in blocks(page)]
TAKEN = [block for block in BLOCKS if block.language != "console" and block.source]
SHOWN = [page for page in PAGES if any(block.language == "console" for block in blocks(page))]


def lines(text: str) -> list[str]:
    """The lines that are not blank: pages are set closer than code is formatted."""
    return [line for line in text.splitlines() if line.strip()]


def environment() -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PILLION_", "DAPR_", "APP_"))}
    return {**own, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{own['PATH']}", "PYTHONDONTWRITEBYTECODE": "1"}


def test_every_python_block_names_its_file() -> None:
    assert [block.page for block in BLOCKS if block.language == "python" and not block.source] == []


@pytest.mark.parametrize("block", TAKEN, ids=[block.page for block in TAKEN])
def test_a_block_is_in_its_file(block: Block) -> None:
    shown, there = lines(block.text), lines((ROOT / block.source).read_text())
    found = (there[start : start + len(shown)] for start in range(len(there)))
    assert shown in found, f"{block.page} shows what {block.source} does not have"


def test_the_readme_begins_with_hello_world_in_ten_lines() -> None:
    first = next(block for block in blocks(ROOT / "README.md") if block.language == "python")
    assert lines(first.text) == lines((SNIPPETS / "hello.py").read_text())
    assert len(lines(first.text)) <= 10


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("folder", [".", "tutorial"])
def test_the_snippets_pass_their_own_tests(folder: str, tmp_path: Path) -> None:
    shutil.copytree(SNIPPETS, tmp_path / "snippets")
    (tmp_path / "snippets" / "pytest.ini").write_text((SNIPPETS / "tutorial" / "pytest.ini").read_text())
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = subprocess.run(
        command, cwd=tmp_path / "snippets" / folder, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("page", SHOWN, ids=[str(page.relative_to(ROOT)) for page in SHOWN])
def test_the_commands_of_a_page_answer_what_it_says(page: Path, tmp_path: Path) -> None:
    shutil.copytree(SNIPPETS, tmp_path / "docs" / "snippets")
    for block in blocks(page):
        if block.language == "console":
            for command, answer in _dialogue(block):
                done = subprocess.run(
                    ["bash", "-c", command], cwd=tmp_path / block.source, env=environment(),
                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                )  # fmt: skip
                assert done.stdout.rstrip() == answer.rstrip(), f"{block.page}: {command}"


def _dialogue(block: Block) -> Iterator[tuple[str, str]]:
    """Each command, and all that the page shows below it."""
    for part in f"\n{block.text}".split("\n$ ")[1:]:
        command, _, answer = part.partition("\n")
        yield command, answer
