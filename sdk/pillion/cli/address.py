"""Addresses on the command line: ``greeter.hello``, or ``greeter.v2.hello`` for one version."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from pillion.errors import ConfigurationError
from pillion.service.command import Command
from pillion.service.event import Event
from pillion.service.names import group_of
from pillion.service.service import Service

_ADDRESS = re.compile(r"(?P<service>[^.]+)(\.v(?P<version>[1-9]\d*))?\.(?P<member>[^.]+(\.(succeeded|failed))?)")


class Address(NamedTuple):
    """What a user calls a command or an event; without a version, whichever is highest."""

    service: str
    version: int | None
    member: str

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read ``greeter.hello`` or ``greeter.v2.hello``.

        Raises:
            ConfigurationError: it is neither.
        """
        found = _ADDRESS.fullmatch(text)
        if found is None:
            raise ConfigurationError(f"{text!r} is no address; write SERVICE.NAME or SERVICE.vN.NAME: greeter.hello")
        version = found["version"]
        return cls(found["service"], int(version) if version else None, found["member"])

    @property
    def full(self) -> str:
        """``greeter.v1.hello``: version 1 when none was given."""
        return f"{group_of(self.service, self.version or 1)}.{self.member}"


def find_command(address: Address, services: Iterable[Service[Any, Any]]) -> Command[Any, Any]:
    """The command of this address.

    Raises:
        ConfigurationError: there is none; the text says which there are.
    """
    known = known_commands(services)
    return known[_find(address, known)]


def find_event(text: str, services: Iterable[Service[Any, Any]]) -> Event[Any]:
    """The event of this address, or topic when it is a foreign one: declared or subscribed to by these services.

    Raises:
        ConfigurationError: there is none; the text says which there are.
    """
    known = known_events(services)
    return known[text if text in known else _find(Address.parse(text), known)]


def known_commands(services: Iterable[Service[Any, Any]]) -> dict[str, Command[Any, Any]]:
    """Every command of these services, by address."""
    return {command.address: command for service in services for command in service.contract.commands.values()}


def known_events(services: Iterable[Service[Any, Any]]) -> dict[str, Event[Any]]:
    """Every event that these services declare or subscribe to, by address."""
    services = list(services)
    declared = [event for one in services for event in one.contract.events.values()]
    wanted = [subscription.event for one in services for subscription in one.subscriptions.values()]
    return {event.address: event for event in (*declared, *wanted)}


def _find(address: Address, known: Iterable[str]) -> str:
    found = [name for name in known if _is(address, name)]
    if not found:
        raise ConfigurationError(_unknown(address, sorted(known)))
    return max(found, key=_version)


def _is(address: Address, name: str) -> bool:
    if not _ADDRESS.fullmatch(name):
        return False
    service, version, member = Address.parse(name)
    return (service, member) == (address.service, address.member) and address.version in (None, version)


def _version(name: str) -> int:
    return Address.parse(name).version or 1


def _unknown(address: Address, known: list[str]) -> str:
    given = address.full if address.version else f"{address.service}.{address.member}"
    close = difflib.get_close_matches(address.full, known, n=1)
    hint = f", did you mean {close[0]}?" if close else ";"
    return f"there is no {given} here{hint} --app offers {', '.join(known) or 'none of its kind'}"
