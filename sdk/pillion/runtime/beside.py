"""The host beside a sidecar: the Dapr bridge and Dapr's stores."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from pillion.bridges.dapr.bridge import DaprBridge, DaprOptions
from pillion.bridges.dapr.needs import Uses
from pillion.ports.clock import SystemClock
from pillion.ports.store import ConfigurationStore, SecretStore, StateStore
from pillion.resilience.claims import CLAIMS
from pillion.runtime.delivery import DeliveryCheck
from pillion.runtime.environment import service_configs
from pillion.runtime.host import Host
from pillion.runtime.naming import host_name
from pillion.runtime.ownership import has_own_state
from pillion.runtime.settings import HostSettings
from pillion.runtime.stores import CONFIGURATION, SECRETS, Stores
from pillion.service.catalog import published
from pillion.service.guard import Guard
from pillion.service.service import Service
from pillion.sidecar.channel import SidecarChannel
from pillion.sidecar.conflicts import refuse_conflict
from pillion.sidecar.health import wait_gone
from pillion.sidecar.settings import SidecarSettings
from pillion.stores.dapr import DaprConfigurationStore, DaprSecretStore, DaprStateStore
from pillion.telemetry.logs import host_logger


def host_beside_sidecar(
    services: list[Service[Any, Any]],
    settings: HostSettings,
    environ: Mapping[str, str],
    *,
    guards: Mapping[str, Guard] | None = None,
) -> Host:
    """A host that reaches everything through the sidecar which the environment names.

    Args:
        services: what to run.
        settings: how this process runs.
        environ: the environment, with Dapr's variables.
        guards: replacements by guard name, for tests.

    Raises:
        ConfigurationError: the environment is not valid, or packages are installed that break Dapr's, or the
            profile cannot be read. Starting the host raises it when the sidecar's settings can lose messages.
        DeclarationError: the services do not fit together.
    """
    refuse_conflict()
    sidecar = SidecarSettings.from_environment(environ)
    app = settings.app or sidecar.app_id or host_name(services)
    port = sidecar.app_port if settings.port is None else settings.port
    # Not random: the sidecar outlives a restarted app, and asks for subscriptions only once.
    instance = settings.instance or f"{socket.gethostname()}-{port or 0}"
    settings = settings.model_copy(update={"app": app, "port": port or 0, "instance": instance})
    channel = SidecarChannel(sidecar)
    log = host_logger(app)
    check = DeliveryCheck(settings.folders, settings.delivery_check, log)
    options = _options(settings, sidecar, _uses(services))
    bridge = DaprBridge(channel, options, SystemClock(), log, check.accept, check.sidecar_timeout)
    return Host(
        *services,
        bridge=bridge,
        channel=bridge.channel,
        stores=dapr_stores(channel, bridge),
        settings=settings,
        configs=service_configs(services, settings.config_file),
        guards=guards,
        linger=partial(wait_gone, channel) if settings.linger else None,
    )


def dapr_stores(channel: SidecarChannel, bridge: DaprBridge) -> Stores:
    """The stores that the sidecar has loaded when the bridge is started."""

    def state(component: str) -> StateStore | None:
        return DaprStateStore(channel, component) if bridge.loaded.component(component) else None

    def secrets() -> SecretStore | None:
        return DaprSecretStore(channel, SECRETS) if bridge.loaded.component(SECRETS) else None

    def configuration() -> ConfigurationStore | None:
        if not bridge.loaded.component(CONFIGURATION):
            return None
        store = DaprConfigurationStore(channel, CONFIGURATION)
        bridge.channel.watch(store)
        return store

    return Stores(state, secrets, configuration)


def _uses(services: Iterable[Service[Any, Any]]) -> Uses:
    """What services need of a sidecar. A state component that nobody has named may be missing, but must not go away."""
    state = [(service.state_component, service.group) for service in services if not has_own_state(service)]
    spare = [(service.state_component, service.group) for service in services if has_own_state(service)]
    emits = [(event.component, f"the event {event.address}") for service in services for _, event in published(service)]
    return Uses(emits, state, [*spare, (CLAIMS, "large payloads")])


def _options(settings: HostSettings, sidecar: SidecarSettings, uses: Uses) -> DaprOptions:
    return DaprOptions(
        app=settings.app,
        instance=settings.instance,
        commands=settings.commands,
        bulk_commands=settings.command_delivery == "bulk",
        lingers=settings.linger,
        apps=settings.apps,
        app_token=sidecar.app_token,
        mqtt_url=None if settings.mqtt_url is None else settings.mqtt_url.get_secret_value(),
        nats_url=None if settings.nats_url is None else settings.nats_url.get_secret_value(),
        uses=uses,
    )
