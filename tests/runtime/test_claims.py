"""Hosts that leave payloads in the claims store, and hosts that only take them."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from pillion.bridges.memory.bridge import MemoryBridge
from pillion.bridges.memory.broker import MemoryBroker
from pillion.context import Context
from pillion.errors import ConfigurationError, StoreError, Unavailable
from pillion.message import Message
from pillion.outcome import Retry
from pillion.ports.clock import SystemClock
from pillion.ports.store import Change, StateCapabilities
from pillion.resilience.letters import Letters
from pillion.runtime.host import Host
from pillion.runtime.settings import HostSettings
from pillion.runtime.stores import Stores
from pillion.service.contract import Contract
from pillion.service.service import Service
from pillion.stores.memory import MemoryStateStore
from pillion.testing.conformance.world import Seen
from pillion.testing.quiet import until_quiet

LEAVING = HostSettings(claim_check_bytes=100)
LARGE = "ä" * 100


class Shared:
    """State stores by name, for all hosts of a test."""

    def __init__(self, *without: str) -> None:
        self.made: dict[str, MemoryStateStore] = {}
        self._without = without

    def state(self, name: str) -> MemoryStateStore | None:
        return None if name in self._without else self.made.setdefault(name, MemoryStateStore())


class Broken(MemoryStateStore):
    """Takes nothing."""

    async def write(self, changes: Any) -> None:
        raise StoreError(f"{len(changes)} too many")


class Eternal(MemoryStateStore):
    """Lets nothing expire."""

    def __init__(self) -> None:
        super().__init__()
        self.capabilities = StateCapabilities(ttl=False)


def host(
    *services: Service[Any, Any],
    broker: MemoryBroker | None = None,
    shared: Shared | None = None,
    settings: HostSettings | None = None,
    left: Seen[Message] | None = None,
) -> Host:
    bridge = MemoryBridge(broker, watch=None if left is None else lambda _, message: left.add(message))
    stores = Stores((shared or Shared()).state)
    return Host(*services, bridge=bridge, stores=stores, settings=settings or LEAVING)


def echo(name: str = "echo") -> tuple[Service[Any, Any], Any]:
    service = Service(name)

    @service.command
    async def repeat(text: str) -> str:
        return text

    return service, repeat


async def test_only_the_claims_travel() -> None:
    service, repeat = echo()
    left = Seen[Message]()
    async with host(service, left=left) as app:
        assert await app.call(repeat, LARGE) == LARGE
    assert [(bool(message.claim), message.json) for message in left.items] == [(True, b"")] * 2


async def test_nothing_is_left_by_default() -> None:
    service, repeat = echo()
    shared, left = Shared(), Seen[Message]()
    async with host(service, shared=shared, settings=HostSettings(), left=left) as app:
        assert await app.call(repeat, LARGE) == LARGE
    assert [message.claim for message in left.items] == [None, None]


async def test_who_leaves_nothing_fetches_all_the_same() -> None:
    service, repeat = echo()
    broker, shared, left = MemoryBroker(), Shared(), Seen[Message]()
    caller = host(broker=broker, shared=shared, settings=LEAVING.model_copy(update={"app": "caller"}), left=left)
    async with host(service, broker=broker, shared=shared, settings=HostSettings()), caller:
        assert await caller.call(repeat, LARGE) == LARGE
    question, answer = left.items
    assert question.claim is not None
    assert answer.claim is None


async def test_who_leaves_nothing_fetches_answers_all_the_same() -> None:
    service, repeat = echo()
    broker, shared, left = MemoryBroker(), Shared(), Seen[Message]()
    caller = host(broker=broker, shared=shared, settings=HostSettings(app="caller"), left=left)
    async with host(service, broker=broker, shared=shared), caller:
        assert await caller.call(repeat, LARGE) == LARGE
    assert left.items[1].claim is not None


async def test_a_call_to_a_service_without_the_claims_store_fails_with_the_reason() -> None:
    service, repeat = echo()
    broker = MemoryBroker()
    caller = host(broker=broker, settings=LEAVING.model_copy(update={"app": "caller"}))
    poor = host(service, broker=broker, shared=Shared("claims"), settings=HostSettings())
    async with poor, caller:
        with pytest.raises(Unavailable, match="no state component 'claims'"):
            await caller.call(repeat, LARGE)


async def test_an_event_whose_payload_is_gone_is_tried_again_and_set_aside() -> None:
    told, service = Contract("source").event("told", str), Service("sink")
    shared, left = Shared(), Seen[Message]()

    @service.on(told, retry=Retry(attempts=2, backoff="1ms..2ms"))
    async def hear(text: str) -> None:
        raise AssertionError(text)

    broker = MemoryBroker()
    poor = host(service, broker=broker, shared=Shared("claims"), settings=HostSettings(), left=left)
    source = host(broker=broker, shared=shared, settings=LEAVING.model_copy(update={"app": "source"}))
    async with poor, source:
        await source.emit(told, LARGE)
        await until_quiet(broker, None, 10)
    letter = left.items[-1]
    assert (letter.subscriber, letter.failure_code, letter.attempt) == ("sink.v1.hear", "unavailable", 2)
    assert letter.claim
    assert "payload" in (letter.failure_title or "")


async def test_a_kept_dead_letter_has_its_payload() -> None:
    told, service = Contract("source").event("told", str), Service("sink")
    shared, broker = Shared(), MemoryBroker()

    @service.on(told, retry=Retry(attempts=1))
    async def hear(text: str) -> None:
        raise ConnectionError(text)

    async with host(service, broker=broker, shared=shared) as app:
        await app.emit(told, LARGE)
        await until_quiet(broker, None, 10)
    letters = Letters(shared.made["sink-state"], "sink.v1", SystemClock())
    (found,) = await letters.list()
    letter = await letters.show(found.id)
    assert letter is not None
    assert (json.loads(letter.json), letter.claim) == (LARGE, None)


async def test_the_same_payload_is_left_once() -> None:
    service, repeat = echo()
    written: list[Change] = []

    class Counting(MemoryStateStore):
        async def write(self, changes: Any) -> None:
            written.extend(changes)
            await super().write(changes)

    shared = Shared()
    shared.made["claims"] = Counting()
    async with host(service, shared=shared) as app:
        await app.call(repeat, LARGE)
    assert len({change.key for change in written}) == 1
    assert {change.ttl for change in written} == {7 * 24 * 3600}  # type: ignore[union-attr]


async def test_what_cannot_be_stored_does_not_leave() -> None:
    service, repeat = echo()
    shared = Shared()
    shared.made["claims"] = Broken()
    async with host(service, shared=shared) as app:
        assert await app.call(repeat, "small") == "small"
        with pytest.raises(Exception, match="1 too many"):
            await app.call(repeat, LARGE)


async def test_an_answer_that_cannot_be_stored_is_a_failure() -> None:
    service, shared = Service("printer"), Shared()
    shared.made["claims"] = Broken()

    @service.command
    async def print_many(count: int) -> str:
        return "x" * count

    async with host(service, shared=shared) as app:
        with pytest.raises(Unavailable, match="1 too many"):
            await app.call(print_many, 1000)


async def test_events_with_claims_are_ordered_by_their_subject() -> None:
    contract = Contract("source")
    told, service = contract.event("told", str, key=lambda text: text[:1]), Service("sink")

    @service.on(told, key=lambda text: text[:1])
    async def hear(text: str) -> None:
        raise AssertionError(text)

    app = host(service, settings=HostSettings())
    async with app:
        (route,) = (route for route in app.bridge._routes if route.key is not None)  # type: ignore[attr-defined]
        claimed = Message("1", "/source", "source.v1.told", "1.0", subject="a", claim="pillion:claim:1")
        assert route.key(claimed) == "a"


async def refusal(*services: Service[Any, Any], shared: Shared | None = None, **settings: Any) -> str:
    app = host(*services, shared=shared, settings=LEAVING.model_copy(update=settings))
    with pytest.raises(ConfigurationError) as caught:
        await app.start()
    return str(caught.value)


async def test_without_a_claims_store_a_host_that_leaves_payloads_does_not_start() -> None:
    service, _ = echo()
    assert "no state component 'claims'" in await refusal(service, shared=Shared("claims"))


async def test_a_claims_store_in_which_nothing_expires_is_refused() -> None:
    service, _ = echo()
    shared = Shared()
    shared.made["claims"] = Eternal()
    assert "lets no values expire" in await refusal(service, shared=shared)


async def test_answers_may_not_outlive_their_payloads() -> None:
    service = Service("bank")

    @service.command(once=timedelta(days=8))
    async def pay(ctx: Context, amount: int) -> int:
        await ctx.state.set("paid", amount)
        return amount

    assert "raise claim_check_ttl" in await refusal(service)


async def test_an_order_that_needs_the_payload_is_refused() -> None:
    told, service = Contract("source").event("told", str), Service("sink")

    @service.on(told, key=lambda text: text[:1])
    async def hear(text: str) -> None:
        raise AssertionError(text)

    assert 'key="subject"' in await refusal(service)
