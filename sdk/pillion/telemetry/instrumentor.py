"""The switch for tracing, as OpenTelemetry's tools know it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]
from opentelemetry.trace import get_tracer_provider

from pillion.telemetry.provider import Instrumented


class PillionInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # the package ships without types
    """Traces every host that is made while it is on.

    ``opentelemetry-instrument pillion run …`` finds it by its entry point; in a program::

        PillionInstrumentor().instrument(tracer_provider=provider)

    Args of ``instrument``:
        tracer_provider: default OpenTelemetry's global one.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """None: what it instruments comes with it."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        Instrumented.provider = kwargs.get("tracer_provider") or get_tracer_provider()

    def _uninstrument(self, **_: Any) -> None:
        Instrumented.provider = None
