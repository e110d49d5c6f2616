"""Settings from the environment and the config file: the host's own, and those of each service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import new_class
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from pillion.errors import ConfigurationError
from pillion.runtime.settings import HostSettings
from pillion.service.service import Service

M = TypeVar("M", bound=BaseModel)


def host_settings(**given: Any) -> HostSettings:
    """The host's settings from ``PILLION_…`` variables; what is given and not None wins.

    Raises:
        ConfigurationError: a value is not valid; the text names the variable.
    """
    return settings(HostSettings, "PILLION_", **given)


def settings(model: type[M], prefix: str, **given: Any) -> M:
    """A model's values from the variables that begin so; what is given and not None wins.

    Raises:
        ConfigurationError: a value is not valid; the text names the variable.
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    return _built(model, {**_from_environment(model, prefix), **chosen}, prefix)


def service_configs(services: Iterable[Service[Any, Any]], config_file: Path | None) -> dict[str, BaseModel]:
    """Each service's typed settings by group: the config file's section, with environment variables over it.

    The section is named after the service (``payments``) or one version of it (``payments.v1``); the variables begin
    with its name in upper case (``PAYMENTS_CURRENCY``, nested fields ``PAYMENTS_SMTP__HOST``).

    Raises:
        ConfigurationError: a value is not valid, or the file cannot be read; the text names variable or file.
    """
    sections = _sections(config_file)
    return {
        service.group: _service_config(service, service.config, sections)
        for service in services
        if service.config is not None
    }


def _service_config(service: Service[Any, Any], model: type[BaseModel], sections: Mapping[str, Any]) -> BaseModel:
    prefix = f"{service.name.upper().replace('-', '_')}_"
    if issubclass(model, BaseSettings):
        return _built(model, {}, prefix)
    section = _merged(sections.get(service.name) or {}, sections.get(service.group) or {})
    return _built(model, _merged(section, _from_environment(model, prefix)), prefix)


def _from_environment(model: type[BaseModel], prefix: str) -> dict[str, Any]:
    """What the environment says of the model's fields, nested ones joined by two underscores."""
    config = SettingsConfigDict(env_prefix=prefix, env_nested_delimiter="__", extra="ignore")
    variables = new_class(
        f"{model.__name__}Variables",
        (model, BaseSettings),
        exec_body=lambda members: members.update(model_config=config),
    )
    try:
        return EnvSettingsSource(variables)()
    except ValueError as error:
        # Its text has the field's name in quotes, and no other way to it.
        _, name, *_ = (*str(error).split('"'), "…")
        reason = error.__cause__ or error
        raise ConfigurationError(f"settings are not valid: {prefix}{name.upper()} is no JSON: {reason}") from None


def _built(model: type[M], values: Mapping[str, Any], prefix: str) -> M:
    try:
        return model(**values)
    except ValidationError as error:
        problems = "; ".join(
            f"{prefix}{'__'.join(str(part) for part in found['loc']).upper()}: {found['msg']}"
            for found in error.errors(include_url=False, include_input=False)
        )
        raise ConfigurationError(f"settings are not valid: {problems}") from None


def _sections(path: Path | None) -> Mapping[str, Any]:
    if path is None:
        return {}
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"config file {path}: {error.strerror}; see PILLION_CONFIG_FILE") from None
    except yaml.YAMLError as error:
        raise ConfigurationError(f"config file {path} is neither YAML nor JSON: {error}") from None
    if not isinstance(found, dict):
        raise ConfigurationError(f"config file {path}: write a section for each service, such as `payments:`")
    for name, section in found.items():
        if not isinstance(section, dict | None):
            raise ConfigurationError(f"config file {path}: {name} is no section; write `name: value` lines below it")
    return found


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        inner = merged.get(name)
        merged[name] = _merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged
