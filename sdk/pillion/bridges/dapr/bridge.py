"""The Dapr bridge: messages through the sidecar's pub/sub, commands by pub/sub or by service invocation."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from msgspec.structs import replace

from pillion.bridges.dapr.channel import AppChannel, Receiver
from pillion.bridges.dapr.deliveries import Deliveries, Log
from pillion.bridges.dapr.invocation import Invoked, Invoker
from pillion.bridges.dapr.pending import Pending
from pillion.bridges.dapr.probes import Probes
from pillion.bridges.dapr.publisher import Publisher
from pillion.bridges.dapr.subscriptions import Subscribed, by_path, replies, subscriptions
from pillion.codec.cloudevents import MalformedEvent, decode
from pillion.errors import ConfigurationError, SidecarError
from pillion.message import Message
from pillion.ports.bridge import Kind, Outgoing, Route
from pillion.ports.clock import Clock
from pillion.sidecar.channel import SidecarChannel
from pillion.sidecar.health import SidecarMetadata, metadata, wait_outbound

PUBSUB = "pubsub"
REPLIES = "replies"
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class DaprOptions:
    """How the bridge uses Dapr.

    Attributes:
        app: the app id.
        instance: names this instance among those of the app. It must survive a restart of the app beside the same
            sidecar, which asks for subscriptions only once: so not random, but for example host and port.
        commands: how calls travel.
        bulk_commands: deliver commands and replies in bulk, for throughput instead of low latency.
        apps: app id by service name, where they differ; for ``invocation``.
        app_token: what the sidecar must show.
    """

    app: str
    instance: str
    commands: Literal["pubsub", "invocation"] = "pubsub"
    bulk_commands: bool = False
    apps: Mapping[str, str] = field(default_factory=dict)
    app_token: str | None = field(default=None, repr=False)

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
    """

    def __init__(self, sidecar: SidecarChannel, options: DaprOptions, clock: Clock, log: Log) -> None:
        self._sidecar = sidecar
        self._options = options
        self._clock = clock
        self._log = log
        self._publisher = Publisher(sidecar)
        self._pending = Pending(clock)
        self._invoker = Invoker(sidecar, clock, options.apps) if options.commands == "invocation" else None
        self._routes: Sequence[Route] = ()
        self._subscribed: Sequence[Subscribed] = ()
        self._deliveries: list[Deliveries] = []
        self._invoked = Invoked()
        self._known = Probes(self._exchange, clock, log, options.app)
        self._replies = REPLIES
        self.loaded = SidecarMetadata()
        self.channel = AppChannel(options.app_token)

    def bind(self, routes: Sequence[Route]) -> None:
        """Know what will be delivered; see ``Bridge.bind``."""
        self._routes = tuple(routes)

    async def start(self) -> None:
        """Wait for the sidecar and tell it what to deliver; see ``Bridge.start``."""
        await self._sidecar.start()
        await wait_outbound(self._sidecar, report=self._log.info)
        self.loaded = loaded = await metadata(self._sidecar)
        self._replies = REPLIES if loaded.component(REPLIES) is not None else PUBSUB
        self._subscribed = self._wanted()
        self._check(loaded)
        receivers = {path: self._receiver(wanted) for path, wanted in by_path(self._subscribed).items()}
        declared = [wanted.declaration() for wanted in self._subscribed]
        self._invoked = Invoked(self._routes)
        self.channel.declare(declared, receivers, self._invoked)

    async def open(self) -> None:
        """Deliver from now on; returns when a command and its reply find their way here; see ``Bridge.open``.

        The sidecar calls a subscription active before the broker knows of it.
        """
        self.channel.open()
        if self._invoker is None:
            commands = {(route.topic, PUBSUB) for route in self._routes if route.kind is Kind.COMMAND}
            probed = commands or {(self._options.reply_topic, self._replies)}
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
            await self._publisher.publish([outgoing._replace(message=request)])
            return await reply
        finally:
            reply.cancel()

    async def drain(self, limit: float) -> int:
        """Refuse new deliveries and finish those in hand; see ``Bridge.drain``.

        While the sidecar is still there, refused messages stay with the broker. A sidecar that was stopped first has
        none left to deliver.
        """
        self.channel.refuse()
        until = self._clock.now() + limit
        while self.channel.busy and self._clock.now() < until:
            await self._clock.sleep(_POLL_SECONDS)
        return self.channel.busy

    async def close(self) -> None:
        """Cancel what is left; see ``Bridge.close``."""
        for deliveries in self._deliveries:
            await deliveries.close()
        self._deliveries.clear()
        await self._invoked.close()
        await self._known.close()
        await self._publisher.close()
        self._pending.close()
        await self._sidecar.close()

    async def problems(self) -> Sequence[str]:
        """What is not up: the sidecar, a component, a subscription; see ``Bridge.problems``."""
        try:
            loaded = await metadata(self._sidecar)
        except SidecarError as error:
            return (str(error),)
        active = {(found.pubsub, found.topic) for found in loaded.subscriptions}
        missing = [wanted for wanted in self._subscribed if (wanted.component, wanted.topic) not in active]
        return [f"the sidecar has no subscription to {wanted.topic} on {wanted.component}" for wanted in missing]

    def _wanted(self) -> list[Subscribed]:
        bulk = self._options.bulk_commands
        wanted = subscriptions(self._routes, bulk_commands=bulk)
        if self._invoker is None:
            wanted.append(replies(self._replies, self._options.reply_topic, bulk=bulk))
        return wanted

    def _check(self, loaded: SidecarMetadata) -> None:
        wanted = {subscribed.component for subscribed in self._subscribed} | {PUBSUB}
        if missing := sorted(name for name in wanted if loaded.component(name) is None):
            raise ConfigurationError(
                f"the sidecar has not loaded the pub/sub component {', '.join(missing)}; "
                "see that its YAML is in the profile's folder and its scopes name this app"
            )

    def _receiver(self, subscribed: Subscribed) -> Receiver:
        if not subscribed.routes:
            return Receiver(subscribed.shape, self._take_replies)
        since = datetime.fromtimestamp(self._clock.now(), UTC) if subscribed.broadcast else None
        deliveries = Deliveries(subscribed.routes, self.publish, self._log, self._replies, since)
        self._deliveries.append(deliveries)
        return Receiver(subscribed.shape, deliveries.take)

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
