"""A host: one process that runs services on a bridge with its stores."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Self, TypeVar
from uuid import uuid4

from pydantic import BaseModel

from pillion.context import PLAIN, Sending
from pillion.errors import Unavailable
from pillion.pipeline.claimcheck import ClaimingBridge
from pillion.pipeline.facilities import Facilities, Ids
from pillion.pipeline.inbound import compiled
from pillion.pipeline.keeper import Keeper, Resumption
from pillion.pipeline.outbound import Cause, Outbound
from pillion.ports.bridge import Bridge
from pillion.ports.channel import Channel
from pillion.ports.clock import Clock, SystemClock
from pillion.resilience.claims import Claims
from pillion.resilience.deadlines import Deadlines
from pillion.resilience.threads import Threads
from pillion.runtime.claims import claims_store
from pillion.runtime.naming import host_name
from pillion.runtime.provisions import ServiceProvisions
from pillion.runtime.settings import HostSettings
from pillion.runtime.stores import OpenStores, Stores
from pillion.service.check import check
from pillion.service.command import Command
from pillion.service.event import Event
from pillion.service.guard import Guard
from pillion.service.service import Service
from pillion.telemetry.logs import host_logger
from pillion.telemetry.provider import Instrumented

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

    from pillion.telemetry.traces import MessageTracer

I = TypeVar("I")  # noqa: E741 - input
O = TypeVar("O")  # noqa: E741 - output
P = TypeVar("P")

# What keeps a host from being ready that has finished what it had in hand, and lingers for its sidecar.
DRAINED = "the host has finished what it had in hand; its sidecar may stop"
_AWAY = "the host is starting or stopping"
_NOBODY = Cause()
# A sidecar brings up to 100 messages in one request, as base64, which is a third longer, and each in an envelope.
_TOGETHER = 150


class Host:
    """Runs services: checks their declarations, opens what they need, delivers messages, and stops without loss.

    Use it as an async context manager, or ``start`` and ``stop`` it. Most users never make one: ``pillion run`` and
    the ``host`` test fixture do.

    Args:
        services: what to run; several versions of one service are several services. None at all makes a host that only
            calls others, as a gateway beside its own sidecar does; it needs a name, ``settings.app``.
        bridge: moves the messages.
        channel: answers what comes to the process's port besides health; the Dapr bridge has one.
        stores: makes the stores.
        settings: how this process runs.
        configs: settings of services by name or group, already validated; missing ones are made from defaults.
        guards: replacements by guard name, for tests.
        clock: tells the time.
        tracer_provider: OpenTelemetry's; default what ``PillionInstrumentor`` set, else no tracing.
        linger: waited for when the host has drained, with everything still open; see ``HostSettings.linger``.

    Attributes:
        port: where it listens for health and for a sidecar; None when it does not.

    Raises:
        DeclarationError: the declarations do not fit together; the text names the place.
    """

    def __init__(
        self,
        *services: Service[Any, Any],
        bridge: Bridge,
        stores: Stores,
        channel: Channel | None = None,
        settings: HostSettings | None = None,
        configs: Mapping[str, BaseModel] | None = None,
        guards: Mapping[str, Guard] | None = None,
        clock: Clock | None = None,
        tracer_provider: TracerProvider | None = None,
        linger: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.services: Sequence[Service[Any, Any]] = services
        self.settings = settings or HostSettings()
        self.app = self.settings.app or host_name(services)
        self.warnings = check(services)
        self.bridge = bridge
        provider = tracer_provider or Instrumented.provider
        self.tracer = None if provider is None else _tracer(provider)
        self._claims = Claims(self.settings.claim_check_bytes, self.settings.claim_check_ttl)
        wire = bridge if self._claims.limit is None else ClaimingBridge(bridge, self._claims)
        self._wire = wire if self.tracer is None else _traced(wire, self.tracer)
        self.port: int | None = None
        self.channel = channel
        self._stores = stores if self.tracer is None else stores.traced(self.tracer)
        self._configs = configs or {}
        self._guards = guards or {}
        self._clock = clock or SystemClock()
        self._log = host_logger(self.app)
        self._stack = AsyncExitStack()
        self._outbound: Outbound | None = None
        self._away: str | None = _AWAY
        self._linger = linger
        self._keepers: list[Keeper] = []
        self._boot = uuid4().hex

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def running(self) -> bool:
        """Whether it is started and takes work."""
        return self._outbound is not None

    @property
    def keepers(self) -> Sequence[Keeper]:
        """Those who look after parked messages, one for each service with a state store."""
        return self._keepers

    async def start(self) -> None:
        """Open stores and resources, then deliver messages.

        Raises:
            ConfigurationError: settings, profile or components do not fit what the services need.
        """
        for warning in self.warnings:
            self._log.warning(warning)
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        self._away = None
        self._log.info("started", services=[service.group for service in self.services])

    def withdraw(self) -> None:
        """Be not ready from now on, and go on working: for what is in front of the host and stops before it."""
        self._away = _AWAY

    async def stop(self) -> int:
        """Take no more work, finish what is in hand within ``drain_seconds``, close everything.

        Returns:
            How many messages were cut off because the time was over.
        """
        if self._outbound is None:
            return 0
        self._outbound, self._away = None, _AWAY
        try:
            drains = [self.bridge.drain(self.settings.drain_seconds)]
            drains += [keeper.drain(self.settings.drain_seconds) for keeper in self._keepers]
            cut_off = sum(await asyncio.gather(*drains))
            if self._linger is not None:
                self._away = DRAINED
                await self._linger()
        finally:
            await self._stack.aclose()
        self._log.log(40 if cut_off else 20, "stopped", cut_off=cut_off)
        return cut_off

    def call(
        self,
        command: Command[I, O],
        payload: I,
        *,
        timeout: float | None = None,
        key: str | None = None,
        idempotency_key: str | None = None,
        cause: Cause = _NOBODY,
    ) -> Awaitable[O]:
        """Call a command from outside any service, as the gateway and the CLI do; see ``Context.call``.

        Raises:
            Unavailable: the host is stopping.
        """
        plain = key is None and timeout is None and idempotency_key is None
        options = PLAIN if plain else Sending(key, timeout, None, None, idempotency_key)
        return (self._outbound or self._open()).call(command, payload, cause, options)

    async def send(
        self,
        command: Command[I, Any],
        payload: I,
        *,
        key: str | None = None,
        ttl: float | None = None,
        idempotency_key: str | None = None,
        cause: Cause = _NOBODY,
    ) -> None:
        """Send a command without waiting for an answer; returns when the bridge has accepted it."""
        options = Sending(key, None, ttl, None, idempotency_key)
        await self._wire.publish([self._open().send(command, payload, cause, options)])

    async def emit(
        self, event: Event[P], payload: P, *, key: str | None = None, ttl: float | None = None, cause: Cause = _NOBODY
    ) -> None:
        """Publish an event; returns when the bridge has accepted it."""
        await self._wire.publish([self._open().emit(event, payload, cause, Sending(key, None, ttl))])

    async def problems(self) -> Sequence[str]:
        """What keeps this host from being ready, one sentence each; empty when it is ready."""
        return await self.bridge.problems() if self._away is None else (self._away,)

    async def _start(self) -> None:
        facilities = self._facilities()
        provisions = [self._provisions(service, facilities.ids) for service in self.services]
        compiled_services = [compiled(of.service, of, facilities) for of in provisions]
        self.bridge.bind([route for of in compiled_services for route in of.routes])
        # The port comes first: a sidecar waits for it, and probes want an answer while the rest is still starting.
        await self._listen()
        self._stack.push_async_callback(self.bridge.close)
        await self.bridge.start()
        stores = OpenStores(self._stores, self._stack)
        self._claims.open(await claims_store(stores, self.settings, self.services))
        for of_service in provisions:
            await of_service.open(stores, self._stack)
            # Beside a sidecar the broker may keep letters; the check of what that has loaded tells when it does not.
            if self.channel is None and (lost := of_service.lost_letters()):
                self._log.warning(lost)
        await self.bridge.open()
        for of_service, found in zip(provisions, compiled_services, strict=True):
            self._keep(of_service, found.parked, facilities)
        self._outbound = Outbound(facilities)

    def _keep(self, of: ServiceProvisions, parked: Mapping[str, Resumption], facilities: Facilities) -> None:
        if of.shelf is not None:
            keeper = Keeper(of.shelf, parked, of.service.contract.dead_letter_topic, facilities)
            self._keepers.append(keeper)
            self._stack.push_async_callback(keeper.close)
            keeper.start()

    def _provisions(self, service: Service[Any, Any], ids: Ids) -> ServiceProvisions:
        owner = f"{self.settings.instance or self._boot}/{self._boot}"
        config = self._config(service)
        return ServiceProvisions(service, config, self.app, self._clock, owner, lambda: self.bridge.alone, ids)

    async def _listen(self) -> None:
        port = self.settings.port
        if port is None and self.channel is None:
            return
        # The HTTP server costs import time that a host without a port need not pay.
        from pillion.runtime.listener import Listener  # noqa: PLC0415

        # The setting is for one message. A delivery that is refused comes again for ever, and nothing behind it comes.
        largest = self.settings.max_body_bytes * (1 if self.channel is None else _TOGETHER)
        listener = Listener(self.settings.host, port or 0, self.problems, self.channel, largest)
        self._stack.push_async_callback(listener.stop)
        self.port = await listener.start()

    def _open(self) -> Outbound:
        if self._outbound is None:
            raise Unavailable(reason="the host is not running")
        return self._outbound

    def _facilities(self) -> Facilities:
        threads = Threads(self.settings.threads, self.app)
        self._stack.callback(threads.close)
        deadlines = Deadlines()
        self._stack.callback(deadlines.close)
        return Facilities(
            self._wire, self._clock, deadlines, threads, self._log, self.app, self.tracer, self._guards,
            self.settings.longest_wait, claims=self._claims,
        )  # fmt: skip

    def _config(self, service: Service[Any, Any]) -> Any:
        found = self._configs.get(service.group) or self._configs.get(service.name)
        return found if found is not None or service.config is None else service.config()


# OpenTelemetry's API costs import time that a host without tracing need not pay, hence the imports inside.
def _tracer(provider: TracerProvider) -> MessageTracer:
    from pillion.telemetry.traces import MessageTracer  # noqa: PLC0415

    return MessageTracer(provider)


def _traced(bridge: Bridge, tracer: MessageTracer) -> Bridge:
    from pillion.telemetry.bridge import TracedBridge  # noqa: PLC0415

    return TracedBridge(bridge, tracer)
