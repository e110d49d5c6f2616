from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from pillion.cli.runfile import Entry, read_runfile
from pillion.errors import ConfigurationError


def write(folder: Path, text: str) -> Path:
    path = folder / "dapr.yaml"
    path.write_text(textwrap.dedent(text))
    return path


def read(folder: Path, text: str) -> tuple[Entry, ...]:
    return read_runfile(write(folder, text), {"HOME": str(folder / "home")})


def test_an_entry_has_its_command_ports_and_folder(tmp_path: Path) -> None:
    (entry,) = read(
        tmp_path,
        """
        version: 1
        apps:
        - appID: orders
          appDirPath: .
          command: [python, -m, orders, 1]
          appPort: 8001
          daprHTTPPort: 3501
          daprGRPCPort: 50011
          daprInternalGRPCPort: 47301
          metricsPort: 9091
        """,
    )
    assert (entry.app_id, entry.command, entry.directory) == ("orders", ("python", "-m", "orders", "1"), tmp_path)
    assert (entry.app_port, entry.http_port, entry.grpc_port) == (8001, 3501, 50011)
    assert (entry.internal_grpc_port, entry.metrics_port) == (47301, 9091)


def test_the_app_id_defaults_to_the_folder(tmp_path: Path) -> None:
    (tmp_path / "orders").mkdir()
    (entry,) = read(tmp_path, "version: 1\napps: [{appDirPath: orders, command: [x]}]")
    assert entry.app_id == "orders"


def test_ports_not_given_are_left_open(tmp_path: Path) -> None:
    (entry,) = read(tmp_path, "version: 1\napps: [{appDirPath: ., appPort: -1, command: [x]}]")
    assert (entry.app_port, entry.http_port) == (None, None)


def test_an_application_wins_over_common(tmp_path: Path) -> None:
    first, second = read(
        tmp_path,
        """
        version: 1
        common: {logLevel: warn, env: {A: common, B: common}}
        apps:
        - {appID: a, appDirPath: ., command: [x], logLevel: debug, env: {A: own}}
        - {appID: b, appDirPath: ., command: [x]}
        """,
    )
    assert (first.log_level, second.log_level) == ("debug", "warn")
    assert first.environment == {"A": "own", "B": "common"}
    assert second.environment == {"A": "common", "B": "common"}


def test_a_true_in_common_cannot_be_turned_off(tmp_path: Path) -> None:
    (entry,) = read(
        tmp_path,
        """
        version: 1
        common: {enableApiLogging: true}
        apps: [{appDirPath: ., command: [x], enableApiLogging: false}]
        """,
    )
    assert "--enable-api-logging" in entry.flags


def test_environment_values_stay_as_they_are_written(tmp_path: Path) -> None:
    (entry,) = read(tmp_path, "version: 1\napps: [{appDirPath: ., command: [x], env: {A: 010, B: yes, C: ''}}]")
    assert entry.environment == {"A": "010", "B": "yes", "C": ""}


class TestPaths:
    def test_common_paths_are_relative_to_the_file_and_own_ones_to_the_application(self, tmp_path: Path) -> None:
        for folder in ("app/mine", "other", "shared"):
            (tmp_path / folder).mkdir(parents=True)
        first, second = read(
            tmp_path,
            """
            version: 1
            common: {resourcesPaths: [shared]}
            apps:
            - {appDirPath: app, command: [x], resourcesPaths: [mine]}
            - {appDirPath: other, command: [x]}
            """,
        )
        assert first.resources_paths == (tmp_path / "app/mine",)
        assert second.resources_paths == (tmp_path / "shared",)

    def test_resources_beside_the_application_win_over_common(self, tmp_path: Path) -> None:
        for folder in ("app/.dapr/resources", "shared"):
            (tmp_path / folder).mkdir(parents=True)
        (entry,) = read(
            tmp_path, "version: 1\ncommon: {resourcesPaths: [shared]}\napps: [{appDirPath: app, command: [x]}]"
        )
        assert entry.resources_paths == (tmp_path / "app/.dapr/resources",)

    def test_the_home_folder_comes_last(self, tmp_path: Path) -> None:
        (tmp_path / "home/.dapr/components").mkdir(parents=True)
        (tmp_path / "home/.dapr/config.yaml").touch()
        (entry,) = read(tmp_path, "version: 1\napps: [{appDirPath: ., command: [x]}]")
        assert entry.resources_paths == (tmp_path / "home/.dapr/components",)
        assert entry.config_path == tmp_path / "home/.dapr/config.yaml"

    def test_the_configuration_of_common_is_used(self, tmp_path: Path) -> None:
        (tmp_path / "config.yaml").touch()
        (entry,) = read(
            tmp_path, "version: 1\ncommon: {configFilePath: config.yaml}\napps: [{appDirPath: ., command: [x]}]"
        )
        assert entry.config_path == tmp_path / "config.yaml"

    def test_an_absent_path_is_an_error_with_its_place(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=r"apps\[0\] \(a\)\.resourcesPaths: .*nowhere does not exist"):
            read(tmp_path, "version: 1\napps: [{appID: a, appDirPath: ., command: [x], resourcesPaths: [nowhere]}]")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("version: 1\napps: [{appID: a, appDirPath: .}]", r"apps\[0\] \(a\)\.command is missing"),
        ("version: 1\napps: [{appDirPath: ., command: []}]", r"apps\[0\]\.command"),
        ("version: 1\napps: [{command: [x]}]", r"apps\[0\]\.appDirPath is missing"),
        ("apps: [{appDirPath: ., command: [x]}]", "version is missing"),
        ("version: 1", "apps is missing"),
        ("", "version is missing"),
        ("- 1", "top level"),
        ("version: 1\napps: [x]", r"apps\[0\]"),
        ("version: 1\napps: [{appDirPath: ., command: [x], appPort: many}]", r"apps\[0\]\.appPort: .*integer"),
        (
            "version: 1\napps: [{appID: a, appDirPath: ., command: [x], resourcePaths: [y]}]",
            r"apps\[0\] \(a\)\.resourcePaths is an unknown field; did you mean resourcesPaths\?",
        ),
        (
            "version: 1\ncommon: {appPort: 1}\napps: [{appDirPath: ., command: [x]}]",
            "common.appPort is an unknown field",
        ),
        (
            "version: 1\napps: [{appID: a, appDirPath: ., command: [x]}, {appID: a, appDirPath: ., command: [x]}]",
            "'a' occurs more than once",
        ),
        ("version: [", "is no YAML"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        read(tmp_path, text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.yaml cannot be read"):
        read_runfile(tmp_path / "absent.yaml")


class TestProfiles:
    def entry(self, *folders: str) -> Entry:
        paths = tuple(Path(folder) for folder in folders)
        return Entry(app_id="a", directory=Path(), command=("x",), resources_paths=paths)

    def chosen(self, entry: Entry, *profiles: str) -> list[str]:
        return [str(path) for path in entry.with_profiles([Path(profile) for profile in profiles]).resources_paths]

    def test_none_leaves_the_folders_of_the_file(self) -> None:
        assert self.chosen(self.entry("c/redis", "c/state/sqlite")) == ["c/redis", "c/state/sqlite"]

    def test_each_replaces_the_folder_beside_it(self) -> None:
        entry = self.entry("c/redis", "c/state/sqlite")
        assert self.chosen(entry, "c/kafka") == ["c/kafka", "c/state/sqlite"]
        assert self.chosen(entry, "c/state/postgresql", "c/kafka") == ["c/kafka", "c/state/postgresql"]

    def test_one_from_elsewhere_replaces_them_all(self) -> None:
        assert self.chosen(self.entry("c/redis", "c/state/sqlite"), "mine/all") == ["mine/all"]

    def test_several_folders_beside_a_profile_become_one(self) -> None:
        assert self.chosen(self.entry("c/redis", "c/extra"), "c/kafka") == ["c/kafka"]
