"""What lies on a service's shelf."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from pillion.codec.cloudevents import decode
from pillion.message import Message


class Parked(Struct, frozen=True, omit_defaults=True):
    """What is known of a message on the shelf without reading it.

    Attributes:
        due: when it is to be taken, in seconds since 1970-01-01 UTC.
        since: when it was parked first; messages of one key are taken in this order.
        address: handler it is to be delivered to; empty when it is to be published.
        topic: where it is to be published; empty when it is to be delivered.
        component: pub/sub component of the topic.
        attempt: number of the attempt that is to be made.
        key: ordering key, or None.
        reason: why the last attempt failed.
        lease: whoever took it has it until then; 0 when nobody has.
        holder: ``<instance>/<boot id>`` of who took it last.
        unhandled: since when whoever took it has not had its handler; 0 when its handler had it last.
        begun: whether its handler began, and nobody has told yet how that ended.
    """

    due: float
    since: float
    address: str = ""
    topic: str = ""
    component: str = ""
    attempt: int = 1
    key: str | None = None
    reason: str = ""
    lease: float = 0.0
    holder: str = ""
    unhandled: float = 0.0
    begun: bool = False

    def held_by(self, owner: str) -> bool:
        """Whether this owner was the last to take it, and nobody has put it on the shelf again since."""
        return self.lease > 0 and self.holder == owner

    @property
    def lane(self) -> tuple[str, str] | None:
        """Handler and key of those it keeps its order with; None when it has no order."""
        return None if self.key is None else (self.address, self.key)


class Taken(NamedTuple):
    """A message taken from the shelf, to be followed by ``forget`` or ``again`` while the lease lasts.

    Attributes:
        id: its name on the shelf.
        parked: where it is to go. If it has ``begun`` already, the process that had it ended while handling it.
        message: with the number of the attempt, when it is to be delivered.
    """

    id: str
    parked: Parked
    message: Message

    @classmethod
    def of(cls, id_: str, parked: Parked, body: bytes) -> Taken:
        """The message in this body."""
        message = decode(body)
        return cls(id_, parked, replace(message, attempt=parked.attempt) if parked.address else message)
