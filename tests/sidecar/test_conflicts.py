from __future__ import annotations

from pathlib import Path

import pytest

from pillion.errors import ConfigurationError
from pillion.sidecar.conflicts import find_conflict, refuse_conflict


def install(folder: Path, **versions: str) -> list[str]:
    for name, version in versions.items():
        info = folder / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return [str(folder)]


def test_dapr_alone_is_no_conflict(tmp_path: Path) -> None:
    assert find_conflict(install(tmp_path, dapr="1.19.0")) is None


def test_an_extension_of_the_time_before_is_no_conflict(tmp_path: Path) -> None:
    assert find_conflict(install(tmp_path, dapr="1.18.3", dapr_ext_grpc="1.18.3")) is None


def test_without_dapr_there_is_no_conflict(tmp_path: Path) -> None:
    assert find_conflict([str(tmp_path)]) is None


@pytest.mark.parametrize("extension", ["dapr_ext_grpc", "dapr_ext_fastapi"])
def test_an_extension_beside_a_dapr_that_contains_it_is_explained(tmp_path: Path, extension: str) -> None:
    conflict = find_conflict(install(tmp_path, dapr="1.19.0", **{extension: "1.18.3"}))
    assert conflict is not None
    assert f"pip uninstall -y {extension.replace('_', '-')}" in conflict
    assert "--force-reinstall --no-deps dapr==1.19.0" in conflict


def test_refusing_raises_the_repair(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="force-reinstall"):
        refuse_conflict(install(tmp_path, dapr="1.20.1", dapr_ext_grpc="1.18.3"))


def test_this_environment_has_none() -> None:
    refuse_conflict()
