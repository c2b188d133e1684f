"""Following a log: what entries become, and that it does not matter how the log is cut."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pagefault.base.log import LogLine, PageAdded, Touched, VersionAdded
from pagefault.index import fulltext
from pagefault.index.document import Document, Hit, Search
from pagefault.index.following import (
    PIECE_BYTES,
    PIECE_ENTRIES,
    Entry,
    Piece,
    advance,
    documents,
    fitting,
)

NOON = 1_683_547_200.0  # 8 May 2023, 12:00 UTC
PRINCIPAL, WORKSPACE = 1, 7
WORDS = "sunrise lake budget plan zebra went go 会議 базу getUserById".split()
QUERIES = ("sunrise lake", "budget plan", "go", "zebra", "会議", "база", "user", "claim_2 lake")


@dataclass
class History:
    """A log as another store would hold it, with its texts; one position a line from 1 on."""

    # a string: this page was forgotten; in a tuple: it was archived, or no longer
    lines: list[Entry | str | tuple[str]] = field(default_factory=list)
    texts: dict[int, bytes] = field(default_factory=dict)
    pages: dict[str, PageAdded] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)  # of the pages that are left

    @property
    def position(self) -> int:
        return len(self.lines)

    @property
    def sessions(self) -> dict[int, str]:
        return {number: f"s{number}" for number in range(1, 4)}

    def text(self, text: str) -> int:
        number = len(self.texts) + 1
        self.texts[number] = text.encode()
        return number

    def page(self, text: str, session: int = 1, hint: str | None = None, **fields: Any) -> str:
        """A new page; its id."""
        page_id = f"claim_{len(self.pages) + 1}"
        usual = {"page_type": "claim", **self._made(text, session, hint)}
        page = PageAdded(page_id=page_id, **{**usual, **fields})
        self.pages[page_id], self.versions[page_id] = page, 1
        self._write(page, page, session)
        return page_id

    def revise(
        self, page_id: str, text: str, session: int = 1, hint: str | None = None, **fields: Any
    ) -> None:
        """A further version of a page."""
        self.versions[page_id] += 1
        made = self._made(text, session, hint)
        version = VersionAdded(
            page_id=page_id, version=self.versions[page_id], parent=1, **{**made, **fields}
        )
        self._write(version, self.pages[page_id], session)

    def turn_over(self, page_id: str) -> None:
        """Archive a page, or have it back."""
        self.lines.append((page_id,))

    def forget(self, page_id: str) -> None:
        del self.versions[page_id]
        self.lines.append(page_id)

    def alive(self) -> list[str]:
        return list(self.versions)

    def archived(self, by: int | None = None) -> set[str]:
        """The pages that are archived at a position, the log's end unless named."""
        moved = [line[0] for line in self.lines[:by] if isinstance(line, tuple)]
        return {page for page in moved if moved.count(page) % 2}

    def piece(self, after: int = 0, reached: int | None = None, by: int | None = None) -> Piece:
        """What the log says from behind one position up to another, its end unless named.

        ``by``: the position at which it is read, the log's end unless named.
        """
        archived = self.archived(by)
        lines = self.lines[after:reached]
        entries = [
            replace(line, archived=line.page.page_id in archived)
            for line in lines
            if isinstance(line, Entry)
        ]
        forgotten = [line for line in lines if isinstance(line, str)]
        moved = {line[0]: line[0] in archived for line in lines if isinstance(line, tuple)}
        return Piece(entries, forgotten, after + len(lines), moved)

    def pieces(self, cuts: Iterable[int], *, at_once: bool = False) -> Iterator[tuple[int, Piece]]:
        """All of the log in pieces that end at these positions, each with where it begins.

        ``at_once``: each is read before there is more of the log.
        """
        ends = sorted({cut for cut in cuts if 0 < cut < self.position} | {self.position})
        for after, reached in zip([0, *ends], ends, strict=False):
            yield after, self.piece(after, reached, reached if at_once else None)

    def _made(self, text: str, session: int, hint: str | None) -> dict[str, Any]:
        return {
            "session": f"s{session}",
            "modality": "text",
            "content": self.text(text),
            "hint": None if hint is None else self.text(hint),
            "tokens": 1,
            "size": len(text.encode()),
            "source": "model",
            "trust": 2,
        }

    def _write(self, made: PageAdded | VersionAdded, page: PageAdded, session: int) -> None:
        line = LogLine(self.position + 1, NOON + self.position, "test", 1, 1, made)
        made_at = [
            one.recorded_at for one in self.lines if isinstance(one, Entry) and one.page is page
        ]
        self.lines.append(Entry(line, page, made_at[0] if made_at else line.at, session))


actions = st.lists(
    st.tuples(
        st.sampled_from(["page", "page", "page", "revise", "forget", "turn over", "turn over"]),
        st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join),
        st.integers(1, 3),  # session
        st.sampled_from(["transcript", "claim"]),
        st.integers(0, 30),  # which page, of those that there are
    ),
    min_size=1,
    max_size=25,
)
cuts = st.sets(st.integers(1, 24))


def history_of(drawn: Iterable[tuple[str, str, int, str, int]]) -> History:
    history = History()
    for verb, text, session, page_type, which in drawn:
        alive = history.alive()
        if verb == "page" or not alive:
            history.page(text, session, page_type=page_type, hint=text[:9] or None)
        elif verb == "revise":
            history.revise(alive[which % len(alive)], text, session)
        elif verb == "turn over":
            history.turn_over(alive[which % len(alive)])
        else:
            history.forget(alive[which % len(alive)])
    return history


def memory() -> apsw.Connection:
    db = apsw.Connection(":memory:")
    fulltext.create(db)
    return db


def follow(
    db: apsw.Connection, history: History, where: Iterable[int] = (), *, at_once: bool = False
) -> None:
    for _, piece in history.pieces(where, at_once=at_once):
        with db:
            advance(db, PRINCIPAL, WORKSPACE, piece, lambda n: history.texts[n].decode())


def answers(db: apsw.Connection) -> list[list[Hit]]:
    return [
        fulltext.search(
            db, PRINCIPAL, Search(query, WORKSPACE, session=session, scope=scope, limit=50)
        )
        for query in QUERIES
        for session in (1, 2)
        for scope in ("workspace", "session")
    ]


def only_document(history: History) -> Document:
    *_, document = documents(
        WORKSPACE, history.piece().entries, lambda n: history.texts[n].decode()
    )
    return document


# What an entry becomes


def test_a_first_version_is_a_document_with_all_that_its_line_says() -> None:
    history = History()
    history.page(
        "the text",
        session=2,
        hint="a hint",
        page_type="transcript",
        modality="structured",
        role="user",
        name="Ann",
        created_at=5.0,
        importance=0.25,
    )
    assert only_document(history) == Document(
        workspace=WORKSPACE,
        session=2,
        page_id="claim_1",
        version=1,
        content=1,
        page_type="transcript",
        modality="structured",
        role="user",
        name="Ann",
        hint="a hint",
        created_at=5.0,
        importance=0.25,
        position=1,
    )


def test_a_further_version_has_its_own_branch_content_and_hint_and_its_pages_rest() -> None:
    history = History()
    page = history.page("the text", hint="first", role="user", name="Ann", created_at=5.0)
    before = only_document(history)
    history.revise(page, "other text", 3, "second", modality="structured", importance=1.0)
    assert only_document(history) == replace(
        before,
        session=3,
        version=2,
        content=3,
        modality="structured",
        hint="second",
        importance=1.0,
        position=2,
    )


def test_a_version_without_a_hint_does_not_show_that_of_an_older_one() -> None:
    history = History()
    history.revise(history.page("the text", hint="first"), "other text")
    assert only_document(history).hint is None


def test_a_page_without_a_name_shows_that_of_its_tool() -> None:
    history = History()
    history.page("the text", name=None, tool_name="grep")
    assert only_document(history).name == "grep"
    history.page("the text", name="Ann", tool_name="grep")
    assert only_document(history).name == "Ann"


@pytest.mark.parametrize(("said_at", "shown"), [(None, NOON), (0.0, 0.0)])
def test_a_page_is_of_when_it_was_said_else_of_when_it_was_recorded(
    said_at: float | None, shown: float
) -> None:
    history = History()
    page = history.page("the text", created_at=said_at)
    assert only_document(history).created_at == shown
    history.revise(page, "other text")
    assert only_document(history).created_at == shown


def test_a_line_that_made_nothing_is_no_entry() -> None:
    history = History()
    history.page("the text")
    entry = history.piece().entries[0]
    line = replace(entry.line, operation=Touched(page_id="claim_1"))
    with pytest.raises(TypeError, match="line 1 is a 'touch'"):
        documents(WORKSPACE, [replace(entry, line=line)], str)


# Pieces


@given(st.lists(st.integers(0, PIECE_BYTES * 2 // 3), max_size=8), st.integers(0, 600))
def test_a_piece_is_as_much_as_fits_and_at_least_one_entry(sizes: list[int], small: int) -> None:
    history = History()
    history.page("")
    (first,) = history.piece().entries
    entries = [
        replace(first, line=replace(first.line, operation=replace(first.page, size=size)))
        for size in [*sizes, *[1] * small]
    ]
    source = iter(entries)
    taken, all_of_them = fitting(source)
    rest = list(source)
    assert taken == entries[: len(taken)]
    assert all_of_them == (len(taken) == len(entries))
    assert len(taken) + len(rest) >= len(entries) - 1
    assert bool(taken) == bool(entries)
    assert len(taken) <= PIECE_ENTRIES
    together = sum(entry.made.size for entry in taken)
    assert together <= PIECE_BYTES or len(taken) == 1
    if not all_of_them:
        following = entries[len(taken)].made.size
        assert len(taken) == PIECE_ENTRIES or together + following > PIECE_BYTES


@settings(max_examples=150)
@given(actions, cuts)
def test_a_log_in_any_pieces_gives_the_same_answers(drawn: Any, where: set[int]) -> None:
    history = history_of(drawn)
    whole, cut = memory(), memory()
    follow(whole, history)
    follow(cut, history, where)
    assert answers(cut) == answers(whole)
    found = {hit.page_id for hits in answers(cut) for hit in hits}
    assert found <= set(history.alive())


@settings(max_examples=150)
@given(actions, cuts)
def test_an_archived_page_is_where_it_belongs_however_early_the_log_was_read(
    drawn: Any, where: set[int]
) -> None:
    apart = [(verb, text, session, "claim", which) for verb, text, session, _, which in drawn]
    history = history_of(apart)  # no page has a neighbour, whose words would be its own
    late, early = memory(), memory()
    follow(late, history)
    follow(early, history, where, at_once=True)
    assert told(early) == told(late)
    state = fulltext.state(early, PRINCIPAL, WORKSPACE)
    assert state.complaints == ()
    assert state == fulltext.state(late, PRINCIPAL, WORKSPACE)
    archived = history.archived()
    for hits in answers(early):
        places = [hit.page_id in archived for hit in hits if hit.page_id != "claim_2"]
        assert places == sorted(places)  # claim_2 is asked for by its id


def told(db: apsw.Connection) -> list[list[tuple[str, int, float]]]:
    return [[(hit.page_id, hit.version, hit.score) for hit in hits] for hits in answers(db)]


def test_a_page_that_is_made_and_forgotten_in_one_piece_is_gone() -> None:
    history = History()
    history.forget(history.page("about a lake"))
    kept = history.page("about a lake too")
    db = memory()
    follow(db, history)
    found = fulltext.search(db, PRINCIPAL, Search("lake", WORKSPACE))
    assert [hit.page_id for hit in found] == [kept]


def test_a_piece_that_is_in_already_changes_nothing() -> None:
    history = history_of([("page", word, 1, "claim", 0) for word in WORDS])
    db = memory()
    follow(db, history)
    before = answers(db)
    follow(db, history)
    assert answers(db) == before
