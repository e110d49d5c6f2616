import pytest

import delivering
from delivering import TooLittle, Transfer, rate, withdraw, withdrawn
from pillion.testing.clock import FakeClock
from pillion.testing.doubles import double

TEN = Transfer(account="a-1", cents=1000)


async def test_a_repeated_request_is_done_once(host):
    async with host(delivering.service, clock=FakeClock(), capture=True) as app:
        await app.state(delivering.service).of(int, name="balance").set("a-1", 1500)
        answers = [await app.call(withdraw, TEN, idempotency_key="request-1") for _ in range(3)]
        assert answers == [500, 500, 500]
        assert app.emitted(withdrawn) == [TEN]


async def test_a_failure_changes_nothing(host):
    async with host(delivering.service, capture=True) as app:
        with pytest.raises(TooLittle):
            await app.call(withdraw, TEN)
        assert app.emitted(withdrawn) == []


async def test_a_call_that_fails_has_a_fallback(host):
    silent = double(rate).raises(TimeoutError())
    async with host(delivering.audit, doubles=[silent]) as app:
        await app.emit(withdrawn, TEN)
        await app.until_quiet()
        assert await app.state(delivering.audit).get("a-1", list[float]) == [10.0]
