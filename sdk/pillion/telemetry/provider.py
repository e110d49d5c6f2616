"""Where the instrumentor leaves the tracer provider and hosts find it; light, so that hosts without tracing stay so."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider


class Instrumented:
    """What ``PillionInstrumentor`` set for this process.

    Attributes:
        provider: hosts made from now on trace with it; None leaves tracing off.
    """

    provider: ClassVar[TracerProvider | None] = None
