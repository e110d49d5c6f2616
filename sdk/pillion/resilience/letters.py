"""Dead letters of one service, kept so that they can be found, understood, and handled after all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import replace

from pillion.codec.cloudevents import decode, encode
from pillion.errors import StoreError
from pillion.message import Message
from pillion.ports.clock import Clock
from pillion.ports.store import StateStore
from pillion.resilience.deadletter import MALFORMED, letter_id
from pillion.resilience.ledger import Ledger
from pillion.resilience.shelf import Shelf


class Letter(Struct, frozen=True, omit_defaults=True):
    """What is known of a dead letter without reading it.

    Attributes:
        id: its name here, short enough to type.
        message_id: id of the message.
        type: CloudEvents type of the message.
        kept: when, in seconds since 1970-01-01 UTC.
        subscriber: handler that failed; empty when nobody said.
        failure: code of the failure, for example ``card_declined``.
        title: one sentence about the failure.
        attempts: how often it was tried.
        correlation_id: of the outside request, or None.
        topic: where the letter came from, or None.
    """

    id: str
    message_id: str
    type: str
    kept: float
    subscriber: str = ""
    failure: str = ""
    title: str = ""
    attempts: int = 1
    correlation_id: str | None = None
    topic: str | None = None


class Letters:
    """The dead letters of one service.

    Args:
        store: the service's own; must keep ETags.
        group: the service's name and version.
        clock: says when a letter was kept.
    """

    def __init__(self, store: StateStore, group: str, clock: Clock) -> None:
        self._ledger = Ledger(store, f"letters:{group}", Letter)
        self._group = group
        self._now = clock.now

    async def keep(self, message: Message) -> None:
        """Keep a dead letter; the same one twice is one entry.

        Raises:
            StoreError: the store cannot do it.
        """
        letter = _letter(message, self._now())
        await self._ledger.put(letter.id, letter, encode(message))

    async def list(
        self,
        *,
        subscriber: str | None = None,
        failure: str | None = None,
        correlation: str | None = None,
        older_than: float | None = None,
        newer_than: float | None = None,
    ) -> Sequence[Letter]:
        """The letters for which all that is given holds, oldest first.

        Args:
            subscriber: address of the handler that failed.
            failure: code of the failure.
            correlation: correlation id.
            older_than: kept before then, in seconds since 1970-01-01 UTC.
            newer_than: kept after then.

        Raises:
            StoreError: the store cannot do it.
        """
        found = [
            letter
            for letter in (await self._ledger.entries()).values()
            if (subscriber is None or letter.subscriber == subscriber)
            and (failure is None or letter.failure == failure)
            and (correlation is None or letter.correlation_id == correlation)
            and (older_than is None or letter.kept < older_than)
            and (newer_than is None or letter.kept > newer_than)
        ]
        return sorted(found, key=lambda letter: (letter.kept, letter.id))

    async def show(self, id_: str) -> Message | None:
        """The dead letter as it came, or None.

        Raises:
            StoreError: the store cannot do it.
        """
        body = await self._ledger.body(id_)
        return None if body is None else decode(body)

    async def drop(self, ids: Iterable[str]) -> None:
        """Forget letters; a missing one is no error.

        Raises:
            StoreError: the store cannot do it.
        """
        await self._ledger.remove(ids)

    async def replay(self, ids: Iterable[str], shelf: Shelf, to: str | None = None) -> None:
        """Have the original messages handled again, now, each by the one handler that failed; all of them or none.

        What belongs to the first try is taken off: the failure, the number of attempts, and ``deadline`` and
        ``expiration``, which are over, so that the message would be refused or dropped at once. What it gets is when
        it failed first, and how often it was replayed.

        Args:
            ids: of the letters.
            shelf: of the service and version that is to handle them.
            to: address of the handler that takes them, instead of the one that failed.

        Raises:
            StoreError: the store cannot do it, a letter is not there, or it cannot be replayed.
        """
        wanted = list(ids)
        bodies, entries = await self._ledger.bodies(wanted), await self._ledger.entries()
        dead = [self._replayable(id_, decode(bodies[id_]) if id_ in bodies else None, to) for id_ in wanted]
        revived = [
            (address, _revived(message, entries[id_].kept if id_ in entries else self._now()))
            for id_, (address, message) in zip(wanted, dead, strict=True)
        ]
        now = self._now()
        # On the shelf first: a crash between the two handles a message twice, the other way round it would be lost.
        await asyncio.gather(*(shelf.park(message, address, now, 1, "") for address, message in revived))
        # A handler that is quick may have failed again by now; that letter stays.
        await self._ledger.remove(wanted, lambda letter: letter == entries.get(letter.id))

    def _replayable(self, id_: str, message: Message | None, to: str | None) -> tuple[str, Message]:
        if message is None:
            raise StoreError(f"{self._group} has no dead letter {id_!r}; list them to see which there are")
        if reason := obstacle(message.type, to or message.subscriber):
            raise StoreError(f"dead letter {id_!r} of {self._group} {reason}")
        return to or message.subscriber or "", message


def obstacle(type_: str, handler: str | None) -> str:
    """Why a letter cannot be replayed, and what to do instead, to be read after its name; empty when it can.

    Args:
        type_: CloudEvents type of the message.
        handler: which is to take it.
    """
    if type_ == MALFORMED:
        return (
            "holds bytes that are no CloudEvent, so no handler can take it; show it, have its sender corrected, and "
            "drop it"
        )
    if not handler:
        return "does not say which handler failed; name the one that is to take it with --to HANDLER, or drop it"
    return ""


def _letter(message: Message, now: float) -> Letter:
    return Letter(
        id=letter_id(message),
        message_id=message.id,
        type=message.type,
        kept=now,
        subscriber=message.subscriber or "",
        failure=message.failure_code or "",
        title=message.failure_title or "",
        attempts=message.attempt,
        correlation_id=message.correlation_id,
        topic=message.topic,
    )


def _revived(message: Message, kept: float) -> Message:
    """The message as it was before it failed; its attempts are counted from the start, and it has all the time."""
    return replace(
        message, subscriber=None, failure_code=None, failure_status=None, failure_title=None, failure_place=None,
        attempt=1, deadline=None, expiration=None,
        first_failed=message.first_failed or datetime.fromtimestamp(kept, UTC), replays=(message.replays or 0) + 1,
    )  # fmt: skip
