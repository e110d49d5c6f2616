"""What a host is called, and what the keys of a service's state begin with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pillion.errors import DeclarationError
from pillion.service.service import Service


def host_name(services: Sequence[Service[Any, Any]]) -> str:
    """What a host is called when its settings do not say.

    Raises:
        DeclarationError: there is no service to name it after.
    """
    if not services:
        raise DeclarationError("a host needs at least one service, or the name of a host that only calls others (app)")
    return services[0].name if len({service.name for service in services}) == 1 else "app"


def has_own_state(service: Service[Any, Any]) -> bool:
    """Whether a service keeps its state in ``<name>-state``, which is nobody else's."""
    return service.state_component == f"{service.name}-state"


def key_scope(service: Service[Any, Any]) -> str:
    """What the keys of a service's state begin with: ``payments.`` in a component that others may use, else nothing."""
    return "" if has_own_state(service) else f"{service.name}."
