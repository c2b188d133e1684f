"""Forgetting is final: no byte of a forgotten page is left in the file or its write-ahead log."""

from __future__ import annotations

from pathlib import Path
from random import Random

import anyio
import anyio.to_thread
import apsw
import pytest
from tests.stores.conftest import StartChild
from tests.stores.disk import WatchedDisk
from tests.stores.making import Bench, added, said

from pagefault.base.log import Archived, Represented, Unarchived
from pagefault.stores.sqlite import SqliteStore

pytestmark = pytest.mark.anyio

SECRET = "zanzibarquux"


def traces(path: Path, secret: str = SECRET) -> list[str]:
    """The files that hold the secret, or the beginning of it that an index would keep."""
    wanted = (secret.encode(), secret[: len(secret) * 2 // 3].encode())
    files = [path, *path.parent.glob(f"{path.name}-*")]
    return [file.name for file in files if any(w in file.read_bytes().lower() for w in wanted)]


async def secret_page(bench: Bench) -> str:
    """A page that says the secret wherever a page can say anything."""
    event = said(page_id="+1", payload=-3)
    page = added(page_id="+1", page_type="transcript", event_id="+0", hint=-2, payload=-3)
    level = Represented(
        session="s1", page_id="+1", version=1, level=2, origin="model", content=-4, tokens=1
    )
    texts = ("the {} page", "hint {}", '{{"arguments":"{}"}}', "short {}")
    contents = [text.format(SECRET).encode() for text in texts]
    applied = await bench.do(event, page, level, contents=contents, new=["evt", "msg"])
    await bench.revise(applied.ids[1], f"{SECRET.upper()} again, {SECRET}s and {SECRET}-like")
    await bench.revise(applied.ids[1], f"{SECRET} elsewhere", session="s2")
    return applied.ids[1]


async def test_nothing_of_a_forgotten_page_is_left(bench: Bench, path: Path) -> None:
    for number in range(40):
        await bench.say(f"message {number} about alder and zanz{number} and zanzib{number}")
    page = await secret_page(bench)
    await bench.find(SECRET)
    assert traces(path) != []
    await bench.forget(page)
    assert traces(path) == []
    assert len(await bench.find("alder", limit=100)) == 40


@pytest.mark.parametrize("back", [False, True])
async def test_nothing_is_left_of_a_page_that_was_archived(
    bench: Bench, path: Path, *, back: bool
) -> None:
    for number in range(40):
        await bench.say(f"message {number} about alder and zanz{number} and zanzib{number}")
    page = await secret_page(bench)
    await bench.find(SECRET)
    await bench.store.repack(bench.workspace, range(1, 60))
    await bench.do(Archived(page_id=page))
    assert await bench.find(SECRET) == [page]
    if back:
        await bench.do(Unarchived(session="s1", page_id=page))
        await bench.find(SECRET)
    assert traces(path) != []
    await bench.forget(page)
    assert traces(path) == []


async def test_nothing_is_left_of_a_page_that_was_never_indexed(bench: Bench, path: Path) -> None:
    page = await secret_page(bench)
    assert traces(path) != []
    await bench.forget(page)
    assert traces(path) == []


async def test_nothing_is_left_of_a_page_among_many(bench: Bench, path: Path) -> None:
    for start in range(0, 600, 100):
        pages = [added(page_id=f"+{n}", content=-1 - n) for n in range(100)]
        texts = [
            f"page {start + n} zan{n} zanzi{start}{n} word{n * 7}".encode() for n in range(100)
        ]
        await bench.do(*pages, contents=texts, new=["claim"] * 100)
        if start == 300:
            page = await secret_page(bench)
        await bench.find("page")
    await bench.forget(page)
    assert traces(path) == []


def word(number: int) -> str:
    """Twelve letters that no other number gives, and no rule of English shortens."""
    return "".join(Random(number).choices("bcfhjkmpqvwxz", k=12))


@pytest.mark.parametrize(("seed", "indexed"), [(15, False), (1, True), (10, True), (17, True)])
async def test_no_copy_is_left_where_pages_moved_in_the_file(
    bench: Bench, path: Path, seed: int, indexed: bool
) -> None:
    random = Random(seed)
    pages: list[str] = []
    for number in range(40):
        filler = "word " * random.choice((0, 10, 100, 190))
        pages.append(await bench.write(f"a lake and {word(number)} {filler}"))
        if indexed and random.random() < 0.5:
            await bench.find("lake")
    if indexed:
        await bench.find("lake")
    gone = random.sample(range(40), 30)
    for number in gone:
        await bench.forget(pages[number])
    assert [number for number in gone if traces(path, word(number))] == []
    assert len([number for number in range(40) if traces(path, word(number))]) == 10


async def test_nothing_of_a_large_page_is_left(bench: Bench, path: Path) -> None:
    text = " ".join(f"{SECRET}{number} {number * 7919}" for number in range(5_000))
    page = await bench.write(text)
    await bench.find(SECRET)
    piece = stored(path)
    assert holds(path, piece)
    await bench.forget(page)
    assert traces(path) == []
    assert not holds(path, piece)


def holds(path: Path, piece: bytes) -> bool:
    return any(piece in file.read_bytes() for file in (path, *path.parent.glob("memory.db-*")))


def stored(path: Path) -> bytes:
    """Some bytes of the first content as they lie on the disk, where it is compressed."""
    db = apsw.Connection(str(path))
    ((data,),) = db.execute("SELECT data FROM content LIMIT 1").fetchall()
    db.close()
    assert isinstance(data, bytes)
    return data[20_000:20_064]


async def test_a_reader_of_the_past_delays_scrubbing_and_not_the_answer(
    disk: WatchedDisk, path: Path, start_child: StartChild, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pagefault.stores.sqlite.files.BUSY_MS", 50)
    monkeypatch.setattr("pagefault.stores.sqlite.writer.BUSY_MS", 50)
    monkeypatch.setattr("pagefault.stores.sqlite.writer._SCRUB_AGAIN", 0.02)
    bench = await Bench.at(SqliteStore.open(path))
    page = await secret_page(bench)
    child = start_child("read", path).ready()
    await bench.forget(page)
    assert traces(path) != []
    disk.cut.clear()
    child.finish()
    assert await anyio.to_thread.run_sync(disk.cut.wait, 20)
    assert traces(path) == []
    assert await bench.write("and on it goes") == "claim_1"
    await bench.store.close()


async def test_what_is_forgotten_in_a_memory_is_gone_too() -> None:
    bench = await Bench.at(SqliteStore.open(None))
    page = await secret_page(bench)
    await bench.forget(page)
    assert await bench.find(SECRET) == []
    await bench.store.close()
