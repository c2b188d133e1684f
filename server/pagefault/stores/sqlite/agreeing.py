"""Whether the tables of a workspace are what its log says, and making them so again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import apsw

from ...base.errors import StoreDamaged
from ...base.log import LogLine
from ...index import fulltext
from ..codec import Kept, restore
from ..contract import Damage, Examination
from ..folding import COUNTERS, Disagreement, Folded, Spot, Standing
from .apply import only_row
from .projection import content_key
from .reading import Reader

_LINES = 500  # of one read
_CONTENTS = 64  # likewise: no long read keeps the write-ahead log from shrinking
_SESSIONS = f"SELECT key,id,revision,{','.join(COUNTERS)} FROM session WHERE ws=?"
_MAPPED = (
    "SELECT r.ses,r.page,r.version,r.level,r.tokens,r.touched,r.turn,r.mapped_turn,"
    "r.protected_until FROM resident r JOIN session s ON s.key=r.ses"
    " WHERE s.ws=? AND r.level IS NOT NULL"
)
_PINS = "SELECT p.ses,p.page,p.until_turn FROM pin p JOIN session s ON s.key=p.ses WHERE s.ws=?"
# A page's number as the counter of its prefix has it, and what the counter says.
_TAKEN = (
    "SELECT t.prefix, t.last, coalesce(c.last,0) FROM"
    " (SELECT substr(id,1,instr(id,'_')-1) AS prefix,"
    " max(CAST(substr(id,instr(id,'_')+1) AS INTEGER)) AS last FROM page WHERE ws=?1 GROUP BY 1"
    " UNION ALL SELECT 'evt', coalesce(max(CAST(substr(data->>'event_id',5) AS INTEGER)),0)"
    " FROM log WHERE kind='event' AND key>?2 AND key<?3) t"
    " LEFT JOIN counter c ON c.ws=?1 AND c.prefix=t.prefix WHERE coalesce(c.last,0)<t.last"
)
_ENDS = (
    "SELECT position, content, (SELECT coalesce(max(key)-?2,0) FROM log WHERE key>?2 AND key<?3),"
    " (SELECT coalesce(max(key)-?2,0) FROM content WHERE key>?2 AND key<?3)"
    " FROM workspace WHERE key=?1"
)
_INDEXED = (
    "SELECT owner, indexed, index_format, (SELECT count(*) FROM log l"
    " JOIN page p ON p.ws=?1 AND p.id=l.page AND p.forgotten IS NULL"
    " WHERE l.key>?2 AND l.key<=?2+w.indexed AND l.kind IN ('page','version','revert'))"
    " FROM workspace w WHERE w.key=?1"
)

# Since when a page is archived, by the last line that says whether it is.
_SINCE = (
    "(SELECT CASE l.kind WHEN 'archive' THEN l.key-?2 END FROM log l WHERE l.page=page.id"
    " AND l.key>?2 AND l.key<?3 AND l.kind IN ('archive','unarchive') ORDER BY l.key DESC LIMIT 1)"
)
_MISPLACED = f"FROM page WHERE ws=?1 AND forgotten IS NULL AND archived IS NOT {_SINCE}"


@dataclass(frozen=True, slots=True)
class _Moment:
    """What the tables said at one moment, at a position of the log."""

    position: int
    sessions: dict[str, tuple[int, Standing]]
    numbers: list[str]
    index: list[str]


def examine(reader: Reader, workspace: int) -> Examination:
    """Compare the workspace's tables with its log, and read every content."""
    with reader.gate, reader.db:  # one view of the file
        moment = _moment(reader, workspace)
    folded = _folded(reader, workspace, moment.position)
    found = (
        folded.disagreement(handle, revision, standing)
        for handle, (revision, standing) in moment.sessions.items()
    )
    return Examination(
        [one for one in found if one is not None],
        moment.numbers,
        moment.index,
        list(damage(reader, workspace)),
    )


def damage(reader: Reader, workspace: int) -> Iterator[Damage]:
    """Contents that are not what was written, or are gone while they are needed."""
    yield from _unreadable(reader, workspace)
    yield from _missing(reader, workspace)


def restate(db: apsw.Connection, workspace: int, wrong: Disagreement) -> bool:
    """Make a session's row, mapped pages and pins what its log says."""
    row = db.execute(
        "SELECT key FROM session WHERE ws=? AND id=? AND revision=?",
        (workspace, wrong.session, wrong.revision),
    ).fetchone()
    if row is None:
        return False
    key, right = row[0], wrong.standing
    db.execute(
        f"UPDATE session SET {','.join(f'{name}=?' for name in COUNTERS)} WHERE key=?",
        (*(right.counters[name] for name in COUNTERS), key),
    )
    db.execute("DELETE FROM resident WHERE ses=? AND level IS NOT NULL", (key,))
    db.executemany(
        "INSERT OR REPLACE INTO resident VALUES(?,?,?,?,?,?,?,?,?)",
        [(key, page, *_columns(spot)) for page, spot in right.mapped.items()],
    )
    db.execute("DELETE FROM pin WHERE ses=?", (key,))
    db.executemany(
        "INSERT INTO pin VALUES(?,?,?)", [(key, page, until) for page, until in right.pins.items()]
    )
    return True


def renumber(db: apsw.Connection, workspace: int) -> None:
    """Raise positions and counters to what is taken, and archive what the log says is archived."""
    span = _span(workspace)
    db.execute(
        "UPDATE workspace SET"
        " position=(SELECT coalesce(max(key)-?2,0) FROM log WHERE key>?2 AND key<?3),"
        " content=max(content,(SELECT coalesce(max(key)-?2,0) FROM content"
        " WHERE key>?2 AND key<?3)),"
        " indexable=(SELECT coalesce(max(key)-?2,0) FROM log WHERE key>?2 AND key<?3"
        " AND kind IN ('page','version','revert','archive','unarchive')) WHERE key=?1",
        (workspace, *span),
    )
    taken = db.execute(_TAKEN, (workspace, *span)).fetchall()
    db.executemany(
        "INSERT OR REPLACE INTO counter VALUES(?,?,?)",
        [(workspace, prefix, last) for prefix, last, _ in taken],
    )
    misplaced = db.execute(f"SELECT id {_MISPLACED}", (workspace, *span)).fetchall()
    if misplaced:
        db.execute(
            f"UPDATE page SET archived={_SINCE} WHERE ws=?1 AND id IN"
            " (SELECT value FROM json_each(?4))",
            (workspace, *span, json.dumps([page_id for (page_id,) in misplaced])),
        )
        (owner,) = only_row(db, "SELECT owner FROM workspace WHERE key=?", workspace)
        rebuild_index(db, workspace, owner)  # which had each where its row said


def rebuild_index(db: apsw.Connection, workspace: int, owner: int) -> None:
    """Drop the index; it follows the log from its beginning."""
    fulltext.clear(db, owner, workspace)
    db.execute("UPDATE workspace SET indexed=0, index_format=0 WHERE key=?", (workspace,))


def _moment(reader: Reader, workspace: int) -> _Moment:
    span = _span(workspace)
    sessions = {
        key: (handle, revision, Standing(dict(zip(COUNTERS, values, strict=True))))
        for key, handle, revision, *values in reader.rows(_SESSIONS, (workspace,))
    }
    for key, page, *columns in reader.rows(_MAPPED, (workspace,)):
        sessions[key][2].mapped[page] = Spot(*columns)
    for key, page, until in reader.rows(_PINS, (workspace,)):
        sessions[key][2].pins[page] = until
    ((position, content, last, stored),) = reader.rows(_ENDS, (workspace, *span))
    numbers = [
        f"the next {prefix} would be {prefix}_{counted + 1}, and {prefix}_{taken} is taken"
        for prefix, taken, counted in reader.rows(_TAKEN, (workspace, *span))
    ]
    ((misplaced,),) = reader.rows(f"SELECT count(*) {_MISPLACED}", (workspace, *span))
    if misplaced:
        numbers.append(f"{misplaced:,} pages are archived, or not, as the log does not say")
    if position != last:
        numbers.append(f"the log ends at line {last:,}, and should at {position:,}")
    if content < stored:
        numbers.append(f"the next content would be {content + 1}, and {stored} is taken")
    return _Moment(
        last,
        {handle: (revision, standing) for handle, revision, standing in sessions.values()},
        numbers,
        list(_index(reader, workspace)),
    )


def _index(reader: Reader, workspace: int) -> Iterator[str]:
    """What is wrong with the index, as far as it has followed."""
    ((owner, indexed, made_by, wanted),) = reader.rows(_INDEXED, (workspace, _span(workspace)[0]))
    if made_by != fulltext.INDEX_FORMAT or not indexed:
        return  # it is made anew anyway
    state = fulltext.state(reader.db, owner, workspace)
    yield from state.complaints
    if state.documents != wanted:
        yield f"it has {state.documents:,} documents, by the log {wanted:,}"


def _folded(reader: Reader, workspace: int, until: int) -> Folded:
    folded = Folded()
    try:
        for line in _lines(reader, workspace, until):
            folded.take(line)
    except (KeyError, TypeError, ValueError) as error:
        message = (
            f"line {folded.position + 1:,} of a log in {reader.path}, or the next that there is, "
            f"cannot be read ({error!r}). Restore a backup."
        )
        raise StoreDamaged(message) from error
    return folded


def _lines(reader: Reader, workspace: int, until: int) -> Iterator[LogLine]:
    after = 0
    while after < until:
        piece = reader.log(workspace, after, min(_LINES, until - after), None, None)
        if not piece:
            return
        yield from piece
        after = piece[-1].position


def _unreadable(reader: Reader, workspace: int) -> Iterator[Damage]:
    last, end = _span(workspace)
    while piece := reader.rows(
        "SELECT key,codec,checksum,data FROM content WHERE key>? AND key<? ORDER BY key LIMIT ?",
        (last, end, _CONTENTS),
    ):
        for key, *kept in piece:
            try:
                restore(Kept(*kept), "")
            except StoreDamaged:
                yield _damage(reader, workspace, key - content_key(workspace, 0), "has changed")
        last = piece[-1][0]


def _missing(reader: Reader, workspace: int) -> Iterator[Damage]:
    found = reader.rows(
        "SELECT n.content FROM (SELECT ws,page,content FROM version UNION ALL"
        " SELECT ws,page,hint FROM version WHERE hint IS NOT NULL UNION ALL"
        " SELECT v.ws,v.page,b.value FROM version v, json_each(v.blobs) b UNION"
        " SELECT ws,page,content FROM blob UNION ALL"
        " SELECT ws,page,content FROM representation) n"
        " JOIN page p ON p.ws=n.ws AND p.id=n.page WHERE n.ws=? AND p.forgotten IS NULL"
        " AND NOT EXISTS (SELECT 1 FROM content c WHERE c.key=(n.ws<<40|n.content))",
        (workspace,),
    )
    for (number,) in found:
        yield _damage(reader, workspace, number, "is gone")


def _damage(reader: Reader, workspace: int, number: int, what: str) -> Damage:
    """Whose content it is: a version's or an event's, which was said, or only a level's."""
    said = reader.rows(
        "SELECT page FROM version WHERE ws=?1 AND (content=?2 OR hint=?2 OR EXISTS"
        " (SELECT 1 FROM json_each(blobs) WHERE value=?2)) UNION ALL"
        " SELECT page FROM blob WHERE ws=?1 AND content=?2 UNION ALL"
        " SELECT id FROM page WHERE ws=?1 AND payload=?2",
        (workspace, number),
    )
    levels = reader.rows(
        "SELECT page, data->>'origin' FROM log WHERE kind='represent' AND key>? AND key<?"
        " AND data->>'content'=?",
        (*_span(workspace), number),
    )
    pages: Sequence[tuple[Any, ...]] = said or levels
    page = pages[0][0] if pages else None
    computed = not said and bool(levels) and all(origin != "model" for _, origin in levels)
    whose = page or "an event"
    level = "a level of " if computed else ""
    return Damage(number, page, computed, f"content {number} of {level}{whose} {what}")


def _columns(spot: Spot) -> tuple[Any, ...]:
    return (
        spot.version,
        spot.level,
        spot.tokens,
        spot.touched,
        spot.turn,
        spot.mapped_turn,
        spot.protected_until,
    )


def _span(workspace: int) -> tuple[int, int]:
    """Between which keys the workspace's lines and contents lie."""
    return content_key(workspace, 0), content_key(workspace + 1, 0)
