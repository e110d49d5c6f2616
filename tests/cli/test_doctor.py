from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from pillion.cli import surroundings
from pillion.cli.finding import Finding
from pillion.cli.main import main
from pillion.cli.profile import check_loaded, check_needs, check_profiles
from pillion.sidecar.ports import free_port
from pillion.sidecar.process import Daprd, DaprdOptions
from pillion.testing.sidecar import FakeBroker, FakeSidecar
from tests.daprd import require_daprd

PUBSUB = """
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: pubsub}
spec:
  type: pubsub.in-memory
"""

RESILIENCY = """
apiVersion: dapr.io/v1alpha1
kind: Resiliency
metadata: {name: zero-loss}
spec:
  policies:
    retries: {endless: {policy: constant, maxRetries: -1}}
    timeouts: {delivery: 60s}
  targets:
    components:
      pubsub: {inbound: {retry: endless, timeout: delivery}}
"""


def profile_of(folder: Path, **files: str) -> list[Finding]:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return check_profiles([folder])


def only(findings: list[Finding]) -> Finding:
    (finding,) = findings
    return finding


@pytest.fixture
def server() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


class TestFinding:
    def test_all_well_is_ok(self) -> None:
        assert str(Finding("python", "3.11")) == "ok python: 3.11"

    def test_something_to_do_says_what(self) -> None:
        assert str(Finding("port", "in use", "stop it")) == "!! port: in use -> stop it"


class TestProfile:
    def test_a_good_profile_is_ok(self, tmp_path: Path) -> None:
        assert all(finding.ok for finding in profile_of(tmp_path, pubsub=PUBSUB, resiliency=RESILIENCY))

    def test_what_a_type_loses_in_any_case_is_told(self, tmp_path: Path) -> None:
        limit = profile_of(tmp_path, pubsub=PUBSUB, resiliency=RESILIENCY)[-1]
        assert limit.text.startswith("pubsub.in-memory: what is in flight is lost")

    def test_a_setting_from_a_secret_is_named_as_not_judged(self, tmp_path: Path) -> None:
        group = "  metadata: [{name: initialOffset, secretKeyRef: {name: offset, key: offset}}]\n"
        findings = profile_of(tmp_path, pubsub=PUBSUB.replace("in-memory", "kafka") + group, resiliency=RESILIENCY)
        assert any("pubsub: not judged: initialOffset" in finding.text for finding in findings)

    def test_a_folder_without_yaml_is_told(self, tmp_path: Path) -> None:
        assert "no YAML file" in only(check_profiles([tmp_path])).text

    def test_a_file_that_is_no_yaml_is_named(self, tmp_path: Path) -> None:
        finding = profile_of(tmp_path, broken="a: [", pubsub=PUBSUB, resiliency=RESILIENCY)[0]
        assert (finding.what, finding.ok) == ("broken.yaml", False)

    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            ("metadata: {name: x}", "without kind"),
            ("kind: Component\nspec: {type: state.redis}", "without a name"),
            ("kind: Component\nmetadata: {name: x}", "component x without a type"),
            ("kind: Compnent\nmetadata: {name: x}", "unknown kind Compnent"),
            ("- 1", "without kind"),
        ],
    )
    def test_what_a_document_lacks_is_told(self, tmp_path: Path, text: str, complaint: str) -> None:
        assert any(complaint in finding.text for finding in profile_of(tmp_path, it=text))

    def test_a_name_given_twice_is_told_with_its_files(self, tmp_path: Path) -> None:
        finding = profile_of(tmp_path, a=PUBSUB, b=PUBSUB, resiliency=RESILIENCY)[0]
        assert "2 times Component pubsub (a.yaml, b.yaml)" in finding.text

    def test_a_pubsub_without_retry_says_which_loss_that_means(self, tmp_path: Path) -> None:
        finding = profile_of(tmp_path, pubsub=PUBSUB)[0]
        assert "acknowledged and lost" in finding.text
        assert "targets.components.pubsub.inbound.retry" in finding.remedy

    def test_a_server_that_answers_is_ok(self, tmp_path: Path, server: int) -> None:
        redis = f"spec: {{type: state.redis, metadata: [{{name: redisHost, value: '127.0.0.1:{server}'}}]}}"
        finding = profile_of(tmp_path, state=f"kind: Component\nmetadata: {{name: s}}\n{redis}")[-1]
        assert str(finding) == f"ok 127.0.0.1:{server}: reachable, for s"

    def test_a_server_that_is_down_is_told_without_its_password(self, tmp_path: Path) -> None:
        port = free_port()
        rabbit = f"spec: {{type: pubsub.rabbitmq, metadata: [{{name: connectionString, value: 'amqp://u:secret@127.0.0.1:{port}'}}]}}"
        finding = profile_of(tmp_path, p=f"kind: Component\nmetadata: {{name: p}}\n{rabbit}")[-1]
        assert str(finding).startswith(f"!! 127.0.0.1:{port}: no server there")
        assert "secret" not in str(finding)

    def test_a_component_that_a_service_needs_is_missed(self, tmp_path: Path) -> None:
        profile_of(tmp_path, pubsub=PUBSUB)
        assert "no component orders-state" in check_needs([tmp_path], "orders.v1", ("pubsub", "orders-state")).text


class TestSurroundings:
    def test_tokens_are_never_shown(self) -> None:
        finding = surroundings.tokens({"DAPR_API_TOKEN": "s3cret"})
        assert finding.text == "DAPR_API_TOKEN is set, APP_API_TOKEN is not set"

    def test_without_a_sidecar_services_run_embedded(self) -> None:
        assert surroundings.sidecar({}).ok

    def test_a_sidecar_that_does_not_answer_is_told(self) -> None:
        finding = surroundings.sidecar({"DAPR_HTTP_PORT": str(free_port())})
        assert not finding.ok
        assert "pillion dev" in finding.remedy

    def test_a_port_that_makes_no_sense_is_told(self) -> None:
        assert not surroundings.sidecar({"DAPR_HTTP_PORT": "many"}).ok

    def test_a_free_app_port_is_ok(self) -> None:
        assert surroundings.app_port({"APP_PORT": str(free_port())}).ok

    def test_an_app_port_in_use_is_something_to_do(self, server: int) -> None:
        assert not surroundings.app_port({"APP_PORT": str(server)}).ok

    def test_beside_a_sidecar_the_app_may_be_running(self, server: int) -> None:
        assert surroundings.app_port({"APP_PORT": str(server), "DAPR_HTTP_PORT": "3500"}).ok

    def test_a_missing_daprd_says_how_to_get_one(self, tmp_path: Path) -> None:
        finding = surroundings.daprd({"HOME": str(tmp_path), "PATH": ""})
        assert "make dapr" in finding.remedy

    @pytest.mark.parametrize(("version", "ok"), [("1.16.9", False), ("1.17.0", True), ("1.18.2", True), ("edge", True)])
    def test_an_old_daprd_is_told(self, tmp_path: Path, version: str, ok: bool) -> None:
        binary = tmp_path / "daprd"
        binary.write_text(f"#!/bin/sh\necho {version}\n")
        binary.chmod(0o755)
        assert surroundings.daprd({"DAPRD": str(binary)}).ok is ok


@pytest.mark.daprd
async def test_a_running_sidecar_says_what_it_has_loaded(tmp_path: Path) -> None:
    require_daprd()
    (tmp_path / "pubsub.yaml").write_text(PUBSUB + "  version: v1\n")
    at_once = ("--dapr-block-shutdown-duration", "0s")
    options = DaprdOptions(app_id="patient", resources_paths=(tmp_path,), flags=at_once)
    async with Daprd(options):
        finding = await asyncio.to_thread(surroundings.sidecar, {"DAPR_HTTP_PORT": str(options.http_port)})
        loaded = await asyncio.to_thread(surroundings.loaded, {"DAPR_HTTP_PORT": str(options.http_port)})
    assert finding.ok
    assert "pubsub (pubsub.in-memory)" in finding.text
    assert loaded is not None
    assert list(check_loaded([tmp_path], loaded)) == []
    (unchecked,) = check_loaded([], loaded)
    assert "pubsub (pubsub.in-memory) can lose messages" in unchecked.text
    assert "PILLION_PROFILE" in unchecked.remedy
    (tmp_path / "pubsub.yaml").write_text(PUBSUB.replace("in-memory", "redis"))
    (difference,) = check_loaded([tmp_path], loaded)
    assert "pubsub (pubsub.in-memory), which is of type pubsub.redis" in difference.text
    assert "PILLION_PROFILE" in difference.remedy


class TestCommand:
    def test_json_has_every_finding(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("DAPR_HTTP_PORT", "DAPR_GRPC_PORT", "PILLION_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        result = CliRunner().invoke(main, ["doctor", "--json"])
        findings = json.loads(result.stdout)
        assert {"python", "daprd", "sidecar", "tokens", "app port"} <= {finding["what"] for finding in findings}
        assert result.exit_code == (0 if all(finding["ok"] for finding in findings) else 1)

    def test_something_to_do_is_exit_code_one(self, tmp_path: Path) -> None:
        result = CliRunner().invoke(main, ["doctor", "--profile", str(tmp_path)])
        assert result.exit_code == 1
        assert "!! profile:" in result.stdout

    async def test_beside_a_sidecar_whose_settings_nobody_names_there_is_something_to_do(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("PILLION_PROFILE", raising=False)
        async with FakeSidecar(FakeBroker(), "orders", None) as sidecar:
            monkeypatch.setenv("DAPR_HTTP_PORT", str(sidecar.http_port))
            result = await asyncio.to_thread(CliRunner().invoke, main, ["doctor"])
        assert result.exit_code == 1
        (line,) = [line for line in result.stdout.splitlines() if "can lose messages" in line]
        assert line.startswith("!! sidecar: pubsub (")
        assert "PILLION_PROFILE" in line

    @pytest.mark.parametrize(("target", "mark"), [("greeter", "ok greeter.v1"), ("logger", "!! log.v1")])
    def test_a_state_component_is_missed_by_services_whose_declaration_needs_it(
        self, tmp_path: Path, target: str, mark: str
    ) -> None:
        (tmp_path / "pubsub.yaml").write_text(PUBSUB)
        (tmp_path / "resiliency.yaml").write_text(RESILIENCY)
        result = CliRunner().invoke(main, ["doctor", "--profile", str(tmp_path), f"tests.cli.apps:{target}"])
        (line,) = [line for line in result.stdout.splitlines() if "no component" in line]
        assert line.startswith(mark)
        assert "-state" in line

    @pytest.mark.parametrize(
        ("kind", "beside", "mark"),
        [("in-memory", "", "ok greeter.v1"), ("in-memory", "1", "!! greeter.v1"), ("redis", "", "!! greeter.v1")],
    )
    def test_a_pubsub_component_is_missed_only_where_a_sidecar_needs_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, beside: str, mark: str
    ) -> None:
        monkeypatch.setenv("DAPR_HTTP_PORT", beside)
        state = f"kind: Component\nmetadata: {{name: greeter-state}}\nspec: {{type: state.{kind}}}"
        (tmp_path / "state.yaml").write_text(state)
        result = CliRunner().invoke(main, ["doctor", "--profile", str(tmp_path), "tests.cli.apps:greeter"])
        (line,) = [line for line in result.stdout.splitlines() if "no component pubsub" in line]
        assert line.startswith(mark)

    def test_a_service_that_cannot_be_imported_is_a_finding(self) -> None:
        result = CliRunner().invoke(main, ["doctor", "doctor_absent:service"])
        assert "!! doctor_absent:service" in result.stdout

    def test_a_service_whose_import_fails_is_a_finding_of_one_line(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "doctor_failing.py").write_text("1 / 0\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        result = CliRunner().invoke(main, ["doctor", "doctor_failing:service"])
        (line,) = [line for line in result.stdout.splitlines() if "doctor_failing" in line]
        assert "ZeroDivisionError" in line
