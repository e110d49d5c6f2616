"""Dead letters as people read them on a terminal, and as JSON."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Raw

from pillion.cli.advice import advice
from pillion.cli.payload import pretty
from pillion.cli.place import Place
from pillion.cli.selection import Found, age, handler_of
from pillion.codec.cloudevents import encode
from pillion.message import Message
from pillion.resilience.letters import Letter

_HEADINGS = ("ID", "AGE", "HANDLER", "FAILURE", "ATTEMPTS", "MESSAGE", "REASON")
# A reason is cut so that its line fits the terminal, but not to less than this.
_SHORTEST_REASON = 20
_SHOWN_BYTES = 256


def table(found: Sequence[Found], now: float, width: int | None) -> Iterator[str]:
    """A line for each letter, below their headings.

    Args:
        found: the letters.
        now: seconds since 1970-01-01 UTC.
        width: columns of the terminal; None cuts nothing.
    """
    rows = [_HEADINGS, *(_row(one, now) for one in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS) - 1)]
    room = None if width is None else max(_SHORTEST_REASON, width - sum(widths) - 2 * len(widths))
    for *cells, reason in rows:
        texts = [f"{cell:<{size}}" for cell, size in zip(cells, widths, strict=True)]
        yield "  ".join([*texts, reason if room is None or len(reason) <= room else f"{reason[: room - 1]}…"])


def page(found: Found, message: Message, place: Place, now: float) -> Iterator[str]:
    """Everything about one letter, its payload, and what to do with it."""
    lines = [(name, value) for name, value in _lines(found, message, now) if value not in (None, "")]
    width = max(len(name) for name, _ in lines)
    yield from (f"{name:<{width}}  {value}" for name, value in lines)
    yield ""
    yield from payload(message)
    yield ""
    yield from advice(found, message, place)


def as_json(found: Found, message: Message | None = None) -> dict[str, Any]:
    """A letter for programs, with the names of the table; with its message, when it is given."""
    letter = msgspec.structs.asdict(found.letter)
    letter |= {"handler": letter.pop("subscriber"), "reason": letter.pop("title")}
    letter |= {"kept": _moment(found.letter.kept).isoformat(), "service": found.mailbox.group}
    return letter if message is None else letter | {"message": Raw(encode(message))}


def payload(message: Message) -> Iterator[str]:
    """The payload: JSON set out, text as it is, other bytes as a hex dump."""
    body = message.json or b64decode(message.data_base64 or "")
    if message.claim is not None:
        yield f"payload in the claims store, under {message.claim}"
    elif not body:
        yield "no payload"
    else:
        yield f"payload, {len(body)} bytes of {message.datacontenttype or 'application/json'}"
        yield from _text(body).splitlines()


def _row(one: Found, now: float) -> Sequence[str]:
    letter = one.letter
    return (
        letter.id, age(now - letter.kept), handler_of(one), letter.failure or "unknown", str(letter.attempts),
        letter.type, " ".join(letter.title.split()) or "-",
    )  # fmt: skip


def _lines(found: Found, message: Message, now: float) -> Iterator[tuple[str, Any]]:
    letter = found.letter
    status = f" ({message.failure_status})" if message.failure_status else ""
    yield "letter", f"{letter.id} of {found.mailbox.group}, in {found.mailbox.place}"
    yield "handler", handler_of(found)
    yield "failure", f"{letter.failure or 'unknown'}{status}"
    yield from _reason(letter)
    yield "where", message.failure_place
    yield "attempts", letter.attempts
    yield "kept", _when(_moment(letter.kept), now)
    yield "failed first", _when(message.first_failed, now)
    yield "replays", message.replays
    yield "message", f"{message.id}, {message.type}"
    yield "source", message.source
    yield "made", _when(message.time, now)
    yield "deadline", _when(message.deadline, now)
    yield "expiration", _when(message.expiration, now)
    yield "subject", message.subject
    yield "topic", message.topic
    yield "tenant", message.tenant_id
    yield "principal", message.principal_id
    yield "correlation", message.correlation_id
    yield "causation", message.causation_id
    yield "idempotency key", message.idempotency_key
    yield "trace", message.traceparent
    yield from message.extensions.items()


def _reason(letter: Letter) -> Iterator[tuple[str, Any]]:
    """The reason; what is wrong with a payload has a line for each field."""
    title, _, fields = letter.title.partition(": ") if letter.failure == "invalid_input" else (letter.title, "", "")
    yield "reason", title or None
    if fields:
        yield from (("", f"  {field}") for field in fields.split("; "))


def _text(body: bytes) -> str:
    try:
        return pretty(body).decode()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return _hex(body)
    return text if all(letter.isprintable() or letter.isspace() for letter in text) else _hex(body)


def _hex(body: bytes) -> str:
    lines = [f"{at:08x}  {body[at : at + 16].hex(' ')}" for at in range(0, min(len(body), _SHOWN_BYTES), 16)]
    return "\n".join([*lines, "… (--json has all of them, in base64)"] if len(body) > _SHOWN_BYTES else lines)


def _when(moment: datetime | None, now: float) -> str | None:
    if moment is None:
        return None
    ago = now - moment.timestamp()
    told = f"{age(ago)} ago" if ago >= 0 else f"in {age(-ago)}"
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC, {told}"


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
