"""From mapped pages to the blocks a model reads: VM:CONTEXT and VM:MANIFEST_JSON.

Text is JSON-quoted and ``<`` is escaped, so that no content can close a block or open another.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..base.page import Page
from .resident import Mapped

Count = Callable[[str], int]

AVAILABLE = 50  # pages a manifest lists beside the mapped ones
TIGHT = 8  # pages that do not fit as they are mapped and are tried at smaller levels
_CUT_FROM = 50  # tokens that must be left for a page to be shown cut and not be left out

# What may not stand in a line as it is: it would open a block, or look like a new line.
_ESCAPES = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<\x85\u2028\u2029"}

_ROLES = {"user": "U", "assistant": "A", "tool": "T", "system": "Y"}
_TYPES = {"summary": "S", "claim": "C", "procedure": "P", "index": "X"}
_MODALITIES = {"image": "I", "audio": "D", "video": "V", "structured": "J"}

# What a page stands for; the others were said or made in passing.
_WORTH = {"claim": 2, "summary": 2, "procedure": 1, "index": 1}


@dataclass(frozen=True, slots=True)
class Line:
    """A mapped page on its way into the context: its ``text`` at ``level``.

    ``tokens`` counts the text alone, ``since`` is the turn in which the page was mapped.
    ``smaller``: the same page at smaller levels, the fullest first, for when it does not fit.
    """

    page: Page
    level: int
    text: str
    tokens: int = 0
    since: int = 0
    smaller: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True)
class Packed:
    """The lines that fit, in order of display, who was cut, and who was left out."""

    lines: tuple[str, ...]
    shown: tuple[Line, ...]
    cut: tuple[str, ...]
    omitted: tuple[str, ...]


def prefix(page: Page) -> str:
    """One letter for who speaks or what it is; ``?`` when neither is known."""
    if page.modality in _MODALITIES:
        return _MODALITIES[page.modality]
    return _TYPES.get(page.page_type) or _ROLES.get(page.role or "", "?")


def context_line(line: Line) -> str:
    """``U (msg_1): "text"``; structured values as JSON. Nothing in it can close a block."""
    page = line.page
    bare = page.modality == "structured" and line.level == 0
    body = line.text if bare else json.dumps(line.text, ensure_ascii=False)
    return f"{prefix(page)} ({page.page_id}): {_safe(body)}"


def could_fit(mapped: Sequence[Mapped], budget: int) -> tuple[list[Mapped], list[str]]:
    """The pages worth reading for a budget, and the ids of the others; most valuable first.

    A page costs more in the context than its own tokens, so none that is left out could be shown
    whole; the first `TIGHT` that are too large stay in, since they may be shown smaller or cut.
    """
    chosen: list[Mapped] = []
    left_out: list[str] = []
    tight = 0
    for page in mapped:
        if page.tokens <= budget:
            budget -= page.tokens
            chosen.append(page)
        elif tight < TIGHT:
            tight += 1
            chosen.append(page)
        else:
            left_out.append(page.page_id)
    return chosen, left_out


def pack(lines: Sequence[Line], budget: int, count: Count, extra: Callable[[Line], int]) -> Packed:
    """The most valuable lines that fit ``budget`` tokens. ``lines`` come most valuable first.

    A line that does not fit gives way to the fullest of its smaller forms that does; one text may
    be cut. ``extra``: tokens that showing a page costs elsewhere, as in the manifest.
    """
    chosen: list[tuple[Line, str]] = []
    cut: list[str] = []
    omitted: list[str] = []
    left = budget
    for line in lines:
        fitting = _fitting(line, left, count, extra)
        if fitting is None and not cut:
            fitting = _cut(line, left - extra(line), count)
            cut += [line.page.page_id] if fitting else []
        if fitting is None:
            omitted.append(line.page.page_id)
            continue
        form, text, cost = fitting
        left -= cost + extra(form)
        chosen.append((form, text))
    chosen.sort(key=lambda pair: _place(pair[0]))
    return Packed(
        tuple(text for _, text in chosen),
        tuple(line for line, _ in chosen),
        tuple(cut),
        tuple(omitted),
    )


def _place(line: Line) -> tuple[int, int]:
    """Where a line stands: as pages were mapped, and within a turn as they were made.

    What is mapped later comes later, also an old page that was faulted in: what stands before it
    stays the same text, so that a model's host need not read it again (prompt caching); and what
    a question called for stands next to it. What was mapped as it was said stands as it was said.
    """
    return line.since, line.page.position


def _fitting(
    line: Line, left: int, count: Count, extra: Callable[[Line], int]
) -> tuple[Line, str, int] | None:
    """The fullest form of the line that fits, with its text and tokens."""
    for form in (line, *line.smaller):
        text = context_line(form)
        cost = count(text + "\n")
        if cost + extra(form) <= left:
            return form, text, cost
    return None


def _cut(line: Line, room: int, count: Count) -> tuple[Line, str, int] | None:
    """The line with as much of its text as there is room for; None where that would say little."""
    if room <= _CUT_FROM or line.page.modality != "text":
        return None
    text, cost = _shorten(line, room, count)
    return (line, text, cost) if cost <= room else None


def manifest_entry(line: Line, tokens: int) -> dict[str, object]:
    """How the manifest speaks of a mapped page."""
    return {
        "page_id": line.page.page_id,
        "modality": line.page.modality,
        "level": line.level,
        "tokens_est": tokens,
        "importance": round(line.page.importance, 2),
        **({"flagged": line.page.flagged} if line.page.flagged else {}),
        **_superseder(line.page),
    }


def available_entry(page: Page, hint: str, levels: Sequence[int]) -> dict[str, object]:
    """How the manifest speaks of a page that could be faulted in."""
    return {
        "page_id": page.page_id,
        "modality": page.modality,
        "tier": "L2",
        "levels": list(levels),
        "hint": hint,
        **_superseder(page),
    }


def _superseder(page: Page) -> dict[str, object]:
    """The page that stands in another's place now, only when there is one."""
    return {"superseded_by": page.superseded_by[-1]} if page.superseded_by else {}


def manifest_json(
    session: str,
    working_set: Sequence[Mapping[str, object]],
    available: Sequence[Mapping[str, object]],
    policies: Mapping[str, object],
) -> str:
    """The manifest as compact JSON in which no hint can close the block."""
    manifest = {
        "session_id": session,
        "working_set": working_set,
        "available_pages": available,
        "policies": policies,
    }
    return compact(manifest)


def compact(value: object) -> str:
    """A JSON value on one line, in which no string can close a block."""
    return _safe(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def rank_available(pages: Iterable[Page], mapped: Iterable[str]) -> list[Page]:
    """Pages worth offering, best first: what stands for much, then important, then recent.

    Chosen among the latest `AVAILABLE` of what stands for much and of the rest, however many more
    are given, so that the same pages are offered whoever has read how many. What is superseded
    comes last of all, and what poses as instructions is not offered.
    """
    there = set(mapped)
    unique = {page.page_id: page for page in pages if page.page_id not in there}
    newest = sorted(unique.values(), key=lambda page: -page.position)
    standing = [page for page in newest if page.page_type in _WORTH][:AVAILABLE]
    passing = [page for page in newest if page.page_type not in _WORTH][:AVAILABLE]
    return sorted(
        [page for page in (*standing, *passing) if page.flagged is None],
        key=lambda page: (
            not page.superseded_by,
            _WORTH.get(page.page_type, 0),
            page.importance,
            page.position,
        ),
        reverse=True,
    )[:AVAILABLE]


def block(name: str, body: str) -> str:
    """A named block of the developer message."""
    return f"<VM:{name}>\n{body}\n</VM:{name}>"


def _safe(json_text: str) -> str:
    return json_text.translate(_ESCAPES)


def _shorten(line: Line, room: int, count: Count) -> tuple[str, int]:
    """The line with as much of its text as fits, ending in ``...``."""
    low, high = 0, len(line.text)
    best, cost = "", room + 1
    while low <= high:
        middle = (low + high) // 2
        short = Line(line.page, line.level, line.text[:middle].rstrip() + "...")
        text = context_line(short)
        tokens = count(text + "\n")
        if tokens <= room:
            best, cost, low = text, tokens, middle + 1
        else:
            high = middle - 1
    return best, cost
