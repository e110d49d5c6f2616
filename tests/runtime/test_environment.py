from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_settings import BaseSettings

from pillion.errors import ConfigurationError
from pillion.runtime.environment import host_settings, service_configs
from pillion.service.service import Service


class Smtp(BaseModel):
    host: str = "localhost"
    port: int = 25


class PaymentsConfig(BaseModel):
    currency: str = "EUR"
    limits: list[int] = []
    smtp: Smtp = Smtp()


class Required(BaseModel):
    api_key: str


class OwnSettings(BaseSettings):
    color: str = "red"


def service(config: type[BaseModel], version: int = 1) -> Service[Any, Any]:
    return Service("card-payments", version=version, config=config)


def config(file: Path | None = None, *, model: type[BaseModel] = PaymentsConfig, version: int = 1) -> Any:
    return service_configs([service(model, version)], file)[f"card-payments.v{version}"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(
        "card-payments:\n  currency: USD\n  smtp: {host: mail, port: 587}\ncard-payments.v2: {currency: GBP}\n"
    )
    return path


class TestHost:
    def test_variables_are_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PILLION_DRAIN_SECONDS", "7")
        monkeypatch.setenv("PILLION_APPS", '{"payments": "pay"}')
        settings = host_settings()
        assert (settings.drain_seconds, settings.apps) == (7.0, {"payments": "pay"})

    def test_what_is_given_wins(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PILLION_PORT", "1")
        assert host_settings(port=2).port == 2

    def test_none_is_not_given(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PILLION_PORT", "1")
        assert host_settings(port=None).port == 1

    def test_a_wrong_value_names_its_variable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PILLION_COMMANDS", "pigeon")
        with pytest.raises(ConfigurationError, match="PILLION_COMMANDS"):
            host_settings()

    def test_a_wrong_value_is_not_shown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PILLION_PORT", "hunter2")
        with pytest.raises(ConfigurationError) as raised:
            host_settings()
        assert "hunter2" not in str(raised.value)

    def test_a_mapping_that_is_no_json_names_its_variable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PILLION_APPS", "payments")
        with pytest.raises(ConfigurationError, match="PILLION_APPS"):
            host_settings()


class TestService:
    def test_defaults_need_nothing(self) -> None:
        assert config() == PaymentsConfig()

    def test_a_service_without_config_has_none(self) -> None:
        assert service_configs([Service("plain")], None) == {}

    def test_variables_begin_with_the_service(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CARD_PAYMENTS_CURRENCY", "CHF")
        assert config().currency == "CHF"

    def test_lists_are_json(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CARD_PAYMENTS_LIMITS", "[1, 2]")
        assert config().limits == [1, 2]

    def test_nested_fields_are_joined_by_two_underscores(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CARD_PAYMENTS_SMTP__HOST", "relay")
        assert config().smtp == Smtp(host="relay")

    def test_the_file_has_a_section(self, file: Path) -> None:
        assert config(file) == PaymentsConfig(currency="USD", smtp=Smtp(host="mail", port=587))

    def test_a_versions_section_wins_over_its_services(self, file: Path) -> None:
        assert config(file, version=2).currency == "GBP"
        assert config(file, version=2).smtp.host == "mail"

    def test_a_versions_section_changes_single_nested_fields(self, tmp_path: Path) -> None:
        (tmp_path / "config.yaml").write_text(
            "card-payments: {smtp: {host: mail, port: 587}}\ncard-payments.v2: {smtp: {port: 25}}\n"
        )
        assert config(tmp_path / "config.yaml", version=2).smtp == Smtp(host="mail", port=25)

    def test_variables_win_over_the_file_field_by_field(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CARD_PAYMENTS_SMTP__HOST", "relay")
        assert config(file) == PaymentsConfig(currency="USD", smtp=Smtp(host="relay", port=587))

    def test_a_missing_value_names_its_variable(self) -> None:
        with pytest.raises(ConfigurationError, match="CARD_PAYMENTS_API_KEY: Field required"):
            config(model=Required)

    def test_a_wrong_nested_value_names_its_variable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CARD_PAYMENTS_SMTP__PORT", "many")
        with pytest.raises(ConfigurationError, match="CARD_PAYMENTS_SMTP__PORT"):
            config()

    def test_a_settings_class_reads_for_itself(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COLOR", "blue")
        assert config(model=OwnSettings).color == "blue"

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=r"absent\.yaml: No such file.*PILLION_CONFIG_FILE"):
            config(tmp_path / "absent.yaml")

    @pytest.mark.parametrize(("text", "sentence"), [("a: [", "neither YAML nor JSON"), ("- a", "a section for each")])
    def test_a_file_of_something_else_is_refused(self, tmp_path: Path, text: str, sentence: str) -> None:
        (tmp_path / "config.yaml").write_text(text)
        with pytest.raises(ConfigurationError, match=sentence):
            config(tmp_path / "config.yaml")

    def test_a_section_of_something_else_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "config.yaml").write_text("card-payments: EUR")
        with pytest.raises(ConfigurationError, match="card-payments"):
            config(tmp_path / "config.yaml")
