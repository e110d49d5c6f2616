"""The secret file is read as Dapr reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pillion.errors import ConfigurationError, SecretNotFound
from pillion.stores.secretfile import FileSecretStore

NESTED = {"smtp": {"user": "ada", "ports": ["25", "587"]}, "token": "t"}


async def opened(folder: Path, content: Any, **options: Any) -> FileSecretStore:
    (folder / "secrets.json").write_text(json.dumps(content))
    store = FileSecretStore(folder / "secrets.json", **options)
    await store.start()
    return store


async def test_nested_values_have_joined_names(tmp_path: Path) -> None:
    store = await opened(tmp_path, NESTED)
    assert await store.get_all() == {
        "smtp:user": {"smtp:user": "ada"},
        "smtp:ports:0": {"smtp:ports:0": "25"},
        "smtp:ports:1": {"smtp:ports:1": "587"},
        "token": {"token": "t"},
    }


async def test_the_separator_can_be_chosen(tmp_path: Path) -> None:
    store = await opened(tmp_path, NESTED, separator=".")
    assert await store.get("smtp.user") == {"smtp.user": "ada"}


async def test_with_multiple_values_an_object_is_one_secret(tmp_path: Path) -> None:
    store = await opened(tmp_path, NESTED, multi_valued=True)
    assert await store.get("smtp") == {"user": "ada", "ports:0": "25", "ports:1": "587"}
    assert await store.get("token") == {"token": "t"}


@pytest.mark.parametrize("value", [5, True, None, 1.5])
async def test_a_value_that_is_no_string_is_refused(tmp_path: Path, value: Any) -> None:
    with pytest.raises(ConfigurationError, match="'a:b' must be a string"):
        await opened(tmp_path, {"a": {"b": value}})


async def test_a_file_that_is_no_json_is_told_without_its_content(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text('{"a": "s3cret"')
    with pytest.raises(ConfigurationError, match="it is no JSON") as caught:
        await FileSecretStore(tmp_path / "secrets.json").start()
    assert "s3cret" not in str(caught.value)


async def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        await FileSecretStore(tmp_path / "secrets.json").start()


async def test_a_file_that_is_no_object_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="must be a JSON object"):
        await opened(tmp_path, ["a"])


async def test_a_missing_secret_names_the_file(tmp_path: Path) -> None:
    store = await opened(tmp_path, NESTED)
    with pytest.raises(SecretNotFound, match=r"'smtp' is not in .*secrets\.json"):
        await store.get("smtp")


async def test_a_closed_store_has_forgotten_all(tmp_path: Path) -> None:
    store = await opened(tmp_path, NESTED)
    await store.close()
    assert await store.get_all() == {}
