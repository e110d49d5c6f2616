"""Makes a host of services and settings: the right bridge, its stores, and the config of each service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pillion.bridges.memory.bridge import MemoryBridge
from pillion.bridges.memory.broker import MemoryBroker
from pillion.runtime.embedded import memory_stores, profile_stores
from pillion.runtime.environment import service_configs
from pillion.runtime.host import Host
from pillion.runtime.settings import HostSettings
from pillion.service.service import Service
from pillion.sidecar.settings import present


def assemble(services: list[Service[Any, Any]], settings: HostSettings, environ: Mapping[str, str]) -> Host:
    """The host that these settings describe. Call it inside the event loop that will run it.

    Raises:
        DeclarationError: the services do not fit together.
        ConfigurationError: settings, profile or environment are not valid.
    """
    bridge = settings.bridge or ("dapr" if present(environ) else "memory")
    if bridge == "memory":
        return _embedded(services, settings, environ)
    # Only a host beside a sidecar pays for the HTTP client's import.
    from pillion.runtime.beside import host_beside_sidecar  # noqa: PLC0415

    return host_beside_sidecar(services, settings, environ)


def _embedded(services: list[Service[Any, Any]], settings: HostSettings, environ: Mapping[str, str]) -> Host:
    profile = settings.profile
    stores = memory_stores() if profile is None else profile_stores(profile, settings.app, environ)
    bridge = MemoryBridge(MemoryBroker(capacity=settings.queue_capacity))
    configs = service_configs(services, settings.config_file)
    return Host(*services, bridge=bridge, stores=stores, settings=settings, configs=configs)
