"""What becomes of the messages of a delivery when they take long, or are not finished."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import structlog

from pillion.bridges.dapr.deliveries import Deliveries
from pillion.codec.cloudevents import encode
from pillion.errors import BridgeError, InternalError
from pillion.message import Message
from pillion.outcome import Ack, Outcome, Reply
from pillion.ports.bridge import Kind, Outgoing, Route

# More than ever waits for one handler while others of its topic are let by.
CROWD = 600
PATIENCE = 0.01


def bodies(count: int) -> list[bytes]:
    events = ({"specversion": "1.0", "id": str(number), "source": "/x", "type": "a.v1.b"} for number in range(count))
    return [json.dumps(event).encode() for event in events]


async def publish(messages: Sequence[Outgoing]) -> None:
    """Nothing is."""


class Handler:
    """Handles what has an odd number at once, and the rest when it may."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.quick = asyncio.Event()

    async def __call__(self, message: Message) -> Outcome:
        if int(message.id) % 2 == 0:
            await self.gate.wait()
        self.quick.set()
        return Ack()


def deliveries(handler: Handler, *, concurrency: int = 100, patience: float | None = None) -> Deliveries:
    route = Route(Kind.COMMAND, "a.v1.b", "a.v1", "a.v1.commands", handler, types=("a.v1.b",), concurrency=concurrency)
    return Deliveries([route], publish, structlog.get_logger(), "replies", patience=patience)


async def test_what_is_not_finished_when_it_closes_is_asked_for_again() -> None:
    handler = Handler()
    taking = deliveries(handler)
    answered = asyncio.ensure_future(taking.take(bodies(3)))
    await handler.quick.wait()
    await taking.close()
    assert await answered == ["RETRY", "SUCCESS", "RETRY"]


async def test_what_nobody_has_begun_is_asked_for_again() -> None:
    taking = deliveries(Handler(), concurrency=1)
    answered = asyncio.ensure_future(taking.take(bodies(2)))
    await asyncio.sleep(0)
    await taking.close()
    assert await answered == ["RETRY", "RETRY"]


async def test_a_call_that_takes_long_is_acknowledged_early() -> None:
    taking = deliveries(Handler(), patience=PATIENCE)
    assert await taking.take(bodies(1)) == ["SUCCESS"]
    assert taking.busy == 1
    await taking.close()


async def test_a_crowd_waits_at_the_broker() -> None:
    handler = Handler()
    taking = deliveries(handler, concurrency=1, patience=PATIENCE)
    answered = asyncio.ensure_future(taking.take(bodies(CROWD)))
    await asyncio.wait((answered,), timeout=10 * PATIENCE)
    assert not answered.done()
    handler.gate.set()
    assert await answered == ["SUCCESS"] * CROWD
    await taking.close()


async def test_a_caller_is_told_of_an_answer_that_cannot_be_sent() -> None:
    sent: list[Outgoing] = []
    large = Message(id="2", source="/a", type="a.v1.b.reply", specversion="1.0")

    async def refuse_large(messages: Sequence[Outgoing]) -> None:
        if messages[0].message is large:
            raise BridgeError("stream too large")
        sent.extend(messages)

    async def answer(_: Message) -> Outcome:
        return Reply(large)

    route = Route(Kind.COMMAND, "a.v1.b", "a.v1", "a.v1.commands", answer, types=("a.v1.b",))
    taking = Deliveries([route], refuse_large, structlog.get_logger(), "replies")
    request = Message(id="1", source="/x", type="a.v1.b", specversion="1.0", reply_to="replies.x")
    assert await taking.take([encode(request)]) == ["SUCCESS"]
    assert [(one.topic, one.message.causation_id, one.message.failure_code) for one in sent] == [
        ("replies.x", "1", InternalError.code)
    ]
    await taking.close()
