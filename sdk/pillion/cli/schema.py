"""The fields of Dapr's multi-app run file; an empty value is no value.

Source: https://docs.dapr.io/developing-applications/local-development/multi-app-dapr-run/multi-app-template/
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

LogDestination = Literal["console", "file", "fileAndConsole"]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, data: Any) -> Any:
        return {name: value for name, value in data.items() if value != ""} if isinstance(data, dict) else data


class Shared(_Section):
    """What the common part and an application may both say."""

    config_file_path: str = ""
    app_protocol: str = ""
    api_listen_addresses: str = ""
    enable_profiling: bool = False
    log_level: str = ""
    app_max_concurrency: int = 0
    placement_host_address: str = ""
    scheduler_host_address: str = ""
    resources_path: str = ""
    resources_paths: list[str] = []
    app_ssl: bool = Field(default=False, alias="appSSL")
    max_body_size: str = ""
    read_buffer_size: str = ""
    enable_app_health_check: bool = False
    app_health_check_path: str = ""
    app_health_probe_interval: int = 0
    app_health_probe_timeout: int = 0
    app_health_threshold: int = 0
    enable_api_logging: bool = False
    runtime_path: str = ""
    env: dict[str, str] = {}
    daprd_log_destination: LogDestination | None = None
    app_log_destination: LogDestination | None = None

    def resources(self) -> list[str]:
        """The folders, whichever way they are written."""
        return [*self.resources_paths, *([self.resources_path] if self.resources_path else [])]


class App(Shared):
    """One application."""

    app_id: str = Field(default="", alias="appID")
    app_dir_path: str
    command: list[str] = Field(min_length=1)
    app_port: int = 0
    app_channel_address: str = ""
    http_port: int = Field(default=0, alias="daprHTTPPort")
    grpc_port: int = Field(default=0, alias="daprGRPCPort")
    internal_grpc_port: int = Field(default=0, alias="daprInternalGRPCPort")
    metrics_port: int = 0
    profile_port: int = 0
    unix_domain_socket: str = ""
    # For Kubernetes only; accepted so that one file serves both.
    container_image: str = ""
    container_image_pull_policy: str = ""
    create_service: bool = False


class RunFile(_Section):
    """The whole file."""

    version: int = Field(ge=1)
    name: str = ""
    common: Shared = Shared()
    apps: list[App] = Field(min_length=1)


def field_names() -> dict[str, str]:
    """Python's names of the fields that may be common, by the file's."""
    return {info.alias or name: name for name, info in Shared.model_fields.items()}
