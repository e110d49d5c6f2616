"""What a test puts in place of a service's own settings and guards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from pillion.errors import DeclarationError
from pillion.service.catalog import handlers
from pillion.service.guard import Check, Guard, as_guard
from pillion.service.service import Service


def configs(
    services: Sequence[Service[Any, Any]], given: Mapping[str, BaseModel | Mapping[str, Any]]
) -> dict[str, BaseModel]:
    """The settings by service, as their models.

    Raises:
        DeclarationError: no such service runs here, or it has no settings.
    """
    models = {name: service.config for service in services for name in (service.name, service.group)}
    return {name: _config(models, name, values) for name, values in given.items()}


def _config(models: Mapping[str, Any], name: str, values: BaseModel | Mapping[str, Any]) -> BaseModel:
    model = models.get(name)
    if model is None:
        known = ", ".join(sorted(name for name, model in models.items() if model is not None)) or "none"
        raise DeclarationError(f'config: no service "{name}" with a config= runs here; those that do: {known}')
    return model.model_validate(values)  # type: ignore[no-any-return]


def guards(services: Sequence[Service[Any, Any]], given: Mapping[str, Guard | Check]) -> dict[str, Guard]:
    """The guards by the name of those that they replace.

    Raises:
        DeclarationError: no handler has such a guard.
    """
    known = {guard.name for service in services for handler in handlers(service) for guard in handler.guards}
    unknown = sorted(set(given) - known)
    if unknown:
        names = ", ".join(sorted(known)) or "none"
        raise DeclarationError(f"replace_guards: no handler has a guard {', '.join(unknown)}; there are: {names}")
    return {name: as_guard(check) for name, check in given.items()}
