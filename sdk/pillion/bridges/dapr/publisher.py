"""Publishes through the sidecar: what is queued while a publish is in flight leaves together as the next one.

An idle publisher sends at once, so batching adds no latency; a busy one sends up to 100 messages in one request, which
costs a tenth of the CPU.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from typing import NamedTuple
from urllib.parse import quote

from pillion.batches import Batches
from pillion.bridges.dapr.receipts import Receipts
from pillion.bridges.dapr.wire import RAW_PUBLISH, bulk_failures, bulk_publish, publish_query
from pillion.codec.cloudevents import CONTENT_TYPE, encode
from pillion.errors import BridgeError, PillionError
from pillion.ports.bridge import Outgoing
from pillion.sidecar.channel import SidecarChannel
from pillion.sidecar.errors import Answer, error_of

LARGEST_BATCH = 100
# A sidecar takes requests of 4 MiB. As JSON text in a bulk request, an event is a little longer: each quote is escaped.
_LARGEST_REQUEST = 2 * 1024 * 1024
# Each instance that ever called has a topic for its replies; when so many are known, those that are idle are forgotten.
_MOST_TOPICS = 1000
# Types of components that keep order by partition; which one, `partitionKey` says.
PARTITIONED = frozenset({"pubsub.kafka"})
Prepare = Callable[[str, str], Awaitable[None]]
_ATTEMPTS = 3  # the second of which waits until the sidecar is connected again
_UNSURE = "the connection to the broker broke before it had confirmed the message; it may have it or not"
_EVENT = {"content-type": CONTENT_TYPE}
_BULK = {"content-type": "application/json"}


class _Waiting(NamedTuple):
    body: bytes
    key: str | None
    sure: bool


class Publisher:
    """Sends messages to topics. One for the process.

    Args:
        channel: to the sidecar.
        prepare: called with component and topic before something is sent; raises SidecarError when that cannot be.

    Attributes:
        keyed: components that put messages of one subject into one partition when they are told it. Others are not
            told: they would store it, and hand it on as an HTTP header, in which not every text may stand.
        receipts: makes sure of what the sidecar accepts.
    """

    def __init__(self, channel: SidecarChannel, prepare: Prepare | None = None) -> None:
        self._channel = channel
        self._prepare = prepare or _nothing_to_prepare
        self.keyed: Collection[str] = ()
        self.receipts = Receipts(channel)
        self._topics: dict[tuple[str, str], _Topic] = {}

    async def publish(self, messages: Sequence[Outgoing], *, sure: bool = True) -> None:
        """Send messages; returns when the broker has all.

        Args:
            messages: sent at once, in any order.
            sure: False believes the sidecar, which is faster; for calls, that end as a time-out when they are lost.

        Raises:
            BridgeError: at least one was not accepted.
        """
        if len(messages) == 1:
            await self._put(messages[0], sure)
            return
        accepted = [self._put(outgoing, sure) for outgoing in messages]
        for refused in await asyncio.gather(*accepted, return_exceptions=True):
            if isinstance(refused, BaseException):
                raise refused

    def _put(self, outgoing: Outgoing, sure: bool) -> asyncio.Future[None]:
        key = (outgoing.component, outgoing.topic)
        topic = self._topics.get(key)
        if topic is None:
            if len(self._topics) >= _MOST_TOPICS:
                self._topics = {place: known for place, known in self._topics.items() if not known.idle}
            topic = self._topics[key] = _Topic(self._channel, self._prepare, self.receipts, *key)
        subject = outgoing.message.subject if outgoing.component in self.keyed else None
        return topic.put(encode(outgoing.message), subject, sure)

    async def close(self) -> None:
        """Wait for what is in flight."""
        for topic in self._topics.values():
            await topic.close()


async def _nothing_to_prepare(*_: str) -> None:
    """Most brokers make a topic on first use."""


class _Topic:
    """The queue of one topic, and the task that empties it while there is something to send."""

    def __init__(
        self, channel: SidecarChannel, prepare: Prepare, receipts: Receipts, component: str, topic: str
    ) -> None:
        self._channel = channel
        self._prepare = prepare
        self._receipts = receipts
        self._place = component, topic
        self._name = f"{component}/{topic}"
        path = f"{quote(component, safe='')}/{quote(topic, safe='')}"
        self._single = f"/v1.0/publish/{path}"
        self._bulk = f"/v1.0/publish/bulk/{path}"
        self._waiting: Batches[_Waiting, None] = Batches(self._send, LARGEST_BATCH)

    def put(self, body: bytes, key: str | None, sure: bool) -> asyncio.Future[None]:
        return self._waiting.put(_Waiting(body, key, sure))

    @property
    def idle(self) -> bool:
        return self._waiting.idle

    async def close(self) -> None:
        await self._waiting.close()

    async def _send(self, batch: Sequence[_Waiting]) -> list[Exception | None]:
        return [result for part in _parts(batch) for result in await self._send_together(part)]

    async def _send_together(self, batch: Sequence[_Waiting]) -> list[Exception | None]:
        try:
            await self._prepare(*self._place)
            failed = await self._deliver(batch)
        except PillionError as error:
            failed = dict.fromkeys(range(len(batch)), str(error))
        return [
            BridgeError(f"publishing to {self._name}: {failed[number]}") if number in failed else None
            for number in range(len(batch))
        ]

    async def _deliver(self, batch: Sequence[_Waiting]) -> dict[int, str]:
        """Send, and send again what the broker may not have; which were not accepted, and why."""
        loop, (component, _) = asyncio.get_running_loop(), self._place
        events = [(waiting.body, waiting.key) for waiting in batch]
        sure = any(waiting.sure for waiting in batch)
        for _ in range(_ATTEMPTS):
            async with self._receipts.turn(component):
                begun = loop.time()
                failed = await self._exchange(events)
            if not sure or len(failed) == len(batch) or await self._receipts.came(component, begun):
                return failed
        return dict.fromkeys(range(len(batch)), _UNSURE)

    async def _exchange(self, events: Sequence[tuple[bytes, str | None]]) -> dict[int, str]:
        """Which of these were not accepted, and why."""
        if len(events) == 1:
            ((body, key),) = events
            path, headers, query = self._single, _EVENT, publish_query(key)
        else:
            path, body, headers, query = self._bulk, bulk_publish(events), _BULK, RAW_PUBLISH
        answer = await self._channel.request("POST", path, body=body, headers=headers, params=query)
        return {} if answer.ok else self._refused(answer, len(events))

    def _refused(self, answer: Answer, count: int) -> dict[int, str]:
        failed, _ = bulk_failures(answer.body) if count > 1 else ({}, "")
        return failed or dict.fromkeys(range(count), str(error_of(answer, "publishing")))


def _parts(batch: Sequence[_Waiting]) -> Iterator[Sequence[_Waiting]]:
    """The batch in parts that a sidecar takes; what is too large for it goes alone, so that no other fails with it."""
    start, size = 0, 0
    for number, waiting in enumerate(batch):
        size += len(waiting.body)
        if size > _LARGEST_REQUEST and number > start:
            yield batch[start:number]
            start, size = number, len(waiting.body)
    yield batch[start:]
