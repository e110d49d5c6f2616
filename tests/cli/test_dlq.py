"""A dead letter is replayed and dropped by somebody who has only the command line."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import sys
from pathlib import Path

import pytest

from pillion.cli.inprocess import embedded, until_quiet
from pillion.resilience.deadletter import malformed
from tests.cli.fragile import fragile, told
from tests.cli.invoking import invoke, run
from tests.cli.letters import WEAK, dead, keep, listed, message, options, until

ASKING = "this cannot ask, as stdin is no terminal; add --yes to drop 2 dead letters, or --dry-run to see them"


class TestReplaying:
    @pytest.mark.slow
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

    @pytest.mark.slow
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
        lines = found.stdout.splitlines()
        assert (found.exit_code, lines[-1]) == (0, f"would replay 1 dead letter to {WEAK}")
        assert lines[1].split()[2:5] == [WEAK, "ValueError", "1"]
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

    @pytest.mark.slow
    async def test_a_letter_of_nobody_is_given_to_a_handler(self, profile: Path) -> None:
        await asyncio.to_thread(keep, profile, message())
        (letter,) = json.loads((await run("dlq", "ls", "--json", *options(profile))).out)
        found = await run("dlq", "replay", letter["id"], "--to", WEAK, *options(profile))
        assert found.code == 0, found.err
        handled: list[str] = []
        async with embedded([fragile(handled, broken=False)], profile):
            await until(lambda: handled)
        assert handled == ["weak 7"]

    @pytest.mark.slow
    async def test_a_letter_of_a_retired_version_is_given_to_its_successor(self, profile: Path) -> None:
        await asyncio.to_thread(keep, profile, dead())
        (letter,) = json.loads((await run("dlq", "ls", "--json", *options(profile, "service2"))).out)
        await run("dlq", "replay", letter["id"], "--to", "fragile.v2.weak", *options(profile, "service2"))
        handled: list[str] = []
        async with embedded([fragile(handled, broken=False, version=2)], profile):
            await until(lambda: handled)
        assert handled == ["weak 7"]

    @pytest.mark.parametrize("dry", [(), ("--dry-run",)])
    def test_a_letter_of_no_handler_of_the_service_is_refused_dry_or_not(
        self, profile: Path, dry: tuple[str, ...]
    ) -> None:
        keep(profile, dead(address="com.dapr.event.sent"))
        found = invoke("dlq", "replay", "--all", *dry, *options(profile))
        assert (found.exit_code, found.stdout) == (1, "")
        assert "com.dapr.event.sent is no handler of fragile.v1; choose one with --to: fragile.v1.weak" in found.stderr

    def test_a_handler_that_is_not_there_is_answered_with_those_there_are(self, profile: Path) -> None:
        keep(profile, dead(address="fragile.v1.gone"))
        found = invoke("dlq", "replay", "--all", *options(profile))
        assert found.exit_code == 1
        assert "fragile.v1.weak, fragile.v1.strong" in found.stderr

    @pytest.mark.parametrize("dry", [(), ("--dry-run",)])
    @pytest.mark.parametrize("handler", ["orders.v1.refund", "weak"])
    def test_a_handler_of_another_service_is_refused(self, profile: Path, handler: str, dry: tuple[str, ...]) -> None:
        keep(profile, dead())
        (letter,) = listed(options(profile))
        found = invoke("dlq", "replay", letter["id"], "--to", handler, *dry, *options(profile))
        assert found.exit_code == 2
        assert f"{handler} is no handler of fragile.v1" in found.stderr


class TestDropping:
    def test_what_is_dropped_is_gone(self, profile: Path) -> None:
        keep(profile, dead("1"), dead("2", "fragile.v1.strong"))
        found = invoke("dlq", "drop", "--handler", WEAK, "--yes", *options(profile))
        assert (found.exit_code, found.stdout) == (0, "dropped 1 dead letter\n")
        assert [letter["message_id"] for letter in listed(options(profile))] == ["2"]

    def test_a_dry_run_changes_nothing(self, profile: Path) -> None:
        keep(profile, dead())
        lines = invoke("dlq", "drop", "--all", "--dry-run", *options(profile)).stdout.splitlines()
        assert (WEAK in lines[1], lines[2]) == (True, "would drop 1 dead letter")
        assert len(listed(options(profile))) == 1

    def test_where_nobody_can_be_asked_it_refuses(self, profile: Path) -> None:
        keep(profile, dead("1"), dead("2"))
        found = invoke("dlq", "drop", "--all", *options(profile))
        assert (found.exit_code, found.stderr) == (
            2,
            f"pillion: {ASKING}\n",
        )
        assert len(listed(options(profile))) == 2

    @pytest.mark.slow
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


@pytest.mark.parametrize("name", ["", "ls", "show", "replay", "drop"])
def test_each_help_teaches_by_examples(name: str) -> None:
    assert invoke("dlq", *name.split(), "--help").stdout.count(f"pillion dlq {name}".rstrip()) >= 3
