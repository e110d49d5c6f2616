"""The app channel: what the sidecar asks of this process over HTTP.

No request is answered with 404, which Dapr takes as an order to drop the message: what an earlier version of the app
subscribed is answered with 503, and its messages come again.

Source: https://docs.dapr.io/reference/api/pubsub_api/
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from hmac import compare_digest
from typing import Any, Protocol, TypedDict

import msgspec

from pillion.bridges.dapr.invocation import Invoked
from pillion.bridges.dapr.subscriptions import IGNORED_PATH, Shape
from pillion.bridges.dapr.wire import RETRY, SUCCESS, MalformedDelivery, bulk_answer, entry_ids
from pillion.ports.channel import Request, Response

_encode = msgspec.json.Encoder().encode
_EMPTY = Response(200, b"{}")
_UNKNOWN = Response(503, b'{"title":"no handler of this process has this path; it may belong to another version"}')
_NOT_READY = Response(503, b'{"title":"starting or stopping; try again"}')
_BAD_TOKEN = Response(401, b'{"title":"the dapr-api-token header is not APP_API_TOKEN"}')


class _Changed(TypedDict, total=False):
    """A value of configuration; Dapr leaves out what is empty."""

    value: str
    version: str
    metadata: dict[str, str] | None


class _Update(msgspec.Struct):
    """What Dapr posts when values of configuration change."""

    items: dict[str, _Changed] = {}


_update = msgspec.json.Decoder(_Update).decode


class Watched(Protocol):
    """A configuration store that is told of changes."""

    def deliver(self, store: str, key: str, items: Mapping[str, Mapping[str, Any]]) -> None: ...


class Receiver:
    """One subscription: the shape of its deliveries and who takes its messages.

    Args:
        shape: of its deliveries.
        take: handles messages; the status of each.
        to_the_end: takes messages also while the process drains, as replies that work in hand waits for. The drain does
            not wait for these, or it might never end.
    """

    def __init__(
        self, shape: Shape, take: Callable[[list[bytes]], Awaitable[Any]], *, to_the_end: bool = False
    ) -> None:
        self._shape = shape
        self._take = take
        self.to_the_end = to_the_end

    async def receive(self, body: bytes) -> Response:
        """Handle a delivery."""
        ids, events = self._shape.entries(body)
        return Response(200, self._shape.answer(ids, await self._take(events)))

    def refuse(self, body: bytes) -> Response:
        """Ask for the messages again, later."""
        ids, _ = self._shape.entries(body)
        return Response(200, self._shape.answer(ids, [RETRY] * len(ids)))


class AppChannel:
    """Answers the sidecar; implements ``pillion.ports.channel.Channel``.

    Args:
        token: what the sidecar must show (``APP_API_TOKEN``); None takes any request.
        asked: called when a sidecar asks what is subscribed, which it does once in its life.
    """

    def __init__(self, token: str | None, asked: Callable[[], None]) -> None:
        self._token = token.encode() if token else None
        self._asked = asked
        self._declared: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self._receivers: dict[str, Receiver] = {}
        self._invoked = Invoked()
        self._watched: Watched | None = None
        self._open = asyncio.Event()
        self._closing = False
        self.busy = 0

    def declare(self, subscriptions: list[dict[str, Any]], receivers: Mapping[str, Receiver], invoked: Invoked) -> None:
        """Say what is subscribed; the sidecar's question waits for this."""
        self._receivers = dict(receivers)
        self._invoked = invoked
        self._declared.set_result(_encode(subscriptions))

    def watch(self, store: Watched) -> None:
        """Pass changes of configuration on to this store."""
        self._watched = store

    def open(self) -> None:
        """Deliver from now on; what came before has waited."""
        self._open.set()

    def refuse(self) -> None:
        """Take no more work, and ask for each message again; replies are still taken."""
        self._closing = True

    def close(self) -> None:
        """Let nobody wait for a start that failed."""
        self.refuse()
        if not self._declared.done():
            self._declared.set_result(None)
        self.open()

    async def handle(self, request: Request) -> Response:
        """Answer one request of the sidecar."""
        if self._token is not None and not self._admitted(request):
            return _BAD_TOKEN
        try:
            return await self._answer(request)
        except MalformedDelivery as error:
            return Response(400, _encode({"title": f"not a delivery of Dapr: {error}"}))

    def _admitted(self, request: Request) -> bool:
        shown = request.headers.get("dapr-api-token", "").encode()
        return compare_digest(shown, self._token or b"")

    async def _answer(self, request: Request) -> Response:
        receiver = self._receivers.get(request.path)
        if receiver is not None:
            return await self._receive(receiver, request.body)
        if request.path == "/dapr/subscribe":
            declared = await asyncio.shield(self._declared)
            if declared is None:
                return _NOT_READY
            self._asked()
            return Response(200, declared)
        if request.path in ("/dapr/config", "/"):
            # Dapr posts events that no routing rule matches to "/"; nobody here wants them.
            return _ignored(request.body) if request.method == "POST" else _EMPTY
        if request.path == IGNORED_PATH:
            return _ignored(request.body)
        if request.path.startswith("/configuration/"):
            return self._configuration(request)
        return await self._invoke(request)

    async def _receive(self, receiver: Receiver, body: bytes) -> Response:
        if not self._open.is_set():
            await self._open.wait()
        if self._closing:
            return await receiver.receive(body) if receiver.to_the_end else receiver.refuse(body)
        self.busy += 1
        try:
            return await receiver.receive(body)
        finally:
            self.busy -= 1

    async def _invoke(self, request: Request) -> Response:
        if not self._open.is_set():
            await self._open.wait()
        if self._closing:
            return _NOT_READY
        if request.method != "POST" or not self._invoked.takes(request):
            return _UNKNOWN
        self.busy += 1
        try:
            return await self._invoked.take(request)
        finally:
            self.busy -= 1

    def _configuration(self, request: Request) -> Response:
        _, _, store, *key = request.path.split("/")
        try:
            update = _update(request.body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedDelivery(str(error)) from None
        if self._watched is not None:
            self._watched.deliver(store, "/".join(key), update.items)
        return _EMPTY


def _ignored(body: bytes) -> Response:
    ids = entry_ids(body)
    return Response(200, bulk_answer(ids, [SUCCESS] * len(ids)) if ids else b'{"status":"SUCCESS"}')
