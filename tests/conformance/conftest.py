"""What `make test` leaves out of the behaviours (``long``, for `make test-long`), and `make test-fast` (``slow``).

Not every behaviour runs on every real broker each time; and some wait for times that are real wherever they run.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from pillion.testing.conformance.idempotency import Idempotency
from pillion.testing.conformance.letters import Letters
from pillion.testing.conformance.once import Once
from pillion.testing.conformance.ordering import Ordering
from pillion.testing.conformance.parking import Parking
from pillion.testing.conformance.policies import Callees, Pauses
from pillion.testing.conformance.sends import Sends

_DELIVERY = frozenset({"Events", "Sends", "Retries", "Once", "Parking", "Letters", "Stopping"})
# All behaviours run on Redis, by pub/sub and by invocation, and on RabbitMQ. The others add something to these parts.
ALWAYS = {
    "TestDaprdKafka": _DELIVERY | {"Ordering"},
    "TestDaprdMQTT": _DELIVERY,
    "TestDaprdNats": _DELIVERY | {"Calls"},
}
# Behaviours of which each waits for a second or more: for a lease, a pause, a delay, or a time-out that is over.
SLOW_PARTS = frozenset({"Limits", "Outbox"})
SLOW = frozenset(
    {
        Callees.test_a_breaker_opens_and_lets_one_call_find_out_whether_it_may_close,
        Callees.test_the_circuit_opens_on_a_command_that_hangs,
        Idempotency.test_an_answer_whose_messages_did_not_leave_is_given_again,
        Idempotency.test_calls_with_one_key_at_once_are_one,
        Letters.test_a_replay_reaches_only_the_handler_that_failed,
        Once.test_many_of_one_event_at_once_have_one_effect,
        Once.test_what_was_recorded_leaves_though_it_could_not_at_first,
        Ordering.test_a_parked_key_keeps_its_order_over_a_restart,
        Parking.test_a_delayed_send_outlives_its_host,
        Parking.test_a_message_that_waits_outlives_its_host_and_its_attempts_are_counted,
        Pauses.test_a_subscription_pauses_and_goes_on,
        Sends.test_a_slow_send_is_finished_before_its_host_stops,
    }
)


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    for item in items:
        if not isinstance(item, pytest.Function) or item.cls is None:
            continue
        part, always = item.function.__qualname__.partition(".")[0], ALWAYS.get(item.cls.__name__)
        if always is not None and part not in always:
            item.add_marker(pytest.mark.long)
        if part in SLOW_PARTS or item.function in SLOW:
            item.add_marker(pytest.mark.slow)
