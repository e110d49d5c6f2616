"""Mailboxes: the dead letters of one version of a service, in a store that is open."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from pillion.errors import ConfigurationError
from pillion.ports.clock import SystemClock
from pillion.ports.store import StateStore
from pillion.resilience.letters import Letter, Letters, obstacle
from pillion.resilience.shelf import Shelf
from pillion.service.names import group_of

# A store does not tell which versions have used it, so these are looked at when none is named.
_VERSIONS = range(1, 21)
_SERVICE = re.compile(r"(?P<name>[^.]+)(\.v(?P<version>[1-9]\d*))?")


class Owner(NamedTuple):
    """Whose letters are meant: a service, in one version or in all."""

    name: str
    version: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``payments`` or ``payments.v1``.

        Raises:
            ConfigurationError: it is neither.
        """
        found = _SERVICE.fullmatch(text)
        if found is None:
            raise ConfigurationError(f"{text!r} is no service; write payments, or payments.v1 for one version")
        return cls(found["name"], int(found["version"]) if found["version"] else None)

    @property
    def groups(self) -> Sequence[str]:
        """The service's name with each version that is meant."""
        versions = _VERSIONS if self.version is None else (self.version,)
        return [group_of(self.name, version) for version in versions]


@dataclass(frozen=True, eq=False)
class Mailbox:
    """The dead letters of one version of a service.

    Attributes:
        group: the service's name and version.
        place: where they are, for people.
        letters: themselves.
        handlers: addresses of its handlers; None when its code is not here.
        store: that they are in.
    """

    group: str
    place: str
    letters: Letters
    handlers: Collection[str] | None
    store: StateStore

    def obstacle(self, letter: Letter, to: str | None) -> str:
        """Why this letter cannot be replayed, to be read after its name; empty when it can.

        Args:
            letter: one of this mailbox.
            to: handler that is to take it; None for the one that failed.
        """
        handler = to or letter.subscriber
        if reason := obstacle(letter.type, handler):
            return reason
        if self.handlers is None or handler in self.handlers or not handler.startswith(f"{self.group}."):
            return ""
        known = ", ".join(self.handlers) or "none"
        return f"cannot go to {handler}, which {self.group} does not have; choose another with --to: {known}"

    async def replay(self, ids: Sequence[str], handler: str, to: str | None) -> None:
        """Have these letters, all of one handler, handled again.

        Raises:
            ConfigurationError: the handler belongs to another service.
            StoreError: the store cannot do it.
        """
        group, _, _ = handler.rpartition(".")
        found = _SERVICE.fullmatch(group)
        if found is None or found["name"] != Owner.parse(self.group).name:
            raise ConfigurationError(f"{handler} is no handler of {self.group}, whose letters these are")
        await self.letters.replay(ids, Shelf(self.store, group, SystemClock()), to)


def mailboxes(
    owner: Owner, store: StateStore, place: str, known: Mapping[str, Collection[str] | None]
) -> list[Mailbox]:
    """The mailboxes of a service in a store.

    Args:
        owner: the service.
        store: is open.
        place: what people call it.
        known: versions of services that are surely there, each with its handlers, or None when they are not known.

    Raises:
        ConfigurationError: the store cannot have any.
    """
    if not store.capabilities.etags:
        raise ConfigurationError(
            f"{place} keeps no ETags, so {owner.name} keeps no dead letters there: they stay in the broker, in topic "
            f"{owner.groups[0]}.deadletters; choose another type of store, such as state.redis or state.postgresql"
        )
    groups = [group for group in known if owner in (Owner.parse(group), Owner(Owner.parse(group).name))]
    return [
        Mailbox(group, place, Letters(store, group, SystemClock()), known.get(group), store)
        for group in dict.fromkeys([*groups, *owner.groups])
    ]
