"""The application beside a fake sidecar, as that calls it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

import aiohttp

from pillion.sidecar.ports import is_listening

TOKEN = "dapr-api-token"  # noqa: S105 - the name of a header
_ERRORS = (aiohttp.ClientError, OSError, TimeoutError)
_TAKEN_FROM_ANSWER = frozenset({"connection", "content-length", "transfer-encoding", "content-encoding"})


class Application:
    """Calls one application, and knows when all calls are answered.

    Args:
        app_id: its name.
        port: where it listens on 127.0.0.1; None when it only calls out.
        token: APP_API_TOKEN, what is presented to it.
        timeout: seconds until a call counts as failed.
    """

    def __init__(self, app_id: str, port: int | None, token: str | None, timeout: float) -> None:
        self._app_id = app_id
        self._port = port
        self._own = {TOKEN: token} if token else {}
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._session: aiohttp.ClientSession | None = None
        self._calls = 0
        self._answered = asyncio.Event()
        self._answered.set()

    async def open(self) -> None:
        """Be ready to call."""
        self._session = aiohttp.ClientSession(
            timeout=self._timeout, connector=aiohttp.TCPConnector(limit=0), auto_decompress=False
        )

    async def close(self) -> None:
        """Let go of the connections."""
        if self._session:
            await self._session.close()

    async def wait_listening(self) -> None:
        """Wait until it listens; for ever where it has no port."""
        while self._port is None or not is_listening(self._port):  # noqa: ASYNC110 - it may be another process
            await asyncio.sleep(0.01)

    async def quiet(self) -> None:
        """Wait until every call is answered."""
        await self._answered.wait()

    async def call(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of its answer; 500 when it does not answer."""
        self._calls += 1
        self._answered.clear()
        try:
            return await self._call(method, path, headers, body)
        finally:
            self._calls -= 1
            if not self._calls:
                self._answered.set()

    async def _call(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        assert self._session is not None, "the sidecar is not started"
        url = f"http://127.0.0.1:{self._port}{path}"
        try:
            async with self._session.request(method, url, headers={**headers, **self._own}, data=body) as answer:
                got = {k: v for k, v in answer.headers.items() if k.lower() not in _TAKEN_FROM_ANSWER}
                return answer.status, got, await answer.read()
        except _ERRORS as error:
            text = f"failed to invoke, id: {self._app_id}, err: {error}"
            return 500, {}, json.dumps({"errorCode": "ERR_DIRECT_INVOKE", "message": text}).encode()
