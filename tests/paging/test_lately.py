"""What a log says of late: what was counted, and what has changed."""

from __future__ import annotations

from pagefault.base.log import (
    Evicted,
    Faulted,
    FaultedIn,
    LogLine,
    Operation,
    PageAdded,
    Pinned,
    Represented,
    SessionChanged,
    Touched,
)
from pagefault.paging.lately import Lately
from pagefault.paging.tally import Tally


def faulted(page_id: str, *, more: bool = False, session: str = "s1") -> Faulted:
    reason = "user_requested_recall"
    return Faulted(session=session, page_id=page_id, reason=reason, tokens=10, more=more)


def mapped(page_id: str, reason: str, session: str = "s1") -> FaultedIn:
    return FaultedIn(session=session, page_id=page_id, version=1, level=0, tokens=10, reason=reason)


def evicted(page_id: str) -> Evicted:
    return Evicted(session="s1", page_id=page_id, cause="msg_99")


def touched(page_id: str, reason: str | None = None) -> Touched:
    return Touched(session="s1", page_id=page_id, reason=reason)


def counted(*operations: Operation) -> Tally:
    tally = Tally()
    for operation in operations:
        tally.fold(operation)
    return tally


def log(*operations: Operation, since: int = 0) -> Lately:
    lately = Lately(since)
    for position, operation in enumerate(operations, since + 1):
        lately.fold(LogLine(position, 0.0, "model", 1, 1, operation))
    return lately


# --- tallies -----------------------------------------------------------------------------------


def test_faults_are_counted_by_reason_and_further_ranges_are_not() -> None:
    tally = counted(faulted("msg_1"), mapped("msg_1", "user_requested_recall"), touched("msg_1"))
    tally.fold(faulted("msg_1", more=True))
    assert tally.faults == {"user_requested_recall": 1}
    assert (tally.fault_tokens, tally.hits, tally.hit_rate) == (20, 1, 0.5)
    assert tally.prefetched == 0


def test_a_fault_that_a_model_calls_speculative_is_its_own_and_no_prefetch() -> None:
    asked = Faulted(session="s1", page_id="msg_1", reason="speculative", tokens=10)
    tally = counted(asked, evicted("msg_9"), mapped("msg_1", "speculative"))
    assert (tally.faults, tally.prefetched) == ({"speculative": 1}, 0)


def test_a_prefetched_page_is_a_hit_once_it_is_read_and_counts_once() -> None:
    uses: tuple[Operation, ...] = (
        touched("msg_1"),
        faulted("msg_1"),
        Pinned(session="s1", page_id="msg_1", pinned=True),
        PageAdded(
            session="s1",
            page_id="claim_1",
            page_type="claim",
            modality="text",
            content=1,
            tokens=1,
            size=1,
            source="model",
            trust=2,
            derived_from=("msg_1",),
        ),
    )
    for use in uses:
        tally = counted(mapped("msg_1", "resolve_reference"), use, use, evicted("msg_1"))
        assert (tally.prefetched, tally.prefetch_hits, tally.prefetch_waste) == (1, 1, 0)


def test_a_prefetched_page_that_is_evicted_unread_was_waste() -> None:
    tally = counted(mapped("msg_1", "speculative"), mapped("msg_2", "speculative"))
    assert tally.unread == 2
    tally.fold(touched("msg_1", "resolve_reference"))
    tally.fold(evicted("msg_1"))
    assert (tally.prefetch_hits, tally.prefetch_waste, tally.unread) == (0, 1, 1)


def test_what_is_mapped_as_it_is_recorded_is_no_prefetch() -> None:
    tally = counted(mapped("msg_1", "recorded"), mapped("msg_2", "pin"), evicted("msg_1"))
    assert (tally.prefetched, tally.prefetch_waste, tally.evictions) == (0, 0, 1)


def test_counting_on_a_copy_leaves_the_tally_as_it_was() -> None:
    lately = log(mapped("msg_1", "speculative"), faulted("msg_2"))
    copy = lately.tally("s1")
    copy.fold(touched("msg_1"))
    copy.fold(faulted("msg_3"))
    assert (lately.tally("s1").prefetch_hits, lately.tally("s1").faults.total()) == (0, 1)


def test_the_total_is_of_all_sessions_also_of_those_whose_own_tally_is_not_kept() -> None:
    lately = log(*(faulted("msg_1", session=f"s{number}") for number in range(300)))
    assert lately.total().faults.total() == 300
    assert lately.tally("s299").faults.total() == 1


# --- changes -----------------------------------------------------------------------------------

CHANGED = SessionChanged(session="s1", title="x")
SHORTENED = Represented(
    session="s2", page_id="msg_1", version=1, level=1, origin="model", content=1, tokens=1
)


def test_a_session_has_changed_by_its_own_durable_lines_and_by_those_of_its_pages() -> None:
    assert log(CHANGED).changed(0, "s1", ())
    assert log(SHORTENED).changed(0, "s1", {"msg_1"})
    assert not log(SHORTENED).changed(0, "s1", {"msg_2"})
    assert not log(CHANGED).changed(0, "s2", {"msg_1"})


def test_derived_lines_change_nothing_that_is_not_in_the_working_set() -> None:
    lately = log(faulted("msg_1"), mapped("msg_1", "recorded"), touched("msg_1"), evicted("msg_1"))
    assert not lately.changed(0, "s1", {"msg_1"})


def test_only_what_comes_after_the_position_is_a_change() -> None:
    lately = log(CHANGED, faulted("msg_1"))
    assert lately.changed(0, "s1", ())
    assert not lately.changed(1, "s1", ())


def test_what_is_not_remembered_may_have_changed() -> None:
    assert log(since=50).changed(49, "s1", ())
    assert not log(since=50).changed(50, "s1", ())
    far = log(*[SHORTENED] * 3_000)
    assert far.changed(10, "s1", ())
    assert not far.changed(2_990, "s1", ())
