"""Messages to put on shelves, and what is taken from them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec import Raw

from pillion.message import Message
from pillion.resilience.parked import Taken

REFUND = "orders.v1.refund"


def message(id_: str = "1") -> Message:
    return Message(
        id=id_,
        source="/shop/payments.v1",
        type="payments.v1.charged",
        specversion="1.0",
        time=datetime(2027, 1, 1, tzinfo=UTC),
        subject="order-1",
        data=Raw(b'{"amount":1.10,"big":123456789012345678901234567890}'),
        extensions={"vendor": "x", "count": 3},
    )


def ids(taken: Sequence[Taken]) -> list[str]:
    return [entry.message.id for entry in taken]
