"""One long-lived HTTP connection pool to the sidecar."""

from __future__ import annotations

import io
from collections.abc import Mapping
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from pillion.sidecar.errors import Answer, error_of, unreachable
from pillion.sidecar.settings import SidecarSettings

_CONNECTIONS = 256
_LARGE_BYTES = 2**20
_UNUSED_HEADERS = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")


class SidecarChannel:
    """Sends requests to the sidecar's HTTP API. One for the whole process.

    Args:
        settings: address and token.
        connections: how many requests may be under way at once; more wait their turn. Default 256.
    """

    def __init__(self, settings: SidecarSettings, *, connections: int = _CONNECTIONS) -> None:
        self.settings = settings
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Make the channel usable; does not connect yet. Harmless when it was started."""
        if self._session is None:
            token = self.settings.api_token
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=60),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"dapr-api-token": token} if token else None,
                skip_auto_headers=_UNUSED_HEADERS,
                auto_decompress=False,
            )

    async def close(self) -> None:
        """Close all connections. Safe to call twice."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | list[tuple[str, str]] | None = None,
        timeout: float = 30.0,
    ) -> Answer:
        """Send a request and return what the sidecar answers, whatever its status.

        Args:
            method: HTTP method.
            path: begins with ``/v1.0/``; percent-encoded by the caller.
            body: sent as it is.
            headers: in addition to the token.
            params: query parameters, encoded here.
            timeout: seconds until the whole answer must be there.

        Raises:
            SidecarUnavailable: no answer came, or not in time.
        """
        url = f"{self.settings.http_address}{path}{f'?{urlencode(params)}' if params else ''}"
        limit = aiohttp.ClientTimeout(total=timeout)
        # In pieces, so that a large body does not hold up the event loop.
        data = io.BytesIO(body) if len(body) > _LARGE_BYTES else body or None
        doing = f"{method} {path}"
        try:
            async with self._started(doing).request(
                method, URL(url, encoded=True), data=data, headers=headers, timeout=limit, allow_redirects=False
            ) as response:
                return Answer(response.status, response.headers, await response.read())
        except TimeoutError as error:
            raise unreachable(self.settings.http_address, doing, f"nothing within {timeout:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise unreachable(self.settings.http_address, doing, str(error) or type(error).__name__) from error

    async def ask(
        self,
        method: str,
        path: str,
        doing: str,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | list[tuple[str, str]] | None = None,
    ) -> Answer:
        """Send a request that is meant to succeed.

        Args:
            method: HTTP method.
            path: begins with ``/v1.0/``; percent-encoded by the caller.
            doing: what this is for; begins the text of an error.
            body: sent as it is.
            headers: in addition to the token.
            params: query parameters, encoded here.

        Raises:
            SidecarUnavailable: no answer came.
            SidecarError: the sidecar refused or failed; also its kin of ``pillion.sidecar.errors.error_of``.
        """
        answer = await self.request(method, path, body=body, headers=headers, params=params)
        if not answer.ok:
            raise error_of(answer, doing)
        return answer

    def _started(self, doing: str) -> aiohttp.ClientSession:
        if self._session is None:
            raise unreachable(self.settings.http_address, doing, "the channel is not started")
        return self._session
