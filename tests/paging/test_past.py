"""Where a session stood: the fold over its lines, and what two moments differ in."""

from __future__ import annotations

from itertools import count

from tests.stores.making import added, mapped

from pagefault.base.log import (
    Demoted,
    Evicted,
    LogLine,
    Operation,
    Pinned,
    Reverted,
    VersionAdded,
)
from pagefault.paging.past import Branch, Changes, Past, Place, changes, head


def lines(*operations: Operation, turn: int = 1, first: int = 1) -> list[LogLine]:
    positions = count(first)
    return [LogLine(next(positions), 0.0, "test", 1, turn, operation) for operation in operations]


def past(*operations: Operation, turn: int = 1) -> Past:
    made = Past()
    for line in lines(*operations, turn=turn):
        made.take(line)
    return made


def version(number: int, session: str = "s1") -> VersionAdded:
    return VersionAdded(
        session=session, page_id="claim_1", version=number, parent=1, modality="text",
        content=1, tokens=1, size=1, source="model", trust=2,
    )  # fmt: skip


def back(number: int, session: str = "s1") -> Reverted:
    return Reverted(session=session, page_id="claim_1", version=number)


def demoted(page_id: str, level: int = 3) -> Demoted:
    return Demoted(session="s1", page_id=page_id, level=level, tokens=2)


def evicted(page_id: str) -> Evicted:
    return Evicted(session="s1", page_id=page_id, cause="asked")


def pinned(page_id: str, until: int | None = None, *, pinned: bool = True) -> Pinned:
    return Pinned(session="s1", page_id=page_id, pinned=pinned, until_turn=until)


def test_the_latest_line_of_a_page_says_how_it_is_mapped() -> None:
    made = past(mapped("a"), mapped("b", protected_until=4), demoted("a"), mapped("c"))
    assert list(made.mapped.items()) == [
        ("b", Place(1, 0, 10, 4)),
        ("a", Place(1, 3, 2)),
        ("c", Place(1, 0, 10)),
    ]
    assert (made.position, made.turn) == (4, 1)


def test_an_evicted_page_is_not_mapped_until_it_comes_back() -> None:
    assert past(mapped("a"), evicted("a")).mapped == {}
    again = past(mapped("a"), evicted("a"), mapped("a", version=2))
    assert again.mapped == {"a": Place(2, 0, 10)}


def test_lines_about_what_was_never_mapped_map_nothing() -> None:
    assert past(demoted("a"), evicted("b")).mapped == {}


def test_a_pin_is_set_renewed_and_lifted() -> None:
    assert past(pinned("a"), pinned("b", 3), pinned("a", 5)).pins == {"b": 3, "a": 5}
    assert past(pinned("a"), pinned("a", pinned=False)).pins == {}


def test_a_forgotten_page_leaves_no_trace() -> None:
    made = past(mapped("a"), pinned("a"), mapped("b"))
    made.forget("a")
    assert (list(made.mapped), made.pins) == (["b"], {})


def test_changes_name_what_came_went_and_is_shown_otherwise() -> None:
    before = past(mapped("a"), mapped("b"), mapped("c"), pinned("a"))
    after = past(mapped("b"), mapped("c"), demoted("c"), mapped("d"), pinned("b"))
    changed = changes(before, after)
    assert changed.mapped == {"d": Place(1, 0, 10)}
    assert changed.released == {"a": Place(1, 0, 10)}
    assert changed.shown == {"c": (Place(1, 0, 10), Place(1, 3, 2))}
    assert (changed.pinned, changed.unpinned) == (("b",), ("a",))


def test_nothing_changes_between_a_moment_and_itself() -> None:
    moment = past(mapped("a"), pinned("a"))
    assert changes(moment, moment) == Changes({}, {}, {}, (), ())


PAGE = added(page_id="claim_1", content=1)


def test_a_session_read_what_it_wrote_or_went_back_to_last() -> None:
    trail = lines(PAGE, version(2), version(3), back(1), version(4))
    heads = [head(trail, [Branch("s1", upto)]) for upto in (None, 5, 4, 3, 2, 1, 0)]
    assert heads == [4, 4, 1, 3, 2, 1, None]


def test_who_wrote_nothing_read_the_page_at_its_home() -> None:
    trail = lines(PAGE, version(2), version(3, "s3"), version(4))
    assert head(trail, [Branch("s2")]) == 4
    assert head(trail, [Branch("s2", 3)]) == 2
    assert head(trail, [Branch("s3", 4)]) == 3


def test_a_fork_read_the_nearest_of_its_lineage_that_had_a_version_by_then() -> None:
    trail = lines(PAGE, version(2), version(3), version(4, "fork"), version(5))
    assert head(trail, [Branch("fork"), Branch("s1", 2)]) == 4
    assert head(trail, [Branch("fork", 3), Branch("s1", 2)]) == 2
    assert head(trail, [Branch("other"), Branch("fork", 3), Branch("s1", 2)]) == 2
