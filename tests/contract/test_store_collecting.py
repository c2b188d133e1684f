"""Garbage goes for good, on every store, and nothing that was said or done goes with it."""

from __future__ import annotations

import pytest
from hypothesis import given
from tests.contract.test_store_log import on_one_store, told
from tests.stores.histories import (
    COMPUTED,
    SESSIONS,
    Step,
    collected,
    garbage_of,
    histories,
)
from tests.stores.making import Bench, mapped

from pagefault.base.errors import StoreDamaged
from pagefault.base.log import (
    Checkpointed,
    Collected,
    Operation,
    Represented,
    Reverted,
    SessionOpened,
)
from pagefault.paging.reach import OUTDATED, REPLACED, UNREAD
from pagefault.stores.contract import Conflict
from pagefault.stores.pieces import single

pytestmark = pytest.mark.anyio


def computed(page: str, version: int = 1, origin: str = COMPUTED[0]) -> Represented:
    return Represented(page_id=page, version=version, level=2, origin=origin, content=-1, tokens=3)


async def compute(bench: Bench, page: str, version: int = 1, origin: str = COMPUTED[0]) -> int:
    """A level of a version; its content."""
    done = await bench.do(computed(page, version, origin), contents=[b"a stub"], durable=False)
    return done.contents[0]


async def sweep(bench: Bench) -> dict[str, list[int]]:
    """Collect what there is; the contents of each kind."""
    found: dict[str, list[int]] = {}
    for one in await garbage_of(bench):
        found.setdefault(one.kind, []).append(one.content)
        await bench.do(collected(one), durable=False)
    return found


async def test_every_content_is_listed_with_the_bytes_that_it_takes(bench: Bench) -> None:
    await bench.write("short")
    secret = await bench.write("a secret")
    await bench.write("long " * 2_000)
    await bench.forget(secret)
    sizes = dict(await bench.store.sizes(bench.workspace, 0, 10))
    assert sizes.keys() == {1, 3}
    assert 5 <= sizes[1] < 40
    assert 10 < sizes[3] < 10_000  # it is kept compressed
    assert [number for number, _ in await bench.store.sizes(bench.workspace, 1, 1)] == [3]
    assert await bench.store.sizes(bench.workspace, 3, 10) == []


async def test_a_content_of_many_chunks_counts_with_all_of_them(bench: Bench) -> None:
    noise = b"".join(number.to_bytes(4) for number in range(0, 2**32, 2**12 + 1))[:2_000_000]
    noise = bytes(byte ^ (place * 37 >> 3 & 255) for place, byte in enumerate(noise))
    await bench.write(noise)
    ((number, size),) = await bench.store.sizes(bench.workspace, 0, 10)
    plain = await bench.store.content(bench.workspace, number)
    assert plain == noise
    assert size > 600_000  # more than one chunk holds


async def test_a_collected_level_is_gone_with_its_content(bench: Bench) -> None:
    page = await bench.write("a page")
    content = await compute(bench, page, origin=COMPUTED[1])
    assert await sweep(bench) == {OUTDATED: [content]}
    assert await bench.store.representations(bench.workspace, page, 1) == {}
    assert await single(bench.store, bench.workspace, content) is None
    with pytest.raises(StoreDamaged):
        await bench.store.content(bench.workspace, content)
    assert await bench.text(page) == "a page"
    assert await sweep(bench) == {}


async def test_a_level_that_was_replaced_goes_and_the_one_in_its_place_stays(bench: Bench) -> None:
    page = await bench.write("a page")
    first, second = await compute(bench, page), await compute(bench, page)
    assert await sweep(bench) == {REPLACED: [first]}
    kept = await bench.store.representations(bench.workspace, page, 1)
    assert kept == {2: (COMPUTED[0], second, 3)}
    await bench.forget(page)
    assert await bench.store.contents(bench.workspace, 0, 10) == []


async def test_what_a_model_wrote_is_never_garbage(bench: Bench) -> None:
    page = await bench.write("a page")
    await compute(bench, page, origin="model")
    await compute(bench, page, origin="model")
    late = await compute(bench, page)
    assert await sweep(bench) == {REPLACED: [late]}
    await bench.revise(page, "another text")
    assert await sweep(bench) == {}


async def test_a_level_of_a_version_that_no_session_reads_goes(bench: Bench) -> None:
    page = await bench.write("a page")
    old = await compute(bench, page)
    await bench.revise(page, "another text")
    new = await compute(bench, page, 2)
    assert await sweep(bench) == {UNREAD: [old]}
    kept = await bench.store.representations(bench.workspace, page, 2)
    assert kept == {2: (COMPUTED[0], new, 3)}
    versions = await bench.store.versions(bench.workspace, page)
    texts = [await bench.store.content(bench.workspace, v.content) for v in versions]
    assert texts == [b"a page", b"another text"]


@pytest.mark.parametrize("reader", ["checkpoint", "fork", "branch", "reverted", "mapped"])
async def test_a_level_of_a_version_that_somebody_may_read_stays(bench: Bench, reader: str) -> None:
    page = await bench.write("a page")
    await compute(bench, page)
    before: dict[str, Operation] = {
        "checkpoint": Checkpointed(session="s1", name="1", pages=0, tokens=0),
        "fork": SessionOpened(session="f1", parent="s1", forked_at=-1),
        "mapped": mapped(page, level=2, tokens=3),
    }
    if reader in before:
        await bench.do(before[reader])
    session = "s2" if reader == "branch" else "s1"
    await bench.revise(page, "another text", session)
    if reader == "reverted":
        await bench.do(Reverted(session="s1", page_id=page, version=1))
    assert await sweep(bench) == {}


async def test_what_is_more_than_a_level_cannot_be_collected(bench: Bench) -> None:
    page = await bench.write("a page")
    await bench.revise(page, "another text")
    lines = (await bench.counts())["lines"]
    for content in (1, 2):
        answer = await bench.apply(Collected(page_id=page, contents=(content,)))
        assert answer == Conflict(page)
    assert (await bench.counts())["lines"] == lines
    assert await bench.text(page) == "another text"


@pytest.mark.parametrize("whole", [False, True])
async def test_room_is_given_back_while_the_store_goes_on(bench: Bench, *, whole: bool) -> None:
    page = await bench.write("a page about alder")
    big = await bench.write("alder " * 20_000)
    await bench.forget(big)
    await bench.store.ping()
    done = await bench.store.reclaim(whole=whole)
    assert done.freed >= 0
    assert await bench.store.tidy_index(remove=True) == 0
    assert await bench.find("alder") == [page]
    assert await bench.text(page) == "a page about alder"
    assert await bench.write("another") == "claim_3"


@on_one_store
@given(history=histories)
async def test_collecting_takes_nothing_that_is_read_after_any_history(
    bench: Bench, history: list[Step]
) -> None:
    chronicle = await told(bench.store, history)
    there = chronicle.bench
    before = await reads(there)
    await sweep(there)
    assert await reads(there) == before
    assert await garbage_of(there) == []


async def reads(bench: Bench) -> list[object]:
    """All texts that a reader gets: every version, what a model wrote, and levels in use."""
    store, workspace = bench.store, bench.workspace
    seen: list[object] = []
    pages = sorted(await store.ids_like(workspace, "page", "", 1_000))
    for page in pages:
        for version in await store.versions(workspace, page):
            seen.append(await store.content(workspace, version.content))
            seen += await levels_of(bench, page, version.version, "model")
    for session in SESSIONS:
        heads = await store.pages(workspace, pages, session)
        for page, head in sorted(heads.items()):
            seen += await levels_of(bench, page, head.version, COMPUTED[0])
    return seen


async def levels_of(bench: Bench, page: str, version: int, origin: str) -> list[object]:
    levels = await bench.store.representations(bench.workspace, page, version)
    return [
        (page, version, level, await bench.store.content(bench.workspace, content))
        for level, (by, content, _) in sorted(levels.items())
        if by == origin
    ]
