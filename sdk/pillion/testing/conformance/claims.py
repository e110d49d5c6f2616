"""What a bridge must do with payloads that are too large for a broker.

Not a part of ``BridgeContract``: the hosts of its world have ``claim_check_bytes`` set, to no more than ``LARGEST``,
and share a state component ``claims``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pillion.context import Context
from pillion.message import Message
from pillion.outcome import Retry
from pillion.ports.bridge import Outgoing
from pillion.service.contract import Contract
from pillion.service.service import Service
from pillion.testing.conformance.retries import Refused, reader
from pillion.testing.conformance.world import Publish, Seen, World

LARGEST = 500

# More than LARGEST, and much that a store may not keep to the letter.
PAYLOAD: dict[str, Any] = {
    "integer": 2**63 + 1,
    "float": 0.1,
    "text": '\u0000 \u2028 <&> \\ " 🜁 ä',
    "pillion:json:": "pillion:json:1",
    "nested": [{"": None}, [], {}, True],
    "filling": "x" * LARGEST,
}


def watched(left: Seen[Message]) -> Any:
    """Publishing that notes what leaves."""

    def around(publish: Publish) -> Publish:
        async def note(messages: Sequence[Outgoing]) -> None:
            for outgoing in messages:
                left.add(outgoing.message)
            await publish(messages)

        return note

    return around


class ClaimCheck:
    """What is too large travels as a claim, and arrives to the letter."""

    async def test_a_large_event_arrives_to_the_letter(self, world: World) -> None:
        contract, service = Contract(world.name("source")), Service(world.name("sink"))
        told, got, left = contract.event("told", dict[str, Any]), Seen[Any](), Seen[Message]()

        @service.on(told)
        async def hear(ctx: Context, payload: dict[str, Any]) -> None:
            got.add((payload, json.loads(ctx.message.json), ctx.message.claim))

        host = await world.start(service, publishing=watched(left))
        await host.emit(told, PAYLOAD)
        assert await got.wait() == [(PAYLOAD, PAYLOAD, None)]
        (message,) = (message for message in left.items if message.type == told.cloudevent_type)
        assert message.claim
        assert message.json == b""

    async def test_a_small_event_carries_its_payload(self, world: World) -> None:
        contract, service = Contract(world.name("source")), Service(world.name("sink"))
        told, got, left = contract.event("told", str), Seen[str](), Seen[Message]()

        @service.on(told)
        async def hear(text: str) -> None:
            got.add(text)

        host = await world.start(service, publishing=watched(left))
        await host.emit(told, "small")
        assert await got.wait() == ["small"]
        assert [message.claim for message in left.items if message.type == told.cloudevent_type] == [None]

    async def test_a_large_command_and_its_large_answer_arrive_to_the_letter(self, world: World) -> None:
        service = Service(world.name("echo"))

        @service.command
        async def echo(payload: dict[str, Any]) -> dict[str, Any]:
            return {**payload, "answered": True}

        host = await world.start(service)
        assert await host.call(echo, PAYLOAD) == {**PAYLOAD, "answered": True}

    async def test_large_bytes_arrive_to_the_letter(self, world: World) -> None:
        service, payload = Service(world.name("echo")), bytes(range(256)) * 4

        @service.command
        async def echo(payload: bytes) -> bytes:
            return payload[::-1]

        host = await world.start(service)
        assert await host.call(echo, payload) == payload[::-1]

    async def test_a_large_send_arrives_to_the_letter(self, world: World) -> None:
        service, got = Service(world.name("sink")), Seen[Any]()

        @service.command
        async def take(payload: dict[str, Any]) -> None:
            got.add(payload)

        host = await world.start(service)
        await host.send(take, PAYLOAD)
        assert await got.wait() == [PAYLOAD]

    async def test_a_large_message_is_tried_again(self, world: World) -> None:
        contract, service = Contract(world.name("source")), Service(world.name("sink"))
        told, got = contract.event("told", dict[str, Any]), Seen[Any]()

        @service.on(told, retry=Retry(attempts=3, backoff="1ms..2ms"))
        async def fail_once(payload: dict[str, Any]) -> None:
            got.add(payload)
            if len(got.items) == 1:
                raise ConnectionError

        host = await world.start(service)
        await host.emit(told, PAYLOAD)
        assert await got.wait(2) == [PAYLOAD, PAYLOAD]

    async def test_a_dead_letter_keeps_its_claim(self, world: World) -> None:
        contract, sink = Contract(world.name("source")), Contract(world.name("sink"))
        told, service, left = contract.event("told", dict[str, Any]), Service(sink), Seen[Message]()

        @service.on(told)
        async def refuse(payload: dict[str, Any]) -> None:
            raise Refused(why=payload["text"])

        read, letters = reader(world, sink)
        await world.start(read)
        host = await world.start(service, publishing=watched(left))
        await host.emit(told, PAYLOAD)
        letter = (await letters.wait())[0]
        assert letter.data == PAYLOAD
        event, dead = (message for message in left.items if message.type == told.cloudevent_type)
        assert (dead.claim, dead.failure_code) == (event.claim, "refused")

    async def test_what_a_handler_does_once_may_be_large(self, world: World) -> None:
        contract, service = Contract(world.name("source")), Service(world.name("sink"), state=world.state)
        told, passed_on = contract.event("told", dict[str, Any]), service.contract.event("passed_on", dict[str, Any])
        got = Seen[Any]()

        @service.on(told, emits=[passed_on], once=True)
        async def hear(ctx: Context, payload: dict[str, Any]) -> None:
            await ctx.state.set("heard", payload)
            ctx.emit(passed_on, payload)

        @service.on(passed_on)
        async def hear_again(payload: dict[str, Any]) -> None:
            got.add(payload)

        host = await world.start(service)
        await host.emit(told, PAYLOAD)
        assert await got.wait() == [PAYLOAD]

    async def test_a_large_answer_is_given_again(self, world: World) -> None:
        service, runs = Service(world.name("echo"), state=world.state), Seen[int]()

        @service.command(once=True)
        async def echo(payload: dict[str, Any]) -> dict[str, Any]:
            runs.add(1)
            return payload

        host = await world.start(service)
        answers = [await host.call(echo, PAYLOAD, idempotency_key="the same") for _ in range(2)]
        assert answers == [PAYLOAD, PAYLOAD]
        assert runs.items == [1]
