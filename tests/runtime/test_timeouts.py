"""Handlers that may take longer than the sidecar waits are found, and named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from pillion.errors import ConfigurationError
from pillion.message import Message
from pillion.ports.bridge import Kind, Route
from pillion.runtime.beside import host_beside_sidecar
from pillion.runtime.delivery import DeliveryCheck
from pillion.runtime.settings import HostSettings
from pillion.runtime.timeouts import overlong, seconds
from pillion.service.contract import Contract
from pillion.service.service import Service
from pillion.sidecar.health import SidecarMetadata
from pillion.sidecar.ports import free_port
from pillion.testing.sidecar import FakeBroker, FakeSidecar
from tests.profiles import copy_profile
from tests.runtime.test_delivery import Warnings, loaded


async def handle(message: Message) -> Any:
    raise AssertionError(message)


def route(kind: Kind, timeout: float | None, address: str = "orders.v1.refund") -> Route:
    return Route(kind, address, "orders.v1", "topic", handle, timeout=timeout, longest_wait=20.0)


def found(*routes: Route, limit: float | None = 60.0) -> list[str]:
    return list(overlong([("pubsub", route) for route in routes], lambda _: limit))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("60s", 60),
        ("1m30s", 90),
        ("500ms", 0.5),
        ("1.5h", 5400),
        ("", None),
        ("soon", None),
        ("60", None),
        ("5s!", None),
    ],
)
def test_durations_are_read_as_go_writes_them(text: str, expected: float | None) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("kind", list(Kind))
def test_the_default_timeout_fits(kind: Kind) -> None:
    assert found(route(kind, 30.0)) == []


@pytest.mark.parametrize(
    ("kind", "longest", "too_long"),
    [(Kind.EVENT, 35.0, 35.1), (Kind.SEND, 35.0, 35.1), (Kind.COMMAND, 55.0, 55.1)],
)
def test_what_is_tried_again_in_the_process_has_less_time(kind: Kind, longest: float, too_long: float) -> None:
    assert found(route(kind, longest)) == []
    (text,) = found(route(kind, too_long))
    assert f"orders.v1.refund has timeout={too_long:g}" in text
    assert f"timeout={longest:g} or less" in text


def test_no_timeout_is_too_long() -> None:
    (text,) = found(route(Kind.EVENT, None))
    assert "orders.v1.refund has no timeout" in text
    assert "targets.components.pubsub.inbound.timeout" in text
    assert "slow=True" in text


def test_a_command_is_named_once_with_the_time_that_suits_its_calls_and_its_sends() -> None:
    (text,) = found(route(Kind.COMMAND, 90.0), route(Kind.SEND, 90.0))
    assert "timeout=35 or less" in text


def test_a_sidecar_that_waits_for_ever_is_long_enough() -> None:
    assert found(route(Kind.EVENT, None), limit=None) == []


def test_a_sidecar_that_gives_up_while_messages_wait_is_told_to_wait_longer() -> None:
    (text,) = found(route(Kind.EVENT, 1.0), limit=20.0)
    assert "or less" not in text
    assert "raise the Resiliency timeout" in text


def accept(folder: Path | None, timeout: float | None, mode: Any = None, component: str = "pubsub") -> list[str]:
    log = Warnings()
    sidecar: SidecarMetadata = loaded()
    DeliveryCheck([folder] if folder else [], mode, log).accept(sidecar, [(component, route(Kind.EVENT, timeout))])
    return log.texts


def test_a_profile_tells_how_long_its_sidecar_waits(tmp_path: Path) -> None:
    folder = copy_profile("redis", tmp_path)
    assert accept(folder, 30.0) == []
    with pytest.raises(ConfigurationError, match="waits 60 s for what pubsub brings"):
        accept(folder, 50.0)
    file = folder / "resiliency.yaml"
    file.write_text(file.read_text().replace("delivery: 60s", "delivery: 2m"))
    assert accept(folder, 50.0) == []


def test_a_component_may_have_a_timeout_of_its_own(tmp_path: Path) -> None:
    folder = copy_profile("redis", tmp_path)
    file = folder / "resiliency.yaml"
    before, slow = file.read_text().split("      slow:\n")
    patient = before.replace("delivery: 60s", "delivery: 60s\n      patient: 1h")
    file.write_text(f"{patient}      slow:\n{slow.replace('timeout: delivery', 'timeout: patient')}")
    assert accept(folder, 3000.0, component="slow") == []
    with pytest.raises(ConfigurationError):
        accept(folder, 3000.0)


def test_it_may_be_a_warning(tmp_path: Path) -> None:
    (text,) = accept(copy_profile("redis", tmp_path), None, "warn")
    assert "has no timeout" in text


def test_without_a_profile_the_default_is_taken_and_only_warned_of() -> None:
    _, text = accept(None, None)
    assert "waits 60 s" in text


def test_off_is_off() -> None:
    assert accept(None, None, "off") == []


async def test_batches_are_as_large_as_the_sidecar_of_the_profile_is_patient(tmp_path: Path) -> None:
    folder, service = copy_profile("redis", tmp_path), Service("orders")
    told = Contract("source").event("told", int)

    @service.on(told, concurrency=5, timeout=5)
    async def hear(_: int) -> None:
        raise AssertionError("it must not be run")

    async def declared(profile: Path | None) -> dict[str, Any]:
        app_port = free_port()
        async with FakeSidecar(FakeBroker(), "orders", app_port) as sidecar:
            environ = {"APP_ID": "orders", "APP_PORT": str(app_port), "DAPR_HTTP_PORT": str(sidecar.http_port)}
            settings = HostSettings(profile=profile, delivery_check="warn", longest_wait=0)
            async with (
                host_beside_sidecar([service], settings, environ),
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{app_port}/dapr/subscribe") as answer,
            ):
                return {entry["topic"]: entry for entry in await answer.json()}

    async def largest_batch(profile: Path | None) -> int:
        return int((await declared(profile))[told.topic]["bulkSubscribe"]["maxMessagesCount"])

    assert await largest_batch(None) == 35
    file = folder / "resiliency.yaml"
    file.write_text(file.read_text().replace("delivery: 60s", "delivery: 20s"))
    assert await largest_batch(folder) == 10


@pytest.mark.parametrize(("stores", "told_of"), [(("orders-state",), False), ((), True)], ids=["parks", "waits"])
async def test_what_can_be_parked_waits_no_longer_than_the_bridge_holds_it(
    stores: tuple[str, ...], told_of: bool, tmp_path: Path
) -> None:
    service, port = Service("orders"), free_port()

    @service.on(Contract("source").event("told", int), timeout=50)
    async def hear(_: int) -> None:
        raise AssertionError("it must not be run")

    with capture_logs() as logs:
        async with FakeSidecar(FakeBroker(), "orders", port, state_stores=stores) as sidecar:
            environ = {"APP_ID": "orders", "APP_PORT": str(port), "DAPR_HTTP_PORT": str(sidecar.http_port)}
            settings = HostSettings(profile=copy_profile("redis", tmp_path), delivery_check="warn")
            async with host_beside_sidecar([service], settings, environ):
                pass
    assert any("orders.v1.hear has timeout=50" in line["event"] for line in logs) == told_of
