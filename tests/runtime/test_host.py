"""A host: starts in order, takes work while it runs, and closes what it opened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from pydantic import BaseModel

from pillion import (
    ConfigurationError,
    Context,
    Contract,
    DeclarationError,
    Host,
    InternalError,
    Service,
    Setup,
    Unavailable,
)
from pillion.bridges.memory.bridge import MemoryBridge
from pillion.runtime.host import DRAINED
from pillion.runtime.settings import HostSettings
from pillion.runtime.stores import Stores
from pillion.stores.memory import MemoryStateStore

NO_STORES = Stores(lambda _: None)


class Config(BaseModel):
    greeting: str = "Hello"


def host(*services: Service, stores: Stores = NO_STORES, **options: object) -> Host:
    return Host(*services, bridge=MemoryBridge(), stores=stores, **options)  # type: ignore[arg-type]


async def test_resources_live_from_start_to_stop() -> None:
    log: list[str] = []

    @asynccontextmanager
    async def connect(setup: Setup[Config]) -> AsyncIterator[str]:
        log.append("open")
        yield setup.settings.greeting
        log.append("closed")

    service = Service("greeter", config=Config, resources=connect)

    @service.command
    async def greet(ctx: Context[Config, str], name: str) -> str:
        return f"{ctx.resources}, {name}"

    async with host(service, configs={"greeter": Config(greeting="Moin")}) as app:
        assert await app.call(greet, "Ada") == "Moin, Ada"
        assert log == ["open"]
    assert log == ["open", "closed"]


async def test_resources_that_are_no_context_manager_are_named() -> None:
    async def connect(_: Setup[Config]) -> AsyncIterator[str]:
        yield "undecorated"

    service = Service("greeter", resources=connect)  # type: ignore[arg-type]
    with pytest.raises(DeclarationError, match=r"greeter\.v1: .* decorate its function with @asynccontextmanager"):
        await host(service).start()


async def test_what_was_opened_is_closed_when_the_start_fails() -> None:
    log: list[str] = []

    @asynccontextmanager
    async def connect(_: Setup) -> AsyncIterator[None]:
        log.append("open")
        yield
        log.append("closed")

    @asynccontextmanager
    async def refuse(_: Setup) -> AsyncIterator[None]:
        raise ConnectionError("no database")
        yield

    app = host(Service("one", resources=connect), Service("two", resources=refuse))
    with pytest.raises(ConnectionError, match="no database"):
        await app.start()
    assert log == ["open", "closed"]
    assert not app.running


async def test_before_start_and_after_stop_it_takes_no_work() -> None:
    service = Service("greeter")

    @service.command
    async def greet(name: str) -> str:
        return name

    app = host(service)
    with pytest.raises(Unavailable):
        await app.call(greet, "Ada")
    assert await app.problems() != ()
    async with app:
        assert list(await app.problems()) == []
    with pytest.raises(Unavailable):
        await app.call(greet, "Ada")
    assert await app.stop() == 0


async def get_ready(port: int) -> int:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/readyz") as answer:
        return answer.status


async def test_it_is_not_ready_while_it_finishes_what_is_in_hand() -> None:
    service, begun, gate = Service("slow"), asyncio.Event(), asyncio.Event()

    @service.command
    async def work(number: int) -> int:
        begun.set()
        await gate.wait()
        return number

    async with host(service, settings=HostSettings(port=0)) as app:
        assert app.port is not None
        assert await get_ready(app.port) == 200
        call = asyncio.ensure_future(app.call(work, 1))
        await begun.wait()
        stop = asyncio.ensure_future(app.stop())
        await asyncio.sleep(0)
        assert await get_ready(app.port) == 503
        gate.set()
        assert (await stop, await call) == (0, 1)


async def test_what_is_withdrawn_is_not_ready_and_works_on() -> None:
    service = Service("greeter")

    @service.command
    async def greet(name: str) -> str:
        return name

    async with host(service) as app:
        app.withdraw()
        assert await app.problems() != ()
        assert await app.call(greet, "Ada") == "Ada"


async def test_a_host_that_lingers_says_when_it_has_drained() -> None:
    begun, gate, gone = asyncio.Event(), asyncio.Event(), asyncio.Event()
    log: list[str] = []

    @asynccontextmanager
    async def connect(setup: Setup[Config]) -> AsyncIterator[str]:
        yield "open"
        log.append("closed")

    service = Service("slow", config=Config, resources=connect)

    @service.command
    async def work(number: int) -> int:
        begun.set()
        await gate.wait()
        return number

    async def linger() -> None:
        log.append("drained")
        await gone.wait()

    app = host(service, linger=linger)
    await app.start()
    call = asyncio.ensure_future(app.call(work, 1))
    await begun.wait()
    stop = asyncio.ensure_future(app.stop())
    await asyncio.sleep(0)
    assert DRAINED not in await app.problems()
    gate.set()
    assert await call == 1
    while DRAINED not in await app.problems():  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0)
    assert log == ["drained"]
    gone.set()
    assert await stop == 0
    assert log == ["drained", "closed"]


async def test_each_service_has_its_own_state_store() -> None:
    made: dict[str, MemoryStateStore] = {}
    stores = Stores(lambda name: made.setdefault(name, MemoryStateStore()))
    one, two = Service("one"), Service("two")

    async def remember(ctx: Context, text: str) -> str | None:
        before = await ctx.state.get("text", str)
        await ctx.state.set("text", text)
        return before

    first, second = one.command(name="remember")(remember), two.command(name="remember")(remember)
    async with host(one, two, stores=stores) as app:
        assert await app.call(first, "a") is None
        assert await app.call(second, "b") is None
        assert await app.call(first, "c") == "a"
    assert {"one-state", "two-state"} <= set(made)


async def test_a_missing_state_component_is_named_when_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    service, told = Service("forgetful"), list[str]()

    @service.command
    async def remember(ctx: Context) -> None:
        try:
            _ = ctx.state
        except ConfigurationError as error:
            told.append(str(error))
            raise

    async with host(service) as app:
        with pytest.raises(InternalError):
            await app.call(remember, None)
    assert 'has no state component "forgetful-state"' in told[0]


async def test_a_service_that_cannot_keep_its_dead_letters_is_told_of_at_start(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told, service = Contract("source").event("told", int), Service("forgetful")

    @service.on(told)
    async def hear(_: int) -> None:
        raise AssertionError("it must not be run")

    async with host(service):
        pass
    output = capsys.readouterr()
    assert 'no state component "forgetful-state"' in output.out + output.err
    async with host(service, stores=Stores(lambda _: MemoryStateStore())):
        pass
    output = capsys.readouterr()
    assert "dead letters" not in output.out + output.err


def test_a_service_without_a_handler_is_refused_before_anything_runs() -> None:
    service = Service("empty")
    service.contract.command("work", int)
    with pytest.raises(DeclarationError, match=r"empty\.v1: no handler for work"):
        host(service)
