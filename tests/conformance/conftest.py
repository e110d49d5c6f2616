"""Which behaviours run on which real broker every time; the others are marked ``long``, for ``make test-long``."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

_DELIVERY = frozenset({"Events", "Sends", "Retries", "Once", "Parking", "Letters", "Stopping"})
# All behaviours run on Redis, by pub/sub and by invocation, and on RabbitMQ. The others add something to these parts.
ALWAYS = {
    "TestDaprdKafka": _DELIVERY | {"Ordering"},
    "TestDaprdMQTT": _DELIVERY,
    "TestDaprdNats": _DELIVERY | {"Calls"},
}


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    for item in items:
        if not isinstance(item, pytest.Function) or item.cls is None:
            continue
        always = ALWAYS.get(item.cls.__name__)
        if always is not None and item.function.__qualname__.partition(".")[0] not in always:
            item.add_marker(pytest.mark.long)
