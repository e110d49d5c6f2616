"""The shipped profiles: the same names in each, loaded by a real daprd, and their promises kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from pillion.errors import ConfigurationError
from pillion.sidecar.process import Daprd, DaprdOptions, find_daprd
from tests.profiles import COMPONENTS, SERVICES, copy_configuration, copy_profile
from tests.servers import Server, skip

PROFILES = ("local", "redis", "rabbitmq")
CHANNELS = {"pubsub", "replies", "broadcast", "slow"}


def documents(profile: str) -> list[dict[str, Any]]:
    return [yaml.safe_load(file.read_text()) for file in sorted((COMPONENTS / profile).glob("*.yaml"))]


def components(profile: str) -> dict[str, dict[str, Any]]:
    return {
        document["metadata"]["name"]: document for document in documents(profile) if document["kind"] == "Component"
    }


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_has_the_same_component_names(profile: str) -> None:
    assert set(components(profile)) == CHANNELS | {"secrets"} | {f"{service}-state" for service in SERVICES}


@pytest.mark.parametrize("profile", PROFILES)
def test_a_state_store_belongs_to_one_service(profile: str) -> None:
    scopes = {name: document.get("scopes") for name, document in components(profile).items() if name.endswith("-state")}
    assert scopes == {f"{service}-state": [service] for service in SERVICES}


@pytest.mark.parametrize("profile", PROFILES)
def test_inbound_retries_are_constant_and_endless(profile: str) -> None:
    (spec,) = (document["spec"] for document in documents(profile) if document["kind"] == "Resiliency")
    policies = {target["inbound"]["retry"] for target in spec["targets"]["components"].values()}
    assert set(spec["targets"]["components"]) == CHANNELS
    assert [spec["policies"]["retries"][policy]["maxRetries"] for policy in policies] == [-1]
    assert [spec["policies"]["retries"][policy]["policy"] for policy in policies] == ["constant"]


BESIDE_DAPRD = [
    "local",
    pytest.param("redis", marks=pytest.mark.redis),
    pytest.param("rabbitmq", marks=pytest.mark.rabbitmq),
]


@pytest.fixture(params=BESIDE_DAPRD)
async def sidecar(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Daprd]:
    try:
        find_daprd()
    except ConfigurationError as error:
        skip(str(error))
    folder = copy_profile(request.param, tmp_path, **addresses(request))
    options = DaprdOptions(app_id="payments", resources_paths=(folder,), config_path=copy_configuration(tmp_path))
    async with Daprd(options) as daprd:
        yield daprd


def addresses(request: pytest.FixtureRequest) -> dict[str, str]:
    if request.param == "local":
        return {}
    server: Server = request.getfixturevalue(f"{request.param}_server")
    return {request.param: server.address}


@pytest.mark.daprd
async def test_daprd_loads_all_that_is_for_a_service(sidecar: Daprd) -> None:
    async with aiohttp.ClientSession(sidecar.options.endpoint) as session, session.get("/v1.0/metadata") as answer:
        metadata = await answer.json()
    assert {component["name"] for component in metadata["components"]} == CHANNELS | {"payments-state", "secrets"}
    assert [resiliency["name"] for resiliency in metadata["resiliencies"]] == ["zero-loss"]


@pytest.mark.daprd
async def test_daprd_publishes_remembers_and_reads_secrets(sidecar: Daprd) -> None:
    async with aiohttp.ClientSession(sidecar.options.endpoint) as session:
        for channel in sorted(CHANNELS):
            async with session.post(f"/v1.0/publish/{channel}/profiles.{channel}", json={}) as answer:
                assert answer.status == 204
        async with session.post("/v1.0/state/payments-state", json=[{"key": "a", "value": {"b": 1}}]) as answer:
            assert answer.status == 204
        async with session.get("/v1.0/state/payments-state/a") as answer:
            assert await answer.json(content_type=None) == {"b": 1}
        async with session.get("/v1.0/secrets/secrets/rabbitmq-username") as answer:
            assert await answer.json() == {"rabbitmq-username": "guest"}
