"""One command as one HTTP route: authenticate, read, call, answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from pillion.errors import (
    BridgeError,
    Failure,
    FieldError,
    InternalError,
    InvalidInput,
    RemoteFailure,
    Unauthenticated,
    Unavailable,
)
from pillion.gateway.auth import Authenticator, Principal
from pillion.gateway.binding import Binding
from pillion.gateway.problems import problem
from pillion.pipeline.outbound import Cause
from pillion.runtime.host import Host
from pillion.service.command import Command
from pillion.service.expose import Expose

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

T = TypeVar("T")

# Calls that take longer, in seconds, are cancelled when the client goes away.
_SHORT = 0.05
CORRELATION = "X-Correlation-ID"
IDEMPOTENCY_KEY = "Idempotency-Key"
_NAME = re.compile(r"[\x21-\x7e]{1,128}")
# https://www.w3.org/TR/trace-context/#traceparent-header
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")


class CommandRoute:
    """Answers HTTP requests with a command.

    Args:
        host: calls it.
        command: the command.
        expose: how it is exposed.
        binding: makes its payload of a request.
        authenticator: finds out who asks; without one a secured route refuses everybody.
        log: for what the caller must not see.
    """

    def __init__(
        self,
        host: Host,
        command: Command[Any, Any],
        expose: Expose,
        binding: Binding,
        *,
        authenticator: Authenticator | None,
        log: FilteringBoundLogger,
    ) -> None:
        self._host = host
        self._command = command
        self._expose = expose
        self._binding = binding
        self._authenticator = authenticator
        self._log = log

    async def respond(self, request: Request) -> Response:
        """The response to one request; a failure is a problem."""
        correlation_id = correlation_of(request)
        tracer, expose = self._host.tracer, self._expose
        if tracer is None:
            response = await self._answer(request, correlation_id)
        else:
            with tracer.serving(expose.method, expose.path, request.headers) as span:
                response = await self._answer(request, correlation_id)
                tracer.responded(span, response.status_code)
        response.headers[CORRELATION] = correlation_id
        return response

    async def _answer(self, request: Request, correlation_id: str) -> Response:
        try:
            principal = await self._principal(request)
            payload = await self._binding.read(request)
            cause, key = _cause(request, principal, correlation_id), _idempotency_key(request)
            answer = self._host.call(self._command, payload, idempotency_key=key, cause=cause)
            return self._success(await _while_waited_for(answer, request))
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets an answer
            return problem(self._failure(error, correlation_id), correlation_id)

    async def _principal(self, request: Request) -> Principal | None:
        principal = None if self._authenticator is None else await self._authenticator(request)
        if principal is None and not self._expose.public:
            raise Unauthenticated
        return principal

    def _success(self, result: Any) -> Response:
        if self._expose.status == 204:
            return Response(status_code=204)
        output = self._command.output
        return Response(output.encode(result), self._expose.status, media_type=output.content_type)

    def _failure(self, error: Exception, correlation_id: str) -> Failure:
        """What the caller may see of any error; the rest is logged."""
        about = {"command": self._command.address, "correlation_id": correlation_id}
        if isinstance(error, RemoteFailure):
            self._log.error("a service failed as its contract does not say", reason=str(error), **about)
            return error
        if isinstance(error, Failure):
            return error
        if isinstance(error, BridgeError):
            self._log.error("the command could not be sent", reason=str(error), **about)
            return Unavailable()
        self._log.error("the request failed", exc_info=error, **about)
        return InternalError(correlation_id=correlation_id)


async def _while_waited_for(answer: Awaitable[T], request: Request) -> T:
    """The answer, as long as the client waits for it; then whoever works on it can stop.

    Raises:
        ClientDisconnect: it has gone.
    """
    calling = asyncio.ensure_future(answer)
    # Most are answered before it would be worth a task to look.
    await asyncio.wait((calling,), timeout=_SHORT)
    if not calling.done():
        leaving = asyncio.ensure_future(_left(request))
        try:
            await asyncio.wait((calling, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            if not calling.done():
                calling.cancel()
    try:
        return await calling
    except asyncio.CancelledError:
        raise ClientDisconnect from None


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _idempotency_key(request: Request) -> str | None:
    """The name that the caller gave the request, or None.

    Source: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/

    Raises:
        InvalidInput: it is no name.
    """
    given = request.headers.get(IDEMPOTENCY_KEY)
    if given is None:
        return None
    key = given.strip().strip('"')
    if not _NAME.fullmatch(key):
        error = FieldError(field=IDEMPOTENCY_KEY, message="1 to 128 visible ASCII characters", type="header")
        raise InvalidInput(errors=[error])
    return key


def correlation_of(request: Request) -> str:
    """The correlation id that the request brought, if it is one, else a new one. The same for the whole request."""
    if not hasattr(request.state, "correlation_id"):
        given = request.headers.get(CORRELATION, "")
        request.state.correlation_id = given if _NAME.fullmatch(given) else uuid4().hex
    return str(request.state.correlation_id)


def _cause(request: Request, principal: Principal | None, correlation_id: str) -> Cause:
    traceparent = request.headers.get("traceparent", "")
    traced = _TRACEPARENT.fullmatch(traceparent) is not None
    return Cause(
        correlation_id=correlation_id,
        tenant_id=principal.tenant if principal else None,
        principal_id=principal.id if principal else None,
        traceparent=traceparent if traced else None,
        tracestate=request.headers.get("tracestate") if traced else None,
    )
