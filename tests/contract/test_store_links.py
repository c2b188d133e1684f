"""What every store promises of links from a page to the one that supersedes it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.contract.test_store_log import on_one_store, told
from tests.stores.histories import SESSIONS, Step, steps
from tests.stores.making import Bench, added, mapped

from pagefault.base.log import HERE, SessionOpened, Superseded
from pagefault.paging.past import Branch, link
from pagefault.stores.contract import Conflict, chain

pytestmark = pytest.mark.anyio

Links = dict[str, tuple[str, ...]]


async def supersede(bench: Bench, page: str, by: str | None, session: str = "s1") -> None:
    await bench.do(SessionOpened(session=session), Superseded(session=session, page_id=page, by=by))


async def links(bench: Bench, session: str = "s1") -> Links:
    pages = await bench.store.ids_like(bench.workspace, "page", "", 1000)
    return await bench.store.superseded(bench.workspace, pages, session)


async def claims(bench: Bench, many: int, session: str = "s1") -> list[str]:
    return [await bench.write(f"claim {number}", session=session) for number in range(many)]


async def test_a_superseded_page_names_every_page_up_to_the_last(bench: Bench) -> None:
    first, second, third = await claims(bench, 3)
    assert await links(bench) == {}
    await supersede(bench, first, second)
    await supersede(bench, second, third)
    assert await links(bench) == {first: (second, third), second: (third,)}


async def test_every_read_of_a_page_says_what_supersedes_it(bench: Bench) -> None:
    old, new = await claims(bench, 2)
    await bench.do(mapped(old), mapped(new))
    await supersede(bench, old, new)
    page = await bench.store.page(bench.workspace, old, "s1")
    assert page is not None
    assert page.superseded_by == (new,)
    assert await bench.text(old) == "claim 0"
    pages = await bench.store.pages(bench.workspace, [old, new], "s1")
    assert [pages[name].superseded_by for name in (old, new)] == [(new,), ()]
    recent = await bench.store.recent_pages(bench.workspace, "s1", 10)
    assert {page.page_id: page.superseded_by for page in recent} == {old: (new,), new: ()}
    await supersede(bench, new, old, session="s2")
    latest = await bench.store.latest_page(bench.workspace, "s2", "claim")
    assert latest is None
    residents = await bench.store.residents(bench.workspace, "s1")
    assert {one.page_id: one.superseded for one in residents} == {old: True, new: False}


async def test_the_last_link_counts_and_one_to_nothing_ends_it(bench: Bench) -> None:
    page, first, second = await claims(bench, 3)
    await supersede(bench, page, first)
    await supersede(bench, page, second)
    assert await links(bench) == {page: (second,)}
    await supersede(bench, page, None)
    assert await links(bench) == {}


async def test_a_link_belongs_to_the_session_that_made_it(bench: Bench) -> None:
    page, new = await claims(bench, 2)
    await supersede(bench, page, new, session="s2")
    assert await links(bench) == {}
    assert await links(bench, "s2") == {page: (new,)}
    assert await links(bench, "s3") == {}


async def test_others_read_the_links_of_a_pages_home(bench: Bench) -> None:
    page, new, better = await claims(bench, 3)
    await supersede(bench, page, new)
    assert await links(bench, "s2") == {page: (new,)}
    await supersede(bench, page, better, session="s2")
    assert await links(bench, "s2") == {page: (better,)}
    assert await links(bench) == {page: (new,)}


async def test_a_fork_reads_the_links_of_its_lineage_up_to_the_fork(bench: Bench) -> None:
    first, second, third = await claims(bench, 3)
    foreign = await bench.write("elsewhere", session="other")
    await supersede(bench, first, second)
    await bench.do(SessionOpened(session="s2", parent="s1", forked_at=HERE))
    await supersede(bench, second, third)
    await supersede(bench, foreign, third)
    later, latest = await claims(bench, 2)
    await supersede(bench, later, latest)
    await supersede(bench, third, first, session="s2")
    assert await links(bench) == {
        first: (second, third),
        second: (third,),
        foreign: (third,),
        later: (latest,),
    }
    # What the parent made since is read like any other session's.
    assert await links(bench, "s2") == {
        first: (second,),
        third: (first, second),
        later: (latest,),
    }


async def test_forgetting_what_supersedes_lifts_the_link(bench: Bench) -> None:
    page, first, second = await claims(bench, 3)
    await supersede(bench, page, first)
    await supersede(bench, page, second)
    await bench.forget(second)
    assert await links(bench) == {page: (first,)}
    await bench.forget(first)
    assert await links(bench) == {}


async def test_links_of_two_sessions_that_make_a_ring_are_followed_once(bench: Bench) -> None:
    first, second = await claims(bench, 2)
    await supersede(bench, second, first, session="s2")
    await supersede(bench, first, second)
    assert await links(bench, "s2") == {first: (second,), second: (first,)}


async def test_a_page_and_its_link_come_in_one_commit_and_a_repeat_makes_no_other(
    bench: Bench,
) -> None:
    (old,) = await claims(bench, 1)
    for _ in range(2):
        await bench.do(
            added(key="k"),
            Superseded(session="s1", page_id=old, by="+0"),
            contents=[b"the new one"],
            new=["claim"],
        )
    assert await links(bench) == {old: ("claim_2",)}
    lines = await bench.store.log(bench.workspace, 0, 100, page_id=old)
    assert [line.operation.kind for line in lines] == ["page", "supersede"]
    assert lines[-1].operation == Superseded(session="s1", page_id=old, by="claim_2")


async def test_no_link_is_made_to_or_from_what_was_forgotten(bench: Bench) -> None:
    page, other = await claims(bench, 2)
    await bench.forget(other)
    for link_ in ((page, other), (other, page)):
        made = Superseded(session="s1", page_id=link_[0], by=link_[1])
        assert await bench.apply(made) == Conflict(other)


# After any links

KINDS = ("write", "supersede", "supersede", "supersede", "forget", "fork")
linkings = st.lists(
    st.builds(
        lambda step, kind: replace(step, kind=kind, key=None, stale=False),
        steps,
        st.sampled_from(KINDS),
    ),
    max_size=20,
)


@on_one_store
@given(history=linkings)
async def test_every_store_reads_the_links_as_the_log_tells_them(
    bench: Bench, history: list[Step]
) -> None:
    """Against a fold of each page's lines, which knows nothing of tables or keys."""
    chronicle = await told(bench.store, history)
    bench, pages = chronicle.bench, chronicle.pages
    for session in SESSIONS:
        direct = {page: await direct_link(bench, page, session, pages) for page in pages}
        chains = {page: chain(direct, page) for page in pages}
        expected = {page: links for page, links in chains.items() if links}
        assert await bench.store.superseded(bench.workspace, pages, session) == expected


async def direct_link(bench: Bench, page: str, session: str, pages: list[str]) -> str | None:
    alive = await bench.store.pages(bench.workspace, pages, session)
    trail = await bench.store.log(bench.workspace, 0, 1000, page_id=page)
    return link(trail, await lineage(bench, session), alive)


async def lineage(bench: Bench, session: str) -> list[Branch]:
    branches = [Branch(session)]
    row = await bench.store.session(bench.workspace, session)
    while row is not None and row.forked_at is not None:
        branches.append(Branch(str(row.parent), row.forked_at))
        row = await bench.store.session(bench.workspace, str(row.parent))
    return branches
