"""A document as rows of the full text table: what of it can be found, and under which row ids."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import islice
from typing import Final

import apsw

from . import words
from .analysis import kept
from .areas import Area
from .document import Document
from .places import FIRST_PART, LONGEST, row_id

Row = tuple[int, str]

_LONGEST_HEADING: Final = 1000  # characters; each part of a long text begins with it

# Not strftime's, which speak the language of the process.
_MONTHS: Final = (
    "January February March April May June July August September October November December".split()
)


def rows(place: int, document: Document, text: str) -> list[Row]:
    """The rows of a document: one, or one for each part of a long text.

    Each begins with when it was said, by whom and what it is about. The same document and text
    always give the same rows: they are deleted by naming them again.
    """
    heading = _heading(document)
    size = words.count(text)
    if size <= words.PART:
        return [(row_id(place, size), kept(f"{heading}\n{text}"))]
    parts = islice(words.parts(text), LONGEST)
    return [
        (row_id(place, FIRST_PART + number), kept(f"{heading}\n{part}"))
        for number, part in enumerate(parts)
    ]


def insert(db: apsw.Connection, area: Area, found: list[Row]) -> None:
    """Put rows into the table; in the order of their ids, which spares it a flush a row."""
    db.executemany(f"INSERT INTO {area.table}(rowid, body) VALUES(?,?)", sorted(found))


def delete(db: apsw.Connection, area: Area, found: Iterable[Row]) -> None:
    """Take rows out of the table."""
    command = f"INSERT INTO {area.table}({area.table}, rowid, body) VALUES('delete',?,?)"
    db.executemany(command, sorted(found))


def _heading(document: Document) -> str:
    said = (_date(document.created_at), document.name, document.role, document.hint)
    return " ".join(filter(None, said))[:_LONGEST_HEADING]


def _date(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    try:
        day = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):  # a year that no calendar has
        return None
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"
