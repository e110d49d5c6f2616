"""Stock and reservations, also when many want the same."""

from __future__ import annotations

import asyncio

import pytest

from pillion.testing.harness import HostFactory
from services.inventory.config import InventoryConfig, Opening
from services.inventory.contract import (
    Item,
    ItemUnknown,
    Line,
    OutOfStock,
    Reserve,
    Stock,
    look_up,
    release,
    reserve,
    stock,
)
from services.inventory.service import service

CONFIG = {"inventory": InventoryConfig(opening={"tea": Opening(quantity=10, price=450)})}


def wants(order_id: str, **lines: int) -> Reserve:
    return Reserve(order_id=order_id, lines=[Line(sku=sku, quantity=quantity) for sku, quantity in lines.items()])


async def test_goods_that_arrive_are_added(host: HostFactory) -> None:
    async with host(service, config=CONFIG) as app:
        assert await app.call(stock, Stock(sku="tea", quantity=5, price=500)) == Item(
            sku="tea", available=15, price=500
        )
        assert (await app.call(look_up, "tea")).available == 15


async def test_what_never_was_in_stock_is_unknown(host: HostFactory) -> None:
    async with host(service, config=CONFIG) as app:
        with pytest.raises(ItemUnknown):
            await app.call(look_up, "gold")


async def test_a_reservation_takes_and_says_what_it_costs(host: HostFactory) -> None:
    async with host(service, config=CONFIG) as app:
        assert (await app.call(reserve, wants("o-1", tea=3))).total == 1350
        assert (await app.call(look_up, "tea")).available == 7


async def test_reserving_again_for_the_same_order_changes_nothing(host: HostFactory) -> None:
    async with host(service, config=CONFIG) as app:
        first, second = [await app.call(reserve, wants("o-1", tea=3)) for _ in range(2)]
        assert first == second
        assert (await app.call(look_up, "tea")).available == 7


async def test_all_lines_are_taken_or_none(host: HostFactory) -> None:
    async with host(service, config=CONFIG) as app:
        with pytest.raises(OutOfStock) as caught:
            await app.call(reserve, wants("o-1", tea=3, gold=1))
        assert (caught.value.sku, caught.value.available) == ("gold", 0)
        assert (await app.call(look_up, "tea")).available == 10


async def test_what_is_released_can_be_sold_again_once(host: HostFactory) -> None:
    async with host(service, config=CONFIG) as app:
        await app.call(reserve, wants("o-1", tea=3))
        await app.call(release, "o-1")
        await app.call(release, "o-1")
        assert (await app.call(look_up, "tea")).available == 10


async def test_many_at_once_never_get_more_than_there_is(host: HostFactory) -> None:
    async with host(service, config=CONFIG) as app:
        asked = [app.call(reserve, wants(f"o-{number}", tea=1)) for number in range(20)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert sum(isinstance(answer, OutOfStock) for answer in answers) == 10
        assert (await app.call(look_up, "tea")).available == 0


async def test_the_same_order_twice_at_once_takes_once(host: HostFactory) -> None:
    async with host(service, config=CONFIG) as app:
        first, second = await asyncio.gather(*[app.call(reserve, wants("o-1", tea=3)) for _ in range(2)])
        assert first == second
        assert (await app.call(look_up, "tea")).available == 7
