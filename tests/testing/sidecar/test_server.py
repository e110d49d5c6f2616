"""Health, metadata, invocation and tokens of the fake sidecar are as measured on daprd 1.18.2."""

from __future__ import annotations

import json

from pillion.testing.sidecar import FakeBroker, FakeSidecar
from tests.testing.sidecar.beside import CLOUD_EVENT, EVENT, TRACE, App, bulk, call, publish, serving, single


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
