"""Delivery: takes what a group has to handle to the application, until it has answered for it."""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pillion.testing.sidecar import answers, envelope
from pillion.testing.sidecar.answers import Verdict
from pillion.testing.sidecar.broker import Stored
from pillion.testing.sidecar.routing import Bulk, Subscription, UnroutableError

Post = Callable[[str, Mapping[str, str], bytes], Awaitable[tuple[int, bytes]]]
DeadLetter = Callable[[str, Stored], None]

_NO_TRACE = f"00-{'0' * 32}-{'0' * 16}-00"


@dataclass(frozen=True)
class InboundRetry:
    """The Resiliency policy for deliveries.

    Attributes:
        seconds: between two attempts, always the same.
        limit: retries after the first attempt; -1 for no end. 0 is what daprd does without a policy.
    """

    seconds: float = 0.05
    limit: int = -1

    def allows(self, retries: int) -> bool:
        """Whether there may be one more after so many retries."""
        return self.limit < 0 or retries < self.limit


class Delivery:
    """One subscription at work: ``start()``, then ``stop()`` or ``abandon()``.

    Args:
        subscription: what to deliver where.
        queue: what the group has to handle.
        post: posts path, headers and body to the application; a connection that fails is status 500.
        dead_letter: publishes a message to a dead-letter topic.
        retry: how often RETRY is tried again; after that a message is dead-lettered or, without a topic, gone.
        concurrency: single deliveries at a time.
    """

    def __init__(
        self,
        subscription: Subscription,
        queue: asyncio.Queue[Stored],
        *,
        post: Post,
        dead_letter: DeadLetter,
        retry: InboundRetry,
        concurrency: int,
    ) -> None:
        self._subscription = subscription
        self._queue = queue
        self._post = post
        self._dead_letter = dead_letter
        self._retry = retry
        self._slots = asyncio.Semaphore(concurrency)
        self._taking: asyncio.Task[None] | None = None
        self._handling: set[asyncio.Task[None]] = set()
        self._unanswered: dict[int, Stored] = {}
        self._stopping = asyncio.Event()

    def start(self) -> None:
        """Begin to take messages."""
        bulk = self._subscription.bulk
        self._taking = asyncio.create_task(self._take_batches(bulk) if bulk else self._take_singly())

    async def stop(self, grace: float) -> None:
        """Take no more; what is in hand has ``grace`` seconds to be answered, but not to be tried again.

        Others get what is left.
        """
        self._stopping.set()
        if self._taking:
            self._taking.cancel()
        if self._handling:
            await asyncio.wait(self._handling, timeout=grace)
        await self.abandon()

    async def abandon(self) -> None:
        """Stop at once; what is in hand goes back to the group."""
        tasks = [*([self._taking] if self._taking else []), *self._handling]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for message in self._unanswered.values():
            self._queue.put_nowait(message)
            self._queue.task_done()
        self._unanswered.clear()

    async def _take_singly(self) -> None:
        while True:
            await self._slots.acquire()
            message = await self._get()
            task = self._handle([message])
            task.add_done_callback(lambda _: self._slots.release())

    async def _take_batches(self, bulk: Bulk) -> None:
        while True:
            batch = [await self._get()]
            with suppress(TimeoutError):
                async with asyncio.timeout(bulk.seconds):
                    while len(batch) < bulk.count:
                        batch.append(await self._get())
            await asyncio.wait([self._handle(batch)])  # one batch of a subscription at a time, as in daprd
            await asyncio.sleep(0)  # whoever was woken for a message meanwhile comes first

    async def _get(self) -> Stored:
        message = await self._queue.get()
        self._unanswered[id(message)] = message
        return message

    def _handle(self, batch: list[Stored]) -> asyncio.Task[None]:
        task = asyncio.create_task(self._deliver_bulk(batch) if self._subscription.bulk else self._deliver(batch[0]))
        self._handling.add(task)
        task.add_done_callback(self._handling.discard)
        return task

    async def _deliver(self, message: Stored) -> None:
        event = self._event_of(message)
        path = self._path_of(event)
        if path is None or (isinstance(event, dict) and envelope.is_expired(event)):
            self._finish(message, Verdict.DROP)
            return
        headers = {"content-type": envelope.CLOUD_EVENT, **_trace_of(event), **self._headers(message)}
        body = json.dumps(event, ensure_ascii=False).encode() if self._is_raw else message.data
        retries = 0
        while (verdict := answers.of_single(*await self._post(path, headers, body))) is Verdict.RETRY:
            if not self._retry.allows(retries):
                break
            retries += 1
            if not await self._pause():
                return
        self._finish(message, verdict)

    async def _deliver_bulk(self, batch: list[Stored]) -> None:
        paths: dict[str, dict[str, Stored]] = defaultdict(dict)
        for message in batch:
            path = self._bulk_path_of(message)
            if path is not None:
                paths[path][str(uuid.uuid4())] = message
        for path, entries in paths.items():
            await self._deliver_entries(path, entries)

    async def _deliver_entries(self, path: str, entries: dict[str, Stored]) -> None:
        retries = 0
        while entries:
            status, answer = await self._post(path, self._bulk_headers(), self._bulk_body(entries))
            verdicts = answers.of_bulk(status, answer, entries)
            may_retry = status != 404 and self._retry.allows(retries)
            for entry_id, verdict in verdicts.items():
                if verdict is not Verdict.RETRY or not may_retry:
                    message = entries.pop(entry_id)
                    self._finish(message, verdict, dead_letter=status != 404)
            retries += 1
            if entries and not await self._pause():
                return

    async def _pause(self) -> bool:
        """Wait between two attempts; whether there may be another."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), self._retry.seconds)
        return not self._stopping.is_set()

    def _finish(self, message: Stored, verdict: Verdict, *, dead_letter: bool = True) -> None:
        """Acknowledge: whatever is no success goes to the dead letters; without such a topic it is gone."""
        if id(message) not in self._unanswered:
            return
        if verdict is not Verdict.SUCCESS and dead_letter and self._subscription.dead_letter_topic:
            self._dead_letter(self._subscription.dead_letter_topic, message)
        del self._unanswered[id(message)]
        self._queue.task_done()

    def _event_of(self, message: Stored) -> Any:
        if self._is_raw:
            return envelope.from_raw(message.data, pubsub=self._subscription.pubsub, topic=self._subscription.topic)
        return _read(message.data)

    def _path_of(self, event: Any) -> str | None:
        try:
            return self._subscription.route(event) if isinstance(event, dict) else None
        except UnroutableError:
            return None

    def _bulk_path_of(self, message: Stored) -> str | None:
        """The path for this entry; None when it is dealt with already.

        An event that no rule wants is posted to "/", and dead-lettered too: a fault of daprd 1.18.2.
        """
        event = base64.b64encode(message.data).decode() if self._is_raw else _read(message.data)
        expired = isinstance(event, dict) and envelope.is_expired(event)
        if event is None or expired:
            self._finish(message, Verdict.DROP)
            return None
        try:
            path = self._subscription.route(event)
        except UnroutableError:
            self._finish(message, Verdict.DROP)
            return None
        if path is None and self._subscription.dead_letter_topic:
            self._dead_letter(self._subscription.dead_letter_topic, message)
        return path or "/"

    def _bulk_body(self, entries: Mapping[str, Stored]) -> bytes:
        content_type = envelope.BINARY if self._is_raw else envelope.CLOUD_EVENT
        items = [
            {
                "entryId": entry_id,
                "event": base64.b64encode(message.data).decode() if self._is_raw else _read(message.data),
                "metadata": message.metadata,
                "contentType": content_type,
            }
            for entry_id, message in entries.items()
        ]
        whole = {
            "entries": items,
            "id": str(uuid.uuid4()),
            "metadata": {"pubsubName": self._subscription.pubsub},
            "pubsubname": self._subscription.pubsub,
            "topic": self._subscription.topic,
            "type": "com.dapr.event.sent.bulk",
        }
        return json.dumps(whole, ensure_ascii=False).encode()

    def _headers(self, message: Stored) -> dict[str, str]:
        return {**(message.metadata or {}), "pubsubname": self._subscription.pubsub}

    def _bulk_headers(self) -> dict[str, str]:
        return {"content-type": "application/json", "pubsubname": self._subscription.pubsub}

    @property
    def _is_raw(self) -> bool:
        return envelope.is_raw(self._subscription.metadata)


def _trace_of(event: Any) -> dict[str, str]:
    """The header: what the event says; all zero, as daprd sends it, where the event says nothing valid."""
    trace = event.get("traceparent", event.get("traceid"))
    return {} if trace is None else {"traceparent": trace if isinstance(trace, str) and trace else _NO_TRACE}


def _read(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None
