"""A filter says the same in process and, as a rule, in Dapr's routing language."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import reduce
from operator import or_
from typing import Any

import celpy
import pytest
from celpy.adapter import json_to_cel
from celpy.evaluation import CELEvalError
from hypothesis import given, settings
from hypothesis import strategies as st

from pillion.codec.cloudevents import decode, encode
from pillion.errors import DeclarationError
from pillion.message import Message
from pillion.service.filter import Filter, exact, matching, prefix, suffix

ENVIRONMENT = celpy.Environment()


def message(**attributes: Any) -> Message:
    common = {"id": "1", "source": "/shop/orders.v1", "type": "orders.v1.placed", "specversion": "1.0"}
    return decode(json.dumps({**common, **attributes}).encode())


def by_rule(where: Filter, event: Message) -> bool:
    """What Dapr makes of the rule; an error there is "no", as the program has no other answer."""
    rule = where.rule()
    assert rule is not None
    program = ENVIRONMENT.program(ENVIRONMENT.compile(rule))
    try:
        return bool(program.evaluate({"event": json_to_cel(json.loads(encode(event)))}))
    except CELEvalError:
        return False


TEXT = st.text(st.sampled_from("aeu-5\"\\'{}\n ü"), max_size=4)
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["region", "tenantid", "subject", "source", "principalid"]), TEXT, max_size=5
)
LEAVES = st.builds(
    lambda make, name, value: make(**{name: value}),
    st.sampled_from([exact, prefix, suffix]),
    st.sampled_from(["region", "tenant", "subject", "source", "principal"]),
    TEXT,
)
FILTERS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda a, b: a & b, inner, inner),
        st.builds(lambda a, b: a | b, inner, inner),
        inner.map(lambda a: ~a),
    ),
    max_leaves=4,
)


@settings(max_examples=100, deadline=None)
@given(FILTERS, ATTRIBUTES)
def test_the_rule_gives_the_same_verdict(where: Filter, attributes: dict[str, str]) -> None:
    event = message(**attributes)
    assert by_rule(where, event) == where.matches(event)


def test_a_condition_in_python_has_no_rule() -> None:
    assert matching(lambda _: True).rule() is None
    assert (exact(region="eu") & matching(lambda _: True)).rule() is None
    assert (~matching(lambda _: True)).rule() is None


@pytest.mark.parametrize("name", ["traceparent", "topic", "tracestate"])
def test_what_dapr_changes_on_the_way_has_no_rule(name: str) -> None:
    assert exact(**{name: "x"}).rule() is None


@pytest.mark.parametrize("name", ["1st", "2", "true", "false", "null", "in", "as", "if", "package", "while"])
def test_a_name_that_the_rules_cannot_have_is_checked_in_process(name: str) -> None:
    where = exact(**{name: "x"})
    assert where.rule() is (where & exact(region="eu")).rule() is (~where).rule() is None
    assert where.matches(message(**{name: "x"}))


def test_a_rule_that_is_too_deep_for_dapr_is_checked_in_process() -> None:
    many = reduce(or_, (exact(a=str(number % 10)) for number in range(250)))
    assert many.rule() is None
    assert many.matches(message(a="9"))
    few = reduce(or_, (exact(region=f"region-{number}") for number in range(50)))
    assert few.rule() is not None


@pytest.mark.parametrize("value", [5, 5.5, True, False, [], {"a": 1}, None])
@pytest.mark.parametrize("make", [exact, prefix, suffix])
def test_what_is_no_text_matches_nothing_either_way(make: Callable[..., Filter], value: Any) -> None:
    event, where = message(level=value), make(level="5")
    assert where.matches(event) is by_rule(where, event) is False
    assert (~where).matches(event) is by_rule(~where, event) is True


@pytest.mark.parametrize("name", ["idempotencykey", "failurecode", "subscriber", "claim", "extensions"])
def test_every_attribute_is_found_by_its_name_on_the_wire(name: str) -> None:
    event = message(**{name: "x"})
    assert exact(**{name: "x"}).matches(event)
    assert by_rule(exact(**{name: "x"}), event)


def test_a_rule_has_characters_as_they_are() -> None:
    # Dapr's language knows no surrogate pairs: the escape that JSON has for these would match nothing there.
    assert '"🛒"' in (exact(subject="🛒").rule() or "")


def test_a_missing_attribute_matches_nothing() -> None:
    assert not exact(region="").matches(message())
    assert (~exact(region="eu")).matches(message())


def test_every_rule_asks_whether_the_attribute_is_there() -> None:
    assert "has(event.region)" in (prefix(region="eu").rule() or "")


def test_a_filter_on_nothing_is_refused() -> None:
    with pytest.raises(DeclarationError, match="at least one attribute"):
        exact()


@pytest.mark.parametrize("name", ["Region", "my_region", "größe"])
def test_an_attribute_that_no_cloud_event_can_have_is_refused(name: str) -> None:
    with pytest.raises(DeclarationError, match="lower-case letters and digits"):
        exact(**{name: "x"})


@pytest.mark.parametrize("make", [exact, prefix, suffix])
@pytest.mark.parametrize("value", [5, True, None, b"x"])
def test_a_value_that_is_no_text_is_refused(make: Callable[..., Filter], value: Any) -> None:
    with pytest.raises(DeclarationError, match=r'filter attribute "priority": .* is no text, and filters compare text'):
        make(priority=value)


@pytest.mark.parametrize(
    "name", ["time", "deadline", "expiration", "firstfailed", "attempt", "replays", "failurestatus", "data"]
)
def test_an_attribute_that_is_no_text_is_refused(name: str) -> None:
    with pytest.raises(DeclarationError, match=rf'"{name}" is no text in a message, .*; check it in the handler'):
        prefix(**{name: "2026"})
