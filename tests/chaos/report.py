"""Tables of results: for a terminal, and for the documents."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

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
    return _line((result.fault.name, *_cells(*_numbers(result)))) + "".join(f"\n    {sentence}" for sentence in wrong)


def total(results: Sequence[Result], beyond: Collection[str] = ()) -> str:
    """The last line for a terminal: sums, and of the times to recover the longest.

    Args:
        results: of the runs.
        beyond: faults under which the broker itself loses messages; they do not count.
    """
    return _line(("total", *_total([result for result in results if result.fault.name not in beyond])))


def markdown(
    results: Sequence[Result],
    missing: Mapping[str, str],
    beyond: Mapping[str, str],
    command: str,
    date: str,
    minutes: float,
) -> str:
    """All results as a table for the documents, with how they came about, and why some faults do not count.

    Args:
        results: of the runs.
        missing: faults that were not run, and why.
        beyond: faults under which the broker itself loses messages, and why.
        command: what ran them.
        date: of the run.
        minutes: that it took.
    """
    counted = [result for result in results if result.fault.name not in beyond]
    rows = [(result.fault.about, *_cells(*_numbers(result))) for result in counted]
    rows.append(("**total**, and the longest recovery", *_total(counted)))
    limits = [_limit(result, beyond[result.fault.name]) for result in results if result.fault.name in beyond]
    lines = [
        f"Measured on {date} with `{command}`, in {minutes:.0f} minutes.",
        "",
        "| " + " | ".join(("what goes wrong", *_HEADS[1:])) + " |",
        "|---" + "|---:" * (len(_HEADS) - 1) + "|",
        *("| " + " | ".join(cells) + " |" for cells in rows),
        *limits,
        *(f"\nWithout `{name}`: {why}." for name, why in missing.items()),
    ]
    return "\n".join(lines) + "\n"


def _limit(result: Result, why: str) -> str:
    arrived = f"{result.verdict.processed} of {result.plan.messages} orders arrived"
    return f"\nNot in the total: {result.fault.about} ({arrived}); {why}."


def _numbers(result: Result) -> tuple[Sequence[int], Sequence[float | None]]:
    """What is counted, and what is measured in seconds, in the order of the columns."""
    verdict = result.verdict
    counts = (
        result.published, verdict.processed, verdict.lost, verdict.doubled, verdict.repeated, result.set_aside,
    )  # fmt: skip
    return counts, (result.next_seconds, result.all_seconds, result.seconds)


def _total(results: Sequence[Result]) -> tuple[str, ...]:
    numbers = [_numbers(result) for result in results]
    counts = [sum(column) for column in zip(*(counts for counts, _ in numbers), strict=True)]
    *recoveries, _ = zip(*(times for _, times in numbers), strict=True)
    longest = [max((time for time in column if time is not None), default=None) for column in recoveries]
    return _cells(counts, (*longest, sum(result.seconds for result in results)))


def _cells(counts: Iterable[int], times: Iterable[float | None]) -> tuple[str, ...]:
    return (*map(str, counts), *("-" if time is None else f"{time:.1f}" for time in times))


def _line(cells: Sequence[str]) -> str:
    first, *others = zip(cells, _WIDTHS, strict=True)
    return first[0].ljust(first[1]) + "".join(" " + cell.rjust(width) for cell, width in others)
