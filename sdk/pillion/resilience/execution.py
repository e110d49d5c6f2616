"""What names the execution of a handler for a message, so that a second delivery is known as one."""

from __future__ import annotations

import re
from hashlib import blake2b

from pillion.message import Message

_usual = re.compile(r"[\w.:-]{1,64}", re.ASCII).fullmatch


def execution_name(handler: str, message: Message) -> str:
    """Of the handler and the message; an idempotency key is its tenant's and its principal's own.

    An id of the usual kind stays as it is: a sender's ids are near each other, and so are their rows in a store, which
    makes writing them half as dear.

    Args:
        handler: its address.
        message: with a source and an id, or with an idempotency key.
    """
    if message.idempotency_key is not None:
        return _digest(handler, message.tenant_id or "", message.principal_id or "", message.idempotency_key)
    id_ = message.id if _usual(message.id) else f"#{_digest(message.id)}"
    return f"{_digest(handler, message.source)}:{id_}"


def _digest(*names: str) -> str:
    return blake2b("\n".join(names).encode(), digest_size=16).hexdigest()
