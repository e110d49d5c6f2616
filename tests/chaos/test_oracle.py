from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.chaos.business.contract import Order, Page
from tests.chaos.oracle import EFFECTS, Oracle, Records, effects_of, key_of, make_orders

States = dict[str, dict[str, Page]]
CONFIRMED = Order(number=0, units=2, cents=500, covered=True, group=0)
DECLINED = Order(number=1, units=3, cents=700, covered=False, group=0)
REFUSED = Order(number=2, units=10, cents=900, covered=True, group=0)
ORDERS = [CONFIRMED, DECLINED, REFUSED]


@pytest.fixture
def oracle() -> Oracle:
    return Oracle(ORDERS)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def state_of(orders: Iterable[Order]) -> States:
    """What the services remember when everything happened once."""
    states: States = {service: defaultdict(Page) for service in set(EFFECTS.values())}
    for order in orders:
        for effect in effects_of(order):
            page = states[EFFECTS[effect]][key_of(order, EFFECTS[effect])]
            page.effects[f"{order.number}:{effect}"] = 1
            amounts = {"reserved": order.units, "released": -order.units, "charged": order.cents}
            page.total += amounts.get(effect, 0)
            page.status = effect
    return states


def write(journal: Path, *names: str) -> None:
    with journal.open("a") as file:
        for name in names:
            number, _, effect = name.partition(":")
            file.write(json.dumps({"order": int(number), "effect": effect, "time": 1.0}) + "\n")


def test_all_is_well_when_everything_happened_once(oracle: Oracle, journal: Path) -> None:
    verdict = oracle.verdict(state_of(ORDERS), Records(journal))
    assert verdict.good
    assert verdict.processed == len(ORDERS)


def test_a_missing_effect_is_lost(oracle: Oracle, journal: Path) -> None:
    states = state_of(ORDERS)
    del states["inventory"]["0"].effects["1:released"]
    assert oracle.verdict(states, Records(journal)).lost == 1


def test_an_effect_that_was_applied_three_times_is_doubled_twice(oracle: Oracle, journal: Path) -> None:
    states = state_of(ORDERS)
    states["payments"]["0"].effects["0:charged"] = 3
    assert oracle.verdict(states, Records(journal)).doubled == 2


def test_an_effect_that_must_not_be_is_wrong(oracle: Oracle, journal: Path) -> None:
    states = state_of(ORDERS)
    states["payments"]["0"].effects["2:charged"] = 1
    assert oracle.verdict(states, Records(journal)).wrong == ("2:charged happened and must not",)


def test_money_that_does_not_add_up_is_wrong(oracle: Oracle, journal: Path) -> None:
    states = state_of(ORDERS)
    states["payments"]["0"].total += 1
    assert oracle.verdict(states, Records(journal)).wrong == ("payments: 501 taken in all, 500 ordered",)


def test_an_order_in_another_state_is_not_processed(oracle: Oracle, journal: Path) -> None:
    states = state_of(ORDERS)
    states["orders"]["0"].status = "placed"
    assert oracle.verdict(states, Records(journal)).processed == 2


def test_it_is_done_when_the_journal_has_every_effect(oracle: Oracle, journal: Path) -> None:
    records = Records(journal)
    names = sorted(oracle.expected)
    write(journal, *names[1:])
    records.read()
    assert not oracle.done(records)
    write(journal, names[0])
    records.read()
    assert oracle.done(records)


def test_a_line_that_is_being_written_is_left_for_later(journal: Path) -> None:
    records = Records(journal)
    journal.write_text('{"order": 1, "eff')
    records.read()
    journal.write_text('{"order": 1, "effect": "placed", "time": 1.0}\n')
    records.read()
    assert records.seen == {"1:placed": 1}


def test_the_same_seed_makes_the_same_orders() -> None:
    assert make_orders(50, random.Random("7")) == make_orders(50, random.Random("7"))
