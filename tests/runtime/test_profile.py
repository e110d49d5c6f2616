from __future__ import annotations

from pathlib import Path

import pytest

from pillion.errors import ConfigurationError
from pillion.runtime.profile import components

STATE = """
kind: Component
metadata: {name: orders-state}
spec:
  type: state.sqlite
  metadata:
    - {name: connectionString, value: data/orders.db}
    - {name: disableWAL, value: true}
    - {name: password, envRef: ORDERS_PASSWORD}
scopes: [orders]
"""


def test_a_component_is_read(tmp_path: Path) -> None:
    (tmp_path / "state.yaml").write_text(STATE)
    found = components([tmp_path], {"ORDERS_PASSWORD": "hunter2"})["orders-state"]
    assert (found.type, found.scopes, found.file) == ("state.sqlite", ("orders",), tmp_path / "state.yaml")
    assert found.metadata == {"connectionString": "data/orders.db", "disableWAL": "true", "password": "hunter2"}


def test_a_variable_that_is_not_set_is_empty(tmp_path: Path) -> None:
    (tmp_path / "state.yaml").write_text(STATE)
    assert components([tmp_path], {})["orders-state"].metadata["password"] == ""


def test_a_file_may_hold_several(tmp_path: Path) -> None:
    (tmp_path / "all.yml").write_text("\n---\n".join((STATE, STATE.replace("orders", "users"))))
    assert set(components([tmp_path], {})) == {"orders-state", "users-state"}


def test_other_kinds_and_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "resiliency.yaml").write_text("kind: Resiliency\n")
    (tmp_path / "notes.txt").write_text(STATE)
    assert components([tmp_path], {}) == {}


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="absent: no such folder"):
        components([tmp_path / "absent"], {})


def test_a_name_in_two_files_names_both(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(STATE)
    (tmp_path / "b.yaml").write_text(STATE)
    with pytest.raises(ConfigurationError, match=r'"orders-state" is in .*a\.yaml and in .*b\.yaml'):
        components([tmp_path], {})


@pytest.mark.parametrize(
    ("text", "missing"), [("kind: Component\nspec: {type: a}\n", "metadata"), ("kind: Component\n", "spec")]
)
def test_what_a_component_lacks_is_named(tmp_path: Path, text: str, missing: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=rf"bad\.yaml.*{missing}"):
        components([tmp_path], {})


def test_scopes_that_are_no_list_are_named(tmp_path: Path) -> None:
    (tmp_path / "state.yaml").write_text(STATE.replace("[orders]", "orders"))
    with pytest.raises(ConfigurationError, match=r"state\.yaml: scopes of component \"orders-state\" .* \[orders\]"):
        components([tmp_path], {})


@pytest.mark.parametrize(
    ("scopes", "apps", "expected"),
    [("[]", ["users"], True), ("[orders]", ["users"], False), ("[orders, shop]", ["users", "shop"], True)],
)
def test_scopes_say_whom_a_component_is_for(tmp_path: Path, scopes: str, apps: list[str], expected: bool) -> None:
    (tmp_path / "state.yaml").write_text(STATE.replace("[orders]", scopes))
    assert components([tmp_path], {})["orders-state"].is_for(*apps) is expected


def test_what_is_no_yaml_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("a: [")
    with pytest.raises(ConfigurationError, match=r"bad\.yaml cannot be read"):
        components([tmp_path], {})
