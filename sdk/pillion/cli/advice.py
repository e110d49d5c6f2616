"""What to do about a dead letter, with commands to be copied."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator

from pillion.cli.place import Place
from pillion.cli.selection import Found
from pillion.errors import UnknownHandler
from pillion.message import Message
from pillion.resilience.deadletter import MALFORMED
from pillion.resilience.letters import Letter


def advice(found: Found, message: Message, place: Place) -> Iterator[str]:
    """What happened and what to do, in words; the commands look where the letter was found."""
    letter, replay = found.letter, place.command("replay", found.letter.id)
    if letter.type == MALFORMED:
        yield _malformed(message)
    elif obstacle := found.mailbox.obstacle(letter, None):
        yield f"This letter {obstacle}." if letter.subscriber else _unclaimed(letter, message)
        yield "This gives it to a handler of your choice; `pillion describe` shows which there are:"
        yield f"  {replay} --to HANDLER"
    elif letter.failure == UnknownHandler.code:
        yield f"No running version of the service has the handler {letter.subscriber}."
        yield "This gives it to another one, which `pillion describe` shows; without --to, to this one when it is back:"
        yield f"  {replay} --to HANDLER"
    else:
        yield f"{letter.subscriber} could not handle this message."
        yield "When the cause is mended, this gives it to that handler again, and to no other:"
        yield f"  {replay}"
    yield "This forgets it:"
    yield f"  {place.command('drop', letter.id)}"


def _malformed(message: Message) -> str:
    fatal = ""
    if _is_poison(b64decode(message.data_base64 or "")):
        fatal = (
            " Its trace id is no string: a sidecar that does not subscribe raw dies of such an event, again after "
            "each restart, so tell whoever else subscribes to the topic."
        )
    return (
        f"These bytes came from topic {message.source.removeprefix('/')} and are no CloudEvent, so no handler can "
        f"take them, and they cannot be replayed.{fatal} Have their sender corrected and send them again."
    )


def _unclaimed(letter: Letter, message: Message) -> str:
    if letter.failure:
        return f"No handler has seen this message: {letter.title}."
    cause = (
        f"because it expired ({message.expiration})" if message.expiration is not None else
        "because the app answered that it does not know the path, or did not answer as often as the sidecar's "
        "Resiliency says, or no rule of a subscription takes it"
    )  # fmt: skip
    return f"No handler has said anything about this message: the sidecar set it aside by itself, most likely {cause}."


def _is_poison(body: bytes) -> bool:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and any(
        name in found and not isinstance(found[name], str) for name in ("traceid", "traceparent")
    )
