from __future__ import annotations

import pytest

FILLER = "Nothing of interest happened, as always."


@pytest.fixture
def among(shelf):
    """Writes a page among others; the shelf and the page's id."""

    def write(text: str, **fields):
        for _ in range(5):
            shelf.write(FILLER, session=2)
        page_id = shelf.write(text, **fields)
        for _ in range(5):
            shelf.write(FILLER, session=3)
        return page_id

    return write


@pytest.mark.parametrize(
    "query",
    [
        "database migration March",
        "March migration database",
        "When is the migration of the database?",
        "MIGRATION",
        "is there anything about databases",
    ],
)
def test_words_are_found_in_any_order_and_inside_a_question(shelf, among, query):
    page = among("The migration of the database was moved to March.")
    assert shelf.find(query) == [page]


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("She painted a sunrise over the lake.", "paintings of sunrises"),
        ("They were running for charity.", "who runs"),
        ("I went to the market and bought apples.", "did you go and buy an apple"),
        ("Her wives and children came.", "wife child"),
        ("Мы перенесли миграцию базы данных на март.", "миграция баз данных"),
        ("Вчера встретились с моими собаками.", "собака"),
        ("Она купила красивую книгу сестре.", "красивые книги для сестры"),
        ("Ёлка стояла в углу.", "елку"),
    ],
)
def test_inflected_forms_meet(shelf, among, text, query):
    page = among(text)
    assert shelf.find(query) == [page]


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Die Besprechung über das Café fällt aus.", "cafe besprechung"),
        ("La réunion de l'été est annulée.", "reunion ete"),
        ("हम कल दिल्ली जा रहे हैं", "दिल्ली"),
        ("Συνάντηση στην Αθήνα", "αθηνα"),
        ("הפגישה בתל אביב", "הפגישה"),
    ],
)
def test_other_scripts_are_found_and_accents_make_no_difference(shelf, among, text, query):
    page = among(text)
    assert shelf.find(query) == [page]


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("我们上周讨论了数据库迁移计划。", "数据库迁移是什么时候"),
        ("我们上周讨论了数据库迁移计划。", "上周"),
        ("昨日の会議でデータベースの移行を決めました。", "データベース移行はいつですか"),
        ("黒猫が庭で寝ている。", "猫"),
        ("庭に黒猫。", "猫"),
        ("학교에서 친구를 만났다", "학교"),
        ("พรุ่งนี้มีประชุมที่เชียงใหม่", "เชียงใหม่"),
    ],
)
def test_text_without_spaces_is_found_by_its_words(shelf, among, text, query):
    page = among(text)
    assert shelf.find(query) == [page]


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("The bug is in getUserById of the store.", "getUserById"),
        ("The bug is in getUserById of the store.", "getuserbyid"),
        ("The bug is in getUserById of the store.", "the user store"),
        ("It failed with ERR_1042 again.", "ERR_1042"),
        ("It failed with ERR_1042 again.", "what is err 1042"),
        ("See src/app/main.py for it.", "src/app/main.py"),
        ("See src/app/main.py for it.", "main.py"),
        ("Set max_pool_size to four.", "maxPoolSize"),
        ("We run v3.54.1 there.", "3.54.1"),
    ],
)
def test_identifiers_are_found_whole_and_by_their_parts(shelf, among, text, query):
    page = among(text)
    assert shelf.find(query) == [page]


def test_a_whole_identifier_ranks_before_its_parts(shelf):
    shelf.write("The user asked for an id by mail, then for another user id.")
    exact = shelf.write("Call getUserById.", session=2)
    assert shelf.find("getUserById")[0] == exact


@pytest.mark.parametrize(
    ("fields", "query"),
    [
        ({"hint": "budget of the offsite"}, "offsite budget"),
        ({"name": "Melanie"}, "what did Melanie say"),
        ({"role": "assistant"}, "assistant"),
        ({"created_at": 1_683_547_200.0}, "8 May 2023"),
        ({"hint": "数据库迁移"}, "迁移"),
    ],
)
def test_hint_speaker_and_date_are_found(shelf, among, fields, query):
    page = among("Fine, agreed.", **fields)
    assert shelf.find(query) == [page]


def test_a_page_is_found_by_its_id_before_all_others(shelf):
    shelf.write("unrelated words")
    page = shelf.write("other words")
    shelf.write("msg_2 msg_2 is mentioned here, msg 2")
    assert shelf.find("what was in msg_2?")[0] == page
    assert next(hit.page_id for hit in shelf.hits("msg_2") if hit.score > 0) == page


def test_an_id_that_no_page_has_finds_nothing_by_itself(shelf):
    shelf.write("some words")
    assert shelf.find("msg_777") == []


def test_exact_words_in_quotation_marks_rank_first(shelf):
    shelf.write("Words that are exact count more than exact and words apart.", session=2)
    quoted = shelf.write("He said the exact words that I remembered, apart from one.", session=3)
    assert shelf.find('"exact words" apart')[0] == quoted


def test_rare_words_count_more_than_frequent_ones(shelf):
    for number in range(20):
        shelf.write(f"The weekly report number {number} is ready.", session=number)
    rare = shelf.write("The hippopotamus is ready.", session=30)
    assert shelf.find("report hippopotamus ready")[0] == rare


def test_scores_fall_and_are_positive(shelf):
    shelf.write("alpha beta gamma")
    shelf.write("alpha beta", session=2)
    shelf.write("alpha", session=3)
    scores = [hit.score for hit in shelf.hits("alpha beta gamma")]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)
    assert min(scores) > 0


def test_a_question_of_function_words_alone_is_still_answered(shelf):
    page = shelf.write("To be or not to be.")
    assert shelf.find("to be or not to be") == [page]


@pytest.mark.parametrize("query", ["", "   ", "?!", '"', "\x00", "\ud800", "***", "()"])
def test_a_query_without_a_word_finds_nothing(shelf, query):
    shelf.write("some words")
    assert shelf.find(query) == []


def test_a_hit_carries_what_a_result_row_shows(shelf):
    document = shelf.document(
        "Budget agreed.",
        session=7,
        role="user",
        name="Ann",
        hint="budget",
        created_at=1_683_547_200.5,
        importance=0.75,
    )
    shelf.put(document)
    (hit,) = shelf.hits("budget")
    for name in ("page_id", "version", "content", "session", "page_type", "modality", "role"):
        assert getattr(hit, name) == getattr(document, name)
    for name in ("name", "hint", "created_at", "importance", "position"):
        assert getattr(hit, name) == getattr(document, name)


def test_a_long_page_is_found_by_words_anywhere_in_it(shelf):
    text = "".join(f"Sentence number {number} of the report. " for number in range(3000))
    page = shelf.write(text + "Hippopotamus. " + text, page_type="artifact")
    assert shelf.find("hippopotamus") == [page]
    assert shelf.find("number 2999") == [page]


def test_a_long_page_does_not_crowd_out_a_short_one_that_answers(shelf):
    words = "budget offsite agenda travel hotel catering deadline invoice".split()
    scattered = (" filler" * 70).join(words)
    shelf.write(scattered, page_type="artifact")
    short = shelf.write("The offsite budget has its deadline in June.", page_type="claim")
    assert shelf.find("deadline of the offsite budget")[0] == short


def test_a_long_hint_of_a_long_page_is_found_by_its_beginning(shelf):
    page = shelf.write("word " * 20_000, hint="offsite budget " + "filler " * 5_000)
    assert shelf.find("offsite") == [page]
    shelf.forget(page)
    assert shelf.terms() == set()


def test_a_date_that_no_calendar_has_is_left_out(shelf):
    page = shelf.write("far away", created_at=1e30)
    assert shelf.find("far away") == [page]
