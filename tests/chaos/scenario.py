"""One run: the business is started over a broker, orders are published, a fault strikes, and the oracle judges."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pillion.ports.bridge import Outgoing
from pillion.runtime.beside import host_beside_sidecar
from pillion.runtime.host import Host
from pillion.runtime.settings import HostSettings
from pillion.sidecar.ports import free_port
from pillion.sidecar.process import Daprd, DaprdOptions
from tests.chaos.brokers import BROKERS, Broker
from tests.chaos.business.book import ONCE
from tests.chaos.business.journal import FILE
from tests.chaos.fleet import Pair, Surroundings
from tests.chaos.oracle import Oracle, Records, Verdict, effects_of, make_orders, warming_orders
from tests.chaos.proxy import Proxy
from tests.chaos.publisher import Publisher, noting, placing
from tests.profiles import copy_configuration, copy_profile

SERVICES = ("orders", "inventory", "payments")
_WINDOW = 200  # orders that are published and have not ended
_POLL_SECONDS = 0.1
_PATIENCE_SECONDS = 60.0
_WARM_SECONDS = 3.0
_IDLE_SECONDS = 1.5


@dataclass(frozen=True)
class Plan:
    """What a run is about.

    Attributes:
        profile: name of the profile, and so of its broker.
        state: name of the state store's folder.
        messages: how many orders.
        seed: what the orders and the fault are drawn from.
        once: handlers are declared ``once=True``.
    """

    profile: str
    state: str = "sqlite"
    messages: int = 500
    seed: int = 1
    once: bool = False


@dataclass(frozen=True)
class Fault:
    """What is done to the business.

    Attributes:
        name: for the command line.
        about: one line for the table.
        disturb: strikes while orders are handled; returns when everything runs again.
        strikes: variables for the apps that make them misbehave, drawn from the run's chance.
        misbehaving: services whose apps these are for.
        arrange: in which order, and how often, the messages are published.
        targets: what runs as a service, one instance each, where that is not its module in the business.
        absent: inventory comes only after everything was published: it has been there before (``known``), or this is
            the first time (``new``).
        notes: every order gets a note as well.
        slow: the broker is behind a proxy.
        linger: seconds after which something that a service kept for later may still come.
    """

    name: str
    about: str
    disturb: Callable[[Run], Coroutine[Any, Any, None]] | None = None
    strikes: Callable[[Plan, random.Random], Mapping[str, str]] | None = None
    misbehaving: tuple[str, ...] = SERVICES
    arrange: Callable[[Sequence[Outgoing], random.Random], list[Outgoing]] | None = None
    targets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    absent: str = ""
    notes: bool = False
    slow: bool = False
    linger: float = 0.0


@dataclass(frozen=True)
class Result:
    """What came of a run.

    Attributes:
        plan, fault: what was run.
        published: orders and notes that the broker had accepted.
        retried: publishes that were refused and tried again.
        verdict: what became of them.
        next_seconds: from a strike to the next effect of the service that was struck, the longest of these.
        all_seconds: from the first strike until all was done; None without strikes, or when it never was.
        seconds: from the first publish until all was done.
        set_aside: dead letters that the apps wrote of in their logs.
        left: messages that the broker still holds for somebody; None when it cannot be asked.
    """

    plan: Plan
    fault: Fault
    published: int
    retried: int
    verdict: Verdict
    next_seconds: float | None
    all_seconds: float | None
    seconds: float
    set_aside: int
    left: int | None


@dataclass
class Run:
    """A run while it runs; what ``disturb`` gets.

    Attributes:
        plan: what it is about.
        chance: what is random comes from here.
        broker: under test.
        proxy: in front of it, for faults that ask for one.
        pairs: the instances of each service.
        oracle: knows what is to be expected.
        records: what was seen so far.
        strikes: which service was struck, and when.
    """

    plan: Plan
    chance: random.Random
    broker: Broker
    proxy: Proxy | None
    oracle: Oracle
    records: Records
    pairs: dict[str, list[Pair]] = field(default_factory=dict)
    strikes: list[tuple[str, float]] = field(default_factory=list)

    def struck(self, *services: str) -> None:
        """Note that a fault strikes these services now."""
        self.strikes += [(service, time.time()) for service in services]

    async def reached(self, share: float) -> None:
        """Wait until this share of all effects was come to."""
        while len(self.records.seen) < share * len(self.oracle.expected) and not self._stuck():
            await asyncio.sleep(_POLL_SECONDS)
            self.records.read()

    async def room(self, share: float) -> None:
        """Wait until not too many orders are under way when this share of them is published."""
        while share * self.plan.messages - self.records.ended >= _WINDOW and not self._stuck():
            await asyncio.sleep(_POLL_SECONDS)
            self.records.read()

    def _stuck(self) -> bool:
        return bool(self.records.last) and time.time() - self.records.last > _PATIENCE_SECONDS

    async def goes_on(self, service: str) -> None:
        """Wait until this service has come to an effect since it was struck last."""
        last = max((time for struck, time in self.strikes if struck == service), default=0.0)
        while self.records.next_after(service, last) is None and not self._stuck():
            await asyncio.sleep(_POLL_SECONDS)
            self.records.read()

    async def settled(self, linger: float) -> float | None:
        """Wait until nothing more can happen, for ``linger`` seconds at least; when all was done, or None."""
        done: float | None = None
        since = time.time()
        while True:
            self.records.read()
            if done is None and self.oracle.done(self.records):
                done = self.records.last
            idle = time.time() - max(self.records.last, since)
            if idle > (_PATIENCE_SECONDS if done is None else max(self.broker.quiet, linger)):
                return done
            if done is not None and idle > max(_IDLE_SECONDS, linger) and await self.left() == 0:
                return done
            await asyncio.sleep(_POLL_SECONDS)

    async def left(self) -> int | None:
        """How many messages the broker still holds; None when it cannot be asked."""
        waiting = self.broker.waiting
        return None if waiting is None else await asyncio.to_thread(waiting, SERVICES)


async def play(plan: Plan, fault: Fault, folder: Path) -> Result:
    """Run this fault; everything is started anew and gone afterwards. ``folder`` is empty, and keeps the logs."""
    chance = random.Random(f"{plan.seed}:{fault.name}")
    oracle = Oracle(make_orders(plan.messages, chance), notes=fault.notes)
    async with AsyncExitStack() as stack:
        around, broker, proxy = await _surroundings(plan, fault, folder, stack)
        run = Run(plan, chance, broker, proxy, oracle, Records(folder / "journal"))
        host = await _host(around, stack)
        await _start(run, fault, around, stack)
        if fault.absent != "new":
            await _warm_up(run, host)
        return await _play(run, fault, host, folder)


async def _play(run: Run, fault: Fault, host: Host, folder: Path) -> Result:
    everybody = fault.absent == ""
    if fault.absent == "known":
        await asyncio.gather(*(pair.stop() for pair in run.pairs["inventory"]))
    publisher = Publisher(host.bridge, run.room if everybody else _boundless)
    messages = [placing(order) for order in run.oracle.orders]
    messages += [noting(order) for order in run.oracle.orders] if fault.notes else []
    if fault.arrange is not None:
        messages = fault.arrange(messages, run.chance)
    begun = time.time()
    async with asyncio.TaskGroup() as work:
        work.create_task(publisher.publish(messages))
        if fault.disturb is not None:
            work.create_task(fault.disturb(run))
    if not everybody:
        run.struck("inventory")
        await asyncio.gather(*(pair.start() for pair in run.pairs["inventory"]))
    done = await run.settled(fault.linger)
    states = {service: await run.pairs[service][0].pages(run.oracle.keys(service)) for service in SERVICES}
    verdict = run.oracle.verdict(states, run.records)
    return Result(
        run.plan, fault, publisher.accepted, publisher.retried, verdict, _next_seconds(run),
        None if done is None or not run.strikes else max(0.0, done - run.strikes[0][1]),
        (done or time.time()) - begun, _set_aside(folder), await run.left(),
    )  # fmt: skip


async def _surroundings(
    plan: Plan, fault: Fault, folder: Path, stack: AsyncExitStack
) -> tuple[Surroundings, Broker, Proxy | None]:
    servers = stack.enter_context(ExitStack())
    data = folder / "broker"
    data.mkdir()
    front = free_port() if fault.slow else None
    broker = await asyncio.to_thread(BROKERS[plan.profile], data, servers, front)
    proxy = await stack.enter_async_context(Proxy(front, broker.server.port)) if front else None
    address = f"127.0.0.1:{proxy.port}" if proxy else broker.server.address
    components = copy_profile(plan.profile, folder, state=plan.state, **{plan.profile: address})
    environment = {FILE: str(folder / "journal"), ONCE: "1" if plan.once else "0"}
    return Surroundings(folder, components, copy_configuration(folder), environment), broker, proxy


async def _host(around: Surroundings, stack: AsyncExitStack) -> Host:
    """The outside world's own host, beside a sidecar of its own."""
    options = DaprdOptions(
        app_id="chaos",
        app_port=free_port(),
        resources_paths=(around.components,),
        config_path=around.configuration,
        log_level="warn",
    )
    sidecar = Daprd(options)
    stack.push_async_callback(sidecar.kill)
    await sidecar.start()
    await sidecar.wait_ready()
    environ = {"APP_ID": "chaos", "APP_PORT": str(options.app_port), "DAPR_HTTP_PORT": str(options.http_port)}
    return await stack.enter_async_context(host_beside_sidecar([], HostSettings(app="chaos"), environ))


async def _start(run: Run, fault: Fault, around: Surroundings, stack: AsyncExitStack) -> None:
    for service in SERVICES:
        for target in fault.targets.get(service, (f"tests.chaos.business.{service}:service",)):
            strikes = fault.strikes(run.plan, run.chance) if fault.strikes and service in fault.misbehaving else {}
            pair = Pair(service, target, around, strikes, run.struck)
            stack.push_async_callback(pair.end)
            run.pairs.setdefault(service, []).append(pair)
    starting = [pair for pairs in run.pairs.values() for pair in pairs]
    if fault.absent == "new":
        starting = [pair for pair in starting if pair.service != "inventory"]
    await asyncio.gather(*(pair.start() for pair in starting))


async def _warm_up(run: Run, host: Host) -> None:
    """Send orders through until one of each kind has ended: then everybody's subscriptions are there."""
    batches: list[set[str]] = []
    for batch in range(20):
        orders = warming_orders(batch)
        await Publisher(host.bridge, _boundless).publish([placing(order) for order in orders])
        batches.append({f"{order.number}:{effect}" for order in orders for effect in effects_of(order)})
        until = time.time() + _WARM_SECONDS
        while time.time() < until:
            run.records.read()
            if any(wanted <= run.records.warm for wanted in batches):
                return
            await asyncio.sleep(_POLL_SECONDS)
    raise RuntimeError("the business never got going; see the logs of its apps")


async def _boundless(_: float) -> None:
    return None


def _next_seconds(run: Run) -> float | None:
    found = [(run.records.next_after(service, struck), struck) for service, struck in run.strikes]
    return max((after - struck for after, struck in found if after is not None), default=None)


def _set_aside(folder: Path) -> int:
    return sum(file.read_text().count('"message set aside"') for file in folder.glob("*-app.log"))
