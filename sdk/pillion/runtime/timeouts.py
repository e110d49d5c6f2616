"""Timeouts: a handler must be done before the sidecar gives up on it and delivers its message to another."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from pillion.ports.bridge import Kind, Route

# For the way to the handler and back. Seconds.
_MARGIN = 5.0
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


def seconds(duration: str) -> float | None:
    """A duration as Go writes it, ``1m30s``; None for what is none.

    Source: https://pkg.go.dev/time#ParseDuration
    """
    parts = _PART.findall(duration)
    written = "".join(number + unit for number, unit in parts)
    return sum(float(number) * _UNITS[unit] for number, unit in parts) if parts and written == duration else None


def overlong(asked: Iterable[tuple[str, Route]], limit_of: Callable[[str], float | None]) -> Iterator[str]:
    """The handlers that may take longer than the sidecar waits, a sentence each.

    Args:
        asked: component and route of each handler, which tells how long messages may wait for their next attempts.
        limit_of: for how many seconds the sidecar waits for an answer to what a component brings; None is for ever.
    """
    # A command has two routes, and one sentence will do: that of its sends, which leave it less time than calls.
    told: set[str] = set()
    for component, route in sorted(asked, key=lambda one: one[1].kind is Kind.COMMAND):
        limit = limit_of(component)
        # Calls are not tried again in the process: their callers do that.
        waits = 0.0 if route.kind is Kind.COMMAND else route.longest_wait
        if limit is None or _fits(route, limit - _MARGIN - waits) or route.address in told:
            continue
        told.add(route.address)
        yield _sentence(route, component, limit, waits)


def _fits(route: Route, most: float) -> bool:
    return route.timeout is not None and route.timeout <= most


def _sentence(route: Route, component: str, limit: float, waits: float) -> str:
    takes = "has no timeout" if route.timeout is None else f"has timeout={route.timeout:g}"
    between = f", and up to {waits:g} s pass between its attempts" if waits else ""
    most = limit - _MARGIN - waits
    shorter = f"give it timeout={most:g} or less, or " if most > 0 else ""
    slow = " (an event handler with slow=True has a component of its own for that)" if route.kind is Kind.EVENT else ""
    return (
        f"{route.address} {takes}{between}, but the sidecar waits {limit:g} s for what {component} brings and then "
        f"delivers it again beside the handler that still runs: {shorter}raise the Resiliency timeout "
        f"targets.components.{component}.inbound.timeout{slow}"
    )
