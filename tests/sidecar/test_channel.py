"""The channel sends requests to the sidecar and tells what came of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import cast

import pytest
from aiohttp import web

from pillion.errors import SidecarError, SidecarUnavailable
from pillion.sidecar.channel import SidecarChannel
from pillion.sidecar.ports import free_port
from pillion.sidecar.settings import SidecarSettings

LARGE = 2**20 + 1


async def echo(request: web.Request) -> web.Response:
    """Answers with what came."""
    return web.json_response(
        {
            "method": request.method,
            "target": request.raw_path,
            "headers": {name.lower(): value for name, value in request.headers.items()},
            "body": (await request.read()).decode(),
        },
        status=int(request.query.get("status", 200)),
    )


@pytest.fixture
async def address() -> AsyncIterator[str]:
    app = web.Application(client_max_size=LARGE + 1)
    app.router.add_route("*", "/{path:.*}", echo)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield f"http://127.0.0.1:{port}"
    await runner.cleanup()


@pytest.fixture
async def channel(address: str) -> AsyncIterator[SidecarChannel]:
    channel = SidecarChannel(SidecarSettings(http_address=address, api_token="let-me-in"))
    await channel.start()
    yield channel
    await channel.close()


async def sent(channel: SidecarChannel, method: str, path: str, **options: object) -> dict[str, object]:
    answer = await channel.request(method, path, **options)  # type: ignore[arg-type]
    content: dict[str, object] = json.loads(answer.body)
    return content


async def test_method_path_and_body_arrive_as_they_are(channel: SidecarChannel) -> None:
    request = await sent(channel, "POST", "/v1.0/state/a%2Fb/..", body=b"{}")
    assert (request["method"], request["target"], request["body"]) == ("POST", "/v1.0/state/a%2Fb/..", "{}")


async def test_a_large_body_arrives_as_it_is_with_its_length(channel: SidecarChannel) -> None:
    request = await sent(channel, "POST", "/x", body=b"x" * LARGE, headers={"Content-Type": "application/json"})
    headers = cast("dict[str, str]", request["headers"])
    assert request["body"] == "x" * LARGE
    assert (headers["content-length"], headers["content-type"]) == (str(LARGE), "application/json")
    assert "content-disposition" not in headers


async def test_parameters_are_encoded(channel: SidecarChannel) -> None:
    request = await sent(channel, "GET", "/x", params=[("key", "a b"), ("key", "ä&")])
    assert request["target"] == "/x?key=a+b&key=%C3%A4%26"


async def test_the_token_and_given_headers_are_sent_and_little_else(channel: SidecarChannel) -> None:
    request = await sent(channel, "POST", "/x", body=b"1", headers={"content-type": "application/json"})
    headers = request["headers"]
    assert isinstance(headers, dict)
    assert headers["dapr-api-token"] == "let-me-in"
    assert set(headers) == {"host", "dapr-api-token", "content-type", "content-length"}


async def test_without_token_none_is_sent(address: str) -> None:
    channel = SidecarChannel(SidecarSettings(http_address=address))
    await channel.start()
    request = await sent(channel, "GET", "/x")
    assert "dapr-api-token" not in str(request)
    await channel.close()


async def test_any_status_is_an_answer(channel: SidecarChannel) -> None:
    answer = await channel.request("GET", "/x?status=503")
    assert (answer.status, answer.ok) == (503, False)
    assert answer.headers["content-type"].startswith("application/json")


async def test_asking_makes_an_error_of_a_refusal(channel: SidecarChannel) -> None:
    with pytest.raises(SidecarError, match="counting sheep failed with 500"):
        await channel.ask("GET", "/x?status=500", "counting sheep")


async def test_no_answer_in_time_is_unavailable() -> None:
    with pytest.raises(SidecarUnavailable, match=r"nothing within 0\.05 s"):
        await request_of_peer(lambda _: None)


async def test_a_lost_connection_is_unavailable() -> None:
    with pytest.raises(SidecarUnavailable, match="POST /x: no answer from the sidecar"):
        await request_of_peer(lambda writer: writer.close())


async def request_of_peer(behave: Callable[[asyncio.StreamWriter], None]) -> None:
    """Send a request to a peer that accepts it and then does this with the connection."""
    writers = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.readline()
        behave(writer)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    channel = SidecarChannel(SidecarSettings(http_address=address))
    await channel.start()
    try:
        await channel.request("POST", "/x", timeout=0.05)
    finally:
        await channel.close()
        for writer in writers:
            writer.close()
        server.close()


async def test_nobody_there_is_unavailable() -> None:
    channel = SidecarChannel(SidecarSettings(http_address=f"http://127.0.0.1:{free_port()}"))
    await channel.start()
    with pytest.raises(SidecarUnavailable, match="DAPR_HTTP_PORT"):
        await channel.request("GET", "/x")
    await channel.close()


async def test_a_channel_that_is_not_started_says_so() -> None:
    with pytest.raises(SidecarUnavailable, match="not started"):
        await SidecarChannel(SidecarSettings()).request("GET", "/x")


async def test_a_channel_can_be_started_and_closed_twice(channel: SidecarChannel) -> None:
    await channel.start()
    await channel.close()
    await channel.close()


async def test_more_requests_than_connections_wait_their_turn(address: str) -> None:
    channel = SidecarChannel(SidecarSettings(http_address=address), connections=2)
    await channel.start()
    answers = await asyncio.gather(*(channel.request("GET", "/x") for _ in range(50)))
    assert all(answer.ok for answer in answers)
    await channel.close()
