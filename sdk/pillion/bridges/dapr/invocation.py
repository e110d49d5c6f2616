"""Commands by Dapr's service invocation: the second transport, for lowest latency.

Source: https://docs.dapr.io/reference/api/service_invocation_api/
"""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import Awaitable, Callable, Iterable, Mapping
from urllib.parse import quote
from uuid import uuid4

import msgspec
from msgspec.structs import replace

from pillion.bridges.dapr.deliveries import refused, unknown_command
from pillion.codec.cloudevents import CONTENT_TYPE, MalformedEvent, decode, encode
from pillion.codec.raw import raw_event
from pillion.errors import BridgeError, DeadlineExceeded, RemoteFailure, SidecarUnavailable, Unavailable
from pillion.message import Message
from pillion.outcome import Outcome, Reply, Retry
from pillion.ports.bridge import Kind, Route
from pillion.ports.channel import JSON, Gone, Request, Response
from pillion.ports.clock import Clock
from pillion.resilience.work import Work
from pillion.resilience.workers import Workers, each
from pillion.sidecar.channel import SidecarChannel
from pillion.sidecar.errors import Answer, error_of

# Dapr's HTTP channel can take a failed call for an empty success; only an answer with this header is the service's.
MARKER = "x-pillion-answer"
PROBLEM = "application/problem+json"
_MARKED = ((MARKER, "1"),)
_NO_TIME = 0.001
# What Dapr says of an app that is not there (yet): its name resolvers, and whoever dials the sidecar or the app. The
# call has not begun, so trying again is safe.
_NOT_THERE = (b"no host found", b"couldn't find service", b"connection refused")
# What it says of a request that is larger than the sidecars take. Trying again cannot help.
_TOO_LARGE = (b"stream too large", b"with Body length")
_LESS = "send less, raise --max-body-size of both sidecars, or set PILLION_CLAIM_CHECK_BYTES"
_POLL_SECONDS = 0.1
# Calls that take longer, in seconds, are cancelled when their caller goes away.
_SHORT = 0.05
_NOBODY = "whoever asked has gone"
_STOPPING = "this process is stopping"


class Invoker:
    """Calls commands of other apps.

    Args:
        channel: to the sidecar.
        clock: tells the time.
        apps: app id by service name, where they differ.
        patient: wait for an app that is not there (yet) until the deadline.
    """

    def __init__(self, channel: SidecarChannel, clock: Clock, apps: Mapping[str, str], *, patient: bool = True) -> None:
        self._patient = patient
        self._channel = channel
        self._clock = clock
        self._apps = apps

    async def request(self, message: Message) -> Message:
        """Call a command and wait for its reply; an app that is not there yet is waited for, too.

        Raises:
            DeadlineExceeded: no reply came in time.
            Unavailable: the other app was not reached, or did not answer for itself.
            RemoteFailure: the message is larger than the sidecars take.
            BridgeError: the call did not leave.
        """
        service = message.type.split(".", 1)[0]
        app = self._apps.get(service, service)
        path = f"/v1.0/invoke/{quote(app, safe='')}/method/{quote(message.type)}"
        answer = await self._exchange(path, message)
        while self._patient and not answer.ok and any(text in answer.body for text in _NOT_THERE):
            await self._clock.sleep(min(_POLL_SECONDS, self._left(message)))
            answer = await self._exchange(path, message)
        if answer.status == 413 or (not answer.ok and any(text in answer.body for text in _TOO_LARGE)):
            title = f"{message.type} is larger than the sidecars take, or app {app!r}: {_LESS}"
            raise RemoteFailure(remote_code="too_large", remote_status=413, remote_title=title)
        if not answer.ok:
            raise Unavailable(reason=str(error_of(answer, f"invoking {message.type} at app {app!r}")))
        if MARKER not in answer.headers:
            raise Unavailable(reason=f"app {app!r} did not answer {message.type} for itself; it may have just stopped")
        return decode(answer.body)

    async def _exchange(self, path: str, message: Message) -> Answer:
        headers = {"content-type": CONTENT_TYPE}
        if message.traceparent:
            headers["traceparent"] = message.traceparent
        left = self._left(message)
        if left <= _NO_TIME:
            raise DeadlineExceeded(where=message.type)
        try:
            return await self._channel.request("POST", path, body=encode(message), headers=headers, timeout=left)
        except SidecarUnavailable as error:
            if self._left(message) <= _NO_TIME:
                raise DeadlineExceeded(where=message.type) from error
            raise BridgeError(f"{message.type}: {error}") from error

    def _left(self, message: Message) -> float:
        """Seconds until the deadline; a message without one has a minute."""
        return 60.0 if message.deadline is None else max(0.0, message.deadline.timestamp() - self._clock.now())


class _Turn(Work):
    """A request that waits for its turn, and its outcome."""

    message: Message
    outcome: asyncio.Future[Outcome]


class Invoked:
    """Takes invocations by others, in our CloudEvents or, as from curl, in plain JSON.

    Args:
        routes: of this process; those that are commands can be invoked.
    """

    def __init__(self, routes: Iterable[Route] = ()) -> None:
        commands = (route for route in routes if route.kind is Kind.COMMAND)
        self._crews = {route.address: Workers(each(_handling(route)), route.concurrency) for route in commands}
        self._awaited: set[asyncio.Future[Outcome]] = set()

    def takes(self, request: Request) -> bool:
        """Whether this is an invocation: a CloudEvent, or the path of a command that this process has."""
        event = request.headers.get("content-type", "").startswith(CONTENT_TYPE)
        return event or request.path.lstrip("/") in self._crews

    async def close(self) -> None:
        """Cancel what is being handled, and say so to who waits for it."""
        for crew in self._crews.values():
            await crew.close()
        for outcome in self._awaited:
            if not outcome.done():
                outcome.set_result(Retry(_STOPPING))

    async def take(self, request: Request) -> Response:
        """Answer an invocation."""
        if not request.headers.get("content-type", "").startswith(CONTENT_TYPE):
            return await self._plain(request)
        try:
            message = decode(request.body)
        except MalformedEvent as error:
            return Response(400, _problem("malformed_event", str(error)), PROBLEM, _MARKED)
        return Response(200, encode(await self._reply(message, request.gone)), CONTENT_TYPE, _MARKED)

    async def _plain(self, request: Request) -> Response:
        """A body that is just the payload; the answer is just the result, or a problem with the failure's status."""
        command, headers = request.path.lstrip("/"), request.headers
        payload = raw_event(request.body or b"null", command, uuid4().hex)
        message = replace(
            payload,
            type=command,
            correlation_id=headers.get("x-correlation-id"),
            traceparent=headers.get("traceparent"),
            tracestate=headers.get("tracestate"),
        )
        reply = await self._reply(message, request.gone)
        if reply.failure_code is None:
            data = reply.json if reply.data_base64 is None else b64decode(reply.data_base64)
            return Response(200, data, reply.datacontenttype or JSON, _MARKED)
        problem = _problem(reply.failure_code, reply.failure_title or "", reply.json)
        return Response(reply.failure_status or 500, problem, PROBLEM, _MARKED)

    async def _reply(self, message: Message, gone: Gone | None) -> Message:
        crew = self._crews.get(message.type)
        if crew is None:
            return unknown_command(message)
        turn = _Turn(message, asyncio.get_running_loop().create_future())
        self._awaited.add(turn.outcome)
        crew.put(turn)
        try:
            outcome = await (turn.outcome if gone is None else _attended(turn, gone))
        finally:
            self._awaited.discard(turn.outcome)
        if isinstance(outcome, Reply):
            return outcome.message
        # Nobody delivers an invocation again, so whoever asked has to.
        return refused(message, Unavailable(reason=outcome.reason if isinstance(outcome, Retry) else ""))


async def _attended(turn: _Turn, gone: Gone) -> Outcome:
    """The outcome, as long as somebody waits for it."""
    # Most are done before it would be worth a task to look.
    await asyncio.wait((turn.outcome,), timeout=_SHORT)
    if turn.outcome.done():
        return turn.outcome.result()
    leaving = asyncio.ensure_future(gone())
    try:
        await asyncio.wait((turn.outcome, leaving), return_when=asyncio.FIRST_COMPLETED)
    finally:
        leaving.cancel()
    if not turn.outcome.done():
        turn.abandon()
    return await turn.outcome


def _handling(route: Route) -> Callable[[_Turn], Awaitable[None]]:
    async def do(turn: _Turn) -> None:
        outcome = await _handled(route, turn)
        if not turn.outcome.done():
            turn.outcome.set_result(outcome)

    return do


async def _handled(route: Route, turn: _Turn) -> Outcome:
    if route.durable:
        return await route.handle(turn.message)
    if turn.abandoned:
        return Retry(_NOBODY)
    turn.begin(asyncio.current_task())
    try:
        return await route.handle(turn.message)
    except asyncio.CancelledError:
        if turn.end():
            return Retry(_NOBODY)
        raise
    finally:
        turn.end()


def _problem(code: str, title: str, data: bytes = b"{}") -> bytes:
    members = {"code": code, "title": title, "data": msgspec.Raw(data or b"{}")}
    return msgspec.json.encode(members)
