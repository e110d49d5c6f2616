"""State keeps typed values under keys of its own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, Field, SecretStr
from typing_extensions import TypedDict

from pillion.errors import ConflictError, StoreError
from pillion.ports.store import Upsert
from pillion.state import State
from pillion.stores.memory import MemoryStateStore
from pillion.stores.sqlite import SQLiteStateStore


class Order(BaseModel):
    id: str
    total: Decimal = Field(alias="amount")
    placed: datetime = datetime(2026, 1, 31, tzinfo=UTC)


@dataclass
class Point:
    x: int
    y: int


@dataclass
class Blob:
    content: bytes


class Parcel(TypedDict):
    content: bytes


class Login(BaseModel):
    password: SecretStr


class Shelf(BaseModel):
    books: list[str]


@pytest.fixture
def store() -> MemoryStateStore:
    return MemoryStateStore()


@pytest.fixture
def state(store: MemoryStateStore) -> State:
    return State(store, scope="orders.")


async def test_a_missing_value_is_none(state: State) -> None:
    assert await state.get("1", Order) is None
    assert await state.get_item("1", Order) is None


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (Order(id="1", amount=Decimal("9.99")), Order),
        (Point(1, 2), Point),
        ([Point(1, 2)], list[Point]),
        ({"a": 1}, dict[str, int]),
        (5, int),
        ("text", str),
        (b"\x00\xff", bytes),
        (b"\xff", bytes | None),
        ({"a": [b"\xff", b"abc"]}, dict[str, list[bytes]]),
        (Blob(b"\xff"), Blob),
        ([Blob(b"abc")], list[Blob]),
        ({"content": b"\xff"}, Parcel),
        (float("inf"), float),
        (datetime(2026, 1, 31, tzinfo=UTC), datetime),
    ],
)
async def test_a_value_comes_back_as_its_type(state: State, value: Any, type_: type[Any]) -> None:
    await state.set("1", value)
    assert await state.get("1", type_) == value


async def test_values_are_kept_as_json_under_scoped_keys(state: State, store: MemoryStateStore) -> None:
    await state.set("1", Point(1, 2))
    item = (await store.get(["orders.1"]))["orders.1"]
    assert json.loads(item.value) == {"x": 1, "y": 2}


async def test_services_that_share_a_store_do_not_meet(store: MemoryStateStore) -> None:
    await State(store, scope="orders.").set("1", "mine")
    assert await State(store, scope="payments.").get("1", str) is None


async def test_a_value_of_another_shape_is_named_without_showing_it(state: State) -> None:
    await state.set("1", {"books": "s3cret"})
    with pytest.raises(StoreError, match="'1' does not fit Shelf: books: ") as caught:
        await state.get("1", Shelf)
    assert "s3cret" not in str(caught.value)


async def test_what_is_no_json_is_refused(state: State) -> None:
    with pytest.raises(StoreError, match="'1': a object cannot be stored"):
        await state.set("1", object())


@pytest.mark.parametrize(
    "value",
    [SecretStr("hush"), [SecretStr("hush")], {"a": Login(password=SecretStr("hush"))}, Login(password=SecretStr("x"))],
)
async def test_a_secret_that_would_be_written_as_asterisks_is_refused(state: State, value: Any) -> None:
    with pytest.raises(StoreError, match=r"'1': .* holds a SecretStr"):
        await state.set("1", value)


async def test_a_value_that_looks_like_a_masked_secret_is_kept(state: State) -> None:
    await state.set("1", {"a": "**********"})
    assert await state.get("1", dict[str, str]) == {"a": "**********"}


async def test_an_item_can_be_written_over_once(state: State) -> None:
    await state.set("1", 1)
    item = await state.get_item("1", int)
    assert item is not None
    await state.set("1", item.value + 1, etag=item.etag)
    with pytest.raises(ConflictError):
        await state.set("1", item.value + 1, etag=item.etag)


async def test_a_first_write_does_not_overwrite(state: State) -> None:
    await state.set("1", 1, first_write=True)
    with pytest.raises(ConflictError):
        await state.set("1", 2, first_write=True)


async def test_several_values_are_written_and_read_at_once(state: State) -> None:
    await state.set_many({"1": 1, "2": 2})
    assert await state.get_many(["1", "2", "3"], int) == {"1": 1, "2": 2}


async def test_a_deleted_value_is_gone(state: State) -> None:
    await state.set("1", 1)
    await state.delete("1")
    assert await state.get("1", int) is None


async def test_a_deletion_of_an_old_version_conflicts(state: State) -> None:
    await state.set("1", 1)
    with pytest.raises(ConflictError):
        await state.delete("1", etag="old")


@pytest.mark.parametrize("key", ["", "a||b", "tenants:acme:1"])
async def test_a_key_that_cannot_be_kept_is_refused(state: State, key: str) -> None:
    with pytest.raises(StoreError, match="rename it"):
        await state.set(key, 1)


@pytest.mark.parametrize("ttl", [0, -1])
async def test_a_ttl_that_is_none_is_refused(state: State, ttl: float) -> None:
    with pytest.raises(StoreError, match="no time to live"):
        await state.set("1", 1, ttl=ttl)


@pytest.fixture(params=["memory", "sqlite"])
async def kept(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[State]:
    """State in each store that needs no server."""
    store = MemoryStateStore() if request.param == "memory" else SQLiteStateStore(tmp_path / "state.db")
    await store.start()
    yield State(store)
    await store.close()


@pytest.mark.parametrize("ttl", [float("inf"), float("nan"), 1e300, 2**31])
async def test_a_ttl_that_not_every_store_can_keep_is_refused(kept: State, ttl: float) -> None:
    with pytest.raises(StoreError, match=r"state 'a': ttl=.* at most 2147483647"):
        await kept.set("a", 1, ttl=ttl)
    with pytest.raises(StoreError, match="state 'a': ttl="):
        await kept.set_many({"a": 1}, ttl=ttl)
    with pytest.raises(StoreError, match="state 'a': ttl="):
        kept.transaction().set("a", 1, ttl=ttl)
    assert await kept.get("a", int) is None


async def test_the_longest_ttl_is_kept(kept: State) -> None:
    await kept.set("a", 1, ttl=2**31 - 1)
    assert await kept.get("a", int) == 1


async def test_a_key_that_is_no_text_is_refused(kept: State) -> None:
    with pytest.raises(StoreError, match=r"state key 'a\\ud800': .*rename it"):
        await kept.set("a\ud800", 1)
    with pytest.raises(StoreError, match="state key"):
        await kept.get("a\ud800", int)
    with pytest.raises(StoreError, match="state key"):
        await kept.delete("a\ud800")


async def test_a_key_may_be_of_any_letters(kept: State) -> None:
    await kept.set("größe-😀", 1)
    assert await kept.get_many(["größe-😀"], int) == {"größe-😀": 1}


async def test_the_options_of_a_write_reach_the_store() -> None:
    store = RecordingStore()
    await State(store).set("1", 1, ttl=5, etag="7", first_write=True)
    assert store.changes == [Upsert("1", b"1", etag="7", ttl=5, first_write=True)]


async def test_a_transaction_writes_all_at_its_end(state: State) -> None:
    await state.set("gone", 1)
    async with state.transaction() as tx:
        tx.set("1", 1)
        tx.delete("gone")
        assert await state.get("1", int) is None
    assert await state.get_many(["1", "gone"], int) == {"1": 1}


async def test_a_transaction_that_fails_writes_nothing(state: State) -> None:
    with pytest.raises(RuntimeError):
        await failing_transaction(state)
    assert await state.get("1", int) is None


async def failing_transaction(state: State) -> None:
    async with state.transaction() as tx:
        tx.set("1", 1)
        raise RuntimeError


async def test_a_transaction_with_a_conflict_writes_nothing(state: State) -> None:
    await state.set("1", 1)
    with pytest.raises(ConflictError):
        await conflicting_transaction(state)
    assert await state.get("2", int) is None


async def conflicting_transaction(state: State) -> None:
    async with state.transaction() as tx:
        tx.set("2", 2)
        tx.set("1", 2, first_write=True)


async def test_a_key_is_changed_once_in_a_transaction(state: State) -> None:
    tx = state.transaction()
    tx.set("1", 1)
    with pytest.raises(StoreError, match="'1' is changed twice"):
        tx.delete("1")


async def test_a_collection_has_keys_of_its_own(state: State) -> None:
    points = state.of(Point)
    await points.set("1", Point(1, 2))
    assert await points.get("1") == Point(1, 2)
    assert await state.get("1", Point) is None
    assert await state.get(points.key("1"), Point) == Point(1, 2)
    assert await state.of(Point, name="other").get("1") is None


async def test_a_collection_reads_writes_and_deletes_like_state(state: State) -> None:
    points = state.of(Point)
    await points.set("1", Point(1, 2), first_write=True)
    item = await points.get_item("1")
    assert item is not None
    assert await points.get_many(["1", "2"]) == {"1": Point(1, 2)}
    await points.delete("1", etag=item.etag)
    assert await points.get("1") is None


async def test_tenants_do_not_see_each_other(state: State) -> None:
    await state.tenant("acme").set("1", "acme's")
    assert await state.tenant("evil").get("1", str) is None
    assert await state.get("1", str) is None
    assert await state.tenant("acme").get("1", str) == "acme's"


async def test_no_tenant_can_name_itself_into_another(state: State) -> None:
    await state.tenant("a").set("b:1", "a's")
    assert await state.tenant("a:b").get("1", str) is None


async def test_the_tenant_of_the_message_is_the_default(store: MemoryStateStore) -> None:
    state = State(store, tenant="acme")
    await state.tenant().set("1", 1)
    assert await state.tenant("acme").get("1", int) == 1


async def test_a_message_without_tenant_has_no_tenant_state(state: State) -> None:
    with pytest.raises(StoreError, match="names none"):
        state.tenant()


async def test_state_kept_per_tenant_cannot_be_used_without(store: MemoryStateStore) -> None:
    state = State(store, per_tenant=True)
    with pytest.raises(StoreError, match="names none"):
        await state.get("1", int)


async def test_state_kept_per_tenant_is_the_tenants(store: MemoryStateStore) -> None:
    await State(store, tenant="acme", per_tenant=True).set("1", 1)
    assert await State(store, tenant="acme").tenant().get("1", int) == 1
    assert await State(store, tenant="evil", per_tenant=True).get("1", int) is None


class RecordingStore(MemoryStateStore):
    """Keeps what it was asked to write."""

    def __init__(self) -> None:
        super().__init__()
        self.changes: list[Any] = []

    async def write(self, changes: Any) -> None:
        self.changes.extend(changes)
