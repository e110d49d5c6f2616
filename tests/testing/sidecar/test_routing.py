"""The fake sidecar follows routing rules as measured on daprd 1.18.2."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pillion.testing.sidecar import FakeBroker
from pillion.testing.sidecar.delivery import InboundRetry
from tests.testing.sidecar.beside import CLOUD_EVENT, EVENT, App, bulk, call, publish, serving, single

NO_RETRY = InboundRetry(limit=0)


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
