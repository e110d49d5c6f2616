"""Which component brings a route its messages."""

from __future__ import annotations

from typing import Any

import pytest

from pillion.bridges.dapr.components import Components
from pillion.bridges.dapr.subscriptions import on_lanes, subscriptions
from pillion.message import Message
from pillion.outcome import Ack, Outcome
from pillion.ports.bridge import Kind, Route

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
    (subscribed,) = on_lanes(subscriptions([route()], components, bulk_commands=False), components)
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


@pytest.mark.parametrize(
    ("one", "calls"),
    [(route(), False), (route(Kind.COMMAND), True), (route(Kind.COMMAND, durable=True), False)],
)
def test_only_calls_that_may_be_lost_are_calls(one: Route, calls: bool) -> None:
    (subscribed,) = subscriptions([one], Components(["pubsub"]), bulk_commands=False)
    assert subscribed.calls is calls
