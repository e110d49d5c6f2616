"""One subscription's deliveries: each message goes to the handlers that want it, and gets a status of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Protocol
from uuid import uuid4

from msgspec import Raw
from msgspec.structs import replace

from pillion.bridges.dapr.batch import Batch
from pillion.bridges.dapr.wire import RETRY
from pillion.codec.cloudevents import MalformedEvent, decode
from pillion.codec.raw import raw_event
from pillion.errors import BridgeError, Failure, InternalError, PillionError, UnknownCommand
from pillion.message import Message
from pillion.outcome import Ack, Outcome, Reply
from pillion.ports.bridge import Kind, Outgoing, Release, Route
from pillion.resilience.deadletter import dead_letter, letter_id, malformed, sealed
from pillion.resilience.workers import Handling, Workers, crew_of

Keep = Callable[[Message], Awaitable[Release]]
Publish = Callable[[Sequence[Outgoing]], Awaitable[None]]
# While more than this waits for one handler, in messages and in times its concurrency, nothing is answered early: what
# else there is waits at the broker, or goes to another instance. Far more than a handler's own calls to its service.
_LEAST_CROWD, _CROWD = 500, 3


class Log(Protocol):
    """The part of a structured logger that is used here."""

    def info(self, event: str, **fields: Any) -> Any: ...

    def error(self, event: str, **fields: Any) -> Any: ...


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
        self._open: set[Batch] = set()
        self._let_go: set[Batch] = set()
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
        for crew, jobs in (await self._jobs(bodies, batch)).items():
            crew.put_all(jobs)
        self._open.add(batch)
        try:
            return await (batch.settled() if self._patience is None else self._wait(batch, self._patience))
        finally:
            self._open.discard(batch)

    async def _jobs(self, bodies: Sequence[bytes], batch: Batch) -> dict[Workers[Job], list[Job]]:
        """What is to be done, by who does it; what nobody here can do is dealt with at once."""
        jobs: dict[Workers[Job], list[Job]] = {crew: [] for crew in self._crews}
        handlers = [0] * len(bodies)
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
            elif self._patience is not None:
                batch.in_hand[index] = message
            for crew in crews:
                jobs[crew].append((message, batch, index))
            handlers[index] = len(crews)
        batch.expect(handlers)
        return jobs

    @property
    def busy(self) -> int:
        """How many deliveries are being handled although they are answered."""
        return len(self._let_go)

    async def _wait(self, batch: Batch, patience: float) -> Sequence[str]:
        settled = asyncio.create_task(batch.settled())
        await asyncio.wait((settled,), timeout=patience)
        while not settled.done() and self._crowded():
            await asyncio.wait((settled,), timeout=patience)
        if settled.done() or not await self._kept(batch):
            return await settled
        if not settled.done():
            self._let_go.add(batch)
            settled.add_done_callback(lambda _: self._let_go.discard(batch))
        return batch.statuses

    def _crowded(self) -> bool:
        """Whether so much waits here already that the rest has to wait at the broker."""
        return any(crew.waiting > max(_LEAST_CROWD, _CROWD * crew.limit) for crew in self._crews)

    async def _kept(self, batch: Batch) -> bool:
        """Keep what must not be lost and is still in hand; whether the broker may forget it."""
        keeping = [
            self._keep(batch, index, message, keep)
            for index, message in batch.in_hand.items()
            if (keep := self._custody.get(message.type)) is not None
        ]
        return all(await asyncio.gather(*keeping))

    async def _keep(self, batch: Batch, index: int, message: Message, keep: Keep) -> bool:
        try:
            batch.kept[index] = await keep(message)
        except PillionError as error:
            self._log.error("a command that takes long could not be kept", message_id=message.id, reason=str(error))
            return False
        if index not in batch.in_hand:
            await self._release(batch, index, Ack())  # the broker hears of it by its status
        return True

    async def _release(self, batch: Batch, index: int, outcome: Outcome) -> None:
        release = batch.kept.pop(index, None)
        if release is not None:
            with suppress(PillionError):  # then it is found when its time comes
                await release(outcome)

    async def close(self) -> None:
        """Cancel what is being handled, and ask for it again."""
        for crew in self._crews:
            await crew.close()
        for batch in self._open | self._let_go:
            batch.give_up()

    def _handling(self, route: Route) -> Handling[Job]:
        handle = route.handle

        async def handling(jobs: Iterable[Job]) -> None:
            for message, batch, index in jobs:
                outcome = await handle(message)
                if type(outcome) is Reply:
                    await self._reply(route, message, outcome.message, batch, index)
                if batch.in_hand and batch.in_hand.pop(index, None) is not None:
                    await self._release(batch, index, outcome)
                batch.settle(index, outcome)

        return handling

    async def _reply(self, route: Route, request: Message, reply: Message, batch: Batch, index: int) -> None:
        if request.reply_to is None:
            await self._unheard(route, request, reply, batch, index)
        else:
            await self._answer(request.reply_to, request, reply)

    async def _answer(self, reply_to: str, request: Message, reply: Message) -> None:
        if await self._replied(reply_to, request, reply):
            return
        # An answer may be too large for the sidecar; that there is none is not. If that does not leave either, the
        # caller's wait ends with its deadline; handling the command again would do its work twice.
        lost = InternalError(correlation_id=request.correlation_id or request.id)
        await self._replied(reply_to, request, refused(request, lost))

    async def _replied(self, reply_to: str, request: Message, reply: Message) -> bool:
        try:
            await self._publish([Outgoing(reply_to, reply, self._replies)])
        except BridgeError as error:
            self._log.error("reply could not be sent", message_id=request.id, reason=str(error))
            return False
        return True

    async def _unheard(self, route: Route, request: Message, reply: Message, batch: Batch, index: int) -> None:
        """Nobody waits for this answer; that the command failed is told by a dead letter."""
        topic = route.dead_letter_topic
        if reply.failure_code is None or topic is None:
            return
        reason = reply.failure_title or ""
        letter = replace(
            dead_letter(request, route.address, reason, None),
            failure_code=reply.failure_code,
            failure_status=reply.failure_status,
        )
        if await self._publish_letters([Outgoing(topic, sealed(letter))], batch, index):
            self._log.error(
                "message set aside", letter=letter_id(letter), topic=topic, handler=route.address,
                message_id=request.id, correlation_id=request.correlation_id or request.id, reason=reason,
            )  # fmt: skip

    async def _set_aside(self, body: bytes, reason: str, batch: Batch, index: int) -> None:
        """Poison can never be handled, so it goes to the dead letters of everybody who waits for it."""
        letters = {route.dead_letter_topic: route.address for route in self._routes if route.dead_letter_topic}
        found = [Outgoing(topic, malformed(body, self._topic, reason, who)) for topic, who in letters.items()]
        if await self._publish_letters(found, batch, index):
            names = [letter_id(one.message) for one in found]
            self._log.error("malformed event set aside", topic=self._topic, letters=names, reason=reason)

    async def _publish_letters(self, letters: Sequence[Outgoing], batch: Batch, index: int) -> bool:
        """Whether they have left; the broker brings their message again otherwise."""
        try:
            if letters:
                await self._publish(letters)
        except BridgeError as error:
            self._log.error("dead letter could not be published", topic=self._topic, reason=str(error))
            batch.statuses[index] = RETRY
            return False
        return True

    async def _refuse(self, message: Message, batch: Batch, index: int) -> None:
        """Nobody here handles this type: an event is ignored, a caller told, a sent command set aside."""
        kind = self._routes[0].kind
        if kind is Kind.EVENT:
            return
        ours = message.type.startswith(f"{self._routes[0].group}.")
        if message.reply_to is not None:
            if ours:  # bridges ask with a command of nobody whether a topic answers
                self._log.info("command refused: nobody here handles it", command=message.type, message_id=message.id)
            await self._answer(message.reply_to, message, unknown_command(message))
            return
        # Another version of the service may know it: replayed, it waits for one that does.
        letter = dead_letter(message, message.type, f"no command {message.type}", _unknown(message))
        if not ours:
            letter = replace(letter, subscriber=None)  # that is the name of no handler
        topics = {route.dead_letter_topic for route in self._routes if route.dead_letter_topic}
        if await self._publish_letters([Outgoing(topic, sealed(letter)) for topic in topics], batch, index):
            self._log.error(
                "command set aside: nobody here handles it", letter=letter_id(letter), command=message.type,
                message_id=message.id,
            )  # fmt: skip


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
