"""State: what a service remembers, as typed values under keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import TracebackType
from typing import Any, Generic, NamedTuple, Self, TypeVar
from urllib.parse import quote

from pydantic import ConfigDict, Secret, SecretBytes, SecretStr, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, to_json
from typing_extensions import TypeAliasType

from pillion.errors import StoreError, field_errors
from pillion.ports.store import Change, Remove, StateItem, StateStore, Upsert

T = TypeVar("T")

_TENANTS = "tenants:"
# Seconds; many of Dapr's stores take no more.
# Source: dapr components-contrib, ``ParseTTL`` in ``state/utils/ttl.go``.
_LONGEST = 2**31 - 1
# What pydantic writes for a secret.
_MASKED = b"**********"


class Item(NamedTuple, Generic[T]):
    """A value and the ETag that names this version of it."""

    value: T
    etag: str


class State:
    """The state of one service.

    Values are stored as JSON and read back as the type you ask for. Keys are text without ``||``; they are yours alone:
    other services, and other tenants, have keys of their own. A key that UTF-8 cannot write (with half of a pair of
    surrogates in it) is a ``StoreError`` wherever it is used, whatever the store.

    Args:
        store: where it is kept.
        scope: begins every key in the store. Default none; ``payments.`` where services share a store.
        tenant: whose message is being handled, if any.
        per_tenant: every key is the tenant's own; without a tenant nothing can be read or written.
    """

    def __init__(
        self, store: StateStore, *, scope: str = "", tenant: str | None = None, per_tenant: bool = False
    ) -> None:
        self._store = store
        self._scope = scope
        self._tenant = tenant
        self._per_tenant = per_tenant

    def tenant(self, tenant: str | None = None) -> State:
        """The state of one tenant, by default of the one whose message is being handled.

        Raises:
            StoreError: no tenant is given and the message has none.
        """
        state = State(self._store, scope=self._scope, tenant=tenant or self._tenant, per_tenant=True)
        state._prefix()
        return state

    def of(self, model: type[T], *, name: str = "") -> Collection[T]:
        """The values of one type, by keys of their own.

        Args:
            model: any type that pydantic supports.
            name: begins their keys, followed by ``:``. Default: the type's name in lower case; name it yourself if
                the type may be renamed.
        """
        return Collection(self, model, name or model.__name__.lower())

    async def get(self, key: str, type: type[T]) -> T | None:  # noqa: A002 - the word users know
        """The value under the key, or None.

        Raises:
            StoreError: what is there does not fit the type.
        """
        item = await self.get_item(key, type)
        return item.value if item else None

    async def get_item(self, key: str, type: type[T]) -> Item[T] | None:  # noqa: A002
        """The value under the key with its ETag, or None.

        Raises:
            StoreError: what is there does not fit the type.
        """
        stored = self._key(key)
        found = (await self._store.get([stored])).get(stored)
        return Item(_decoded(key, found, type), found.etag) if found else None

    async def get_many(self, keys: Sequence[str], type: type[T]) -> dict[str, T]:  # noqa: A002
        """The values under these keys; a missing key is missing in the answer.

        Raises:
            StoreError: what is there does not fit the type.
        """
        stored = {key: self._key(key) for key in keys}
        found = await self._store.get(list(stored.values()))
        return {key: _decoded(key, found[name], type) for key, name in stored.items() if name in found}

    async def set(
        self, key: str, value: object, *, etag: str | None = None, first_write: bool = False, ttl: float | None = None
    ) -> None:
        """Write a value.

        Args:
            key: non-empty, without ``||``.
            value: anything that pydantic turns into JSON.
            etag: write only over this version, as read by ``get_item``.
            first_write: write only if nobody wrote before; with an ETag, only over that version.
            ttl: seconds until it is gone, above 0 and at most 2147483647 (68 years), rounded up to whole seconds by
                most stores. Default: it stays.

        Raises:
            ConflictError: somebody else wrote first.
            StoreError: the value is no JSON, ``ttl`` is none of these, or the store cannot do it.
        """
        await self._store.write([self._upsert(key, value, etag, first_write, ttl)])

    async def set_many(self, values: Mapping[str, object], *, ttl: float | None = None) -> None:
        """Write several values, each by itself: when one fails, others may have been written.

        Args:
            values: by key.
            ttl: seconds until they are gone, as in ``set``.

        Raises:
            StoreError: a value is no JSON, ``ttl`` is none of these, or the store cannot do it.
        """
        await self._store.write([self._upsert(key, value, None, False, ttl) for key, value in values.items()])

    async def delete(self, key: str, *, etag: str | None = None) -> None:
        """Remove a value; a missing one is no error.

        Args:
            key: non-empty, without ``||``.
            etag: remove only this version, as read by ``get_item``.

        Raises:
            ConflictError: somebody else wrote first.
        """
        await self._store.write([Remove(self._key(key), etag)])

    def transaction(self) -> Transaction:
        """Collects changes; they are written together, all or none, at the end of ``async with``."""
        return Transaction(self)

    async def _transact(self, changes: Sequence[Change]) -> None:
        await self._store.transact(changes)

    def _upsert(self, key: str, value: object, etag: str | None, first_write: bool, ttl: float | None) -> Upsert:
        if ttl is not None and not 0 < ttl <= _LONGEST:
            raise StoreError(
                f"state {key!r}: ttl={ttl} is no time to live; give seconds above 0 and at most {_LONGEST}, or None to "
                "keep it"
            )
        return Upsert(self._key(key), _encoded(key, value), etag=etag, ttl=ttl, first_write=first_write)

    def _remove(self, key: str, etag: str | None) -> Remove:
        return Remove(self._key(key), etag)

    def _key(self, key: str) -> str:
        if not key or "||" in key or (key.startswith(_TENANTS) and not self._per_tenant):
            raise StoreError(f"state key {key!r}: must not be empty, hold '||' or begin with {_TENANTS!r}; rename it")
        if not key.isascii():
            _check_text(key)
        return self._prefix() + key

    def _prefix(self) -> str:
        if not self._per_tenant:
            return self._scope
        if not self._tenant:
            raise StoreError("state is kept per tenant, but the message names none; send it with a tenant")
        return f"{self._scope}{_TENANTS}{quote(self._tenant, safe='')}:"


class Transaction:
    """Changes that are written together, all or none, when the block ends without an exception."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._changes: dict[str, Change] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._changes:
            await self._state._transact(list(self._changes.values()))  # noqa: SLF001 - two halves of one thing

    def set(
        self, key: str, value: object, *, etag: str | None = None, first_write: bool = False, ttl: float | None = None
    ) -> None:
        """Write a value when the block ends; the arguments are those of ``State.set``.

        Raises:
            StoreError: the value is no JSON, ``ttl`` is out of its range, or the key is changed twice.
        """
        self._add(key, self._state._upsert(key, value, etag, first_write, ttl))  # noqa: SLF001

    def delete(self, key: str, *, etag: str | None = None) -> None:
        """Remove a value when the block ends; the arguments are those of ``State.delete``.

        Raises:
            StoreError: the key is changed twice.
        """
        self._add(key, self._state._remove(key, etag))  # noqa: SLF001

    def _add(self, key: str, change: Change) -> None:
        if change.key in self._changes:
            raise StoreError(f"state {key!r} is changed twice in one transaction; change it once")
        self._changes[change.key] = change


class Collection(Generic[T]):
    """The values of one type, by key."""

    def __init__(self, state: State, model: type[T], name: str) -> None:
        self._state = state
        self._model = model
        self._name = name

    def key(self, key: str) -> str:
        """The key in the service's state, for use in a transaction."""
        return f"{self._name}:{key}"

    async def get(self, key: str) -> T | None:
        """The value under the key, or None. Raises as ``State.get``."""
        return await self._state.get(self.key(key), self._model)

    async def get_item(self, key: str) -> Item[T] | None:
        """The value under the key with its ETag, or None. Raises as ``State.get_item``."""
        return await self._state.get_item(self.key(key), self._model)

    async def get_many(self, keys: Sequence[str]) -> dict[str, T]:
        """The values under these keys. Raises as ``State.get_many``."""
        found = await self._state.get_many([self.key(key) for key in keys], self._model)
        return {key: found[self.key(key)] for key in keys if self.key(key) in found}

    async def set(
        self, key: str, value: T, *, etag: str | None = None, first_write: bool = False, ttl: float | None = None
    ) -> None:
        """Write a value. Arguments and errors are those of ``State.set``."""
        await self._state.set(self.key(key), value, etag=etag, first_write=first_write, ttl=ttl)

    async def delete(self, key: str, *, etag: str | None = None) -> None:
        """Remove a value. Arguments and errors are those of ``State.delete``."""
        await self._state.delete(self.key(key), etag=etag)


def _check_text(key: str) -> None:
    try:
        key.encode()
    except UnicodeEncodeError:
        raise StoreError(
            f"state key {key!r}: has half of a pair of surrogates in it, which no store can write; rename it"
        ) from None


@cache
def _adapter(type_: Any) -> TypeAdapter[Any]:
    # Bytes are written as base64, wherever they are in what has no config of its own. Read through an alias, because
    # pydantic takes no config beside a dataclass or a TypedDict itself.
    make: Any = TypeAliasType
    return TypeAdapter(make("Value", type_), config=ConfigDict(val_json_bytes="base64"))


def _encoded(key: str, value: object) -> bytes:
    try:
        # NaN and infinity are no JSON numbers, but their names read back as floats.
        written = to_json(value, bytes_mode="base64", inf_nan_mode="strings")
    except PydanticSerializationError as error:
        raise StoreError(f"state {key!r}: a {type(value).__name__} cannot be stored: {error}") from None
    if _MASKED in written and _has_secret(value):
        raise StoreError(
            f"state {key!r}: a {type(value).__name__} holds a SecretStr, which pydantic writes as asterisks, so "
            "that it would be lost; store its get_secret_value(), or give it a @field_serializer"
        )
    return written


def _has_secret(value: object) -> bool:
    if isinstance(value, SecretStr | SecretBytes | Secret):
        return True
    if isinstance(value, Mapping):
        return any(map(_has_secret, value.values()))
    if isinstance(value, list | tuple | set | frozenset):
        return any(map(_has_secret, value))
    return hasattr(value, "__dict__") and any(map(_has_secret, vars(value).values()))


def _decoded(key: str, item: StateItem, type_: Any) -> Any:
    try:
        return _adapter(type_).validate_json(item.value, by_name=True)
    except ValidationError as error:
        problems = field_errors(error.errors(include_url=False, include_context=False, include_input=False))
        reasons = "; ".join(f"{problem['field'] or 'value'}: {problem['message']}" for problem in problems[:5])
        name = getattr(type_, "__name__", repr(type_))
        raise StoreError(f"state {key!r} does not fit {name}: {reasons}; migrate it, or read it as it is") from None
