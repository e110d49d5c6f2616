from __future__ import annotations

import json

from pillion.service.catalog import catalog
from tests.cli.apps import logger
from tests.cli.invoking import invoke

APPS = tuple(f"tests.cli.apps:{name}" for name in ("greeter", "logger", "caller"))


def test_text_names_what_is_offered() -> None:
    result = invoke("describe", *APPS)
    rule = catalog([logger]).services[0].subscriptions[0].rule
    assert result.exit_code == 0
    for line in (
        "greeter.v1  # Greets people.",
        "    hello(Greet) -> str",
        "      timeout 30 s; POST /hello, public",
        "      fails with rude (403): We do not greet such people",
        "    greeted: Greet  # Somebody was greeted.",
        f"    note: Greet of greeter.v1.greeted where {rule}",
        "    archive: Greet of log.v1.noted where a test in Python says so",
        "      1 attempts, 0.2 to 5 s apart; then dropped",
        "    pass_on(Greet) -> str  DEPRECATED: call greeter yourself",
    ):
        assert line in result.stdout.splitlines()


def test_the_graph_says_who_uses_what() -> None:
    graph = invoke("describe", *APPS).stdout.partition("\ngraph\n")[2]
    assert graph.splitlines() == [
        "  greeter.v1.hello",
        "    emits => greeter.v1.greeted",
        "  log.v1.note",
        "    reads <= greeter.v1.greeted",
        "    emits => log.v1.noted",
        "  log.v1.archive",
        "    reads <= log.v1.noted",
        "  caller.v1.pass_on",
        "    calls -> greeter.v1.hello",
    ]


def test_what_is_not_among_them_is_elsewhere() -> None:
    assert "calls -> greeter.v1.hello (elsewhere)" in invoke("describe", APPS[2]).stdout


def test_json_has_schemas() -> None:
    found = json.loads(invoke("describe", "--json", APPS[0]).stdout)
    hello = found["services"][0]["commands"][0]
    assert hello["input"]["schema"]["required"] == ["name"]
    assert hello["examples"] == [{"name": "Ada"}]


def test_a_contract_without_handlers_can_be_described() -> None:
    result = invoke("describe", "tests.cli.apps:contract")
    assert result.exit_code == 0
    assert "timeout 30 s; POST /hello, public; contract only" in result.stdout


def test_what_is_neither_is_refused() -> None:
    result = invoke("describe", "tests.cli.apps:Greet")
    assert result.exit_code == 2
    assert "services in tests.cli.apps: greeter" in result.stderr


def test_help_teaches_by_examples() -> None:
    assert invoke("describe", "--help").stdout.count("pillion describe") >= 3
