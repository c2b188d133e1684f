from __future__ import annotations

import pytest

from pagefault.index.query import parse, words


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("When did Melanie go to the support group?", ("melanie", "go", "support", "group")),
        ("Was hat Anna über die Katze gesagt?", ("anna", "katze", "gesagt")),
        ("Où est la réunion de mardi ?", ("reunion", "mardi")),
        ("¿Cuándo es la reunión del martes?", ("reunion", "martes")),
        ("Что мы решили про базу данных?", ("реш", "баз", "дан")),
        ("don't you know what's new?", ("new",)),
    ],
)
def test_function_words_of_the_questions_own_language_are_dropped(question, asked):
    assert words(question) == asked


def test_function_words_of_another_language_stay():
    assert words("die hard movie") == ("die", "hard", "movie")
    assert words("the war memorial of Les") == ("war", "memorial", "les")


def test_function_words_that_join_other_characters_are_dropped_in_chinese_and_japanese():
    assert words("数据库迁移是什么时候") == ("数据", "据库", "库迁", "迁移", "移是")
    assert {"会議", "何時"} <= set(words("会議は何時からですか"))
    assert not {"議は", "時か", "です"} & set(words("会議は何時からですか"))


def test_only_function_words_are_all_kept():
    assert words("to be or not to be") == ("to", "be", "or", "not")
    assert words("这是什么") == ("这是", "是什", "什么")


def test_repeats_are_removed():
    assert words("Lake lake LAKE") == ("lake",)
    assert len(parse("went go goes gone").terms) == 1


def test_a_long_question_is_cut_to_sixty_four_terms():
    assert len(parse(" ".join(f"w{n}" for n in range(1000))).terms) == 64


def test_quoted_words_are_asked_for_as_a_phrase_too():
    for question in ('"exact words" here', "“exact words” here", "«exact words» here"):
        assert '"exact words"' in parse(question).terms
    assert parse('"single" word').terms == ('"single"', '"word"')


def test_page_ids_are_recognised_as_such():
    assert parse("compare msg_17 with claim_2, please").page_ids == ("msg_17", "claim_2")
    assert parse("a_msg_17b and MSG_17 and msg_").page_ids == ()
