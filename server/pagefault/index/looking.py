"""Looking at a follower's file without changing it, in whatever state it is: for `doctor`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from ..base.errors import StoreDamaged, StoreUnavailable
from . import fulltext
from .follower import APPLICATION_ID, FORMAT

_BUSY_MS = 2_000
_FOLLOWED = (
    "SELECT f.workspace, f.reached, (SELECT count(*) FROM index_document d JOIN index_area a"
    " ON a.area=d.area WHERE abs(a.workspace)=f.workspace) FROM followed f WHERE f.format=?"
)


@dataclass(frozen=True, slots=True)
class FollowerFacts:
    """The file's bytes, its format, whether that is this version's own, and how far it followed.

    ``reached``: workspace to log position, of those with an index of this version's format;
    ``documents``: workspace to how many it has.
    """

    size: int
    format: int
    current: bool
    reached: Mapping[int, int]
    documents: Mapping[int, int]


def look(path: Path) -> FollowerFacts | None:
    """What there is at the path; None when there is nothing yet.

    Raises:
        StoreDamaged: it cannot be read, or a part of it is not what was written.
        StoreUnavailable: it is a file of something else, or may not be read.
    """
    if not path.exists() or not path.stat().st_size:
        return None
    try:
        with closing(_opened(path)) as db:
            return _facts(db, path)
    except (apsw.CorruptError, apsw.NotADBError) as error:
        message = f"{path} is damaged"
        raise StoreDamaged(message) from error
    except (apsw.Error, OSError) as error:
        message = f"{path} cannot be read ({error})"
        raise StoreUnavailable(message) from error


def _opened(path: Path) -> apsw.Connection:
    """The file with its write-ahead log, or as it lies where that would have to be made."""
    if Path(f"{path}-wal").exists():
        db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    else:
        uri = path.resolve().as_uri() + "?immutable=1"
        db = apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    db.set_busy_timeout(_BUSY_MS)
    return db


def _facts(db: apsw.Connection, path: Path) -> FollowerFacts:
    if db.pragma("application_id") != APPLICATION_ID:
        message = f"{path} is no search index of pagefault: move it away, and one is made"
        raise StoreUnavailable(message)
    version = int(db.pragma("user_version"))
    reached: dict[int, int] = {}
    documents: dict[int, int] = {}
    if version == FORMAT:
        if db.execute("PRAGMA quick_check(1)").get != "ok":
            message = f"{path} is damaged"
            raise StoreDamaged(message)
        with db:  # one view of the file
            rows: list[tuple[Any, ...]] = db.execute(_FOLLOWED, (fulltext.INDEX_FORMAT,)).fetchall()
        reached = {workspace: position for workspace, position, _ in rows}
        documents = {workspace: number for workspace, _, number in rows}
    return FollowerFacts(path.stat().st_size, version, version == FORMAT, reached, documents)
