"""What may go wrong: the table of faults, and how each is done."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping

from tests.chaos.fleet import Pair
from tests.chaos.publisher import duplicated, shuffled
from tests.chaos.scenario import SERVICES, Fault, Plan, Run
from tests.chaos.strikes import DELAYS, POINT, POINTS, WRITES

_AWAY_SECONDS = 1.0
_FULL_SECONDS = 5.0
_STALL_SECONDS = 4.0
_BUSINESS = "tests.chaos.business"
_INVENTORY = f"{_BUSINESS}.inventory:service"
_OLD = f"{_BUSINESS}.old:service"
_KILLS = 4
# What is in custody is looked at again ten seconds after the handler's time-out.
_CUSTODY_SECONDS = 15.0


async def kill_apps(run: Run) -> None:
    """SIGKILL to each service's app in turn; each is started again a second later."""
    async for pair in _in_turn(run):
        await pair.kill_app()
        run.struck(pair.service)
        await asyncio.sleep(_AWAY_SECONDS)
        await pair.start_app()


async def kill_sidecars(run: Run) -> None:
    """SIGKILL to each service's sidecar in turn; each is started again a second later."""
    async for pair in _in_turn(run):
        await pair.kill_sidecar()
        run.struck(pair.service)
        await asyncio.sleep(_AWAY_SECONDS)
        await pair.start_sidecar()


async def kill_broker(run: Run) -> None:
    """SIGKILL to the broker, which comes back with the data it had."""
    await run.reached(run.chance.uniform(0.2, 0.5))
    run.struck(*SERVICES)
    await run.broker.restart(_AWAY_SECONDS)


async def slow_down(run: Run) -> None:
    """Everything to and from the broker takes longer, and for some seconds nothing passes at all."""
    assert run.proxy is not None
    await run.reached(0.1)
    run.proxy.delay = 0.05
    await run.reached(run.chance.uniform(0.2, 0.3))
    run.struck(*SERVICES)
    run.proxy.delay = _STALL_SECONDS
    await asyncio.sleep(_STALL_SECONDS)
    run.proxy.delay = 0.05
    await run.reached(0.6)
    run.proxy.delay = 0.0


async def fill_up(run: Run) -> None:
    """The broker takes nothing more for some seconds."""
    fill, empty = run.broker.fill, run.broker.empty
    assert fill is not None
    assert empty is not None
    await run.reached(run.chance.uniform(0.2, 0.5))
    await asyncio.to_thread(fill)
    run.struck(*SERVICES)
    try:
        await asyncio.sleep(_FULL_SECONDS)
    finally:
        await asyncio.to_thread(empty)


async def roll(run: Run) -> None:
    """Every instance of inventory is stopped in good order and started again, one after another."""
    await run.reached(run.chance.uniform(0.1, 0.3))
    for pair in run.pairs["inventory"]:
        run.struck("inventory")
        await pair.stop()
        await pair.start()


async def kill_payments(run: Run) -> None:
    """SIGKILL to the app of payments several times, each while it is at work again."""
    pair = run.pairs["payments"][0]
    for moment in sorted(run.chance.uniform(0.2, 0.8) for _ in range(_KILLS)):
        await run.reached(moment)
        await run.goes_on("payments")
        await asyncio.sleep(run.chance.uniform(0.0, _AWAY_SECONDS))
        await pair.kill_app()
        run.struck("payments")
        await asyncio.sleep(_AWAY_SECONDS)
        await pair.start_app()


def dying(point: str) -> Callable[[Plan, random.Random], Mapping[str, str]]:
    """Variables with which an app kills itself at this point, at some message of the run."""

    def strikes(plan: Plan, chance: random.Random) -> Mapping[str, str]:
        return {POINT: f"{point}:{chance.randint(plan.messages // 10, plan.messages // 2)}"}

    return strikes


def doubtful_writes(_: Plan, chance: random.Random) -> Mapping[str, str]:
    """One write in twenty succeeds and reports a timeout."""
    return {WRITES: f"{chance.randrange(1 << 30)}:0.05"}


def delays(_: Plan, chance: random.Random) -> Mapping[str, str]:
    """Each message is held up for up to 0.2 seconds, so that they overtake one another."""
    return {DELAYS: f"{chance.randrange(1 << 30)}:0.2"}


def late_publishes(_: Plan, chance: random.Random) -> Mapping[str, str]:
    """Each message is held up for up to a second, so that a kill finds some recorded that have not left."""
    return {DELAYS: f"{chance.randrange(1 << 30)}:1.0"}


async def _in_turn(run: Run) -> AsyncIterator[Pair]:
    """One instance of each service, in some order, each at some later time of the run."""
    moments = sorted(run.chance.uniform(0.1, 0.7) for _ in SERVICES)
    for moment, service in zip(moments, run.chance.sample(SERVICES, len(SERVICES)), strict=True):
        await run.reached(moment)
        yield run.pairs[service][0]


_ALL = (
    Fault("none", "nothing goes wrong"),
    *(Fault(f"app-{point}", f"SIGKILL of each app {point.replace('-', ' the ')}", strikes=dying(point))
      for point in POINTS),
    Fault("app", "SIGKILL of each app at any time", disturb=kill_apps),
    Fault("daprd", "SIGKILL of each sidecar", disturb=kill_sidecars),
    Fault("broker", "SIGKILL of the broker", disturb=kill_broker),
    Fault("slow", "every piece of data takes 50 ms, once 4 s", disturb=slow_down, slow=True),
    Fault("full", "the broker takes nothing for 5 s", disturb=fill_up),
    Fault("duplicates", "half of the messages come two to four times", arrange=duplicated),
    Fault("reordering", "notes before their orders, events overtake", strikes=delays, arrange=shuffled, notes=True),
    Fault("doubtful-writes", "one write in twenty succeeds and reports a timeout", strikes=doubtful_writes),
    Fault("rolling", "rolling restart of two replicas", disturb=roll, targets={"inventory": (_INVENTORY, _INVENTORY)}),
    Fault("late", "a consumer that knows its topics is away until all is published", absent="known"),
    Fault("new", "a consumer comes for the first time when all is published", absent="new"),
    Fault("versions", "version N-1 beside N in one group", targets={"inventory": (_OLD, _INVENTORY)}),
    Fault("custody", "SIGKILL of an app four times while slow commands are in hand", disturb=kill_payments,
          strikes=late_publishes, misbehaving=("payments",), linger=_CUSTODY_SECONDS,
          targets={"inventory": (f"{_BUSINESS}.asking:service",), "payments": (f"{_BUSINESS}.collecting:service",)}),
    Fault("parked", "SIGKILL of an app four times while it has messages parked", disturb=kill_payments,
          targets={"payments": (f"{_BUSINESS}.shaky:service",)}),
)  # fmt: skip
FAULTS = {fault.name: fault for fault in _ALL}
