"""A host beside a sidecar is ready when messages reach it, not before."""

from __future__ import annotations

from pillion import Contract, Service
from pillion.runtime.beside import host_beside_sidecar
from pillion.runtime.settings import HostSettings
from pillion.sidecar.ports import free_port
from pillion.testing.sidecar import FakeBroker, FakeSidecar

told = Contract("source").event("told", int)


async def test_a_sidecar_that_lists_its_subscriptions_but_has_not_begun_with_them_is_not_ready() -> None:
    service, port = Service("sink"), free_port()

    @service.on(told)
    async def hear(number: int) -> None: ...

    async with FakeSidecar(FakeBroker(), "sink", port) as sidecar:
        environ = {"APP_ID": "sink", "APP_PORT": str(port), "DAPR_HTTP_PORT": str(sidecar.http_port)}
        async with host_beside_sidecar([service], HostSettings(), environ) as host:
            await sidecar.wait_ready()
            sidecar._ready.clear()
            (problem,) = await host.problems()
            assert "its subscriptions are still starting" in problem
            sidecar._ready.set()
            assert list(await host.problems()) == []
