"""The local file that holds the indexes of another store's workspaces.

Run as a script it is a second process: ``test_follower.py PATH`` follows a log into that file.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from random import Random
from typing import Any

import apsw
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.index.test_following import (
    PRINCIPAL,
    QUERIES,
    WORKSPACE,
    History,
    actions,
    cuts,
    follow,
    history_of,
    memory,
)
from tests.index.test_following import answers as answers_of_an_index
from tests.stores.disk import WatchedDisk

import pagefault
from pagefault.base.errors import (
    StoreDamaged,
    StoreFull,
    StoreTooNew,
    StoreUnavailable,
)
from pagefault.index import follower as module
from pagefault.index.document import Hit, Search
from pagefault.index.follower import APPLICATION_ID, Follower
from pagefault.index.following import Piece
from pagefault.stores.lock import FileLock

PATIENT = 30  # seconds until something that does not happen has failed
ROOT = Path(__file__).parents[2]


@contextmanager
def opened(path: Path | None) -> Iterator[Follower]:
    """A follower as the store opens it."""
    if path is None:
        with closing(Follower.open(None)) as follower:
            yield follower
        return
    lock = FileLock(path.with_name(path.name + ".lock"))
    with closing(lock), closing(Follower.open(path, lock)) as follower:
        yield follower


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index.db"


@pytest.fixture(params=["file", "memory"])
def follower(request: pytest.FixtureRequest, path: Path) -> Iterator[Follower]:
    with opened(path if request.param == "file" else None) as follower:
        yield follower


@pytest.fixture
def on_disk(path: Path) -> Iterator[Follower]:
    with opened(path) as follower:
        yield follower


@pytest.fixture
def history() -> History:
    return history_of([("page", f"{word} number{n}", n % 3 + 1, "claim", 0) for n, word in WORDS])


WORDS = tuple(enumerate("sunrise lake budget plan zebra lake".split()))


def take(follower: Follower, history: History, after: int, piece: Piece) -> bool:
    return follower.advance(PRINCIPAL, WORKSPACE, after, piece, history.texts, history.sessions)


def catch_up(follower: Follower, history: History) -> bool:
    """One piece with all that the follower does not know."""
    after = follower.reached(WORKSPACE)
    return take(follower, history, after, history.piece(after))


def hits(follower: Follower, query: str, **options: Any) -> list[Hit]:
    return follower.search(PRINCIPAL, Search(query, WORKSPACE, limit=50, **options))


def find(follower: Follower, query: str, **options: Any) -> list[str]:
    return sorted(hit.page_id for hit in hits(follower, query, **options))


def answers(follower: Follower) -> list[list[Hit]]:
    return [
        hits(follower, query, session=session, scope=scope)
        for query in QUERIES
        for session in (1, 2)
        for scope in ("workspace", "session")
    ]


def traces(path: Path, secret: bytes) -> list[str]:
    """The files of the folder that hold the secret, a piece of a text or the stem of a word."""
    files = [file for file in path.parent.iterdir() if not file.name.endswith(".lock")]
    return [file.name for file in files if secret in file.read_bytes().lower()]


def secret(number: int) -> str:
    """Twelve letters that no other number gives, and no rule of English shortens."""
    return "".join(Random(number).choices("bcfhjkmpqvwxz", k=12))


def stem(number: int) -> bytes:
    """So much of a secret as would give it away."""
    return secret(number)[:9].encode()


def outdate(path: Path) -> None:
    """Make the index one of another format."""
    change(path, "UPDATE followed SET format=format+1; UPDATE index_area SET format=format+1")


def change(path: Path, statement: str) -> None:
    """What somebody else does to the file."""
    with closing(apsw.Connection(str(path))) as db:
        db.execute(statement)


# Following


def test_what_was_followed_is_found(follower: Follower, history: History) -> None:
    assert follower.reached(WORKSPACE) == 0
    assert find(follower, "lake") == []
    assert catch_up(follower, history)
    assert follower.reached(WORKSPACE) == len(WORDS)
    assert find(follower, "lake") == ["claim_2", "claim_6"]
    assert follower.pages(WORKSPACE) == len(WORDS)


@settings(max_examples=100)
@given(actions, cuts)
def test_it_answers_as_an_index_does_however_the_log_is_cut(drawn: Any, where: set[int]) -> None:
    history = history_of(drawn)
    db = memory()
    follow(db, history)
    with opened(None) as follower:
        for after, piece in history.pieces(where):
            assert take(follower, history, after, piece)
        assert answers(follower) == answers_of_an_index(db)
        assert follower.reached(WORKSPACE) == history.position


def test_a_piece_that_begins_elsewhere_is_not_taken(follower: Follower, history: History) -> None:
    assert take(follower, history, 0, history.piece(0, 3))
    assert not take(follower, history, 0, history.piece(0, 3))
    assert not take(follower, history, 4, history.piece(4))
    assert follower.reached(WORKSPACE) == 3
    assert follower.pages(WORKSPACE) == 3


def test_a_piece_without_entries_is_a_step_too(follower: Follower) -> None:
    assert follower.advance(PRINCIPAL, WORKSPACE, 0, Piece((), (), 9), {}, {})
    assert follower.reached(WORKSPACE) == 9
    assert follower.pages(WORKSPACE) == 0


def test_texts_and_handles_are_there_for_the_results(follower: Follower, history: History) -> None:
    long = "a long text " * 1000
    history.page(long)
    catch_up(follower, history)
    contents = {hit.content for hit in hits(follower, "lake long")}
    found = follower.texts(WORKSPACE, [*contents, 999])
    assert found == {content: history.texts[content] for content in contents}
    assert long.encode() in found.values()
    assert follower.handles(WORKSPACE, {1, 3, 99}) == {1: "s1", 3: "s3"}
    assert follower.number(WORKSPACE, "s2") == 2
    assert follower.number(WORKSPACE, "never heard of") == 0


def test_workspaces_share_nothing(follower: Follower, history: History) -> None:
    catch_up(follower, history)
    follower.advance(PRINCIPAL, 8, 0, history.piece(0, 1), {1: b"a lake elsewhere"}, {9: "s9"})
    other = follower.search(PRINCIPAL, Search("lake", 8))
    assert [hit.page_id for hit in other] == ["claim_1"]
    assert follower.texts(8, [1, 2]) == {1: b"a lake elsewhere"}
    assert follower.handles(8, [1, 9]) == {9: "s9"}
    assert follower.search(2, Search("lake", WORKSPACE)) == []
    follower.reset(PRINCIPAL, 8)
    assert follower.reached(8) == 0
    assert follower.pages(8) == 0
    assert follower.texts(8, [1]) == follower.handles(8, [9]) == {}
    assert find(follower, "lake") == ["claim_2", "claim_6"]


def test_what_was_followed_is_there_after_a_restart(path: Path, history: History) -> None:
    with opened(path) as follower:
        catch_up(follower, history)
        before = answers(follower)
    with opened(path) as follower:
        assert follower.reached(WORKSPACE) == history.position
        assert answers(follower) == before


def test_a_text_that_the_other_store_lacks_reads_as_empty(
    follower: Follower, history: History
) -> None:
    page = history.page("never seen", name="Zanzibar", hint="nor this")
    del history.texts[history.pages[page].content]
    assert catch_up(follower, history)
    assert find(follower, "zanzibar") == [page]
    assert follower.texts(WORKSPACE, [history.pages[page].content]) == {}
    history.forget(page)
    assert catch_up(follower, history)
    assert find(follower, "zanzibar") == []


def test_a_text_that_comes_too_late_is_not_what_a_page_leaves_by(
    path: Path, on_disk: Follower
) -> None:
    history = History()
    page = history.page("about a lake")
    first = history.piece()
    on_disk.advance(PRINCIPAL, WORKSPACE, 0, first, {}, {})
    on_disk.advance(PRINCIPAL, WORKSPACE, 1, Piece(first.entries, (), 2), history.texts, {})
    assert on_disk.advance(PRINCIPAL, WORKSPACE, 2, Piece((), [page], 3), {}, {})
    assert on_disk.pages(WORKSPACE) == 0
    change(path, "INSERT INTO index_terms_1(index_terms_1) VALUES('integrity-check')")
    with closing(apsw.Connection(str(path))) as db:
        db.execute("CREATE VIRTUAL TABLE temp.v USING fts5vocab(main, index_terms_1, instance)")
        assert db.execute("SELECT term FROM temp.v").fetchall() == []


# Forgetting


@settings(max_examples=25)
@given(st.sets(st.integers(0, 39), min_size=1), st.sets(st.integers(1, 90)))
@example({*range(11), 14}, {*range(1, 10), 13, 14, 15, 16, 18, 34})
def test_no_word_of_forgotten_pages_is_left_in_the_files(gone: set[int], where: set[int]) -> None:
    history = History()
    pages = [
        history.page(f"a lake and {secret(n)}", n % 3 + 1, f"hint {secret(100 + n)}", name=f"N{n}")
        for n in range(40)
    ]
    for n in gone:
        history.revise(pages[n], f"again {secret(200 + n)}", 2, f"other {secret(300 + n)}")
    for n in gone:
        history.forget(pages[n])
    said = [row + n for row in (0, 100, 200, 300) for n in gone]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index.db"
        with opened(path) as follower:
            for after, piece in history.pieces(where):
                assert take(follower, history, after, piece)
            assert [n for n in said if traces(path, stem(n))] == []
            kept = sorted(set(pages) - {pages[n] for n in gone})
            assert find(follower, "lake") == kept
        assert [n for n in said if traces(path, stem(n))] == []


def test_words_that_are_not_forgotten_are_in_the_files(path: Path, on_disk: Follower) -> None:
    history = History()
    history.page(f"a lake and {secret(1)}", hint=f"hint {secret(2)}")
    catch_up(on_disk, history)
    assert traces(path, stem(1))
    assert traces(path, stem(2))


def test_nothing_of_a_long_text_is_left(path: Path, on_disk: Follower) -> None:
    history = History()
    text = " ".join(secret(n) for n in range(5_000))
    page = history.page(text)
    catch_up(on_disk, history)
    deflated = zlib.compress(text.encode(), 1)[9_000:9_064].lower()
    with closing(apsw.Connection(str(path))) as db:
        assert deflated in db.execute("SELECT data FROM content").get.lower()
    history.forget(page)
    assert catch_up(on_disk, history)
    assert traces(path, deflated) == traces(path, stem(7)) == []
    assert on_disk.texts(WORKSPACE, [1]) == {}


def test_a_reset_leaves_nothing(path: Path, on_disk: Follower) -> None:
    history = History()
    history.page(f"a lake and {secret(1)}", hint=f"hint {secret(2)}")
    catch_up(on_disk, history)
    on_disk.reset(PRINCIPAL, WORKSPACE)
    assert traces(path, stem(1)) == traces(path, stem(2)) == []


def forgotten_while_somebody_reads(
    path: Path, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> apsw.Connection:
    """A page is forgotten, and a reader needs the write-ahead log that it stands in."""
    monkeypatch.setattr(module, "_BUSY_MS", 50)
    history = History()
    page = history.page(f"a lake and {secret(1)}")
    catch_up(follower, history)
    reader = apsw.Connection(str(path))
    reader.execute("BEGIN; SELECT count(*) FROM followed").fetchall()
    history.forget(page)
    assert catch_up(follower, history)
    assert find(follower, "lake") == []
    return reader


def test_a_reader_of_the_past_delays_scrubbing_and_not_the_answer(
    path: Path, on_disk: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = forgotten_while_somebody_reads(path, on_disk, monkeypatch)
    assert not on_disk.scrub()
    assert traces(path, stem(1))
    reader.close()
    assert on_disk.scrub()
    assert traces(path, stem(1)) == []


def test_what_is_written_next_scrubs_what_was_delayed(
    path: Path, on_disk: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten_while_somebody_reads(path, on_disk, monkeypatch).close()
    assert traces(path, stem(1))
    assert not on_disk.advance(PRINCIPAL, WORKSPACE, 77, Piece((), (), 78), {}, {})
    assert traces(path, stem(1)) == []


@pytest.mark.parametrize("read", [False, True])
def test_opening_scrubs_what_a_killed_process_left(
    path: Path, tmp_path: Path, on_disk: Follower, monkeypatch: pytest.MonkeyPatch, read: bool
) -> None:
    reader = forgotten_while_somebody_reads(path, on_disk, monkeypatch)
    left = tmp_path / "left"
    left.mkdir()
    for name in ("index.db", "index.db-wal"):
        shutil.copy(tmp_path / name, left)
    reader.close()
    assert traces(left / "index.db", stem(1))
    reader = apsw.Connection(str(left / "index.db"))
    if read:
        reader.execute("BEGIN; SELECT count(*) FROM followed").fetchall()
    with opened(left / "index.db") as other:
        assert other.scrub() == (not read)
        reader.close()
        assert other.scrub()
        assert traces(left / "index.db", stem(1)) == []
        assert other.reached(WORKSPACE) == 2


def test_what_another_format_knew_leaves_no_trace(path: Path) -> None:
    history = History()
    history.page(f"a lake and {secret(1)}")
    with opened(path) as follower:
        catch_up(follower, history)
    outdate(path)
    history = History()
    history.page("")
    with opened(path) as follower:
        assert catch_up(follower, history)
        assert traces(path, stem(1)) == []
        assert follower.pages(WORKSPACE) == 1


@pytest.mark.parametrize(
    "loss",
    [
        "DELETE FROM content WHERE content=3",
        "UPDATE content SET data=zeroblob(size) WHERE content=3",
        "UPDATE content SET data=x'789c00' WHERE content=3",
    ],
)
def test_a_page_whose_text_was_lost_is_forgotten_by_following_anew(
    path: Path, on_disk: Follower, history: History, loss: str
) -> None:
    catch_up(on_disk, history)
    change(path, loss)
    assert history.pages["claim_2"].content == 3
    assert on_disk.texts(WORKSPACE, [1, 3]) == {1: history.texts[1]}
    history.forget("claim_2")
    assert not catch_up(on_disk, history)
    assert on_disk.reached(WORKSPACE) == 0
    assert find(on_disk, "lake budget") == []
    assert traces(path, b"number1") == []
    assert catch_up(on_disk, history)
    assert find(on_disk, "lake budget") == ["claim_3", "claim_6"]


# Many at once


def test_a_reader_does_not_wait_for_a_writer(on_disk: Follower, history: History) -> None:
    take(on_disk, history, 0, history.piece(0, 3))
    within, go_on = threading.Event(), threading.Event()

    class Slow(dict[int, bytes]):
        def get(self, key: int, default: Any = None) -> Any:
            within.set()
            assert go_on.wait(PATIENT)
            return super().get(key, default)

    texts = Slow(history.texts)
    with ThreadPoolExecutor() as threads:
        written = threads.submit(
            on_disk.advance, PRINCIPAL, WORKSPACE, 3, history.piece(3), texts, history.sessions
        )
        assert within.wait(PATIENT)
        assert find(on_disk, "lake") == ["claim_2"]
        assert on_disk.reached(WORKSPACE) == 3
        go_on.set()
        assert written.result(PATIENT)
    assert find(on_disk, "lake") == ["claim_2", "claim_6"]


class Turn:
    """A lock that says whether somebody holds it."""

    held = False

    def __enter__(self) -> None:
        assert not self.held
        self.held = True

    def __exit__(self, *_: object) -> None:
        self.held = False


def test_it_has_the_turn_while_it_writes_and_not_while_it_reads(
    path: Path, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = Turn()
    held: dict[str, set[bool]] = {}

    def watch(action: int, what: str | None, *_: str | None) -> int:
        verb = "write" if action in (apsw.SQLITE_INSERT, apsw.SQLITE_DELETE) else "read"
        if str(what).startswith("index_"):
            held.setdefault(verb, set()).add(turn.held)
        return apsw.SQLITE_OK

    monkeypatch.setattr(apsw, "connection_hooks", [lambda db: db.set_authorizer(watch)])
    with closing(Follower.open(path, turn)) as follower:
        assert catch_up(follower, history)
        follower.reset(PRINCIPAL, WORKSPACE)
        assert held == {"write": {True}, "read": {True}}
        held.clear()
        find(follower, "lake")
        follower.pages(WORKSPACE)
        assert held == {"read": {False}}


def large_history() -> History:
    history = History()
    for number in range(120):
        page = history.page(f"a lake and {secret(number)}", number % 3 + 1)
        if number % 10 == 9:
            history.forget(page)
    return history


def follow_in_small_steps(follower: Follower, history: History) -> int:
    """Follow to the end of the log, whoever else does so too; how many pieces it took in."""
    taken = 0
    while (after := follower.reached(WORKSPACE)) < history.position:
        taken += take(follower, history, after, history.piece(after, after + 3))
    return taken


def expected(history: History) -> list[list[Hit]]:
    with opened(None) as follower:
        follow_in_small_steps(follower, history)
        return answers(follower)


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_threads_that_follow_and_search_at_once_never_double_an_entry(
    path: Path, kind: str
) -> None:
    history = large_history()
    with ExitStack() as stack, ThreadPoolExecutor(8) as threads:
        lasting = path if kind == "file" else None
        followers = [stack.enter_context(opened(lasting)) for _ in range(3 if lasting else 1)]
        following = [
            threads.submit(follow_in_small_steps, follower, history)
            for follower in followers
            for _ in range(2)
        ]
        while not all(future.done() for future in following):
            found = [threads.submit(hits, follower, "lake") for follower in followers * 2]
            for future in found:
                pages = [hit.page_id for hit in future.result(PATIENT)]
                assert len(pages) == len(set(pages))
        assert sum(future.result() for future in following) == history.position // 3
        assert followers[0].pages(WORKSPACE) == len(history.alive())
        assert answers(followers[0]) == expected(history)


def test_processes_that_open_and_follow_a_new_file_at_once_never_double_an_entry(
    path: Path,
) -> None:
    history = large_history()
    roots = (str(ROOT), str(Path(pagefault.__file__).parents[1]))
    children = [
        subprocess.Popen(
            [sys.executable, __file__, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(roots)},
        )
        for _ in range(3)
    ]
    try:
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        for child in children:
            assert child.stdin is not None
            child.stdin.write("\n")
            child.stdin.flush()
        taken = [int(child.communicate(timeout=PATIENT)[0]) for child in children]
    finally:
        for child in children:
            child.kill()
            child.communicate()
    assert [child.returncode for child in children] == [0, 0, 0]
    assert sum(taken) == history.position // 3
    with opened(path) as follower:
        assert follower.pages(WORKSPACE) == len(history.alive())
        assert answers(follower) == expected(history)


# The file


@pytest.mark.skipif(sys.platform == "win32", reason="no modes there")
def test_nobody_else_may_read_the_files(path: Path, history: History) -> None:
    before = os.umask(0)
    try:
        with opened(path) as follower:
            catch_up(follower, history)
            files = list(path.parent.glob("index.db*"))
            assert {file.name for file in files} >= {"index.db", "index.db-wal"}
            assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    finally:
        os.umask(before)


@pytest.mark.skipif(sys.platform == "win32", reason="no modes there")
def test_a_file_that_others_could_read_is_closed_to_them(path: Path) -> None:
    with opened(path):
        pass
    path.chmod(0o644)
    with opened(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_index_of_another_format_is_followed_anew(path: Path, history: History) -> None:
    with opened(path) as follower:
        catch_up(follower, history)
        before = answers(follower)
    outdate(path)
    with opened(path) as follower:
        assert follower.reached(WORKSPACE) == 0
        assert find(follower, "lake") == []
        assert catch_up(follower, history)
        assert answers(follower) == before


def overwrite(path: Path, start: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(data)


Spoil = Callable[[Path], None]
SPOILT: dict[str, Spoil] = {
    "another format": lambda path: change(path, "PRAGMA user_version=99; CREATE TABLE other(x)"),
    "its first bytes": lambda path: overwrite(path, 0, b"nonsense"),
    "its page size": lambda path: overwrite(path, 16, b"\x77\x77"),
    "its schema": lambda path: overwrite(path, 100, b"\xff" * 900),
    "cut off": lambda path: os.truncate(path, 5000),
}


@pytest.mark.parametrize("spoilt", SPOILT)
def test_a_file_of_ours_that_cannot_be_used_is_made_anew(
    path: Path, history: History, spoilt: str
) -> None:
    with opened(path) as follower:
        catch_up(follower, history)
        before = answers(follower)
    SPOILT[spoilt](path)
    with opened(path) as follower:
        assert follower.reached(WORKSPACE) == 0
        assert find(follower, "lake") == []
        assert catch_up(follower, history)
        assert answers(follower) == before
    with opened(path) as follower:
        assert answers(follower) == before


@pytest.mark.parametrize(
    ("table", "verb"),
    [
        ("followed", "reached"),
        ("followed", "catch_up"),
        ("index_document", "find"),
        ("index_terms_1_data", "find"),
        ("index_terms_1_data", "catch_up"),
        ("content", "texts"),
    ],
)
def test_damage_that_shows_later_is_said_once_and_repaired(
    path: Path, history: History, table: str, verb: str
) -> None:
    with opened(path) as follower:
        catch_up(follower, history)
    with closing(apsw.Connection(str(path))) as db:
        page = db.execute("SELECT rootpage FROM sqlite_schema WHERE name=?", (table,)).get
        size = db.pragma("page_size")
    overwrite(path, (page - 1) * size, b"\xee" * size)
    history.page("a budget")
    verbs = {
        "find": lambda: find(follower, "lake"),
        "catch_up": lambda: take(follower, history, 6, history.piece(6)),
        "reached": lambda: follower.reached(WORKSPACE),
        "texts": lambda: follower.texts(WORKSPACE, [1]),
    }
    with opened(path) as follower, opened(path) as other:
        with pytest.raises(StoreDamaged, match="made anew"):
            verbs[verb]()
        assert other.reached(WORKSPACE) == 0
        assert catch_up(other, history)
        assert find(follower, "lake") == find(other, "lake") == ["claim_2", "claim_6"]


def another_program(path: Path) -> None:
    change(path, "CREATE TABLE theirs(x); INSERT INTO theirs VALUES('precious')")


def another_application(path: Path) -> None:
    change(path, "PRAGMA application_id=7; CREATE TABLE theirs(x)")


def no_database(path: Path) -> None:
    path.write_text("a diary of many words\n" * 500)


def a_short_note(path: Path) -> None:
    path.write_text("buy milk")


@pytest.mark.parametrize("make", [another_program, another_application, no_database, a_short_note])
def test_a_file_of_something_else_is_left_as_it_is(path: Path, make: Spoil) -> None:
    make(path)
    before = path.read_bytes(), path.stat().st_mode
    with pytest.raises(StoreDamaged, match=r"no search index of pagefault.*move it away"):
        Follower.open(path, threading.RLock())
    assert (path.read_bytes(), path.stat().st_mode) == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_what_a_running_follower_finds_replaced_by_something_else_is_left_as_it_is(
    path: Path, history: History
) -> None:
    with opened(path) as follower:
        catch_up(follower, history)
    with opened(path) as follower:
        diary = b"a diary of many words\n" * 500
        path.write_bytes(diary)
        with pytest.raises(StoreDamaged, match="Nothing was changed"):
            find(follower, "lake")
        assert path.read_bytes() == diary


def test_an_empty_file_is_a_new_one(path: Path, history: History) -> None:
    path.touch()
    with opened(path) as follower:
        assert catch_up(follower, history)
    with closing(apsw.Connection(str(path))) as db:
        assert db.pragma("application_id") == APPLICATION_ID


def test_a_file_that_a_later_version_took_over_is_not_written(
    path: Path, on_disk: Follower, history: History
) -> None:
    change(path, "PRAGMA user_version=99")
    with pytest.raises(StoreTooNew, match="has format 99"):
        catch_up(on_disk, history)
    assert on_disk.reached(WORKSPACE) == 0


def test_a_folder_that_is_not_there_is_made(tmp_path: Path, history: History) -> None:
    path = tmp_path / "some" / "where" / "index.db"
    with closing(Follower.open(path, threading.RLock())) as follower:
        assert catch_up(follower, history)


def test_a_place_that_cannot_be_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be"):
        Follower.open(tmp_path, threading.RLock())


def test_a_full_disk_leaves_everything_as_it_was(path: Path, history: History) -> None:
    disk = WatchedDisk()
    try:
        with opened(path) as follower:
            take(follower, history, 0, history.piece(0, 3))
            disk.room = 0
            with pytest.raises(StoreFull, match="Free some space"):
                take(follower, history, 3, history.piece(3))
            assert follower.reached(WORKSPACE) == 3
            assert find(follower, "lake") == ["claim_2"]
            disk.room = None
            assert catch_up(follower, history)
            assert find(follower, "lake") == ["claim_2", "claim_6"]
    finally:
        disk.unregister()


def test_after_closing_it_says_so(follower: Follower, history: History) -> None:
    catch_up(follower, history)
    follower.close()
    for call in (
        lambda: find(follower, "lake"),
        lambda: catch_up(follower, history),
        lambda: follower.reset(PRINCIPAL, WORKSPACE),
        lambda: follower.texts(WORKSPACE, [1]),
    ):
        with pytest.raises(StoreUnavailable, match="was closed"):
            call()


if __name__ == "__main__":
    print("ready", flush=True)
    sys.stdin.readline()
    with opened(Path(sys.argv[1])) as mine:
        print(follow_in_small_steps(mine, large_history()))
