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
_GROUP = re.compile(r"[^.]+\.v[1-9]\d*")


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
        served: the versions of the service that are surely there, each with the addresses of its handlers, or None
            when its code is not here; empty when it is not known.
        store: that the letters are in.
    """

    group: str
    place: str
    letters: Letters
    served: Mapping[str, Collection[str] | None]
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
        reason = self.refusal(handler)
        return f"cannot be replayed: {reason}" if reason else ""

    def refusal(self, handler: str) -> str:
        """Why no letter of this mailbox can go to a handler; empty when one can, as far as is known here."""
        group, owner = group_in(handler), Owner.parse(self.group).name
        if group is None or Owner.parse(group).name != owner:
            return f"{handler} is no handler of {self.group}; {self._choice()}"
        if group not in (self.served or {self.group}):
            return f"{handler}: {group} is not there, so nobody would take it; {self._choice()}"
        handlers = self.served.get(group)
        if handlers is not None and handler not in handlers:
            return f"{handler}: {group} has no such handler; {self._choice()}"
        return ""

    def knows(self, handler: str) -> bool:
        """Whether it is known here which handlers there are."""
        return self.served.get(group_in(handler) or "") is not None

    async def replay(self, ids: Sequence[str], handler: str, to: str | None) -> None:
        """Have these letters, all of one handler that can take them, handled again.

        Raises:
            StoreError: the store cannot do it.
        """
        await self.letters.replay(ids, Shelf(self.store, group_in(handler) or self.group, SystemClock()), to)

    def _choice(self) -> str:
        known = ", ".join(handler for handlers in self.served.values() for handler in handlers or ())
        return f"choose one with --to: {known}" if known else "choose one with --to (`pillion describe` shows them)"


def group_in(handler: str) -> str | None:
    """The service and version in a handler's address; None when it is none."""
    group, _, _ = handler.rpartition(".")
    return group if _GROUP.fullmatch(group) else None


def mailboxes(
    owner: Owner, store: StateStore, place: str, served: Mapping[str, Collection[str] | None]
) -> list[Mailbox]:
    """The mailboxes of a service in a store.

    Args:
        owner: the service.
        store: is open.
        place: what people call it.
        served: versions of services that are surely there, each with its handlers, or None when they are not known.

    Raises:
        ConfigurationError: the store cannot have any.
    """
    if not store.capabilities.etags:
        raise ConfigurationError(
            f"{place} keeps no ETags, so {owner.name} keeps no dead letters there: they stay in the broker, in topic "
            f"{owner.groups[0]}.deadletters; choose another type of store, such as state.redis or state.postgresql"
        )
    of_owner = {group: known for group, known in served.items() if Owner.parse(group).name == owner.name}
    groups = [group for group in of_owner if owner.version in (None, Owner.parse(group).version)]
    return [
        Mailbox(group, place, Letters(store, group, SystemClock()), of_owner, store)
        for group in dict.fromkeys([*groups, *owner.groups])
    ]
