"""Threads for handlers that are not ``async``: a pool for each, so that a slow one holds up no other."""

from __future__ import annotations

from concurrent.futures import Executor, ThreadPoolExecutor


class Threads:
    """The pools of one host. A thread is started when a handler needs it, and ends with the host.

    Args:
        limit: threads of one handler, at most.
        name: begins the names of the threads.
    """

    def __init__(self, limit: int, name: str) -> None:
        self._limit = limit
        self._name = name
        self._pools: dict[str, ThreadPoolExecutor] = {}

    def of(self, address: str, concurrency: int) -> Executor:
        """The pool of one handler, with no more threads than it may have in hand."""
        pool = self._pools.get(address)
        if pool is None:
            workers = min(self._limit, concurrency)
            pool = self._pools[address] = ThreadPoolExecutor(workers, thread_name_prefix=f"{self._name}/{address}")
        return pool

    def close(self) -> None:
        """Begin nothing more. What runs cannot be stopped: its thread ends with it."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
