"""Lanes: a session in an area, which gives each of its documents a place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import apsw

from . import places
from .areas import Area
from .document import Document

_SITTING: Final = 3600.0  # seconds of silence that end a sitting
SPOKEN: Final = "transcript"  # the page type whose pages are turns of a conversation


@dataclass(slots=True)
class Lane:
    """A session's turns while documents are being added; `keep` writes it back once."""

    session: int
    number: int
    turn: int = 0
    aside: int = places.ASIDE
    spoken_at: float | None = None
    documents: int = 0

    def take(self, document: Document, *, is_new: bool) -> int:
        """A place for a document: the next turn, or one beside the conversation.

        A later version is no turn: what was said at that point was the first.
        """
        self.documents += 1
        if document.page_type == SPOKEN and is_new:
            return places.place(self.number, self._next_turn(document.created_at))
        self.aside += places.APART
        return places.place(self.number, self.aside)

    def _next_turn(self, spoken_at: float | None) -> int:
        self.turn += 1 if self._goes_on(spoken_at) else places.APART
        self.spoken_at = spoken_at
        return self.turn

    def _goes_on(self, spoken_at: float | None) -> bool:
        if self.spoken_at is None or spoken_at is None:
            return True
        return abs(spoken_at - self.spoken_at) <= _SITTING


def find(db: apsw.Connection, area: Area, session: int) -> Lane | None:
    """A session's lane, None before its first document."""
    row = db.execute(
        "SELECT number, turn, aside, spoken_at, documents FROM index_lane"
        " WHERE area=? AND session=?",
        (area.number, session),
    ).fetchone()
    if row is None:
        return None
    number, turn, aside, spoken_at, documents = row
    return Lane(session, number, turn, aside, spoken_at, documents)


def open_for(db: apsw.Connection, area: Area, session: int) -> Lane:
    """A session's lane, a new one with the next number where there is none."""
    lane = find(db, area, session)
    if lane is not None:
        return lane
    number: int = db.execute(
        "SELECT coalesce(max(number)+1, 0) FROM index_lane WHERE area=?", (area.number,)
    ).get
    lane = Lane(session, number)
    keep(db, area, lane)
    return lane


def keep(db: apsw.Connection, area: Area, lane: Lane) -> None:
    """Write a lane back."""
    db.execute(
        "INSERT OR REPLACE INTO index_lane"
        " (area, session, number, turn, aside, spoken_at, documents) VALUES (?,?,?,?,?,?,?)",
        (
            area.number,
            lane.session,
            lane.number,
            lane.turn,
            lane.aside,
            lane.spoken_at,
            lane.documents,
        ),
    )


def leave(db: apsw.Connection, area: Area, sessions: Iterable[int]) -> None:
    """Count documents that left: the session of each."""
    lane = "UPDATE index_lane SET documents=documents-1 WHERE area=? AND session=?"
    db.executemany(lane, [(area.number, session) for session in sessions])
