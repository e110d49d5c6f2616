"""A dead letter is found, understood, replayed and dropped by somebody who has only the command line."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec import Raw

from pillion.cli.inprocess import embedded, until_quiet
from pillion.message import Message
from pillion.ports.clock import SystemClock
from pillion.resilience.deadletter import dead_letter, malformed
from pillion.resilience.letters import Letters
from pillion.service.service import Service
from pillion.sidecar.ports import free_port
from pillion.stores.sqlite import SQLiteStateStore
from pillion.testing.clock import FakeClock
from pillion.testing.sidecar import FakeBroker, FakeSidecar
from tests.cli.fragile import fragile, state_in, told
from tests.cli.invoking import Finished, invoke, run
from tests.conformance.daprworld import DaprdWorld, DaprWorld, FakeWorld, Sidecar
from tests.daprd import require_daprd
from tests.profiles import copy_configuration, copy_profile
from tests.servers import Server

WEAK = "fragile.v1.weak"
DAY = 86400.0


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    return state_in(tmp_path)


def options(profile: Path, *apps: str) -> tuple[str, ...]:
    named = [part for app in apps or ("service",) for part in ("--app", f"tests.cli.fragile:{app}")]
    return (*named, "--profile", str(profile))


def message(id_: str = "m-1", **attributes: Any) -> Message:
    return Message(
        id=id_, source="/shop/source.v1", type="source.v1.told", specversion="1.0", correlation_id="c-1",
        data=Raw(b"7"), **attributes,
    )  # fmt: skip


def dead(id_: str = "m-1", address: str = WEAK, **attributes: Any) -> Message:
    return dead_letter(message(id_, **attributes), address, "failed 2 times", ValueError("x"))


def keep(profile: Path, *letters: Message, group: str = "fragile.v1", days_ago: float = 0.0) -> None:
    """Put letters where the service of this profile keeps its own."""

    async def put() -> None:
        store = SQLiteStateStore(profile / "state.db")
        await store.start()
        clock = FakeClock(SystemClock().now() - days_ago * DAY)
        for letter in letters:
            await Letters(store, group, clock).keep(letter)
        await store.close()

    asyncio.run(put())


def listed(where: tuple[str, ...], *filters: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(invoke("dlq", "ls", "--json", *where, *filters).stdout)
    return found


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - another process has to do something
            await asyncio.sleep(0.02)


class TestFinding:
    def test_letters_are_listed_with_what_to_do_next(self, profile: Path) -> None:
        keep(profile, dead())
        lines = invoke("dlq", "ls", *options(profile)).stdout.splitlines()
        assert lines[0].split() == ["ID", "AGE", "HANDLER", "FAILURE", "ATTEMPTS", "MESSAGE", "CORRELATION"]
        assert lines[1].split()[2:] == [WEAK, "ValueError", "1", "source.v1.told", "c-1"]
        assert lines[2].startswith("1 dead letter. Next, with the same options: `pillion dlq show ")

    def test_without_letters_it_says_where_it_looked(self, profile: Path) -> None:
        keep(profile)
        found = invoke("dlq", "ls", *options(profile))
        assert (found.exit_code, found.stdout) == (0, f"no dead letters in fragile-state of {profile}\n")

    def test_filters_are_all_to_hold(self, profile: Path) -> None:
        keep(profile, dead("old"), days_ago=3)
        keep(profile, dead("new"), dead("other", "fragile.v1.strong"))
        where = options(profile)
        ids = {
            filters: {letter["message_id"] for letter in listed(where, *filters)}
            for filters in [
                ("--older-than", "2d"), ("--newer-than", "30m"), ("--handler", WEAK), ("--failure", "ValueError"),
                ("--failure", "rude"), ("--handler", WEAK, "--newer-than", "2h"),
            ]
        }  # fmt: skip
        assert list(ids.values()) == [
            {"old"},
            {"new", "other"},
            {"old", "new"},
            {"old", "new", "other"},
            set(),
            {"new"},
        ]

    def test_all_versions_of_the_service_are_looked_through(self, profile: Path) -> None:
        keep(profile, dead())
        keep(profile, dead(address="fragile.v2.weak"), group="fragile.v2")
        keep(profile, dead(address="fragile.v7.weak"), group="fragile.v7")
        where = options(profile)
        assert {letter["service"] for letter in listed(where)} == {"fragile.v1", "fragile.v2", "fragile.v7"}
        assert {letter["service"] for letter in listed(where, "--service", "fragile.v2")} == {"fragile.v2"}

    def test_an_id_may_be_shortened(self, profile: Path) -> None:
        keep(profile, dead("1"), dead("2"))
        one, other = (letter["id"] for letter in listed(options(profile)))
        assert [letter["id"] for letter in listed(options(profile), one[:8], other[:8])] == [one, other]
        found = invoke("dlq", "ls", "", *options(profile))
        assert (found.exit_code, f"is short for several dead letters: {one}, {other}" in found.stderr) == (2, True)

    def test_an_age_that_is_none_is_a_usage_error(self, profile: Path) -> None:
        found = invoke("dlq", "ls", "--older-than", "3 weeks", *options(profile))
        assert found.exit_code == 2
        assert "such as 30m, 2h or 7d" in found.stderr

    def test_an_unknown_service_is_answered_with_those_there_are(self, profile: Path) -> None:
        found = invoke("dlq", "ls", "--service", "orders", *options(profile))
        assert (found.exit_code, found.stderr) == (
            2,
            "pillion: there is no service orders here; --app offers fragile\n",
        )


class TestUnderstanding:
    def show(self, profile: Path, *more: str) -> str:
        (letter,) = listed(options(profile))
        found = invoke("dlq", "show", letter["id"][:6], *options(profile), *more)
        assert found.exit_code == 0, found.stderr
        return found.stdout

    def test_everything_is_shown(self, profile: Path) -> None:
        keep(profile, dead(tenant_id="acme", principal_id="ada", traceparent="00-1-2-01", subject="k"))
        text = self.show(profile)
        for part in (
            WEAK,
            "ValueError (500)",
            "failed 2 times",
            "m-1, source.v1.told",
            "acme",
            "ada",
            "c-1",
            "00-1-2-01",
        ):
            assert part in text
        assert "\n7\n" in text
        assert "and to no other" in text

    def test_json_has_the_message_as_it_came(self, profile: Path) -> None:
        keep(profile, dead())
        found = json.loads(self.show(profile, "--json"))
        assert (found["service"], found["failure"], found["message"]["data"]) == ("fragile.v1", "ValueError", 7)

    def test_malformed_bytes_are_dumped_and_explained(self, profile: Path) -> None:
        keep(profile, malformed(b"\xff\x00", "source.v1.told", "no JSON", WEAK))
        text = self.show(profile)
        assert "00000000  ff 00" in text
        assert "came from topic source.v1.told and are no CloudEvent" in text

    def test_the_event_that_kills_sidecars_is_known(self, profile: Path) -> None:
        body = b'{"specversion":"1.0","id":"1","source":"s","type":"t","traceid":5}'
        keep(profile, malformed(body, "source.v1.told", "Expected `str`", WEAK))
        text = self.show(profile)
        assert '"traceid": 5' in text
        assert "a sidecar that does not subscribe raw dies of such an event" in text

    def test_what_the_sidecar_set_aside_is_explained(self, profile: Path) -> None:
        keep(profile, message())
        text = self.show(profile)
        assert "the sidecar set it aside by itself" in text
        assert "--to HANDLER" in text

    def test_what_expired_says_so(self, profile: Path) -> None:
        keep(profile, message(expiration=datetime(2026, 1, 1, tzinfo=UTC)))
        assert "because it expired (2026-01-01" in self.show(profile)

    def test_an_unknown_id_is_a_usage_error(self, profile: Path) -> None:
        keep(profile)
        found = invoke("dlq", "show", "nope", *options(profile))
        assert found.exit_code == 2
        assert "`pillion dlq ls` shows which there are" in found.stderr


class TestReplaying:
    async def test_only_the_handler_that_failed_gets_it_again(self, profile: Path) -> None:
        handled: list[str] = []
        async with embedded([fragile(handled, broken=True)], profile) as host:
            await host.emit(told, 7)
            await until_quiet(host)
        assert handled == ["strong 7"]
        async with embedded([fragile(handled, broken=False)], profile):
            found = await run("dlq", "replay", "--all", *options(profile))
            assert found.out.startswith(f"replayed 1 dead letter to {WEAK}\n"), found
            await until(lambda: len(handled) > 1)
        assert handled == ["strong 7", "weak 7"]

    async def test_the_next_one_to_start_takes_it(self, profile: Path) -> None:
        handled: list[str] = []
        async with embedded([fragile(handled, broken=True)], profile) as host:
            await host.emit(told, 7)
            await until_quiet(host)
        assert (await run("dlq", "replay", "--handler", WEAK, *options(profile))).code == 0
        async with embedded([fragile(handled, broken=False)], profile):
            await until(lambda: len(handled) > 1)
        assert handled == ["strong 7", "weak 7"]

    def test_a_dry_run_changes_nothing(self, profile: Path) -> None:
        keep(profile, dead())
        found = invoke("dlq", "replay", "--all", "--dry-run", *options(profile))
        assert (found.exit_code, found.stdout) == (0, f"would replay 1 dead letter to {WEAK}\n")
        assert len(listed(options(profile))) == 1

    def test_it_has_to_be_said_which(self, profile: Path) -> None:
        found = invoke("dlq", "replay", *options(profile))
        assert found.exit_code == 2
        assert "say which: ids, --handler" in found.stderr

    def test_what_cannot_be_replayed_is_told_and_the_rest_is_replayed(self, profile: Path) -> None:
        keep(profile, dead(), malformed(b"\xff", "source.v1.told", "no JSON", WEAK), message("unclaimed"))
        found = invoke("dlq", "replay", "--all", *options(profile))
        assert found.exit_code == 1
        assert found.stdout.startswith(f"replayed 1 dead letter to {WEAK}\n")
        assert "no handler can take it" in found.stderr
        assert "with --to" in found.stderr
        assert len(listed(options(profile))) == 2

    async def test_a_letter_of_nobody_is_given_to_a_handler(self, profile: Path) -> None:
        await asyncio.to_thread(keep, profile, message())
        (letter,) = json.loads((await run("dlq", "ls", "--json", *options(profile))).out)
        found = await run("dlq", "replay", letter["id"], "--to", WEAK, *options(profile))
        assert found.code == 0, found.err
        handled: list[str] = []
        async with embedded([fragile(handled, broken=False)], profile):
            await until(lambda: handled)
        assert handled == ["weak 7"]

    async def test_a_letter_of_a_retired_version_is_given_to_its_successor(self, profile: Path) -> None:
        await asyncio.to_thread(keep, profile, dead())
        (letter,) = json.loads((await run("dlq", "ls", "--json", *options(profile, "service2"))).out)
        await run("dlq", "replay", letter["id"], "--to", "fragile.v2.weak", *options(profile, "service2"))
        handled: list[str] = []
        async with embedded([fragile(handled, broken=False, version=2)], profile):
            await until(lambda: handled)
        assert handled == ["weak 7"]

    def test_a_handler_that_is_not_there_is_answered_with_those_there_are(self, profile: Path) -> None:
        keep(profile, dead(address="fragile.v1.gone"))
        found = invoke("dlq", "replay", "--all", *options(profile))
        assert found.exit_code == 1
        assert "fragile.v1.weak, fragile.v1.strong" in found.stderr

    @pytest.mark.parametrize("handler", ["orders.v1.refund", "weak"])
    def test_a_handler_of_another_service_is_refused(self, profile: Path, handler: str) -> None:
        keep(profile, dead())
        (letter,) = listed(options(profile))
        found = invoke("dlq", "replay", letter["id"], "--to", handler, *options(profile))
        assert found.exit_code == 2
        assert f"{handler} is no handler of fragile.v1" in found.stderr


class TestDropping:
    def test_what_is_dropped_is_gone(self, profile: Path) -> None:
        keep(profile, dead("1"), dead("2", "fragile.v1.strong"))
        found = invoke("dlq", "drop", "--handler", WEAK, *options(profile))
        assert (found.exit_code, found.stdout) == (0, "dropped 1 dead letter\n")
        assert [letter["message_id"] for letter in listed(options(profile))] == ["2"]

    def test_a_dry_run_changes_nothing(self, profile: Path) -> None:
        keep(profile, dead())
        assert invoke("dlq", "drop", "--all", "--dry-run", *options(profile)).stdout == "would drop 1 dead letter\n"
        assert len(listed(options(profile))) == 1

    @pytest.mark.parametrize(("answer", "left"), [("n", 1), ("y", 0)])
    def test_on_a_terminal_it_asks(self, profile: Path, answer: str, left: int) -> None:
        keep(profile, dead())

        async def drop() -> bytes:
            ours, theirs = pty.openpty()
            command = (sys.executable, "-m", "pillion", "dlq", "drop", "--all", *options(profile))
            out = asyncio.subprocess.PIPE
            process = await asyncio.create_subprocess_exec(*command, stdin=theirs, stdout=out)
            os.write(ours, f"{answer}\n".encode())
            told, _ = await process.communicate()
            os.close(ours)
            os.close(theirs)
            return told

        assert b"Drop 1 dead letter for good?" in asyncio.run(drop())
        assert len(listed(options(profile))) == left


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

    def test_without_app_and_sidecar_both_ways_on_are_named(self) -> None:
        found = invoke("dlq", "ls")
        assert found.exit_code == 2
        assert "--app" in found.stderr
        assert "--sidecar-port" in found.stderr


@pytest.mark.parametrize("name", ["", "ls", "show", "replay", "drop"])
def test_each_help_teaches_by_examples(name: str) -> None:
    assert invoke("dlq", *name.split(), "--help").stdout.count(f"pillion dlq {name}".rstrip()) >= 3


class World(FakeWorld):
    """Fake sidecars with the state store of the service."""

    async def _sidecar(self, app_id: str, app_port: int | None) -> tuple[int, Sidecar]:
        sidecar = FakeSidecar(self._broker, app_id, app_port, state_stores=["fragile-state"])
        await sidecar.start()
        return sidecar.http_port, sidecar


class TestBeside:
    async def test_a_letter_is_found_and_replayed_to_the_handler_that_failed(self) -> None:
        async with World() as world:
            await found_and_replayed(world)

    async def test_the_service_need_not_run(self) -> None:
        async with World() as world:
            port = await broken_once(world, [])
            found = await run("dlq", "ls", "--sidecar-port", port)
        assert WEAK in found.out, found

    async def test_a_sidecar_without_the_component_is_told(self) -> None:
        async with FakeSidecar(FakeBroker(), "gateway", state_stores=["front"]) as sidecar:
            found = await run("dlq", "ls", "--sidecar-port", str(sidecar.http_port))
        assert found.code == 2
        assert 'the sidecar of "gateway" has not loaded gateway-state; it has front' in found.err

    async def test_service_and_store_can_be_named(self) -> None:
        async with FakeSidecar(FakeBroker(), "gateway", state_stores=["front"]) as sidecar:
            arguments = ("--sidecar-port", str(sidecar.http_port), "--service", "fragile.v1", "--store", "front")
            found = await run("dlq", "ls", *arguments)
        assert found == Finished(0, "no dead letters in front of sidecar gateway\n", "")


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
    assert (letter["subscriber"], letter["failure"], letter["attempts"]) == (WEAK, "ValueError", 2)
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
    await world.quiet()
    await world.stop(host)
    port, sidecar = await world._sidecar("fragile", None)
    world._stack.push_async_callback(sidecar.stop)
    return str(port)
