"""Level 3: one line that says what the page is, so that a model knows what it could fault."""

from __future__ import annotations

from ...base.page import Page

_WIDTH = 160  # characters of the page's own words in its stub
ORIGIN = "stub/1"


def stub(page: Page, text: str, hint: str | None) -> str:
    """``[type] speaker: first words``, or the hint its writer gave."""
    speaker = page.name or page.tool_name or page.role
    words = excerpt(hint or text, _WIDTH)
    return f"[{page.page_type}] {speaker}: {words}" if speaker else f"[{page.page_type}] {words}"


def excerpt(text: str, width: int) -> str:
    """The text on one line, cut at a word near ``width`` characters."""
    line = " ".join(text[: width * 4].split())
    if len(line) <= width:
        return line
    cut = line.rfind(" ", width // 2, width)
    return line[: cut if cut > 0 else width].rstrip() + "…"
