from __future__ import annotations

from pathlib import Path

import pytest

from pillion.cli.target import load_service
from pillion.errors import ConfigurationError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))  # so that sys.path is what it was when the test is over
    return tmp_path


def test_a_service_is_found_in_the_working_directory(here: Path) -> None:
    (here / "target_found.py").write_text("from pillion.service.service import Service\ngreeter = Service('greeter')\n")
    assert load_service("target_found:greeter").name == "greeter"


@pytest.mark.parametrize("target", ["hello", ":greeter", "hello:", ""])
def test_what_is_no_target_is_refused(target: str) -> None:
    with pytest.raises(ConfigurationError, match="MODULE:ATTR"):
        load_service(target)


def test_a_missing_module_is_named() -> None:
    with pytest.raises(ConfigurationError, match="no module 'target_absent'"):
        load_service("target_absent:service")


def test_a_module_missing_inside_is_named(here: Path) -> None:
    (here / "target_needy.py").write_text("import target_needed\n")
    with pytest.raises(ConfigurationError, match="no module 'target_needed'"):
        load_service("target_needy:service")


def test_what_is_no_service_is_answered_with_those_there_are(here: Path) -> None:
    (here / "target_other.py").write_text("from pillion.service.service import Service\ngreeter = Service('greeter')\n")
    with pytest.raises(ConfigurationError, match="services in target_other: greeter"):
        load_service("target_other:service")
