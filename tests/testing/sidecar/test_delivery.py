"""The fake sidecar delivers, and delivers again, as measured on daprd 1.18.2."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from pillion.testing.sidecar import FakeBroker, FakeSidecar
from pillion.testing.sidecar.delivery import InboundRetry
from tests.testing.sidecar.beside import (
    CLOUD_EVENT,
    EVENT,
    App,
    Request,
    bulk,
    publish,
    serving,
    single,
    succeed,
)


async def test_a_bulk_delivery_holds_what_came_together() -> None:
    app, broker = App([bulk()]), FakeBroker()
    async with FakeSidecar(broker, "shop") as early:
        for n in range(3):
            await publish(early, "pubsub/T", {"n": n}, **{"Content-Type": "application/json"})
    async with serving(app, broker):
        await broker.wait_handled()
    assert [entry["event"]["data"]["n"] for entry in app.got[0].json["entries"]] == [0, 1, 2]
    assert app.got[0].json["type"] == "com.dapr.event.sent.bulk"


async def test_only_unanswered_entries_come_again() -> None:
    def first_fails(request: Request) -> tuple[int, bytes]:
        entries = request.json["entries"]
        done = entries if len(app.got) > 1 else entries[1:]
        return 200, json.dumps({"statuses": [{"entryId": e["entryId"], "status": "SUCCESS"} for e in done]}).encode()

    app, broker = App([bulk()], first_fails), FakeBroker()
    async with FakeSidecar(broker, "shop") as early:
        for n in range(2):
            await publish(early, "pubsub/T", n, **{"Content-Type": "application/json"})
    async with serving(app, broker):
        await broker.wait_handled()
    assert [[entry["event"]["data"] for entry in request.json["entries"]] for request in app.got] == [[0, 1], [0]]


@pytest.mark.parametrize("subscription", [single(deadLetterTopic="dead"), bulk(deadLetterTopic="dead")])
async def test_drop_goes_to_the_dead_letters(subscription: dict[str, Any]) -> None:
    app, broker = (
        App([subscription], lambda request: (200, succeed(request).replace(b"SUCCESS", b"DROP"))),
        FakeBroker(),
    )
    async with serving(app, broker) as sidecar:
        await publish(sidecar, "pubsub/T", EVENT, **CLOUD_EVENT)
        await broker.wait_handled()
    assert broker.messages("dead") == broker.messages("T")


@pytest.mark.parametrize("subscription", [single(deadLetterTopic="dead"), bulk(deadLetterTopic="dead")])
async def test_used_up_retries_go_to_the_dead_letters(subscription: dict[str, Any]) -> None:
    app, broker = App([subscription], lambda _: (500, b"")), FakeBroker()
    async with serving(app, broker, retry=InboundRetry(seconds=0, limit=2)) as sidecar:
        await publish(sidecar, "pubsub/T", EVENT, **CLOUD_EVENT)
        await broker.wait_handled()
    assert (len(app.got), len(broker.messages("dead"))) == (3, 1)


async def test_404_drops_a_bulk_without_dead_letters() -> None:
    app, broker = App([bulk(deadLetterTopic="dead")], lambda _: (404, b"")), FakeBroker()
    async with serving(app, broker) as sidecar:
        await publish(sidecar, "pubsub/T", EVENT, **CLOUD_EVENT)
        await broker.wait_handled()
    assert (len(app.got), broker.messages("dead")) == (1, ())


@pytest.mark.parametrize(("subscription", "calls"), [(single(), 1), (bulk(), 2)])
async def test_an_empty_answer_loses_a_single_delivery_only(subscription: dict[str, Any], calls: int) -> None:
    def fail_once(request: Request) -> tuple[int, bytes]:
        return (500, b"") if len(app.got) == 1 else (200, succeed(request))

    app, broker = App([subscription], fail_once), FakeBroker()
    async with serving(app, broker) as sidecar:
        sidecar.empty_answers = True
        await publish(sidecar, "pubsub/T", EVENT, **CLOUD_EVENT)
        await broker.wait_handled()
    assert len(app.got) == calls


async def test_a_message_outlives_the_application() -> None:
    app, broker = App([bulk()]), FakeBroker()
    async with FakeSidecar(broker, "shop", app.port) as sidecar:
        async with app.running():
            await sidecar.wait_ready()
        await publish(sidecar, "pubsub/T", EVENT, **CLOUD_EVENT)
        async with app.running():
            await broker.wait_handled()
    assert [entry["event"]["id"] for entry in app.got[0].json["entries"]] == ["e1"]


async def test_a_killed_sidecar_leaves_its_messages_to_the_next() -> None:
    stuck, app, broker = App([bulk()]), App([bulk()]), FakeBroker()
    stuck.may_answer.clear()
    async with stuck.running():
        sidecar = FakeSidecar(broker, "shop", stuck.port)
        await sidecar.start()
        await sidecar.wait_ready()
        await publish(sidecar, "pubsub/T", EVENT, **CLOUD_EVENT)
        await stuck.called.wait()
        await sidecar.kill()
        stuck.may_answer.set()
    async with serving(app, broker):
        await broker.wait_handled()
    assert (len(stuck.got), len(app.got)) == (1, 1)


async def test_a_stopped_sidecar_waits_for_the_answer() -> None:
    app, broker = App([bulk()]), FakeBroker()
    app.may_answer.clear()
    async with app.running():
        async with FakeSidecar(broker, "shop", app.port) as sidecar:
            await sidecar.wait_ready()
            await publish(sidecar, "pubsub/T", EVENT, **CLOUD_EVENT)
            await app.called.wait()
            asyncio.get_running_loop().call_soon(app.may_answer.set)
        await broker.wait_handled()
    assert len(app.got) == 1


async def test_sidecars_of_one_application_compete() -> None:
    apps, broker = (App([single()]), App([single()])), FakeBroker()
    async with serving(apps[0], broker) as sidecar, serving(apps[1], broker):
        for _ in range(6):
            await publish(sidecar, "pubsub/T", EVENT, **CLOUD_EVENT)
        await broker.wait_handled()
    assert sum(len(app.got) for app in apps) == 6


async def test_broadcast_reaches_every_sidecar() -> None:
    apps, broker = (App([single(pubsubname="broadcast")]), App([single(pubsubname="broadcast")])), FakeBroker()
    async with serving(apps[0], broker) as sidecar, serving(apps[1], broker):
        await publish(sidecar, "pubsub/T", EVENT, **CLOUD_EVENT)
        await broker.wait_handled()
    assert [len(app.got) for app in apps] == [1, 1]


async def test_an_expired_event_is_not_delivered() -> None:
    app, broker = App([single(deadLetterTopic="dead")]), FakeBroker()
    async with serving(app, broker) as sidecar:
        await publish(sidecar, "pubsub/T", {**EVENT, "expiration": "2020-01-01T00:00:00Z"}, **CLOUD_EVENT)
        await broker.wait_handled()
    assert (app.got, len(broker.messages("dead"))) == ([], 1)
