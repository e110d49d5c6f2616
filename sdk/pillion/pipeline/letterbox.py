"""Keeps a service's dead letters where they can be listed, understood and replayed."""

from __future__ import annotations

from pillion.errors import SidecarError, StoreError, Unavailable
from pillion.message import Message
from pillion.outcome import Ack, Outcome, Retry
from pillion.pipeline.facilities import Log
from pillion.pipeline.scope import Provisions
from pillion.resilience.claims import Claims
from pillion.resilience.deadletter import opened


class LetterBox:
    """Takes the dead letters of one service from their topic.

    Args:
        provisions: have the service's letters, once it is started.
        log: for letters that cannot be kept.
        claims: where payloads are that did not travel with their letter.
    """

    def __init__(self, provisions: Provisions, log: Log, claims: Claims) -> None:
        self._provisions = provisions
        self._log = log
        self._claims = claims

    async def handle(self, message: Message) -> Outcome:
        """Keep a letter; while that fails the broker keeps it."""
        message, letters = opened(message), self._provisions.letters
        if letters is None:
            self._log.error("dead letter not kept: no state store", message_id=message.id, handler=message.subscriber)
            return Ack()
        try:
            await letters.keep(message if message.claim is None else await self._whole(message))
        except (SidecarError, StoreError) as error:
            self._log.error("dead letter could not be kept", message_id=message.id, reason=str(error))
            return Retry(str(error), after=1.0)
        return Ack()

    async def _whole(self, letter: Message) -> Message:
        """The letter with its payload, as that expires in the claims store; with its claim when it is not there.

        Raises:
            StoreError: the claims store cannot be read now.
        """
        try:
            return await self._claims.fetch(letter)
        except Unavailable as error:
            if error.__cause__ is not None:
                raise StoreError(error.reason) from error
            self._log.error("dead letter kept without its payload", message_id=letter.id, reason=error.reason)
            return letter
