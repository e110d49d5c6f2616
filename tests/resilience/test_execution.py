from __future__ import annotations

from itertools import combinations

import pytest
from msgspec.structs import replace

from pillion.message import Message
from pillion.resilience.execution import execution_name

MESSAGE = Message("4f2a-7", "/shop/orders.v1", "orders.v1.placed", "1.0")
HANDLER = "billing.v1.bill"


def test_it_is_the_same_for_every_delivery() -> None:
    again = replace(MESSAGE, attempt=3, correlation_id="another")
    assert execution_name(HANDLER, MESSAGE) == execution_name(HANDLER, again)


def test_every_part_tells_executions_apart() -> None:
    keyed = replace(MESSAGE, idempotency_key="k", tenant_id="t", principal_id="p")
    messages = [
        MESSAGE,
        replace(MESSAGE, id="4f2a-8"),
        replace(MESSAGE, source="/shop/orders.v2"),
        keyed,
        replace(keyed, idempotency_key="l"),
        replace(keyed, tenant_id="u"),
        replace(keyed, principal_id="q"),
    ]
    names = [execution_name(HANDLER, message) for message in messages] + [execution_name("billing.v1.book", MESSAGE)]
    assert all(one != other for one, other in combinations(names, 2))


def test_who_asks_and_with_which_message_does_not_matter_to_an_idempotency_key() -> None:
    keyed = replace(MESSAGE, idempotency_key="k")
    assert execution_name(HANDLER, keyed) == execution_name(HANDLER, replace(keyed, id="2", source="/elsewhere"))


@pytest.mark.parametrize("id_", ["a||b", "a b", "Ω", "x" * 65, "#0", ""])
def test_what_a_store_could_not_take_in_a_key_is_not_in_it(id_: str) -> None:
    name = execution_name(HANDLER, replace(MESSAGE, id=id_))
    assert name.replace("#", "").replace(":", "").isalnum()


def test_rows_of_neighbours_are_neighbours() -> None:
    assert execution_name(HANDLER, MESSAGE).endswith(":4f2a-7")
