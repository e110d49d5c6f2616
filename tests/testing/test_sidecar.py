"""The fake sidecar answers and delivers as measured on daprd 1.18.2."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from pillion.sidecar.ports import free_port
from pillion.testing.sidecar import FakeBroker, FakeSidecar
from pillion.testing.sidecar.answers import Verdict, of_bulk, of_single
from pillion.testing.sidecar.delivery import InboundRetry

EVENT = {"specversion": "1.0", "id": "e1", "source": "shop", "type": "t", "tenantid": "a", "data": {"n": 2**70}}
CLOUD_EVENT = {"Content-Type": "application/cloudevents+json"}
TRACE = "00-11111111111111111111111111111111-2222222222222222-01"
NO_RETRY = InboundRetry(limit=0)


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class App:
    """A small application that notes what it gets; ``answer`` decides on (status, body)."""

    subscriptions: list[dict[str, Any]] = field(default_factory=list)
    answer: Callable[[Request], tuple[int, bytes]] = lambda request: (200, succeed(request))
    port: int = field(default_factory=free_port)
    got: list[Request] = field(default_factory=list)
    called: asyncio.Event = field(default_factory=asyncio.Event)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.may_answer.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[App]:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self.handle)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        try:
            yield self
        finally:
            await runner.cleanup()

    async def handle(self, request: web.Request) -> web.Response:
        if request.path == "/dapr/subscribe":
            return web.json_response(self.subscriptions)
        if request.path == "/dapr/config":
            return web.json_response({})
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.got.append(Request(request.path_qs, headers, await request.read()))
        self.called.set()
        status, body = self.answer(self.got[-1])
        await self.may_answer.wait()
        return web.Response(status=status, body=body, headers={"x-mine": "yes"})


def succeed(request: Request) -> bytes:
    return statuses(request, "SUCCESS") if b'"entries"' in request.body else b'{"status": "SUCCESS"}'


def statuses(request: Request, status: str) -> bytes:
    return json.dumps(
        {"statuses": [{"entryId": e["entryId"], "status": status} for e in request.json["entries"]]}
    ).encode()


def single(topic: str = "T", **more: Any) -> dict[str, Any]:
    return {"pubsubname": "pubsub", "topic": topic, "route": "/single", **more}


def bulk(topic: str = "T", **more: Any) -> dict[str, Any]:
    collect = {"enabled": True, "maxMessagesCount": 100, "maxAwaitDurationMs": 1}
    return {"pubsubname": "pubsub", "topic": topic, "bulkSubscribe": collect, **({"route": "/bulk"} | more)}


RAW: dict[str, Any] = {"metadata": {"rawPayload": "true"}}


@asynccontextmanager
async def serving(app: App, broker: FakeBroker | None = None, **options: Any) -> AsyncIterator[FakeSidecar]:
    async with app.running(), FakeSidecar(broker or FakeBroker(), "shop", app.port, **options) as sidecar:
        await sidecar.wait_ready()
        yield sidecar


async def call(sidecar: FakeSidecar, method: str, path: str, **options: Any) -> tuple[int, bytes, dict[str, str]]:
    async with aiohttp.ClientSession(sidecar.endpoint) as session, session.request(method, path, **options) as answer:
        return answer.status, await answer.read(), dict(answer.headers)


async def publish(sidecar: FakeSidecar, path: str, body: Any, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await call(sidecar, "POST", f"/v1.0/publish/{path}", data=data, headers=headers)


@pytest.fixture
async def alone() -> AsyncIterator[FakeSidecar]:
    async with FakeSidecar(FakeBroker(), "shop", secrets={"secrets": {"pin": "1"}}) as sidecar:
        await sidecar.wait_ready()
        yield sidecar


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (200, b'{"status": "SUCCESS"}', Verdict.SUCCESS),
        (200, b"", Verdict.SUCCESS),
        (200, b"<html>", Verdict.SUCCESS),
        (204, b'{"status": ""}', Verdict.SUCCESS),
        (200, b'{"status": "success"}', Verdict.RETRY),
        (200, b'{"status": "RETRY"}', Verdict.RETRY),
        (200, b'{"status": "DROP"}', Verdict.DROP),
        (404, b"", Verdict.DROP),
        (422, b"", Verdict.RETRY),
        (500, b"", Verdict.RETRY),
    ],
)
def test_a_single_answer_is_read_like_daprd_does(status: int, body: bytes, verdict: Verdict) -> None:
    assert of_single(status, body) is verdict


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (200, b'{"statuses": [{"entryId": "1", "status": "SUCCESS"}]}', Verdict.SUCCESS),
        (200, b'{"statuses": [{"entryId": "1", "status": "DROP"}]}', Verdict.DROP),
        (200, b'{"statuses": [{"entryId": "1", "status": ""}]}', Verdict.RETRY),
        (200, b'{"statuses": []}', Verdict.RETRY),
        (200, b"", Verdict.RETRY),
        (200, b"<html>", Verdict.RETRY),
        (500, b"", Verdict.RETRY),
        (404, b"", Verdict.DROP),
    ],
)
def test_a_bulk_answer_is_read_like_daprd_does(status: int, body: bytes, verdict: Verdict) -> None:
    assert of_bulk(status, body, ["1"]) == {"1": verdict}


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


RULES = {"rules": [{"match": 'has(event.tenantid) && event.tenantid == "a"', "path": "/a"}]}


async def routed(subscription: dict[str, Any]) -> tuple[list[str], int]:
    app, broker = App([subscription]), FakeBroker()
    async with serving(app, broker, retry=NO_RETRY) as sidecar:
        for tenant in ("a", "b"):
            await publish(sidecar, "pubsub/T", {**EVENT, "tenantid": tenant}, **CLOUD_EVENT)
        await broker.wait_handled()
    return sorted(request.path for request in app.got), len(broker.messages("dead"))


async def test_rules_choose_the_route() -> None:
    pytest.importorskip("celpy")
    assert await routed(single(route="", routes={**RULES, "default": "/other"})) == (["/a", "/other"], 0)


async def test_what_no_rule_wants_is_dead_lettered() -> None:
    pytest.importorskip("celpy")
    assert await routed(single(route="", routes=RULES, deadLetterTopic="dead")) == (["/a"], 1)


async def test_in_bulk_what_no_rule_wants_is_posted_to_the_root_as_well() -> None:
    pytest.importorskip("celpy")
    assert await routed(bulk(route="", routes=RULES, deadLetterTopic="dead")) == (["/", "/a"], 1)


async def test_a_rule_on_a_missing_attribute_skips_the_default_too() -> None:
    pytest.importorskip("celpy")
    rules = {"rules": [{"match": 'event.other == "x"', "path": "/a"}], "default": "/other"}
    assert await routed(single(route="", routes=rules, deadLetterTopic="dead")) == ([], 2)


async def test_a_rule_that_is_no_cel_leaves_no_subscription() -> None:
    pytest.importorskip("celpy")
    app = App([single("other"), single(routes={"rules": [{"match": "event[", "path": "/a"}]})])
    async with serving(app) as sidecar:
        _, body, _ = await call(sidecar, "GET", "/v1.0/metadata")
    assert json.loads(body)["subscriptions"] == []


async def test_an_expired_event_is_not_delivered() -> None:
    app, broker = App([single(deadLetterTopic="dead")]), FakeBroker()
    async with serving(app, broker) as sidecar:
        await publish(sidecar, "pubsub/T", {**EVENT, "expiration": "2020-01-01T00:00:00Z"}, **CLOUD_EVENT)
        await broker.wait_handled()
    assert (app.got, len(broker.messages("dead"))) == ([], 1)


async def test_health_waits_for_the_application_and_outbound_health_does_not() -> None:
    app = App()
    async with FakeSidecar(FakeBroker(), "shop", app.port) as sidecar:
        assert (await call(sidecar, "GET", "/v1.0/healthz"))[0] == 500
        assert (await call(sidecar, "GET", "/v1.0/healthz/outbound"))[0] == 204
        async with app.running():
            await sidecar.wait_ready()
            assert (await call(sidecar, "GET", "/v1.0/healthz"))[0] == 204


async def test_metadata_names_components_and_subscriptions() -> None:
    async with serving(App([bulk(deadLetterTopic="dead")])) as sidecar:
        metadata = json.loads((await call(sidecar, "GET", "/v1.0/metadata"))[1])
    (subscription,) = metadata["subscriptions"]
    assert (metadata["id"], subscription["topic"], subscription["rules"]) == ("shop", "T", [{"path": "/bulk"}])
    assert {component["name"] for component in metadata["components"]} >= {"pubsub", "replies", "shop-state"}


async def test_invocation_reaches_the_other_application() -> None:
    app, broker = App(answer=lambda _: (418, b"tea")), FakeBroker()
    async with serving(app, broker), FakeSidecar(broker, "caller") as caller:
        path, headers = "/v1.0/invoke/shop/method/brew/now?cups=2", {"traceparent": TRACE, "x-own": "1"}
        status, body, answered = await call(caller, "PUT", path, data=b"leaf", headers=headers)
    got = app.got[0]
    assert (status, body, answered["x-mine"]) == (418, b"tea", "yes")
    assert (got.path, got.body, got.headers["x-own"], got.headers["traceparent"]) == (
        "/brew/now?cups=2",
        b"leaf",
        "1",
        TRACE,
    )
    assert (got.headers["dapr-caller-app-id"], got.headers["dapr-callee-app-id"]) == ("caller", "shop")


async def test_an_application_invokes_itself_without_caller_headers() -> None:
    app = App()
    async with serving(app) as sidecar:
        await call(sidecar, "POST", "/v1.0/invoke/shop/method/x")
    assert "dapr-caller-app-id" not in app.got[0].headers


async def test_invoking_an_unknown_application_is_500(alone: FakeSidecar) -> None:
    status, body, _ = await call(alone, "POST", "/v1.0/invoke/nobody/method/x")
    assert (status, json.loads(body)["errorCode"]) == (500, "ERR_DIRECT_INVOKE")


async def test_clients_have_to_present_the_api_token() -> None:
    async with FakeSidecar(FakeBroker(), "shop", api_token="s3cret") as sidecar:
        refused = await publish(sidecar, "pubsub/T", {})
        accepted = await publish(sidecar, "pubsub/T", {}, **{"dapr-api-token": "s3cret"})
        health = await call(sidecar, "GET", "/v1.0/healthz/outbound")
    assert (refused[0], accepted[0], health[0]) == (401, 204, 204)


async def test_the_app_token_is_presented_to_the_application() -> None:
    app, broker = App([single()]), FakeBroker()
    async with serving(app, broker, app_token="t0ken") as sidecar:
        await publish(sidecar, "pubsub/T", EVENT, **CLOUD_EVENT)
        await broker.wait_handled()
    assert app.got[0].headers["dapr-api-token"] == "t0ken"


async def save(sidecar: FakeSidecar, **item: Any) -> int:
    return (await call(sidecar, "POST", "/v1.0/state/shop-state", json=[{"key": "k", **item}]))[0]


async def test_state_is_saved_read_and_deleted(alone: FakeSidecar) -> None:
    assert await save(alone, value={"a": 1}) == 204
    status, body, headers = await call(alone, "GET", "/v1.0/state/shop-state/k")
    assert (status, json.loads(body)) == (200, {"a": 1})
    assert (await call(alone, "DELETE", "/v1.0/state/shop-state/k", headers={"If-Match": headers["Etag"]}))[0] == 204
    assert (await call(alone, "GET", "/v1.0/state/shop-state/k"))[0] == 204


async def test_the_first_write_wins(alone: FakeSidecar) -> None:
    await save(alone, value=1)
    assert await save(alone, value=2, etag="stale") == 409
    assert await save(alone, value=2, options={"concurrency": "first-write"}) == 409


async def test_a_failed_transaction_changes_nothing(alone: FakeSidecar) -> None:
    operations = [
        {"operation": "upsert", "request": {"key": "a", "value": 1}},
        {"operation": "upsert", "request": {"key": "b", "value": 1, "etag": "stale"}},
    ]
    status, _, _ = await call(alone, "POST", "/v1.0/state/shop-state/transaction", json={"operations": operations})
    found = await call(alone, "POST", "/v1.0/state/shop-state/bulk", json={"keys": ["a", "b"]})
    assert (status, json.loads(found[1])) == (500, [{"key": "a"}, {"key": "b"}])


async def test_malformed_state_is_refused(alone: FakeSidecar) -> None:
    status, body, _ = await call(alone, "POST", "/v1.0/state/shop-state", data=b"no json")
    assert (status, json.loads(body)["errorCode"]) == (400, "ERR_MALFORMED_REQUEST")


async def test_a_store_of_another_service_is_not_found(alone: FakeSidecar) -> None:
    status, body, _ = await call(alone, "GET", "/v1.0/state/other-state/k")
    assert (status, json.loads(body)["errorCode"]) == (400, "ERR_STATE_STORE_NOT_FOUND")


async def test_secrets_are_read_one_by_one_and_all_at_once(alone: FakeSidecar) -> None:
    assert json.loads((await call(alone, "GET", "/v1.0/secrets/secrets/pin"))[1]) == {"pin": "1"}
    assert json.loads((await call(alone, "GET", "/v1.0/secrets/secrets/bulk"))[1]) == {"pin": {"pin": "1"}}
    assert (await call(alone, "GET", "/v1.0/secrets/secrets/none"))[0] == 500


async def test_configuration_is_read() -> None:
    async with FakeSidecar(FakeBroker(), "shop", configuration={"configuration": {"a": "1", "b": "2"}}) as sidecar:
        _, body, _ = await call(sidecar, "GET", "/v1.0/configuration/configuration?key=a")
    assert json.loads(body) == {"a": {"value": "1", "version": "1"}}
