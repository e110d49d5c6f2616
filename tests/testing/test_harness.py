"""The test kit itself: what a user's test sees of it."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from pydantic import BaseModel

from pillion import Context, Contract, DeclarationError, Failure, Retry, Service, guard
from pillion.errors import DeadlineExceeded, Forbidden, InternalError
from pillion.testing.clock import FakeClock
from pillion.testing.doubles import MissingDoubleError, double
from pillion.testing.harness import HostFactory


class Order(BaseModel):
    item: str
    quantity: int = 1


class Receipt(BaseModel):
    total: int


class Declined(Failure):
    status = 402
    reason: str


class ShopConfig(BaseModel):
    price: int = 3


payments = Contract("payments")
charge = payments.command("charge", int, Receipt, raises=[Declined])
notify = payments.command("notify", str)

orders = Contract("orders")
place = orders.command("place", Order, Receipt, raises=[Declined])
inform = orders.command("inform", str)
placed = orders.event("placed", Order)
retried = orders.event("retried", int)
broken = orders.event("broken", int)


def build() -> Service[ShopConfig, Any]:
    """A service with everything that a test may want to look at; its attempts are in ``attempts``."""
    shop = Service(orders, config=ShopConfig)

    @guard
    def only_known(ctx: Context, order: Order) -> bool:
        return ctx.message.principal_id is not None

    @shop.handles(place, calls=[charge], emits=[placed], guards=[only_known])
    async def place_order(ctx: Context[ShopConfig], order: Order) -> Receipt:
        receipt = await ctx.call(charge, order.quantity * ctx.settings.price)
        await ctx.state.set("last", order.item)
        ctx.emit(placed, order)
        return receipt

    @shop.handles(inform, calls=[notify], retry=Retry(attempts=1))
    async def inform_customer(ctx: Context, text: str) -> None:
        ctx.send(notify, text)

    @shop.on(retried, retry=Retry(attempts=3, backoff="5s..60s", jitter=0))
    async def retry(ctx: Context, number: int) -> None:
        raise Retry("not yet")

    @shop.on(broken)
    async def swallow(number: int) -> None:
        await asyncio.Event().wait()

    return shop


async def test_a_call_is_answered_through_a_double(host: HostFactory) -> None:
    stand_in = double(charge).returns(Receipt(total=6))
    async with host(build(), doubles=[stand_in]) as app:
        assert await app.call(place, Order(item="tea", quantity=2), principal="ada") == Receipt(total=6)
    assert stand_in.calls == [6]


async def test_both_names_of_the_fixture_are_the_same(host: HostFactory, pillion_host: HostFactory) -> None:
    assert host is pillion_host


async def test_a_double_fails_as_the_service_would(host: HostFactory) -> None:
    async with host(build(), doubles=[double(charge).raises(Declined(reason="empty"))]) as app:
        with pytest.raises(Declined) as caught:
            await app.call(place, Order(item="tea"), principal="ada")
    assert caught.value.reason == "empty"


async def test_a_double_computes_its_answer(host: HostFactory) -> None:
    async def answer(amount: int) -> Receipt:
        return Receipt(total=amount * 10)

    async with host(build(), doubles=[double(charge).does(answer)]) as app:
        assert await app.call(place, Order(item="tea"), principal="ada") == Receipt(total=30)


def test_a_double_refuses_an_answer_of_another_type() -> None:
    with pytest.raises(TypeError, match="Receipt"):
        double(charge).returns("no receipt")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def test_a_call_that_nothing_answers_names_the_command_and_what_to_do(host: HostFactory) -> None:
    async with host(build()) as app:
        with pytest.raises(MissingDoubleError, match=r"payments\.v1\.charge .* doubles=\[double\(charge\)") as caught:
            await asyncio.wait_for(app.call(place, Order(item="tea"), principal="ada"), 1)
    assert isinstance(caught.value.__cause__, InternalError)


async def test_a_double_without_an_answer_is_refused(host: HostFactory) -> None:
    async with host(build(), doubles=[double(charge)]) as app:
        with pytest.raises(MissingDoubleError, match="its double has no answer"):
            await app.call(place, Order(item="tea"), principal="ada")


async def test_a_missing_double_that_nobody_saw_fails_the_test_at_the_end(host: HostFactory) -> None:
    with pytest.raises(MissingDoubleError, match=r"payments\.v1\.notify"):
        async with host(build()) as app:
            await app.send(inform, "hello")


async def test_a_double_takes_what_is_sent_without_reply(host: HostFactory) -> None:
    stand_in = double(notify).returns(None)
    async with host(build(), doubles=[stand_in]) as app:
        await app.call(inform, "hello")
        await app.until_quiet()
    assert stand_in.calls == ["hello"]


async def test_a_double_of_a_hosted_command_is_refused(host: HostFactory) -> None:
    with pytest.raises(DeclarationError, match="its service is hosted"):
        async with host(build(), doubles=[double(inform).returns(None)]):
            pass


async def test_two_doubles_of_one_command_are_refused(host: HostFactory) -> None:
    with pytest.raises(DeclarationError, match="two doubles"):
        async with host(build(), doubles=[double(notify).returns(None), double(notify).returns(None)]):
            pass


async def test_a_guard_refuses_until_it_is_replaced(host: HostFactory) -> None:
    receipt = double(charge).returns(Receipt(total=1))
    async with host(build(), doubles=[receipt]) as app:
        with pytest.raises(Forbidden):
            await app.call(place, Order(item="tea"))
    async with host(build(), doubles=[receipt], replace_guards={"only_known": lambda ctx, payload: True}) as app:
        assert await app.call(place, Order(item="tea")) == Receipt(total=1)


async def test_replacing_a_guard_that_nobody_has_is_refused(host: HostFactory) -> None:
    with pytest.raises(DeclarationError, match="no handler has a guard is_owner; there are: only_known"):
        async with host(build(), replace_guards={"is_owner": lambda ctx, payload: True}):
            pass


async def test_config_is_given_as_a_mapping_or_a_model(host: HostFactory) -> None:
    for given in ({"price": 7}, ShopConfig(price=7)):
        stand_in = double(charge).returns(Receipt(total=0))
        async with host(build(), doubles=[stand_in], config={"orders": given}) as app:
            await app.call(place, Order(item="tea"), principal="ada")
        assert stand_in.calls == [7]


async def test_config_of_an_unknown_service_is_refused(host: HostFactory) -> None:
    with pytest.raises(DeclarationError, match=r'no service "order" .* those that do: orders, orders\.v1'):
        async with host(build(), config={"order": {}}):
            pass


async def test_captured_messages_are_seen_typed(host: HostFactory) -> None:
    async with host(build(), doubles=[double(charge).returns(Receipt(total=1))], capture=True) as app:
        await app.call(place, Order(item="tea"), principal="ada", tenant="acme", correlation="c-1")
        await app.until_quiet()
        assert app.emitted(placed) == [Order(item="tea")]
        assert [message.type for message in app.messages] == [
            "orders.v1.place",
            "payments.v1.charge",
            "payments.v1.charge.reply",
            "orders.v1.placed",
            "orders.v1.place.reply",
        ]
        assert {message.correlation_id for message in app.messages} == {"c-1"}


async def test_nothing_is_captured_unless_asked(host: HostFactory) -> None:
    async with host(build()) as app:
        with pytest.raises(RuntimeError, match="capture=True"):
            _ = app.messages


async def test_state_of_a_service_can_be_looked_at(host: HostFactory) -> None:
    shop = build()
    async with host(shop, doubles=[double(charge).returns(Receipt(total=1))]) as app:
        await app.call(place, Order(item="tea"), principal="ada")
        assert await app.state(shop).get("last", str) == "tea"


async def test_state_in_a_shared_component_is_looked_at_as_its_services_see_it(host: HostFactory) -> None:
    alpha, beta = Service("alpha", state="shared"), Service("beta", state="shared")

    @alpha.command
    async def put(ctx: Context, text: str) -> None:
        await ctx.state.set("text", text)

    async with host(alpha, beta) as app:
        await app.call(put, "alpha's")
        assert await app.state(alpha).get("text", str) == "alpha's"
        assert await app.state(beta).get("text", str) is None


async def test_waits_between_retries_are_skipped_on_a_fake_clock(host: HostFactory) -> None:
    clock = FakeClock(start=1000.0)
    async with host(build(), clock=clock, capture=True) as app:
        await app.emit(retried, 1)
        await app.until_quiet()
        assert [letter.attempt for letter in app.letters] == [3]
        assert clock.now() == 1015.0


async def test_a_letter_is_the_message_that_was_set_aside_and_names_its_handler(host: HostFactory) -> None:
    async with host(build(), clock=FakeClock(), capture=True) as app:
        await app.emit(retried, 1)
        await app.until_quiet()
        (event,) = [message for message in app.messages if message.type == retried.address and not message.subscriber]
        (letter,) = app.letters
        assert (letter.id, letter.subscriber) == (event.id, "orders.v1.retry")


async def test_a_retry_waits_for_its_back_off(host: HostFactory) -> None:
    clock = FakeClock()
    async with host(build(), clock=clock, capture=True) as app:
        await app.emit(retried, 1)
        await clock.until_asleep()
        await clock.advance(4.9)
        assert clock.sleeping == 1
        assert app.letters == []
        await app.until_quiet()


async def test_time_outs_of_calls_and_handlers_are_real_on_a_fake_clock(host: HostFactory) -> None:
    service = Service("slow")

    @service.command(timeout=30)
    async def hang() -> None:
        await asyncio.Event().wait()

    @service.command
    def hang_in_a_thread() -> None:
        released.wait(10)

    released = threading.Event()
    async with host(service, clock=FakeClock()) as app:
        with pytest.raises(DeadlineExceeded):
            await app.call(hang, None, timeout=0.05)
        with pytest.raises(DeadlineExceeded):
            await app.call(hang_in_a_thread, None, timeout=0.05)
        released.set()


async def test_what_never_gets_quiet_is_told(host: HostFactory) -> None:
    async with host(build(), drain_seconds=0.01) as app:
        await app.emit(broken, 1)
        with pytest.raises(TimeoutError, match="1 messages are still queued"):
            await app.until_quiet(limit=0.05)
