import pytest

import declaring
from declaring import Booking, Seat, SeatTaken, Weather, book, booked, free, guest_in, guest_of, weather
from pillion import Forbidden, NotFound
from pillion.testing.clock import FakeClock

ADA = Booking(seat="A1", guest="Ada")


async def test_a_seat_is_booked_once(host):
    async with host(declaring.service, capture=True) as app:
        assert await app.call(book, ADA) == ADA
        with pytest.raises(SeatTaken) as failure:
            await app.call(book, Booking(seat="A1", guest="Bob"))
        assert failure.value.seat == "A1"
        await app.until_quiet()
        assert app.emitted(booked) == [ADA]
        assert [failed.code for failed in app.emitted(book.failed)] == ["seat_taken"]


async def test_guards_are_replaced_by_name(host):
    async with host(declaring.service, config={"seats": {"closed": True}}) as app:
        with pytest.raises(Forbidden):
            await app.call(book, ADA)
    always = {"is_open": lambda _ctx, _payload: True}
    async with host(declaring.service, config={"seats": {"closed": True}}, replace_guards=always) as app:
        assert await app.call(book, ADA) == ADA


async def test_a_guard_after_the_handler_keeps_the_answer_back(host):
    async with host(declaring.service) as app:
        with pytest.raises(Forbidden):
            await app.call(book, ADA, principal="Bob")


async def test_a_seat_is_freed(host):
    async with host(declaring.service) as app:
        await app.call(book, ADA)
        await app.call(free, "A1")
        with pytest.raises(NotFound):
            await app.call(guest_of, "A1")


async def test_versions_run_side_by_side(host):
    async with host(declaring.service, declaring.service_v2) as app:
        await app.call(book, ADA)
        assert await app.call(guest_in, Seat(row="A", number=1)) == "Ada"


async def test_a_late_guest_is_welcomed_in_the_end(host):
    async with host(declaring.audience, clock=FakeClock()) as app:
        await app.emit(booked, Booking(seat="B1", guest="Late"))
        await app.until_quiet()
        assert await app.state(declaring.audience).get("welcomed:Late", str)


async def test_what_nobody_can_welcome_is_set_aside(host):
    async with host(declaring.audience, capture=True) as app:
        await app.emit(booked, Booking(seat="B2", guest="Mallory"))
        await app.emit(booked, Booking(seat="B3", guest="nobody"))
        await app.until_quiet()
        [letter] = app.letters
        assert letter.subscriber == "audience.v1.welcome"
        assert letter.failure_title == "somebody has to look at this"


async def test_filters_and_foreign_events(host, capsys):
    async with host(declaring.audience) as app:
        await app.emit(booked, ADA, tenant="acme", key="vip-1")
        await app.emit(booked, ADA, tenant="other", key="vip-1")
        await app.emit(weather, Weather(degrees=31))
        await app.until_quiet()
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "app=" not in line] == ["on every screen: Ada", "take water with you"]
