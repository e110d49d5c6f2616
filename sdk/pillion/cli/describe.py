"""``pillion describe``: what services offer and who calls whom."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby

import click

from pillion.cli.target import load_declarations
from pillion.errors import ConfigurationError
from pillion.service.catalog import catalog
from pillion.service.entries import (
    Catalog,
    CommandEntry,
    EventEntry,
    HandlerEntry,
    Link,
    RetryEntry,
    ServiceEntry,
    SubscriptionEntry,
)


@click.command(name="describe")
@click.argument("targets", metavar="MODULE:ATTR...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON, schemas of all payloads included.")
def command(targets: tuple[str, ...], as_json: bool) -> None:
    """Show what services or contracts offer, and who calls, emits and reads what.

    Nothing is started. A name in the graph with `(elsewhere)` belongs to a service that is not among the given ones.

    \b
    Examples:
      pillion describe hello:greeter
      pillion describe services.orders.service:service services.payments.contract:payments
      pillion describe hello:greeter --json | jq '.services[].commands[].input.schema'
    """  # noqa: D301 - click's mark: keep these lines
    declared = load_declarations(targets)
    if not declared:
        raise ConfigurationError(f"{', '.join(targets)}: no service or contract among these")
    found = catalog(declared)
    click.echo(json.dumps(found.as_json(), indent=2, ensure_ascii=False) if as_json else "\n".join(describe(found)))


def describe(found: Catalog) -> Iterator[str]:
    """The catalog as lines for people: each service, then the graph."""
    for service in found.services:
        yield from _service(service)
    if found.links:
        yield "graph"
        yield from _graph(found.links)


def _service(service: ServiceEntry) -> Iterator[str]:
    yield service.group + _words(service.description, service.deprecated)
    for title, entries in _parts(service):
        if entries:
            yield f"  {title}"
            yield from (f"    {line}" for line in entries)
    yield ""


def _parts(service: ServiceEntry) -> Iterator[tuple[str, Sequence[str]]]:
    yield "commands", [line for entry in service.commands for line in _command(entry)]
    yield "events", [line for entry in service.events for line in _event(entry)]
    yield "subscriptions", [line for entry in service.subscriptions for line in _subscription(entry)]


def _command(entry: CommandEntry) -> Iterator[str]:
    yield f"{entry.name}({entry.input.name}) -> {entry.output.name}{_words(entry.description, entry.deprecated)}"
    notes = [f"timeout {entry.timeout:g} s"]
    if entry.expose is not None:
        access = "public" if entry.expose.public else "secured"
        notes.append(f"{entry.expose.method} {entry.expose.path}, {access}")
    if entry.emits_result:
        notes.append(f"emits {entry.emits_result} with each result")
    if entry.announced:
        notes.append("announces succeeded and failed")
    yield f"  {'; '.join([*notes, *_handler(entry.handler)])}"
    yield from (f"  fails with {failure.code} ({failure.status}): {failure.title}" for failure in entry.failures)


def _event(entry: EventEntry) -> Iterator[str]:
    topic = f"  on topic {entry.topic}" if entry.topic != entry.address else ""
    yield f"{entry.name}: {entry.payload.name}{topic}{_words(entry.description, entry.deprecated)}"


def _subscription(entry: SubscriptionEntry) -> Iterator[str]:
    rule = f" where {entry.rule or 'a test in Python says so'}" if entry.filtered else ""
    yield f"{entry.name}: {entry.payload.name} of {entry.event}{rule}"
    notes = [_retry(policy) for policy in entry.handler.retries]
    notes.append("then dead letter" if entry.dead_letter else "then dropped")
    notes += [word for word in ("broadcast", "slow", "raw", "ordered") if getattr(entry, word)]
    yield f"  {'; '.join([*notes, *_handler(entry.handler)])}"


def _retry(policy: RetryEntry) -> str:
    (first, last), on = policy.backoff, f" on {', '.join(policy.on)}" if policy.on else ""
    return f"{policy.attempts} attempts{on}, {first:g} to {last:g} s apart"


def _handler(handler: HandlerEntry | None) -> Iterator[str]:
    if handler is None:
        yield "contract only"
        return
    if handler.once is not None:
        yield f"once, remembered for {handler.once:g} s"
    if handler.guards:
        yield f"guards {', '.join(handler.guards)}"


def _words(description: str, deprecated: str) -> str:
    first = description.strip().partition("\n")[0]
    text = f"  # {first}" if first else ""
    return f"{text}  DEPRECATED: {deprecated}" if deprecated else text


def _graph(links: Sequence[Link]) -> Iterator[str]:
    for address, of_handler in groupby(links, key=lambda link: link.handler):
        yield f"  {address}"
        yield from (f"    {_ARROWS[link.does]} {link.target}{_elsewhere(link)}" for link in of_handler)


_ARROWS = {"calls": "calls ->", "emits": "emits =>", "reads": "reads <="}


def _elsewhere(link: Link) -> str:
    return "" if link.known else " (elsewhere)"
