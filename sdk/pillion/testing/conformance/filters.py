"""What a bridge must do with filters: the same messages, whether the broker's side or the process checks them."""

from __future__ import annotations

import pytest

from pillion.context import Context
from pillion.message import Message
from pillion.outcome import Retry
from pillion.service.contract import Contract
from pillion.service.event import Event
from pillion.service.filter import Filter, exact, matching, prefix, suffix
from pillion.service.service import Service
from pillion.testing.conformance.foreign import envelope
from pillion.testing.conformance.world import Seen, World

# Number of an event -> its attributes; each filter below is asked about all of them.
EVENTS: dict[int, dict[str, object]] = {
    1: {"region": "eu", "tenantid": "acme", "subject": "order-1"},
    2: {"region": "us", "tenantid": "acme"},
    3: {"region": "eu-west", "subject": "order-22", "principalid": "ada"},
    4: {"source": "/their/shop"},
    5: {"region": 5},
    6: {"region": 'e"u\\', "principalid": "ada"},
    7: {"region": True, "1st": "yes", "true": "yes"},
}
# (filter, numbers of the events that it wants)
WANTED: list[tuple[str, Filter, set[int]]] = [
    ("exact", exact(region="eu"), {1}),
    ("exact with quotes", exact(region='e"u\\'), {6}),
    ("exact of an alias", exact(tenant="acme"), {1, 2}),
    ("prefix", prefix(region="eu"), {1, 3}),
    ("suffix", suffix(subject="2"), {3}),
    ("source", suffix(source="/shop"), {4}),
    ("principal", exact(principal="ada"), {3, 6}),
    ("all of two", exact(region="eu", tenant="acme"), {1}),
    ("and", prefix(region="eu") & prefix(subject="order"), {1, 3}),
    ("or", exact(region="us") | exact(principal="ada"), {2, 3, 6}),
    ("not", ~prefix(region="eu"), {2, 4, 5, 6, 7}),
    ("text against a number", exact(region="5"), set()),
    ("not text against a number", ~exact(region="5"), {1, 2, 3, 4, 5, 6, 7}),
    ("text against true", exact(region="true") | prefix(region="t"), set()),
    ("a name that begins with a digit", exact(**{"1st": "yes"}), {7}),
    ("a word of the rules' language", exact(true="yes"), {7}),
]


class Filters:
    """A subscription gets the messages that it wants, and no others."""

    @pytest.mark.parametrize(("where", "wanted"), [case[1:] for case in WANTED], ids=[case[0] for case in WANTED])
    @pytest.mark.parametrize("pushed_down", [True, False], ids=["pushed down", "in process"])
    async def test_a_filter_picks_the_same_events(
        self, world: World, where: Filter, wanted: set[int], pushed_down: bool
    ) -> None:
        contract, got = Contract(world.name("source")), Seen[int]()
        told: Event[int] = contract.event("told", int)
        service, other = Service(world.name("sink")), Seen[int]()

        @service.on(told, where=where if pushed_down else matching(where.matches))
        async def pick(number: int) -> None:
            got.add(number)

        everything = Service(world.name("everything"))

        @everything.on(told)
        async def take(number: int) -> None:
            other.add(number)

        await world.start(everything)
        await world.start(service)
        for number, attributes in EVENTS.items():
            await world.publish_event(told.topic, envelope(told.address, number, **attributes))
        assert sorted(await other.wait(len(EVENTS))) == sorted(EVENTS)
        await got.wait(len(wanted))
        await world.quiet()
        assert set(got.items) == wanted

    async def test_two_filtered_subscriptions_to_one_event_do_not_disturb_each_other(self, world: World) -> None:
        contract, got = Contract(world.name("source")), Seen[tuple[str, int]]()
        told, service = contract.event("told", int), Service(world.name("sink"))

        @service.on(told, where=exact(region="eu"))
        async def europe(number: int) -> None:
            got.add(("europe", number))

        @service.on(told, where=exact(tenant="acme"))
        async def acme(number: int) -> None:
            got.add(("acme", number))

        await world.start(service)
        for number, attributes in EVENTS.items():
            await world.publish_event(told.topic, envelope(told.address, number, **attributes))
        await got.wait(3)
        await world.quiet()
        assert sorted(got.items) == [("acme", 1), ("acme", 2), ("europe", 1)]

    async def test_a_condition_that_breaks_is_a_failing_handler(self, world: World) -> None:
        contract, got = Contract(world.name("source")), Seen[Message]()
        told, service = contract.event("told", int), Service(world.name("sink"))

        def broken(message: Message) -> bool:
            return bool(message.extensions["region"] == "eu")

        @service.on(told, where=matching(broken), retry=Retry(attempts=2, backoff="1ms"), dead_letter=False)
        async def pick(ctx: Context, number: int) -> None:
            assert number == 1
            got.add(ctx.message)

        await world.start(service)
        await world.publish_event(told.topic, envelope(told.address, 4))
        await world.publish_event(told.topic, envelope(told.address, 1, region="eu"))
        await got.wait()
