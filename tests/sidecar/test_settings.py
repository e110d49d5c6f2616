"""The environment says where the sidecar is."""

from __future__ import annotations

import pytest

from pillion.errors import ConfigurationError
from pillion.sidecar.settings import SidecarSettings, present


def test_without_environment_the_sidecar_is_where_dapr_puts_it() -> None:
    assert SidecarSettings.from_environment({}) == SidecarSettings(http_address="http://127.0.0.1:3500")


def test_every_variable_is_read() -> None:
    settings = SidecarSettings.from_environment(
        {
            "DAPR_HTTP_PORT": "3501",
            "DAPR_API_TOKEN": "a",
            "APP_API_TOKEN": "b",
            "APP_ID": "orders",
            "APP_PORT": "8001",
        }
    )
    assert settings == SidecarSettings(
        http_address="http://127.0.0.1:3501", api_token="a", app_token="b", app_id="orders", app_port=8001
    )


def test_an_endpoint_wins_over_a_port() -> None:
    environ = {"DAPR_HTTP_ENDPOINT": "https://dapr.example:443/", "DAPR_HTTP_PORT": "3501"}
    assert SidecarSettings.from_environment(environ).http_address == "https://dapr.example:443"


@pytest.mark.parametrize(("name", "value"), [("DAPR_HTTP_PORT", "x"), ("APP_PORT", "0"), ("APP_PORT", "65536")])
def test_a_port_that_is_none_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name}={value} is no port"):
        SidecarSettings.from_environment({name: value})


def test_an_endpoint_without_scheme_is_named() -> None:
    with pytest.raises(ConfigurationError, match="with its scheme"):
        SidecarSettings.from_environment({"DAPR_HTTP_ENDPOINT": "127.0.0.1:3500"})


def test_tokens_are_not_shown() -> None:
    assert "s3cret" not in repr(SidecarSettings(api_token="s3cret", app_token="s3cret"))


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, False),
        ({"DAPR_HTTP_PORT": ""}, False),
        ({"APP_ID": "orders"}, False),
        ({"DAPR_HTTP_PORT": "3500"}, True),
        ({"DAPR_GRPC_PORT": "50001"}, True),
        ({"DAPR_HTTP_ENDPOINT": "http://127.0.0.1:3500"}, True),
    ],
)
def test_a_sidecar_is_present_when_its_address_is(environ: dict[str, str], expected: bool) -> None:
    assert present(environ) is expected
