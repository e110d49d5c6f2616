"""Callers that go away: handlers that are invoked are cancelled, and nothing waits for a reply any longer."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pillion.bridges.dapr.invocation import Invoked
from pillion.bridges.dapr.pending import Pending
from pillion.codec.cloudevents import CONTENT_TYPE, decode, encode
from pillion.message import Message
from pillion.outcome import Outcome, Reply
from pillion.ports.bridge import Kind, Route
from pillion.ports.channel import Request, Response
from pillion.ports.clock import SystemClock


class Handler:
    """A command of one worker that waits for its gate."""

    def __init__(self, *, durable: bool = False) -> None:
        self.gate, self.begun = asyncio.Event(), asyncio.Event()
        self.handled: list[str] = []
        self.cancelled: list[str] = []
        route = Route(Kind.COMMAND, "a.v1.work", "a.v1", "a", self.handle, concurrency=1, durable=durable)
        self.invoked = Invoked([route])

    async def handle(self, message: Message) -> Outcome:
        self.begun.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled.append(message.id)
            raise
        self.handled.append(message.id)
        return Reply(Message(message.id, "/a", "a.v1.work.reply", "1.0"))

    def invoke(self, id_: str, gone: asyncio.Event) -> asyncio.Task[Response]:
        async def left() -> None:
            await gone.wait()

        body = encode(Message(id_, "/b", "a.v1.work", "1.0"))
        request = Request("POST", "/a.v1.work", {"content-type": CONTENT_TYPE}, body, left)
        return asyncio.ensure_future(self.invoked.take(request))


async def test_a_caller_that_goes_away_cancels_the_handler_and_the_next_call_is_handled() -> None:
    handler, gone = Handler(), asyncio.Event()
    first = handler.invoke("1", gone)
    await handler.begun.wait()
    gone.set()
    assert decode((await first).body).failure_code == "unavailable"
    handler.gate.set()
    assert decode((await handler.invoke("2", asyncio.Event())).body).id == "2"
    assert (handler.cancelled, handler.handled) == (["1"], ["2"])


async def test_a_queued_call_whose_caller_went_away_is_not_begun() -> None:
    handler, gone = Handler(), asyncio.Event()
    first = handler.invoke("1", asyncio.Event())
    await handler.begun.wait()
    second = handler.invoke("2", gone)
    gone.set()
    crew: Any = handler.invoked._crews["a.v1.work"]
    while not (crew.jobs and crew.jobs[0].abandoned):  # noqa: ASYNC110 - a queue tells nobody
        await asyncio.sleep(0.001)
    handler.gate.set()
    await asyncio.gather(first, second)
    assert (handler.cancelled, handler.handled) == ([], ["1"])


async def test_what_must_not_be_lost_is_done_without_its_caller() -> None:
    handler, gone = Handler(durable=True), asyncio.Event()
    first = handler.invoke("1", gone)
    await handler.begun.wait()
    gone.set()
    crew: Any = handler.invoked._crews["a.v1.work"]
    assert not crew.jobs
    handler.gate.set()
    assert decode((await first).body).id == "1"
    assert handler.cancelled == []


@pytest.mark.parametrize("seconds", [None, 30])
async def test_a_reply_that_nobody_waits_for_finds_nobody(seconds: int | None) -> None:
    pending = Pending(SystemClock())
    deadline = None if seconds is None else datetime.now(UTC) + timedelta(seconds=seconds)
    waiting = pending.expect(Message("1", "/b", "a.v1.work", "1.0", deadline=deadline))
    waiting.cancel()
    await asyncio.wait([waiting])
    assert not pending.arrived(Message("2", "/a", "a.v1.work.reply", "1.0", causation_id="1"))
    assert pending._waiting == {}
    assert pending._deadlines._entries == {}
