"""What rounds of measurements come to, on a machine that is faster in one than in the next."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence


def medians(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The median of each figure."""
    return {name: statistics.median(figures[name] for figures in rounds) for name in rounds[0]}


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the ratios of the rounds, each of which measured both, one after the other."""
    return statistics.median(our / their for our, their in zip(ours, theirs, strict=True))
