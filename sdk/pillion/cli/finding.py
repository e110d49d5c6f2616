"""Finding: what one check of ``pillion doctor`` came to, as plain data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report.

    Attributes:
        what: the thing looked at, in a word or two.
        text: what was found.
        remedy: what to do about it; empty when all is well.
    """

    what: str
    text: str
    remedy: str = ""

    @property
    def ok(self) -> bool:
        """Whether there is nothing to do."""
        return not self.remedy

    def __str__(self) -> str:
        return f"ok {self.what}: {self.text}" if self.ok else f"!! {self.what}: {self.text} -> {self.remedy}"
