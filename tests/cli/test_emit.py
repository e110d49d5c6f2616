from __future__ import annotations

import asyncio

import pytest
from click.shell_completion import ShellComplete
from pydantic import BaseModel

from pillion.cli.main import main
from pillion.service.service import Service
from tests.cli.apps import greeted
from tests.cli.invoking import invoke, run
from tests.conformance.daprworld import FakeWorld

APP = ("--app", "tests.cli.apps:logger")


def test_all_that_an_event_causes_is_shown() -> None:
    result = invoke("emit", "greeter.greeted", '{"name": "Ada"}', *APP)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        'greeter.v1.greeted {"name":"Ada"}',
        "  log.v1.note handled it",
        '    log.v1.noted {"name":"Ada"}',
        "      log.v1.archive handled it",
    ]


def test_who_filters_it_out_is_not_shown() -> None:
    result = invoke("emit", "greeter.greeted", '{"name": "Ada"}', *APP, "--tenant", "secret")
    assert result.stdout.splitlines() == ['greeter.v1.greeted {"name":"Ada"}', "  nobody here listens"]


@pytest.mark.slow
def test_what_cannot_be_handled_is_told() -> None:
    result = invoke("emit", "greeter.v1.greeted", '{"name": "Eve"}', *APP)
    assert result.exit_code == 1
    assert "  log.v1.note could not handle it: " in result.stdout
    assert "no notes about Eve" in result.stderr


def test_a_payload_that_does_not_fit_is_refused() -> None:
    result = invoke("emit", "greeter.greeted", "{}", *APP)
    assert result.exit_code == 1
    assert "greeter.v1.greeted failed: invalid_input (400)" in result.stderr
    assert "\n  name: Field required\n" in result.stderr


def test_an_unknown_event_is_answered_with_those_there_are() -> None:
    result = invoke("emit", "greeter.gretted", "{}", *APP)
    assert result.exit_code == 2
    assert "did you mean greeter.v1.greeted?" in result.stderr


@pytest.mark.usefixtures("default_port")
def test_without_app_and_sidecar_both_ways_on_are_named() -> None:
    result = invoke("emit", "greeter.greeted", "{}")
    assert result.exit_code == 2
    assert "--app" in result.stderr
    assert "--sidecar-port" in result.stderr


def test_the_shell_completes_events_of_the_app() -> None:
    completer = ShellComplete(main, {}, "pillion", "_PILLION_COMPLETE")
    found = completer.get_completions(["emit", *APP], "")
    assert [item.value for item in found] == ["log.v1.noted", "greeter.v1.greeted"]


def test_help_teaches_by_examples() -> None:
    assert invoke("emit", "--help").stdout.count("pillion emit") >= 3


@pytest.mark.slow
async def test_through_a_sidecar_it_reaches_who_listens() -> None:
    heard: asyncio.Future[BaseModel] = asyncio.get_running_loop().create_future()
    listener = Service("listener")

    @listener.on(greeted)
    async def listen(event: greeted.payload_type) -> None:  # type: ignore[name-defined]
        heard.set_result(event)

    async with FakeWorld() as world:
        await world.start(listener)
        port = str((await world._sidecar("outsider", None))[0])
        found = await run("emit", "greeter.greeted", '{"name": "Ada"}', "--sidecar-port", port)
        assert found.code == 0, found.err
        assert found.out.startswith("published greeter.v1.greeted on pubsub, id ")
        assert (await asyncio.wait_for(heard, 30)).model_dump() == {"name": "Ada"}


@pytest.mark.slow
async def test_an_unknown_component_is_told() -> None:
    async with FakeWorld() as world:
        port = str((await world._sidecar("outsider", None))[0])
        found = await run("emit", "greeter.greeted", "{}", "--sidecar-port", port, "--component", "absent")
        assert found.code == 2
        assert "absent" in found.err
