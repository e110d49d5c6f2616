"""One subscription's deliveries: each message goes to the handlers that want it, and gets a status of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Protocol
from uuid import uuid4

from msgspec import Raw

from pillion.bridges.dapr.wire import RETRY, SUCCESS
from pillion.codec.cloudevents import MalformedEvent, decode
from pillion.codec.raw import raw_event
from pillion.errors import BridgeError, Failure, PillionError, UnknownCommand
from pillion.message import Message
from pillion.outcome import Outcome, Reply, Retry
from pillion.ports.bridge import Forget, Kind, Outgoing, Route
from pillion.resilience.deadletter import dead_letter, malformed, sealed
from pillion.resilience.workers import crew_of

Publish = Callable[[Sequence[Outgoing]], Awaitable[None]]


class Log(Protocol):
    """The part of a structured logger that is used here."""

    def info(self, event: str, **fields: Any) -> Any: ...

    def error(self, event: str, **fields: Any) -> Any: ...


class Batch:
    """The messages of one delivery and what became of each."""

    __slots__ = ("_done", "in_hand", "kept", "left", "statuses")

    def __init__(self, size: int) -> None:
        self.statuses = [SUCCESS] * size
        self.left = 0
        self.in_hand: dict[int, Message] = {}
        self.kept: dict[int, Forget] = {}
        self._done: asyncio.Future[None] | None = None

    def settle(self, index: int, outcome: Outcome) -> None:
        """One handler is done with one message; a retry by any of them makes the whole message one.

        Dead letters are published by us before, so only a retry is not success.
        """
        if isinstance(outcome, Retry):
            self.statuses[index] = RETRY
        self.left -= 1
        if not self.left and self._done is not None and not self._done.done():
            self._done.set_result(None)

    async def settled(self) -> Sequence[str]:
        """The status of each message, once all are handled."""
        if self.left:
            self._done = asyncio.get_running_loop().create_future()
            await self._done
        return self.statuses


# One message for one handler, and its place in the batch: a plain tuple, as one is made for every message.
Job = tuple[Message, Batch, int]


def _job_key(route: Route) -> Callable[[Job], str | None] | None:
    key = route.key
    return None if key is None else lambda job: key(job[0])


class Deliveries:
    """Takes the deliveries of one topic.

    Args:
        routes: all handlers of the topic in this process.
        publish: sends replies and dead letters.
        log: for what nobody else hears of.
        replies: component that carries replies.
        since: for a broadcast: older events were for instances that are gone; None takes all.
        patience: seconds after which a delivery is answered though its messages are still being handled, so that they
            hold up no others; a crash then loses those of routes without custody. None waits for all.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        publish: Publish,
        log: Log,
        replies: str,
        since: datetime | None = None,
        patience: float | None = None,
    ) -> None:
        self._routes = routes
        self._publish = publish
        self._log = log
        self._replies = replies
        self._since = since
        self._patience = patience
        self._let_go: set[asyncio.Task[Sequence[str]]] = set()
        self._raw = any(route.raw for route in routes)
        self._topic = routes[0].topic
        crews = [(route, crew_of(self._handling(route), route.concurrency, _job_key(route))) for route in routes]
        self._crews = [crew for _, crew in crews]
        self._untyped = [crew for route, crew in crews if not route.types]
        self._custody = {type_: route.custody for route in routes if route.custody for type_ in route.types}
        typed = {type_ for route in routes for type_ in route.types}
        self._by_type = {
            type_: [crew for route, crew in crews if not route.types or type_ in route.types] for type_ in typed
        }  # fmt: skip

    async def take(self, bodies: Sequence[bytes]) -> Sequence[str]:
        """Handle these messages, all at once; the status of each, in their order."""
        batch = Batch(len(bodies))
        by_type, untyped, since = self._by_type, self._untyped, self._since
        for index, body in enumerate(bodies):
            try:
                message = raw_event(body, self._topic, uuid4().hex) if self._raw else decode(body)
            except MalformedEvent as error:
                await self._set_aside(body, str(error), batch, index)
                continue
            if since is not None and message.time is not None and message.time < since:
                continue
            crews = by_type.get(message.type, untyped)
            if not crews:
                await self._refuse(message, batch, index)
            if self._patience is not None:
                batch.in_hand[index] = message
            for crew in crews:
                batch.left += 1
                crew.put((message, batch, index))
        return await (batch.settled() if self._patience is None else self._wait(batch, self._patience))

    @property
    def busy(self) -> int:
        """How many deliveries are being handled although they are answered."""
        return len(self._let_go)

    async def _wait(self, batch: Batch, patience: float) -> Sequence[str]:
        settled = asyncio.create_task(batch.settled())
        done, _ = await asyncio.wait({settled}, timeout=patience)
        if not done:
            self._let_go.add(settled)
            settled.add_done_callback(self._let_go.discard)
            if not await self._kept(batch):
                await settled
        return batch.statuses

    async def _kept(self, batch: Batch) -> bool:
        """Keep what must not be lost and is still in hand; whether the broker may forget it."""
        for index, message in list(batch.in_hand.items()):
            keep = self._custody.get(message.type)
            if keep is None or index not in batch.in_hand:
                continue
            try:
                forget = await keep(message)
            except PillionError as error:
                self._log.error("a call that takes long could not be kept", message_id=message.id, reason=str(error))
                return False
            batch.kept[index] = forget
            if index not in batch.in_hand:
                await self._forget(batch, index)
        return True

    async def _forget(self, batch: Batch, index: int) -> None:
        forget = batch.kept.pop(index, None)
        if forget is not None:
            with suppress(PillionError):  # then it is found finished when its time comes
                await forget()

    async def close(self) -> None:
        """Cancel what is being handled."""
        for settled in self._let_go:
            settled.cancel()
        for crew in self._crews:
            await crew.close()

    def _handling(self, route: Route) -> Callable[[Job], Awaitable[None]]:
        handle = route.handle

        async def do(job: Job) -> None:
            message, batch, index = job
            outcome = await handle(message)
            if type(outcome) is Reply:
                await self._answer(message, outcome.message)
            batch.settle(index, outcome)
            if batch.in_hand.pop(index, None) is not None and not isinstance(outcome, Retry):
                await self._forget(batch, index)

        return do

    async def _answer(self, request: Message, reply: Message) -> None:
        if request.reply_to is None:
            return
        try:
            await self._publish([Outgoing(request.reply_to, reply, self._replies)])
        except BridgeError as error:
            # The caller's wait ends with its deadline; handling the command again would do its work twice.
            self._log.error("reply could not be sent", message_id=request.id, reason=str(error))

    async def _set_aside(self, body: bytes, reason: str, batch: Batch, index: int) -> None:
        """Poison can never be handled, so it goes to the dead letters of everybody who waits for it."""
        letters = {route.dead_letter_topic: route.address for route in self._routes if route.dead_letter_topic}
        self._log.error("malformed event set aside", topic=self._topic, reason=reason)
        found = [Outgoing(topic, malformed(body, self._topic, reason, who)) for topic, who in letters.items()]
        await self._publish_letters(found, batch, index)

    async def _publish_letters(self, letters: Sequence[Outgoing], batch: Batch, index: int) -> None:
        try:
            if letters:
                await self._publish(letters)
        except BridgeError:
            batch.statuses[index] = RETRY

    async def _refuse(self, message: Message, batch: Batch, index: int) -> None:
        """Nobody here handles this type: an event is ignored, a caller told, a sent command set aside."""
        kind = self._routes[0].kind
        if kind is Kind.EVENT:
            return
        if message.reply_to is not None:
            await self._answer(message, unknown_command(message))
            return
        # Another version of the service may know it: replayed, it waits for one that does.
        letter = sealed(dead_letter(message, message.type, f"no command {message.type}", _unknown(message)))
        self._log.error("command set aside: nobody here handles it", command=message.type, message_id=message.id)
        topics = {route.dead_letter_topic for route in self._routes if route.dead_letter_topic}
        await self._publish_letters([Outgoing(topic, letter) for topic in topics], batch, index)


def unknown_command(request: Message) -> Message:
    """The answer to a command that the service does not have."""
    return refused(request, UnknownCommand(command=request.type))


def refused(request: Message, failure: Failure) -> Message:
    """The answer to a command that was not handled."""
    return Message(
        id=uuid4().hex,
        source=f"/{request.type}",
        type=f"{request.type}.reply",
        specversion="1.0",
        correlation_id=request.correlation_id or request.id,
        causation_id=request.id,
        failure_code=failure.code,
        failure_status=failure.status,
        failure_title=failure.title,
        data=Raw(json.dumps(failure.data).encode()),
    )


def _unknown(message: Message) -> UnknownCommand:
    return UnknownCommand(command=message.type)
