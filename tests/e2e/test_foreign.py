"""Events in both directions with an app that is built on Dapr's own SDK only, over a real daprd: Redis and RabbitMQ."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import BaseModel

from pillion import Cause, Contract, Service, foreign_event
from pillion.sidecar.child import Child
from pillion.sidecar.ports import free_port
from pillion.sidecar.process import Daprd, DaprdOptions
from pillion.testing.conformance.world import Seen
from tests.conformance.daprworld import DaprdWorld
from tests.daprd import require_daprd
from tests.profiles import copy_configuration, copy_profile
from tests.servers import Server

pytestmark = [pytest.mark.daprd]
PROFILES = [pytest.param(name, marks=getattr(pytest.mark, name)) for name in ("redis", "rabbitmq")]


class Shout(BaseModel):
    text: str


class Echo(BaseModel):
    text: str
    heard_tenant: str


@pytest_asyncio.fixture(params=PROFILES)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[DaprdWorld]:
    require_daprd()
    server: Server = request.getfixturevalue(f"{request.param}_server")
    profile = copy_profile(request.param, tmp_path, **{request.param: server.address})
    async with DaprdWorld(profile, copy_configuration(tmp_path)) as world:
        yield world


async def test_an_app_on_daprs_own_sdk_hears_us_and_we_hear_it(world: DaprdWorld) -> None:
    contract, echoes = Contract(world.name("shouter")), f"echoes-{world.name('t')}"
    shouted = contract.event("shouted", Shout)
    service, heard = Service(contract), Seen[Echo]()

    @service.on(foreign_event(echoes, Echo))
    async def hear(echo: Echo) -> None:
        heard.add(echo)

    host = await world.start(service)
    options = DaprdOptions(
        app_id=world.name("foreign"),
        app_port=free_port(),
        resources_paths=(world.profile,),
        config_path=world.configuration,
        flags=("--dapr-block-shutdown-duration", "0s"),
    )
    variables = {
        **os.environ,
        "SHOUTS": shouted.topic,
        "ECHOES": echoes,
        "APP_PORT": str(options.app_port),
        "DAPR_HTTP_PORT": str(options.http_port),
        "DAPR_GRPC_PORT": str(options.grpc_port),
    }
    app = Child([sys.executable, str(Path(__file__).with_name("foreign_app.py"))], variables)
    async with Daprd(options) as sidecar:
        await app.start()
        try:
            await sidecar.wait_serving()
            await host.emit(shouted, Shout(text="hello"), cause=Cause(tenant_id="acme"))
            assert (await heard.wait())[0] == Echo(text="HELLO", heard_tenant="acme")
        finally:
            await app.kill()
