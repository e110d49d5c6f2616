"""Who is asking: authenticators make a principal of a request."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Mapping
from typing import Protocol

from pydantic import BaseModel
from starlette.requests import Request


class Principal(BaseModel, frozen=True):
    """Who asks; goes with every message that the request causes.

    Attributes:
        id: of the person or the program.
        tenant: on whose data the work is done, or None.
    """

    id: str
    tenant: str | None = None


class Authenticator(Protocol):
    """Finds out who asks. Any ``async`` function of this shape will do."""

    def __call__(self, request: Request, /) -> Awaitable[Principal | None]:
        """The principal, or None when the request does not say, or does not prove, who asks.

        Raises:
            Failure: to refuse in words of its own, for example ``Forbidden``.
        """
        ...


class BearerTokens:
    """Principals by fixed tokens, sent as ``Authorization: Bearer TOKEN``: for machines, demonstrations and tests.

    Args:
        tokens: principals by token.
    """

    def __init__(self, tokens: Mapping[str, Principal]) -> None:
        self._tokens = [(token.encode(), principal) for token, principal in tokens.items()]

    async def __call__(self, request: Request, /) -> Principal | None:
        """See ``Authenticator``."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        sent = given.strip().encode()
        # All are compared, each in constant time, so that timing says nothing about how near a guess was.
        found = [principal for token, principal in self._tokens if hmac.compare_digest(token, sent)]
        return found[0] if found else None

    def __repr__(self) -> str:
        return f"<bearer tokens of {len(self._tokens)} principals>"
