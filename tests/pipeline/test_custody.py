"""A sent command that takes long is kept while it is in hand, and handled from there if its host dies."""

from __future__ import annotations

from msgspec import Raw

from pillion import Contract, Service
from pillion.message import Message
from pillion.outcome import Ack, Retry
from pillion.ports.bridge import Kind, Release
from pillion.runtime.host import Host
from pillion.stores.memory import MemoryStateStore
from pillion.testing.clock import FakeClock
from pillion.testing.harness import hosted
from pillion.testing.parts import HarnessBridge

SENT = Message("1", "/x", "orders.v1.place", "1.0", data=Raw(b"7"))


def placing(done: list[int]) -> Service:
    contract = Contract("orders")
    service = Service(contract)

    @service.handles(contract.command("place", int, None))
    async def place(number: int) -> None:
        done.append(number)

    return service


async def keep(host: Host) -> Release:
    """Do what a bridge does when a send has been in hand for too long."""
    assert isinstance(host.bridge, HarnessBridge)
    custody = next(route.custody for route in host.bridge._routes if route.kind is Kind.SEND)
    assert custody is not None
    return await custody(SENT)


async def test_it_is_handled_though_its_host_died() -> None:
    done: list[int] = []
    clock, stores = FakeClock(), {"orders-state": MemoryStateStore()}
    async with hosted(placing(done), clock=clock, stores=stores) as app:
        await keep(app.host)
    async with hosted(placing(done), clock=clock, stores=stores) as app:
        await app.until_quiet()  # which takes the clock past the lease
    assert done == [7]


async def test_it_is_forgotten_when_it_is_done() -> None:
    done: list[int] = []
    async with hosted(placing(done), clock=FakeClock(), stores={"orders-state": MemoryStateStore()}) as app:
        release = await keep(app.host)
        await release(Ack())
        assert not app.host.keepers[0].waiting


async def test_what_could_neither_be_handled_nor_set_aside_is_handled_again() -> None:
    done: list[int] = []
    clock = FakeClock()
    async with hosted(placing(done), clock=clock, stores={"orders-state": MemoryStateStore()}) as app:
        release = await keep(app.host)
        await release(Retry("the broker is away"))
        await clock.advance(60)
        await app.until_quiet()
    assert done == [7]
