"""The page on configuration has every variable that the code reads, and its default."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from pydantic import BaseModel

from pillion.gateway.face import GatewaySettings
from pillion.runtime.settings import HostSettings
from tests.docs.pages import ROOT

_ROW = re.compile(r"^\| `([A-Z_]+)` \| (.+) \| (.+) \|$", re.MULTILINE)
_VARIABLE = re.compile(r"PILLION_[A-Z_]+|DAPRD")
ROWS = {name: default for name, _, default in _ROW.findall((ROOT / "docs" / "configuration.md").read_text())}
MODELS: dict[str, type[BaseModel]] = {"PILLION_": HostSettings, "GATEWAY_": GatewaySettings}
FIELDS = {
    f"{prefix}{name.upper()}": field for prefix, model in MODELS.items() for name, field in model.model_fields.items()
}


@cache
def read_in_python() -> frozenset[str]:
    """Names that are a literal of their own, somewhere in the SDK or its tests."""
    files = (file for folder in ("sdk/pillion", "tests", "tools", "services") for file in (ROOT / folder).rglob("*.py"))
    return frozenset(name for file in files if file != Path(__file__) for name in named_in(file.read_text()))


def named_in(code: str) -> Iterator[str]:
    """To parse code that has no such text at all would only take time."""
    if _VARIABLE.search(code):
        literals = (node.value for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Constant))
        yield from (text for text in literals if isinstance(text, str) and _VARIABLE.fullmatch(text))


def read_in_shell() -> Iterator[str]:
    """Names that a script or the Makefile takes from its environment."""
    for file in [ROOT / "Makefile", *(path for path in (ROOT / "tools").rglob("*") if path.is_file())]:
        if file.suffix in ("", ".sh"):
            yield from re.findall(r"\$\{?(PILLION_[A-Z_]+)", file.read_text())


def test_every_variable_has_a_row() -> None:
    assert sorted({*FIELDS, *read_in_python(), *read_in_shell()} - set(ROWS)) == []


def test_every_row_is_a_variable() -> None:
    ours = {name for name in ROWS if name.startswith(tuple(MODELS))}
    assert sorted(ours - {*FIELDS, *read_in_python(), *read_in_shell()}) == []


@pytest.mark.parametrize("name", [name for name, field in FIELDS.items() if field.default not in (None, "", {})])
def test_a_row_has_the_default(name: str) -> None:
    default = FIELDS[name].default
    assert (f"{default:.0f}" if isinstance(default, int | float) else str(default)) in ROWS[name]
