"""``python -m benchmarks.run [NAME...]``: runs the benchmarks, prints a table, writes ``benchmarks/results.json``."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.rig import MissingError

RESULTS = Path(__file__).parent / "results.json"

# Name of each benchmark and its module, whose ``measure()`` answers with figures. Those of "startup" have no prefix.
BENCHMARKS = {
    "startup": "startup",
    "memory_round_trip": "memory",
    "event_cpu": "event_cpu",
    "command_redis": "command_redis",
    "events_redis": "events_redis",
    "once": "once",
}


class Target(NamedTuple):
    """What a figure has to be.

    Attributes:
        figure: its name in the results.
        text: what it means, for the table.
        least: it must not be lower; None: no such bound.
        most: it must not be higher; None: no such bound.
    """

    figure: str
    text: str
    least: float | None = None
    most: float | None = None

    @property
    def bound(self) -> str:
        """The bound in words; empty when there is none."""
        if self.least is not None:
            return f"at least {self.least:,g}"
        return "" if self.most is None else f"at most {self.most:,g}"

    def verdict(self, value: float) -> str:
        """``ok``, ``missed``, or nothing when there is no bound."""
        if not self.bound:
            return ""
        met = (self.least is None or value >= self.least) and (self.most is None or value <= self.most)
        return "ok" if met else "missed"


TARGETS = (
    Target("import_s", "import pillion, seconds", most=0.25),
    Target("start_100_commands_s", "start of a service with 100 commands, seconds", most=0.3),
    Target("memory_round_trip.per_second", "memory bridge, round trips per second at 16", least=50_000),
    Target("memory_round_trip.of_floor", "memory bridge, of a bare queue and future, at 16", least=0.5),
    Target("memory_round_trip.cells.1.of_floor", "memory bridge, of a bare queue and future, at 1"),
    Target("memory_round_trip.cells.64.of_floor", "memory bridge, of a bare queue and future, at 64"),
    Target("event_cpu.us", "event received in bulk, CPU microseconds"),
    Target("event_cpu.of_raw", "event received in bulk, of bare ASGI", most=1.6),
    Target("event_cpu.of_dapr_app", "event received in bulk, of FastAPI with DaprApp (one by one)"),
    Target("event_cpu.alone_of_raw", "event received alone, of bare ASGI"),
    Target("event_cpu.alone_of_dapr_app", "event received alone, of FastAPI with DaprApp"),
    Target("command_redis.p50_of_raw_pair", "command, low latency, p50 of a hand-written pair", most=1.2),
    Target("command_redis.pubsub.p50_ms", "command by pub/sub, low latency, p50 at 1, ms"),
    Target("command_redis.pubsub.p99_ms", "command by pub/sub, low latency, p99 at 1, ms"),
    Target("command_redis.pubsub.per_second_1", "command by pub/sub, low latency, per second at 1"),
    Target("command_redis.pubsub.per_second_16", "command by pub/sub, throughput, per second at 16"),
    Target("command_redis.pubsub.per_second_128", "command by pub/sub, throughput, per second at 128"),
    Target("command_redis.pubsub.of_faststream", "command by pub/sub, throughput at 16, of FastStream", least=1.5),
    Target("command_redis.pubsub.of_faststream_128", "command by pub/sub, throughput at 128, of FastStream", least=3),
    Target("command_redis.invocation.p50_ms", "command by invocation, p50 at 1, ms"),
    Target("command_redis.invocation.p99_ms", "command by invocation, p99 at 1, ms"),
    Target("command_redis.invocation.per_second_1", "command by invocation, per second at 1"),
    Target("command_redis.invocation.per_second_16", "command by invocation, per second at 16"),
    Target("command_redis.invocation.per_second_128", "command by invocation, per second at 128"),
    Target("command_redis.invocation.of_faststream", "command by invocation at 16, of FastStream"),
    Target("command_redis.invocation.of_faststream_128", "command by invocation at 128, of FastStream"),
    Target("events_redis.per_second", "events published and handled per second"),
    Target("events_redis.of_faststream", "events published and handled, of FastStream without sidecar", least=2.5),
    Target("once.embedded.per_second", "events with inbox and outbox, embedded over SQLite, per second"),
    Target("once.embedded.of_plain", "events with inbox and outbox, embedded over SQLite, of without", least=0.5),
    Target("once.redis.per_second", "events with inbox and outbox, Redis beside daprd, per second"),
    Target("once.redis.of_plain", "events with inbox and outbox, Redis beside daprd, of without", least=0.5),
)


def main(names: list[str]) -> int:
    """Run the benchmarks of these names, or all; the exit code."""
    if unknown := sorted(set(names) - set(BENCHMARKS)):
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    results: dict[str, Any] = {}
    skipped: dict[str, str] = {}
    for name in names or BENCHMARKS:
        try:
            results |= _figures(name)
        except MissingError as error:
            skipped[name] = str(error)
    _print(results, skipped)
    RESULTS.write_text(json.dumps({**results, "skipped": skipped}, indent=2) + "\n", encoding="utf-8")
    return 0


def _figures(name: str) -> dict[str, Any]:
    print(f"{name} …", end=" ", file=sys.stderr, flush=True)
    begun = time.monotonic()
    try:
        found = importlib.import_module(f"benchmarks.{BENCHMARKS[name]}").measure()
        figures = asyncio.run(found) if inspect.iscoroutine(found) else found
    finally:
        print(f"{time.monotonic() - begun:.0f} s", file=sys.stderr)
    return dict(figures) if name == "startup" else {name: figures}


def _print(results: Mapping[str, Any], skipped: Mapping[str, str]) -> None:
    width = max(len(target.text) for target in TARGETS)
    for target in TARGETS:
        value = _value(results, target.figure)
        if value is not None:
            print(f"{target.text:{width}}  {_number(value):>9}  {target.bound:17} {target.verdict(value)}".rstrip())
    for name, reason in skipped.items():
        print(f"{name}: skipped: {reason}")


def _value(results: Mapping[str, Any], figure: str) -> float | None:
    found: Any = results
    for part in figure.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found if isinstance(found, int | float) else None


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
