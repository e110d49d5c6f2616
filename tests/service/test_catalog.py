from __future__ import annotations

import json
from dataclasses import FrozenInstanceError

import pytest

from pillion.service.catalog import catalog
from pillion.service.command import CommandFailed
from pillion.service.entries import Link, RetryEntry
from pillion.service.service import Service
from tests.cli.apps import caller, contract, greeter, logger


def test_it_is_json() -> None:
    found = catalog([greeter, logger, caller]).as_json()
    assert json.loads(json.dumps(found)) == found


def test_it_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        catalog([greeter]).services = ()  # type: ignore[misc]


def test_a_command_has_types_failures_and_exposure() -> None:
    (service,) = catalog([greeter]).services
    hello = service.commands[0]
    assert (hello.address, hello.input.name, hello.output.schema) == ("greeter.v1.hello", "Greet", {"type": "string"})
    assert [(failure.code, failure.status) for failure in hello.failures] == [("rude", 403)]
    assert hello.failures[0].data["required"] == ["whom"]
    assert hello.expose is not None
    assert (hello.expose.method, hello.expose.path, hello.expose.public) == ("POST", "/hello", True)
    assert hello.examples == ({"name": "Ada"},)


def test_a_subscription_has_its_rule_and_retries() -> None:
    note, archive = catalog([logger]).services[0].subscriptions
    where = logger.subscriptions["note"].where
    assert where is not None
    assert (note.filtered, note.rule) == (True, where.rule())
    assert note.handler.retries == (RetryEntry((), 5, (0.2, 5.0)),)
    assert (note.dead_letter, note.ordered, note.handler.once) == (True, False, None)
    assert (archive.filtered, archive.rule, archive.dead_letter) == (True, None, False)


def test_links_know_who_is_here() -> None:
    assert catalog([caller]).links == (Link("caller.v1.pass_on", "calls", "greeter.v1.hello", known=False),)
    assert catalog([caller, greeter]).links[-1].does == "emits"
    assert all(link.known for link in catalog([caller, greeter, logger]).links)


def test_a_contract_has_no_handlers() -> None:
    (service,) = catalog([contract]).services
    assert service.state is None
    assert [command.handler for command in service.commands] == [None] * len(service.commands)


def test_outcomes_of_an_announced_command_are_events_that_are_here() -> None:
    shop, mail = Service("shop"), Service("mail")

    @shop.command(announced=True)
    async def buy(item: str) -> int:
        return len(item)

    @mail.on(buy.failed)
    async def complain(_: CommandFailed) -> None: ...

    assert catalog([shop, mail]).links == (Link("mail.v1.complain", "reads", "shop.v1.buy.failed", known=True),)


@pytest.mark.parametrize(
    ("type_", "name"), [(list[int], "list[int]"), (None, "None"), (int | None, "int | None"), (bytes, "bytes")]
)
def test_types_are_named_as_python_writes_them(type_: type, name: str) -> None:
    service = Service("types")
    service.contract.command("take", type_, str)
    assert catalog([service]).services[0].commands[0].input.name == name
