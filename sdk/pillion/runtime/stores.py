"""The stores of one host, by component name."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from pillion.ports.store import ConfigurationStore, SecretStore, StateStore

SECRETS = "secrets"
CONFIGURATION = "configuration"


@dataclass(frozen=True)
class Stores:
    """How to make the stores that services ask for.

    Attributes:
        state: a state store for a component's name; None when the profile has no such component.
        secrets: the secret store, or None.
        configuration: the configuration store, or None.
    """

    state: Callable[[str], StateStore | None]
    secrets: SecretStore | None = None
    configuration: ConfigurationStore | None = None


class OpenStores:
    """Starts each store once and closes it with the stack."""

    def __init__(self, stores: Stores, stack: AsyncExitStack) -> None:
        self._stores = stores
        self._stack = stack
        self._states: dict[str, StateStore | None] = {}

    async def state(self, component: str) -> StateStore | None:
        """The state store of this name, started."""
        if component not in self._states:
            store = self._states[component] = self._stores.state(component)
            if store is not None:
                await self._open(store)
        return self._states[component]

    async def secrets(self) -> SecretStore | None:
        """The secret store, started."""
        if self._stores.secrets is not None:
            await self._open(self._stores.secrets)
        return self._stores.secrets

    async def configuration(self) -> ConfigurationStore | None:
        """The configuration store, started."""
        if self._stores.configuration is not None:
            await self._open(self._stores.configuration)
        return self._stores.configuration

    async def _open(self, store: StateStore | SecretStore | ConfigurationStore) -> None:
        self._stack.push_async_callback(store.close)
        await store.start()
