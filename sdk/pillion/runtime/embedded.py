"""The stores of a host without a sidecar: the component types that need no server."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pillion.errors import ConfigurationError
from pillion.ports.store import ConfigurationStore, SecretStore, StateStore
from pillion.runtime.needs import check_needs
from pillion.runtime.profile import Component, components
from pillion.runtime.settings import HostSettings
from pillion.runtime.stores import CONFIGURATION, SECRETS, Stores
from pillion.service.service import Service
from pillion.stores.environment import EnvironmentSecretStore
from pillion.stores.memory import MemoryConfigurationStore, MemoryStateStore
from pillion.stores.secretfile import FileSecretStore
from pillion.stores.sqlite import SQLiteStateStore

_PUBSUB = "pubsub.in-memory"
_FAMILIES = ("pubsub.", "state.", "secretstores.", "configuration.")


class NeedsSidecar(ConfigurationError):
    """A profile has a component that only a sidecar can reach."""


def memory_stores() -> Stores:
    """Stores for a host without a profile: state and configuration in memory, secrets from the environment."""
    return Stores(lambda _: MemoryStateStore(), EnvironmentSecretStore, MemoryConfigurationStore)


def profile_stores(
    folders: Sequence[Path], app: str, environ: Mapping[str, str], services: Sequence[Service[Any, Any]] = ()
) -> Stores:
    """The stores that a profile describes.

    Args:
        folders: the profile.
        app: the id that a sidecar of these services would have, see ``app_id``; empty when nobody can tell.
        environ: for metadata taken from it, and for Dapr's ``NAMESPACE``.
        services: those that run with them; what they name has to be there, and to be for them.

    Raises:
        NeedsSidecar: the profile has a component that only a sidecar can reach.
        ConfigurationError: the profile cannot be read, has a component of a type that is not known here, or does not
            have what a service names. Making a state store raises it when its keys begin with the app id, and that is
            not known.
    """
    found = components(folders, environ)
    _check(found.values(), folders)
    check_needs(services, found, app)
    secrets, configuration = _of(found, _SECRETS).get(SECRETS), _of(found, _CONFIGURATION).get(CONFIGURATION)
    namespace = environ.get("NAMESPACE", "")
    return Stores(
        _named(_of(found, _STATE), lambda component: _STATE[component.type](component, app, namespace)),
        lambda: None if secrets is None else _SECRETS[secrets.type](secrets),
        lambda: MemoryConfigurationStore() if configuration is None else _CONFIGURATION[configuration.type](),
        lambda name, service: name not in found or found[name].is_for(service, app),
    )


def app_id(services: Iterable[Service[Any, Any]], settings: HostSettings, environ: Mapping[str, str]) -> str:
    """The Dapr app id of a process with these services; empty when several run and nobody says."""
    names = {service.name for service in services}
    return settings.app or environ.get("APP_ID", "") or (names.pop() if len(names) == 1 else "")


def _of(found: Mapping[str, Component], types: Container[str]) -> dict[str, Component]:
    return {name: component for name, component in found.items() if component.type in types}


def _named(
    found: Mapping[str, Component], make: Callable[[Component], StateStore]
) -> Callable[[str], StateStore | None]:
    return lambda name: make(found[name]) if name in found else None


def _check(found: Iterable[Component], folders: Sequence[Path]) -> None:
    known = (_PUBSUB, *_STATE, *_SECRETS, *_CONFIGURATION)
    for component in found:
        if component.type not in known:
            # Of another family it may as well be misspelt.
            refusal = NeedsSidecar if component.type.startswith(_FAMILIES) else ConfigurationError
            raise refusal(
                f'component "{component.name}" ({component.file}) is of type {component.type}, which needs a sidecar: '
                "run beside one (pillion dev, or --bridge dapr), or choose a profile that needs none, not "
                f"{', '.join(map(str, folders))}; without a sidecar there are {', '.join(known)}"
            )


def _sqlite(component: Component, app: str, namespace: str) -> StateStore:
    path = component.metadata.get("connectionString") or component.metadata.get("url") or ""
    if not path:
        raise ConfigurationError(f"{component.file}: state.sqlite needs connectionString, the path of its file")
    prefix = _prefix(component, app, namespace)
    table = component.metadata.get("tableName", "state")
    return SQLiteStateStore(path.removeprefix("file:").partition("?")[0], prefix=prefix, table=table)


def _prefix(component: Component, app: str, namespace: str) -> str:
    """What a sidecar would have this component's keys begin with; it folds the case of name and value.

    Source: dapr 1.18, ``pkg/components/state/state_config.go``.
    """
    kind = {name.lower(): value.lower() for name, value in component.metadata.items()}.get("keyprefix", "appid")
    if kind in ("appid", "namespace") and not app:
        raise ConfigurationError(
            f'the keys of component "{component.name}" ({component.file}) begin with the app id, and a process of '
            "several services has none of its own: have them begin with the component's name (keyPrefix: name), or "
            "name the process with PILLION_APP"
        )
    owner = f"{namespace}.{app}" if namespace else app
    return {"appid": app, "namespace": owner, "name": component.name, "none": ""}.get(kind, kind)


def _secret_file(component: Component) -> SecretStore:
    return FileSecretStore(
        component.metadata.get("secretsFile", ""),
        separator=component.metadata.get("nestedSeparator", ":"),
        multi_valued=component.metadata.get("multiValued") == "true",
    )


_STATE: Mapping[str, Callable[[Component, str, str], StateStore]] = {
    "state.in-memory": lambda *_: MemoryStateStore(),
    "state.sqlite": _sqlite,
}
_SECRETS: Mapping[str, Callable[[Component], SecretStore]] = {
    "secretstores.local.file": _secret_file,
    "secretstores.local.env": lambda component: EnvironmentSecretStore(component.metadata.get("prefix", "")),
}
_CONFIGURATION: Mapping[str, Callable[[], ConfigurationStore]] = {"configuration.in-memory": MemoryConfigurationStore}
