"""A text cut to a line."""

from __future__ import annotations

OMITTED = "…"


def excerpt(text: str, width: int) -> str:
    """The text on one line, cut at a word near ``width`` characters."""
    line = " ".join(text[: width * 4].split())
    if len(line) <= width:
        return line
    cut = line.rfind(" ", width // 2, width)
    return line[: cut if cut > 0 else width].rstrip() + OMITTED
