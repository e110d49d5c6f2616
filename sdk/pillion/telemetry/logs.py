"""Structured logs: JSON for machines, a readable form on a terminal, and the ids that tie them together."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, TextIO, cast

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.tracebacks import ExceptionDictTransformer

from pillion.message import Message

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger, Processor

Format = Literal["auto", "json", "text"]

# A token ends its name: token_count and tokens are numbers. A key is one only with the word for what it opens.
_SECRET = re.compile(
    r"pass(word|wd|phrase)|pwd|secret|credential|bearer|authorization|cookie|token$|(api|private)[_-]?key",
    re.IGNORECASE,
)


def configure(*, form: Format = "auto", level: str = "info", stream: TextIO | None = None) -> None:
    """Set up the logs of a process that runs services: structlog's, and those of libraries that use ``logging``.

    Args:
        form: ``json`` lines, ``text`` for people, or ``auto``: text on a terminal.
        level: least level that is written: debug, info, warning, error.
        stream: where to; default standard error.
    """
    target = stream or sys.stderr
    least = logging.getLevelNamesMapping()[level.upper()]
    rendering = _rendering(target, form)
    structlog.configure(
        processors=[*_common(), *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.PrintLoggerFactory(target),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, structlog.stdlib.ExtraAdder(), *_common()],
            processors=[ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    logging.basicConfig(level=least, handlers=[handler], force=True)


def _common() -> Sequence[Processor]:
    return (
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_span,
        _hide_secrets,
    )


def _rendering(target: TextIO, form: Format) -> Sequence[Processor]:
    terminal = target.isatty()
    if form == "text" or (form == "auto" and terminal):
        # The default would draw tracebacks with the values of all local variables, secrets among them.
        plain = structlog.dev.plain_traceback
        return (structlog.dev.ConsoleRenderer(colors=terminal, pad_event_to=28, exception_formatter=plain),)
    traceback = structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
    return (traceback, structlog.processors.JSONRenderer())


def _add_span(_: Any, __: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Ids of the current span. OpenTelemetry is asked only where somebody has loaded it: importing it costs time."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is not None:
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            fields["trace_id"], fields["span_id"] = f"{span.trace_id:032x}", f"{span.span_id:016x}"
    return fields


def _hide_secrets(_: Any, __: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The last net: a field named like a secret is not written, whoever logs it."""
    for name, value in fields.items():
        fields[name] = _hidden(name, value)
    return fields


def _hidden(name: object, value: Any) -> Any:
    if isinstance(name, str) and _is_secret(name):
        return "***"
    if isinstance(value, dict):
        return {member: _hidden(member, inner) for member, inner in value.items()}
    if isinstance(value, list):
        return [_hidden(None, inner) for inner in value]
    if isinstance(value, tuple):  # stays one: what is to become a traceback is known by that
        return tuple([_hidden(None, inner) for inner in value])
    return value


# Programs log few names, many times.
@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return _SECRET.search(name) is not None


def host_logger(app: str) -> FilteringBoundLogger:
    """The logger of a host. It may be made before its program has said how it logs."""
    return cast("FilteringBoundLogger", _Following(app=app))


def message_logger(message: Message, address: str, app: str) -> FilteringBoundLogger:
    """A logger that knows what is handled, by whom, and the ids that tie it to everything else."""
    ids = {
        "correlation_id": message.correlation_id or message.id,
        "message_id": message.id,
        "trace_id": trace_id(message.traceparent),
        "tenant": message.tenant_id,
    }
    known = {name: value for name, value in ids.items() if value}
    return _logger(app=app, service=address.rpartition(".")[0], handler=address, **known)


class _Following:
    """Writes each line as structlog is configured by then."""

    def __init__(self, **fields: Any) -> None:
        self._fields = fields

    def __getattr__(self, name: str) -> Any:
        return getattr(_logger(**self._fields), name)


def _logger(**fields: Any) -> FilteringBoundLogger:
    """Written as the program says; when it has not said, for people, without the values of variables."""
    # Unconfigured, structlog would print those of each frame, if `rich` is installed.
    processors = None if structlog.is_configured() else [*_common(), *_rendering(sys.stdout, "text")]
    return structlog.wrap_logger(None, processors, **fields)  # type: ignore[no-any-return]


def trace_id(traceparent: str | None) -> str | None:
    """The trace id in a W3C ``traceparent``; None when there is none."""
    parts = (traceparent or "").split("-")
    return parts[1] if len(parts) >= 4 and len(parts[1]) == 32 else None
