from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pillion.errors import ConfigurationError, SidecarUnavailable
from pillion.sidecar.ports import free_port, is_listening
from pillion.sidecar.process import Daprd, DaprdOptions, find_daprd
from tests.daprd import require_daprd

AT_ONCE = ("--dapr-block-shutdown-duration", "0s")


@pytest.fixture
def daprd_binary() -> Path:
    return require_daprd()


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


async def metadata(options: DaprdOptions) -> dict[str, Any]:
    async with (
        aiohttp.ClientSession(raise_for_status=True) as session,
        session.get(f"{options.endpoint}/v1.0/metadata") as answer,
    ):
        return dict(await answer.json())


class TestFind:
    def test_the_variable_wins(self, tmp_path: Path) -> None:
        chosen = program(tmp_path / "mine")
        program(tmp_path / ".dapr/bin/daprd")
        assert find_daprd({"DAPRD": str(chosen), "HOME": str(tmp_path)}) == chosen

    def test_a_variable_that_names_no_program_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match="DAPRD="):
            find_daprd({"DAPRD": str(tmp_path / "absent")})

    def test_the_newest_built_version_is_taken(self, tmp_path: Path) -> None:
        program(tmp_path / ".cache/pillion/dapr/1.9.9/daprd")
        newest = program(tmp_path / ".cache/pillion/dapr/1.18.2/daprd")
        assert find_daprd({"HOME": str(tmp_path)}) == newest

    def test_the_runtime_path_comes_before_the_home_folder(self, tmp_path: Path) -> None:
        program(tmp_path / "home/.dapr/bin/daprd")
        chosen = program(tmp_path / "runtime/.dapr/bin/daprd")
        assert find_daprd({"HOME": str(tmp_path / "home"), "DAPR_RUNTIME_PATH": str(tmp_path / "runtime")}) == chosen

    def test_the_search_path_comes_last(self, tmp_path: Path) -> None:
        chosen = program(tmp_path / "bin/daprd")
        assert find_daprd({"HOME": str(tmp_path), "PATH": str(chosen.parent)}) == chosen

    def test_without_any_the_error_says_how_to_get_one(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match="make dapr"):
            find_daprd({"HOME": str(tmp_path), "PATH": ""})


class TestOptions:
    def test_every_listener_is_on_loopback(self) -> None:
        arguments = " ".join(DaprdOptions(app_id="a", metrics_port=1).arguments())
        assert "--dapr-listen-addresses 127.0.0.1" in arguments
        assert "--dapr-internal-grpc-listen-address 127.0.0.1" in arguments
        assert "--metrics-listen-address 127.0.0.1" in arguments

    def test_metrics_are_off_by_default(self) -> None:
        assert "--enable-metrics=false" in DaprdOptions(app_id="a").arguments()

    def test_extra_flags_come_last_so_that_they_win(self) -> None:
        assert DaprdOptions(app_id="a", flags=AT_ONCE).arguments()[-2:] == AT_ONCE

    def test_tokens_go_to_the_environment_and_are_not_shown(self) -> None:
        options = DaprdOptions(app_id="a", api_token="s3cret", app_token="t0ken")
        variables = options.variables({})
        assert (variables["DAPR_API_TOKEN"], variables["APP_API_TOKEN"]) == ("s3cret", "t0ken")
        assert "s3cret" not in repr(options) + " ".join(options.arguments())

    def test_an_own_host_address_is_kept(self) -> None:
        assert DaprdOptions(app_id="a").variables({"DAPR_HOST_IP": "10.0.0.1"})["DAPR_HOST_IP"] == "10.0.0.1"


def test_free_ports_are_all_different() -> None:
    ports = [free_port() for _ in range(200)]
    assert len(set(ports)) == 200


@pytest.mark.daprd
class TestDaprd:
    async def test_it_is_ready_with_its_outward_side(self, daprd_binary: Path) -> None:
        async with Daprd(DaprdOptions(app_id="ready", flags=AT_ONCE), binary=daprd_binary) as daprd:
            assert (await metadata(daprd.options))["id"] == "ready"

    async def test_stop_ends_it_and_says_zero(self, daprd_binary: Path) -> None:
        daprd = Daprd(DaprdOptions(app_id="stop", flags=AT_ONCE), binary=daprd_binary)
        await daprd.start()
        await daprd.wait_ready()
        assert await daprd.stop() == 0
        assert not is_listening(daprd.options.http_port)

    async def test_kill_ends_it_at_once(self, daprd_binary: Path) -> None:
        daprd = Daprd(DaprdOptions(app_id="kill"), binary=daprd_binary)
        await daprd.start()
        await daprd.wait_ready()
        assert await daprd.kill() == -9
        assert daprd.returncode == -9

    async def test_stopping_twice_is_harmless(self, daprd_binary: Path) -> None:
        daprd = Daprd(DaprdOptions(app_id="twice", flags=AT_ONCE), binary=daprd_binary)
        await daprd.start()
        await daprd.wait_ready()
        await daprd.stop()
        assert await daprd.stop() == 0

    async def test_a_death_at_start_is_told_with_its_last_lines(self, daprd_binary: Path, tmp_path: Path) -> None:
        options = DaprdOptions(app_id="dead", config_path=tmp_path / "absent.yaml")
        with pytest.raises(SidecarUnavailable, match=r"(?s)'dead': ended with exit code 1.*absent\.yaml"):
            async with Daprd(options, binary=daprd_binary):
                pass

    async def test_log_lines_go_to_the_callback(self, daprd_binary: Path) -> None:
        lines: list[str] = []
        async with Daprd(DaprdOptions(app_id="talk", flags=AT_ONCE), binary=daprd_binary, output=lines.append):
            pass
        assert any("app_id=talk" in line for line in lines)

    async def test_its_token_is_asked_of_clients(self, daprd_binary: Path) -> None:
        options = DaprdOptions(app_id="token", api_token="s3cret", flags=AT_ONCE)
        async with Daprd(options, binary=daprd_binary):
            with pytest.raises(aiohttp.ClientResponseError) as refused:
                await metadata(options)
        assert refused.value.status == 401


async def test_a_program_that_cannot_start_is_a_clear_error(tmp_path: Path) -> None:
    daprd = Daprd(DaprdOptions(app_id="none"), binary=tmp_path / "absent")
    with pytest.raises(ConfigurationError, match="cannot be started"):
        await daprd.start()
