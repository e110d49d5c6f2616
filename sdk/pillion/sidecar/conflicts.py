"""Distributions that break each other when installed together: dapr and its former extension packages."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import Distribution, DistributionFinder

from pillion.errors import ConfigurationError

_FORMER_EXTENSIONS = ("dapr-ext-grpc", "dapr-ext-fastapi")


def find_conflict(path: Sequence[str] | None = None) -> str | None:
    """What is wrong with the installed Dapr packages and how to repair it, or None.

    Since 1.19 the distribution ``dapr`` contains ``dapr.ext.grpc`` and ``dapr.ext.fastapi``. The packages they came in
    before own the same files: installed beside it they overwrite them, and uninstalling them deletes them.

    Args:
        path: folders to look in; ``sys.path`` by default.
    """
    dapr = _version("dapr", path)
    if dapr is None or _release(dapr) < (1, 19):
        return None
    beside = [name for name in _FORMER_EXTENSIONS if _version(name, path)]
    if not beside:
        return None
    names = " ".join(beside)
    return (
        f"dapr {dapr} already contains what {' and '.join(beside)} installed over it, so its files are mixed; "
        f"repair: `pip uninstall -y {names}`, then `pip install --force-reinstall --no-deps dapr=={dapr}`"
    )


def refuse_conflict(path: Sequence[str] | None = None) -> None:
    """Called at start: raises when the installed Dapr packages overwrite each other.

    Raises:
        ConfigurationError: with the repair.
    """
    if conflict := find_conflict(path):
        raise ConfigurationError(conflict)


def _version(name: str, path: Sequence[str] | None) -> str | None:
    where = {} if path is None else {"path": list(path)}
    found = Distribution.discover(context=DistributionFinder.Context(name=name, **where))
    return next((distribution.version for distribution in found), None)


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
