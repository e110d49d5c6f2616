"""Wrong declarations fail with a sentence that names the place."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from pillion.context import Context
from pillion.errors import DeclarationError, Failure
from pillion.outcome import Retry
from pillion.service.contract import Contract
from pillion.service.event import foreign_event
from pillion.service.expose import Expose
from pillion.service.service import Service
from pillion.service.signature import read

if TYPE_CHECKING:
    from decimal import Decimal


def contract() -> Contract:
    made = Contract("payments")
    made.command("charge", int, str)
    made.event("charged", str)
    return made


def test_a_name_is_declared_once() -> None:
    with pytest.raises(DeclarationError, match=r'payments\.v1: "charge" is declared twice'):
        contract().event("charge", int)


@pytest.mark.parametrize("version", [0, 1.5, "2", True])
def test_versions_count_from_one(version: Any) -> None:
    with pytest.raises(DeclarationError, match="versions count from 1"):
        Contract("payments", version)


def test_a_timeout_is_positive() -> None:
    with pytest.raises(DeclarationError, match=r"payments\.v1\.slow: timeout 0"):
        Contract("payments").command("slow", int, timeout=0)


def test_two_failures_have_two_codes() -> None:
    one = type("One", (Failure,), {"code": "same"})
    two = type("Two", (Failure,), {"code": "same"})
    with pytest.raises(DeclarationError, match="same code"):
        Contract("payments").command("charge", int, raises=[one, two])


@pytest.mark.parametrize("raises", [Failure, [ValueError], ["declined"]])
def test_only_failures_are_raised(raises: Any) -> None:
    with pytest.raises(DeclarationError, match=r"payments\.v1\.charge: raises=.* is no list of subclasses of Failure"):
        Contract("payments").command("charge", int, raises=raises)


def test_the_event_of_a_result_carries_what_the_command_answers() -> None:
    made = contract()
    with pytest.raises(DeclarationError, match=r"payments\.v1\.pay: emits_result= carries <class 'str'>"):
        made.command("pay", int, int, emits_result=made.events["charged"])


@pytest.mark.parametrize("timeout", [0, -1])
def test_a_handler_has_some_time(timeout: float) -> None:
    made = contract()
    with pytest.raises(DeclarationError, match=r"answer:\d+: timeout .* must be more than 0 seconds"):
        Service(made).handles(made.commands["charge"], timeout=timeout)(answer)


@pytest.mark.parametrize("options", [{"calls": contract().commands["charge"]}, {"emits": contract().events["charged"]}])
def test_what_a_handler_uses_is_a_list(options: dict[str, Any]) -> None:
    made = contract()
    with pytest.raises(DeclarationError, match=r"answer:\d+: (calls|emits)= is a list"):
        Service(made).handles(made.commands["charge"], **options)(answer)


@pytest.mark.parametrize(
    ("event", "text"), [("payments.v1.charged", "is no event"), (contract().commands["charge"], "announced=True")]
)
def test_a_subscription_is_to_an_event(event: Any, text: str) -> None:
    with pytest.raises(DeclarationError, match=rf"answer:\d+: on\(.*{text}"):
        Service("orders").on(event)(answer)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "status", "text"),
    [("get", 200, "method 'get' is none of GET"), ("GET", 404, "status 404 is no success")],
)
def test_what_http_does_not_have_is_not_exposed(method: Any, status: int, text: str) -> None:
    with pytest.raises(DeclarationError, match=text):
        Expose(method, "/charges", status=status)


def test_a_failure_has_an_error_status() -> None:
    with pytest.raises(DeclarationError, match="Fine: status 200 is no error"):
        type("Fine", (Failure,), {"status": 200})


def answer(payload: int) -> str:
    return str(payload)


def wrong_input(payload: str) -> str:
    return payload


def wrong_result(payload: int) -> int:
    return payload


def two_payloads(one: int, two: int) -> str:
    return str(one + two)


def keyword_only(*, payload: int) -> str:
    return str(payload)


@pytest.mark.parametrize(
    ("handler", "text"),
    [
        (wrong_input, r"wrong_input:\d+: it takes <class 'str'>, but its contract says <class 'int'>"),
        (wrong_result, r"wrong_result:\d+: it answers <class 'int'>, but its contract says <class 'str'>"),
        (two_payloads, r"two_payloads:\d+: a handler takes one payload .* this takes \(one, two\)"),
        (keyword_only, r"keyword_only:\d+: payload: 'int' cannot be filled"),
    ],
)
def test_a_handler_that_does_not_fit_its_command(handler: Any, text: str) -> None:
    made = contract()
    with pytest.raises(DeclarationError, match=text):
        Service(made).handles(made.commands["charge"])(handler)


class Callee:
    async def __call__(self, payload: int) -> int:
        return payload


async def many(payload: int) -> AsyncIterator[int]:
    yield payload


def some(payload: int) -> Iterator[int]:
    yield payload


@pytest.mark.parametrize(
    ("handler", "text"),
    [
        (Callee(), "a handler is a function or a method"),
        (functools.partial(answer), "a handler is a function or a method"),
        (many, r"many:\d+: a handler returns once and yields nothing"),
        (some, r"some:\d+: a handler returns once and yields nothing"),
    ],
)
def test_a_handler_is_a_plain_function(handler: Any, text: str) -> None:
    with pytest.raises(DeclarationError, match=text):
        read(handler)


def test_a_command_is_handled_once() -> None:
    made = contract()
    service = Service(made)
    service.handles(made.commands["charge"])(answer)
    with pytest.raises(DeclarationError, match=r"payments\.v1\.charge is handled already, by .*answer"):
        service.handles(made.commands["charge"])(answer)


def test_a_service_handles_only_its_own_commands() -> None:
    with pytest.raises(DeclarationError, match=r"payments\.v1\.charge is no command of orders\.v1"):
        Service("orders").handles(contract().commands["charge"])(answer)


def test_an_annotation_that_is_not_there_at_run_time_is_named() -> None:
    def handler(payload: Decimal) -> None: ...

    with pytest.raises(DeclarationError, match="'Decimal', which is not defined at module level"):
        read(handler)


def test_a_command_without_annotations_is_refused() -> None:
    with pytest.raises(DeclarationError, match="annotate the payload and the result"):
        Service("orders").command(lambda payload: payload)


def test_a_subscription_answers_nothing() -> None:
    def handler(payload: str) -> str:
        return payload

    with pytest.raises(DeclarationError, match="a subscription answers nothing"):
        Service("orders").on(contract().events["charged"])(handler)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]


@pytest.mark.parametrize(
    ("handler", "takes"),
    [
        (lambda: None, (False, False)),
        (lambda ctx: None, (True, False)),
        (lambda payload: None, (False, True)),
        (lambda ctx, payload: None, (True, True)),
    ],
)
def test_what_a_handler_takes(handler: Any, takes: tuple[bool, bool]) -> None:
    signature = read(handler)
    assert (signature.takes_context, signature.takes_payload) == takes


def test_the_context_is_known_by_its_type_wherever_it_stands() -> None:
    def handler(payload: int, anything: Context[Any, Any]) -> None: ...

    signature = read(handler)
    assert (signature.takes_context, signature.context_first, signature.payload) == (True, False, int)


@pytest.mark.parametrize(
    ("options", "text"),
    [({"key": "subject"}, "broadcast=True has no order"), ({"once": True}, "once for all instances")],
    ids=["key", "once"],
)
def test_a_broadcast_has_neither_order_nor_once(options: dict[str, Any], text: str) -> None:
    declared = contract()

    def hear(text: str) -> None: ...

    with pytest.raises(DeclarationError, match=text):
        Service("sink").on(declared.events["charged"], broadcast=True, **options)(hear)


def test_once_needs_an_id_which_raw_payloads_have_not() -> None:
    async def hear(reading: int) -> None: ...

    with pytest.raises(DeclarationError, match="'readings' send CloudEvents, or leave once= out"):
        Service("sink").on(foreign_event("readings", int, raw=True), once=True)(hear)


@pytest.mark.parametrize("options", [{"broadcast": True}, {"slow": True}], ids=["broadcast", "slow"])
def test_a_component_of_its_own_says_itself_who_shares_its_messages(options: dict[str, Any]) -> None:
    async def hear(reading: int) -> None: ...

    with pytest.raises(DeclarationError, match="=True has no effect on the component 'legacy'"):
        Service("sink").on(foreign_event("readings", int, component="legacy"), **options)(hear)


def hear(text: str) -> None: ...


@pytest.mark.parametrize("key", ["topic", "tenantid", 3])
def test_an_ordering_key_is_the_subject_or_a_function(key: Any) -> None:
    with pytest.raises(DeclarationError, match=r'hear:\d+: key=.* is no ordering key; give "subject"'):
        Service("sink").on(contract().events["charged"], key=key)(hear)


def test_the_key_of_an_event_is_a_function() -> None:
    with pytest.raises(DeclarationError, match=r"payments\.v1\.paid: key='subject' is no function"):
        contract().event("paid", str, key="subject")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("retry", [3, "1s", [Retry(), 3], None, Retry])
def test_a_policy_is_a_retry(retry: Any) -> None:
    with pytest.raises(DeclarationError, match=r"hear:\d+: retry=.* is no policy; write retry=Retry\("):
        Service("sink").on(contract().events["charged"], retry=retry)(hear)


@pytest.mark.parametrize(
    "once", [5.0, 3600, "day", timedelta(-1), timedelta(0), timedelta(seconds=1), timedelta(seconds=59.9)]
)
def test_messages_are_remembered_for_a_minute_at_least(once: Any) -> None:
    with pytest.raises(DeclarationError, match=r"hear:\d+: once=.*: messages are remembered for a minute at least"):
        Service("sink").on(contract().events["charged"], once=once)(hear)


def test_a_minute_is_long_enough_to_remember() -> None:
    service = Service("sink")
    service.on(contract().events["charged"], once=timedelta(minutes=1))(hear)
    assert service.subscriptions["hear"].once == 60.0
