"""Makes a host of services and settings: the right bridge, its stores, and the config of each service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pillion.bridges.memory.bridge import MemoryBridge
from pillion.bridges.memory.broker import MemoryBroker
from pillion.message import Message
from pillion.runtime.embedded import app_id, memory_stores, profile_stores
from pillion.runtime.environment import service_configs
from pillion.runtime.host import Host
from pillion.runtime.settings import HostSettings
from pillion.service.service import Service
from pillion.sidecar.settings import present

Watch = Callable[[str, Message], None]


def assemble(
    services: list[Service[Any, Any]],
    settings: HostSettings,
    environ: Mapping[str, str],
    *,
    watch: Watch | None = None,
) -> Host:
    """The host that these settings describe. Call it inside the event loop that will run it.

    Args:
        services: what it runs.
        settings: how.
        environ: the environment, for Dapr's variables and for components that read it.
        watch: called with the topic and each message, on the memory bridge only.

    Raises:
        DeclarationError: the services do not fit together.
        ConfigurationError: settings, profile or environment are not valid.
    """
    bridge = settings.bridge or ("dapr" if present(environ) else "memory")
    if bridge == "memory":
        return _embedded(services, settings, environ, watch)
    # Only a host beside a sidecar pays for the HTTP client's import.
    from pillion.runtime.beside import host_beside_sidecar  # noqa: PLC0415

    return host_beside_sidecar(services, settings, environ)


def _embedded(
    services: list[Service[Any, Any]], settings: HostSettings, environ: Mapping[str, str], watch: Watch | None
) -> Host:
    folders = settings.folders
    app = app_id(services, settings, environ)
    stores = profile_stores(folders, app, environ, services) if folders else memory_stores()
    bridge = MemoryBridge(MemoryBroker(capacity=settings.queue_capacity), watch=watch)
    configs = service_configs(services, settings.config_file)
    return Host(*services, bridge=bridge, stores=stores, settings=settings, configs=configs)
