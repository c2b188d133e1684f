"""What SQLite leaves of deleted entries in its pages and its log, and that scrubbing takes it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import apsw
import pytest
from tests.stores.disk import WatchedDisk

from pagefault.index import residue
from pagefault.index.residue import Scrubber

PAGE_SIZES = (512, 4096, 65_536)
TABLES = """
CREATE TABLE plain(key INTEGER PRIMARY KEY, data TEXT);
CREATE TABLE flat(name TEXT, number INTEGER, data TEXT, PRIMARY KEY(name, number)) WITHOUT ROWID;
CREATE INDEX by_data ON plain(data);
CREATE VIRTUAL TABLE words USING fts5(body, content='', columnsize=0);
INSERT INTO words(words, rank) VALUES('secure-delete', 1);
"""

# What another process does that wants the file for itself; SQLite's locks lie behind 1 GiB.
ANOTHER = """
import fcntl, sys
with open(sys.argv[1], "r+b") as file:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 510, 2**30 + 2)
    except OSError:
        print("in use")
"""


def connect(path: Path, page_size: int = 4096, *more: str) -> apsw.Connection:
    db = apsw.Connection(str(path))
    for setting in (f"page_size={page_size}", *more, "journal_mode=WAL", "secure_delete=ON"):
        db.execute(f"PRAGMA {setting}")
    return db


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some.db"


@pytest.fixture
def db(path: Path) -> Iterator[apsw.Connection]:
    with closing(connect(path)) as db:
        db.execute(TABLES)
        yield db


class Life:
    """Rows that come, change and go, and what they must be."""

    def __init__(self, db: apsw.Connection, seed: int) -> None:
        self.db = db
        self.random = Random(seed)
        self.rows: dict[int, str] = {}
        self.last = 0

    def go_on(self, steps: int) -> None:
        with self.db:
            for _ in range(steps):
                if self.rows and self.random.random() < 0.45:
                    self._delete(self.random.choice(list(self.rows)))
                else:
                    self._insert(self.random.randint(1, 10**6))

    def _insert(self, key: int) -> None:
        if key in self.rows:
            return
        size = self.random.choice((3, 20, 90, 400, 3000))
        text = "".join(self.random.choices("bcdfgh jklm", k=size))
        self.rows[key] = text
        self.db.execute("INSERT INTO plain VALUES(?,?)", (key, text))
        self.db.execute("INSERT INTO flat VALUES(?,?,?)", (text[:30], key, text))
        self.db.execute("INSERT INTO words(rowid, body) VALUES(?,?)", (key, text))

    def _delete(self, key: int) -> None:
        text = self.rows.pop(key)
        self.db.execute("DELETE FROM plain WHERE key=?", (key,))
        self.db.execute("DELETE FROM flat WHERE number=?", (key,))
        self.db.execute("INSERT INTO words(words, rowid, body) VALUES('delete',?,?)", (key, text))

    def check(self) -> None:
        assert self.db.pragma("integrity_check") == "ok"
        self.db.execute("INSERT INTO words(words) VALUES('integrity-check')")
        assert dict(self.db.execute("SELECT key, data FROM plain").fetchall()) == self.rows
        assert dict(self.db.execute("SELECT number, data FROM flat").fetchall()) == self.rows


def dead_bytes(db: apsw.Connection, path: Path) -> int:
    """How many bytes of the trees' pages are neither zero nor part of the database.

    A second reading of the page format, entry by entry.
    """
    size: int = db.pragma("page_size")
    data = path.read_bytes()
    roots = db.execute("SELECT rootpage FROM sqlite_schema WHERE rootpage>0").fetchall()
    found, pending = 0, [1, *(root for (root,) in roots)]
    while pending:
        number = pending.pop()
        page = data[(number - 1) * size : number * size]
        live, children = _live(page, 100 if number == 1 else 0)
        pending += children
        found += sum(1 for byte, lives in zip(page, live, strict=True) if byte and not lives)
    return found


def _live(page: bytes, header: int) -> tuple[bytearray, list[int]]:
    kind, count = page[header], _number(page, header + 3, 2)
    inner = kind in (2, 5)
    pointers = header + (12 if inner else 8)
    live = bytearray(len(page))
    _mark(live, 0, pointers + 2 * count)
    children = [_number(page, header + 8, 4)] if inner else []
    for at in range(pointers, pointers + 2 * count, 2):
        entry = _number(page, at, 2)
        _mark(live, entry, _entry_size(page, entry, kind))
        if inner:
            children.append(_number(page, entry, 4))
    free = _number(page, header + 1, 2)
    while free:
        _mark(live, free, 4)
        free = _number(page, free, 2)
    return live, children


def _entry_size(page: bytes, entry: int, kind: int) -> int:
    at = entry + (4 if kind in (2, 5) else 0)
    size, at = _varint(page, at)
    if kind == 5:
        return at - entry
    if kind == 13:
        _, at = _varint(page, at)
    usable = len(page)
    most = usable - 35 if kind == 13 else (usable - 12) * 64 // 255 - 23
    if size > most:
        least = (usable - 12) * 32 // 255 - 23
        kept = least + (size - least) % (usable - 4)
        size = (kept if kept <= most else least) + 4
    return max(4, at + size - entry)


def _number(page: bytes, at: int, size: int) -> int:
    return int.from_bytes(page[at : at + size])


def _varint(page: bytes, at: int) -> tuple[int, int]:
    value = 0
    for end in range(at, at + 8):
        value = value << 7 | page[end] & 0x7F
        if page[end] < 0x80:
            return value, end + 1
    return value << 8 | page[at + 8], at + 9


def _mark(live: bytearray, start: int, size: int) -> None:
    live[start : start + size] = b"\1" * size


def log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[set[int] | None]:
    """What every later wipe looks at: these pages, None for all."""
    seen: list[set[int] | None] = []
    wipe = residue._wipe

    def watched(db: apsw.Connection, pages: Any) -> None:
        seen.append(pages)
        wipe(db, pages)

    monkeypatch.setattr(residue, "_wipe", watched)
    return seen


@pytest.mark.parametrize("page_size", PAGE_SIZES)
@pytest.mark.parametrize("seed", range(3))
def test_only_what_lives_is_in_the_file(path: Path, page_size: int, seed: int) -> None:
    scrubber = Scrubber()
    with closing(connect(path, page_size)) as db:
        assert db.pragma("page_size") == page_size
        db.execute(TABLES)
        life = Life(db, seed)
        left = 0
        for _ in range(8):
            life.go_on(120)
            db.pragma("wal_checkpoint", "full")
            left += dead_bytes(db, path)
            scrubber.scrub(db)
            assert dead_bytes(db, path) == 0
            assert log_of(path).stat().st_size == 0
            life.check()
        assert left > 0  # SQLite by itself leaves something


def test_nothing_is_left_however_the_log_starts_anew(path: Path, db: apsw.Connection) -> None:
    scrubber, life, random = Scrubber(), Life(db, 5), Random(5)
    for _ in range(40):
        life.go_on(15)
        if random.random() < 0.5:
            db.pragma("wal_checkpoint", random.choice(("passive", "restart", "truncate")))
            life.go_on(15)
        if random.random() < 0.5:
            scrubber.scrub(db)
            assert dead_bytes(db, path) == 0
    life.check()


def test_after_the_first_time_only_pages_that_were_written_are_looked_at(
    path: Path, db: apsw.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = looked_at(monkeypatch)
    scrubber, life = Scrubber(), Life(db, 1)
    life.go_on(600)
    scrubber.scrub(db)
    db.execute("DELETE FROM plain WHERE key=(SELECT min(key) FROM plain)")
    scrubber.scrub(db)
    life.go_on(100)
    scrubber.scrub(db)
    everything, few, more = seen
    assert everything is None
    assert few is not None
    assert 0 < len(few) < 10
    assert more is not None
    assert dead_bytes(db, path) == 0


def test_when_somebody_else_started_the_log_anew_every_page_is_looked_at(
    path: Path, db: apsw.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = looked_at(monkeypatch)
    scrubber, life = Scrubber(), Life(db, 1)
    life.go_on(300)
    scrubber.scrub(db)
    life.go_on(100)
    with closing(connect(path)) as other:
        other.pragma("wal_checkpoint", "truncate")
    life.go_on(1)
    scrubber.scrub(db)
    scrubber.scrub(db)  # nothing was written: who emptied the log is not known
    assert seen == [None] * 3
    assert dead_bytes(db, path) == 0


def test_what_a_connection_still_holds_is_not_written_again(
    path: Path, db: apsw.Connection
) -> None:
    scrubber, life = Scrubber(), Life(db, 2)
    db.execute("DROP INDEX by_data")
    for _ in range(3):
        life.go_on(200)
        scrubber.scrub(db)
        for table in ("plain", "flat"):  # in place: no entry changes its size
            db.execute(f"UPDATE {table} SET data=replace(data,'b','q')")
        db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        assert dead_bytes(db, path) == 0


def test_a_reader_in_the_way_is_said_and_the_next_time_takes_all(
    path: Path, db: apsw.Connection
) -> None:
    scrubber, life = Scrubber(), Life(db, 3)
    life.go_on(300)
    scrubber.scrub(db)
    with closing(connect(path)) as reader:
        reader.execute("BEGIN; SELECT count(*) FROM plain").fetchall()
        life.go_on(100)
        with pytest.raises(apsw.BusyError):
            scrubber.scrub(db)
    scrubber.scrub(db)
    assert dead_bytes(db, path) == 0


def test_what_another_program_writes_in_between_is_left_in_the_log(
    path: Path, db: apsw.Connection
) -> None:
    class Interrupted(apsw.Connection):
        def wal_checkpoint(self, *args: Any, **options: Any) -> tuple[int, int]:
            done = super().wal_checkpoint(*args, **options)
            db.execute("INSERT INTO plain VALUES(-1,'theirs')")
            return done

    Life(db, 4).go_on(300)
    with closing(Interrupted(str(path))) as mine:
        with pytest.raises(apsw.BusyError, match="another program"):
            Scrubber().scrub(mine)
        assert not mine.in_transaction
    assert db.execute("SELECT data FROM plain WHERE key=-1").get == "theirs"
    Scrubber().scrub(db)
    assert dead_bytes(db, path) == 0


def test_a_disk_that_fails_is_said_and_the_next_time_takes_all(path: Path) -> None:
    disk = WatchedDisk()
    try:
        with closing(connect(path)) as db:
            db.execute(TABLES)
            life, scrubber = Life(db, 6), Scrubber()
            life.go_on(300)
            db.pragma("wal_checkpoint", "truncate")
            disk.room = 1
            with pytest.raises(apsw.FullError):
                scrubber.scrub(db)
            disk.room = None
            assert dead_bytes(db, path) > 0
            scrubber.scrub(db)
            assert dead_bytes(db, path) == 0
            life.check()
    finally:
        disk.unregister()


@pytest.mark.skipif(sys.platform == "win32", reason="locks belong to handles there")
def test_other_processes_still_see_the_file_in_use(path: Path, db: apsw.Connection) -> None:
    """To close a file drops this process's locks on it, unless SQLite knows of it."""
    life = Life(db, 7)
    life.go_on(300)
    Scrubber().scrub(db)
    life.go_on(10)
    other = [sys.executable, "-c", ANOTHER, str(path)]
    heard = subprocess.run(other, check=True, timeout=60, capture_output=True, text=True)
    assert heard.stdout == "in use\n"
    life.check()


def test_a_memory_has_no_file_to_scrub() -> None:
    with closing(apsw.Connection(":memory:")) as db:
        db.execute(TABLES)
        life = Life(db, 8)
        life.go_on(100)
        Scrubber().scrub(db)
        life.check()


@pytest.mark.parametrize("page_size", PAGE_SIZES)
def test_a_file_that_keeps_track_of_its_pages_stays_whole(path: Path, page_size: int) -> None:
    scrubber = Scrubber()
    with closing(connect(path, page_size, "auto_vacuum=INCREMENTAL")) as db:
        db.execute(TABLES)
        life = Life(db, 9)
        for _ in range(6):
            life.go_on(200)
            db.execute("PRAGMA incremental_vacuum(30)").fetchall()
            scrubber.scrub(db)
            assert dead_bytes(db, path) == 0
            life.check()


def test_where_pointer_maps_lie() -> None:
    assert residue.pointer_maps(512, 512, 300) == {2, 105, 208}
    assert residue.pointer_maps(4096, 4096, 821) == {2}
    assert residue.pointer_maps(4090, 4096, 821) == {2, 821}
    lies_on_the_locks = residue.pointer_maps(1024, 1024, 2**20 + 2)
    assert max(lies_on_the_locks) == 2**20 + 2


@pytest.mark.parametrize(
    "page", [b"\xff" * 512, b"\r\0\0\xff\xff\0\0", b"\r\0\0\0\1\0\0", b"\2\0\0\0\0\xff\xff"]
)
def test_a_damaged_page_has_no_gap(page: bytes) -> None:
    assert list(residue.gaps(page.ljust(512, b"x"), 512, 512)) == []
