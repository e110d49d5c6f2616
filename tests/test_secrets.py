"""Secrets are remembered for a while and never shown."""

from __future__ import annotations

import pytest

from pillion.errors import SecretNotFound, StoreError
from pillion.secrets import Secrets


class Clock:
    """A clock that is moved by hand."""

    time = 0.0

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


class Store:
    """A secret store that counts how often it is asked."""

    def __init__(self, **secrets: dict[str, str]) -> None:
        self.secrets = secrets
        self.asked = 0

    async def start(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing to do."""

    async def get(self, name: str) -> dict[str, str]:
        self.asked += 1
        if name not in self.secrets:
            raise SecretNotFound(name)
        return self.secrets[name]

    async def get_all(self) -> dict[str, dict[str, str]]:
        self.asked += 1
        return self.secrets


@pytest.fixture
def store() -> Store:
    return Store(password={"password": "s3cret"}, login={"user": "ada", "code": "s3cret"}, other={"value": "x"})


async def test_a_secret_of_one_value_is_that_value(store: Store) -> None:
    secrets = Secrets(store)
    assert await secrets.get("password") == "s3cret"
    assert await secrets.get("other") == "x"


async def test_one_of_several_values_is_chosen_by_key(store: Store) -> None:
    assert await Secrets(store).get("login", "user") == "ada"


async def test_several_values_want_a_key(store: Store) -> None:
    with pytest.raises(StoreError, match="key=: code, user") as caught:
        await Secrets(store).get("login")
    assert "s3cret" not in str(caught.value)


async def test_a_missing_key_is_not_found(store: Store) -> None:
    with pytest.raises(SecretNotFound, match="no key 'pin'; it has code, user"):
        await Secrets(store).get("login", "pin")


async def test_a_missing_secret_is_not_found_and_not_remembered(store: Store) -> None:
    secrets = Secrets(store)
    with pytest.raises(SecretNotFound):
        await secrets.get("new")
    store.secrets["new"] = {"new": "1"}
    assert await secrets.get("new") == "1"


async def test_a_secret_is_remembered_until_its_time_is_over(store: Store) -> None:
    clock = Clock()
    secrets = Secrets(store, ttl=300, clock=clock)
    await secrets.get("password")
    store.secrets["password"] = {"password": "new"}
    clock.time = 299
    assert await secrets.get("password") == "s3cret"
    clock.time = 300
    assert await secrets.get("password") == "new"
    assert store.asked == 2


async def test_without_ttl_nothing_is_remembered(store: Store) -> None:
    secrets = Secrets(store, ttl=0)
    await secrets.get("password")
    await secrets.get("password")
    assert store.asked == 2


async def test_all_secrets_are_remembered_one_by_one(store: Store) -> None:
    secrets = Secrets(store)
    assert set(await secrets.get_all()) == {"password", "login", "other"}
    await secrets.get("password")
    assert store.asked == 1


async def test_what_is_forgotten_is_asked_again(store: Store) -> None:
    secrets = Secrets(store)
    await secrets.get("password")
    secrets.forget()
    await secrets.get("password")
    assert store.asked == 2


async def test_its_repr_shows_no_value(store: Store) -> None:
    secrets = Secrets(store)
    await secrets.get("password")
    assert repr(secrets) == "<Secrets of Store>"
