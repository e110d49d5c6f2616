from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from pydantic import BaseModel

from pillion import (
    ConflictError,
    Context,
    Contract,
    DeadLetter,
    Drop,
    Expose,
    Failure,
    NotFound,
    Retry,
    Service,
    Setup,
    exact,
    foreign_event,
    guard,
    prefix,
)

# A contract: pure data, importable by anyone.


class Booking(BaseModel):
    seat: str
    guest: str


class SeatTaken(Failure):
    """The seat is taken."""

    status = 409
    seat: str


seats = Contract("seats", version=1, description="Seats of one hall.")
booked = seats.event("booked", Booking)
book = seats.command(
    "book",
    Booking,
    Booking,
    raises=[SeatTaken],
    timeout=5,
    emits_result=booked,
    announced=True,
    expose=Expose("POST", "/seats/{seat}/bookings", status=201),
    description="Book a seat.",
    examples=[Booking(seat="A1", guest="Ada")],
)
guest_of = seats.command("guest_of", str, str, raises=[NotFound])
free = seats.command("free", str, None, deprecated="use cancel of version 2")

# The service: handlers, config, resources.


class SeatsConfig(BaseModel):
    rows: str = "ABC"
    closed: bool = False


class Prices:
    def __init__(self, best_row: str) -> None:
        self._best_row = best_row

    def of(self, seat: str) -> int:
        return 2000 if seat.startswith(self._best_row) else 1000


@asynccontextmanager
async def open_prices(setup: Setup[SeatsConfig]) -> AsyncIterator[Prices]:
    yield Prices(best_row=setup.settings.rows[0])


service = Service(seats, config=SeatsConfig, resources=open_prices)


@guard
def is_open(ctx: Context[SeatsConfig], _: object) -> bool:
    return not ctx.settings.closed


@guard(when="after")
def is_own(ctx: Context, booking: Booking) -> bool:
    return ctx.message.principal_id in (None, booking.guest)


@service.handles(book, guards=[is_open, is_own])
async def book_seat(ctx: Context[SeatsConfig, Prices], request: Booking) -> Booking:
    try:
        await ctx.state.of(Booking).set(request.seat, request, first_write=True)
    except ConflictError:
        raise SeatTaken(seat=request.seat) from None
    ctx.log.info("booked", seat=request.seat, price=ctx.resources.of(request.seat))
    return request


@service.handles(guest_of)
async def find_guest(ctx: Context, seat: str) -> str:
    found = await ctx.state.of(Booking).get(seat)
    if found is None:
        raise NotFound(what=f"booking of {seat}")
    return found.guest


@service.handles(free)
async def free_seat(ctx: Context, seat: str) -> None:
    bookings = ctx.state.of(Booking)
    item = await bookings.get_item(seat)
    if item is not None:
        await bookings.delete(seat, etag=item.etag)


# Subscriptions.

audience = Service("audience")


@audience.on(booked, retry=Retry(attempts=3, backoff="200ms..30s"))
async def welcome(ctx: Context, booking: Booking) -> None:
    if booking.guest == "nobody":
        raise Drop("there is nobody to welcome")
    if booking.guest == "Mallory":
        raise DeadLetter("somebody has to look at this")
    if ctx.message.attempt < 2 and booking.guest == "Late":
        raise Retry("not here yet", after=0.05)
    await ctx.state.set(f"welcomed:{booking.guest}", datetime.now(UTC))


@audience.on(booked, where=exact(tenant="acme") & prefix(subject="vip-"), broadcast=True)
async def show(booking: Booking) -> None:
    print("on every screen:", booking.guest)


@audience.on(book.failed)
async def console(ctx: Context) -> None:
    ctx.log.info("somebody did not get a seat")


class Weather(BaseModel):
    degrees: float


weather = foreign_event("weather", Weather)


@audience.on(weather, dead_letter=False)
def warn(weather: Weather) -> None:
    if weather.degrees > 30:
        print("take water with you")


# Two versions side by side; the old one translates.


class Seat(BaseModel):
    row: str
    number: int


seats_v2 = Contract("seats", version=2)
guest_in = seats_v2.command("guest_of", Seat, str, raises=[NotFound])
service_v2 = Service(seats_v2)


def as_text(seat: Seat) -> str:
    return f"{seat.row}{seat.number}"


@service_v2.handles(guest_in, calls=[guest_of], transform_in=as_text)
async def ask_version_one(ctx: Context, seat: str) -> str:
    return await ctx.call(guest_of, seat)
