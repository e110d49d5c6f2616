"""Each handler has threads of its own, no more than it may use, and they end."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any

import pytest

from pillion.resilience.threads import Threads


@pytest.mark.parametrize(("limit", "concurrency", "threads"), [(3, 100, 3), (16, 2, 2)])
def test_a_handler_has_no_more_threads_than_it_may_use(limit: int, concurrency: int, threads: int) -> None:
    pools, gate, names = Threads(limit, "shop"), threading.Event(), set[str]()

    def work() -> None:
        names.add(threading.current_thread().name)
        gate.wait()

    jobs: list[Future[Any]] = [pools.of("orders.v1.place", concurrency).submit(work) for _ in range(10)]
    gate.set()
    for job in jobs:
        job.result()
    pools.close()
    assert len(names) <= threads
    assert all(name.startswith("shop/orders.v1.place_") for name in names)


def test_one_handler_has_one_pool_and_another_one_its_own() -> None:
    pools = Threads(1, "shop")
    assert pools.of("a", 1) is pools.of("a", 1)
    assert pools.of("a", 1) is not pools.of("b", 1)
    pools.close()


def test_nothing_is_begun_after_the_end() -> None:
    pools, gate, begun = Threads(1, "shop"), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        gate.wait()

    pool = pools.of("a", 1)
    running, waiting = pool.submit(work), pool.submit(work)
    begun.wait()
    pools.close()
    gate.set()
    running.result()
    assert waiting.cancelled()
