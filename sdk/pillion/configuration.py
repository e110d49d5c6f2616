"""Configuration: values that change while the service runs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import cache
from typing import Any, TypeVar, overload

from pydantic import TypeAdapter, ValidationError

from pillion.errors import StoreError
from pillion.ports.store import ConfigurationStore

T = TypeVar("T")


class Configuration:
    """Reads typed values from a configuration store.

    Stores hold text. Asked for anything but ``str``, the text is read as JSON (``5``, ``true``, ``{"a": 1}``), or else
    as the type's own text form (``2026-01-31``).

    Args:
        store: where they are kept.
    """

    def __init__(self, store: ConfigurationStore) -> None:
        self._store = store

    @overload
    async def get(self, key: str) -> str | None: ...

    @overload
    async def get(self, key: str, type: type[T]) -> T | None: ...

    async def get(self, key: str, type: type[Any] = str) -> Any:  # noqa: A002 - the word users know
        """The value of the key, or None.

        Raises:
            StoreError: the text does not fit the type.
        """
        return (await self.get_many([key], type)).get(key)

    @overload
    async def get_many(self, keys: Sequence[str]) -> dict[str, str]: ...

    @overload
    async def get_many(self, keys: Sequence[str], type: type[T]) -> dict[str, T]: ...

    async def get_many(self, keys: Sequence[str], type: type[Any] = str) -> dict[str, Any]:  # noqa: A002
        """The values of these keys; a missing key is missing in the answer.

        Raises:
            StoreError: a text does not fit the type.
        """
        found = await self._store.get(keys)
        return {key: _parsed(key, item.value, type) for key, item in found.items()}

    @overload
    def watch(self, keys: Sequence[str]) -> AsyncGenerator[dict[str, str | None], None]: ...

    @overload
    def watch(self, keys: Sequence[str], type: type[T]) -> AsyncGenerator[dict[str, T | None], None]: ...

    async def watch(
        self,
        keys: Sequence[str],
        type: type[Any] = str,  # noqa: A002
    ) -> AsyncGenerator[dict[str, Any], None]:
        """First the values as they are, then every change, for as long as you iterate. A removed key is None.

        Raises:
            StoreError: a text does not fit the type.
        """
        async with aclosing(self._store.watch(keys)) as changes:
            async for items in changes:
                yield {key: _parsed(key, item.value, type) if item.value else None for key, item in items.items()}


@cache
def _adapter(type_: Any) -> TypeAdapter[Any]:
    return TypeAdapter(type_)


def _parsed(key: str, text: str, type_: Any) -> Any:
    if type_ is str:
        return text
    try:
        return _adapter(type_).validate_json(text)
    except ValidationError:
        return _from_text(key, text, type_)


def _from_text(key: str, text: str, type_: Any) -> Any:
    try:
        return _adapter(type_).validate_strings(text)
    except ValidationError as error:
        name = getattr(type_, "__name__", repr(type_))
        reasons = "; ".join(problem["msg"] for problem in error.errors()[:5])
        raise StoreError(f"configuration {key!r} does not fit {name}: {reasons}; correct its value") from None
