"""A damaged byte: reported, never served, and nobody else's trouble."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest
from tests.stores.making import Bench

from pagefault.base.errors import PageForgotten, StoreDamaged, StoreError
from pagefault.stores.contract import Workspace
from pagefault.stores.sqlite import SqliteStore

pytestmark = pytest.mark.anyio

TEXTS = {
    "small": "a short page about alder",
    "compressed": "a long page about alder, " * 200,
    "large": secrets.token_hex(60_000) + " alder",
}


def stored(path: Path, content: int) -> bytes:
    """A content as it lies in the file."""
    db = apsw.Connection(str(path))
    ((data,),) = db.execute("SELECT data FROM content WHERE key=?", (1 << 40 | content,)).fetchall()
    db.close()
    assert isinstance(data, bytes)
    return data


def flip(path: Path, content: int) -> None:
    """Change one bit of a content in a file that nobody has open."""
    data = stored(path, content)
    whole = bytearray(path.read_bytes())
    piece = data[-20:]
    assert whole.count(piece) == 1
    whole[whole.index(piece) + 10] ^= 1
    path.write_bytes(whole)


async def damaged(path: Path, text: str, *, indexed: bool) -> Bench:
    """A bench on a file where content 1 is damaged and content 2 is sound."""
    bench = await Bench.at(SqliteStore.open(path))
    await bench.write(text)
    await bench.write("a sound page about beech and alder")
    if indexed:
        await bench.find("alder")
    await bench.store.close()
    flip(path, 1)
    return await Bench.at(SqliteStore.open(path))


@pytest.mark.parametrize("kind", TEXTS)
async def test_a_damaged_content_is_reported_and_not_served(path: Path, kind: str) -> None:
    bench = await damaged(path, TEXTS[kind], indexed=True)
    with pytest.raises(StoreDamaged, match="content 1"):
        await bench.text("claim_1")
    with pytest.raises(StoreDamaged):
        await bench.store.contents(bench.workspace, 0, 10)
    assert await bench.text("claim_2") == "a sound page about beech and alder"
    assert await bench.store.contents(bench.workspace, 1, 10) != []
    await bench.store.close()


@pytest.mark.parametrize("indexed", [True, False], ids=["indexed before", "not indexed yet"])
async def test_other_pages_are_still_found_and_written(path: Path, indexed: bool) -> None:
    bench = await damaged(path, TEXTS["small"], indexed=indexed)
    assert await bench.find("beech") == ["claim_2"]
    later = await bench.write("a later page about beech")
    assert sorted(await bench.find("beech")) == ["claim_2", later]
    await bench.store.close()


@pytest.mark.parametrize("indexed", [True, False], ids=["indexed before", "not indexed yet"])
async def test_a_damaged_page_can_be_forgotten(path: Path, indexed: bool) -> None:
    bench = await damaged(path, TEXTS["small"], indexed=indexed)
    await bench.forget("claim_1")
    with pytest.raises(PageForgotten):
        await bench.text("claim_1")
    assert await bench.find("alder") == ["claim_2"]
    assert await bench.find("beech") == ["claim_2"]
    await bench.store.close()


def overwrite_here_and_there(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    for start in range(8192, len(whole), 5 * 4096):
        whole[start : start + 512] = secrets.token_bytes(512)
    path.write_bytes(whole)


def cut_in_half(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def cut_a_little(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize("damage", [overwrite_here_and_there, cut_in_half, cut_a_little])
async def test_a_damaged_file_gives_what_was_written_or_an_error(
    path: Path, damage: Callable[[Path], None]
) -> None:
    bench = await Bench.at(SqliteStore.open(path))
    texts = {await bench.write(text): text for text in (f"page {n} " * 300 for n in range(20))}
    await bench.store.close()
    damage(path)
    names = sorted(file.name for file in path.parent.iterdir())
    for page, text in texts.items():
        assert await served(path, bench.workspace, page) in (text, None)
    assert names == sorted(file.name for file in path.parent.iterdir())


async def served(path: Path, workspace: Workspace, page: str) -> str | None:
    """What a store opened anew says is on the page; None when it reports an error."""
    try:
        store = SqliteStore.open(path)
    except StoreError:
        return None
    try:
        return await Bench(store, workspace).text(page)
    except StoreError:
        return None
    finally:
        await store.close()
