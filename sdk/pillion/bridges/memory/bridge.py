"""The memory bridge: real CloudEvents, encoded and decoded, but no network."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from uuid import uuid4

from pillion.bridges.memory.broker import MemoryBroker, Topic
from pillion.bridges.memory.lane import Delivery, Lane
from pillion.codec.cloudevents import MalformedEvent, decode, encode
from pillion.codec.raw import raw_event
from pillion.errors import UnknownCommand
from pillion.message import Message
from pillion.ports.bridge import Outgoing, Route
from pillion.ports.clock import Clock, SystemClock
from pillion.resilience.deadletter import malformed
from pillion.resilience.deadlines import Deadlines

COMPONENT = "pubsub"


class MemoryBridge:
    """Moves messages between the hosts that share a broker.

    Args:
        broker: shared with other hosts of this process; default one of its own.
        clock: tells the time.
        watch: called with the topic and each message that is published or requested, for traces and tests; None
            records nothing.
    """

    def __init__(
        self,
        broker: MemoryBroker | None = None,
        *,
        clock: Clock | None = None,
        watch: Callable[[str, Message], None] | None = None,
    ) -> None:
        self.broker = broker or MemoryBroker()
        self._clock = clock or SystemClock()
        self._watch = watch
        self._instance = uuid4().hex
        self._routes: Sequence[Route] = ()
        self._deadlines: Deadlines | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open = False

    @property
    def longest_hold(self) -> float:
        """For ever: a message that waits holds up nobody."""
        return math.inf

    @property
    def alone(self) -> bool:
        """Whether its host is the only one on the broker."""
        return self.broker.hosts <= 1

    @property
    def forgets_calls(self) -> bool:
        """No: nothing of it outlives the process."""
        return False

    def bind(self, routes: Sequence[Route]) -> None:
        """Know what will be delivered; see ``Bridge.bind``."""
        self._routes = tuple(routes)

    async def start(self) -> None:
        """Nothing to connect to; see ``Bridge.start``."""
        self._loop = asyncio.get_running_loop()
        self._deadlines = Deadlines()

    async def open(self) -> None:
        """Begin to deliver; see ``Bridge.open``."""
        for route in self._routes:
            self.broker.listen(route, self._instance)
        self._open = True

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        """Queue messages with all who listen; see ``Bridge.publish``."""
        for topic_name, message, component, _ in messages:
            if self._watch is not None:
                self._watch(topic_name, message)
            topic = self.broker.topics[component, topic_name]
            delivery = Delivery(encode(message))
            type_ = message.type
            taken = self.broker.offer(topic, type_, delivery) or await self.broker.put(topic, type_, delivery)
            if not taken and topic_name.endswith(".sends"):
                await self.broker.keep(topic, message.type, delivery)

    async def publish_bytes(self, topic_name: str, body: bytes, *, component: str = COMPONENT) -> None:
        """Publish as a foreign application would: whatever bytes it likes.

        What is no CloudEvent goes to the dead letters of those who listen, unless they take bare payloads.
        """
        topic = self.broker.topics[component, topic_name]
        for lane in topic.lanes:
            await self._foreign(lane, topic_name, body)

    async def request(self, topic: str, message: Message) -> Message:
        """Queue a command and wait for its reply; see ``Bridge.request``."""
        if self._loop is None or self._deadlines is None:
            raise RuntimeError("the bridge is not started")
        if self._watch is not None:
            self._watch(topic, message)
        delivery = Delivery(encode(message))
        found, type_ = self.broker.topics[COMPONENT, topic], message.type
        begun = self.broker.serve(found, type_, delivery)
        if delivery.answer is not None:
            return self._answered(delivery.answer)
        reply = delivery.reply = self._loop.create_future()
        if not (begun or self.broker.offer(found, type_, delivery) or await self.broker.put(found, type_, delivery)):
            await self._nobody(found, message, delivery)
        if message.deadline is not None:
            self._deadlines.after(message.deadline.timestamp() - self._clock.now(), delivery)
        try:
            return self._answered(await reply)
        except asyncio.CancelledError:
            delivery.abandon()
            raise
        finally:
            if found.waiting:
                found.forget(delivery)
            self._deadlines.cancel(delivery)

    async def drain(self, limit: float) -> int:
        """Handle all that is queued, within the limit; see ``Bridge.drain``."""
        try:
            await asyncio.wait_for(self.broker.quiet(), limit)
        except TimeoutError:
            return self.broker.unsettled
        return 0

    async def close(self) -> None:
        """Stop listening; see ``Bridge.close``."""
        if self._open:
            self._open = False
            await self.broker.forget(self._routes, self._instance)
        if self._deadlines is not None:
            self._deadlines.close()

    async def problems(self) -> Sequence[str]:
        """Nothing, once it is started."""
        return () if self._open else ("the memory bridge is not started",)

    def _answered(self, body: bytes) -> Message:
        answer = decode(body)
        if self._watch is not None:
            self._watch("reply", answer)
        return answer

    async def _nobody(self, topic: Topic, message: Message, delivery: Delivery) -> None:
        if topic.lanes:
            delivery.reply.set_exception(UnknownCommand(command=message.type))  # type: ignore[union-attr]
        else:
            await self.broker.keep(topic, message.type, delivery)

    async def _foreign(self, lane: Lane, topic_name: str, body: bytes) -> None:
        route = lane.route
        try:
            message = raw_event(body, topic_name, uuid4().hex) if route.raw else decode(body)
        except MalformedEvent as error:
            if route.dead_letter_topic is not None:
                letter = malformed(body, topic_name, str(error), route.address)
                await self.publish([Outgoing(route.dead_letter_topic, letter)])
            return
        if route.raw or not lane.types or message.type in lane.types:
            await self.broker.put_one(lane, Delivery(encode(message)))
