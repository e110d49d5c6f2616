"""The stores of one host, by component name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from pillion.ports.store import ConfigurationStore, SecretStore, StateStore

if TYPE_CHECKING:
    from pillion.telemetry.traces import MessageTracer

SECRETS = "secrets"
CONFIGURATION = "configuration"


T = TypeVar("T", bound=StateStore | SecretStore | ConfigurationStore)


def _nothing() -> None:
    return None


def _everybody(_component: str, _service: str) -> bool:
    return True


@dataclass(frozen=True)
class Stores:
    """How to make the stores that services ask for.

    Attributes:
        state: makes the state store of a component's name; None when the profile has no such component.
        secrets: makes the secret store, or None.
        configuration: makes the configuration store, or None.
        allows: whether the scopes of a component, by its name, let a service, by its name, use it. A sidecar sees to
            that itself.

    Stores are made once the bridge is connected.
    """

    state: Callable[[str], StateStore | None]
    secrets: Callable[[], SecretStore | None] = _nothing
    configuration: Callable[[], ConfigurationStore | None] = _nothing
    allows: Callable[[str, str], bool] = _everybody

    def traced(self, tracer: MessageTracer) -> Stores:
        """The same stores, with spans."""
        # Only hosts that trace pay for the import of OpenTelemetry.
        from pillion.telemetry.stores import TracedConfiguration, TracedSecrets, TracedState  # noqa: PLC0415

        def state(component: str) -> StateStore | None:
            store = self.state(component)
            return None if store is None else TracedState(store, component, tracer)

        def secrets() -> SecretStore | None:
            store = self.secrets()
            return None if store is None else TracedSecrets(store, SECRETS, tracer)

        def configuration() -> ConfigurationStore | None:
            store = self.configuration()
            return None if store is None else TracedConfiguration(store, CONFIGURATION, tracer)

        return Stores(state, secrets, configuration, self.allows)


class OpenStores:
    """Starts each store once and closes it with the stack."""

    def __init__(self, stores: Stores, stack: AsyncExitStack) -> None:
        self._stores = stores
        self._stack = stack
        self._states: dict[str, StateStore | None] = {}
        self._secrets: SecretStore | None = None
        self._configuration: ConfigurationStore | None = None
        self._opened: set[int] = set()

    async def state(self, component: str) -> StateStore | None:
        """The state store of this name, started; None when the profile has none."""
        if component not in self._states:
            self._states[component] = self._stores.state(component)
        return await self._open(self._states[component])

    async def shared(self, component: str, services: Iterable[str]) -> StateStore | None:
        """The state store that all these services use together, started; None when one of them may not use it."""
        if not all(self._stores.allows(component, service) for service in services):
            return None
        return await self.state(component)

    async def secrets(self, service: str) -> SecretStore | None:
        """The secret store, started; None when there is none that this service may use."""
        if not self._stores.allows(SECRETS, service):
            return None
        if self._secrets is None:
            self._secrets = self._stores.secrets()
        return await self._open(self._secrets)

    async def configuration(self, service: str) -> ConfigurationStore | None:
        """The configuration store, started; None when there is none that this service may use."""
        if not self._stores.allows(CONFIGURATION, service):
            return None
        if self._configuration is None:
            self._configuration = self._stores.configuration()
        return await self._open(self._configuration)

    async def _open(self, store: T | None) -> T | None:
        if store is not None and id(store) not in self._opened:
            self._opened.add(id(store))
            self._stack.push_async_callback(store.close)
            await store.start()
        return store
