"""Log lines carry the ids that tie them together, and no secrets."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
import structlog
from opentelemetry.sdk.trace import TracerProvider

from pillion.message import Message
from pillion.telemetry.logs import configure, host_logger, message_logger

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
MESSAGE = Message(
    id="m1", source="/x", type="payments.v1.charge", specversion="1.0", correlation_id="c1", tenant_id="acme",
    traceparent=TRACEPARENT,
)  # fmt: skip


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, configured = root.handlers[:], root.level, structlog.get_config()
    yield
    structlog.configure(**configured)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def stream() -> StringIO:
    return StringIO()


@pytest.fixture
def json_logs(stream: StringIO) -> StringIO:
    configure(form="json", stream=stream)
    return stream


def line(stream: StringIO) -> dict[str, Any]:
    (text,) = stream.getvalue().splitlines()
    return json.loads(text)  # type: ignore[no-any-return]


def parse(password: str) -> int:
    if not password.isdigit():
        raise ValueError("no number")
    return int(password)


def test_a_line_of_a_handler_has_every_id(json_logs: StringIO) -> None:
    message_logger(MESSAGE, "payments.v1.charge", "shop").info("charged", amount=3)
    found = line(json_logs)
    assert found.pop("timestamp")
    assert found == {
        "event": "charged", "level": "info", "app": "shop", "service": "payments.v1", "handler": "payments.v1.charge",
        "correlation_id": "c1", "message_id": "m1", "tenant": "acme", "amount": 3,
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
    }  # fmt: skip


def test_within_a_span_a_line_has_its_ids(json_logs: StringIO) -> None:
    tracer = TracerProvider().get_tracer("test")
    with tracer.start_as_current_span("work") as span:
        message_logger(MESSAGE, "payments.v1.charge", "shop").info("charged")
    context = span.get_span_context()
    assert line(json_logs)["trace_id"] == f"{context.trace_id:032x}"
    assert line(json_logs)["span_id"] == f"{context.span_id:016x}"


def test_libraries_that_use_logging_write_the_same_lines(json_logs: StringIO) -> None:
    logging.getLogger("uvicorn.error").warning("port %s is taken", 80, extra={"port": 80})
    found = line(json_logs)
    assert (found["event"], found["level"], found["logger"], found["port"]) == (
        "port 80 is taken", "warning", "uvicorn.error", 80,
    )  # fmt: skip


def test_lines_below_the_level_are_not_written(stream: StringIO) -> None:
    configure(form="json", level="error", stream=stream)
    host_logger("shop").warning("hm")
    logging.getLogger("aiohttp").warning("hm")
    assert stream.getvalue() == ""


def test_a_traceback_is_data_without_the_values_of_variables(json_logs: StringIO) -> None:
    try:
        parse("hunter2")
    except ValueError as error:
        host_logger("shop").error("failed", exc_info=error)
    assert line(json_logs)["exception"][0]["exc_value"] == "no number"
    assert "hunter2" not in json_logs.getvalue()


@pytest.mark.parametrize(
    "name",
    [
        "password", "db_password", "api_key", "Authorization", "token", "client_secret", "access_token", "accessToken",
        "refreshToken", "X-Auth-Token", "pwd", "dbPwd", "credential", "awsCredentials", "bearer", "passphrase",
        "X-Api-Key", "private-key",
    ],
)  # fmt: skip
def test_a_field_named_like_a_secret_is_hidden(json_logs: StringIO, name: str) -> None:
    host_logger("shop").info("connected", **{name: "hunter2"})
    assert line(json_logs)[name] == "***"


@pytest.mark.parametrize("name", ["token_count", "tokens", "max_tokens", "key", "key_prefix", "cwd", "path", "author"])
def test_a_field_that_only_sounds_like_a_secret_is_written(json_logs: StringIO, name: str) -> None:
    host_logger("shop").info("connected", **{name: "5"})
    assert line(json_logs)[name] == "5"


def test_a_secret_within_a_tuple_is_hidden_too(json_logs: StringIO) -> None:
    host_logger("shop").info("connected", peers=({"login": ({"password": "hunter2"}, 1)}, "b"))
    assert line(json_logs)["peers"] == [{"login": [{"password": "***"}, 1]}, "b"]


def test_the_exception_that_a_library_logs_is_still_one(json_logs: StringIO) -> None:
    try:
        parse("hunter2")
    except ValueError:
        logging.getLogger("lib").exception("failed", extra={"reply": ({"token": "hunter2"},)})
    found = line(json_logs)
    assert (found["exception"][0]["exc_value"], found["reply"]) == ("no number", [{"token": "***"}])


def test_a_secret_within_a_field_is_hidden_too(json_logs: StringIO) -> None:
    host_logger("shop").info("connected", peers=[{"name": "db", "login": {"password": "hunter2"}}])
    assert line(json_logs)["peers"] == [{"name": "db", "login": {"password": "***"}}]


def test_text_is_for_people(stream: StringIO) -> None:
    configure(form="text", stream=stream)
    try:
        parse("hunter2")
    except ValueError:
        host_logger("shop").exception("failed")
    assert "failed" in stream.getvalue()
    assert "ValueError: no number" in stream.getvalue()
    assert "╭" not in stream.getvalue()


def test_what_is_no_terminal_gets_json(stream: StringIO) -> None:
    configure(stream=stream)
    host_logger("shop").info("started")
    assert line(stream)["app"] == "shop"


class TestUnconfigured:
    """A program of somebody's own, or a test, that has not said how it logs."""

    @pytest.fixture(autouse=True)
    def unconfigured(self) -> None:
        structlog.reset_defaults()

    @pytest.mark.parametrize(
        "made", [partial(host_logger, "shop"), partial(message_logger, MESSAGE, "payments.v1.charge", "shop")]
    )
    def test_a_traceback_is_without_the_values_of_variables(
        self, capsys: pytest.CaptureFixture[str], made: Callable[[], Any]
    ) -> None:
        secret = str(uuid4())  # a traceback shows lines of code, too
        try:
            parse(secret)
        except ValueError as error:
            made().error("failed", exc_info=error)
        written = capsys.readouterr().out
        assert "ValueError: no number" in written
        assert secret not in written

    def test_a_field_named_like_a_secret_is_hidden(self, capsys: pytest.CaptureFixture[str]) -> None:
        host_logger("shop").info("connected", token="hunter2")
        assert "hunter2" not in capsys.readouterr().out

    def test_what_the_program_configures_later_holds_for_a_host_that_was_there(self, stream: StringIO) -> None:
        logger = host_logger("shop")
        structlog.configure(
            processors=[structlog.processors.JSONRenderer()], logger_factory=structlog.PrintLoggerFactory(stream)
        )
        logger.info("started")
        assert line(stream) == {"app": "shop", "event": "started"}

    def test_nothing_is_configured_for_the_program(self, capsys: pytest.CaptureFixture[str]) -> None:
        host_logger("shop").info("started")
        assert "started" in capsys.readouterr().out
        assert not structlog.is_configured()


def test_importing_pillion_does_not_import_structlog() -> None:
    program = "import sys, pillion; print('structlog' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
