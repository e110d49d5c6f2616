"""What stores must do: keep state, hand out secrets, tell configuration. All at the level of bytes and text."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeAlias

from msgspec import Struct


class StateItem(NamedTuple):
    """What a state store holds under a key.

    Attributes:
        value: a JSON document in UTF-8.
        etag: names this version of the value; opaque.
    """

    value: bytes
    etag: str


class Upsert(Struct, frozen=True):
    """Write a value.

    Attributes:
        key: non-empty, without ``||``.
        value: a JSON document in UTF-8.
        etag: write only over this version; None for whatever is there.
        ttl: seconds after which the value is gone; None keeps it for ever, also when it had a TTL before. Stores may
            round up to whole seconds.
        first_write: write only if nobody wrote since ``etag`` was read, or, without an ETag, only if there is no value.
    """

    key: str
    value: bytes
    etag: str | None = None
    ttl: float | None = None
    first_write: bool = False

    @property
    def conditional(self) -> bool:
        """Whether the change can conflict with another writer's."""
        return self.first_write or self.etag is not None


class Remove(Struct, frozen=True):
    """Remove a value; without an ETag a missing key is no error.

    Attributes:
        key: non-empty, without ``||``.
        etag: remove only this version; None for whatever is there.
    """

    key: str
    etag: str | None = None

    @property
    def conditional(self) -> bool:
        """Whether the change can conflict with another writer's."""
        return self.etag is not None


Change: TypeAlias = Upsert | Remove


@dataclass(frozen=True, slots=True)
class StateCapabilities:
    """What a state store can promise beyond get and write.

    Attributes:
        etags: ETags and first writes are kept.
        transactions: ``transact`` writes several changes all or none.
        conditional_transactions: also when some have an ETag or are first writes. False for Redis behind Dapr, which
            does not roll back: there such a transaction is refused.
        ttl: values can expire.
    """

    etags: bool = True
    transactions: bool = True
    conditional_transactions: bool = True
    ttl: bool = True


class StateStore(Protocol):
    """Keeps values by key. Implementations: ``pillion.stores.memory``, ``.sqlite`` and ``.dapr``."""

    @property
    def capabilities(self) -> StateCapabilities:
        """What this store can promise; known after ``start``."""
        ...

    async def start(self) -> None:
        """Make ready.

        Raises:
            ConfigurationError: the store is not there or not usable as configured.
        """

    async def close(self) -> None:
        """Let go of all resources. Safe to call twice."""

    async def get(self, keys: Sequence[str]) -> dict[str, StateItem]:
        """What is there under these keys; a missing key is missing in the answer."""
        ...

    async def write(self, changes: Sequence[Change]) -> None:
        """Apply each change by itself; keys are distinct. When one fails, the others may have been applied.

        Raises:
            ConflictError: an ETag is not the current one, or a first write found a value.
            StoreError: the store cannot do it.
        """

    async def transact(self, changes: Sequence[Change]) -> None:
        """Apply all changes or none; keys are distinct. When it is cancelled, it has come to its end all the same.

        Raises:
            ConflictError: an ETag is not the current one, or a first write found a value; nothing was written.
            StoreError: the store cannot do it; nothing was written.
        """


class SecretStore(Protocol):
    """Hands out secrets. A secret is a small mapping; most stores know only one key, the name of the secret."""

    async def start(self) -> None:
        """Make ready.

        Raises:
            ConfigurationError: the store is not there or not readable.
        """

    async def close(self) -> None:
        """Let go of all resources. Safe to call twice."""

    async def get(self, name: str) -> dict[str, str]:
        """The secret of that name.

        Raises:
            SecretNotFound: there is none (an empty one counts as none), or this service may not read it.
        """
        ...

    async def get_all(self) -> dict[str, dict[str, str]]:
        """Every secret this service may read, by name."""
        ...


@dataclass(frozen=True, slots=True)
class ConfigurationItem:
    """A configuration value.

    Attributes:
        value: text; empty when the item was removed.
        version: the store's name for this value; may be empty.
        metadata: whatever the store tells besides.
    """

    value: str
    version: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


class ConfigurationStore(Protocol):
    """Tells configuration values and their changes."""

    async def start(self) -> None:
        """Make ready.

        Raises:
            ConfigurationError: the store is not there or not usable as configured.
        """

    async def close(self) -> None:
        """Let go of all resources. Safe to call twice."""

    async def get(self, keys: Sequence[str]) -> dict[str, ConfigurationItem]:
        """The values of these keys; a missing key is missing in the answer."""
        ...

    def watch(self, keys: Sequence[str]) -> AsyncGenerator[dict[str, ConfigurationItem], None]:
        """First the values as they are, then every change.

        Changes that come faster than they are taken are merged, the last value of a key wins. A removed key comes with
        an empty value. Closing the iterator ends the watch.
        """
        ...
