"""What nobody has used for long, by the log alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from pagefault.base.log import (
    Archived,
    Demoted,
    EventAdded,
    Evicted,
    Faulted,
    FaultedIn,
    Forgotten,
    LogLine,
    Operation,
    PageAdded,
    Pinned,
    Represented,
    Reverted,
    Superseded,
    Touched,
    Unarchived,
    VersionAdded,
)
from pagefault.paging.unused import Uses

PAGE = "msg_1"
MADE = {"modality": "text", "tokens": 10, "size": 40, "source": "model", "trust": 2}


def page(page_id: str = PAGE, page_type: str = "transcript", **more: Any) -> PageAdded:
    given = {"session": "s1", "content": 1, **MADE, **more}
    return PageAdded(page_id=page_id, page_type=page_type, **given)


def version(**more: Any) -> VersionAdded:
    given = {"session": "s1", "page_id": PAGE, "version": 2, "parent": 1, "content": 2}
    return VersionAdded(**{**given, **MADE, **more})


def mapped(session: str = "s1", page_id: str = PAGE) -> FaultedIn:
    return FaultedIn(
        session=session, page_id=page_id, version=1, level=0, tokens=10, reason="recorded"
    )


def gone(session: str = "s1") -> Evicted:
    return Evicted(session=session, page_id=PAGE, cause="idle")


def uses(*operations: Operation) -> Uses:
    """A log of these, one a second from 1 on."""
    found = Uses()
    for position, operation in enumerate(operations, 1):
        found.take(LogLine(position, float(position), "test", 1, 1, operation))
    return found


def ids(operations: Iterable[Operation], before: float = 1e9, session: str | None = None) -> Any:
    return [one.page_id for one in uses(*operations).unused(before, session)]


@pytest.mark.parametrize(
    "use",
    [
        version(),
        Reverted(session="s1", page_id=PAGE, version=1),
        Faulted(session="s1", page_id=PAGE, reason="speculative", tokens=1),
        Touched(session="s1", page_id=PAGE),
        Demoted(session="s1", page_id=PAGE, level=3, tokens=1),
        Unarchived(session="s1", page_id=PAGE),
    ],
    ids=lambda use: use.kind,
)
def test_a_page_is_as_old_as_its_last_use(use: Operation) -> None:
    lines = [page(), use, gone()]
    assert ids(lines, before=2.0) == []
    assert ids(lines, before=2.1) == [PAGE]


@pytest.mark.parametrize(
    "line",
    [
        gone(),
        Demoted(session="s1", page_id=PAGE, level=3, tokens=1, cause="idle"),
        Represented(page_id=PAGE, version=1, level=2, origin="text/2", content=9, tokens=1),
    ],
    ids=lambda line: line.kind,
)
def test_what_merely_happens_to_it_is_no_use(line: Operation) -> None:
    assert ids([page(), line, gone()], before=1.5) == [PAGE]


def test_what_is_mapped_or_pinned_anywhere_is_in_use() -> None:
    assert ids([page(), mapped(), mapped("s2"), gone()]) == []
    assert ids([page(), mapped(), mapped("s2"), gone(), gone("s2")]) == [PAGE]
    pin = Pinned(session="s2", page_id=PAGE, pinned=True)
    assert ids([page(), pin]) == []
    assert ids([page(), pin, Pinned(session="s2", page_id=PAGE, pinned=False)]) == [PAGE]


def test_what_is_archived_or_forgotten_is_not_archived_again() -> None:
    assert ids([page(), Archived(page_id=PAGE)]) == []
    back = [page(), Archived(page_id=PAGE), Unarchived(session="s1", page_id=PAGE)]
    assert ids(back) == [PAGE]
    assert ids([page(), Forgotten(session="s1", page_id=PAGE, reason="asked")]) == []


@pytest.mark.parametrize("page_type", ["claim", "summary", "procedure", "index"])
def test_what_is_meant_to_last_stays_until_it_is_superseded(page_type: str) -> None:
    lines = [page("p_1", page_type), page("p_2", page_type)]
    link = Superseded(session="s1", page_id="p_1", by="p_2")
    assert ids(lines) == []
    assert ids([*lines, link]) == ["p_1"]
    assert ids([*lines, Superseded(session="s2", page_id="p_1", by="p_2")]) == []
    assert ids([*lines, link, Superseded(session="s1", page_id="p_1")]) == []
    assert ids([*lines, link, Forgotten(session="s1", page_id="p_2", reason="asked")]) == []


def test_a_session_that_is_named_is_the_one_they_were_made_in() -> None:
    lines = [page("msg_1"), page("art_1", "artifact", session="s2")]
    assert ids(lines) == ["msg_1", "art_1"]
    assert ids(lines, session="s2") == ["art_1"]


def test_what_a_page_holds_is_told_but_for_its_blobs() -> None:
    level = Represented(page_id=PAGE, version=1, level=2, origin="text/2", content=7, tokens=1)
    event = EventAdded(session="s1", event_id="evt_1", role="user", page_id=PAGE, payload=3)
    first = page(hint=2, payload=3, blobs=(4, 5), event_id="evt_1")
    (found,) = uses(event, first, version(content=6, blobs=(5,)), level).unused(1e9)
    assert found.contents == {1, 2, 3, 6, 7}
