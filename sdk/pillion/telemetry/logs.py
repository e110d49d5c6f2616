"""Structured logs: JSON for machines, a readable form on a terminal, and the ids that tie them together."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, Literal, TextIO

import structlog

from pillion.message import Message

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

Format = Literal["auto", "json", "text"]


def configure(*, form: Format = "auto", level: str = "info", stream: TextIO | None = None) -> None:
    """Set structlog up for a process that runs services.

    Args:
        form: ``json`` lines, ``text`` for people, or ``auto``: text on a terminal.
        level: least level that is written: debug, info, warning, error.
        stream: where to; default standard error.
    """
    target = stream or sys.stderr
    text = form == "text" or (form == "auto" and target.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *_rendering(text=text, colors=text and target.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(target),
        cache_logger_on_first_use=False,
    )


def _rendering(*, text: bool, colors: bool) -> list[Any]:
    if text:
        return [structlog.dev.ConsoleRenderer(colors=colors, pad_event_to=28)]
    return [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]


def host_logger(app: str) -> FilteringBoundLogger:
    """The logger of a host."""
    return structlog.get_logger(app=app)  # type: ignore[no-any-return]


def message_logger(message: Message, address: str) -> FilteringBoundLogger:
    """A logger that knows what is handled, by whom, and the ids that tie it to everything else."""
    ids = {
        "correlation_id": message.correlation_id or message.id,
        "message_id": message.id,
        "trace_id": trace_id(message.traceparent),
        "tenant": message.tenant_id,
    }
    known = {name: value for name, value in ids.items() if value}
    return structlog.get_logger(service=address.rpartition(".")[0], handler=address, **known)  # type: ignore[no-any-return]


def trace_id(traceparent: str | None) -> str | None:
    """The trace id in a W3C ``traceparent``; None when there is none."""
    parts = (traceparent or "").split("-")
    return parts[1] if len(parts) >= 4 and len(parts[1]) == 32 else None
