"""The process's port: health for whoever asks, everything else for the bridge's channel. A raw ASGI app on uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Any

import uvicorn

from pillion.errors import ConfigurationError
from pillion.ports.channel import Channel, Request, Response

Problems = Callable[[], Awaitable[Sequence[str]]]
_TOO_LARGE = Response(413, b'{"title":"the body is larger than this app takes; see PILLION_MAX_BODY_BYTES"}')
_NOTHING_HERE = Response(503, b'{"title":"this process has no sidecar; only /healthz and /readyz are served"}')
_STOP_SECONDS = 5
_BACKLOG = 2048
_DATE_SECONDS = 1
# Turns of the event loop in which connections that carry no request are closed; it takes two or three.
_TURNS = 10


class Server(uvicorn.Server):
    """Uvicorn as a part of a process that handles signals itself. It stops at once when no request is in hand."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ready = asyncio.Event()
        self._ending = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None

    async def begin(self, listening: socket.socket) -> None:
        """Serve on this socket; returns when it does."""
        self._serving = asyncio.get_running_loop().create_task(self.serve(sockets=[listening]))
        await self._ready.wait()

    async def end(self) -> None:
        """Stop serving, after requests in hand are answered. Harmless when it was not begun."""
        self.should_exit = True
        self._ending.set()
        if self._serving is not None:
            await self._serving

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Uvicorn's own, and say when it is done."""
        await super().startup(sockets)
        self._ready.set()

    async def main_loop(self) -> None:
        """Uvicorn's own looks every 100 ms whether it should end; this one is told, and only keeps the date."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), _DATE_SECONDS)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Uvicorn's own sleeps 100 ms at least; that is for requests in hand."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the process's signal handlers alone."""
        yield


class Listener:
    """Serves ``/healthz`` (alive), ``/readyz`` (ready, or what is not) and the channel.

    Args:
        host: address to listen on.
        port: port to listen on; 0 takes any.
        problems: what keeps the process from being ready.
        channel: answers all other requests; None when there is nobody to.
        max_body_bytes: larger bodies are refused.
    """

    def __init__(self, host: str, port: int, problems: Problems, channel: Channel | None, max_body_bytes: int) -> None:
        self._host = host
        self._port = port
        self._problems = problems
        self._channel = channel
        self._max_body_bytes = max_body_bytes
        self._server: Server | None = None

    async def start(self) -> int:
        """Listen; the port.

        Raises:
            ConfigurationError: the port is taken.
        """
        listening = bound_socket(self._host, self._port)
        config = uvicorn.Config(
            self._app, log_config=None, log_level="warning", access_log=False, lifespan="off",
            timeout_graceful_shutdown=_STOP_SECONDS,
            interface="asgi3", proxy_headers=False, server_header=False, date_header=False, backlog=_BACKLOG,
        )  # fmt: skip
        self._server = Server(config)
        await self._server.begin(listening)
        return int(listening.getsockname()[1])

    async def stop(self) -> None:
        """Stop listening, after requests in hand are answered."""
        if self._server is not None:
            await self._server.end()

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        response = await self._respond(scope, receive)
        headers = [(b"content-type", response.content_type.encode()), (b"content-length", b"%d" % len(response.body))]
        headers += [(name.encode(), value.encode()) for name, value in response.headers]
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})

    async def _respond(self, scope: Any, receive: Any) -> Response:
        path = scope["path"]
        if path == "/healthz":
            return Response(200, b'{"status":"alive"}')
        if path == "/readyz":
            return await self._ready()
        body = await self._body(receive)
        if body is None:
            return _TOO_LARGE
        if self._channel is None:
            return _NOTHING_HERE
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        return await self._channel.handle(Request(scope["method"], path, headers, body, partial(_gone, receive)))

    async def _ready(self) -> Response:
        problems = await self._problems()
        state = {"status": "not ready" if problems else "ready", "problems": list(problems)}
        return Response(503 if problems else 200, json.dumps(state).encode())

    async def _body(self, receive: Any) -> bytes | None:
        """The whole body; None when it is too large."""
        message = await receive()
        body: bytes = message.get("body", b"")
        if not message.get("more_body", False):
            return body if len(body) <= self._max_body_bytes else None
        chunks, size = [body], len(body)
        while message.get("more_body", False):
            message = await receive()
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if size > self._max_body_bytes:
                return None
        return b"".join(chunks)


async def _gone(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket that listens on this address.

    Raises:
        ConfigurationError: somebody else has it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio switches Nagle's algorithm off only for sockets that say they are TCP;
    # with it, every answer would wait 40 ms for an acknowledgement.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        # At once: until the server accepts, whoever connects waits instead of being refused.
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise ConfigurationError(f"cannot listen on {host}:{port}: {error.strerror}; choose another port") from None
    return listening
