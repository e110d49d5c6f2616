"""The gateway's FastAPI application: every exposed command of some contracts as a route."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from pillion.errors import DeclarationError
from pillion.gateway.auth import Authenticator
from pillion.gateway.binding import Binding
from pillion.gateway.docs import DOCS, DOCS_FILES, add_docs
from pillion.gateway.document import SECURITY, Schemas, operation
from pillion.gateway.problems import check_members, http_problem
from pillion.gateway.routes import CORRELATION, CommandRoute, correlation_of
from pillion.runtime.host import Host
from pillion.service.command import Command
from pillion.service.contract import Contract
from pillion.service.expose import Expose
from pillion.telemetry.logs import host_logger

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

_ALIVE = "/healthz"
_READY = "/readyz"
_DOCUMENT = "/openapi.json"
_OWN = (_ALIVE, _READY, _DOCUMENT, DOCS, DOCS_FILES)


class _Offer(NamedTuple):
    """A command that is exposed, and how."""

    command: Command[Any, Any]
    expose: Expose


def create_app(
    host: Host,
    contracts: Iterable[Contract],
    *,
    authenticator: Authenticator | None = None,
    title: str = "Gateway",
    version: str = "1",
    description: str = "",
) -> FastAPI:
    """A FastAPI application that offers the exposed commands of these contracts, ``/healthz`` and ``/readyz``.

    Add routes, middleware and what else FastAPI can do to it as to any other; or let ``Gateway`` make and serve it.

    Args:
        host: calls the commands; their services run in it or elsewhere.
        contracts: whose commands.
        authenticator: finds out who asks. Without one, everything that is not ``public`` is refused with 401.
        title, version, description: of the API documents.

    Raises:
        DeclarationError: two commands have the same method and path, one has a path of the gateway's own, or an
            ``expose=`` does not fit its command.
    """
    log = host_logger(host.app)
    app = _Documented(
        title=title, version=version, description=description, openapi_url=_DOCUMENT, docs_url=None, redoc_url=None
    )
    # Before the commands: a path such as /{name} would answer for them.
    _add_health(app, host)
    add_docs(app)
    found = list(_offers(contracts))
    _check(found)
    schemas = Schemas([offer.command for offer in found])
    limit = host.settings.max_body_bytes
    for offer in found:
        command, expose = offer
        binding = Binding(command, expose, schemas.input(command), schemas.definitions, limit)
        route = CommandRoute(host, command, expose, binding, authenticator=authenticator, log=log)
        _add(app, offer, route, operation(command, binding, schemas, expose))
    app.definitions = schemas.definitions
    app.add_exception_handler(HTTPException, _refused)
    if authenticator is None:
        _warn([offer.command for offer in found if not offer.expose.public], log)
    return app


class _Documented(FastAPI):
    """Adds the models to the document, which FastAPI cannot know of: it sees requests go in and responses come out."""

    definitions: dict[str, Any]

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            components = super().openapi().setdefault("components", {})
            components.setdefault("schemas", {}).update(self.definitions)
            components.setdefault("securitySchemes", {}).update(SECURITY)
        return super().openapi()


def _offers(contracts: Iterable[Contract]) -> Iterator[_Offer]:
    for contract in contracts:
        for command in contract.commands.values():
            if command.expose is not None:
                yield _Offer(command, command.expose)


def _add(app: FastAPI, offer: _Offer, route: CommandRoute, extra: dict[str, Any]) -> None:
    command, expose = offer
    notice = f"**Deprecated**: {command.deprecated}" if command.deprecated else ""

    # A function of its own: of a command without a description FastAPI would show the docstring of what it is given.
    async def respond(request: Request) -> Response:
        return await route.respond(request)

    app.add_api_route(
        expose.path,
        respond,
        methods=[expose.method],
        status_code=expose.status,
        response_class=Response,
        response_model=None,
        tags=list(expose.tags or (command.service,)),
        summary=command.name.replace("_", " ").capitalize(),
        description="\n\n".join(text for text in (command.description, notice) if text),
        deprecated=bool(command.deprecated) or None,
        operation_id=command.address.replace(".", "_").replace("-", "_"),
        openapi_extra=extra,
    )


def _add_health(app: FastAPI, host: Host) -> None:
    async def alive() -> dict[str, str]:
        return {"status": "alive"}

    async def ready(response: Response) -> dict[str, Any]:
        problems = await host.problems()
        response.status_code = 503 if problems else 200
        return {"status": "not ready" if problems else "ready", "problems": list(problems)}

    app.add_api_route(_ALIVE, alive, include_in_schema=False)
    app.add_api_route(_READY, ready, include_in_schema=False)


async def _refused(request: Request, error: Exception) -> Response:
    """The answer for what Starlette refuses: unknown paths and methods."""
    if not isinstance(error, HTTPException):
        raise error
    correlation_id = correlation_of(request)
    response = http_problem(error.status_code, error.detail, correlation_id, error.headers)
    response.headers[CORRELATION] = correlation_id
    return response


def _check(found: Iterable[_Offer]) -> None:
    taken: dict[tuple[str, str], _Offer] = {}
    for offer in found:
        command, expose = offer
        if expose.path in _OWN or expose.path.startswith(f"{DOCS_FILES}/"):
            raise DeclarationError(
                f"{command.address} is exposed as {expose.method} {expose.path}, but there the gateway itself answers; "
                "change the path"
            )
        first = taken.setdefault((expose.method, expose.shape), offer)
        if first.command.address != command.address:
            raise _twice(offer, first)
        for failure in command.raises:
            check_members(failure, command.address)


def _twice(offer: _Offer, first: _Offer) -> DeclarationError:
    path, other = offer.expose.path, first.expose.path
    same = "" if path == other else f", which is the same as {other}"
    return DeclarationError(
        f"{offer.command.address} and {first.command.address} are both exposed as {offer.expose.method} {path}{same}; "
        "change one of the paths"
    )


def _warn(secured: list[Command[Any, Any]], log: FilteringBoundLogger) -> None:
    if secured:
        log.warning(
            "secured routes refuse everybody until the gateway can tell who asks; give Gateway an authenticator=, set "
            "GATEWAY_TOKENS, or declare what anybody may do with Expose(..., public=True)",
            refused=[command.address for command in secured],
        )
