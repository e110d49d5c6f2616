"""What a bridge must do with messages of applications that are not built on pillion, and with poison."""

from __future__ import annotations

import base64
import json
from typing import Any
from uuid import uuid4

import pytest

from pillion.context import Context
from pillion.message import Message
from pillion.service.contract import Contract
from pillion.service.event import foreign_event
from pillion.service.service import Service
from pillion.testing.conformance.retries import QUICK, reader
from pillion.testing.conformance.world import Note, Seen, World


def envelope(type_: str, data: Any, **attributes: Any) -> bytes:
    """A CloudEvent as anybody might send it, with an id of its own unless one is given."""
    common = {"specversion": "1.0", "id": uuid4().hex, "source": "their-source", "type": type_}
    return json.dumps({**common, "datacontenttype": "application/json", "data": data, **attributes}).encode()


class Foreign:
    """Others' events are understood; what cannot be understood is set aside at once."""

    async def test_a_cloud_event_of_others_is_handled_with_all_its_attributes(self, world: World) -> None:
        contract, got = Contract(world.name("source")), Seen[Message]()
        told, service = contract.event("told", Note), Service(world.name("sink"))

        @service.on(told)
        async def hear(ctx: Context, note: Note) -> None:
            assert note == Note(text="hi", number=2)
            got.add(ctx.message)

        await world.start(service)
        attributes = {"id": "their-id", "region": "eu", "priority": 5, "tenantid": "acme"}
        await world.publish_event(told.topic, envelope(told.address, {"text": "hi", "number": 2}, **attributes))
        message = (await got.wait())[0]
        assert (message.id, message.source, message.tenant_id) == ("their-id", "their-source", "acme")
        assert (message.extensions["region"], message.extensions["priority"]) == ("eu", 5)

    async def test_plain_dapr_data_is_handled(self, world: World) -> None:
        topic, got = f"{world.name('plain')}.orders", Seen[tuple[Note, Message]]()
        service = Service(world.name("sink"))

        @service.on(foreign_event(topic, Note, type="com.dapr.event.sent"))
        async def hear(ctx: Context, note: Note) -> None:
            got.add((note, ctx.message))

        await world.start(service)
        await world.publish_data(topic, b'{"text": "hi", "number": 2}')
        note, message = (await got.wait())[0]
        assert note == Note(text="hi", number=2)
        assert (message.type, message.specversion) == ("com.dapr.event.sent", "1.0")

    async def test_plain_dapr_data_on_the_topic_of_a_contract_are_its_event(self, world: World) -> None:
        contract, got = Contract(world.name("till")), Seen[Note]()
        sold, service = contract.event("sold", Note), Service(world.name("sink"))

        @service.on(sold)
        async def hear(note: Note) -> None:
            got.add(note)

        await world.start(service)
        await world.publish_data(sold.topic, b'{"text": "hi", "number": 2}')
        assert await got.wait() == [Note(text="hi", number=2)]

    @pytest.mark.parametrize(
        ("type_", "body", "value"),
        [(Note, b'{"text": "hi"}', Note(text="hi")), (bytes, b"\x00\xff not json", b"\x00\xff not json")],
        ids=["json", "bytes"],
    )
    async def test_a_raw_payload_is_handled(self, world: World, type_: Any, body: bytes, value: Any) -> None:
        topic, got = f"{world.name('raw')}.orders", Seen[Any]()
        service = Service(world.name("sink"))

        @service.on(foreign_event(topic, type_, raw=True), name="hear")
        async def hear(payload) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
            got.add(payload)

        await world.start(service)
        await world.publish_raw(topic, body)
        assert await got.wait() == [value]

    async def test_an_event_of_another_type_on_the_topic_is_left_alone(self, world: World) -> None:
        contract, sink = Contract(world.name("source")), Contract(world.name("sink"))
        told, service, got = contract.event("told", Note), Service(sink), Seen[Note]()

        @service.on(told)
        async def hear(note: Note) -> None:
            got.add(note)

        read, letters = reader(world, sink)
        await world.start(read)
        await world.start(service)
        await world.publish_event(told.topic, envelope("somebody.elses", {"text": "no"}))
        await world.publish_event(told.topic, envelope(told.address, {"text": "yes"}))
        assert await got.wait() == [Note(text="yes")]
        await world.quiet()
        assert (got.items, letters.items) == ([Note(text="yes")], [])

    async def test_data_that_do_not_fit_are_set_aside_at_once(self, world: World) -> None:
        contract, sink = Contract(world.name("source")), Contract(world.name("sink"))
        told, service, got = contract.event("told", Note), Service(sink), Seen[Note]()

        @service.on(told, retry=QUICK)
        async def hear(note: Note) -> None:
            got.add(note)

        read, letters = reader(world, sink)
        await world.start(read)
        await world.start(service)
        await world.publish_event(told.topic, envelope(told.address, {"text": 1}, region="eu"))
        letter, data = (await letters.wait())[0]
        assert (letter.failure_code, letter.failure_status, letter.attempt) == ("invalid_input", 400, 1)
        assert (data, letter.extensions["region"], letter.subscriber) == ({"text": 1}, "eu", f"{sink.group}.hear")
        assert got.items == []

    @pytest.mark.parametrize("body", [b"\x00\xff", b'"text"', b"[1", b"[]"], ids=["bytes", "text", "cut off", "list"])
    async def test_what_is_no_cloud_event_is_set_aside_as_it_is(self, world: World, body: bytes) -> None:
        contract, sink = Contract(world.name("source")), Contract(world.name("sink"))
        told, service, got = contract.event("told", Note), Service(sink), Seen[Note]()

        @service.on(told)
        async def hear(note: Note) -> None:
            got.add(note)

        read, letters = reader(world, sink)
        await world.start(read)
        host = await world.start(service)
        await world.publish_raw(told.topic, body)
        letter = (await letters.wait())[0].message
        assert letter.failure_code == "malformed_event"
        assert base64.b64decode(letter.data_base64 or "") == body
        await host.emit(told, Note(text="still working"))
        assert await got.wait() == [Note(text="still working")]
