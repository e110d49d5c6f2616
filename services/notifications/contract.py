"""What the notifications service offers: it tells that a mail has left. Nobody asks it for anything; it listens."""

from __future__ import annotations

from pydantic import BaseModel

from pillion import Contract

notifications = Contract("notifications", description="Tells customers by mail what happened.")


class Mailed(BaseModel):
    """A mail has left."""

    to: str
    subject: str


mailed = notifications.event("mailed", Mailed)
