"""Loss: a setting of a profile that loses messages, with what to write instead."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Loss:
    """A setting that loses messages.

    Attributes:
        file: where to change it.
        component: name of the component whose messages are lost.
        setting: its name.
        value: what it is; empty when it is not set.
        write: what it should be; empty to remove it.
        loses: what happens as it is.
    """

    file: Path
    component: str
    setting: str
    value: str
    write: str
    loses: str

    @property
    def text(self) -> str:
        """What is wrong."""
        return f"{self.component}: {self.setting} is {self.value or 'not set'}: {self.loses}"

    @property
    def remedy(self) -> str:
        """What to do."""
        return f"write {self.setting}: {self.write}" if self.write else f"remove {self.setting}"

    def __str__(self) -> str:
        return f"{self.file}: {self.text}; {self.remedy}"
