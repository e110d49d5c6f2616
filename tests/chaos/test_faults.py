from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from pillion import Service
from pillion.testing.clock import FakeClock
from pillion.testing.harness import HostFactory
from tests.chaos.brokers import BROKERS, LEAST
from tests.chaos.business.contract import Order, Page, place
from tests.chaos.business.journal import FILE
from tests.chaos.faults import FAULTS
from tests.chaos.oracle import Oracle, Records
from tests.chaos.scenario import SERVICES, Fault

# None of them takes long, and the second and the third have to wait for payments that are shaky.
ORDERS = [
    Order(number=0, units=2, cents=500, covered=True, group=0),
    Order(number=3, units=3, cents=700, covered=False, group=0),
    Order(number=6, units=4, cents=100, covered=True, group=1),
    Order(number=9, units=10, cents=900, covered=True, group=1),
]
STANDING_IN = [name for name, fault in FAULTS.items() if fault.targets]


def services_of(fault: Fault) -> dict[str, Service]:
    """What runs as each service, one instance."""
    found = {}
    for name in SERVICES:
        target = fault.targets.get(name, (f"tests.chaos.business.{name}:service",))[0]
        module, _, attribute = target.partition(":")
        found[name] = getattr(import_module(module), attribute)
    return found


@pytest.mark.parametrize("name", STANDING_IN)
async def test_when_nothing_is_killed_every_order_ends_once(
    name: str, pillion_host: HostFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FILE, str(tmp_path / "journal"))
    services, oracle = services_of(FAULTS[name]), Oracle(ORDERS)
    async with pillion_host(*services.values(), clock=FakeClock()) as host:
        for order in ORDERS:
            await host.send(place, order)
        await host.until_quiet()
        states = {
            service: await host.state(services[service]).of(Page).get_many(oracle.keys(service)) for service in SERVICES
        }
    verdict = oracle.verdict(states, Records(tmp_path / "journal"))
    assert verdict.good, verdict
    assert verdict.processed == len(ORDERS)


@pytest.mark.parametrize("name", STANDING_IN)
def test_what_stands_in_for_a_service_has_its_name_and_its_events(name: str) -> None:
    plain, found = services_of(FAULTS["none"]), services_of(FAULTS[name])
    for service in SERVICES:
        assert found[service].group == plain[service].group
        assert found[service].contract.events.keys() == plain[service].contract.events.keys()


def test_orders_are_asked_for_where_a_fault_and_a_broker_are() -> None:
    assert LEAST.keys() <= BROKERS.keys()
    assert {name for least in LEAST.values() for name in least} <= FAULTS.keys()
