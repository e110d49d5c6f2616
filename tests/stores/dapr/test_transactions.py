"""Transactions that come side by side share a request to the sidecar, and none suffers from another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from aiohttp import web

from pillion.errors import ConflictError, SidecarError, SidecarUnavailable
from pillion.ports.store import Change, Remove, Upsert
from pillion.sidecar.channel import SidecarChannel
from pillion.sidecar.ports import free_port
from pillion.sidecar.settings import SidecarSettings
from pillion.stores.dapr import DaprStateStore

CAPABILITIES = ["ETAG", "TRANSACTIONAL", "TTL"]


class Peer:
    """A sidecar that notes the keys of each transaction. It refuses "bad"; of "taken" there is a version 1."""

    def __init__(self) -> None:
        self.port = free_port()
        self.transactions: list[list[str]] = []
        app = web.Application()
        app.router.add_get("/v1.0/metadata", self._metadata)
        app.router.add_get("/v1.0/state/state/{key}", self._get)
        app.router.add_post("/v1.0/state/state/bulk", self._get_many)
        app.router.add_post("/v1.0/state/state/transaction", self._transact)
        self.runner = web.AppRunner(app, access_log=None)

    async def _metadata(self, request: web.Request) -> web.Response:
        component = {"name": "state", "type": "state.postgresql", "version": "v1", "capabilities": CAPABILITIES}
        return web.json_response({"components": [component]})

    async def _get(self, request: web.Request) -> web.Response:
        if request.match_info["key"] == "taken":
            return web.Response(body=b"1", headers={"Etag": "1"})
        return web.Response(status=204)

    async def _get_many(self, request: web.Request) -> web.Response:
        keys = (await request.json())["keys"]
        return web.json_response([{"key": key} | ({"data": 1, "etag": "1"} if key == "taken" else {}) for key in keys])

    async def _transact(self, request: web.Request) -> web.Response:
        keys = [operation["request"]["key"] for operation in (await request.json())["operations"]]
        self.transactions.append(keys)
        refused = {"bad", "taken"} & set(keys)
        return web.json_response(
            {"errorCode": "ERR_STATE_TRANSACTION", "message": "no"}, status=500 if refused else 200
        )


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    peer = Peer()
    await peer.runner.setup()
    await web.TCPSite(peer.runner, "127.0.0.1", peer.port).start()
    yield peer
    await peer.runner.cleanup()


@pytest.fixture
async def store(peer: Peer) -> AsyncIterator[DaprStateStore]:
    channel = SidecarChannel(SidecarSettings(http_address=f"http://127.0.0.1:{peer.port}"))
    await channel.start()
    store = DaprStateStore(channel, "state")
    await store.start()
    yield store
    await store.close()
    await channel.close()


def first(key: str) -> Upsert:
    return Upsert(key, b"2", first_write=True)


async def outcomes(store: DaprStateStore, *transactions: Sequence[Change]) -> list[type[BaseException] | None]:
    done = await asyncio.gather(*(store.transact(changes) for changes in transactions), return_exceptions=True)
    return [None if outcome is None else type(outcome) for outcome in done]


async def test_they_share_a_request_in_the_order_of_their_keys(store: DaprStateStore, peer: Peer) -> None:
    assert await outcomes(store, [Upsert("d", b"1"), Upsert("a", b"1")], [Remove("c"), Upsert("b", b"1")]) == [None] * 2
    assert peer.transactions == [["a", "b", "c", "d"]]


async def test_one_that_is_refused_spoils_no_other(store: DaprStateStore, peer: Peer) -> None:
    assert await outcomes(store, [Upsert("a", b"1")], [Upsert("bad", b"1")]) == [None, SidecarError]
    assert peer.transactions[0] == ["a", "bad"]
    assert sorted(peer.transactions[1:]) == [["a"], ["bad"]]


async def test_one_that_conflicts_spoils_no_other(store: DaprStateStore) -> None:
    assert await outcomes(store, [first("a")], [first("taken")], [first("b")]) == [None, ConflictError, None]


async def test_those_that_change_the_same_value_do_not_share(store: DaprStateStore, peer: Peer) -> None:
    changes = [[Upsert("a", b"1"), Upsert("b", b"1")], [Upsert("c", b"1")], [Upsert("a", b"2")]]
    assert await outcomes(store, *changes) == [None, None, None]
    assert peer.transactions == [["a", "b", "c"], ["a"]]


async def test_of_those_that_change_the_same_version_the_later_has_lost(store: DaprStateStore, peer: Peer) -> None:
    changes = [[first("a"), Upsert("b", b"1")], [first("a"), Upsert("c", b"1")]]
    assert await outcomes(store, *changes) == [None, ConflictError]
    assert peer.transactions == [["a", "b"]]


async def test_when_the_first_is_refused_the_later_is_tried(store: DaprStateStore, peer: Peer) -> None:
    changes = [[first("a"), Upsert("bad", b"1")], [first("a"), Upsert("c", b"1")]]
    assert await outcomes(store, *changes) == [SidecarError, None]


async def test_the_one_to_blame_is_found_with_few_requests(store: DaprStateStore, peer: Peer) -> None:
    changes = [[Upsert(f"{number:02}" if number != 21 else "bad", b"1")] for number in range(32)]
    assert await outcomes(store, *changes) == [None] * 21 + [SidecarError] + [None] * 10
    assert len(peer.transactions) == 11


async def test_large_ones_do_not_share(store: DaprStateStore, peer: Peer) -> None:
    large = b'"' + b"x" * 600_000 + b'"'
    assert await outcomes(store, [Upsert("a", large)], [Upsert("b", large)]) == [None, None]
    assert sorted(peer.transactions) == [["a"], ["b"]]


async def test_without_a_sidecar_all_learn_it(store: DaprStateStore, peer: Peer) -> None:
    await peer.runner.cleanup()
    assert await outcomes(store, [Upsert("a", b"1")], [Upsert("b", b"1")]) == [SidecarUnavailable] * 2
