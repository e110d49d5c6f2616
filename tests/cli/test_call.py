from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from click.shell_completion import ShellComplete

from pillion.cli.main import main
from pillion.runtime.settings import HostSettings
from pillion.sidecar.ports import free_port
from tests.cli.apps import greeter
from tests.cli.invoking import invoke, run
from tests.conformance.daprworld import FakeWorld

APP = ("--app", "tests.cli.apps:greeter")
BOTH = (*APP, "--app", "tests.cli.apps:greeter2")


class TestInProcess:
    def test_the_answer_is_json_on_standard_output(self) -> None:
        result = invoke("call", "greeter.hello", '{"name": "Ada"}', *APP)
        assert (result.exit_code, result.stdout, result.stderr) == (0, '"Hello, Ada!"\n', "")

    def test_the_highest_version_is_the_default(self) -> None:
        result = invoke("call", "greeter.hello", '"Ada"', *BOTH)
        assert json.loads(result.stdout) == {"greeting": "Hi, Ada, Ünï"}

    def test_a_version_can_be_named(self) -> None:
        assert invoke("call", "greeter.v1.hello", '{"name": "Ada"}', *BOTH).stdout == '"Hello, Ada!"\n'

    def test_the_payload_comes_from_standard_input(self) -> None:
        assert invoke("call", "greeter.hello", "-", *APP, stdin='{"name": "Ada"}').stdout == '"Hello, Ada!"\n'

    def test_the_payload_comes_from_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "ada.json").write_text('{"name": "Ada"}')
        assert invoke("call", "greeter.hello", f"@{tmp_path}/ada.json", *APP).stdout == '"Hello, Ada!"\n'

    def test_bytes_go_in_and_out_as_they_are(self, tmp_path: Path) -> None:
        (tmp_path / "blob").write_bytes(b"\x00\xff1")
        assert invoke("call", "greeter.blob", f"@{tmp_path}/blob", *APP).stdout_bytes == b"1\xff\x00"

    def test_tenant_and_principal_travel(self) -> None:
        result = invoke("call", "greeter.whoami", *APP, "--tenant", "acme", "--principal", "ada")
        assert result.stdout == '["acme","ada"]\n'

    def test_a_declared_failure_is_shown_with_its_data(self) -> None:
        result = invoke("call", "greeter.hello", '{"name": "Bob"}', *APP)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == (
            "pillion: greeter.v1.hello failed: rude (403). We do not greet such people\n  whom: Bob\n"
        )

    def test_each_wrong_field_has_a_line(self) -> None:
        result = invoke("call", "greeter.hello", '{"nam": "Ada"}', *APP)
        assert result.exit_code == 1
        assert "invalid_input (400)" in result.stderr
        assert "\n  name: Field required\n" in result.stderr

    def test_an_unexpected_error_shows_its_traceback_in_the_log(self) -> None:
        result = invoke("call", "greeter.crash", *APP)
        assert result.exit_code == 1
        assert "internal_error (500)" in result.stderr
        assert "ZeroDivisionError" in result.stderr

    def test_a_callee_that_is_not_here_ends_with_the_time_limit(self) -> None:
        arguments = ("--app", "tests.cli.apps:caller", "--timeout", "0.05")
        result = invoke("call", "caller.pass_on", '{"name": "Ada"}', *arguments)
        assert result.exit_code == 1
        assert "deadline_exceeded (504)" in result.stderr

    def test_a_port_of_the_environment_is_left_alone(self) -> None:
        result = invoke("call", "greeter.hello", '{"name": "Ada"}', *APP, PILLION_PORT="1")
        assert (result.exit_code, result.stderr) == (0, "")


class TestUsage:
    def test_an_unknown_command_is_answered_with_those_there_are(self) -> None:
        result = invoke("call", "greeter.helo", '"Ada"', *BOTH)
        assert result.exit_code == 2
        assert "did you mean greeter.v1.hello?" in result.stderr
        assert "greeter.v2.hello" in result.stderr

    def test_an_unknown_version_is_an_unknown_command(self) -> None:
        result = invoke("call", "greeter.v3.hello", '"Ada"', *BOTH)
        assert result.exit_code == 2
        assert "there is no greeter.v3.hello here" in result.stderr

    @pytest.mark.parametrize("address", ["greeter", "greeter.", ".hello", "greeter.v0.hello", "a.b.c"])
    def test_what_is_no_address_is_refused(self, address: str) -> None:
        result = invoke("call", address, *APP)
        assert result.exit_code == 2
        assert "write SERVICE.NAME" in result.stderr

    def test_what_is_no_json_is_refused(self) -> None:
        result = invoke("call", "greeter.hello", "{name: Ada}", *APP)
        assert result.exit_code == 2
        assert "the payload is no JSON" in result.stderr

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        result = invoke("call", "greeter.hello", f"@{tmp_path}/absent", *APP)
        assert result.exit_code == 2
        assert "absent: No such file" in result.stderr

    @pytest.mark.usefixtures("default_port")
    def test_without_app_and_sidecar_both_ways_on_are_named(self) -> None:
        result = invoke("call", "greeter.hello", '"Ada"')
        assert result.exit_code == 2
        assert "--app" in result.stderr
        assert "--sidecar-port" in result.stderr

    def test_a_sidecar_that_does_not_answer_is_named(self) -> None:
        port = free_port()
        result = invoke("call", "greeter.hello", '"Ada"', DAPR_HTTP_PORT=str(port))
        assert result.exit_code == 2
        assert f"no answer from the sidecar at http://127.0.0.1:{port}" in result.stderr

    def test_a_service_that_cannot_start_is_told(self) -> None:
        result = invoke("call", "broken.act", "1", "--app", "tests.cli.apps:broken")
        assert result.exit_code == 2
        assert "broken could not start: RuntimeError: no database" in result.stderr

    def test_the_shell_completes_commands_of_the_app(self) -> None:
        completer = ShellComplete(main, {}, "pillion", "_PILLION_COMPLETE")
        found = completer.get_completions(["call", *BOTH], "greeter.v1.h")
        assert [item.value for item in found] == ["greeter.v1.hello"]

    def test_the_shell_completes_nothing_for_a_broken_app(self) -> None:
        completer = ShellComplete(main, {}, "pillion", "_PILLION_COMPLETE")
        assert completer.get_completions(["call", "--app", "absent:absent"], "g") == []

    def test_help_says_which_exit_code_is_which(self) -> None:
        told = " ".join(invoke("call", "--help").stdout.split())
        assert "1 the command failed or its service was not reached, 2 wrong usage, or no sidecar" in told

    def test_help_teaches_by_examples(self) -> None:
        assert invoke("call", "--help").stdout.count("pillion call") >= 3


@pytest.mark.slow
class TestBeside:
    @pytest_asyncio.fixture
    async def port(self) -> AsyncIterator[str]:
        async with FakeWorld() as world:
            await world.start(greeter)
            yield str((await world._sidecar("outsider", None))[0])

    async def test_the_answer_is_json_on_standard_output(self, port: str) -> None:
        found = await run("call", "greeter.hello", '{"name": "Ada"}', "--sidecar-port", port)
        assert found == (0, '"Hello, Ada!"\n', "")

    async def test_tenant_and_principal_travel(self, port: str) -> None:
        identity = ("--tenant", "acme", "--principal", "ada")
        found = await run("call", "greeter.whoami", "--sidecar-port", port, *identity)
        assert found.out == '["acme","ada"]\n'

    async def test_bytes_come_out_as_they_are(self, port: str) -> None:
        assert (await run("call", "greeter.blob", '"cba"', "--sidecar-port", port)).out == "abc"

    async def test_an_answer_that_is_too_large_for_the_broker_is_fetched(self) -> None:
        async with FakeWorld(HostSettings(claim_check_bytes=1)) as world:
            await world.start(greeter)
            port = str((await world._sidecar("outsider", None))[0])
            found = await run("call", "greeter.hello", '{"name": "Ada"}', "--sidecar-port", port)
            assert found == (0, '"Hello, Ada!"\n', "")

    async def test_a_failure_is_shown_with_its_data(self, port: str) -> None:
        found = await run("call", "greeter.hello", '{"name": "Bob"}', "--sidecar-port", port)
        assert found.code == 1
        assert found.err.endswith("failed: rude (403). We do not greet such people\n  whom: Bob\n")

    async def test_each_wrong_field_has_a_line(self, port: str) -> None:
        found = await run("call", "greeter.hello", "{}", "--sidecar-port", port)
        assert found.code == 1
        assert "\n  name: Field required\n" in found.err

    async def test_an_unknown_command_is_a_failure(self, port: str) -> None:
        found = await run("call", "greeter.helo", "--sidecar-port", port)
        assert found.code == 1
        assert "unknown_command (404)" in found.err

    async def test_an_unknown_app_is_a_failure(self, port: str) -> None:
        found = await run("call", "nobody.hello", "--sidecar-port", port)
        assert found.code == 1
        assert "'nobody'" in found.err

    async def test_the_app_id_may_differ(self, port: str) -> None:
        arguments = ("--sidecar-port", port, "--app-id", "nobody")
        assert "app 'nobody'" in (await run("call", "greeter.hello", *arguments)).err
