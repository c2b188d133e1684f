"""What holds for every string and every history."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pagefault.index.analysis import well_formed
from pagefault.index.fulltext import Search, add, search
from pagefault.index.query import parse

WORDS = "sunrise lake budget plan zebra went go 会議 базу getUserById".split()
QUERIES = ("sunrise lake", "budget plan", "go", "zebra", "会議", "база", "user", "msg_2 lake")

# Any text, and texts of what an expression language would trip over.
ANYTHING = st.one_of(
    st.text(st.characters(exclude_categories=())),
    st.text(st.sampled_from("\"'`*^:+-(){}[]<>|&~\\/\x00\ud800\udfff aORNANDTE猫\u0301\u200d_9")),
    st.lists(
        st.sampled_from(["OR", "AND", "NOT", "NEAR(", ")", '"', "body", ":", "msg_1", "猫", "a*"])
    ).map(" ".join),
)


@pytest.fixture(scope="module")
def filled(opening):
    with opening() as shelf:
        shelf.write("the budget of a b OR NEAR zebra msg_1 猫が好き", name="Ann")
        shelf.write("a quiet lake", session=2)
        yield shelf


@settings(max_examples=2500)
@given(ANYTHING)
@example('"')
@example("\x00")
@example("NEAR(a b, 1)")
@example("body : zebra")
@example('"猫" *')
@example("a" * 100_000)
@example("a " * 100_000)
@example('"a b" ' * 1000)
@example("msg_1 " * 1000)
@example("msg_" + "9" * 400)
def test_any_string_is_a_valid_query(filled, query):
    for scope in ("workspace", "session"):
        hits = search(filled.db, 1, Search(query, 1, session=1, scope=scope))
        assert all(hit.score > 0 for hit in hits)


@settings(max_examples=300)
@given(ANYTHING)
def test_any_text_can_be_indexed_and_leaves_without_a_trace(filled, text):
    before, terms = filled.find("budget lake zebra"), filled.terms()
    said = well_formed(text)  # the store takes nothing else
    page = filled.write(text, session=9, name=said[:20], hint=said[:50], role="user")
    filled.forget(page)
    assert filled.find("budget lake zebra") == before
    assert filled.terms() == terms


@given(ANYTHING)
def test_a_question_has_at_most_as_many_terms_as_are_allowed(query):
    question = parse(query)
    assert len(question.terms) <= 64
    assert len(set(question.terms)) == len(question.terms)


pages = st.fixed_dictionaries(
    {
        "text": st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join),
        "session": st.integers(1, 3),
        "page_type": st.sampled_from(["transcript", "transcript", "transcript", "claim"]),
        "later": st.sampled_from([0.0, 30.0, 5000.0]),
        "timed": st.booleans(),
        "again": st.integers(0, 5),
    }
)


def history(shelf, drawn):
    """Documents in the order of the log: new pages, and now and then a version of an older one."""
    at = 1e9
    for number, page in enumerate(drawn, 1):
        at += page["later"]
        document = shelf.document(
            page["text"],
            session=page["session"],
            page_type=page["page_type"],
            created_at=at if page["timed"] else None,
            importance=number % 3 / 2,
        )
        if page["again"] == 1 and number > 1:
            shelf.documents[-1] = replace(
                document, page_id=shelf.documents[0].page_id, version=number
            )
    return shelf.documents


def answers(shelf):
    return [
        shelf.hits(query, session=session, scope=scope, limit=50)
        for query in QUERIES
        for session in (1, 2)
        for scope in ("workspace", "session")
    ]


@settings(max_examples=150)
@given(st.lists(pages, min_size=1, max_size=25), st.integers(1, 7))
def test_a_rebuild_gives_what_adding_one_by_one_gave(opening, drawn, piece):
    with opening() as shelf:
        documents = history(shelf, drawn)
        for document in documents:
            shelf.put(document)
        before = answers(shelf)
        shelf.clear()
        assert not any(answers(shelf))
        for start in range(0, len(documents), piece):
            shelf.put(*documents[start : start + piece])
        assert answers(shelf) == before


@settings(max_examples=150)
@given(st.lists(pages, min_size=1, max_size=25), st.sets(st.integers(0, 24)))
def test_removed_pages_are_gone_and_the_others_are_all_found(opening, drawn, gone):
    with opening() as shelf:
        documents = history(shelf, drawn)
        shelf.put(*documents)
        forgotten = {documents[n].page_id for n in gone if n < len(documents)}
        for page_id in forgotten:
            shelf.forget(page_id)
        left = {document.page_id for document in documents} - forgotten
        found = {hit.page_id for hits in answers(shelf) for hit in hits}
        assert not found & forgotten
        newest = {document.page_id: document for document in documents}
        for page_id in left:
            text = shelf.texts[newest[page_id].content]
            if text and newest[page_id].session == 1:
                assert page_id in shelf.find(text, session=1, limit=50)
        shelf.db.execute("INSERT INTO index_terms_1(index_terms_1) VALUES('integrity-check')")
        if not left:
            assert shelf.db.execute("SELECT documents FROM index_area").get == 0


def test_a_text_that_cannot_be_read_leaves_the_index_as_it_was(shelf):
    page = shelf.write("the budget")
    shelf.write("the plan", session=2)

    def damaged(content: int) -> str:
        raise LookupError(content)

    documents = [shelf.document("never", session=3), shelf.document("indexed", session=3)]
    with pytest.raises(LookupError), shelf.db:
        add(shelf.db, 1, documents, damaged)
    assert shelf.find("budget") == [page]
    shelf.put(*documents)
    assert set(shelf.find("never indexed")) == {document.page_id for document in documents}
