"""Entry: one application of Dapr's multi-app run file (``dapr.yaml``), with the common part merged in.

The rules are those of ``dapr run -f``: an application's value wins over the common one, an empty value is no value,
common paths are relative to the run file and an application's own paths to its ``appDirPath``.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pillion.cli.schema import App, LogDestination, RunFile, Shared, field_names
from pillion.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One application to run and how its sidecar is started. Ports that are None are chosen at start.

    ``flags`` are the settings that have no attribute of their own, as flags of daprd.
    """

    app_id: str
    directory: Path
    command: tuple[str, ...]
    app_port: int | None = None
    app_protocol: str = "http"
    app_address: str = "127.0.0.1"
    http_port: int | None = None
    grpc_port: int | None = None
    internal_grpc_port: int | None = None
    metrics_port: int | None = None
    resources_paths: tuple[Path, ...] = ()
    config_path: Path | None = None
    runtime_path: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    log_level: str = "info"
    placement: str = ""
    scheduler: str = ""
    flags: tuple[str, ...] = ()
    daprd_log: LogDestination = "file"
    app_log: LogDestination = "fileAndConsole"

    def with_profiles(self, profiles: Sequence[Path]) -> Entry:
        """The same with other components: each profile replaces the folder beside it, that is of the same parent.

        A profile that has none beside it is from elsewhere: then the profiles replace all folders.
        """
        beside = {profile.parent: profile for profile in profiles}
        if not beside.keys() <= {folder.parent for folder in self.resources_paths}:
            return replace(self, resources_paths=tuple(profiles))
        folders = (beside.get(folder.parent, folder) for folder in self.resources_paths)
        return replace(self, resources_paths=tuple(dict.fromkeys(folders)))


def read_runfile(path: Path, environ: Mapping[str, str] = os.environ) -> tuple[Entry, ...]:
    """The applications of a run file, in its order.

    Raises:
        ConfigurationError: the file is missing or no YAML, a field is unknown, missing or of the wrong type, a path
            does not exist, an app id occurs twice; the text names the place, for example ``apps[1] (orders).appPort``.
    """
    raw = _load(path)
    try:
        run = RunFile.model_validate(raw)
    except ValidationError as error:
        raise ConfigurationError("; ".join(_explain(path, raw, item) for item in error.errors())) from None
    entries = tuple(_merge(path, run.common, app, _place(raw, index), environ) for index, app in enumerate(run.apps))
    _refuse_duplicates(path, [entry.app_id for entry in entries])
    return entries


class _TextLoader(yaml.SafeLoader):
    """Leaves scalars as the text they are, as Dapr's reader does for ``env`` and ``command``; merge keys work."""

    yaml_implicit_resolvers = {"<": [("tag:yaml.org,2002:merge", re.compile("^<<$"))]}  # noqa: RUF012 - as the base


def _load(path: Path) -> Any:
    try:
        return yaml.load(path.read_text(), _TextLoader) or {}  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise ConfigurationError(f"run file {path} cannot be read ({error.strerror}); name one with -f") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"run file {path} is no YAML: {error}") from error


@dataclass(frozen=True)
class _Site:
    """Where paths of one application are looked for, and how errors name it."""

    path: Path
    place: str
    directory: Path
    dapr: Path

    def own(self, name: str, field_name: str) -> Path:
        return _existing(self.directory, name, f"{self.path}: {self.place}.{field_name}")

    def shared(self, name: str, field_name: str) -> Path:
        return _existing(self.path.resolve().parent, name, f"{self.path}: common.{field_name}")

    def either(self, app: App, common: Shared, field_name: str) -> Path | None:
        name = field_names()[field_name]
        if own := getattr(app, name):
            return self.own(own, field_name)
        shared = getattr(common, name)
        return self.shared(shared, field_name) if shared else None


def _merge(path: Path, common: Shared, app: App, place: str, environ: Mapping[str, str]) -> Entry:
    directory = _existing(path.resolve().parent, app.app_dir_path, f"{path}: {place}.appDirPath")
    site = _Site(path, place, directory, Path())
    runtime = site.either(app, common, "runtimePath")
    dapr = Path(runtime or environ.get("DAPR_RUNTIME_PATH") or environ.get("HOME") or Path.home()) / ".dapr"
    site = replace(site, dapr=dapr)
    merged = Shared.model_validate(
        {alias: getattr(app, name) or getattr(common, name) for alias, name in field_names().items()}
    )
    return Entry(
        app_id=app.app_id or directory.name,
        directory=directory,
        command=tuple(app.command),
        app_port=_port(app.app_port),
        app_protocol=_protocol(merged),
        app_address=app.app_channel_address or "127.0.0.1",
        http_port=_port(app.http_port),
        grpc_port=_port(app.grpc_port),
        internal_grpc_port=_port(app.internal_grpc_port),
        metrics_port=_port(app.metrics_port),
        resources_paths=_resources(site, common, app),
        config_path=_config(site, common, app),
        runtime_path=runtime,
        environment={**common.env, **app.env},
        log_level=merged.log_level or "info",
        placement=_host(merged.placement_host_address, 50005),
        scheduler=_host(merged.scheduler_host_address, 50006),
        flags=_flags(merged, app),
        daprd_log=merged.daprd_log_destination or "file",
        app_log=merged.app_log_destination or "fileAndConsole",
    )


def _resources(site: _Site, common: Shared, app: App) -> tuple[Path, ...]:
    if own := app.resources():
        return tuple(site.own(folder, "resourcesPaths") for folder in own)
    if (beside := site.directory / ".dapr" / "resources").is_dir():
        return (beside,)
    if shared := common.resources():
        return tuple(site.shared(folder, "resourcesPaths") for folder in shared)
    return tuple(folder for folder in [site.dapr / "components"] if folder.is_dir())


def _config(site: _Site, common: Shared, app: App) -> Path | None:
    beside = site.directory / ".dapr" / "config.yaml"
    if not app.config_file_path and beside.is_file():
        return beside
    if given := site.either(app, common, "configFilePath"):
        return given
    return next((file for file in [site.dapr / "config.yaml"] if file.is_file()), None)


def _existing(base: Path, name: str, place: str) -> Path:
    found = (base / Path(name).expanduser()).resolve()
    if not found.exists():
        raise ConfigurationError(f"{place}: {found} does not exist; create it or correct the path")
    return found


def _port(number: int) -> int | None:
    return number if number > 0 else None


def _host(address: str, port: int) -> str:
    return address if not address or ":" in address else f"{address}:{port}"


def _protocol(shared: Shared) -> str:
    protocol = shared.app_protocol or "http"
    return {"http": "https", "grpc": "grpcs"}.get(protocol, protocol) if shared.app_ssl else protocol


def _flags(shared: Shared, app: App) -> tuple[str, ...]:
    switches = {
        "--enable-profiling": shared.enable_profiling,
        "--enable-app-health-check": shared.enable_app_health_check,
        "--enable-api-logging": shared.enable_api_logging,
    }
    values: dict[str, str | int] = {
        "--dapr-listen-addresses": shared.api_listen_addresses,
        "--app-channel-address": app.app_channel_address,
        "--app-max-concurrency": shared.app_max_concurrency,
        "--max-body-size": shared.max_body_size,
        "--read-buffer-size": shared.read_buffer_size,
        "--app-health-check-path": shared.app_health_check_path,
        "--app-health-probe-interval": shared.app_health_probe_interval,
        "--app-health-probe-timeout": shared.app_health_probe_timeout,
        "--app-health-threshold": shared.app_health_threshold,
        "--profile-port": app.profile_port,
        "--unix-domain-socket": app.unix_domain_socket,
    }
    given = (part for flag, value in values.items() if value for part in (flag, str(value)))
    return (*(flag for flag, on in switches.items() if on), *given)


def _place(raw: Any, index: int) -> str:
    name = raw["apps"][index].get("appID") if isinstance(raw["apps"][index], dict) else None
    return f"apps[{index}] ({name})" if name else f"apps[{index}]"


def _explain(path: Path, raw: Any, error: Mapping[str, Any]) -> str:
    place, *rest = _names(raw, error["loc"]) or ["top level"]
    where = ".".join([place, *rest])
    if error["type"] == "missing":
        return f"{path}: {where} is missing; add it"
    if error["type"] == "extra_forbidden":
        return f"{path}: {where} is an unknown field{_suggestion(str(error['loc'][-1]))}"
    return f"{path}: {where}: {error['msg']}"


def _names(raw: Any, location: Sequence[str | int]) -> list[str]:
    if len(location) > 1 and location[0] == "apps" and isinstance(location[1], int):
        return [_place(raw, location[1]), *map(str, location[2:])]
    return [str(part) for part in location]


def _suggestion(name: str) -> str:
    known = {info.alias or field for model in (App, RunFile) for field, info in model.model_fields.items()}
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else "; remove it"


def _refuse_duplicates(path: Path, app_ids: list[str]) -> None:
    for app_id in app_ids:
        if app_ids.count(app_id) > 1:
            raise ConfigurationError(f"{path}: appID {app_id!r} occurs more than once; app ids have to differ")
