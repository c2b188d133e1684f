"""`pagefault gc`: frees what nothing reaches, while others write, and survives being killed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import apsw
import platformdirs
import pytest
from tests.redis.driving import environment
from tests.stores.making import LASTING, Bench, added

from pagefault.base.log import Collected, Represented
from pagefault.stores.contract import Store
from pagefault.stores.opening import Options, opener
from pagefault.stores.sqlite.inspecting import Inspector

pytestmark = pytest.mark.anyio

Command = Callable[..., Any]
OpenStore = Callable[[], Store]

OLD = "text/0"  # a compressor that is no longer in use
MANY = 1_200
LONG = "a level of a page about alder and beech, " * 40


async def fill(bench: Bench, pages: int, *, text: str = LONG) -> None:
    """Pages, each with a level that nobody reads any more."""
    for start in range(0, pages, 50):
        numbers = range(min(50, pages - start))
        texts = [f"page {start + number} about alder".encode() for number in numbers]
        made = await bench.do(
            *(added(page_id=f"+{n}", content=-1 - n, size=len(texts[n])) for n in numbers),
            contents=texts,
            new=["claim"] * len(texts),
        )
        await bench.do(
            *(
                Represented(page_id=page, version=1, level=1, origin=OLD, content=-1 - n, tokens=3)
                for n, page in enumerate(made.ids)
            ),
            contents=[f"{text}{page}".encode() for page in made.ids],
        )


async def whole(bench: Bench, pages: int, step: int = 1) -> None:
    """Every page, or every so many-th, is what was written, and the log has no gap."""
    for number in range(1, pages + 1, step):
        assert await bench.text(f"claim_{number}") == f"page {number - 1} about alder"
    positions = [line.position for line in await bench.store.log(bench.workspace, 0, 100_000)]
    assert positions == list(range(1, len(positions) + 1))


async def sizes_of(bench: Bench) -> dict[int, int]:
    """The bytes of every content."""
    sizes: dict[int, int] = {}
    while piece := await bench.store.sizes(bench.workspace, max(sizes, default=0), 10_000):
        sizes.update(piece)
    return sizes


async def collected(bench: Bench) -> list[int]:
    """The contents that were collected, in the order in which they were."""
    lines = await bench.store.log(bench.workspace, 0, 100_000)
    return [
        content
        for line in lines
        if isinstance(line.operation, Collected)
        for content in line.operation.contents
    ]


@contextmanager
def gc_process(url: str, home: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A real process at work; it is gone at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pagefault", "gc", "--json", *options],
        env=environment(url, home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def garbage(said: dict[str, Any]) -> dict[str, dict[str, int]]:
    (workspace,) = said["workspaces"]
    return {kind: pile for kind, pile in workspace["garbage"].items() if pile["count"]}


async def run_gc(url: str, home: Path, *options: str) -> dict[str, Any]:
    with gc_process(url, home, *options) as process:
        out, err = await anyio.to_thread.run_sync(process.communicate)
        assert process.returncode == 0, err
    said: dict[str, Any] = json.loads(out)
    return said


@LASTING
async def test_a_dry_run_says_what_the_real_one_then_does_and_changes_nothing(
    open_store: OpenStore, store_url: str, tmp_path: Path
) -> None:
    bench = await Bench.at(open_store())
    await fill(bench, 70)
    lines = (await bench.counts())["lines"]
    sizes = await bench.store.sizes(bench.workspace, 0, 1_000)
    dry = await run_gc(store_url, tmp_path, "--dry-run")
    assert (await bench.counts())["lines"] == lines
    assert await bench.store.sizes(bench.workspace, 0, 1_000) == sizes
    real = await run_gc(store_url, tmp_path)
    assert garbage(dry) == garbage(real)
    ((kind, pile),) = garbage(real).items()
    assert "no longer in use" in kind
    left = await bench.store.sizes(bench.workspace, 0, 1_000)
    assert pile == {"count": 70, "bytes": sum(size for _, size in sizes) - sum(s for _, s in left)}
    await whole(bench, 70)
    assert garbage(await run_gc(store_url, tmp_path, "--dry-run")) == {}
    await bench.store.close()


@LASTING
async def test_killed_in_the_middle_it_has_lost_nothing_and_goes_on_the_next_time(
    open_store: OpenStore, store_url: str, tmp_path: Path
) -> None:
    bench = await Bench.at(open_store())
    await fill(bench, MANY)
    killed = []
    for _ in range(3):
        before = await bench.counts()
        with gc_process(store_url, tmp_path) as process:
            while await bench.counts() == before and process.poll() is None:
                await anyio.lowlevel.checkpoint()
            process.kill()
        killed.append(len(await collected(bench)))
        await whole(bench, MANY, step=41)
    assert killed[0] < MANY, "it was done before it was killed: give it more to do"
    said = await run_gc(store_url, tmp_path)
    numbers = await collected(bench)
    assert len(numbers) == len(set(numbers)) == MANY
    assert sum(pile["count"] for pile in garbage(said).values()) == MANY - killed[-1]
    await whole(bench, MANY)
    assert len(await sizes_of(bench)) == MANY
    await bench.store.close()


@LASTING
async def test_others_write_while_it_works(
    open_store: OpenStore, store_url: str, tmp_path: Path
) -> None:
    bench = await Bench.at(open_store())
    await fill(bench, MANY)
    written = []
    with gc_process(store_url, tmp_path) as process:
        while process.poll() is None:
            written.append(await bench.write("a page of a server that goes on"))
        _, err = process.communicate()
    assert process.returncode == 0, err
    assert len(await collected(bench)) == MANY
    kinds = [
        line.operation.kind
        for line in await bench.store.log(bench.workspace, 0, 100_000)
        if line.operation.kind in ("page", "collect")
    ]
    first = kinds.index("collect")
    assert "page" in kinds[first : len(kinds) - kinds[::-1].index("collect")]  # in its midst
    for page in written:
        assert await bench.text(page) == "a page of a server that goes on"
    await whole(bench, MANY)
    await bench.store.close()


# The data file


async def made(path: Path, pages: int) -> None:
    bench = await Bench.at(opener(str(path), Options())())
    await fill(bench, pages, text=LONG + str(hash_words(pages)))
    await bench.store.close()


def hash_words(number: int) -> Sequence[int]:
    """Text that cannot be compressed much."""
    return [number * 2_654_435_761 * place % 2**32 for place in range(1, 400)]


async def test_a_new_file_gives_its_room_back_to_the_disk(
    pagefault: Command, tmp_path: Path
) -> None:
    path = tmp_path / "new.db"
    await made(path, 300)
    before = path.stat().st_size
    done = await anyio.to_thread.run_sync(lambda: pagefault("gc", "--store", path, "--json"))
    assert done.code == 0, done.err
    file = done.json["file"]
    assert file["freed"] == before - path.stat().st_size > before // 3
    assert (file["held"], file["whole_only"]) == (0, False)
    with Inspector(path) as inspector:
        assert (inspector.complaints(), inspector.damaged()) == ([], [])


async def test_a_file_made_before_there_was_gc_is_written_anew_only_when_asked(
    pagefault: Command, tmp_path: Path
) -> None:
    path = tmp_path / "old.db"
    path.touch()  # of a file that is there it is not known how it was made
    await made(path, 300)
    before = path.stat().st_size

    def gc(*options: str) -> Any:
        return pagefault("gc", "--store", path, *options)

    done = await anyio.to_thread.run_sync(gc)
    assert done.code == 0, done.err
    assert "pagefault gc --vacuum" in done.out
    assert path.stat().st_size == before
    done = await anyio.to_thread.run_sync(lambda: gc("--vacuum", "--json"))
    assert done.json["file"]["freed"] == before - path.stat().st_size > before // 3
    await more(path)
    done = await anyio.to_thread.run_sync(lambda: gc("--json"))
    assert done.json["file"]["freed"] > 0
    assert not done.json["file"]["whole_only"]


async def more(path: Path) -> None:
    bench = await Bench.at(opener(str(path), Options())())
    await fill(bench, 100, text=LONG + str(hash_words(7)))
    await bench.store.close()


async def test_documents_of_pages_that_are_not_there_leave_the_index(
    pagefault: Command, tmp_path: Path
) -> None:
    path = tmp_path / "memory.db"
    bench = await Bench.at(opener(str(path), Options())())
    kept = await bench.write("a page about alder")
    lost = await bench.write("another page about alder")
    assert sorted(await bench.find("alder")) == [kept, lost]
    await bench.store.close()
    with apsw.Connection(str(path)) as db:
        db.execute("DELETE FROM version WHERE page=?", (lost,))
        db.execute("DELETE FROM page WHERE id=?", (lost,))
    db.close()

    def gc(*options: str) -> Any:
        return pagefault("gc", "--store", path, "--json", *options).json["index_documents"]

    found = [
        await anyio.to_thread.run_sync(lambda given=given: gc(*given))
        for given in (["--dry-run"], ["--dry-run"], [], ["--dry-run"])
    ]
    assert found == [1, 1, 1, 0]
    bench = await Bench.at(opener(str(path), Options())())
    assert await bench.find("alder") == [kept]
    await bench.store.close()


async def test_the_local_index_lets_go_of_workspaces_that_are_gone(
    pagefault: Command, redis_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    monkeypatch.setattr(platformdirs, "user_data_path", lambda *_, **__: folder)
    url = redis_server.url("gone")
    for flush in (True, False):  # then there is a workspace of the same name that is another
        store = opener(url, Options(folder=folder))()
        bench = await Bench.at(store)
        await bench.write("a page about alder")
        assert await bench.find("alder") == ["claim_1"]
        await store.close()
        if flush:
            redis_server.flush()

    def gc(*options: str) -> Any:
        return pagefault("gc", "--store", url, "--json", *options).json["index_documents"]

    found = [
        await anyio.to_thread.run_sync(lambda given=given: gc(*given))
        for given in (["--dry-run"], [], ["--dry-run"])
    ]
    assert found == [1, 1, 0]
    redis_server.flush()


def test_nothing_is_not_collected(pagefault: Command, tmp_path: Path) -> None:
    done = pagefault("gc", "--store", tmp_path / "none.db")
    assert done.code == 1
    assert "there is no data file" in done.err
    assert list(tmp_path.glob("*.db*")) == []
