"""The follower: a local file with the indexes of workspaces that live in another store.

Beside the index it holds what answering takes: the texts that the index was made of, since an
entry leaves the index only by its text, and the handles of sessions. All of it is derived. What is
damaged or of another format is made anew, and the log is followed again from its beginning.
"""

from __future__ import annotations

import json
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Final, Self

import apsw

from ..base.errors import (
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreTooNew,
    StoreUnavailable,
)
from ..base.portable import owner_only
from . import fulltext
from .document import Hit, Search
from .following import Entry, Piece, advance
from .residue import Scrubber
from .state import State

APPLICATION_ID: Final = 0x70676669  # "pgfi": names the file's owner in its header
FORMAT: Final = 2  # of the tables below; a file of another one is made anew

_BUSY_MS = 2_000  # for who does not take turns: readers in the way of scrubbing, other programs
_IDLE = 2  # reading connections that are kept: one for the loop, one for who searches beside it
_WORTH_DEFLATING = 1024  # bytes; below it the gain is smaller than the time

_WRITTEN: Final = (
    "journal_mode=WAL",
    f"journal_size_limit={16 * 2**20}",
    "synchronous=NORMAL",  # what a crash takes away is followed again
    "secure_delete=ON",
    "temp_store=MEMORY",
    "cache_size=-16384",
)
_READ: Final = ("query_only=1", "temp_store=MEMORY", "cache_size=-8192")

_TABLES: Final = """
CREATE TABLE followed (
  workspace INTEGER PRIMARY KEY,
  format INTEGER NOT NULL,       -- of the index
  reached INTEGER NOT NULL       -- log position up to which the index knows everything
) STRICT;
CREATE TABLE content (
  workspace INTEGER NOT NULL,
  content INTEGER NOT NULL,
  page_id TEXT NOT NULL,
  data BLOB,                     -- deflated where that is shorter; NULL: the other store had none
  size INTEGER NOT NULL,         -- of the plain bytes
  checksum INTEGER NOT NULL,     -- CRC-32 of the plain bytes
  PRIMARY KEY (workspace, content)
) STRICT;
CREATE INDEX content_of_page ON content (workspace, page_id);
CREATE TABLE session (
  workspace INTEGER NOT NULL,
  number INTEGER NOT NULL,
  handle TEXT NOT NULL,
  PRIMARY KEY (workspace, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX session_of_handle ON session (workspace, handle);
"""
_KEPT: Final = ("followed", "content", "session")

_KINDS: tuple[tuple[type[Exception], type[StoreError], str], ...] = (
    (apsw.FullError, StoreFull, "has no room on its disk. Free some space"),
    (apsw.ReadOnlyError, StoreReadOnly, "can be read and not written. Check its permissions"),
    (PermissionError, StoreReadOnly, "may not be used by this user. Check its permissions"),
    (apsw.BusyError, StoreBusy, "is locked by another program. Try again"),
    (apsw.LockedError, StoreBusy, "is locked by another program. Try again"),
    (apsw.ConnectionClosedError, StoreUnavailable, "was closed. Start the server again"),
    (
        apsw.CantOpenError,
        StoreUnavailable,
        "cannot be opened. Check that its folder exists and may be written",
    ),
    (apsw.IOError, StoreUnavailable, "could not be read or written: the disk reported an error"),
)
_DAMAGE: Final = (apsw.CorruptError, apsw.NotADBError)


class Follower:
    """The file, or a memory. Any thread may call any method; every one raises `StoreError` kinds.

    Workspaces, sessions and contents go by the other store's numbers for them. A reader waits for
    no writer, except in a memory.
    """

    def __init__(self, path: Path | None, turn: AbstractContextManager[object]) -> None:
        self.path = ":memory:" if path is None else str(path)
        self._file = path
        self._turn = turn
        self._gate = threading.RLock()  # the turn is this process's, the gate one thread's
        self._scrubber = Scrubber()
        self._unscrubbed = True  # what a process left that was killed
        self._closed = False
        self._idle: list[apsw.Connection] = []
        self._taking = threading.Lock()
        self._writer = self._opened()

    @classmethod
    def open(cls, path: Path | None, turn: AbstractContextManager[object] | None = None) -> Self:
        """Open or make the file at ``path``; None is a memory that ends with the process.

        ``turn`` is held while anything is written: the lock by which the processes that share the
        file take turns. It is the caller's, to be closed after the follower.

        Raises:
            StoreError: the file cannot be used, or is a database of something else.
        """
        try:
            return cls(path, turn or nullcontext())
        except (apsw.Error, OSError) as error:
            raise _explain(error, str(path)) from error

    def reached(self, workspace: int) -> int:
        """The log position that the workspace was followed to, 0 when it has to be from its start.

        The follower then knows nothing of it, or what an index of another format knew.
        """
        with self._reading() as db:
            return _reached(db, workspace)

    def advance(
        self,
        principal: int,
        workspace: int,
        after: int,
        piece: Piece,
        texts: Mapping[int, bytes],
        sessions: Mapping[int, str],
    ) -> bool:
        """Take in what the log says after the position ``after``; True when it is in.

        Otherwise ask `reached` again: another process was first, or a text by which a page leaves
        the index was lost, so that all of the workspace is followed anew. ``texts`` has the
        contents and hints of the entries; one that is missing reads as empty. ``sessions`` has
        the handles of their branches.
        """
        with self._writing() as db:
            with _transaction(db):
                if _reached(db, workspace) != after:
                    return False
                if after == 0:
                    _drop(db, principal, workspace)  # what another format left
                _keep(db, workspace, piece.entries, texts)
                _name(db, workspace, sessions)
                taken = _take_in(db, principal, workspace, piece)
            if piece.forgotten or after == 0:
                self._unscrubbed = True
                self._scrub(db, _BUSY_MS)
            return taken

    def reset(self, principal: int, workspace: int) -> None:
        """Drop all that is known of a workspace: the other store is not what it was."""
        with self._writing() as db:
            with _transaction(db):
                _drop(db, principal, workspace)
            self._unscrubbed = True
            self._scrub(db, _BUSY_MS)

    def state(self, principal: int, workspace: int) -> tuple[int, State]:
        """The position that a workspace was followed to, and whether its index is whole."""
        with self._reading() as db, db:  # one view of the file
            reached = _reached(db, workspace)
            found = fulltext.state(db, principal, workspace)
        return reached, found

    def tidy(self, known: Set[int], *, remove: bool) -> int:
        """How many documents are of workspaces that are not ``known``; dropped with ``remove``."""
        with self._reading() as db:
            strangers = [
                row
                for row in db.execute("SELECT principal, workspace, documents FROM index_area")
                if abs(row[1]) not in known
            ]
        if remove:
            for principal, workspace, _ in strangers:
                self.reset(principal, abs(workspace))
        return sum(documents for *_, documents in strangers)

    def scrub(self) -> bool:
        """Whether nothing that was forgotten is left in the file or its write-ahead log.

        `advance` sees to it unless another process reads just then. This tries again, as does
        whatever is written next.
        """
        if self._unscrubbed:
            with self._writing():
                pass
        return not self._unscrubbed

    def search(self, principal: int, search: Search) -> list[Hit]:
        """The pages that answer best, best first; see `fulltext.search`."""
        with self._reading() as db:
            return fulltext.search(db, principal, search)

    def pages(self, workspace: int) -> int:
        """How many versions of pages a search of the workspace looks through."""
        with self._reading() as db:
            found = db.execute(
                "SELECT coalesce(sum(documents), 0) FROM index_area WHERE abs(workspace)=?",
                (workspace,),
            )
            return int(found.get)

    def handles(self, workspace: int, numbers: Iterable[int]) -> dict[int, str]:
        """The handles of those of the sessions that are known."""
        with self._reading() as db:
            found = db.execute(
                "SELECT number, handle FROM session"
                " WHERE workspace=? AND number IN (SELECT value FROM json_each(?))",
                (workspace, json.dumps(list(numbers))),
            )
            rows: list[tuple[Any, ...]] = found.fetchall()
        return dict(rows)

    def number(self, workspace: int, handle: str) -> int:
        """The number of a session, 0 for one that no entry was of."""
        with self._reading() as db:
            found = db.execute(
                "SELECT number FROM session WHERE workspace=? AND handle=?", (workspace, handle)
            ).fetchone()
        return 0 if found is None else int(found[0])

    def texts(self, workspace: int, contents: Iterable[int]) -> dict[int, bytes]:
        """Those of the contents that are here and undamaged; the other store has the rest."""
        with self._reading() as db:
            rows: list[tuple[Any, ...]] = db.execute(
                "SELECT content, data, size, checksum FROM content WHERE workspace=?"
                " AND data IS NOT NULL AND content IN (SELECT value FROM json_each(?))",
                (workspace, json.dumps(list(contents))),
            ).fetchall()
        found: dict[int, bytes] = {}
        for content, *kept in rows:
            with suppress(_TextLost):
                found[content] = _plain(*kept)
        return found

    def close(self) -> None:
        """Let go of the file when nobody writes or reads it any more."""
        with self._taking:
            self._closed = True
            idle, self._idle = self._idle, []
        for db in idle:
            db.close()
        with self._gate:
            if self._unscrubbed:
                with self._turn:
                    self._scrub(self._writer, 0)
            self._writer.close()

    # The connections: one that writes, and as many that read as are in use at once.

    def _opened(self) -> apsw.Connection:
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._turn:
            if self._file is not None and not self._file.exists():
                self._file.touch(0o600)
            db = apsw.Connection(self.path)
            try:
                _prepare(db, self.path)
                if self._file is not None:
                    owner_only(self._file)
                self._scrub(db, 0)
            except BaseException:
                db.close()
                raise
        return db

    @contextmanager
    def _writing(self) -> Iterator[apsw.Connection]:
        with self._explained(), self._gate, self._turn:
            if self._unscrubbed:
                self._scrub(self._writer, 0)
            _check(self._writer, self.path)
            yield self._writer

    @contextmanager
    def _reading(self) -> Iterator[apsw.Connection]:
        with self._explained():
            if self._file is None:
                with self._gate:
                    yield self._writer
                return
            db = self._taken()
            try:
                yield db
            finally:
                self._given_back(db)

    def _taken(self) -> apsw.Connection:
        with self._taking:
            if self._closed:
                raise apsw.ConnectionClosedError
            if self._idle:
                return self._idle.pop()
        db = apsw.Connection(self.path)
        _settle(db, _READ)
        return db

    def _given_back(self, db: apsw.Connection) -> None:
        with self._taking:
            if not self._closed and len(self._idle) < _IDLE:
                self._idle.append(db)
                return
        db.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except _DAMAGE as error:
            self._repair()
            message = f"{self.path} was damaged and has been made anew. Try again."
            raise StoreDamaged(message) from error
        except (apsw.Error, OSError) as error:
            raise _explain(error, self.path) from error

    def _repair(self) -> None:
        try:
            with self._gate, self._turn:
                _refuse_others(self._writer, self.path)
                _make_anew(self._writer)
        except (apsw.Error, OSError) as error:
            raise _explain(error, self.path) from error

    def _scrub(self, db: apsw.Connection, patience: int) -> None:
        """Leave nothing of what was deleted, when no reader needs the log for so many ms."""
        db.set_busy_timeout(patience)
        try:
            self._scrubber.scrub(db)
            self._unscrubbed = False
        except apsw.Error:  # what was committed stands all the same
            pass
        finally:
            db.set_busy_timeout(_BUSY_MS)


# What a transaction is made of.


class _TextLost(Exception):
    """A text that was indexed is no longer here, or no longer what it was."""


@contextmanager
def _transaction(db: apsw.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _reached(db: apsw.Connection, workspace: int) -> int:
    found = db.execute(
        "SELECT reached FROM followed WHERE workspace=? AND format=?",
        (workspace, fulltext.INDEX_FORMAT),
    ).fetchone()
    return 0 if found is None else int(found[0])


def _take_in(db: apsw.Connection, principal: int, workspace: int, piece: Piece) -> bool:
    """Index the piece; False when that made it necessary to begin anew."""
    try:
        advance(db, principal, workspace, piece, _text_of(db, workspace))
    except _TextLost:  # an entry is taken out by its text: without it the index goes whole
        _drop(db, principal, workspace)
        return False
    gone = "DELETE FROM content WHERE workspace=? AND page_id=?"
    db.executemany(gone, [(workspace, page_id) for page_id in piece.forgotten])
    db.execute(
        "INSERT OR REPLACE INTO followed VALUES (?,?,?)",
        (workspace, fulltext.INDEX_FORMAT, piece.reached),
    )
    return True


def _drop(db: apsw.Connection, principal: int, workspace: int) -> None:
    fulltext.clear(db, principal, workspace)
    for table in _KEPT:
        db.execute(f"DELETE FROM {table} WHERE workspace=?", (workspace,))


def _keep(
    db: apsw.Connection, workspace: int, entries: Sequence[Entry], texts: Mapping[int, bytes]
) -> None:
    """Keep what is indexed of the entries. What was kept before stays: it is what was indexed."""
    named = (
        (content, entry.page.page_id)
        for entry in entries
        for content in (entry.made.content, entry.made.hint)
        if content is not None
    )
    db.executemany(
        "INSERT OR IGNORE INTO content VALUES (?,?,?,?,?,?)",
        [(workspace, content, page, *_packed(texts.get(content))) for content, page in named],
    )


def _name(db: apsw.Connection, workspace: int, sessions: Mapping[int, str]) -> None:
    db.executemany(
        "INSERT OR REPLACE INTO session VALUES (?,?,?)",
        [(workspace, number, handle) for number, handle in sessions.items()],
    )


def _text_of(db: apsw.Connection, workspace: int) -> Callable[[int], str]:
    """Reads texts as they are kept, which is how they were and will be indexed.

    What it returns raises `_TextLost`.
    """

    def text(content: int) -> str:
        row = db.execute(
            "SELECT data, size, checksum FROM content WHERE workspace=? AND content=?",
            (workspace, content),
        ).fetchone()
        if row is None:
            raise _TextLost(content)
        return _plain(*row).decode(errors="replace")

    return text


def _packed(plain: bytes | None) -> tuple[bytes | None, int, int]:
    """The columns ``data``, ``size`` and ``checksum`` of a text, None for one that is not known.

    A CRC is enough against a failing disk, since whatever it misses can be had again.
    """
    if plain is None:
        return None, 0, 0
    small = zlib.compress(plain, 1) if len(plain) >= _WORTH_DEFLATING else plain
    data = small if len(small) < len(plain) else plain
    return data, len(plain), zlib.crc32(plain)


def _plain(data: bytes | None, size: int, checksum: int) -> bytes:
    """The text of these columns, empty for one that is not known.

    Raises:
        _TextLost: it is not what was kept.
    """
    if data is None:
        return b""
    try:
        plain = data if len(data) == size else zlib.decompress(data)
    except zlib.error as error:
        raise _TextLost from error
    if zlib.crc32(plain) != checksum:
        raise _TextLost
    return plain


# Making the file. The caller has the turn.


def _prepare(db: apsw.Connection, path: str) -> None:
    """Make the file one that can be used, without a change to it when it is.

    Raises:
        StoreDamaged: it is a file of something else; nothing was changed.
    """
    _refuse_others(db, path)
    try:
        version = db.pragma("user_version") if _is_filled(db) else None
    except _DAMAGE:
        version = None
    if version == FORMAT:
        _settle(db, _WRITTEN)
    else:
        _make_anew(db)


def _refuse_others(db: apsw.Connection, path: str) -> None:
    """Let pass what is a follower's, however damaged, or nobody's.

    Raises:
        StoreDamaged: it is a file of something else.
    """
    try:
        owner = db.pragma("application_id")
        of_somebody = owner != 0 or _is_filled(db)
    except _DAMAGE:
        owner, of_somebody = _owner_in_header(db), True
    if owner != APPLICATION_ID and of_somebody:
        message = (
            f"{path} is no search index of pagefault, or too damaged to tell. Nothing was changed: "
            "move it away, and the index is made anew."
        )
        raise StoreDamaged(message)


def _is_filled(db: apsw.Connection) -> bool:
    return bool(db.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall())


def _owner_in_header(db: apsw.Connection) -> int:
    """The application id of a file that SQLite cannot read, 0 when the file is too short."""
    _, found = db.read("main", 0, 68, 4)
    return int.from_bytes(found)


def _make_anew(db: apsw.Connection) -> None:
    """Empty the file and make the tables: in place, since other processes may have it open."""
    with suppress(*_DAMAGE):  # a connection that has read the schema stays in WAL mode
        _is_filled(db)
    db.config(apsw.SQLITE_DBCONFIG_RESET_DATABASE, 1)
    try:
        db.execute("VACUUM")
    finally:
        db.config(apsw.SQLITE_DBCONFIG_RESET_DATABASE, 0)
    _settle(db, _WRITTEN)
    with _transaction(db):
        db.execute(_TABLES)
        fulltext.create(db)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {FORMAT}")


def _settle(db: apsw.Connection, settings: Iterable[str]) -> None:
    fulltext.keep_plans(db)
    db.set_busy_timeout(_BUSY_MS)
    for setting in settings:
        db.execute(f"PRAGMA {setting}")


def _check(db: apsw.Connection, path: str) -> None:
    """Refuse to write a file that another version has made anew since it was opened.

    Raises:
        StoreTooNew: one has.
    """
    version = db.pragma("user_version")
    if version != FORMAT:
        message = (
            f"{path} has format {version} now, this pagefault writes {FORMAT}. "
            "Update pagefault and start it again."
        )
        raise StoreTooNew(message)


def _explain(error: Exception, path: str) -> StoreError:
    for kind, meaning, text in _KINDS:
        if isinstance(error, kind):
            return meaning(f"the search index {path} {text}.")
    message = f"the search index {path} cannot be used ({type(error).__name__}). See the log."
    return StoreUnavailable(message)
