"""The stores of a host without a sidecar: the component types that need no server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from pillion.errors import ConfigurationError
from pillion.ports.store import ConfigurationStore, SecretStore, StateStore
from pillion.runtime.profile import Component, components
from pillion.runtime.stores import CONFIGURATION, SECRETS, Stores
from pillion.stores.environment import EnvironmentSecretStore
from pillion.stores.memory import MemoryConfigurationStore, MemoryStateStore
from pillion.stores.secretfile import FileSecretStore
from pillion.stores.sqlite import SQLiteStateStore

_PUBSUB = "pubsub.in-memory"


def memory_stores() -> Stores:
    """Stores for a host without a profile: state and configuration in memory, secrets from the environment."""
    return Stores(lambda _: MemoryStateStore(), EnvironmentSecretStore, MemoryConfigurationStore)


def profile_stores(folders: Sequence[Path], app: str, environ: Mapping[str, str]) -> Stores:
    """The stores that a profile describes.

    Args:
        folders: the profile.
        app: name of this process, which Dapr would call the app id.
        environ: for metadata taken from it.

    Raises:
        ConfigurationError: the profile cannot be read, or has a component that needs a sidecar.
    """
    found = components(folders, environ)
    _check(found.values(), folders)
    return Stores(
        _named(found, lambda component: _STATE[component.type](component, app)),
        lambda: _SECRETS[found[SECRETS].type](found[SECRETS]) if SECRETS in found else None,
        lambda: MemoryConfigurationStore() if CONFIGURATION not in found else _configuration(found[CONFIGURATION]),
    )


def _named(
    found: Mapping[str, Component], make: Callable[[Component], StateStore]
) -> Callable[[str], StateStore | None]:
    return lambda name: make(found[name]) if name in found else None


def _check(found: Iterable[Component], folders: Sequence[Path]) -> None:
    known = {_PUBSUB, *_STATE, *_SECRETS, *_CONFIGURATION}
    names = ", ".join(map(str, folders))
    families = ("pubsub.", "state.", "secretstores.", "configuration.")
    for component in found:
        if component.type.startswith(families) and component.type not in known:
            raise ConfigurationError(
                f'component "{component.name}" ({component.file}) is of type {component.type}, which needs a sidecar: '
                f"run beside one (pillion dev, or --bridge dapr), or choose a profile without servers than {names}"
            )


def _sqlite(component: Component, app: str) -> StateStore:
    path = component.metadata.get("connectionString") or component.metadata.get("url") or ""
    if not path:
        raise ConfigurationError(f"{component.file}: state.sqlite needs connectionString, the path of its file")
    kind = component.metadata.get("keyPrefix", "appid")
    prefix = {"appid": app, "name": component.name, "none": ""}.get(kind, kind)
    table = component.metadata.get("tableName", "state")
    return SQLiteStateStore(path.removeprefix("file:").partition("?")[0], prefix=prefix, table=table)


def _secret_file(component: Component) -> SecretStore:
    return FileSecretStore(
        component.metadata.get("secretsFile", ""),
        separator=component.metadata.get("nestedSeparator", ":"),
        multi_valued=component.metadata.get("multiValued") == "true",
    )


def _configuration(component: Component) -> ConfigurationStore:
    return _CONFIGURATION[component.type]()


_STATE: Mapping[str, Callable[[Component, str], StateStore]] = {
    "state.in-memory": lambda *_: MemoryStateStore(),
    "state.sqlite": _sqlite,
}
_SECRETS: Mapping[str, Callable[[Component], SecretStore]] = {
    "secretstores.local.file": _secret_file,
    "secretstores.local.env": lambda component: EnvironmentSecretStore(component.metadata.get("prefix", "")),
}
_CONFIGURATION: Mapping[str, Callable[[], ConfigurationStore]] = {"configuration.in-memory": MemoryConfigurationStore}
