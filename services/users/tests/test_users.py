"""Signing up, and proving that the address is yours."""

from __future__ import annotations

import pytest

from pillion import InvalidInput
from pillion.testing.harness import HostFactory
from services.users.contract import (
    EmailTaken,
    SignUp,
    UserUnknown,
    Verify,
    WrongCode,
    look_up,
    sign_up,
    signed_up,
    verified,
    verify,
)
from services.users.service import service

ADA = SignUp(email="ada@example.com", name="Ada")


async def test_a_code_is_announced_but_not_answered(host: HostFactory) -> None:
    async with host(service, capture=True) as app:
        user = await app.call(sign_up, ADA)
        await app.until_quiet()
        event = app.emitted(signed_up)[0]
    assert event.user == user
    assert event.code not in user.model_dump_json()


async def test_an_address_signs_up_once_however_it_is_written(host: HostFactory) -> None:
    async with host(service) as app:
        await app.call(sign_up, ADA)
        with pytest.raises(EmailTaken):
            await app.call(sign_up, SignUp(email="Ada@Example.com", name="Ada again"))


async def test_the_right_code_verifies(host: HostFactory) -> None:
    async with host(service, capture=True) as app:
        user = await app.call(sign_up, ADA)
        code = app.emitted(signed_up)[0].code
        assert (await app.call(verify, Verify(user_id=user.user_id, code=code))).verified
        await app.until_quiet()
        assert [told.user_id for told in app.emitted(verified)] == [user.user_id]


async def test_a_wrong_code_does_not(host: HostFactory) -> None:
    async with host(service, capture=True) as app:
        user = await app.call(sign_up, ADA)
        with pytest.raises(WrongCode):
            await app.call(verify, Verify(user_id=user.user_id, code="guessed"))
        assert app.emitted(verified) == []


async def test_nobody_verifies_an_unknown_user(host: HostFactory) -> None:
    async with host(service) as app:
        with pytest.raises(UserUnknown):
            await app.call(verify, Verify(user_id="nobody", code="x"))


async def test_a_customer_is_found_by_address_however_it_is_written(host: HostFactory) -> None:
    async with host(service) as app:
        user = await app.call(sign_up, ADA)
        assert await app.call(look_up, "Ada@Example.com") == user


async def test_an_address_of_nobody_is_not_found(host: HostFactory) -> None:
    async with host(service) as app:
        with pytest.raises(UserUnknown):
            await app.call(look_up, "guest@example.com")


async def test_an_address_without_an_at_sign_is_refused(host: HostFactory) -> None:
    async with host(service) as app:
        with pytest.raises(InvalidInput) as caught:
            await app.call(sign_up, SignUp.model_construct(email="ada", name="Ada"))
    assert caught.value.errors[0]["field"] == "email"
