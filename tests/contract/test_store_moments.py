"""What every store promises of lines that are brought from another log."""

from __future__ import annotations

import pytest
from tests.stores.making import Bench, added, mapped, said

from pagefault.base.log import Evicted, SessionOpened
from pagefault.stores.contract import Applied, Commit, Moment

pytestmark = pytest.mark.anyio


async def test_lines_from_another_log_keep_their_time_actor_segment_and_turn(bench: Bench) -> None:
    moments = [Moment(5.0, "client", 1, 0), Moment(6.5, "model", 3, 9)]
    operations = [SessionOpened(session="s2"), said(session="s2", begins_turn=True)]
    commit = Commit(bench.workspace, 99.0, "import", operations, new=["evt"], moments=moments)
    assert isinstance(await bench.store.apply(commit), Applied)
    lines = await bench.store.log(bench.workspace, 0, 10, session="s2")
    assert [Moment(line.at, line.actor, line.segment, line.turn) for line in lines] == moments
    session = await bench.store.session(bench.workspace, "s2")
    assert session is not None
    assert (session.created_at, session.active_at, session.turn) == (5.0, 6.5, 9)


async def test_placeholders_hold_for_sources_and_for_the_cause_of_an_eviction(
    bench: Bench,
) -> None:
    applied = await bench.do(
        added(page_id="+0"),
        added(page_id="+1", content=-2, derived_from=("+0",)),
        mapped("+0"),
        Evicted(session="s1", page_id="+0", cause="+1"),
        contents=[b"a source", b"a conclusion"],
        new=["claim", "claim"],
    )
    source, conclusion = applied.ids
    page = await bench.store.page(bench.workspace, conclusion, "s1")
    assert page is not None
    assert page.derived_from == (source,)
    assert await bench.store.derived_pages(bench.workspace, source) == [conclusion]
    *_, last = await bench.store.log(bench.workspace, 0, 10)
    assert last.operation == Evicted(session="s1", page_id=source, cause=conclusion)
