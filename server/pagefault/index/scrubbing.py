"""After a removal: no word of it in the inner structure of the full text table either.

`secure-delete` takes a word out of the leaves of the inverted index. The level above keeps
separators, which are beginnings of words that stood first on a leaf when it was written. Only
merging makes them anew, and that reads and writes the whole table; so it is done only when a
separator gives away a word that no other page has, which is about one removal in fifty.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

import apsw

from .analysis import TOKENIZER
from .areas import Area

_TELLING: Final = 0.5  # the share of a word that gives the word away
_VOCABULARY: Final = "temp.index_vocabulary"


def scrub(db: apsw.Connection, area: Area, bodies: Iterable[str]) -> None:
    """Leave nothing of the words of `bodies`, rows just deleted, that no other row has."""
    command = f"INSERT INTO {area.table}({area.table}) VALUES(?)"
    db.execute(command, ("flush",))
    rows = db.execute(f"SELECT term FROM {area.table}_idx")
    separators = {bytes(term)[1:] for (term,) in rows}  # behind the number of the index
    longest = max(map(len, separators), default=0)
    told = [term for term in _terms(db, bodies) if _is_told(term.encode(), separators, longest)]
    if told and not _in_use(db, area, told):
        _merge(db, area)


def _terms(db: apsw.Connection, bodies: Iterable[str]) -> set[str]:
    tokenizer = db.fts5_tokenizer(TOKENIZER[0], list(TOKENIZER[1:]))
    found: set[str] = set()
    for body in bodies:
        reading = tokenizer(body.encode(), apsw.FTS5_TOKENIZE_DOCUMENT, None, include_offsets=False)
        found.update(str(term) for terms in reading for term in terms)
    return found


def _is_told(term: bytes, separators: Collection[bytes], longest: int) -> bool:
    """Whether one of the separators, the `longest` of so many bytes, gives the term away."""
    shortest = int(len(term) * _TELLING) + 1
    return any(term[:size] in separators for size in range(shortest, min(len(term), longest) + 1))


def _in_use(db: apsw.Connection, area: Area, terms: Iterable[str]) -> bool:
    """Whether all of the terms are still in the table."""
    db.execute(f"CREATE VIRTUAL TABLE {_VOCABULARY} USING fts5vocab(main, {area.table}, row)")
    try:
        known = f"SELECT 1 FROM {_VOCABULARY} WHERE term=?"
        return all(db.execute(known, (term,)).fetchone() for term in terms)
    finally:
        db.execute(f"DROP TABLE {_VOCABULARY}")


def _merge(db: apsw.Connection, area: Area) -> None:
    """Write the whole table anew. A lone segment is not merged, so it gets company for a moment."""
    command = f"INSERT INTO {area.table}({area.table}) VALUES(?)"
    db.execute(f"INSERT INTO {area.table}(rowid, body) VALUES(0, 'a')")
    db.execute(command, ("flush",))
    db.execute(command, ("optimize",))
    db.execute(f"INSERT INTO {area.table}({area.table}, rowid, body) VALUES('delete', 0, 'a')")
