"""Secrets of the environment are read as Dapr reads them."""

from __future__ import annotations

import pytest

from pillion.errors import SecretNotFound
from pillion.stores.environment import EnvironmentSecretStore

ENVIRON = {"SHOP_KEY": "k", "SHOP_": "none", "OTHER": "o", "APP_API_TOKEN": "t", "DAPR_API_TOKEN": "t", "dapr_x": "t"}


async def test_the_prefix_is_left_out_of_names() -> None:
    assert await EnvironmentSecretStore("SHOP_", ENVIRON).get_all() == {"KEY": {"KEY": "k"}}


async def test_without_prefix_all_are_told_but_those_of_the_sidecar() -> None:
    assert set(await EnvironmentSecretStore("", ENVIRON).get_all()) == {"SHOP_KEY", "SHOP_", "OTHER"}


@pytest.mark.parametrize("name", ["APP_API_TOKEN", "DAPR_API_TOKEN", "dapr_x"])
async def test_the_tokens_of_the_sidecar_are_not_told(name: str) -> None:
    with pytest.raises(SecretNotFound):
        await EnvironmentSecretStore("", ENVIRON).get(name)


async def test_a_missing_secret_names_the_variable() -> None:
    with pytest.raises(SecretNotFound, match="set the environment variable SHOP_LOST"):
        await EnvironmentSecretStore("SHOP_", ENVIRON).get("LOST")


async def test_the_environment_of_the_process_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_LATER", "x")
    assert await EnvironmentSecretStore("SHOP_").get("LATER") == {"LATER": "x"}
