"""Looking at a data file without changing it, in whatever state it is: what `doctor` reports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import apsw

from ...base.errors import StoreDamaged
from ...base.portable import try_lock, unlock
from ...index import fulltext
from ..codec import Kept, restore
from ..contract import Examination
from . import schema
from .agreeing import examine
from .failures import explain
from .projection import content_key
from .reading import Reader

SOUND_SQLITE = (3, 51, 3)  # earlier ones may corrupt a WAL file that two processes share
_THOROUGH = 256 * 2**20  # bytes up to which indexes are compared with their tables as well
_PIECE = 64  # contents read at a time: no long read keeps the write-ahead log from shrinking
_LISTED = 20  # complaints of a kind
_BUSY_MS = 2_000


@dataclass(frozen=True, slots=True)
class Library:
    """The SQLite that is bundled: its version, and what pagefault needs of it."""

    version: str
    sound: bool
    full_text: bool


@dataclass(frozen=True, slots=True)
class WorkspaceFacts:
    """One workspace of the file. ``unindexed``: log positions that the index does not know."""

    principal: str
    id: str
    tokenizer: str
    sessions: int
    pages: int
    lines: int
    unindexed: int
    index_current: bool


def library() -> Library:
    """The SQLite in use."""
    version = apsw.sqlite_lib_version()
    numbers = tuple(int(part) for part in version.split("."))
    return Library(version, numbers >= SOUND_SQLITE, "ENABLE_FTS5" in apsw.compile_options)


def lock_holder(path: Path) -> str | None:
    """Who holds the write lock of the data file at this moment; None when nobody does."""
    lock = path.with_name(path.name + ".lock")
    with suppress(OSError), lock.open("r+b") as file:
        if try_lock(file.fileno()):
            unlock(file.fileno())
            return None
        name = file.read(20).decode("ascii", "replace").strip()
        return f"process {name}" if name.isdigit() else "another process"
    return None


class Inspector:
    """Read-only checks of one file; use it as a context manager.

    Without a write-ahead log beside it the file is read as it lies, so that no side file is made.
    ``sees_log`` is False when there is one that cannot be read, as in a folder that may not be
    written: what is not in the file yet is then not checked.

    Raises:
        StoreError: the file cannot be opened at all. Every method raises it for what it meets.
    """

    newest_schema = len(schema.MIGRATIONS)

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sees_log = True
        alone = not Path(f"{path}-wal").exists()
        try:
            self._db = self._frozen() if alone else self._shared()
        except (apsw.Error, OSError) as error:
            raise explain(error, str(path)) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def schema(self) -> int:
        """The file's schema version.

        Raises:
            StoreTooNew, StoreDamaged: a later pagefault, or another program, wrote it.
        """
        try:
            return schema.check(self._db, self.newest_schema, str(self.path))
        except apsw.Error as error:
            raise explain(error, str(self.path)) from error

    @property
    def thorough(self) -> bool:
        """Whether `complaints` compares indexes with their tables, as it does for most files."""
        return self.path.stat().st_size <= _THOROUGH

    def complaints(self) -> list[str]:
        """What SQLite finds wrong with the file's structure; empty when it is sound."""
        check = "integrity_check" if self.thorough else "quick_check"
        found = [str(row[0]) for row in self._rows(f"PRAGMA {check}({_LISTED})")]
        return [] if found == ["ok"] else found

    def damaged(self) -> list[str]:
        """Contents that are not what was written, or are gone, each with a page that needs it."""
        return [*self._unreadable(), *self._missing()][:_LISTED]

    def examinations(self) -> Iterator[tuple[str, Examination]]:
        """Every workspace by its name, compared with its log; the schema has to be the newest."""
        reader = Reader(self._db, str(self.path), nullcontext())
        for key, name in self._rows(
            "SELECT w.key, w.id||' of '||p.name FROM workspace w JOIN principal p ON p.key=w.owner"
            " ORDER BY w.key"
        ):
            try:
                yield name, examine(reader, key)
            except apsw.Error as error:
                raise explain(error, str(self.path)) from error

    def workspaces(self) -> list[WorkspaceFacts]:
        """All workspaces of all principals, oldest first."""
        found = self._rows(
            "SELECT p.name, w.id, w.tokenizer,"
            " (SELECT count(*) FROM session WHERE ws=w.key),"
            " (SELECT count(*) FROM page WHERE ws=w.key AND forgotten IS NULL),"
            " w.position, max(w.indexable-w.indexed,0), w.index_format IN (0,?)"
            " FROM workspace w JOIN principal p ON p.key=w.owner ORDER BY w.key",
            (fulltext.INDEX_FORMAT,),
        )
        return [_facts(row) for row in found]

    def _unreadable(self) -> Iterator[str]:
        for key, *kept in self._contents():
            workspace, number = key >> 40, key - content_key(key >> 40, 0)
            try:
                restore(Kept(*kept), "")
            except StoreDamaged:
                yield f"content {number} of {self._page_of(workspace, number)} has changed"

    def _missing(self) -> list[str]:
        found = self._rows(
            "SELECT v.content, v.page, w.id FROM version v"
            " JOIN page p ON p.ws=v.ws AND p.id=v.page JOIN workspace w ON w.key=v.ws"
            " WHERE p.forgotten IS NULL AND NOT EXISTS"
            " (SELECT 1 FROM content c WHERE c.key=(v.ws<<40|v.content)) LIMIT ?",
            (_LISTED,),
        )
        if self._has_blobs():
            found += self._rows(
                "SELECT b.content, b.page, w.id FROM blob b JOIN workspace w ON w.key=b.ws"
                " WHERE NOT EXISTS (SELECT 1 FROM content c WHERE c.key=(b.ws<<40|b.content))"
                " LIMIT ?",
                (_LISTED,),
            )
        return [f"content {number} of {page} in {place} is gone" for number, page, place in found]

    def _has_blobs(self) -> bool:
        """Whether the file knows of them: an earlier schema does not."""
        return bool(self._rows("SELECT 1 FROM sqlite_schema WHERE name='blob'"))

    def _contents(self) -> Iterator[tuple[Any, ...]]:
        last = 0
        while piece := self._rows(
            "SELECT key,codec,checksum,data FROM content WHERE key>? ORDER BY key LIMIT ?",
            (last, _PIECE),
        ):
            yield from piece
            last = piece[-1][0]

    def _page_of(self, workspace: int, content: int) -> str:
        found = self._rows(
            "SELECT v.page, w.id FROM version v JOIN workspace w ON w.key=v.ws"
            " WHERE v.ws=? AND (v.content=? OR v.hint=?) LIMIT 1",
            (workspace, content, content),
        )
        if not found and self._has_blobs():
            found = self._rows(
                "SELECT b.page, w.id FROM blob b JOIN workspace w ON w.key=b.ws"
                " WHERE b.ws=? AND b.content=? LIMIT 1",
                (workspace, content),
            )
        return f"{found[0][0]} in {found[0][1]}" if found else "an event"

    def _rows(self, sql: str, bindings: Sequence[int] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(sql, tuple(bindings)).fetchall()
        except apsw.Error as error:
            raise explain(error, str(self.path)) from error

    def _shared(self) -> apsw.Connection:
        try:
            return _opened(str(self.path), apsw.SQLITE_OPEN_READONLY)
        except (apsw.CantOpenError, apsw.ReadOnlyError):
            self.sees_log = False
            return self._frozen()

    def _frozen(self) -> apsw.Connection:
        uri = self.path.resolve().as_uri() + "?immutable=1"
        return _opened(uri, apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)


def _facts(row: tuple[Any, ...]) -> WorkspaceFacts:
    fields = [*row[:7], bool(row[7])]
    return WorkspaceFacts(*fields)


def _opened(name: str, flags: int) -> apsw.Connection:
    db = apsw.Connection(name, flags=flags)
    db.set_busy_timeout(_BUSY_MS)
    db.pragma("schema_version")  # the first read is what opens the file
    return db
