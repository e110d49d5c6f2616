"""Whether a profile has the components that services name, for a host that has no sidecar."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pillion.errors import ConfigurationError
from pillion.runtime.ownership import has_own_state
from pillion.runtime.profile import Component
from pillion.service.catalog import published
from pillion.service.event import COMPONENT, Event
from pillion.service.service import Service


def check_needs(services: Iterable[Service[Any, Any]], found: Mapping[str, Component], app: str) -> None:
    """See that services find what they name in a profile, and may use it.

    The default pub/sub component, and the component that is a service's own by its name, need not be there.

    Args:
        services: what runs in this process.
        found: the components of its profile by name.
        app: name of the process, which scopes may hold instead of a service's; empty when it has none.

    Raises:
        ConfigurationError: a component is not there, or its scopes leave out the service; the text names the place.
    """
    for service in services:
        _check_state(service, found, app)
        _check_scopes(service, found.get(COMPONENT), service.group, app)
        for place, event in _events(service):
            _check_event(place, event, found)
            _check_scopes(service, found.get(event.component), place, app)


def _check_state(service: Service[Any, Any], found: Mapping[str, Component], app: str) -> None:
    component = _typed(found, service.state_component, "state.")
    if component is None and not has_own_state(service):
        raise ConfigurationError(
            f'{service.group}: the profile has no state component "{service.state_component}"; add one of that name, '
            f"or give the service another state=; {_names(found, 'state.')}"
        )
    _check_scopes(service, component, service.group, app)


def _check_event(place: str, event: Event[Any], found: Mapping[str, Component]) -> None:
    if event.component != COMPONENT and _typed(found, event.component, "pubsub.") is None:
        raise ConfigurationError(
            f'{place}: the profile has no pub/sub component "{event.component}" for {event.address}; add one of that '
            f"name, or correct the event's component=; {_names(found, 'pubsub.')}"
        )


def _check_scopes(service: Service[Any, Any], component: Component | None, place: str, app: str) -> None:
    if component is not None and not component.is_for(service.name, app):
        raise ConfigurationError(
            f'{place}: component "{component.name}" ({component.file}) is for {", ".join(component.scopes)} only; add '
            f"{service.name} to its scopes, or name a process that is in them with PILLION_APP"
        )


def _events(service: Service[Any, Any]) -> Iterator[tuple[str, Event[Any]]]:
    """What a service declares, emits or waits for, and where it says so."""
    yield from ((event.address, event) for event in service.contract.events.values())
    yield from published(service)
    yield from ((subscription.address, subscription.event) for subscription in service.subscriptions.values())


def _typed(found: Mapping[str, Component], name: str, family: str) -> Component | None:
    component = found.get(name)
    return component if component is not None and component.type.startswith(family) else None


def _names(found: Mapping[str, Component], family: str) -> str:
    names = sorted(name for name in found if _typed(found, name, family))
    return f"it has {', '.join(names)}" if names else "it has none"
