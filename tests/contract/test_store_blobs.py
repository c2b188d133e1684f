"""What every store promises of bytes beside a page's text: kept once, as long as they are held."""

from __future__ import annotations

from random import Random

import pytest
from tests.contract.conftest import OpenStore
from tests.stores.making import Bench, added, open_workspace

from pagefault.base.errors import StoreDamaged

pytestmark = pytest.mark.anyio

PICTURE = Random(1).randbytes(3_000)
LARGE = Random(2).randbytes(2 * 2**20)  # of several chunks, where a store cuts them
ANOTHER = LARGE[:-1] + b"?"


async def hold(bench: Bench, *blobs: bytes, **fields: object) -> tuple[str, tuple[int, ...]]:
    """A page that holds them: its id, and the contents that they have become."""
    named = tuple(-2 - index for index in range(len(blobs)))
    page = added(blobs=named, **fields)
    applied = await bench.do(page, contents=[b"text", *blobs], new=["art"])
    found = await bench.store.page(bench.workspace, applied.ids[0], "s1")
    assert found is not None
    assert found.blobs == applied.contents[1:]
    return found.page_id, found.blobs


async def count(bench: Bench) -> int:
    return len(await bench.store.contents(bench.workspace, 0, 100))


async def test_equal_bytes_are_kept_once(bench: Bench) -> None:
    _, first = await hold(bench, PICTURE, LARGE)
    before = await count(bench)
    _, second = await hold(bench, PICTURE, LARGE)
    assert second == first
    assert await count(bench) == before + 1  # the second page's text
    assert await bench.store.content(bench.workspace, first[0]) == PICTURE
    assert await bench.store.content(bench.workspace, first[1]) == LARGE


async def test_equal_bytes_in_one_commit_are_kept_once(bench: Bench) -> None:
    pages = [added(page_id=f"+{n}", blobs=(-2 - n,)) for n in range(3)]
    blobs = [LARGE, ANOTHER, LARGE]
    applied = await bench.do(*pages, contents=[b"text", *blobs], new=["art"] * 3)
    assert applied.contents[1] == applied.contents[3] != applied.contents[2]
    assert await bench.store.content(bench.workspace, applied.contents[3]) == LARGE


async def test_bytes_that_differ_at_their_end_are_two_contents(bench: Bench) -> None:
    _, (first,) = await hold(bench, LARGE)
    _, (second,) = await hold(bench, ANOTHER)
    assert first != second
    assert await bench.store.content(bench.workspace, second) == ANOTHER


async def test_a_text_is_never_taken_for_a_blob(bench: Bench) -> None:
    await bench.write(PICTURE)
    before = await count(bench)
    await hold(bench, PICTURE)
    assert await count(bench) == before + 2


async def test_forgetting_a_page_leaves_the_bytes_that_another_holds(bench: Bench) -> None:
    one, (blob,) = await hold(bench, LARGE)
    two, _ = await hold(bench, LARGE)
    await bench.forget(one)
    assert await bench.store.content(bench.workspace, blob) == LARGE
    await bench.forget(two)
    with pytest.raises(StoreDamaged):
        await bench.store.content(bench.workspace, blob)
    assert await count(bench) == 0


async def test_bytes_that_were_forgotten_are_kept_anew(bench: Bench) -> None:
    one, (gone,) = await hold(bench, PICTURE)
    await bench.forget(one)
    _, (blob,) = await hold(bench, PICTURE)
    assert blob > gone
    assert await bench.store.content(bench.workspace, blob) == PICTURE


async def test_every_version_keeps_its_bytes_until_the_page_is_forgotten(bench: Bench) -> None:
    page, (first,) = await hold(bench, PICTURE)
    await bench.revise(page, "new words")
    assert (await bench.store.versions(bench.workspace, page))[0].blobs == (first,)
    head = await bench.store.page(bench.workspace, page, "s1")
    assert head is not None
    assert head.blobs == ()
    assert await bench.store.content(bench.workspace, first) == PICTURE
    await bench.forget(page)
    assert await count(bench) == 0


async def test_another_workspace_keeps_its_own(bench: Bench) -> None:
    await hold(bench, PICTURE)
    other = await Bench.at(bench.store, "other")
    _, (blob,) = await hold(other, PICTURE)
    page = (await bench.store.recent_pages(bench.workspace, "s1", 1))[0]
    await bench.forget(page.page_id)
    assert await other.store.content(other.workspace, blob) == PICTURE


async def test_a_replayed_log_holds_the_same_bytes(bench: Bench, another_store: OpenStore) -> None:
    one, (blob,) = await hold(bench, LARGE)
    two, _ = await hold(bench, LARGE, PICTURE)
    contents = await bench.store.contents(bench.workspace, 0, 100)
    lines = await bench.store.log(bench.workspace, 0, 100)
    copy = Bench(another_store(), bench.workspace, bench.now)
    copy.workspace = await open_workspace(copy.store)
    await copy.store.replay(copy.workspace, contents, lines)
    _, (again,) = await hold(copy, LARGE)
    assert again == blob
    for page in (one, two):
        await copy.forget(page)
    assert await copy.store.content(copy.workspace, blob) == LARGE
    assert await count(copy) == 2
    await copy.store.close()
