"""Secrets: passwords, keys and tokens, read from a secret store and never shown."""

from __future__ import annotations

from typing import NamedTuple

from pillion.errors import SecretNotFound, StoreError
from pillion.ports.clock import Clock, SystemClock
from pillion.ports.store import SecretStore

_CACHE_SECONDS = 300.0


class _Cached(NamedTuple):
    secret: dict[str, str]
    expires: float


class Secrets:
    """Reads secrets and remembers them for a while. Its ``repr`` shows no value.

    Args:
        store: where they are kept.
        ttl: seconds for which a secret is remembered; 0 asks the store each time. Default 300.
        clock: decides when that time is over.
    """

    def __init__(self, store: SecretStore, *, ttl: float = _CACHE_SECONDS, clock: Clock | None = None) -> None:
        self._store = store
        self._ttl = ttl
        self._clock = clock or SystemClock()
        self._cache: dict[str, _Cached] = {}

    def __repr__(self) -> str:
        return f"<Secrets of {type(self._store).__name__}>"

    async def get(self, name: str, key: str | None = None) -> str:
        """A secret's value.

        Args:
            name: of the secret.
            key: which value, where a secret has several (Kubernetes, a file with ``multiValued``).

        Raises:
            SecretNotFound: there is no such secret or key, or this service may not read it.
            StoreError: the secret has several values and no key is given.
        """
        secret = await self._secret(name)
        if key is None:
            return _only_value(name, secret)
        if key not in secret:
            raise SecretNotFound(f"secret {name!r} has no key {key!r}; it has {_listed(secret)}")
        return secret[key]

    async def get_all(self) -> dict[str, dict[str, str]]:
        """Every secret this service may read: its values by key, by name. Always asks the store."""
        secrets = await self._store.get_all()
        for name, secret in secrets.items():
            if any(secret.values()):
                self._remember(name, secret)
        return secrets

    def forget(self) -> None:
        """Ask the store again from now on, for example after a secret was replaced."""
        self._cache.clear()

    async def _secret(self, name: str) -> dict[str, str]:
        cached = self._cache.get(name)
        if cached is not None and cached.expires > self._clock.now():
            return cached.secret
        secret = await self._store.get(name)
        self._remember(name, secret)
        return secret

    def _remember(self, name: str, secret: dict[str, str]) -> None:
        self._cache[name] = _Cached(dict(secret), self._clock.now() + self._ttl)


def _only_value(name: str, secret: dict[str, str]) -> str:
    if name in secret:
        return secret[name]
    if len(secret) == 1:
        return next(iter(secret.values()))
    raise StoreError(f"secret {name!r} has several values; ask for one with key=: {_listed(secret)}")


def _listed(secret: dict[str, str]) -> str:
    return ", ".join(sorted(secret)) or "none"
