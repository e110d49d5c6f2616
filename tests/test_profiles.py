"""The shipped profiles: the same names in each, loaded by a real daprd, and their promises kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from pillion.errors import ConfigurationError
from pillion.sidecar.nats import make_streams
from pillion.sidecar.process import Daprd, DaprdOptions, find_daprd
from tests.profiles import SERVICES, STATES, copy_configuration, copy_profile, sources
from tests.servers import Server, skip

PROFILES = ("local", "redis", "rabbitmq", "nats", "kafka", "mqtt")
CHANNELS = {"pubsub", "replies", "broadcast", "slow"}
# JetStream's component delivers one message after another, so it has lanes, and calls have a component of their own.
OF_NATS = {"commands", *(f"pubsub-lane-{number}" for number in range(2, 9)), *(f"slow-lane-{n}" for n in range(2, 5))}
# RabbitMQ's component loses its way when several subscriptions of a connection begin again at once.
LANES_OF_RABBITMQ = {"pubsub": 8, "replies": 1, "broadcast": 3, "slow": 3}
OF_RABBITMQ = {f"{name}-lane-{number + 2}" for name, count in LANES_OF_RABBITMQ.items() for number in range(count)}


def documents(profile: str, state: str = "sqlite") -> list[dict[str, Any]]:
    return [document for file in sources(profile, state) for document in yaml.safe_load_all(file.read_text())]


def channels(profile: str) -> set[str]:
    return CHANNELS | {"nats": OF_NATS, "rabbitmq": OF_RABBITMQ}.get(profile, set())


def components(profile: str, state: str = "sqlite") -> dict[str, dict[str, Any]]:
    found = [document for document in documents(profile, state) if document["kind"] == "Component"]
    return {document["metadata"]["name"]: document for document in found}


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_has_the_same_component_names(profile: str) -> None:
    assert set(components(profile)) == channels(profile) | {"secrets", "claims"} | {
        f"{service}-state" for service in SERVICES
    }


@pytest.mark.parametrize(("profile", "state"), [("local", ""), *(("redis", state) for state in STATES)])
def test_a_state_store_belongs_to_one_service(profile: str, state: str) -> None:
    found = components(profile, state)
    scopes = {name: document.get("scopes") for name, document in found.items() if name.endswith("-state")}
    assert scopes == {f"{service}-state": [service] for service in SERVICES}


@pytest.mark.parametrize(("profile", "lanes"), [("nats", OF_NATS - {"commands"}), ("rabbitmq", OF_RABBITMQ)])
def test_lanes_have_the_settings_of_what_they_are_lanes_of(profile: str, lanes: set[str]) -> None:
    found = components(profile)
    for name in lanes:
        assert found[name]["spec"] == found[name.split("-")[0]]["spec"]


@pytest.mark.parametrize("profile", PROFILES)
def test_inbound_retries_are_constant_and_endless(profile: str) -> None:
    (spec,) = (document["spec"] for document in documents(profile) if document["kind"] == "Resiliency")
    policies = {target["inbound"]["retry"] for target in spec["targets"]["components"].values()}
    assert set(spec["targets"]["components"]) == channels(profile)
    assert [spec["policies"]["retries"][policy]["maxRetries"] for policy in policies] == [-1]
    assert [spec["policies"]["retries"][policy]["policy"] for policy in policies] == ["constant"]


# Each profile and each state store once.
BESIDE_DAPRD = [
    ("local", "sqlite"),
    pytest.param(("redis", "redis"), marks=pytest.mark.redis),
    pytest.param(("rabbitmq", "sqlite"), marks=pytest.mark.rabbitmq),
    pytest.param(("nats", "sqlite"), marks=pytest.mark.nats),
    pytest.param(("mqtt", "sqlite"), marks=pytest.mark.mqtt),
    pytest.param(("kafka", "postgresql"), marks=[pytest.mark.kafka, pytest.mark.postgresql]),
]


@pytest.fixture(params=BESIDE_DAPRD)
async def sidecar(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Daprd]:
    try:
        find_daprd()
    except ConfigurationError as error:
        skip(str(error))
    profile, state = request.param
    folder = copy_profile(profile, tmp_path, state=state, **addresses(request))
    if profile == "nats":
        address = server_of(request, "nats").address
        await make_streams(f"nats://{address}", [f"profiles.{channel}" for channel in CHANNELS])
    options = DaprdOptions(app_id="payments", resources_paths=(folder,), config_path=copy_configuration(tmp_path))
    async with Daprd(options) as daprd:
        yield daprd


def addresses(request: pytest.FixtureRequest) -> dict[str, str]:
    servers = {name for name in request.param if name not in {"local", "sqlite"}}
    return {name: server_of(request, name).address for name in servers}


def server_of(request: pytest.FixtureRequest, name: str) -> Server:
    server: Server = request.getfixturevalue(f"{name}_server")
    return server


@pytest.mark.daprd
async def test_daprd_loads_all_that_is_for_a_service(sidecar: Daprd, request: pytest.FixtureRequest) -> None:
    profile, _ = request.node.callspec.params["sidecar"]
    async with aiohttp.ClientSession(sidecar.options.endpoint) as session, session.get("/v1.0/metadata") as answer:
        metadata = await answer.json()
    assert {component["name"] for component in metadata["components"]} == channels(profile) | {
        "payments-state",
        "secrets",
        "claims",
    }
    assert [resiliency["name"] for resiliency in metadata["resiliencies"]] == ["zero-loss"]


async def published(session: aiohttp.ClientSession, path: str) -> None:
    """Publish; Kafka makes a topic when it is first used, and on a slow machine daprd gives up on that."""
    async with asyncio.timeout(30):
        while True:
            async with session.post(path, json={}) as answer:
                if answer.status == 204:
                    return
                assert answer.status == 500, await answer.text()


@pytest.mark.daprd
async def test_daprd_publishes_remembers_and_reads_secrets(sidecar: Daprd) -> None:
    async with aiohttp.ClientSession(sidecar.options.endpoint) as session:
        for channel in sorted(CHANNELS):
            await published(session, f"/v1.0/publish/{channel}/profiles.{channel}")
        async with session.post("/v1.0/state/payments-state", json=[{"key": "a", "value": {"b": 1}}]) as answer:
            assert answer.status == 204
        async with session.get("/v1.0/state/payments-state/a") as answer:
            assert await answer.json(content_type=None) == {"b": 1}
        async with session.get("/v1.0/secrets/secrets/rabbitmq-username") as answer:
            assert await answer.json() == {"rabbitmq-username": "guest"}
