"""What is compiled of a declaration."""

from __future__ import annotations

from pillion import Contract, Service
from pillion.testing.harness import hosted


async def test_a_key_function_that_fails_leaves_the_event_without_order() -> None:
    told, service, heard = Contract("source").event("told", dict[str, str]), Service("sink"), list[dict[str, str]]()

    @service.on(told, key=lambda payload: payload["customer"])
    async def hear(payload: dict[str, str]) -> None:
        heard.append(payload)

    async with hosted(service) as host:
        await host.emit(told, {})
        await host.emit(told, {"customer": "ada"})
        await host.until_quiet()
    assert heard == [{}, {"customer": "ada"}]
