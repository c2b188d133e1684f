"""What happened to a page."""

from __future__ import annotations

import pytest
from tests.conftest import HandClock
from tests.memory.making import drop, keep, recall, say

from pagefault.base.errors import PageNotFound, VersionNotFound
from pagefault.memory.core import Memory
from pagefault.memory.forgetting import forget
from pagefault.memory.history import history
from pagefault.memory.keeping import pin
from pagefault.residency import Residency

pytestmark = pytest.mark.anyio


async def test_a_history_tells_what_happened_to_a_page_in_order(
    memory: Memory, seat: Residency, clock: HandClock
) -> None:
    page_id = await say(memory, seat, "text")
    clock.advance(5)
    await drop(memory, seat, page_id)
    await recall(memory, seat, page_id)
    await recall(memory, seat, page_id)
    await pin(memory, seat, page_id, pinned=True, turns=None)
    await pin(memory, seat, page_id, pinned=False, turns=None)
    await memory.flush()
    lines = (await history(memory, seat, page_id)).lines
    assert [line.operation.kind for line in lines] == [
        "event",
        "page",
        "fault_in",
        "evict",
        "fault",
        "fault_in",
        "touch",
        "touch",
        "pin",
        "pin",
    ]
    assert [line.position for line in lines] == sorted(line.position for line in lines)
    assert lines[-1].at - lines[0].at == 5
    assert {line.turn for line in lines} == {1}


async def test_of_a_long_history_the_latest_lines_are_told(memory: Memory, seat: Residency) -> None:
    page_id = await say(memory, seat, "text")
    for _ in range(2_100):
        await recall(memory, seat, page_id)
    await memory.flush()
    await forget(memory, seat, page_id, "the user asked")
    past = await history(memory, seat, page_id, version=1)
    assert past.forgotten
    assert len(past.lines) == 2_000


async def test_a_history_lists_versions_with_writer_and_time(
    memory: Memory, seat: Residency, clock: HandClock
) -> None:
    page_id = await keep(memory, seat, "one")
    clock.advance(60)
    await keep(memory, seat, "two", page_id=page_id)
    first, second = (await history(memory, seat, page_id)).versions
    assert (first.version, first.parent, first.branch, first.source) == (1, None, "s1", "model")
    assert (second.version, second.parent) == (2, 1)
    assert second.written_at - first.written_at == 60


async def test_an_old_version_is_shown_as_it_was(memory: Memory, seat: Residency) -> None:
    page_id = await keep(memory, seat, "one\ntwo")
    await keep(memory, seat, "one\nthree", page_id=page_id)
    past = await history(memory, seat, page_id, version=1)
    assert (past.version, past.text, past.difference) == (1, "one\ntwo", None)


async def test_a_difference_is_shown_between_any_two_versions(
    memory: Memory, seat: Residency
) -> None:
    page_id = await keep(memory, seat, "one\ntwo")
    await keep(memory, seat, "one\nthree", page_id=page_id)
    await keep(memory, seat, "one\nfour", page_id=page_id)
    past = await history(memory, seat, page_id, version=2, against=1)
    assert past.text is None
    assert past.difference is not None
    assert past.difference.splitlines() == [
        "--- version 1",
        "+++ version 2",
        "@@ -1,2 +1,2 @@",
        " one",
        "-two",
        "+three",
    ]


async def test_without_a_version_the_latest_is_compared(memory: Memory, seat: Residency) -> None:
    page_id = await keep(memory, seat, "one")
    await keep(memory, seat, "two", page_id=page_id)
    past = await history(memory, seat, page_id, against=1)
    assert past.version == 2
    assert past.difference is not None
    assert "+two" in past.difference


async def test_equal_versions_differ_in_nothing(memory: Memory, seat: Residency) -> None:
    page_id = await keep(memory, seat, "one")
    assert (await history(memory, seat, page_id, against=1)).difference == ""


@pytest.mark.parametrize("wanted", [{"version": 3}, {"version": 0}, {"against": 3}])
async def test_a_version_that_does_not_exist_is_refused_with_those_that_do(
    memory: Memory, seat: Residency, wanted: dict[str, int]
) -> None:
    page_id = await keep(memory, seat, "one")
    await keep(memory, seat, "two", page_id=page_id)
    number = next(iter(wanted.values()))
    with pytest.raises(VersionNotFound, match=rf"claim_1 has no version {number}\. It has 1, 2"):
        await history(memory, seat, page_id, **wanted)


@pytest.mark.parametrize("page_id", ["claim_9", "nonsense", ""])
async def test_a_page_that_never_was_has_no_history(
    memory: Memory, seat: Residency, page_id: str
) -> None:
    with pytest.raises(PageNotFound):
        await history(memory, seat, page_id)
