"""Where a document stands, as a number: session, turn, part.

The number is the row's id in the full text table, so a list of matching ids already says which
session a match is in, which turns are its neighbours and how long it is, without reading a row.
One session is one range of ids.

    session  turn     part
    22 bits  25 bits  16 bits

A turn is a step of the conversation. Sittings lie `APART` turns from each other, out of each
other's reach. The upper half of the turns is for documents that are not steps of a conversation,
all of them `APART`. A document of at most `words.PART` words is one row, whose part is its number
of words; a longer one has a row for each part, numbered from `FIRST_PART`.
"""

from __future__ import annotations

from typing import Final

PART_BITS: Final = 16
TURN_BITS: Final = 25
SESSIONS: Final = 1 << 22
PARTS: Final = 1 << PART_BITS
TURN: Final = PARTS  # from a turn's row to the next turn's
FIRST_PART: Final = 64
LONGEST: Final = PARTS - FIRST_PART  # parts of one document; the rest is not indexed
ASIDE: Final = 1 << (TURN_BITS - 1)  # first turn beside the conversation
APART: Final = 3  # turns between what must not be neighbours
BEFORE: Final = 2  # turns back that a turn borrows words from
AFTER: Final = 1  # turns ahead


LAST: Final = (SESSIONS << TURN_BITS) - 1  # the largest place


def place(session: int, turn: int) -> int:
    """The place of a turn."""
    return session << TURN_BITS | turn


def span(session: int) -> tuple[int, int]:
    """The first and the last possible place of a session."""
    return place(session, 0), place(session + 1, 0) - 1


def row_id(place: int, part: int) -> int:
    """The id of one row of a place."""
    return place << PART_BITS | part


def row_span(first: int, last: int) -> tuple[int, int]:
    """The first and the last possible row id of these places."""
    return row_id(first, 0), row_id(last + 1, 0) - 1
