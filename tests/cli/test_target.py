from __future__ import annotations

import re
from pathlib import Path

import pytest

from pillion.cli.target import load_service
from pillion.errors import ConfigurationError
from tests.cli.invoking import invoke


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


@pytest.mark.parametrize("command", [("run",), ("describe",), ("call", "greeter.hello", "--app")])
def test_a_module_that_fails_is_named_with_its_own_frames_only(here: Path, command: tuple[str, ...]) -> None:
    (here / "target_inner.py").write_text("def build():\n    raise ValueError('too big')\n")
    (here / "target_failing.py").write_text("import target_inner\ntarget_inner.build()\n")
    result = invoke(*command, "target_failing:service")
    frames = re.findall(r'File ".*/(.*)"', result.stderr)
    assert result.exit_code == 2
    assert frames == ["target_failing.py", "target_inner.py"]
    assert result.stderr.splitlines()[-1] == (
        "pillion: target_failing:service: the import of target_failing fails: ValueError: too big; correct it"
    )


def test_a_module_that_is_no_python_is_shown_where(here: Path) -> None:
    (here / "target_odd.py").write_text("greeter = \n")
    result = invoke("run", "target_odd:greeter")
    assert result.exit_code == 2
    assert f'File "{here}/target_odd.py", line 1' in result.stderr
    assert "click" not in result.stderr


def test_what_is_no_service_is_answered_with_those_there_are(here: Path) -> None:
    (here / "target_other.py").write_text("from pillion.service.service import Service\ngreeter = Service('greeter')\n")
    with pytest.raises(ConfigurationError, match="services in target_other: greeter"):
        load_service("target_other:service")
