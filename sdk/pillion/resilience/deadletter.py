"""Dead letters: the original message plus what failed to handle it, and why."""

from __future__ import annotations

import base64
from uuid import uuid4

from msgspec.structs import replace

from pillion.errors import Failure
from pillion.message import Message

MALFORMED = "pillion.malformed"


def dead_letter(message: Message, address: str, reason: str, cause: BaseException | None) -> Message:
    """The message as it goes to the dead-letter topic: all it had, plus the failure.

    Args:
        message: what could not be handled.
        address: what could not handle it, for example ``orders.v1.refund``.
        reason: one sentence.
        cause: the exception, when there was one.
    """
    failure = cause if isinstance(cause, Failure) else None
    return replace(
        message,
        subscriber=address,
        attempt=message.attempt or 1,
        failure_code=failure.code if failure else type(cause).__name__ if cause else "rejected",
        failure_status=failure.status if failure else 500,
        failure_title=reason,
    )


def sealed(letter: Message) -> Message:
    """A dead letter as it travels: with an id of its own for each handler.

    Two handlers can fail with one message, and a broker that drops what it has seen (JetStream, by the id) would take
    their letters for one.
    """
    return replace(letter, id=f"{letter.id}/{letter.subscriber}")


def opened(letter: Message) -> Message:
    """A dead letter from its topic, with the message's id again."""
    return replace(letter, id=letter.id.removesuffix(f"/{letter.subscriber}"))


def malformed(body: bytes, topic: str, reason: str, address: str) -> Message:
    """A message around bytes that are no CloudEvent, so that they can be set aside unchanged."""
    return Message(
        id=str(uuid4()),
        source=f"/{topic}",
        type=MALFORMED,
        specversion="1.0",
        datacontenttype="application/octet-stream",
        subscriber=address,
        attempt=1,
        failure_code="malformed_event",
        failure_status=400,
        failure_title=reason,
        data_base64=base64.b64encode(body).decode("ascii"),
    )
