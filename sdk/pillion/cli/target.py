"""Targets: the ``MODULE:ATTR`` that names a service, or a gateway, on the command line."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, Protocol, runtime_checkable

from pillion.errors import ConfigurationError, PillionError
from pillion.runtime.host import Host
from pillion.service.contract import Contract
from pillion.service.service import Service


@runtime_checkable
class Face(Protocol):
    """What makes a host reachable from outside, for example a gateway."""

    async def start(self, host: Host) -> None:
        """Begin to serve; returns when it does."""

    async def stop(self) -> int | None:
        """Stop serving, after requests in hand are answered; how many were cut off. Harmless when not started."""


class Targets(NamedTuple):
    """What a process runs."""

    services: list[Service[Any, Any]]
    faces: list[Face]


def load_targets(targets: Sequence[str]) -> Targets:
    """The services and faces that these name.

    Raises:
        ConfigurationError: there is no such module or attribute, or it is neither, or its import fails.
    """
    found = [_load(target) for target in targets]
    return Targets([one for one in found if isinstance(one, Service)], [one for one in found if isinstance(one, Face)])


def load_declarations(targets: Sequence[str]) -> list[Service[Any, Any] | Contract]:
    """The services, and the contracts without handlers, that these name; others are left out.

    Raises:
        ConfigurationError: there is no such module or attribute, or its import fails.
    """
    found = [_load(target, Contract) for target in targets]
    return [one for one in found if isinstance(one, Service | Contract)]


def load_service(target: str) -> Service[Any, Any]:
    """The service that ``MODULE:ATTR`` names; the module is also looked for in the working directory.

    Raises:
        ConfigurationError: there is no such module or attribute, or it is no service, or its import fails.
    """
    found = _load(target)
    if not isinstance(found, Service):
        raise ConfigurationError(f"{target} is no Service")
    return found


def _load(target: str, *also: type) -> Any:
    module_name, _, attribute = target.partition(":")
    if not (module_name and attribute):
        raise ConfigurationError(f"{target!r} names no service; write MODULE:ATTR, for example hello:greeter")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    module = _module(module_name, target)
    found = getattr(module, attribute, None)
    if not isinstance(found, (Service, Face, *also)):
        services = ", ".join(name for name, value in vars(module).items() if isinstance(value, Service)) or "none"
        raise ConfigurationError(f"{target} is no Service; services in {module_name}: {services}")
    return found


def _module(name: str, target: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except PillionError:
        raise
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{target}: there is no module {error.name!r}; run from the folder it is in, or install what it belongs to"
        ) from error
    except Exception as error:
        failed = ConfigurationError(
            f"{target}: the import of {name} fails: {type(error).__name__}: {error}; correct it"
        )
        failed.add_note(_where(error))
        raise failed from error


def _where(error: Exception) -> str:
    """The traceback, from the module on: how it came to be imported is nothing to correct."""
    told = traceback.TracebackException.from_exception(error)
    machinery = ("<frozen importlib", importlib.__file__, __file__)
    told.stack = traceback.StackSummary.from_list(one for one in told.stack if not one.filename.startswith(machinery))
    return "".join(told.format()).rstrip()
