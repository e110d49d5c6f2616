"""Tables of results: for a terminal, and for the documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.chaos.scenario import Result

_HEADS = (
    "fault", "published", "processed", "lost", "doubled", "repeated", "set aside", "s to next", "s to all", "s in all",
)  # fmt: skip
_WIDTHS = (24, 9, 9, 6, 7, 8, 9, 9, 9, 9)


def head() -> str:
    """The first line of the table for a terminal."""
    return _line(_HEADS)


def row(result: Result) -> str:
    """A result's line for a terminal, and lines below it for what else is wrong."""
    wrong = [*result.verdict.wrong, *([f"{result.left} messages are still with the broker"] if result.left else [])]
    return _line(_cells(result)) + "".join(f"\n    {sentence}" for sentence in wrong)


def markdown(results: Sequence[Result], lacks: Mapping[str, str], command: str, date: str) -> str:
    """All results as a table for the documents, with how they came about, and why some faults are not in it."""
    lines = [
        f"Measured on {date} with `{command}`.",
        "",
        "| " + " | ".join(("what goes wrong", *_HEADS[1:])) + " |",
        "|---" + "|---:" * (len(_HEADS) - 1) + "|",
        *("| " + " | ".join((result.fault.about, *_cells(result)[1:])) + " |" for result in results),
        *(f"\nWithout `{name}`: {why}." for name, why in lacks.items()),
    ]
    return "\n".join(lines) + "\n"


def _cells(result: Result) -> tuple[str, ...]:
    verdict = result.verdict
    counts = (verdict.processed, verdict.lost, verdict.doubled, verdict.repeated, result.set_aside)
    times = (result.next_seconds, result.all_seconds, result.seconds)
    return (
        result.fault.name,
        str(result.published),
        *(str(count) for count in counts),
        *("-" if time is None else f"{time:.1f}" for time in times),
    )


def _line(cells: Sequence[str]) -> str:
    first, *others = zip(cells, _WIDTHS, strict=True)
    return first[0].ljust(first[1]) + "".join(" " + cell.rjust(width) for cell, width in others)
