"""Gateway: declares which contracts are offered over HTTP, and serves them while a host runs."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field, SecretStr

from pillion.runtime.environment import settings
from pillion.runtime.host import Host
from pillion.service.contract import Contract
from pillion.telemetry.logs import host_logger

if TYPE_CHECKING:
    from pillion.gateway.auth import Authenticator
    from pillion.runtime.listener import Server


class Client(BaseModel, frozen=True):
    """Who sends a fixed token.

    Attributes:
        token: the secret.
        tenant: on whose data the client works, or None.
    """

    token: SecretStr
    tenant: str | None = None


class GatewaySettings(BaseModel, frozen=True):
    """How a gateway is served. Read from ``GATEWAY_…`` variables.

    Attributes:
        host: address it listens on. Default loopback.
        port: port it listens on. Default 8080; 0 takes any.
        tokens: fixed bearer tokens by principal id, for a gateway without an authenticator of its own:
            ``GATEWAY_TOKENS='{"ada": {"token": "…", "tenant": "acme"}}'``.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    tokens: dict[str, Client] = {}


class Gateway:
    """The public HTTP face of a host: the exposed commands of some contracts. ``pillion run`` serves it.

    Args:
        contracts: whose exposed commands it offers; their services may run anywhere.
        authenticator: finds out who asks; default the tokens of its settings. With neither, everything that is not
            ``public`` is refused.
        title, version, description: of the API documents at ``/docs``.
        settings: how it is served; default what the environment says.

    Attributes:
        port: where it listens; None when it does not.
    """

    def __init__(
        self,
        contracts: Sequence[Contract],
        *,
        authenticator: Authenticator | None = None,
        title: str = "Gateway",
        version: str = "1",
        description: str = "",
        settings: GatewaySettings | None = None,
    ) -> None:
        self.contracts = tuple(contracts)
        self.port: int | None = None
        self._authenticator = authenticator
        self._document = {"title": title, "version": version, "description": description}
        self._settings = settings
        self._server: Server | None = None
        self._cut_off = 0

    async def start(self, host: Host) -> None:
        """Serve; requests are answered when it returns.

        Raises:
            ConfigurationError: the port is taken, or a ``GATEWAY_…`` variable is not valid.
            DeclarationError: an ``expose=`` does not fit its command.
        """
        # FastAPI costs import time, which whoever only declares a gateway need not pay.
        import uvicorn  # noqa: PLC0415

        from pillion.gateway.app import create_app  # noqa: PLC0415
        from pillion.runtime.listener import Server, bound_socket  # noqa: PLC0415

        chosen = self._settings or settings(GatewaySettings, "GATEWAY_")
        app = create_app(host, self.contracts, authenticator=self._authenticator or _tokens(chosen), **self._document)
        listening = bound_socket(chosen.host, chosen.port)
        self._server = Server(
            uvicorn.Config(partial(self._serve, app), interface="asgi3", log_config=None, log_level="warning",
                           access_log=False, server_header=False, lifespan="off",
                           timeout_graceful_shutdown=math.ceil(host.settings.drain_seconds))
        )  # fmt: skip
        await self._server.begin(listening)
        self.port = int(listening.getsockname()[1])
        url = f"http://{chosen.host}:{self.port}"
        host_logger(host.app).info("gateway listens on %s, API documents at %s/docs", url, url)

    async def stop(self) -> int:
        """Stop serving, after requests in hand are answered. Harmless when it was not started.

        Returns:
            How many requests were cut off because the host's ``drain_seconds`` were over.
        """
        self._cut_off = 0
        if self._server is not None:
            await self._server.end()
        self._server = self.port = None
        return self._cut_off

    async def _serve(self, app: Any, scope: Any, receive: Any, send: Any) -> None:
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:
            self._cut_off += 1
            raise


def _tokens(chosen: GatewaySettings) -> Authenticator | None:
    from pillion.gateway.auth import BearerTokens, Principal  # noqa: PLC0415 - it needs the HTTP framework

    if not chosen.tokens:
        return None
    return BearerTokens(
        {
            client.token.get_secret_value(): Principal(id=id_, tenant=client.tenant)
            for id_, client in chosen.tokens.items()
        }
    )
