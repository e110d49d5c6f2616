"""Secured is the default."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import Request

from pillion.context import Context
from pillion.errors import Forbidden
from pillion.gateway.auth import BearerTokens, Principal
from pillion.service.expose import Expose
from pillion.service.service import Service
from tests.gateway.faces import served


def secret_keeper() -> Service[Any, Any]:
    service = Service("secrets")

    @service.command(expose=Expose("GET", "/secret"))
    async def reveal(ctx: Context) -> str:
        return f"for {ctx.message.principal_id}"

    return service


async def test_without_an_authenticator_nobody_gets_in(capsys: pytest.CaptureFixture[str]) -> None:
    async with served(secret_keeper()) as client:
        answer = await client.ask("GET", "/secret", headers={"authorization": "Bearer anything"})
    assert (answer.status, answer.json["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "authenticator=" in capsys.readouterr().out


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Basic good", "Bearer ä"])
async def test_a_wrong_token_does_not_get_in(header: str) -> None:
    async with served(secret_keeper(), authenticator=BearerTokens({"good": Principal(id="ada")})) as client:
        answer = await client.ask("GET", "/secret", headers={"authorization": header})
    assert answer.status == 401


async def test_the_right_token_gets_in() -> None:
    async with served(secret_keeper(), authenticator=BearerTokens({"good": Principal(id="ada")})) as client:
        answer = await client.ask("GET", "/secret", headers={"authorization": "bearer good"})
    assert (answer.status, answer.json) == (200, "for ada")


async def test_an_authenticator_may_refuse_in_its_own_words() -> None:
    async def refuse(_: Request) -> Principal | None:
        raise Forbidden(reason="not today")

    async with served(secret_keeper(), authenticator=refuse) as client:
        answer = await client.ask("GET", "/secret")
    assert (answer.status, answer.json["reason"]) == (403, "not today")


def test_tokens_are_not_shown() -> None:
    assert "s3cret" not in repr(BearerTokens({"s3cret": Principal(id="ada")}))
