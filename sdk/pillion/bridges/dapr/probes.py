"""Whether anybody hears a command topic: asked once, before the first command goes there.

RabbitMQ throws away what is published before the first subscriber of a topic was ever there, and a sidecar calls its
own subscriptions active before the broker knows of them. So the first message to a topic is a command that no service
has; the answer, that it is unknown, tells that messages get through. A caller may so start before its callee, on any
broker.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from pillion.bridges.dapr.deliveries import Log
from pillion.errors import BridgeError, DeadlineExceeded
from pillion.message import Message
from pillion.ports.bridge import Outgoing
from pillion.ports.clock import Clock

PROBE = "pillion.probe"
_FIRST_SECONDS = 0.5
_LONGEST_SECONDS = 5.0


class Probes:
    """Knows the topics that answer, and finds out about others.

    Args:
        exchange: sends a command and returns its reply.
        clock: tells the time.
        log: hears what is waited for.
        app: the app id, for the source of what is sent.
    """

    def __init__(self, exchange: Callable[[Outgoing], Awaitable[Message]], clock: Clock, log: Log, app: str) -> None:
        self._exchange = exchange
        self._clock = clock
        self._log = log
        self._app = app
        self._answering: set[str] = set()
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._waiting: Counter[str] = Counter()

    def answers(self, topic: str) -> bool:
        """Whether a message to this topic was ever answered."""
        return topic in self._answering

    async def wait(self, topic: str, component: str) -> None:
        """Wait until the topic answers."""
        if topic in self._answering:
            return
        asking = self._asking.get(topic)
        if asking is None:
            asking = self._asking[topic] = asyncio.get_running_loop().create_task(self._ask(topic, component))
        self._waiting[topic] += 1
        try:
            # Others want to know as well, so giving up here does not end the asking.
            await asyncio.shield(asking)
        finally:
            self._waiting[topic] -= 1

    async def wait_until(self, topic: str, command: Message, component: str = "pubsub") -> None:
        """Wait until the topic answers, or the command's deadline has passed.

        Raises:
            DeadlineExceeded: it has; the command was not sent.
        """
        if command.deadline is None:
            return await self.wait(topic, component)
        try:
            await asyncio.wait_for(self.wait(topic, component), command.deadline.timestamp() - self._clock.now())
        except TimeoutError:
            raise DeadlineExceeded(where=command.type) from None

    async def close(self) -> None:
        """Stop asking."""
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    async def _ask(self, topic: str, component: str) -> None:
        wait = _FIRST_SECONDS
        while topic not in self._answering and (wait == _FIRST_SECONDS or self._waiting[topic]):
            try:
                await self._exchange(Outgoing(topic, self._question(wait), component))
                self._answering.add(topic)
            except DeadlineExceeded:
                self._log.info("waiting for an answer", topic=topic)
                wait = min(2 * wait, _LONGEST_SECONDS)
            except BridgeError as error:
                self._log.info("waiting for the broker", topic=topic, reason=str(error))
                await self._clock.sleep(wait)
        del self._asking[topic]

    def _question(self, wait: float) -> Message:
        """A command that no service has; on a reply topic it is its own answer."""
        id_, now = uuid4().hex, datetime.fromtimestamp(self._clock.now(), UTC)
        deadline = now + timedelta(seconds=wait)
        return Message(id_, f"/{self._app}", PROBE, "1.0", now, causation_id=id_, deadline=deadline)
