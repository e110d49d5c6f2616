"""Every store of pillion keeps its contract of ``pillion.testing.conformance``; for Dapr's see ``test_daprstores``."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from pillion.ports.store import ConfigurationStore, SecretStore, StateStore
from pillion.stores.environment import EnvironmentSecretStore
from pillion.stores.memory import MemoryConfigurationStore, MemoryStateStore
from pillion.stores.secretfile import FileSecretStore
from pillion.stores.sqlite import SQLiteStateStore
from pillion.testing.conformance.configuration import ConfigurationStoreContract
from pillion.testing.conformance.secrets import SecretStoreContract
from pillion.testing.conformance.store import StateStoreContract

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRETS = {SecretStoreContract.name: SecretStoreContract.value, SecretStoreContract.empty_name: ""}


class MovableClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


class TestMemoryState(StateStoreContract):
    @pytest_asyncio.fixture(loop_scope="module")
    async def store(self) -> AsyncIterator[StateStore]:
        self.clock = MovableClock()
        store = MemoryStateStore(self.clock)
        await store.start()
        yield store
        await store.close()

    async def pass_time(self, seconds: float) -> None:
        await self.clock.sleep(seconds)


class TestSQLiteState(StateStoreContract):
    @pytest_asyncio.fixture(loop_scope="module")
    async def store(self, tmp_path: Path) -> AsyncIterator[StateStore]:
        self.clock = MovableClock()
        store = SQLiteStateStore(tmp_path / "new" / "state.db", prefix="orders-state", clock=self.clock)
        await store.start()
        yield store
        await store.close()

    async def pass_time(self, seconds: float) -> None:
        await self.clock.sleep(seconds)


class TestFileSecrets(SecretStoreContract):
    @pytest_asyncio.fixture(loop_scope="module")
    async def store(self, tmp_path: Path) -> SecretStore:
        (tmp_path / "secrets.json").write_text(json.dumps(SECRETS))
        store = FileSecretStore(tmp_path / "secrets.json")
        await store.start()
        return store


class TestEnvironmentSecrets(SecretStoreContract):
    @pytest.fixture
    def store(self) -> SecretStore:
        return EnvironmentSecretStore("TEST_", {f"TEST_{name}": value for name, value in SECRETS.items()})


class TestMemoryConfiguration(ConfigurationStoreContract):
    @pytest.fixture
    def store(self) -> ConfigurationStore:
        return MemoryConfigurationStore()

    async def change(self, store: Any, values: dict[str, str]) -> None:
        store.put(values)
