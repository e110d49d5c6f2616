"""Where the command line finds dead letters: in a file, beside a sidecar, or nowhere."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from pillion.ports.clock import SystemClock
from pillion.resilience.letters import Letters
from pillion.service.service import Service
from pillion.sidecar.channel import SidecarChannel
from pillion.sidecar.ports import free_port
from pillion.sidecar.settings import SidecarSettings
from pillion.stores.dapr import DaprStateStore
from pillion.testing.conformance.world import eventually
from pillion.testing.sidecar import FakeBroker, FakeSidecar
from tests.cli.fragile import fragile, state_in, told
from tests.cli.invoking import invoke, run
from tests.cli.letters import WEAK, options, until
from tests.conformance.daprworld import DaprdWorld, DaprWorld, FakeWorld, Sidecar
from tests.daprd import require_daprd
from tests.profiles import copy_configuration, copy_profile
from tests.servers import Server


class TestNowhereToLook:
    def test_a_memory_store_is_told(self, tmp_path: Path) -> None:
        text = state_in(tmp_path).joinpath("state.yaml").read_text().replace("state.sqlite", "state.in-memory")
        (tmp_path / "state.yaml").write_text(text)
        found = invoke("dlq", "ls", *options(tmp_path))
        assert found.exit_code == 2
        assert "dead letters die with the process" in found.stderr

    def test_no_profile_is_told(self) -> None:
        found = invoke("dlq", "ls", "--app", "tests.cli.fragile:service")
        assert found.exit_code == 2
        assert "without a profile services keep their state in memory" in found.stderr

    def test_a_missing_component_is_told(self, profile: Path) -> None:
        found = invoke("dlq", "ls", "--store", "absent", *options(profile))
        assert found.exit_code == 2
        assert 'has no state component "absent"' in found.stderr

    def test_a_file_that_is_not_there_is_told_and_not_made(self, profile: Path) -> None:
        found = invoke("dlq", "ls", *options(profile))
        assert found.exit_code == 2
        assert f"is the file {profile}/state.db, which is not there" in found.stderr
        assert not (profile / "state.db").exists()

    def test_a_sidecar_that_does_not_answer_is_told(self) -> None:
        port = free_port()
        found = invoke("dlq", "ls", "--sidecar-port", str(port))
        assert found.exit_code == 2
        assert f"no answer from the sidecar at http://127.0.0.1:{port}" in found.stderr

    def test_without_app_and_sidecar_both_ways_on_are_named(self, default_port: int) -> None:
        found = invoke("dlq", "ls")
        assert found.exit_code == 2
        for part in ("--app", "--sidecar-port", f"none answers on {default_port}"):
            assert part in found.stderr

    def test_a_profile_with_servers_is_looked_at_through_its_sidecar(self, tmp_path: Path) -> None:
        text = state_in(tmp_path).joinpath("state.yaml").read_text().replace("state.sqlite", "state.redis")
        (tmp_path / "state.yaml").write_text(text)
        found = invoke("dlq", "ls", *options(tmp_path))
        assert found.exit_code == 2
        assert "the service's sidecar must run, and --sidecar-port PORT says where" in found.stderr

    def test_an_app_and_a_sidecar_are_refused(self) -> None:
        found = invoke("dlq", "ls", "--app", "tests.cli.fragile:service", "--sidecar-port", "3500")
        assert (found.exit_code, "--app is for a service without a sidecar" in found.stderr) == (2, True)

    def test_a_profile_without_app_is_refused(self, tmp_path: Path) -> None:
        found = invoke("dlq", "ls", "--profile", str(tmp_path))
        assert (found.exit_code, "--profile goes with --app" in found.stderr) == (2, True)


class World(FakeWorld):
    """Fake sidecars with the state store of the service."""

    async def _sidecar(self, app_id: str, app_port: int | None) -> tuple[int, Sidecar]:
        sidecar = FakeSidecar(self._broker, app_id, app_port, state_stores=["fragile-state"])
        await sidecar.start()
        return sidecar.http_port, sidecar


@pytest.mark.slow
class TestBeside:
    async def test_a_letter_is_found_and_replayed_to_the_handler_that_failed(self) -> None:
        async with World() as world:
            await found_and_replayed(world)

    async def test_the_service_need_not_run(self) -> None:
        async with World() as world:
            port = await broken_once(world, [])
            found = await run("dlq", "ls", "--sidecar-port", port)
        assert WEAK in found.out, found

    async def test_without_a_port_it_is_looked_for_at_daprs_own(self, default_port: int) -> None:
        sidecar = FakeSidecar(FakeBroker(), "fragile")
        sidecar.http_port = default_port
        async with sidecar:
            found = await asyncio.to_thread(invoke, "dlq", "ls")
        assert found.stdout.startswith(
            "no dead letters in fragile-state of sidecar fragile; each service keeps its own"
        )

    async def test_several_sidecars_are_looked_at_together(self) -> None:
        broker = FakeBroker()
        async with FakeSidecar(broker, "fragile") as one, FakeSidecar(broker, "other") as two:
            ports = [str(sidecar.http_port) for sidecar in (one, two, one)]
            found = await run("dlq", "ls", *(part for port in ports for part in ("--sidecar-port", port)))
        assert found.out == "no dead letters in fragile-state of sidecar fragile, other-state of sidecar other\n"

    async def test_a_handler_that_cannot_be_checked_is_told(self) -> None:
        async with World() as world:
            port = await broken_once(world, [])
            (letter,) = json.loads((await run("dlq", "ls", "--json", "--sidecar-port", port)).out)
            to = ("--to", "fragile.v1.nope", "--dry-run", "--sidecar-port", port)
            found = await run("dlq", "replay", letter["id"], *to)
        assert (found.code, "not checked: only the service knows its handlers" in found.out) == (0, True)

    async def test_a_version_that_does_not_run_cannot_be_given_a_letter(self) -> None:
        async with World() as world:
            port = await broken_once(world, [])
            (letter,) = json.loads((await run("dlq", "ls", "--json", "--sidecar-port", port)).out)
            found = await run("dlq", "replay", letter["id"], "--to", "fragile.v2.weak", "--sidecar-port", port)
        assert (found.code, "fragile.v2 is not there, so nobody would take it" in found.err) == (2, True)

    async def test_a_sidecar_without_the_component_is_told(self) -> None:
        async with FakeSidecar(FakeBroker(), "gateway", state_stores=["front"]) as sidecar:
            found = await run("dlq", "ls", "--sidecar-port", str(sidecar.http_port))
        assert found.code == 2
        assert 'the sidecar of "gateway" has not loaded gateway-state; it has front' in found.err

    async def test_service_and_store_can_be_named(self) -> None:
        async with FakeSidecar(FakeBroker(), "gateway", state_stores=["front"]) as sidecar:
            arguments = ("--sidecar-port", str(sidecar.http_port), "--service", "fragile.v1", "--store", "front")
            found = await run("dlq", "ls", *arguments)
        assert (found.code, found.out.startswith("no dead letters in front of sidecar gateway")) == (0, True)


@pytest.mark.daprd
@pytest.mark.redis
async def test_beside_a_real_sidecar(redis_server: Server, tmp_path: Path) -> None:
    require_daprd()
    components = state_in(copy_profile("redis", tmp_path, redis=redis_server.address))
    async with DaprdWorld(components, copy_configuration(tmp_path)) as world:
        await found_and_replayed(world)


async def found_and_replayed(world: DaprWorld) -> None:
    """The whole way: a handler fails, its letter is found and shown, and replayed when the handler is mended."""
    handled: list[str] = []
    port = await broken_once(world, handled)
    where = ("--sidecar-port", port)
    (letter,) = json.loads((await run("dlq", "ls", "--json", *where)).out)
    assert (letter["handler"], letter["failure"], letter["attempts"]) == (WEAK, "ValueError", 2)
    shown = await run("dlq", "show", letter["id"], *where)
    assert "failed 2 times: ValueError: not today" in shown.out, shown
    assert handled == ["strong 7"]
    replayed = await run("dlq", "replay", letter["id"], *where)
    assert replayed.code == 0, replayed
    await world.start(fragile(handled, broken=False))
    await until(lambda: "weak 7" in handled)
    await world.quiet()
    assert handled == ["strong 7", "weak 7"]
    assert (await run("dlq", "ls", *where)).out.startswith("no dead letters in fragile-state of sidecar fragile")


async def broken_once(world: DaprWorld, handled: list[str]) -> str:
    """The broken service gets an event, and stops; the port of a sidecar of its that is left alone."""
    host = await world.start(fragile(handled, broken=True))
    source = await world.start(Service("source"))
    await source.emit(told, 7)
    port, sidecar = await world._sidecar("fragile", None)
    world._stack.push_async_callback(sidecar.stop)
    await until(lambda: handled)
    await until_kept(port)
    await world.quiet()
    await world.stop(host)
    return str(port)


async def until_kept(port: int) -> None:
    """Wait until the service has kept a letter."""
    channel = SidecarChannel(SidecarSettings(http_address=f"http://127.0.0.1:{port}"))
    await channel.start()
    store = DaprStateStore(channel, "fragile-state")
    await store.start()
    await eventually(Letters(store, "fragile.v1", SystemClock()).list)
    await channel.close()
