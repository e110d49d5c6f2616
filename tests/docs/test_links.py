"""What the documentation points at is there."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pillion.cli.main import main
from tests.docs.pages import PAGES, ROOT, anchors, prose

NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def links(page: Path) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", prose(page))


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_relative_links_lead_somewhere(page: Path) -> None:
    targets = [urlsplit(link) for link in links(page)]
    missing = [target.path for target in targets if not target.scheme and not (page.parent / target.path).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_anchors_are_headings(page: Path) -> None:
    targets = [urlsplit(link) for link in links(page)]
    wanted = [(page.parent / t.path if t.path else page, t.fragment) for t in targets if t.fragment and not t.scheme]
    assert [f"{found.name}#{fragment}" for found, fragment in wanted if fragment not in anchors(found)] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_tests_and_files_that_are_named_are_there(page: Path) -> None:
    folders = (ROOT / "tests", ROOT / "sdk" / "pillion" / "testing" / "conformance")
    sources = "\n".join(file.read_text() for folder in folders for file in folder.rglob("*.py"))
    known = set(re.findall(r"def (test_\w+)", sources))
    assert [name for name in re.findall(r"`(test_\w+)`", prose(page)) if name not in known] == []
    files = re.findall(r"`((?:sdk|tests|docs|tools|services|components|benchmarks)/[\w./-]+)`", prose(page))
    roots = (ROOT, ROOT / "docs" / "snippets" / "tutorial")
    assert [name for name in files if not any((root / name).exists() for root in roots)] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_that_are_named_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    made = re.findall(r"(?:^ {4}|`)make ([a-z-]+)", prose(page), re.MULTILINE)
    assert [name for name in made if name not in targets] == []
    used = re.findall(r"(?:^ {4}|`)pillion ([a-z]+)", prose(page), re.MULTILINE)
    assert [name for name in used if main.get_command(None, name) is None] == []  # type: ignore[arg-type]
