"""A host refuses to start beside a sidecar whose settings lose messages, or warns, as it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from pillion.errors import ConfigurationError
from pillion.message import Message
from pillion.outcome import Ack, Outcome
from pillion.ports.bridge import Kind, Route
from pillion.runtime.beside import host_beside_sidecar
from pillion.runtime.delivery import DeliveryCheck, Mode, crowded, discarded
from pillion.runtime.settings import HostSettings
from pillion.service.service import Service
from pillion.sidecar.health import Component, LoadedResiliency, SidecarMetadata
from pillion.sidecar.ports import free_port
from pillion.sidecar.process import Daprd, DaprdOptions
from tests.daprd import require_daprd
from tests.profiles import copy_configuration, copy_profile
from tests.servers import Server

CHANNELS = ("pubsub", "replies", "broadcast", "slow")


class Warnings:
    def __init__(self) -> None:
        self.texts: list[str] = []

    def warning(self, event: str, /) -> None:
        self.texts.append(event)


def loaded(kind: str = "pubsub.redis", version: str = "1.18.2", **extra: str) -> SidecarMetadata:
    """What daprd says when it has loaded the redis profile for orders."""
    types = {**dict.fromkeys(CHANNELS, kind), "orders-state": "state.sqlite", "secrets": "secretstores.local.file"}
    components = tuple(Component(name, type_) for name, type_ in {**types, **extra}.items())
    return SidecarMetadata("orders", version, components, resiliencies=(LoadedResiliency("zero-loss"),))


async def handle(message: Message) -> Outcome:
    return Ack()


def route(topic: str) -> Route:
    return Route(kind=Kind.EVENT, address="a.v1.b", group="a.v1", topic=topic, handle=handle)


def accept(
    folder: Path | None, found: SidecarMetadata, mode: Mode | None = None, asked: Sequence[tuple[str, Route]] = ()
) -> list[str]:
    """The warnings of a check."""
    log = Warnings()
    DeliveryCheck([folder] if folder else [], mode, log).accept(found, asked)
    return log.texts


def spoil(folder: Path) -> None:
    """Make pubsub lose messages."""
    file = folder / "pubsub.yaml"
    file.write_text(file.read_text().replace('value: "1000"', "value: 1s"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copy_profile("redis", tmp_path)


def test_a_profile_as_shipped_is_taken_without_a_word(folder: Path) -> None:
    assert accept(folder, loaded()) == []


def test_a_setting_that_loses_is_refused_by_name(folder: Path) -> None:
    spoil(folder)
    with pytest.raises(
        ConfigurationError, match=r"pubsub\.yaml: pubsub: redeliverInterval is 1s.*PILLION_DELIVERY_CHECK"
    ):
        accept(folder, loaded())


def test_it_is_only_a_warning_when_told_so(folder: Path) -> None:
    spoil(folder)
    (warning,) = accept(folder, loaded(), "warn")
    assert "redeliverInterval is 1s" in warning


def test_it_is_nothing_when_switched_off(folder: Path) -> None:
    spoil(folder)
    assert accept(folder, loaded(), "off") == []


def test_without_a_profile_one_warning_names_the_components_and_what_to_set() -> None:
    (warning,) = accept(None, loaded())
    assert "pubsub (pubsub.redis), replies (pubsub.redis)" in warning
    assert "PILLION_PROFILE=$HOME/.dapr/components" in warning


def test_without_a_profile_a_host_that_is_to_refuse_does() -> None:
    with pytest.raises(
        ConfigurationError, match=r"pubsub \(pubsub.redis\).*PILLION_PROFILE.*PILLION_DELIVERY_CHECK=warn"
    ):
        accept(None, loaded(), "refuse")


def test_a_setting_from_a_secret_or_a_variable_is_named_as_not_judged(folder: Path) -> None:
    file = folder / "pubsub.yaml"
    file.write_text(file.read_text().replace('value: "1000"', "secretKeyRef: {name: interval, key: interval}"))
    (warning,) = accept(folder, loaded())
    assert "pubsub.yaml: pubsub: not judged: redeliverInterval" in warning


KEPT_BY_BROKER, DISCARDED = loaded(), loaded("pubsub.rabbitmq")
ORDERED = ("pubsub", Route(Kind.EVENT, "a.v1.b", "a.v1", "told", handle, dead_letter_topic="a.v1.deadletters"))
KEPT = ("pubsub", Route(Kind.EVENT, "a.v1.deadletters", "a.v1", "a.v1.deadletters", handle))


def test_dead_letters_that_nobody_keeps_are_a_warning_and_refused_when_asked_for() -> None:
    lost = list(discarded([ORDERED], DISCARDED))
    assert "dead letters of a.v1 are lost" in lost[0]
    assert "subscribe to a.v1.deadletters" in lost[0]
    assert lost[0] in accept(None, DISCARDED, asked=[ORDERED])
    with pytest.raises(ConfigurationError, match="are lost: it has no state component"):
        accept(None, DISCARDED, "refuse", [ORDERED])


def test_dead_letters_that_the_service_or_the_broker_keeps_are_not_lost() -> None:
    assert list(discarded([ORDERED, KEPT], DISCARDED)) == []
    assert list(discarded([ORDERED], KEPT_BY_BROKER)) == []


def test_a_profile_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="absent: no such folder"):
        accept(tmp_path / "absent", loaded())


def test_what_a_type_loses_in_any_case_is_a_warning(tmp_path: Path) -> None:
    (warning,) = accept(copy_profile("local", tmp_path), loaded("pubsub.in-memory"))
    assert warning.startswith("pubsub.in-memory:")


def test_topics_that_share_a_connection_to_rabbitmq_are_a_warning() -> None:
    asked = [("pubsub", route("a")), ("pubsub", route("b")), ("slow", route("a"))]
    found = loaded("pubsub.rabbitmq", **{"pubsub-lane-2": "pubsub.rabbitmq"})
    (warning,) = crowded(asked, found)
    assert "pubsub brings 2 topics and has 1 lanes" in warning
    assert not list(crowded(asked, loaded()))


DIFFERENCES: list[tuple[SidecarMetadata, str]] = [
    (loaded("pubsub.rabbitmq"), "pubsub (pubsub.rabbitmq), which is of type pubsub.redis in the profile"),
    (loaded(letters="bindings.smtp"), "letters (bindings.smtp), which is not there in the profile"),
    (SidecarMetadata("orders", "1.18.2"), "the sidecar has not loaded pubsub of"),
    (SidecarMetadata("orders", "1.18.2", loaded().components), "the sidecar has not loaded zero-loss of"),
]


@pytest.mark.parametrize(("found", "text"), DIFFERENCES, ids=[text for _, text in DIFFERENCES])
def test_a_sidecar_that_has_loaded_something_else_is_refused(folder: Path, found: SidecarMetadata, text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        accept(folder, found)
    assert text in str(caught.value)


def test_dapr_1_17_does_not_say_which_resiliency_it_has(folder: Path) -> None:
    assert accept(folder, SidecarMetadata("orders", "1.17.3", loaded().components)) == []


def test_components_of_other_apps_are_not_looked_at(folder: Path) -> None:
    (folder / "other.yaml").write_text((folder / "pubsub.yaml").read_text().replace("name: pubsub", "name: other"))
    with (folder / "other.yaml").open("a") as file:
        file.write("scopes: [payments]\n")
    assert accept(folder, loaded()) == []


Beside = Callable[..., Any]


@pytest.fixture
async def beside(tmp_path: Path, redis_server: Server) -> AsyncIterator[Beside]:
    """Makes hosts beside a real sidecar that loses messages."""
    require_daprd()
    folder = copy_profile("redis", tmp_path, redis=redis_server.address)
    spoil(folder)
    port = free_port()
    options = DaprdOptions(
        app_id="orders", app_port=port, resources_paths=(folder,), config_path=copy_configuration(tmp_path)
    )
    async with Daprd(options):
        environ = {"APP_ID": "orders", "APP_PORT": str(port), "DAPR_HTTP_PORT": str(options.http_port)}
        yield lambda **given: host_beside_sidecar(
            [Service("orders")], HostSettings(**{"profile": folder, **given}), environ
        )


@pytest.mark.daprd
@pytest.mark.redis
async def test_beside_a_real_sidecar_a_host_refuses_to_lose(beside: Beside) -> None:
    with pytest.raises(ConfigurationError, match="redeliverInterval is 1s"):
        await beside().start()


@pytest.mark.daprd
@pytest.mark.redis
async def test_beside_a_real_sidecar_of_unknown_settings_a_host_starts_with_a_warning(
    beside: Beside, capsys: pytest.CaptureFixture[str]
) -> None:
    async with beside(profile=None):
        output = capsys.readouterr()
    assert "PILLION_PROFILE" in output.out + output.err


@pytest.mark.daprd
@pytest.mark.redis
async def test_beside_a_real_sidecar_of_unknown_settings_a_host_does_not_start_when_told_to_refuse(
    beside: Beside,
) -> None:
    with pytest.raises(ConfigurationError, match="PILLION_PROFILE"):
        await beside(profile=None, delivery_check="refuse").start()


@pytest.mark.daprd
@pytest.mark.redis
async def test_beside_a_real_sidecar_a_host_starts_when_told_to_warn(
    beside: Beside, capsys: pytest.CaptureFixture[str]
) -> None:
    async with beside(delivery_check="warn"):
        output = capsys.readouterr()
    assert "redeliverInterval is 1s" in output.out + output.err
