"""What every secret store must do; used as ``StateStoreContract`` is."""

from __future__ import annotations

import pytest

from pillion.errors import SecretNotFound
from pillion.ports.store import SecretStore


class SecretStoreContract:
    """What a secret store must do. The store under test holds ``name`` with ``value``, and an empty ``empty_name``."""

    name = "DATABASE"
    value = 's3cret \u00e4 " \\ $HOME'
    empty_name = "EMPTY"

    async def test_a_secret_is_found_by_its_name(self, store: SecretStore) -> None:
        assert await store.get(self.name) == {self.name: self.value}

    async def test_a_missing_secret_is_not_found(self, store: SecretStore) -> None:
        with pytest.raises(SecretNotFound, match="MISSING"):
            await store.get("MISSING")

    async def test_an_empty_secret_is_not_found(self, store: SecretStore) -> None:
        with pytest.raises(SecretNotFound, match=self.empty_name):
            await store.get(self.empty_name)

    async def test_all_secrets_are_told_by_name(self, store: SecretStore) -> None:
        assert (await store.get_all())[self.name] == {self.name: self.value}

    async def test_what_was_told_may_be_changed_without_harm(self, store: SecretStore) -> None:
        (await store.get(self.name)).clear()
        assert await store.get(self.name) == {self.name: self.value}

    async def test_its_repr_shows_no_value(self, store: SecretStore) -> None:
        await store.get(self.name)
        assert "s3cret" not in repr(store)
