from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from pillion.errors import ConfigurationError
from pillion.runtime.embedded import app_id, memory_stores, profile_stores
from pillion.runtime.settings import HostSettings
from pillion.runtime.stores import OpenStores, Stores
from pillion.secrets import Secrets
from pillion.service.service import Service
from pillion.state import State


def profile(folder: Path, name: str, type_: str, scopes: Sequence[str] = (), **metadata: Any) -> Path:
    """A profile with one component more."""
    spec = {"type": type_, "metadata": [{"name": key, "value": value} for key, value in metadata.items()]}
    document = {"kind": "Component", "metadata": {"name": name}, "spec": spec, "scopes": list(scopes)}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(document))
    return folder


def stores(folder: Path, app: str = "shop", environ: Mapping[str, str] | None = None) -> Stores:
    return profile_stores([folder], app, environ or {})


async def written(found: Stores, component: str) -> None:
    async with AsyncExitStack() as stack:
        store = await OpenStores(found, stack).state(component)
        assert store is not None
        await State(store).set("key", "value")


def key_in(path: Path) -> str:
    """The only key in the file."""
    with closing(sqlite3.connect(path)) as database:
        ((key,),) = database.execute("SELECT key FROM state").fetchall()
    return str(key)


async def test_without_a_profile_every_component_is_there() -> None:
    async with AsyncExitStack() as stack:
        opened = OpenStores(memory_stores(), stack)
        assert await opened.state("any-state") is not None
        assert await opened.secrets("shop") is not None
        assert await opened.configuration("shop") is not None


async def test_a_component_that_the_profile_lacks_is_none(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        opened = OpenStores(stores(profile(tmp_path, "orders-state", "state.in-memory")), stack)
        assert await opened.state("orders-state") is not None
        assert await opened.state("users-state") is None
        assert await opened.secrets("shop") is None


async def test_sqlite_makes_the_folder_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "data" / "deep" / "orders.db"
    await written(
        stores(profile(tmp_path, "orders-state", "state.sqlite", connectionString=f"file:{path}?a=b")), "orders-state"
    )
    assert path.exists()


@pytest.mark.parametrize(
    ("metadata", "namespace", "key"),
    [
        ({}, "", "shop||key"),
        ({"keyPrefix": "appid"}, "", "shop||key"),
        ({"keyPrefix": "name"}, "", "orders-state||key"),
        ({"KEYPREFIX": "Name"}, "", "orders-state||key"),
        ({"keyPrefix": "none"}, "", "key"),
        ({"keyPrefix": "Ours"}, "", "ours||key"),
        ({"keyPrefix": "namespace"}, "", "shop||key"),
        ({"keyPrefix": "namespace"}, "prod", "prod.shop||key"),
    ],
)
async def test_sqlite_keys_begin_as_daprs_would(
    tmp_path: Path, metadata: dict[str, str], namespace: str, key: str
) -> None:
    path = tmp_path / "orders.db"
    profile(tmp_path, "orders-state", "state.sqlite", connectionString=str(path), **metadata)
    await written(stores(tmp_path, environ={"NAMESPACE": namespace}), "orders-state")
    assert key_in(path) == key


def test_keys_that_begin_with_an_app_id_that_nobody_can_tell_are_refused(tmp_path: Path) -> None:
    found = stores(profile(tmp_path, "orders-state", "state.sqlite", connectionString="orders.db"), app="")
    with pytest.raises(ConfigurationError, match=r'"orders-state" .*orders-state\.yaml.*keyPrefix: name.* PILLION_APP'):
        found.state("orders-state")


@pytest.mark.parametrize(
    ("services", "settings", "environ", "expected"),
    [
        (["shop"], HostSettings(), {}, "shop"),
        (["shop", "shop"], HostSettings(), {}, "shop"),
        (["shop", "till"], HostSettings(), {}, ""),
        (["shop", "till"], HostSettings(), {"APP_ID": "corner"}, "corner"),
        (["shop"], HostSettings(app="mine"), {"APP_ID": "corner"}, "mine"),
    ],
)
def test_the_app_id_is_what_is_said_or_the_name_of_the_only_service(
    services: list[str], settings: HostSettings, environ: dict[str, str], expected: str
) -> None:
    made = [Service(name, version=version) for version, name in enumerate(services, 1)]
    assert app_id(made, settings, environ) == expected


async def test_sqlite_without_a_path_is_refused(tmp_path: Path) -> None:
    found = stores(profile(tmp_path, "orders-state", "state.sqlite"))
    with pytest.raises(ConfigurationError, match=r"orders-state\.yaml: state\.sqlite needs connectionString"):
        found.state("orders-state")


async def test_secrets_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text('{"smtp": {"password": "hunter2"}}')
    found = stores(profile(tmp_path, "secrets", "secretstores.local.file", secretsFile=str(tmp_path / "secrets.json")))
    async with AsyncExitStack() as stack:
        store = await OpenStores(found, stack).secrets("shop")
        assert store is not None
        assert await Secrets(store).get("smtp:password") == "hunter2"


async def test_secrets_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", "hunter2")
    found = stores(profile(tmp_path, "secrets", "secretstores.local.env", prefix="SHOP_"))
    async with AsyncExitStack() as stack:
        store = await OpenStores(found, stack).secrets("shop")
        assert store is not None
        assert await Secrets(store).get("PASSWORD") == "hunter2"


async def test_configuration_is_there_without_a_component(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        store = await OpenStores(stores(tmp_path), stack).configuration("shop")
        assert store is not None


@pytest.mark.parametrize(
    "type_",
    [
        "pubsub.redis", "state.postgresql", "secretstores.hashicorp.vault", "configuration.redis",
        "bindings.cron", "lock.redis", "sate.sqlite", "state.sqllite",
    ],
)  # fmt: skip
def test_a_type_that_is_not_offered_names_both_ways_on(tmp_path: Path, type_: str) -> None:
    profile(tmp_path, "thing", type_)
    with pytest.raises(ConfigurationError) as raised:
        stores(tmp_path)
    for part in ('"thing"', "thing.yaml", type_, "pillion dev", "choose a profile", "there are pubsub.in-memory"):
        assert part in str(raised.value)


@pytest.mark.parametrize("kind", ["Subscription", "Configuration", "Resiliency", "HTTPEndpoint"])
def test_what_is_only_for_sidecars_is_left_alone(tmp_path: Path, kind: str) -> None:
    profile(tmp_path, "pubsub", "pubsub.in-memory")
    (tmp_path / "other.yaml").write_text(f"kind: {kind}\nmetadata: {{name: other}}\nspec: {{}}\n")
    stores(tmp_path)


async def test_a_component_of_another_kind_is_no_store(tmp_path: Path) -> None:
    names = ("pubsub", "secrets", "configuration")
    for name in names:
        profile(tmp_path, name, "pubsub.in-memory")
    async with AsyncExitStack() as stack:
        opened = OpenStores(stores(tmp_path), stack)
        assert await opened.state("pubsub") is None
        assert await opened.secrets("shop") is None
        assert await opened.configuration("shop") is not None


async def test_stores_are_only_for_those_in_their_scopes(tmp_path: Path) -> None:
    profile(tmp_path, "secrets", "secretstores.local.env", scopes=["orders"])
    profile(tmp_path, "configuration", "configuration.in-memory", scopes=["orders"])
    profile(tmp_path, "claims", "state.in-memory", scopes=["orders"])
    async with AsyncExitStack() as stack:
        opened = OpenStores(stores(tmp_path), stack)
        assert await opened.secrets("spy") is None
        assert await opened.secrets("orders") is not None
        assert await opened.configuration("spy") is None
        assert await opened.configuration("orders") is not None
        assert await opened.shared("claims", ["orders", "spy"]) is None
        assert await opened.shared("claims", ["orders"]) is not None


async def test_the_name_of_the_process_is_in_scopes_too(tmp_path: Path) -> None:
    profile(tmp_path, "secrets", "secretstores.local.env", scopes=["shop"])
    async with AsyncExitStack() as stack:
        assert await OpenStores(stores(tmp_path, app="shop"), stack).secrets("orders") is not None


def test_what_services_name_has_to_be_there(tmp_path: Path) -> None:
    profile(tmp_path, "orders-state", "state.in-memory")
    with pytest.raises(ConfigurationError, match=r'spy\.v1: the profile has no state component "absent"'):
        profile_stores([tmp_path], "", {}, [Service("spy", state="absent")])
