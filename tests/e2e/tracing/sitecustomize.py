"""Loaded by every Python process of the traced shop: spans go to the file that SPANS_FILE names, one JSON line each."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from pillion.telemetry.instrumentor import PillionInstrumentor


class Lines(SpanExporter):
    """Appends spans to a file; short lines in append mode do not mix."""

    def __init__(self, path: str) -> None:
        self._path = path

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        with open(self._path, "a", encoding="utf-8") as file:  # noqa: PTH123
            for span in spans:
                context, parent = span.get_span_context(), span.parent
                assert context is not None
                line = {
                    "trace": f"{context.trace_id:032x}",
                    "span": f"{context.span_id:016x}",
                    "parent": f"{parent.span_id:016x}" if parent else None,
                    "name": span.name,
                    "kind": span.kind.name,
                    "process": os.getpid(),
                }
                file.write(json.dumps(line) + "\n")
        return SpanExportResult.SUCCESS


if path := os.environ.get("SPANS_FILE"):
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(Lines(path)))
    PillionInstrumentor().instrument(tracer_provider=provider)
