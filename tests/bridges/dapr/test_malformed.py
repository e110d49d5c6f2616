"""Whatever arrives at the app channel, it answers with something that daprd understands, and goes on."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from pillion.configuration import Configuration
from pillion.context import Context
from pillion.runtime.beside import host_beside_sidecar
from pillion.runtime.settings import HostSettings
from pillion.service.contract import Contract
from pillion.service.service import Service
from pillion.sidecar.ports import free_port
from pillion.testing.sidecar import FakeBroker, FakeSidecar

# Ten thousand in all, in parts that can run beside each other.
INPUTS, PARTS = 10_000, 10
UNDERSTOOD = {200, 400, 413, 503}
STATUSES = {"SUCCESS", "RETRY", "DROP"}
CONFIGURATION = "/configuration/configuration/limit"
EVENT = {"id": "1", "source": "/x", "type": "sink.v1.told", "specversion": "1.0", "data": 1}


def malformed(dice: random.Random) -> bytes:
    """One of many things that are no good delivery."""
    return dice.choice(MAKERS)(dice)


def noise(dice: random.Random) -> bytes:
    return dice.randbytes(dice.randrange(200))


def cut_off(dice: random.Random) -> bytes:
    whole = bulk(json.dumps(EVENT).encode())
    return whole[: dice.randrange(len(whole))]


def wrong_types(dice: random.Random) -> bytes:
    value: Any = dice.choice([None, 5, [], {}, "text", True, -1e300, "\x00", {"a": [1]}])
    event = {**EVENT, dice.choice([*EVENT, "traceid", "time", "deadline", "attempt", "subject"]): value}
    return bulk(json.dumps(event).encode())


def no_event(dice: random.Random) -> bytes:
    return bulk(dice.choice([b"", b"[]", b"null", b"5", b'"text"', b"{}", dice.randbytes(50)]))


def wrong_envelope(dice: random.Random) -> bytes:
    return dice.choice(
        [
            b'{"entries":null}',
            b'{"entries":[{}]}',
            b'{"entries":[{"entryId":1,"event":"AA=="}]}',
            b'{"entries":[{"entryId":"1","event":"not base64!"}]}',
            b'{"entries":{"entryId":"1"}}',
            b'{"data_base64":"%%%"}',
            b'{"data_base64":5}',
            b"[]",
        ]
    )


def wrong_configuration(dice: random.Random) -> bytes:
    wrong = [{"value": 5}, {"value": None}, {"value": "7", "version": 2}, {"value": "7", "metadata": 3}]
    item: Any = dice.choice([None, 5, [], "text", *wrong])
    return json.dumps({"id": "1", "items": dice.choice([item, {"limit": item}, {"limit": item, "other": {}}])}).encode()


def deep(dice: random.Random) -> bytes:
    depth = dice.randrange(500, 5000)
    nested = b"[" * depth + b"]" * depth
    return dice.choice(
        [nested, bulk(nested), bulk(b'{"id":"1","source":"s","type":"t","specversion":"1.0","data":' + nested + b"}")]
    )


def huge(dice: random.Random) -> bytes:
    return bulk(json.dumps({**EVENT, "data": "x" * dice.randrange(10_000, 60_000)}).encode())


def bulk(event: bytes) -> bytes:
    entry = {"entryId": "1", "event": base64.b64encode(event).decode(), "contentType": "application/octet-stream"}
    return json.dumps({"entries": [entry], "id": "1", "type": "com.dapr.event.sent.bulk"}).encode()


MAKERS = (noise, cut_off, wrong_types, no_event, wrong_envelope, wrong_configuration, deep, huge)


class WatchedSidecar(FakeSidecar):
    """One that takes subscriptions to configuration; what it would tell of changes, the test posts."""

    def _own_routes(self) -> list[web.RouteDef]:
        async def subscribe(_: web.Request) -> web.Response:
            return web.json_response({"id": "1"})

        store = "/v1.0/configuration/{store}"
        return [
            *super()._own_routes(),
            web.get(f"{store}/subscribe", subscribe),
            web.get(f"{store}/1/unsubscribe", subscribe),
        ]


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
async def test_ten_thousand_malformed_inputs_harm_nothing(part: int) -> None:
    contract = Contract("sink")
    told, count = contract.event("told", int), contract.command("count", int, int)
    sink, got, everywhere, changes = Service(contract), asyncio.Event(), asyncio.Event(), asyncio.Queue[Any]()
    watching: list[asyncio.Task[None]] = []

    @sink.on(told)
    async def note(number: int) -> None:
        if number == 424242:
            got.set()

    @sink.on(told, broadcast=True)
    async def note_everywhere(number: int) -> None:
        if number == 424242:
            everywhere.set()

    async def watch(configuration: Configuration) -> None:
        async for change in configuration.watch(["limit"], int):
            changes.put_nowait(change)

    @sink.handles(count)
    async def count_on(ctx: Context, number: int) -> int:
        if not watching:
            watching.append(asyncio.create_task(watch(ctx.config)))
        return number + 1

    app_port, limit = free_port(), {"configuration": {"limit": "5"}}
    async with WatchedSidecar(FakeBroker(), "sink", app_port, configuration=limit) as sidecar:
        environ = {"APP_ID": "sink", "APP_PORT": str(app_port), "DAPR_HTTP_PORT": str(sidecar.http_port)}
        async with host_beside_sidecar([sink], HostSettings(), environ) as host:
            await sidecar.wait_ready()
            assert await host.call(count, 0) == 1
            assert await changes.get() == {"limit": 5}
            await bombard(f"http://127.0.0.1:{app_port}", random.Random(20261121 + part))
            await sidecar.call_app("POST", CONFIGURATION, {}, b'{"id":"1","items":{"limit":{"value":"7"}}}')
            await host.emit(told, 424242)
            async with asyncio.timeout(30):
                await asyncio.gather(got.wait(), everywhere.wait())
                assert await changes.get() == {"limit": 7}
            assert await host.call(count, 1) == 2
            watching[0].cancel()


async def paths(session: aiohttp.ClientSession, address: str) -> list[str]:
    async with session.get(address + "/dapr/subscribe") as response:
        found = [subscription["route"] for subscription in await response.json()]
    return [*found, "/ignored", "/", "/sink.v1.count", "/gone", "/configuration/store/key", CONFIGURATION]


async def bombard(address: str, dice: random.Random) -> None:
    async def send(session: aiohttp.ClientSession) -> None:
        for path, body, headers in inputs:
            async with session.post(address + path, data=body, headers=headers) as response:
                check(path, response.status, await response.read())

    async with aiohttp.ClientSession() as session:
        inputs = requests(dice, await paths(session, address))
        await asyncio.gather(*(send(session) for _ in range(8)))


def requests(dice: random.Random, targets: list[str]) -> Iterator[tuple[str, bytes, dict[str, str]]]:
    kinds = ["application/json", "application/cloudevents+json", "text/plain", "application/octet-stream"]
    for _ in range(INPUTS // PARTS):
        yield dice.choice(targets), malformed(dice), {"content-type": dice.choice(kinds)}


def check(path: str, status: int, body: bytes) -> None:
    assert status in UNDERSTOOD, (path, status, body)
    if status != 200:
        return
    answer: Any = json.loads(body)
    if isinstance(answer, dict):
        told = [entry["status"] for entry in answer.get("statuses", ())]
        told += [answer["status"]] if isinstance(answer.get("status"), str) else []
        assert STATUSES.issuperset(told), (path, body)
