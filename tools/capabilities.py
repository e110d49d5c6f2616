"""Writes docs/capabilities.md from the table in the code: ``python -m tools.capabilities`` (``make docs``)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from pillion.sidecar.capabilities import CAPABILITIES, Capabilities

PAGE = Path(__file__).parents[1] / "docs" / "capabilities.md"

_COLUMNS = (
    ("durable", "durable"),
    ("ordered by key", "ordered"),
    ("delayed", "delayed"),
    ("TTL", "ttl"),
    ("native dead letter", "dead_letters"),
    ("broadcast", "broadcast"),
    ("competing consumers", "competing"),
    ("keeps for the first subscriber", "keeps"),
)

_HEAD = """\
# What each broker gives

<!-- Written by `make docs` from sdk/pillion/sidecar/capabilities.py: change it there. -->

What a type of pub/sub component gives by itself, with the settings of its profile. A declaration that asks for what the
loaded component does not give fails at start, with a sentence that says what asks, what lacks, and which types have it.

"""

_WORDS = """
- **durable**: messages survive a restart of the broker.
- **ordered by key**: messages of one `key=` are handled one after another, as they were published.
- **delayed, TTL, native dead letter**: what the broker itself does. pillion adds its own on every profile: a delayed
  message waits in the service's state store, a message with a TTL carries an `expiration` that is looked at before it
  is handled, and the service keeps its dead letters itself.
- **broadcast**: every instance can have each message (`broadcast=True`).
- **competing consumers**: the instances of an app share its messages; without it an app has one instance.
- **keeps for the first subscriber**: what was published before a topic's first subscriber ever started reaches it.
- **largest message**: the broker's default. The sidecar's `--max-body-size` and `PILLION_MAX_BODY_BYTES`, 4 MiB each,
  come first.

"""

_TAIL = """
The second table is from the documentation of Dapr and of the services, not from tests of ours. What is in neither is
not known: nothing is refused for it.

## State

What a state store gives is not in a table: daprd says at start whether a component has ETags, transactions and expiry,
and pillion refuses the operation that needs what is not there. One thing daprd does not say is known to pillion: Redis
does not roll back a transaction whose ETag does not fit, so conditional changes in transactions are refused there.
"""


def page() -> str:
    """The text of the page."""
    tested = {name: given for name, given in CAPABILITIES.items() if given.profile}
    others = {name: given for name, given in CAPABILITIES.items() if not given.profile}
    return f"{_HEAD}{_table(tested)}{_WORDS}{_table(others)}{_TAIL}"


def _table(types: dict[str, Capabilities]) -> str:
    titles = ("type", "profile", *(title for title, _ in _COLUMNS), "largest message")
    lines = [titles, ("---",) * len(titles), *(tuple(_row(name, given)) for name, given in types.items())]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _row(name: str, given: Capabilities) -> Iterator[str]:
    yield f"`{name}`"
    yield f"`{given.profile}`" if given.profile else "-"
    values = asdict(given)
    yield from ("yes" if values[attribute] else "no" for _, attribute in _COLUMNS)
    yield "no limit" if given.max_bytes is None else _size(given.max_bytes)


def _size(number: int) -> str:
    for unit, factor in (("MiB", 1024**2), ("KiB", 1024)):
        if number % factor == 0:
            return f"{number // factor} {unit}"
    return f"{number / 1_000_000:.0f} MB"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
