"""Whether a service's state component is its own, and what its keys begin with where it is not."""

from __future__ import annotations

from typing import Any

from pillion.service.service import Service


def has_own_state(service: Service[Any, Any]) -> bool:
    """Whether a service keeps its state in ``<name>-state``, which is nobody else's."""
    return service.state_component == f"{service.name}-state"


def key_scope(service: Service[Any, Any]) -> str:
    """What the keys of a service's state begin with: ``payments.`` in a component that others may use, else nothing."""
    return "" if has_own_state(service) else f"{service.name}."
