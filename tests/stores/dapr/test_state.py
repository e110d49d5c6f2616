"""The Dapr state store, beside components that can do less than those of the conformance tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from pillion.errors import SidecarError, StoreError
from pillion.ports.store import Remove, StateCapabilities, Upsert
from pillion.sidecar.channel import SidecarChannel
from pillion.sidecar.ports import free_port
from pillion.sidecar.settings import SidecarSettings
from pillion.stores.dapr import DaprStateStore

BROKEN = {"errorCode": "ERR_STATE_SAVE", "message": "disk full"}


class Peer:
    """A sidecar with one state component, empty and failing at every write."""

    def __init__(self, type_: str, *capabilities: str) -> None:
        self.component = {"name": "state", "type": type_, "version": "v1", "capabilities": capabilities}
        self.port = free_port()
        app = web.Application()
        app.router.add_get("/v1.0/metadata", self._metadata)
        app.router.add_get("/v1.0/state/state/{key}", self._nothing)
        app.router.add_post("/v1.0/state/state", self._broken)
        self.runner = web.AppRunner(app, access_log=None)

    async def _metadata(self, request: web.Request) -> web.Response:
        return web.json_response({"components": [self.component]})

    async def _nothing(self, request: web.Request) -> web.Response:
        return web.Response(status=204)

    async def _broken(self, request: web.Request) -> web.Response:
        return web.json_response(BROKEN, status=500)


@pytest.fixture
def peer(request: pytest.FixtureRequest) -> Peer:
    return Peer(*request.param)


@pytest.fixture
async def store(peer: Peer) -> AsyncIterator[DaprStateStore]:
    await peer.runner.setup()
    await web.TCPSite(peer.runner, "127.0.0.1", peer.port).start()
    channel = SidecarChannel(SidecarSettings(http_address=f"http://127.0.0.1:{peer.port}"))
    await channel.start()
    store = DaprStateStore(channel, "state")
    await store.start()
    yield store
    await channel.close()
    await peer.runner.cleanup()


SIMPLE = ("state.memcached",)
REDIS = ("state.redis", "ETAG", "TRANSACTIONAL", "TTL")
FULL = ("state.postgresql", "ETAG", "TRANSACTIONAL", "TTL")


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        (SIMPLE, StateCapabilities(etags=False, transactions=False, conditional_transactions=False, ttl=False)),
        (REDIS, StateCapabilities(conditional_transactions=False)),
        (FULL, StateCapabilities()),
    ],
    indirect=["peer"],
)
async def test_capabilities_are_those_of_the_component(store: DaprStateStore, expected: StateCapabilities) -> None:
    assert store.capabilities == expected


@pytest.mark.parametrize("peer", [SIMPLE], indirect=True)
async def test_what_the_component_cannot_do_is_refused(store: DaprStateStore) -> None:
    with pytest.raises(StoreError, match="keeps no ETags"):
        await store.write([Upsert("1", b"1", first_write=True)])
    with pytest.raises(StoreError, match="lets no values expire"):
        await store.write([Upsert("1", b"1", ttl=5)])
    with pytest.raises(StoreError, match="has no transactions"):
        await store.transact([Upsert("1", b"1"), Remove("2")])


@pytest.mark.parametrize("peer", [REDIS], indirect=True)
async def test_redis_refuses_a_transaction_that_it_could_not_take_back(store: DaprStateStore) -> None:
    with pytest.raises(StoreError, match=r"does not roll back .* such as state\.postgresql"):
        await store.transact([Upsert("1", b"1", etag="1"), Remove("2")])


@pytest.mark.parametrize("peer", [FULL], indirect=True)
async def test_a_failure_that_is_no_conflict_stays_what_it_is(store: DaprStateStore) -> None:
    with pytest.raises(SidecarError, match="disk full"):
        await store.write([Upsert("1", b"1", first_write=True)])
