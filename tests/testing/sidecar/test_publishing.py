"""What is published through the fake sidecar arrives as measured on daprd 1.18.2."""

from __future__ import annotations

import base64
import json

from pillion.testing.sidecar import FakeBroker, FakeSidecar
from tests.testing.sidecar.beside import CLOUD_EVENT, EVENT, RAW, TRACE, App, bulk, publish, serving, single


async def test_a_plain_body_arrives_in_an_envelope() -> None:
    app, broker = App([single()]), FakeBroker()
    async with serving(app, broker) as sidecar:
        answer = await publish(sidecar, "pubsub/T", {"a": 1}, **{"Content-Type": "application/json"})
        await broker.wait_handled()
    event = app.got[0].json
    assert answer[:2] == (204, b"")
    assert app.got[0].headers["content-type"] == "application/cloudevents+json"
    assert (event["data"], event["source"], event["type"]) == ({"a": 1}, "shop", "com.dapr.event.sent")
    assert (event["traceparent"], event["traceid"], event["tracestate"]) == ("", "", "")


async def test_an_own_event_keeps_its_attributes_but_not_its_trace() -> None:
    app, broker = App([single()]), FakeBroker()
    async with serving(app, broker) as sidecar:
        await publish(
            sidecar, "pubsub/T", {**EVENT, "traceparent": "mine", "topic": "x"}, **CLOUD_EVENT, traceparent=TRACE
        )
        await broker.wait_handled()
    event = app.got[0].json
    assert (event["id"], event["tenantid"], event["data"]["n"]) == ("e1", "a", 2**70)
    assert (event["traceparent"], event["traceid"], event["topic"]) == (TRACE, TRACE, "T")
    assert app.got[0].headers["traceparent"] == TRACE


async def test_without_a_header_the_trace_is_blanked() -> None:
    broker = FakeBroker()
    async with FakeSidecar(broker, "shop") as sidecar:
        await publish(sidecar, "pubsub/T", {**EVENT, "traceparent": TRACE}, **CLOUD_EVENT)
    assert json.loads(broker.messages("T")[0])["traceparent"] == ""


async def test_an_event_without_a_trace_comes_with_a_header_of_zeros() -> None:
    app, broker = App([single()]), FakeBroker()
    async with serving(app, broker) as sidecar:
        await publish(sidecar, "pubsub/T", EVENT, **CLOUD_EVENT)
        await broker.wait_handled()
    assert app.got[0].headers["traceparent"] == "00-00000000000000000000000000000000-0000000000000000-00"


async def test_a_traceid_of_its_own_protects_the_trace() -> None:
    broker = FakeBroker()
    async with FakeSidecar(broker, "shop") as sidecar:
        await publish(sidecar, "pubsub/T", {**EVENT, "traceparent": TRACE, "traceid": TRACE}, **CLOUD_EVENT)
    assert json.loads(broker.messages("T")[0])["traceparent"] == TRACE


async def test_a_raw_publish_arrives_exactly_at_a_raw_bulk_subscription() -> None:
    app, broker, body = App([bulk(**RAW)]), FakeBroker(), json.dumps(EVENT, indent=3).encode()
    async with serving(app, broker) as sidecar:
        await publish(sidecar, "pubsub/T?metadata.rawPayload=true", body, **CLOUD_EVENT)
        await broker.wait_handled()
    (entry,) = app.got[0].json["entries"]
    assert base64.b64decode(entry["event"]) == body
    assert (entry["contentType"], entry["metadata"]) == ("application/octet-stream", {"rawPayload": "true"})


async def test_a_raw_bulk_publish_of_text_arrives_exactly() -> None:
    app, broker, body = App([bulk(**RAW)]), FakeBroker(), json.dumps(EVENT)
    async with serving(app, broker) as sidecar:
        entry = {"entryId": "1", "event": body, "contentType": "text/plain"}
        await publish(sidecar, "bulk/pubsub/T?metadata.rawPayload=true", [entry])
        await broker.wait_handled()
    assert base64.b64decode(app.got[0].json["entries"][0]["event"]) == body.encode()


async def test_rawpayload_of_a_bulk_entry_is_ignored() -> None:
    broker = FakeBroker()
    async with FakeSidecar(broker, "shop") as sidecar:
        entry = {"entryId": "1", "event": "x", "contentType": "text/plain", "metadata": {"rawPayload": "true"}}
        await publish(sidecar, "bulk/pubsub/T", [entry])
    assert json.loads(broker.messages("T")[0])["data"] == "x"


async def test_a_bulk_publish_of_objects_loses_digits() -> None:
    broker = FakeBroker()
    async with FakeSidecar(broker, "shop") as sidecar:
        entry = {"entryId": "1", "event": {**EVENT, "data": 2**53 + 1}, "contentType": CLOUD_EVENT["Content-Type"]}
        await publish(sidecar, "bulk/pubsub/T", [entry])
    assert json.loads(broker.messages("T")[0])["data"] == 2**53


async def test_bulk_entries_need_ids_of_their_own(alone: FakeSidecar) -> None:
    entry = {"entryId": "1", "event": "x", "contentType": "text/plain"}
    status, body, _ = await publish(alone, "bulk/pubsub/T", [entry, entry])
    assert (status, json.loads(body)["errorCode"]) == (400, "ERR_PUBSUB_EVENTS_SER")


async def test_an_unknown_component_is_404(alone: FakeSidecar) -> None:
    status, body, _ = await publish(alone, "nowhere/T", {})
    assert (status, json.loads(body)["errorCode"]) == (404, "ERR_PUBSUB_NOT_FOUND")
