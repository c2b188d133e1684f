from __future__ import annotations

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagefault.index import words
from pagefault.index.analysis import asked, kept
from pagefault.index.cyrillic import stem
from pagefault.index.folding import bare
from pagefault.index.forms import of as forms_of

ANY_TEXT = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    "forms",
    [
        "книга книги книгу книгой книг книгами",
        "собака собаки собаке собаку собакой собаками",
        "красивый красивая красивого красивыми красивее",
        "работал работала работали работать работает работаю",
        "встретился встретилась встретились",
        "миграция миграции миграцию миграцией",
        "важнейший важнейшего важнейшая",
        "ёлка елка ёлки елку",
        "данные данных данными",
    ],
)
def test_forms_of_a_russian_word_have_one_stem(forms):
    assert len({stem(bare(form)) for form in forms.split()}) == 1


@pytest.mark.parametrize(
    ("one", "another"), [("школа", "школьник"), ("стол", "столица"), ("мир", "море")]
)
def test_different_russian_words_keep_different_stems(one, another):
    assert stem(one) != stem(another)


@given(st.text(st.sampled_from("абвгдежзийклмнопрстуфхцчшщъыьэюя"), min_size=1))
def test_a_stem_is_a_beginning_of_its_word(word):
    result = stem(word)
    assert result
    assert word.startswith(result)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("plain words, untouched.", ["plain", "words,", "untouched."]),
        ("getUserById", ["getuserbyid", "get", "User", "By", "Id"]),
        ("HTTPServer2Go", ["httpserver2go", "HTTP", "Server2", "Go"]),
        ("ERR_1042", ["err1042", "ERR_1042"]),
        ("src/app/main.py", ["srcappmainpy", "src/app/main.py"]),
        ("数据库", ["数据", "据库", "库"]),
        ("猫", ["猫"]),
        ("книгами", ["книг"]),
        ("Straße", ["strasse"]),
        ("ＡＢＣ", ["abc"]),
    ],
)
def test_reading_adds_what_the_tokenizer_would_miss(text, tokens):
    assert kept(text).split() == tokens


def test_a_question_asks_only_for_whole_pairs():
    assert asked("数据库").split() == ["数据", "据库"]


@given(ANY_TEXT)
def test_whatever_is_read_can_be_encoded(text):
    kept(text).encode()
    asked(text).encode()


@pytest.mark.parametrize(
    "text",
    ["a" * 10**6, "aB" * 500_000, "a.b" * 300_000, "字" * 10**6, "й" * 10**6, "a_-" * 300_000],
)
def test_a_megabyte_is_read_in_linear_time(text):
    began = process_time()
    kept(text)
    assert process_time() - began < 2.0


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("one", 1),
        ("one  two\nthree", 3),
        ("数据库迁", 2),
        ("数据库", 2),
        ("use 数据 now", 3),
    ],
)
def test_words_are_counted_in_spaced_and_unspaced_scripts(text, count):
    assert words.count(text) == count


@given(ANY_TEXT.map(lambda text: text * 50))
def test_parts_are_of_bounded_size_and_together_the_text(text):
    parts = list(words.parts(text))
    assert "".join(parts) == text
    assert all(words.count(part) <= words.PART for part in parts)


@pytest.mark.parametrize(
    ("word", "other"),
    [("went", "go"), ("going", "gone"), ("making", "made"), ("running", "ran"), ("wives", "wife")],
)
def test_irregular_forms_know_each_other(word, other):
    assert other in forms_of(word)


def test_a_regular_word_stands_alone():
    assert forms_of("paint") == ("paint",)
    assert forms_of("ing") == ("ing",)
    assert forms_of("s") == ("s",)
