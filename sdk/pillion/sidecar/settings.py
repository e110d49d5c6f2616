"""Where the sidecar is and what it and the application tell each other to be let in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pillion.errors import ConfigurationError

DEFAULT_HTTP_PORT = 3500
_ADDRESS_VARIABLES = ("DAPR_HTTP_ENDPOINT", "DAPR_HTTP_PORT", "DAPR_GRPC_ENDPOINT", "DAPR_GRPC_PORT")


def present(environ: Mapping[str, str]) -> bool:
    """Whether this process was started beside a sidecar: the environment says where one is."""
    return any(environ.get(name) for name in _ADDRESS_VARIABLES)


@dataclass(frozen=True, kw_only=True)
class SidecarSettings:
    """How to reach the sidecar.

    Attributes:
        http_address: base address of Dapr's HTTP API, without a slash at the end.
        api_token: what the sidecar wants to see (``DAPR_API_TOKEN``); None when it asks for nothing.
        app_token: what the sidecar shows to the application (``APP_API_TOKEN``); None when it shows nothing.
        app_id: Dapr's name of this application; None when the environment does not say (Kubernetes), then the
            sidecar's metadata does.
        app_port: where the application listens for the sidecar; None when the environment does not say.
    """

    http_address: str = f"http://127.0.0.1:{DEFAULT_HTTP_PORT}"
    api_token: str | None = field(default=None, repr=False)
    app_token: str | None = field(default=None, repr=False)
    app_id: str | None = None
    app_port: int | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> SidecarSettings:
        """The settings that Dapr's own environment variables describe.

        Raises:
            ConfigurationError: a variable has a value that makes no sense.
        """
        return cls(
            http_address=_http_address(environ),
            api_token=environ.get("DAPR_API_TOKEN") or None,
            app_token=environ.get("APP_API_TOKEN") or None,
            app_id=environ.get("APP_ID") or None,
            app_port=_port(environ, "APP_PORT"),
        )


def _http_address(environ: Mapping[str, str]) -> str:
    endpoint = environ.get("DAPR_HTTP_ENDPOINT", "").rstrip("/")
    if not endpoint:
        return f"http://127.0.0.1:{_port(environ, 'DAPR_HTTP_PORT') or DEFAULT_HTTP_PORT}"
    if not endpoint.startswith(("http://", "https://")):
        raise ConfigurationError(
            f"DAPR_HTTP_ENDPOINT={endpoint} is no address; write it with its scheme, as in http://127.0.0.1:3500"
        )
    return endpoint


def _port(environ: Mapping[str, str], name: str) -> int | None:
    text = environ.get(name)
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise ConfigurationError(f"{name}={text} is no port; use a number from 1 to 65535, or unset it")
    return int(text)
