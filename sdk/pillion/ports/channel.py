"""HTTP as far as a bridge may see it: whoever serves a port hands requests in and sends responses out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, Protocol, TypeAlias

JSON = "application/json"

Gone: TypeAlias = Callable[[], Awaitable[None]]


class Request(NamedTuple):
    """An HTTP request.

    Attributes:
        method: upper case.
        path: percent-decoded, without the query.
        headers: names in lower case.
        body: whole.
        gone: waits until whoever asked has gone without waiting for the answer; None when nobody can tell.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    gone: Gone | None = None


class Response(NamedTuple):
    """An HTTP response.

    Attributes:
        status: HTTP status.
        body: whole.
        content_type: of the body.
        headers: besides it.
    """

    status: int
    body: bytes
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


class Channel(Protocol):
    """Answers requests that come to the process's port."""

    async def handle(self, request: Request) -> Response:
        """The response; never raises."""
        ...
