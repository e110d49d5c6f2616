"""State, secrets and configuration of the fake sidecar are as measured on daprd 1.18.2."""

from __future__ import annotations

import json
from typing import Any

from pillion.testing.sidecar import FakeBroker, FakeSidecar
from tests.testing.sidecar.beside import call


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
