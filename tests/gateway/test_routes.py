"""Commands over HTTP: where the input comes from, and what comes back."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

import pytest
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from pillion.context import Context
from pillion.errors import Failure, RemoteFailure
from pillion.gateway.auth import BearerTokens, Principal
from pillion.message import Message
from pillion.runtime.settings import HostSettings
from pillion.service.contract import Contract
from pillion.service.expose import Expose
from pillion.service.service import Service
from tests.gateway.faces import served


class Change(BaseModel):
    model_config = ConfigDict(extra="forbid")

    order_id: str
    quantity: int = Field(ge=1)
    note: str | None = None


class StrictSearch(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    limit: int = 10
    open: bool = False
    tags: list[str] = []
    numbers: list[int] | None = None
    kind: Literal["a", "b"] = "a"


@dataclass
class Point:
    x: int
    y: int = 0


class Pair(TypedDict):
    left: str
    right: str


class Declined(Failure):
    """The card was declined."""

    status = 402
    reason: str


def echo(type_: Any, expose: Expose) -> Service[Any, Any]:
    """A service that answers with its input."""
    service = Service(Contract("echo"))
    command = service.contract.command("say", type_, type_, expose=expose)

    @service.handles(command)
    async def say(given):  # type: ignore[no-untyped-def]  # noqa: ANN202
        return given

    return service


def failing(error: Exception) -> Service[Any, Any]:
    """A service whose one command fails so."""
    service = Service("failing")

    @service.command(expose=Expose("POST", "/fail", public=True), raises=[Declined])
    async def fail() -> None:
        raise error

    return service


async def test_path_and_body_make_one_model() -> None:
    async with served(echo(Change, Expose("PUT", "/orders/{order_id}", public=True))) as client:
        answer = await client.ask("PUT", "/orders/o-1", json={"quantity": 2})
    assert (answer.status, answer.json) == (200, {"order_id": "o-1", "quantity": 2, "note": None})
    assert answer.headers["content-type"] == "application/json"


async def test_fields_from_the_query_although_there_is_a_body() -> None:
    expose = Expose("POST", "/orders/{order_id}", public=True, query=("note",))
    async with served(echo(Change, expose)) as client:
        answer = await client.ask("POST", "/orders/o-1?note=hi", json={"quantity": 2})
    assert answer.json == {"order_id": "o-1", "quantity": 2, "note": "hi"}


async def test_a_body_that_repeats_a_path_field_is_refused() -> None:
    async with served(echo(Change, Expose("PUT", "/orders/{order_id}", public=True))) as client:
        answer = await client.ask("PUT", "/orders/o-1", json={"quantity": 2, "order_id": "o-2"})
    assert (answer.status, answer.json["errors"][0]["pointer"]) == (400, "#/order_id")


async def test_a_get_takes_its_fields_from_the_query_also_in_a_strict_model() -> None:
    async with served(echo(StrictSearch, Expose("GET", "/search", public=True))) as client:
        answer = await client.ask("GET", "/search?limit=3&open=true&tags=1&tags=b&numbers=4&kind=b")
    assert answer.json == {"limit": 3, "open": True, "tags": ["1", "b"], "numbers": [4], "kind": "b"}


async def test_an_unknown_query_field_is_for_the_model_to_refuse() -> None:
    async with served(echo(StrictSearch, Expose("GET", "/search", public=True))) as client:
        answer = await client.ask("GET", "/search?limt=3")
    assert (answer.status, answer.json["errors"][0]["pointer"]) == (400, "#/limt")


async def test_a_wrong_query_value_names_its_field() -> None:
    async with served(echo(StrictSearch, Expose("GET", "/search", public=True))) as client:
        answer = await client.ask("GET", "/search?limit=many")
    assert (answer.status, answer.json["errors"][0]["pointer"]) == (400, "#/limit")


@pytest.mark.parametrize("value", ["[" * 3000, '"\\ud800"', "9" * 5000])
async def test_json_that_cannot_be_read_is_a_wrong_value_of_its_field(value: str) -> None:
    async with served(echo(StrictSearch, Expose("GET", "/search", public=True))) as client:
        answer = await client.ask("GET", "/search", params={"limit": value})
    assert (answer.status, answer.json["errors"][0]["pointer"]) == (400, "#/limit")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("value", ["[" * 3000, '"\\ud800"'])
async def test_json_that_cannot_be_read_is_no_scalar_in_a_path(value: str) -> None:
    async with served(echo(int, Expose("GET", "/double/{number}", public=True))) as client:
        answer = await client.ask("GET", f"/double/{quote(value)}")
    assert (answer.status, answer.json["code"]) == (400, "invalid_input")


async def test_a_path_of_one_name_leaves_the_gateway_its_own() -> None:
    async with served(echo(str, Expose("GET", "/{name}", public=True))) as client:
        assert (await client.ask("GET", "/ada")).json == "ada"
        assert (await client.ask("GET", "/healthz")).json == {"status": "alive"}
        assert (await client.ask("GET", "/readyz")).json["status"] == "ready"
        assert b"swagger-ui" in (await client.ask("GET", "/docs")).body
        assert "paths" in (await client.ask("GET", "/openapi.json")).json


async def test_a_scalar_input_is_the_path_parameter() -> None:
    async with served(echo(int, Expose("GET", "/double/{number}", public=True))) as client:
        answer = await client.ask("GET", "/double/21")
    assert answer.json == 21


async def test_text_in_the_path_stays_text() -> None:
    async with served(echo(str, Expose("GET", "/orders/{order_id}", public=True))) as client:
        answer = await client.ask("GET", "/orders/007")
    assert answer.json == "007"


async def test_a_list_is_a_body() -> None:
    async with served(echo(list[Point], Expose("POST", "/points", public=True))) as client:
        answer = await client.ask("POST", "/points", json=[{"x": 1}, {"x": 2, "y": 3}])
    assert answer.json == [{"x": 1, "y": 0}, {"x": 2, "y": 3}]


async def test_a_dataclass_splits_like_a_model() -> None:
    async with served(echo(Point, Expose("GET", "/points/{x}", public=True))) as client:
        answer = await client.ask("GET", "/points/4?y=2")
    assert answer.json == {"x": 4, "y": 2}


async def test_a_typed_dict_splits_like_a_model() -> None:
    async with served(echo(Pair, Expose("PUT", "/pairs/{left}", public=True))) as client:
        answer = await client.ask("PUT", "/pairs/a", json={"right": "b"})
    assert answer.json == {"left": "a", "right": "b"}


async def test_bytes_are_the_body_itself() -> None:
    async with served(echo(bytes, Expose("POST", "/blob", public=True))) as client:
        answer = await client.ask("POST", "/blob", data=b"\xff\x00")
    assert (answer.body, answer.headers["content-type"]) == (b"\xff\x00", "application/octet-stream")


async def test_nothing_in_and_nothing_out() -> None:
    service = Service("bell")
    rung: list[str | None] = []

    @service.command(expose=Expose("POST", "/ring", public=True, status=204))
    async def ring(ctx: Context) -> None:
        rung.append(ctx.message.principal_id)

    async with served(service) as client:
        answer = await client.ask("POST", "/ring")
    assert (answer.status, answer.body, rung) == (204, b"", [None])


async def test_a_wrong_body_lists_what_is_wrong() -> None:
    async with served(echo(Change, Expose("POST", "/orders", public=True))) as client:
        answer = await client.ask("POST", "/orders", json={"order_id": "o", "quantity": 0, "colour": "red"})
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["status"] == answer.status == 400
    assert answer.json["code"] == "invalid_input"
    assert {error["pointer"] for error in answer.json["errors"]} == {"#/quantity", "#/colour"}


async def test_a_body_that_is_no_json_is_bad_input() -> None:
    async with served(echo(Change, Expose("PUT", "/orders/{order_id}", public=True))) as client:
        answer = await client.ask("PUT", "/orders/1", data=b"{", headers={"content-type": "application/json"})
    assert (answer.status, answer.json["code"]) == (400, "invalid_input")


async def test_another_content_type_is_refused() -> None:
    async with served(echo(Change, Expose("POST", "/orders", public=True))) as client:
        answer = await client.ask("POST", "/orders", data={"order_id": "o"})
    assert (answer.status, answer.json["expected"]) == (415, "application/json")


async def test_a_body_that_is_too_large_is_refused() -> None:
    service = echo(Change, Expose("POST", "/orders", public=True))
    async with served(service, settings=HostSettings(max_body_bytes=100)) as client:
        answer = await client.ask("POST", "/orders", json={"order_id": "o" * 200, "quantity": 1})
    assert (answer.status, answer.json["limit_bytes"]) == (413, 100)


async def test_a_declared_failure_is_a_problem_with_its_fields() -> None:
    async with served(failing(Declined(reason="expired"))) as client:
        answer = await client.ask("POST", "/fail", headers={"X-Correlation-ID": "c-1"})
    assert answer.json == {
        "type": "urn:pillion:problem:declined",
        "title": "The card was declined.",
        "status": 402,
        "code": "declined",
        "correlation_id": "c-1",
        "reason": "expired",
    }


async def test_an_unexpected_error_is_opaque() -> None:
    async with served(failing(ValueError("the password is 42"))) as client:
        answer = await client.ask("POST", "/fail", headers={"X-Correlation-ID": "c-1"})
    assert (answer.status, answer.json["code"], answer.json["correlation_id"]) == (500, "internal_error", "c-1")
    assert b"password" not in answer.body


async def test_a_failure_from_behind_the_called_service_tells_nothing() -> None:
    error = RemoteFailure(remote_code="x", remote_status=400, remote_data={"password": "42"})
    async with served(failing(error)) as client:
        answer = await client.ask("POST", "/fail")
    assert (answer.status, b"password" in answer.body) == (502, False)


async def test_an_unknown_path_is_a_problem_too() -> None:
    async with served(failing(ValueError())) as client:
        answer = await client.ask("GET", "/nowhere")
    assert (answer.status, answer.json["code"]) == (404, "not_found")
    assert answer.headers["x-correlation-id"] == answer.json["correlation_id"]


async def test_a_wrong_method_says_which_are_allowed() -> None:
    async with served(failing(ValueError())) as client:
        answer = await client.ask("GET", "/fail")
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


def remembering() -> tuple[Service[Any, Any], list[Message]]:
    """A service that keeps the messages it handles."""
    service, seen = Service("memory"), list[Message]()

    @service.command(expose=Expose("POST", "/remember", public=True))
    async def remember(ctx: Context) -> None:
        seen.append(ctx.message)

    return service, seen


async def test_correlation_trace_and_principal_go_with_the_message() -> None:
    service, seen = remembering()
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {"X-Correlation-ID": "c-9", "traceparent": trace, "tracestate": "a=b", "authorization": "Bearer t0ken"}
    tokens = BearerTokens({"t0ken": Principal(id="ada", tenant="acme")})
    async with served(service, authenticator=tokens) as client:
        answer = await client.ask("POST", "/remember", headers=headers)
    message = seen[0]
    assert answer.headers["x-correlation-id"] == message.correlation_id == "c-9"
    assert (message.principal_id, message.tenant_id) == ("ada", "acme")
    assert (message.traceparent, message.tracestate) == (trace, "a=b")


async def test_headers_that_are_no_ids_are_replaced() -> None:
    service, seen = remembering()
    async with served(service) as client:
        headers = {"X-Correlation-ID": "with space", "traceparent": "x"}
        answer = await client.ask("POST", "/remember", headers=headers)
    assert answer.headers["x-correlation-id"] == seen[0].correlation_id != "with space"
    assert seen[0].traceparent is None


def charging() -> tuple[Service[Any, Any], list[int]]:
    """A service that charges once for each idempotency key, and what it charged."""
    service, charged = Service("charging"), list[int]()

    @service.command(expose=Expose("POST", "/charges", public=True), once=True)
    async def charge(cents: int) -> int:
        charged.append(cents)
        return len(charged)

    return service, charged


async def test_a_request_with_the_same_idempotency_key_gets_the_first_answer() -> None:
    service, charged = charging()
    async with served(service) as client:
        answers = [await client.ask("POST", "/charges", json=5, headers={"Idempotency-Key": key}) for key in "aab"]
    assert ([answer.json for answer in answers], charged) == ([1, 1, 2], [5, 5])


async def test_an_idempotency_key_is_for_one_request() -> None:
    service, charged = charging()
    async with served(service) as client:
        await client.ask("POST", "/charges", json=5, headers={"Idempotency-Key": "a"})
        other = await client.ask("POST", "/charges", json=6, headers={"Idempotency-Key": "a"})
    assert (other.status, other.json["code"], charged) == (422, "idempotency_key_reused", [5])


async def test_an_idempotency_key_with_spaces_is_refused() -> None:
    service, charged = charging()
    async with served(service) as client:
        answer = await client.ask("POST", "/charges", json=5, headers={"Idempotency-Key": "a b"})
    assert (answer.status, charged) == (400, [])


async def test_a_client_that_goes_away_cancels_the_handler() -> None:
    service, begun, ended = Service("slow"), asyncio.Event(), asyncio.Event()

    @service.command(expose=Expose("POST", "/slow", public=True))
    async def wait() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with served(service) as client:
        asking = asyncio.ensure_future(client.ask("POST", "/slow"))
        await begun.wait()
        asking.cancel()
        async with asyncio.timeout(30):
            await ended.wait()
