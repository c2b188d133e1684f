"""Days named in a text, in the ways that results and people write them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_NAME = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_ISO = re.compile(r"(?<!\d)(\d{4})-(\d\d?)-(\d\d?)(?!\d)")
_NAMED = re.compile(
    rf"\b{_NAME}\s+(?:the\s+)?(\d\d?)(?!\d)|(?<!\d)(\d\d?)(?:st|nd|rd|th)?\s+(?:of\s+)?{_NAME}",
    re.IGNORECASE,
)
_SLASHED = re.compile(r"(?<![\d/])(\d\d?)/(\d\d?)(?:/(?:\d\d){1,2})?(?![\d/])")

# Month and day of a date whose year was left out.
Day = tuple[int, int]


def full_dates(text: str) -> Iterator[date]:
    """The dates with a year: 2024-05-20, alone or with a time behind it."""
    for year, month, day in _ISO.findall(text):
        try:
            yield date(int(year), int(month), int(day))
        except ValueError:
            continue


def days(text: str) -> Iterator[Day]:
    """The days without a year: May 20th, the 20th of May, 5/20 and 20/5 alike."""
    for name, behind, before, other in _NAMED.findall(text):
        month = _MONTHS.index((name or other).lower()[:3]) + 1
        yield month, int(behind or before)
    for one, two in _SLASHED.findall(text):
        yield int(one), int(two)
        yield int(two), int(one)


def parse(value: str) -> date | None:
    """The date at the beginning of a value, as in 2024-05-20 or 2024-05-20T10:00."""
    found = _ISO.match(value)
    return next(full_dates(found[0]), None) if found else None
