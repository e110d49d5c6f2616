"""Dead letters: the original message plus what failed to handle it, and why."""

from __future__ import annotations

import base64
import os
from hashlib import sha256
from pathlib import Path
from traceback import walk_tb
from uuid import uuid4

from msgspec.structs import replace

from pillion.errors import Failure
from pillion.message import Message

MALFORMED = "pillion.malformed"
# Where code is that is not the service's own: ours, and the standard library's.
_OURS = f"{Path(__file__).parents[1]}{os.sep}"
_PYTHON = (f"{Path(os.__file__).parent}{os.sep}", "<")
# What is installed may be a library, or the service itself.
_INSTALLED = frozenset({"site-packages", "dist-packages"})


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
        failure_code=failure.code if failure else type(cause).__name__ if cause else "rejected",
        failure_status=failure.status if failure else 500,
        failure_title=reason,
        failure_place=None if cause is None else _place(cause),
    )


def letter_id(letter: Message) -> str:
    """The name under which a dead letter is kept: short enough to type, one for each message and handler."""
    return sha256(f"{letter.subscriber or ''}|{letter.source}|{letter.id}".encode()).hexdigest()[:16]


def sealed(letter: Message) -> Message:
    """A dead letter as it travels: with an id of its own for each handler and each replay.

    Two handlers can fail with one message, and one can fail again with what was replayed to it. A broker that drops
    what it has seen (JetStream, by the id) would take their letters for one.
    """
    return replace(letter, id=letter.id + _seal(letter))


def opened(letter: Message) -> Message:
    """A dead letter from its topic, with the message's id again."""
    return replace(letter, id=letter.id.removesuffix(_seal(letter)))


def _seal(letter: Message) -> str:
    return f"/{letter.subscriber}/{letter.replays}" if letter.replays else f"/{letter.subscriber}"


def malformed(body: bytes, topic: str, reason: str, address: str) -> Message:
    """A message around bytes that are no CloudEvent, so that they can be set aside unchanged."""
    return Message(
        id=str(uuid4()),
        source=f"/{topic}",
        type=MALFORMED,
        specversion="1.0",
        datacontenttype="application/octet-stream",
        subscriber=address,
        failure_code="malformed_event",
        failure_status=400,
        failure_title=reason,
        data_base64=base64.b64encode(body).decode("ascii"),
    )


def _place(error: BaseException) -> str | None:
    """File and line in the service's own code, the innermost frame there: no values, as those can be secret."""
    frames = [(frame.f_code.co_filename, line) for frame, line in walk_tb(error.__traceback__)]
    theirs = [frame for frame in frames if not _of_python(frame[0])]
    own = [frame for frame in theirs if not _installed(frame[0])]
    # All of it is installed: the outermost frame is the handler's.
    place = own[-1] if own else theirs[0] if theirs else None
    return None if place is None else f"{_short(place[0])}:{place[1]}"


def _of_python(file: str) -> bool:
    return file.startswith(_OURS) or (file.startswith(_PYTHON) and not _installed(file))


def _installed(file: str) -> bool:
    return not _INSTALLED.isdisjoint(Path(file).parts)


def _short(file: str) -> str:
    try:
        return os.path.relpath(file)
    except (OSError, ValueError):  # the working directory is gone, or on another drive
        return file
