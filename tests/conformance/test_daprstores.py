"""Dapr's stores keep the contracts too, through a real sidecar."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
import yaml
from aiohttp import web

from pillion.errors import ConfigurationError, SidecarError
from pillion.ports.store import ConfigurationStore, SecretStore, StateStore, Upsert
from pillion.runtime.embedded import profile_stores
from pillion.sidecar.channel import SidecarChannel
from pillion.sidecar.ports import free_port
from pillion.sidecar.process import Daprd, DaprdOptions
from pillion.sidecar.settings import SidecarSettings
from pillion.stores.dapr import DaprConfigurationStore, DaprSecretStore, DaprStateStore
from pillion.stores.sqlite import SQLiteStateStore
from pillion.testing.conformance.configuration import ConfigurationStoreContract
from pillion.testing.conformance.secrets import SecretStoreContract
from pillion.testing.conformance.store import StateStoreContract
from tests.daprd import require_daprd
from tests.servers import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRETS = {SecretStoreContract.name: SecretStoreContract.value, SecretStoreContract.empty_name: ""}
TOKEN = "let-me-in"


class Sidecar(NamedTuple):
    """A running daprd with every component of these tests, and the stores that its news go to."""

    channel: SidecarChannel
    configurations: list[DaprConfigurationStore]
    folder: Path


def component(folder: Path, name: str, type_: str, version: str = "v1", **metadata: str) -> None:
    spec = {"type": type_, "version": version, "metadata": [{"name": k, "value": v} for k, v in metadata.items()]}
    resource = {"apiVersion": "dapr.io/v1alpha1", "kind": "Component", "metadata": {"name": name}, "spec": spec}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(resource))


def components(folder: Path, redis: Server, postgresql: Server) -> None:
    (folder / "secrets.json").write_text(json.dumps(SECRETS))
    component(folder, "sqlite-state", "state.sqlite", connectionString=str(folder / "state.db"), keyPrefix="name")
    component(folder, "memory-state", "state.in-memory")
    component(folder, "redis-state", "state.redis", redisHost=redis.address)
    database = f"postgres://pillion@{postgresql.address}/pillion"
    component(folder, "postgresql-state", "state.postgresql", "v2", connectionString=database, keyPrefix="name")
    component(folder, "file-secrets", "secretstores.local.file", secretsFile=str(folder / "secrets.json"))
    component(folder, "environment-secrets", "secretstores.local.env", prefix="TEST_")
    component(folder, "redis-configuration", "configuration.redis", redisHost=redis.address)


async def serve(configurations: list[DaprConfigurationStore], port: int) -> web.AppRunner:
    """An application that hands configuration news on, as pillion's own app channel does."""

    async def news(request: web.Request) -> web.Response:
        items = (await request.json())["items"]
        for configuration in configurations:
            configuration.deliver(request.match_info["store"], request.match_info["key"], items)
        return web.Response()

    app = web.Application()
    app.router.add_post("/configuration/{store}/{key:.*}", news)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return runner


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sidecar(
    tmp_path_factory: pytest.TempPathFactory, redis_server: Server, postgresql_server: Server
) -> AsyncIterator[Sidecar]:
    require_daprd()
    folder = tmp_path_factory.mktemp("resources")
    components(folder, redis_server, postgresql_server)
    await redis_command(redis_server, "CONFIG", "SET", "notify-keyspace-events", "KA")
    configurations: list[DaprConfigurationStore] = []
    options = DaprdOptions(
        app_id="stores",
        app_port=free_port(),
        resources_paths=(folder,),
        api_token=TOKEN,
        log_level="error",
        environment={f"TEST_{name}": value for name, value in SECRETS.items()},
    )
    runner = await serve(configurations, options.app_port or 0)
    channel = SidecarChannel(SidecarSettings(http_address=options.endpoint, api_token=TOKEN))
    daprd = Daprd(options)
    await daprd.start()
    try:
        await daprd.wait_ready()
        await channel.start()
        yield Sidecar(channel, configurations, folder)
    finally:
        await channel.close()
        await daprd.kill()
        await runner.cleanup()


async def redis_command(server: Server, *words: str) -> None:
    parts = [word.encode() for word in words]
    request = b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request)
    answer = await reader.readline()
    writer.close()
    await writer.wait_closed()
    assert not answer.startswith(b"-"), answer


async def state_of(sidecar: Sidecar, component: str) -> StateStore:
    store = DaprStateStore(sidecar.channel, component)
    await store.start()
    return store


class DaprState(StateStoreContract):
    component: str

    @pytest_asyncio.fixture(loop_scope="module")
    async def store(self, sidecar: Sidecar) -> StateStore:
        return await state_of(sidecar, self.component)


@pytest.mark.daprd
@pytest.mark.redis
class TestDaprSQLiteState(DaprState):
    component = "sqlite-state"


@pytest.mark.daprd
@pytest.mark.redis
class TestDaprMemoryState(DaprState):
    component = "memory-state"


@pytest.mark.daprd
@pytest.mark.redis
class TestDaprRedisState(DaprState):
    component = "redis-state"


@pytest.mark.daprd
@pytest.mark.postgresql
class TestDaprPostgreSQLState(DaprState):
    component = "postgresql-state"


class DaprSecrets(SecretStoreContract):
    component: str

    @pytest_asyncio.fixture(loop_scope="module")
    async def store(self, sidecar: Sidecar) -> SecretStore:
        store = DaprSecretStore(sidecar.channel, self.component)
        await store.start()
        return store


@pytest.mark.daprd
@pytest.mark.redis
class TestDaprFileSecrets(DaprSecrets):
    component = "file-secrets"


@pytest.mark.daprd
@pytest.mark.redis
class TestDaprEnvironmentSecrets(DaprSecrets):
    component = "environment-secrets"


@pytest.mark.daprd
@pytest.mark.redis
class TestDaprRedisConfiguration(ConfigurationStoreContract):
    @pytest_asyncio.fixture(loop_scope="module")
    async def store(self, sidecar: Sidecar, redis_server: Server) -> AsyncIterator[ConfigurationStore]:
        self.redis = redis_server
        store = DaprConfigurationStore(sidecar.channel, "redis-configuration")
        await store.start()
        sidecar.configurations.append(store)
        yield store
        sidecar.configurations.remove(store)

    async def change(self, store: Any, values: dict[str, str]) -> None:
        for key, value in values.items():
            await (redis_command(self.redis, "SET", key, value) if value else redis_command(self.redis, "DEL", key))


@pytest.mark.daprd
@pytest.mark.redis
async def test_a_component_that_is_not_loaded_is_named(sidecar: Sidecar) -> None:
    with pytest.raises(ConfigurationError, match="'nowhere' is not loaded"):
        await state_of(sidecar, "nowhere")


@pytest.mark.daprd
@pytest.mark.redis
async def test_a_component_of_another_kind_is_refused(sidecar: Sidecar) -> None:
    with pytest.raises(ConfigurationError, match=r"secretstores\.local\.file; state"):
        await state_of(sidecar, "file-secrets")


@pytest.mark.daprd
@pytest.mark.redis
async def test_an_embedded_file_and_a_sidecar_read_what_the_other_wrote(sidecar: Sidecar) -> None:
    beside = await state_of(sidecar, "sqlite-state")
    embedded = SQLiteStateStore(sidecar.folder / "state.db", prefix="sqlite-state")
    await embedded.start()
    await embedded.write([Upsert("written-embedded", b'{"a":"\xc3\xa4"}', ttl=600)])
    await beside.write([Upsert("written-beside", b'{"b":[1,2]}', ttl=600)])
    keys = ["written-embedded", "written-beside"]
    assert await embedded.get(keys) == await beside.get(keys)
    await beside.write([Upsert(keys[0], b"1", etag=(await embedded.get(keys))[keys[0]].etag)])
    assert (await embedded.get(keys))[keys[0]].value == b"1"
    await embedded.close()


@pytest.mark.daprd
@pytest.mark.redis
async def test_expired_by_one_is_expired_for_the_other(sidecar: Sidecar) -> None:
    beside = await state_of(sidecar, "sqlite-state")
    embedded = SQLiteStateStore(sidecar.folder / "state.db", prefix="sqlite-state")
    await embedded.start()
    await embedded.write([Upsert("short-embedded", b"1", ttl=1)])
    await beside.write([Upsert("short-beside", b"1", ttl=1)])
    async with asyncio.timeout(30):
        while await embedded.get(["short-beside"]) or await beside.get(["short-embedded"]):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await embedded.close()


@pytest.mark.daprd
@pytest.mark.parametrize("prefix", ["appid", "name"])
async def test_a_file_begun_embedded_is_taken_over_by_a_sidecar(tmp_path: Path, prefix: str) -> None:
    require_daprd()
    component(tmp_path, "orders-state", "state.sqlite", connectionString=str(tmp_path / "state.db"), keyPrefix=prefix)
    embedded = profile_stores([tmp_path], "takeover", {}).state("orders-state")
    assert embedded is not None
    await embedded.start()
    await embedded.write([Upsert("1", b'{"total":5}')])
    await embedded.close()
    daprd = Daprd(DaprdOptions(app_id="takeover", resources_paths=(tmp_path,), log_level="error"))
    channel = SidecarChannel(SidecarSettings(http_address=daprd.options.endpoint))
    await daprd.start()
    try:
        await daprd.wait_ready()
        await channel.start()
        store = DaprStateStore(channel, "orders-state")
        await store.start()
        assert (await store.get(["1"]))["1"].value == b'{"total":5}'
    finally:
        await channel.close()
        await daprd.kill()


@pytest.mark.daprd
@pytest.mark.redis
async def test_a_wrong_api_token_is_told_as_such(sidecar: Sidecar) -> None:
    channel = SidecarChannel(SidecarSettings(http_address=sidecar.channel.settings.http_address))
    await channel.start()
    with pytest.raises(SidecarError, match="DAPR_API_TOKEN"):
        await DaprStateStore(channel, "memory-state").start()
    await channel.close()


@pytest.mark.daprd
@pytest.mark.redis
async def test_a_configuration_watch_outlives_its_subscription(sidecar: Sidecar, redis_server: Server) -> None:
    store = DaprConfigurationStore(sidecar.channel, "redis-configuration", refresh=0.2)  # and nobody delivers to it
    async with aclosing(store.watch(["lost-news"])) as changes:
        assert await anext(changes) == {}
        await redis_command(redis_server, "SET", "lost-news", "1")
        assert (await anext(changes))["lost-news"].value == "1"
        await redis_command(redis_server, "DEL", "lost-news")
        assert (await anext(changes))["lost-news"].value == ""
