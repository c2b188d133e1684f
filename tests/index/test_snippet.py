from __future__ import annotations

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagefault.index.snippet import ELLIPSIS, snippet

PAGE = (
    "Last week we spoke about the garden. The tomatoes were not doing well at all. "
    "I went to the hardware store on Tuesday and bought a new hose, because the old one leaked. "
    "Caroline painted a sunrise over the lake. She said she would bring it along when she comes "
    "to visit us in the summer. Nobody knows how long the trip will take, but we are looking "
    "forward to it very much indeed, all of us."
)


def quoted(result: str) -> str:
    return result.removeprefix(ELLIPSIS).removesuffix(ELLIPSIS)


@given(
    st.text(st.characters(exclude_categories=()), max_size=600),
    st.text(st.characters(exclude_categories=()), max_size=40),
    st.integers(20, 300),
)
def test_a_snippet_quotes_the_page_and_keeps_its_width(text, question, width):
    result = snippet(text, question, width)
    assert quoted(result) in text
    assert len(quoted(result)) <= width


def test_a_short_page_is_quoted_whole():
    assert snippet("A short page.", "anything") == "A short page."
    assert snippet("", "anything") == ""


@pytest.mark.parametrize(
    ("question", "shown"),
    [
        ("What did Caroline paint?", "Caroline painted a sunrise"),
        ("Where did I go to buy a hose?", "went to the hardware store on Tuesday and bought"),
        ("how are the tomatoes", "The tomatoes were not doing well"),
        ("summer visits", "visit us in the summer"),
    ],
)
def test_the_passage_with_the_words_asked_for_is_quoted(question, shown):
    assert shown in snippet(PAGE, question, 120)


def test_the_passage_with_most_of_the_words_wins():
    text = "The budget is late. " * 20 + "The budget of the offsite is in June. " + "Bye. " * 50
    assert "budget of the offsite" in snippet(text, "offsite budget June", 80)


def test_without_a_match_the_beginning_is_quoted():
    assert snippet(PAGE, "hippopotamus", 80).startswith("Last week we spoke")


def test_cuts_fall_between_sentences_or_words():
    assert quoted(snippet(PAGE, "Caroline sunrise", 60)) == (
        "Caroline painted a sunrise over the lake."
    )
    words = quoted(snippet("word " * 100 + "zebra " + "word " * 100, "zebra", 60))
    assert set(words.split()) == {"word", "zebra"}


def test_an_ellipsis_marks_an_end_where_the_page_goes_on():
    assert snippet(PAGE, "Caroline", 90).startswith(ELLIPSIS)
    assert snippet(PAGE, "Caroline", 90).endswith(ELLIPSIS)
    assert not snippet(PAGE, "garden", 90).startswith(ELLIPSIS)
    assert not snippet(PAGE, "looking forward", 150).endswith(ELLIPSIS)


@pytest.mark.parametrize(
    ("sentence", "filler", "question"),
    [
        (
            "データベースの移行は三月に延期されました。",
            "その他の議題は次回に回します。",
            "移行はいつ",
        ),
        ("我们决定三月迁移数据库。", "其他事项下次再讨论。", "数据库迁移是什么时候"),
        ("Миграцию базы данных перенесли.", "Потом пошли обедать.", "когда миграция базы"),
        ("La réunion est annulée.", "Rien de nouveau ce jour.", "reunion"),
        ("Call getUserById here.", "Nothing else was said.", "getUserById"),
        ("He GAVE it away.", "Nothing else was said.", "what did he give"),
    ],
)
def test_every_script_is_quoted_at_the_match(sentence, filler, question):
    text = f"{filler} " * 30 + sentence + f" {filler}" * 30
    assert sentence in snippet(text, question, 120)


def test_letters_that_grow_in_lower_case_do_not_shift_the_quote():
    text = "İ" * 300 + " the zebra was here. " + "İ" * 300
    assert "zebra" in snippet(text, "zebra", 60)


@pytest.mark.parametrize(
    "text", ["a" * 10**6, "ab " * 350_000, "字" * 10**6, "The budget. " * 90_000, "é" * 10**6]
)
def test_a_page_of_a_megabyte_is_quoted_in_bounded_time(text):
    began = process_time()
    result = snippet(text, "a ab 字字 budget é offsite of June " + "more words " * 20)
    assert process_time() - began < 2.0
    assert len(quoted(result)) <= 240
