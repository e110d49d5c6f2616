"""Dead letters as people read them on a terminal, and as JSON."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Raw

from pillion.cli.mailbox import Mailbox
from pillion.cli.payload import pretty
from pillion.cli.selection import Found, age
from pillion.codec.cloudevents import encode
from pillion.message import Message
from pillion.resilience.deadletter import MALFORMED
from pillion.resilience.letters import Letter

_HEADINGS = ("ID", "AGE", "HANDLER", "FAILURE", "ATTEMPTS", "MESSAGE", "CORRELATION")
_SHOWN_BYTES = 256


def table(found: Sequence[Found], now: float) -> Iterator[str]:
    """A line for each letter, below their headings."""
    rows = [_HEADINGS, *(_row(one, now) for one in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    for row in rows:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def page(mailbox: Mailbox, letter: Letter, message: Message, now: float) -> Iterator[str]:
    """Everything about one letter, its payload, and what to do with it."""
    lines = dict(_lines(mailbox, letter, message, now))
    width = max(map(len, lines))
    yield from (f"{name:<{width}}  {value}" for name, value in lines.items() if value is not None)
    yield ""
    yield from payload(message)
    yield ""
    yield advice(letter, message)


def as_json(mailbox: Mailbox, letter: Letter, message: Message | None = None) -> dict[str, Any]:
    """A letter for programs; with its message, when it is given."""
    found = msgspec.structs.asdict(letter)
    found |= {"kept": _moment(letter.kept).isoformat(), "service": mailbox.group}
    return found if message is None else found | {"message": Raw(encode(message))}


def advice(letter: Letter, message: Message) -> str:
    """What happened and what to do, in words."""
    if letter.type == MALFORMED:
        return _malformed(message)
    if not letter.subscriber:
        return _unclaimed(letter, message)
    return (
        f"{letter.subscriber} could not handle this message. When the cause is mended, `pillion dlq replay "
        f"{letter.id}` gives it to that handler again, and to no other; `pillion dlq drop {letter.id}` forgets it."
    )


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
    handler = _handler(letter) or f"({one.mailbox.group}, unknown)"
    return (
        letter.id, age(now - letter.kept), handler, letter.failure or "-", str(letter.attempts), letter.type,
        letter.correlation_id or "-",
    )  # fmt: skip


def _handler(letter: Letter) -> str:
    """What failed; bytes that are no CloudEvent failed before they reached a handler."""
    return "" if letter.type == MALFORMED else letter.subscriber


def _lines(mailbox: Mailbox, letter: Letter, message: Message, now: float) -> Iterator[tuple[str, Any]]:
    status = f" ({message.failure_status})" if message.failure_status else ""
    yield "letter", f"{letter.id} of {mailbox.group}, in {mailbox.place}"
    yield "handler", _handler(letter) or "unknown"
    yield "failure", f"{letter.failure or 'unknown'}{status}"
    yield "reason", letter.title or None
    yield "attempts", letter.attempts
    yield "kept", f"{_moment(letter.kept):%Y-%m-%d %H:%M:%S} UTC, {age(now - letter.kept)} ago"
    yield "message", f"{message.id}, {message.type}"
    yield "source", message.source
    yield "made", message.time
    yield "deadline", message.deadline
    yield "expiration", message.expiration
    yield "subject", message.subject
    yield "topic", message.topic
    yield "tenant", message.tenant_id
    yield "principal", message.principal_id
    yield "correlation", message.correlation_id
    yield "causation", message.causation_id
    yield "idempotency key", message.idempotency_key
    yield "trace", message.traceparent
    yield from message.extensions.items()


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


def _malformed(message: Message) -> str:
    fatal = ""
    if _is_poison(b64decode(message.data_base64 or "")):
        fatal = (
            " Its trace id is no string: a sidecar that does not subscribe raw dies of such an event, again after "
            "each restart, so tell whoever else subscribes to the topic."
        )
    return (
        f"These bytes came from topic {message.source.removeprefix('/')} and are no CloudEvent, so no handler can "
        f"take them, and they cannot be replayed.{fatal} Have their sender corrected and send them again; then drop "
        "this letter."
    )


def _unclaimed(letter: Letter, message: Message) -> str:
    cause = (
        f"because it expired ({message.expiration})" if message.expiration is not None else
        "because the app answered that it does not know the path, or did not answer as often as the sidecar's "
        "Resiliency says, or no rule of a subscription takes it"
    )  # fmt: skip
    return (
        f"No handler has said anything about this message: the sidecar set it aside by itself, most likely {cause}. "
        f"`pillion dlq replay {letter.id} --to HANDLER` gives it to a handler of your choice; `pillion describe` "
        f"shows which there are. `pillion dlq drop {letter.id}` forgets it."
    )


def _is_poison(body: bytes) -> bool:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and any(
        name in found and not isinstance(found[name], str) for name in ("traceid", "traceparent")
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
