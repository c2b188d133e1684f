"""What nothing reaches, by the log alone."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from pagefault.base.log import (
    Collected,
    EventAdded,
    Evicted,
    FaultedIn,
    Forgotten,
    LogLine,
    Operation,
    PageAdded,
    Represented,
    VersionAdded,
)
from pagefault.paging.reach import OUTDATED, REMAINS, UNNAMED, UNREAD, Reach


def page(content: int = 1, **more: int) -> PageAdded:
    return PageAdded(
        session="s1",
        page_id="claim_1",
        page_type="claim",
        modality="text",
        content=content,
        tokens=10,
        size=40,
        source="model",
        trust=2,
        **more,  # type: ignore[arg-type]
    )


def version(content: int) -> VersionAdded:
    return VersionAdded(
        session="s1",
        page_id="claim_1",
        version=2,
        parent=1,
        modality="text",
        content=content,
        tokens=10,
        size=40,
        source="model",
        trust=2,
    )


def level(content: int, origin: str = "text/1") -> Represented:
    return Represented(
        page_id="claim_1", version=1, level=2, origin=origin, content=content, tokens=3
    )


def shown() -> FaultedIn:
    return FaultedIn(
        session="s2", page_id="claim_1", version=1, level=2, tokens=3, reason="recorded"
    )


FORGET = Forgotten(session="s1", page_id="claim_1", reason="asked")


def garbage(operations: Iterable[Operation], *there: int) -> dict[int, str]:
    """Content to kind, of the contents that are there, of nine bytes each."""
    reach = Reach()
    for position, operation in enumerate(operations, start=1):
        reach.take(LogLine(position, 0.0, "test", 1, 0, operation))
    found = list(reach.garbage(dict.fromkeys(there, 9), {"text/1"}))
    assert all(one.size == 9 for one in found)
    return {one.content: one.kind for one in found}


def test_what_a_forgotten_page_left_behind_goes_and_only_that() -> None:
    event = EventAdded(session="s1", event_id="evt_1", role="user", payload=4)
    lines = [event, page(1, hint=2, payload=3), level(5), FORGET]
    assert garbage(lines, 1, 2, 3, 4, 5) == dict.fromkeys((1, 2, 3, 5), REMAINS)
    assert garbage(lines[:-1], 1, 2, 3, 4, 5) == {}


def test_a_content_that_no_line_names_goes() -> None:
    assert garbage([page()], 1, 2) == {2: UNNAMED}


def test_what_was_collected_before_is_not_told_again() -> None:
    lines = [page(), level(2), level(3), Collected(page_id="claim_1", contents=(2,))]
    assert garbage(lines, 1, 3) == {}
    assert garbage([*lines, version(4)], 1, 3, 4) == {3: UNREAD}


@pytest.mark.parametrize(
    ("lines", "kept"),
    [
        ([shown()], True),
        ([shown(), Evicted(session="s2", page_id="claim_1", cause="idle")], False),
    ],
    ids=["mapped", "evicted"],
)
def test_a_level_stays_while_a_session_shows_it(lines: list[Operation], *, kept: bool) -> None:
    found = garbage([page(), level(2), *lines, version(3)], 1, 2, 3)
    assert found == ({} if kept else {2: UNREAD})


def test_a_level_of_another_compressor_is_never_shown_and_goes() -> None:
    assert garbage([page(), level(2, "text/0"), shown()], 1, 2) == {2: OUTDATED}


def test_what_is_not_there_any_more_is_no_garbage() -> None:
    assert garbage([page(), level(2), level(3), version(4)], 1, 4) == {}
