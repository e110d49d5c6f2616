from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from pillion.cli.main import LazyGroup, main

COMMANDS = """
import click

@click.command()
def command():
    {body}
"""


def group_with(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> LazyGroup:
    package = f"commands_{folder.name}"
    (folder / package).mkdir()
    imports = "from pillion.errors import ConfigurationError\n"
    (folder / package / "act.py").write_text(imports + COMMANDS.format(body=body))
    monkeypatch.syspath_prepend(str(folder))
    return LazyGroup("group", lazy={"act": "Does it."}, package=package)


def test_help_names_every_command() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    for name in ("run", "call", "emit", "dlq", "describe", "dev", "doctor", "completion"):
        assert f"\n  {name} " in result.output


def test_help_imports_no_command() -> None:
    code = """
import sys
from click.testing import CliRunner
from pillion.cli.main import main
CliRunner().invoke(main, ["--help"])
print(*(name for name in sys.modules if name.startswith(("pillion.cli.", "aiohttp", "yaml", "watchfiles"))))
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["pillion.cli.main"]


@pytest.mark.parametrize("name", ["dev", "doctor", "completion"])
def test_each_help_teaches_by_examples(name: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.output.count(f"pillion {name}") >= 3


def test_an_unknown_command_is_a_usage_error() -> None:
    result = CliRunner().invoke(main, ["dance"])
    assert result.exit_code == 2
    assert "No such command 'dance'" in result.output


def test_an_error_of_pillion_is_a_sentence_and_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group = group_with(tmp_path, monkeypatch, "raise ConfigurationError('no such profile; choose another')")
    result = CliRunner().invoke(group, ["act"])
    assert result.exit_code == 2
    assert result.stderr == "pillion: no such profile; choose another\n"


def test_an_unexpected_error_is_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = CliRunner().invoke(group_with(tmp_path, monkeypatch, "raise ZeroDivisionError"), ["act"])
    assert isinstance(result.exception, ZeroDivisionError)


def test_ctrl_c_is_130(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = CliRunner().invoke(group_with(tmp_path, monkeypatch, "raise KeyboardInterrupt"), ["act"])
    assert result.exit_code == 130


def test_a_command_is_the_attribute_of_its_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group = group_with(tmp_path, monkeypatch, "print('done')")
    assert CliRunner().invoke(group, ["act"]).output == "done\n"
    assert group.get_command(click.Context(group), "other") is None


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_the_script_of_the_shell(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0
    assert f"_PILLION_COMPLETE={shell}_complete" in result.output


def test_a_missing_run_file_is_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["dev", "-f", str(tmp_path / "absent.yaml")])
    assert result.exit_code == 2
    assert "absent.yaml cannot be read" in result.stderr


def test_it_runs_as_a_module() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "pillion", "dev", "--help"], capture_output=True, text=True, check=True
    )
    assert found.stdout.startswith("Usage: pillion dev")
