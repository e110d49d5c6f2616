"""Which component brings a route its messages."""

from __future__ import annotations

import math
from typing import Any

import pytest

from pillion.bridges.dapr.components import Components
from pillion.bridges.dapr.subscriptions import on_lanes, subscriptions
from pillion.message import Message
from pillion.outcome import Ack, Outcome
from pillion.ports.bridge import Kind, Release, Route

EVERYTHING = Components(("pubsub", "commands", "slow", "broadcast", "replies"))


async def handle(message: Message) -> Outcome:
    return Ack()


def route(kind: Kind = Kind.EVENT, **changes: Any) -> Route:
    return Route(**{"kind": kind, "address": "a.v1.b", "group": "a.v1", "topic": "topic", "handle": handle, **changes})


@pytest.mark.parametrize(
    ("wanted", "beside", "component"),
    [
        (route(), [], "pubsub"),
        (route(component="mine"), [], "mine"),
        (route(broadcast=True), [], "broadcast"),
        (route(slow=True), [], "pubsub"),
        (route(slow=True), [route()], "slow"),
        (route(slow=True), [route(topic="other")], "pubsub"),
        (route(Kind.SEND), [], "pubsub"),
        (route(Kind.COMMAND), [], "commands"),
        (route(Kind.COMMAND, durable=True), [], "pubsub"),
        (route(Kind.COMMAND), [route(Kind.COMMAND, durable=True)], "pubsub"),
        (route(Kind.COMMAND), [route(Kind.COMMAND, durable=True, topic="other")], "commands"),
    ],
)
def test_a_route_has_the_component_for_what_it_is(wanted: Route, beside: list[Route], component: str) -> None:
    assert EVERYTHING.of(wanted, [wanted, *beside]) == component


def test_calls_and_replies_take_the_common_component_where_there_is_none_for_them() -> None:
    call = route(Kind.COMMAND)
    assert (Components(["pubsub"]).of(call, [call]), Components(["pubsub"]).replies) == ("pubsub", "pubsub")
    assert EVERYTHING.replies == "replies"


def test_lanes_of_a_component_are_those_with_its_name_and_a_number() -> None:
    loaded = ["pubsub", "pubsub-lane-2", "pubsub-lane-10", "pubsub-lane-x", "slow-lane-2", "my-pubsub-lane-2"]
    assert set(Components(loaded).lanes("pubsub")) == {"pubsub-lane-2", "pubsub-lane-10"}
    assert Components(loaded).lanes("replies") == ()


def test_every_lane_delivers_to_the_same_path() -> None:
    components = Components(["pubsub", "pubsub-lane-2"])
    (subscribed,) = on_lanes(subscriptions([route()], components, bulk_commands=False, hold=lambda _: 0.0), components)
    declared = subscribed.declarations()
    assert [entry["pubsubname"] for entry in declared] == ["pubsub", "pubsub-lane-2"]
    assert {entry["route"] for entry in declared} == {subscribed.path}


def test_where_subscriptions_must_be_apart_each_topic_has_a_lane_and_the_component_only_sends() -> None:
    apart = Components(["pubsub", "pubsub-lane-2", "pubsub-lane-3", "slow"], apart={"pubsub", "slow"})
    assert apart.bringing("pubsub", ["b", "a"]) == {"a": ("pubsub-lane-2",), "b": ("pubsub-lane-3",)}
    assert apart.bringing("slow", ["a"]) == {"a": ("slow",)}


def test_more_topics_than_lanes_share_them() -> None:
    apart = Components(["pubsub", "pubsub-lane-2", "pubsub-lane-3"], apart={"pubsub"})
    assert apart.bringing("pubsub", "abc")["c"] == ("pubsub-lane-2",)


def test_what_delivers_one_batch_at_a_time_leaves_slow_handlers_to_another() -> None:
    kafka, slow = Components(("pubsub", "slow"), serial={"pubsub", "slow"}), route(slow=True)
    assert kafka.of(slow, [slow]) == "slow"
    assert kafka.serial("pubsub")


async def keep(message: Message) -> Release:
    async def release(outcome: Outcome) -> None: ...

    return release


@pytest.mark.parametrize(
    ("one", "parks", "may_go"),
    [
        (route(), True, False),
        (route(Kind.COMMAND), False, True),
        (route(Kind.COMMAND, durable=True), True, False),
        (route(Kind.COMMAND, durable=True, custody=keep), True, True),
        (route(Kind.SEND, custody=keep), True, True),
        (route(Kind.SEND, custody=keep), False, False),
    ],
)
def test_only_what_is_kept_or_may_be_lost_is_acknowledged_early(one: Route, parks: bool, may_go: bool) -> None:
    (subscribed,) = subscriptions([one], Components(["pubsub"]), bulk_commands=False, hold=lambda _: 0.0)
    assert subscribed.may_go(lambda _: parks) is may_go


@pytest.mark.parametrize(
    ("concurrency", "timeout", "hold", "largest"),
    [(100, None, 20.0, 100), (5, 5.0, 0.0, 35), (5, 5.0, 1.0, 25), (5, 5.0, 20.0, 5), (1, 59.0, 20.0, 1)],
)
def test_a_batch_is_done_before_the_sidecar_asks_again(
    concurrency: int, timeout: float | None, hold: float, largest: int
) -> None:
    one = route(concurrency=concurrency, timeout=timeout)
    (subscribed,) = subscriptions([one], Components(["pubsub"]), bulk_commands=False, hold=lambda _: hold)
    assert subscribed.declarations()[0]["bulkSubscribe"]["maxMessagesCount"] == largest


@pytest.mark.parametrize(("sidecar_timeout", "largest"), [(20.0, 10), (120.0, 70), (math.inf, 100)])
def test_a_batch_is_as_large_as_the_sidecar_of_the_profile_is_patient(sidecar_timeout: float, largest: int) -> None:
    (subscribed,) = subscriptions(
        [route(concurrency=5, timeout=5.0)],
        Components(["pubsub"]),
        bulk_commands=False,
        hold=lambda _: 0.0,
        sidecar_timeout={"pubsub": sidecar_timeout}.__getitem__,
    )
    assert subscribed.largest_batch == largest
