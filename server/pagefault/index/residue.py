"""After a removal: no word of it in the gaps of the file's pages or in the write-ahead log either.

`PRAGMA secure_delete` overwrites what is deleted where it lies then. But SQLite moves entries
between neighbouring pages as these fill up and empty, and where it lays a page out anew
(`rebuildPage` in its btree.c) the bytes of entries that left it stay in the gap between the page's
pointers and its entries: copies that no deletion finds. VACUUM is rid of them by writing the whole
file. Here the gaps alone are overwritten, in the file itself: they are no part of the database, so
nobody who reads it sees a difference.

The page and log formats are those of https://sqlite.org/fileformat2.html, sections 1.6 and 4.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from contextlib import closing
from struct import Struct
from typing import Final

import apsw

Gap = tuple[int, int]  # where in the file it begins, its size in bytes

_FILE, _LOG = 0, 1  # what `apsw.Connection.read` reads
_SCHEMA: Final = 100  # bytes before the header of the first page, which is a leaf or above them
_HEADER: Final = Struct(">B2xHH")  # of a page: its kind, the number of its entries, their start
_POINTERS: Final = {0x02: 12, 0x05: 12, 0x0A: 8, 0x0D: 8}  # by kind: where the pointers begin
# Other pages begin with the number of a page, whose first byte is none of these kinds in a file of
# so many pages (128 GiB where they have 4 KiB). A larger one is left as it is.
_TELLABLE: Final = 2**25
_LOCKS: Final = 2**30  # where in the file the page lies that is used for locks alone
_RESERVED: Final = 20  # where the file says how many bytes of every page are not SQLite's
_AT_ONCE: Final = 2**20  # bytes of the file that are read together, a multiple of any page size

_LOG_HEADER: Final = Struct(">16xI12x")  # its first salt, one more whenever the log starts anew
_FRAME: Final = Struct(">I4xI12x")  # the page it holds, the first salt; the page follows


class Scrubber:
    """Scrubs the file of one writing connection.

    The first time it looks at every page. From then on it knows that those are clean which the
    write-ahead log does not name, as long as the log has not started anew in between.
    """

    def __init__(self) -> None:
        self._salt: int | None = None  # of the log that names every page that was written since

    def scrub(self, db: apsw.Connection) -> None:
        """Leave nothing of what was deleted. The caller has the turn and no transaction.

        Raises:
            apsw.Error: a reader still needs the log, another program writes, or the disk failed.
                What was committed stands; try again.
        """
        if not db.filename:
            return  # a memory ends with its process
        db.pragma("schema_version")  # the first read is what opens the log
        salt = _salt(db)
        known, self._salt = self._salt, None
        written = _named(db, salt) if salt is not None and salt == known else None
        db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        _wipe(db, written)
        self._salt = None if salt is None else (salt + 1) % 2**32


def _wipe(db: apsw.Connection, pages: Iterable[int] | None) -> None:
    """Overwrite the gaps of these pages, None for all, while nobody can write."""
    db.execute("BEGIN IMMEDIATE")
    try:
        if _salt(db) is not None:
            message = "another program wrote after the log was emptied"
            raise apsw.BusyError(message)
        size: int = db.pragma("page_size")
        count: int = db.pragma("page_count")
        if count > _TELLABLE:
            return
        maps = pointer_maps(size - _reserved(db), size, count) if db.pragma("auto_vacuum") else ()
        stretches = _stretches(db, size, count) if pages is None else _single(db, size, pages)
        found = [gap for start, data in stretches for gap in gaps(data, start, size, maps)]
        if found:
            _overwrite(db, found)
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _stretches(db: apsw.Connection, size: int, count: int) -> Iterator[tuple[int, bytes]]:
    for start in range(0, size * count, _AT_ONCE):
        yield start, db.read("main", _FILE, start, min(_AT_ONCE, size * count - start))[1]


def _single(db: apsw.Connection, size: int, pages: Iterable[int]) -> Iterator[tuple[int, bytes]]:
    for page in pages:
        start = (page - 1) * size
        yield start, db.read("main", _FILE, start, size)[1]


def _reserved(db: apsw.Connection) -> int:
    return db.read("main", _FILE, 0, _SCHEMA)[1][_RESERVED]


def pointer_maps(usable: int, size: int, count: int) -> frozenset[int]:
    """Those of the first ``count`` pages that say where others belong, in a file for auto_vacuum.

    Such a page has five bytes for each of the pages behind it, up to the next.
    """
    maps = set(range(2, count + 1, usable // 5 + 1))
    locks = _LOCKS // size + 1
    if locks in maps:
        maps.add(locks + 1)
    return frozenset(maps)


def gaps(data: bytes, start: int, size: int, maps: Container[int] = ()) -> Iterator[Gap]:
    """The gaps that hold anything, of whole pages of ``size`` bytes from ``start`` in the file.

    The pages numbered in ``maps`` have none.
    """
    empty = bytes(size)
    for at in range(0, len(data), size):
        header = at if start + at else _SCHEMA
        kind, entries, first = _HEADER.unpack_from(data, header)
        pointers = _POINTERS.get(kind)
        if pointers is None or (start + at) // size + 1 in maps:
            continue
        begin = header + pointers + 2 * entries
        end = at + (first or 65_536)
        if begin < end <= at + size and data[begin:end] != empty[: end - begin]:
            yield start + begin, end - begin


def _overwrite(db: apsw.Connection, found: Iterable[Gap]) -> None:
    """Through SQLite's own way to files: to close a file behind its back drops its locks."""
    db.execute("PRAGMA shrink_memory")  # which holds pages with their gaps, to be written again
    access = [apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_READWRITE, 0]
    with closing(_File(db.open_vfs, db.filename, access)) as file:
        for start, size in found:
            file.xWrite(bytes(size), start)
        file.xSync(apsw.SQLITE_SYNC_NORMAL)


class _File(apsw.VFSFile):
    def close(self) -> None:
        self.xClose()


def _salt(db: apsw.Connection) -> int | None:
    """The first salt of the write-ahead log, None when nothing is in it."""
    complete, header = db.read("main", _LOG, 0, _LOG_HEADER.size)
    return _LOG_HEADER.unpack(header)[0] if complete else None


def _named(db: apsw.Connection, salt: int) -> set[int]:
    """The pages that the write-ahead log names since it started with this salt."""
    step = _FRAME.size + db.pragma("page_size")
    pages: set[int] = set()
    at = _LOG_HEADER.size
    while True:
        complete, frame = db.read("main", _LOG, at, _FRAME.size)
        page, its_salt = _FRAME.unpack(frame)
        if not complete or its_salt != salt:
            return pages
        pages.add(page)
        at += step
