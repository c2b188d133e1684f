"""Opening the file: connections, their settings, and what to do when it may only be read."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import apsw

from ...base.errors import StoreReadOnly
from ...base.portable import owner_only
from ...index import fulltext
from ..lock import FileLock
from . import schema

_WAL_LIMIT = 16 * 2**20  # bytes the write-ahead log is cut back to when it starts anew
BUSY_MS = 2_000  # for programs that do not know the file lock


class MemoryFile:
    """``:memory:``: one connection for everything, one user of it at a time."""

    path = ":memory:"

    def __init__(self) -> None:
        self.gate: AbstractContextManager[object] = threading.RLock()
        self.turn = self.gate
        self._db = apsw.Connection(":memory:")
        _settle(self._db)
        schema.migrate(self._db, self.path)

    def writing(self) -> apsw.Connection:
        """The connection."""
        return self._db

    def reading(self) -> apsw.Connection:
        """The same connection: it is the only one that sees this memory."""
        return self._db

    def holder(self) -> str:
        """Nobody else can hold it."""
        return "this process"

    def close(self) -> None:
        """Let the memory go."""
        with self.gate:
            self._db.close()


class DiskFile:
    """A SQLite file in WAL mode with a file lock beside it.

    Raises:
        apsw.Error, OSError, StoreError: when it cannot be opened; nothing was renamed or deleted.
    """

    gate: AbstractContextManager[object] = nullcontext()

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self._file = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self.turn = FileLock(path.with_name(path.name + ".lock"))
        self.holder = self.turn.holder
        try:
            with self.turn:
                self._prepare(new=not path.exists())
        except BaseException:
            self.turn.close()
            raise

    def _prepare(self, *, new: bool) -> None:
        db = apsw.Connection(self.path)
        try:
            schema.check(db, len(schema.MIGRATIONS), self.path)
            if new:  # before its first table: later it would take writing the file anew
                db.execute("PRAGMA auto_vacuum=INCREMENTAL")
            _settle(db)
            schema.migrate(db, self.path)
        finally:
            db.close()
        if new:
            owner_only(self._file)

    def writing(self) -> apsw.Connection:
        """A new connection for the writer thread."""
        db = apsw.Connection(self.path)
        _settle(db)
        return db

    def reading(self) -> apsw.Connection:
        """A new connection that cannot write."""
        db = apsw.Connection(self.path)
        _settle(db)
        db.execute("PRAGMA query_only=1")
        return db

    def close(self) -> None:
        """Let go of the lock file."""
        self.turn.close()


class FrozenFile:
    """A file that may not be written, or whose folder may not: it can only be read.

    Raises:
        apsw.Error, StoreError: when it cannot be read either.
    """

    gate: AbstractContextManager[object] = nullcontext()
    turn: AbstractContextManager[object] = nullcontext()

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self._file = path
        db = self.reading()
        try:
            found = schema.check(db, len(schema.MIGRATIONS), self.path)
        finally:
            db.close()
        if found < len(schema.MIGRATIONS):
            message = (
                f"{self.path} has schema {found}, this pagefault reads {len(schema.MIGRATIONS)}, "
                "and the file cannot be written. Let this user write it and its folder once."
            )
            raise StoreReadOnly(message)

    def writing(self) -> apsw.Connection:
        """A connection on which every write is refused."""
        return self.reading()

    def reading(self) -> apsw.Connection:
        """A connection that cannot write."""
        try:
            return self._connect("mode=ro")
        except (apsw.CantOpenError, apsw.ReadOnlyError):
            if _has_log(self._file):
                raise  # without its log the file lacks what was acknowledged
            return self._connect("immutable=1")

    def _connect(self, how: str) -> apsw.Connection:
        uri = f"{self._file.resolve().as_uri()}?{how}"
        db = apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
        try:
            db.pragma("user_version")  # the first read is what opens the file
            fulltext.keep_plans(db)
        except BaseException:
            db.close()
            raise
        return db

    def holder(self) -> str:
        """Nobody writes it."""
        return "nobody"

    def close(self) -> None:
        """Nothing to let go of."""


DataFile = MemoryFile | DiskFile | FrozenFile


def open_file(path: Path | None) -> DataFile:
    """The file at ``path``, or memory for None; read-only when only that is possible.

    Raises:
        apsw.Error, OSError, StoreError: when it cannot be opened at all.
    """
    if path is None:
        return MemoryFile()
    try:
        return DiskFile(path)
    except (apsw.ReadOnlyError, apsw.CantOpenError, OSError):
        if not path.is_file():
            raise
        return FrozenFile(path)


def _has_log(path: Path) -> bool:
    log = path.with_name(path.name + "-wal")
    return log.exists() and log.stat().st_size > 0


def _settle(db: apsw.Connection) -> None:
    fulltext.keep_plans(db)
    db.set_busy_timeout(BUSY_MS)
    for setting in (
        "journal_mode=WAL",
        f"journal_size_limit={_WAL_LIMIT}",
        "secure_delete=ON",
        "temp_store=MEMORY",
        "cache_size=-16384",
    ):
        db.execute(f"PRAGMA {setting}")
