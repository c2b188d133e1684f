"""Text for a person: plain lines, with colour at a terminal that wants it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from io import TextIOWrapper
from typing import Self, TextIO

from ..base.config import environment

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}


@dataclass(frozen=True, slots=True)
class Screen:
    """Where lines go. Without ``colour`` nothing but the text is written."""

    stream: TextIO
    colour: bool

    @classmethod
    def of_stdout(cls) -> Self:
        """Standard output; a character that its encoding lacks is shown as a question mark."""
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")
        # NO_COLOR: https://no-color.org
        return cls(sys.stdout, sys.stdout.isatty() and not environment().get("NO_COLOR"))

    def say(self, line: str = "") -> None:
        """One line, at once."""
        print(line, file=self.stream, flush=True)

    def heading(self, line: str) -> None:
        """A line that begins something."""
        self.say()
        self.say(self.paint(line, "bold"))

    def paint(self, text: str, style: str) -> str:
        """The text in a style, where styles are shown."""
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if self.colour else text
