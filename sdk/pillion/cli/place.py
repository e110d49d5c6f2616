"""Places: where the command line finds the dead letters of services, running or not. Nothing is started for it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import wraps
from pathlib import Path
from shlex import quote
from typing import Any, NamedTuple

import click

from pillion.cli.inprocess import load_services
from pillion.cli.mailbox import Mailbox, Owner, mailboxes
from pillion.cli.outside import sidecar
from pillion.errors import ConfigurationError
from pillion.ports.store import StateStore
from pillion.runtime.embedded import NeedsSidecar, app_id, profile_stores
from pillion.runtime.environment import host_settings
from pillion.runtime.settings import HostSettings
from pillion.runtime.stores import Stores
from pillion.service.catalog import handlers
from pillion.service.service import Service
from pillion.sidecar.channel import SidecarChannel
from pillion.sidecar.health import SidecarMetadata, metadata
from pillion.stores.dapr.state import DaprStateStore
from pillion.stores.memory import MemoryStateStore
from pillion.stores.sqlite import SQLiteStateStore

_LETTERS = ".deadletters"
_WHERE = "say where to look: --app MODULE:ATTR --profile DIR, or --sidecar-port PORT (`pillion dev` shows the ports)"
_OPTIONS = (
    click.option(
        "--app", "apps", metavar="MODULE:ATTR", multiple=True,
        help="The service, where it runs without a sidecar; may be repeated. It is not started, and may be running.",
    ),
    click.option(
        "--profile", type=click.Path(path_type=Path), metavar="DIR",
        help="With --app: the folder of Dapr component YAML it runs with. Default: PILLION_PROFILE.",
    ),
    click.option(
        "--sidecar-port", "sidecar_ports", type=click.IntRange(1, 65535), multiple=True,
        help="Without --app: HTTP port of the service's sidecar; may be repeated, for several services. Default: "
        "DAPR_HTTP_PORT, else 3500, as Dapr's.",
    ),
    click.option(
        "--service", metavar="NAME[.vN]",
        help="Only this service, in all versions or one. Default: all of --app, or those the sidecar serves.",
    ),
    click.option("--store", metavar="NAME", help="State component that has the letters. Default: <service>-state."),
)  # fmt: skip


class Place(NamedTuple):
    """What the options say about where to look; ``placed`` makes it."""

    apps: tuple[str, ...]
    profile: Path | None
    sidecar_ports: tuple[int, ...]
    service: str | None
    store: str | None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Sequence[Mailbox]]:
        """The mailboxes there, one for each service and version.

        Raises:
            ConfigurationError: there are none; the text says why.
        """
        async with AsyncExitStack() as stack:
            yield await (self._embedded(stack) if self.apps else self._beside(stack))

    def command(self, *words: str) -> str:
        """A command of ``pillion dlq`` that looks at the same place, to be copied."""
        given = [part for app in self.apps for part in ("--app", app)]
        given += [part for port in self.sidecar_ports for part in ("--sidecar-port", str(port))]
        for name, value in (("--profile", self.profile), ("--service", self.service), ("--store", self.store)):
            given += [] if value is None else [name, str(value)]
        return " ".join(("pillion dlq", *words, *map(quote, given)))

    def check(self) -> None:
        """Refuse options that do not go together.

        Raises:
            click.UsageError: the text says which to leave out.
        """
        if self.apps and self.sidecar_ports:
            raise click.UsageError("--app is for a service without a sidecar, --sidecar-port for one beside it")
        if self.profile is not None and not self.apps:
            raise click.UsageError("--profile goes with --app MODULE:ATTR; beside a sidecar, --sidecar-port is enough")

    @property
    def _owner(self) -> Owner | None:
        return None if self.service is None else Owner.parse(self.service)

    async def _embedded(self, stack: AsyncExitStack) -> Sequence[Mailbox]:
        services = load_services(self.apps)
        settings = host_settings(bridge="memory", profile=self.profile)
        where = ", ".join(map(str, settings.folders))
        if not where:
            raise _in_memory("without a profile services keep their state in memory")
        stores = _stores(settings, app_id(services, settings, os.environ), where)
        found: list[Mailbox] = []
        for owner, of_owner in self._owners(services).items():
            component = self.store or of_owner[0].state_component
            store = _usable(stores.state(component), component, where)
            stack.push_async_callback(store.close)
            await store.start()
            served = {one.group: [handler.address for handler in handlers(one)] for one in of_owner}
            found += mailboxes(owner, store, f"{component} of {where}", served)
        return found

    def _owners(self, services: Iterable[Service[Any, Any]]) -> dict[Owner, list[Service[Any, Any]]]:
        """The services by name, those that are not wanted left out."""
        found: dict[Owner, list[Service[Any, Any]]] = {}
        for service in services:
            found.setdefault(Owner(service.name), []).append(service)
        if (wanted := self._owner) is None:
            return found
        if Owner(wanted.name) not in found:
            offered = ", ".join(owner.name for owner in found)
            raise ConfigurationError(f"there is no service {wanted.name} here; --app offers {offered}")
        return {wanted: found[Owner(wanted.name)]}

    async def _beside(self, stack: AsyncExitStack) -> Sequence[Mailbox]:
        found: dict[tuple[str, str], Mailbox] = {}
        for port in self.sidecar_ports or (None,):
            channel = await stack.enter_async_context(sidecar(port, _WHERE))
            for mailbox in await self._at(channel):
                # Sidecars of several instances of a service have the same letters.
                found.setdefault((mailbox.place, mailbox.group), mailbox)
        return list(found.values())

    async def _at(self, channel: SidecarChannel) -> Sequence[Mailbox]:
        about = await metadata(channel)
        groups = [one.topic.removesuffix(_LETTERS) for one in about.subscriptions if one.topic.endswith(_LETTERS)]
        owners = [self._owner] if self._owner else _owners(groups) or [Owner(about.id)]
        places = {owner: self.store or f"{owner.name}-state" for owner in owners}
        if not any(about.component(component) for component in places.values()):
            raise _not_loaded(about, places.values())
        found: list[Mailbox] = []
        for owner, component in places.items():
            if about.component(component):
                store = DaprStateStore(channel, component)
                await store.start()
                found += mailboxes(owner, store, f"{component} of sidecar {about.id}", dict.fromkeys(groups))
        return found


def placed(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say where to look; it gets them as ``place``."""

    @wraps(function)
    def command(*args: Any, **options: Any) -> Any:
        place = Place(*(options.pop(name) for name in Place._fields))
        place.check()
        return function(*args, place=place, **options)

    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _owners(groups: Iterable[str]) -> list[Owner]:
    return list(dict.fromkeys(Owner(Owner.parse(group).name) for group in groups))


def _stores(settings: HostSettings, app: str, where: str) -> Stores:
    try:
        return profile_stores(settings.folders, app, os.environ)
    except NeedsSidecar as error:
        raise ConfigurationError(
            f"{where} keeps state on a server, which only a sidecar reaches: the service's sidecar must run, and "
            "--sidecar-port PORT says where, instead of --app and --profile"
        ) from error


def _usable(store: StateStore | None, component: str, where: str) -> StateStore:
    """The store, when letters that somebody else has put there can be in it."""
    if store is None:
        raise ConfigurationError(f'{where} has no state component "{component}"; name another with --store')
    if isinstance(store, MemoryStateStore):
        raise _in_memory(f'"{component}" of {where} keeps its state in memory')
    if isinstance(store, SQLiteStateStore) and not store.path.exists():
        raise ConfigurationError(
            f'"{component}" of {where} is the file {store.path.resolve()}, which is not there: the service has never '
            "run with it, or was started in another folder; change to that folder"
        )
    return store


def _in_memory(fact: str) -> ConfigurationError:
    return ConfigurationError(
        f"{fact}: dead letters die with the process, and nobody outside of it can see them; run the service with a "
        "profile that keeps state in a file (state.sqlite), and name that with --profile"
    )


def _not_loaded(about: SidecarMetadata, wanted: Iterable[str]) -> ConfigurationError:
    states = ", ".join(one.name for one in about.components if one.type.startswith("state.")) or "no state component"
    return ConfigurationError(
        f'the sidecar of "{about.id}" has not loaded {", ".join(wanted)}; it has {states}. Name the port of the '
        "service's own sidecar, or the component with --store and the service with --service"
    )
