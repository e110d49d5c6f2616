"""Sessions at an MQTT broker, beside a real daprd and a real Mosquitto."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from pillion import Service
from pillion.runtime.beside import host_beside_sidecar
from pillion.runtime.host import Host
from pillion.runtime.settings import HostSettings
from pillion.sidecar.ports import free_port
from pillion.sidecar.process import Daprd, DaprdOptions
from tests.daprd import require_daprd
from tests.mosquitto import mosquitto
from tests.profiles import copy_configuration, copy_profile
from tests.servers import Server

pytestmark = [pytest.mark.daprd, pytest.mark.mqtt]


@pytest.fixture
def broker(tmp_path: Path) -> Server:
    return mosquitto(tmp_path)


@pytest_asyncio.fixture
async def options(broker: Server, tmp_path: Path) -> AsyncIterator[DaprdOptions]:
    require_daprd()
    profile = copy_profile("mqtt", tmp_path, mqtt=broker.address)
    with broker:
        yield DaprdOptions(
            app_id="listener",
            app_port=free_port(),
            resources_paths=(profile,),
            config_path=copy_configuration(tmp_path),
            flags=("--dapr-block-shutdown-duration", "0s"),
        )


def listener(options: DaprdOptions, settings: HostSettings | None = None) -> Host:
    service = Service("listener")

    @service.command
    async def listen(word: str) -> str:
        return word

    environment = {"APP_PORT": str(options.app_port), "DAPR_HTTP_PORT": str(options.http_port)}
    return host_beside_sidecar([service], settings or HostSettings(), environment)


def take_overs(broker: Server) -> int:
    """How often it was not the sidecar that connected with the sidecar's client id; paho's keepalive is 60 s."""
    lines = (broker.folder / "mosquitto.log").read_text().splitlines()
    return len([line for line in lines if "as listener (" in line and "k60" in line])


async def healed(host: Host) -> None:
    """When the host has done what it does for a sidecar."""
    async with asyncio.timeout(40):
        await host.bridge._mqtt._healing  # type: ignore[attr-defined]


async def test_each_sidecar_is_healed_once(options: DaprdOptions, broker: Server) -> None:
    async with Daprd(options), listener(options) as host:
        await healed(host)
        assert take_overs(broker) == 1


async def test_a_host_is_ready_when_its_sidecar_is_healed(options: DaprdOptions, broker: Server) -> None:
    async with Daprd(options), listener(options) as host:
        async with asyncio.timeout(40):
            while await host.problems():  # noqa: ASYNC110 - the sidecar tells nobody
                await asyncio.sleep(0.02)
        assert take_overs(broker) == 1


async def test_another_process_beside_the_same_sidecar_heals_nothing(options: DaprdOptions, broker: Server) -> None:
    async with Daprd(options):
        async with listener(options) as host:
            await healed(host)
        async with listener(options) as host:
            await healed(host)
    assert take_overs(broker) == 1


async def test_another_sidecar_beside_the_same_process_is_healed(options: DaprdOptions, broker: Server) -> None:
    async with Daprd(options) as first, listener(options) as host:
        await healed(host)
        await first.stop()
        async with Daprd(options) as second:
            await second.wait_serving()
            await healed(host)
    assert take_overs(broker) == 2


async def test_a_broker_whose_address_is_not_known_is_told(
    options: DaprdOptions, broker: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    hide_address(options, broker)
    async with Daprd(options), listener(options) as host:
        await healed(host)
    assert "PILLION_MQTT_URL" in capsys.readouterr().out
    assert take_overs(broker) == 0


async def test_the_address_may_be_a_setting(options: DaprdOptions, broker: Server) -> None:
    hide_address(options, broker)
    settings = HostSettings.model_validate({"mqtt_url": f"tcp://{broker.address}"})
    async with Daprd(options), listener(options, settings) as host:
        await healed(host)
    assert take_overs(broker) == 1


async def test_a_client_id_that_is_another_one_is_told(
    options: DaprdOptions, capsys: pytest.CaptureFixture[str]
) -> None:
    file = options.resources_paths[0] / "pubsub.yaml"
    file.write_text(file.read_text().replace('"{appID}"', "own"))
    async with Daprd(options), listener(options) as host:
        await healed(host)
    assert "give component pubsub consumerID {appID}" in capsys.readouterr().out


def hide_address(options: DaprdOptions, broker: Server) -> None:
    """Write it into the components instead of the secret store, where only the sidecar reads it."""
    secret = "      secretKeyRef:\n        name: mqtt-url\n        key: mqtt-url\n"
    for file in options.resources_paths[0].glob("*.yaml"):
        file.write_text(file.read_text().replace(secret, f"      value: tcp://{broker.address}\n"))
    secrets = broker.folder / "data" / "secrets.example.json"
    secrets.write_text("{}")
