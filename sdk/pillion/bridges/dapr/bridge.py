"""The Dapr bridge: messages through the sidecar's pub/sub, commands by pub/sub or by service invocation."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Literal, TypeAlias

from msgspec.structs import replace

from pillion.bridges.dapr.channel import AppChannel, Receiver
from pillion.bridges.dapr.components import APART, PUBSUB, REPLIES, Components
from pillion.bridges.dapr.deliveries import Deliveries, Log
from pillion.bridges.dapr.invocation import Invoked, Invoker
from pillion.bridges.dapr.mqtt import MqttSessions
from pillion.bridges.dapr.needs import Needs, Uses
from pillion.bridges.dapr.pending import Pending
from pillion.bridges.dapr.probes import Probes
from pillion.bridges.dapr.publisher import PARTITIONED, Publisher
from pillion.bridges.dapr.receipts import Receipts
from pillion.bridges.dapr.streams import Streams
from pillion.bridges.dapr.subscriptions import (
    SIDECAR_TIMEOUT,
    Subscribed,
    by_path,
    on_lanes,
    replies,
    subscriptions,
)
from pillion.codec.cloudevents import MalformedEvent, decode
from pillion.errors import ConfigurationError, SidecarError
from pillion.message import Message
from pillion.ports.bridge import Kind, Outgoing, Route
from pillion.ports.clock import Clock
from pillion.sidecar.capabilities import missing
from pillion.sidecar.channel import SidecarChannel
from pillion.sidecar.health import SidecarMetadata, metadata, serving_obstacle, wait_outbound

_POLL_SECONDS = 0.05
_LONGEST_HOLD_SECONDS = 1.0
# What takes longer holds up nobody, if it can be kept elsewhere: a call may even wait for one behind it.
_PATIENCE_SECONDS = 0.5

Accept: TypeAlias = Callable[[SidecarMetadata, Sequence[tuple[str, Route]]], None]


@dataclass(frozen=True, slots=True)
class DaprOptions:
    """How the bridge uses Dapr.

    Attributes:
        app: the app id.
        instance: names this instance among those of the app. It must survive a restart of the app beside the same
            sidecar, which asks for subscriptions only once: so not random, but for example host and port.
        commands: how calls travel.
        bulk_commands: deliver commands and replies in bulk, for throughput instead of low latency.
        lingers: whether the channel is served after ``drain``, until the sidecar is gone.
        apps: app id by service name, where they differ; for ``invocation``.
        app_token: what the sidecar must show.
        mqtt_url: where an MQTT broker is; None asks the sidecar's secret store for ``mqtt-url``.
        nats_url: where a NATS server is; None asks the sidecar's secret store for ``nats-url``.
        uses: what must be loaded, apart from what brings the routes their messages.
    """

    app: str
    instance: str
    commands: Literal["pubsub", "invocation"] = "pubsub"
    bulk_commands: bool = False
    lingers: bool = False
    apps: Mapping[str, str] = field(default_factory=dict)
    app_token: str | None = field(default=None, repr=False)
    mqtt_url: str | None = field(default=None, repr=False)
    nats_url: str | None = field(default=None, repr=False)
    uses: Uses = field(default_factory=Uses)

    @property
    def reply_topic(self) -> str:
        """Where replies to this instance go."""
        return "replies." + re.sub(r"[^A-Za-z0-9_-]+", "-", f"{self.app}-{self.instance}")[:200]


class DaprBridge:
    """Moves messages through a sidecar. Somebody serves ``channel`` on the app's port.

    Attributes:
        channel: answers the sidecar's requests.
        loaded: what the sidecar had loaded when the bridge was started.

    Args:
        sidecar: channel to the sidecar; started and closed here.
        options: how Dapr is used.
        clock: tells the time.
        log: for what nobody else hears of.
        accept: looks at what the sidecar has loaded, and at the component and the route of each handler, and raises
            ConfigurationError when it will not do.
        sidecar_timeout: seconds for which a sidecar that has loaded this waits for an answer to what a component
            brings.
    """

    def __init__(
        self,
        sidecar: SidecarChannel,
        options: DaprOptions,
        clock: Clock,
        log: Log,
        accept: Accept = lambda *_: None,
        sidecar_timeout: Callable[[SidecarMetadata, str], float] = lambda *_: SIDECAR_TIMEOUT,
    ) -> None:
        self._sidecar = sidecar
        self._options = options
        self._clock = clock
        self._log = log
        self._accept = accept
        self._sidecar_timeout = sidecar_timeout
        self._streams = Streams(sidecar, options.nats_url, options.app, clock, log)
        self._publisher = Publisher(sidecar, self._streams.need)
        self._pending = Pending(clock)
        self._invoker = Invoker(sidecar, clock, options.apps) if options.commands == "invocation" else None
        self._routes: Sequence[Route] = ()
        self._subscribed: Sequence[Subscribed] = ()
        self._deliveries: list[Deliveries] = []
        self._invoked = Invoked()
        self._known = Probes(self._exchange, clock, log, options.app)
        self._components = Components()
        self.loaded = SidecarMetadata()
        self._needs = Needs(options.uses, (), self.loaded)
        self._mqtt = MqttSessions(sidecar, options.mqtt_url, clock, log)
        self.channel = AppChannel(options.app_token, self._mqtt.heal)

    @property
    def longest_hold(self) -> float:
        """A second: the sidecar brings the next batch of a topic when the one before is answered."""
        return _LONGEST_HOLD_SECONDS

    @property
    def alone(self) -> bool:
        """Never: there may be other instances, and a broker may deliver to two at once."""
        return False

    @property
    def forgets_calls(self) -> bool:
        """Whether calls come by service invocation, which brings each once."""
        return self._invoker is not None

    def bind(self, routes: Sequence[Route]) -> None:
        """Know what will be delivered; see ``Bridge.bind``."""
        self._routes = tuple(routes)

    async def start(self) -> None:
        """Wait for the sidecar and tell it what to deliver; see ``Bridge.start``."""
        await self._sidecar.start()
        await wait_outbound(self._sidecar, report=self._log.info)
        self.loaded = loaded = await metadata(self._sidecar)
        names = [component.name for component in loaded.components]
        partitioned, apart = loaded.of_types(PARTITIONED), loaded.of_types(APART)
        self._publisher.keyed = partitioned
        self._components = Components(names, serial=partitioned, apart=apart)
        self._publisher.receipts = Receipts(self._sidecar, apart - {REPLIES})
        self._subscribed = self._wanted()
        self._needs = Needs(self._options.uses, self._subscribed, loaded)
        self._check(loaded)
        await self._streams.start(loaded, [(one.component, one.topic) for one in self._subscribed])
        receivers = {path: self._receiver(wanted) for path, wanted in by_path(self._subscribed).items()}
        declared = [entry for wanted in self._subscribed for entry in wanted.declarations()]
        self._invoked = Invoked(self._routes)
        self.channel.declare(declared, receivers, self._invoked)
        await self._mqtt.start(loaded, {wanted.component for wanted in self._subscribed})

    async def open(self) -> None:
        """Deliver from now on; returns when a command and its reply find their way here; see ``Bridge.open``.

        The sidecar calls a subscription active before the broker knows of it.
        """
        self.channel.open()
        if self._invoker is None:
            commands = {(route.topic, PUBSUB) for route in self._routes if route.kind is Kind.COMMAND}
            probed = commands or {(self._options.reply_topic, self._components.replies)}
            await asyncio.gather(*(self._known.wait(topic, component) for topic, component in probed))

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        """Publish through the sidecar; see ``Bridge.publish``."""
        await self._publisher.publish(messages)

    async def request(self, topic: str, message: Message) -> Message:
        """Send a command and wait for its reply; see ``Bridge.request``."""
        if self._invoker is not None:
            return await self._invoker.request(message)
        if not self._known.answers(topic):
            await self._known.wait_until(topic, message)
        return await self._exchange(Outgoing(topic, message))

    async def _exchange(self, outgoing: Outgoing) -> Message:
        request = replace(outgoing.message, reply_to=self._options.reply_topic)
        reply = self._pending.expect(request)
        try:
            await self._publisher.publish([outgoing._replace(message=request)], sure=False)
            return await reply
        finally:
            reply.cancel()

    async def drain(self, limit: float) -> int:
        """Refuse new work and finish what is in hand; see ``Bridge.drain``.

        While the sidecar is still there, refused messages stay with the broker, and replies are taken. A sidecar that
        was stopped first has none left to deliver.
        """
        self.channel.refuse()
        until = self._clock.now() + limit
        while self._busy and self._clock.now() < until:
            await self._clock.sleep(_POLL_SECONDS)
        return self._busy

    @property
    def _busy(self) -> int:
        return self.channel.busy + sum(deliveries.busy for deliveries in self._deliveries)

    async def close(self) -> None:
        """Cancel what is left; see ``Bridge.close``."""
        self.channel.close()
        for deliveries in self._deliveries:
            await deliveries.close()
        self._deliveries.clear()
        await self._invoked.close()
        await self._known.close()
        await self._mqtt.close()
        await self._publisher.close()
        self._pending.close()
        await self._sidecar.close()

    async def problems(self) -> Sequence[str]:
        """What is not up: the sidecar, a component, a subscription; see ``Bridge.problems``."""
        try:
            loaded = await metadata(self._sidecar)
        except SidecarError as error:
            return (str(error),)
        found = self._needs.absent(loaded)
        if not found and (obstacle := await serving_obstacle(self._sidecar)) is not None:
            found = [f"the sidecar is not ready: {obstacle}"]
        return [*found, *self._mqtt.problems] or await self._streams.problems()

    def _wanted(self) -> list[Subscribed]:
        bulk = self._options.bulk_commands
        routes = [route for route in self._routes if route.needs is None or self._keeps_etags(route.needs)]
        waits = partial(self._sidecar_timeout, self.loaded)
        wanted = subscriptions(routes, self._components, bulk_commands=bulk, hold=self._hold, sidecar_timeout=waits)
        if self._invoker is None:
            wanted.append(replies(self._components.replies, self._options.reply_topic, bulk=bulk))
        return on_lanes(wanted, self._components)

    def _hold(self, route: Route) -> float:
        """Seconds for which a message waits in hand between its attempts, at most."""
        return min(route.longest_wait, self.longest_hold) if self._parks(route) else route.longest_wait

    def _parks(self, route: Route) -> bool:
        return route.shelf is not None and self._keeps_etags(route.shelf)

    def _keeps_etags(self, name: str) -> bool:
        component = self.loaded.component(name)
        return component is not None and "ETAG" in component.capabilities

    def _check(self, loaded: SidecarMetadata) -> None:
        if absent := self._needs.absent_pubsub(loaded):
            raise ConfigurationError("; ".join(absent))
        routes = [(subscribed.component, route) for subscribed in self._subscribed for route in subscribed.routes]
        asked = [(component, dataclasses.replace(route, longest_wait=self._hold(route))) for component, route in routes]
        if lacks := missing(asked, {component.name: component.type for component in loaded.components}):
            raise ConfigurationError("; ".join(lacks))
        self._accept(loaded, asked)

    def _receiver(self, subscribed: Subscribed) -> Receiver:
        if not subscribed.routes:
            return Receiver(subscribed.shape, self._take_replies, to_the_end=True)
        since = datetime.fromtimestamp(self._clock.now(), UTC) if subscribed.broadcast else None
        # One batch at a time: a call that waits for another call to this app would wait for itself.
        held_up = subscribed.bulk or self._components.serial(subscribed.component)
        patience = _PATIENCE_SECONDS if held_up and subscribed.may_go(self._parks) else None
        deliveries = Deliveries(subscribed.routes, self.publish, self._log, self._components.replies, since, patience)
        self._deliveries.append(deliveries)
        # Others that drain too may wait for an answer. And a stopping sidecar waits for what it brought singly, and
        # repeats without end what of it is refused.
        to_the_end = self._options.lingers and subscribed.routes[0].kind is Kind.COMMAND
        return Receiver(subscribed.shape, deliveries.take, to_the_end=to_the_end)

    async def _take_replies(self, bodies: Sequence[bytes]) -> Sequence[str]:
        for body in bodies:
            try:
                reply = decode(body)
            except MalformedEvent as error:
                self._log.error("malformed reply discarded", reason=str(error))
                continue
            if not self._pending.arrived(reply):
                self._log.info("reply discarded: nobody waits for it any more", message_id=reply.causation_id)
        return ["SUCCESS"] * len(bodies)
