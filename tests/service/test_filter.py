"""A filter says the same in process and, as a rule, in Dapr's routing language."""

from __future__ import annotations

import json
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


@pytest.mark.parametrize("name", ["traceparent", "topic", "time"])
def test_what_dapr_changes_on_the_way_has_no_rule(name: str) -> None:
    assert exact(**{name: "x"}).rule() is None


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
