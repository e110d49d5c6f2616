"""Target: the ``MODULE:ATTR`` that names a service on the command line."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from pillion.errors import ConfigurationError
from pillion.service.service import Service


def load_service(target: str) -> Service:
    """The service that ``MODULE:ATTR`` names; the module is also looked for in the working directory.

    Raises:
        ConfigurationError: there is no such module or attribute, or it is no service.
    """
    module_name, _, attribute = target.partition(":")
    if not (module_name and attribute):
        raise ConfigurationError(f"{target!r} names no service; write MODULE:ATTR, for example hello:greeter")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{target}: there is no module {error.name!r}; run from the folder it is in, or install what it belongs to"
        ) from error
    found = getattr(module, attribute, None)
    if not isinstance(found, Service):
        services = ", ".join(name for name, value in vars(module).items() if isinstance(value, Service)) or "none"
        raise ConfigurationError(f"{target} is no Service; services in {module_name}: {services}")
    return found
