"""A turn is also found by what was said just before and after it."""

from __future__ import annotations

import pytest

LONG = "word " * 61


def talk(shelf, *said: str, **fields):
    return [shelf.write(text, **fields) for text in said]


def test_a_turn_borrows_from_two_before_and_one_after(shelf):
    talk(shelf, "first", "second", "third", "fourth", "zebra", "sixth", "seventh", "eighth")
    assert shelf.find("zebra")[0] == "msg_5"
    assert set(shelf.find("zebra")) == {"msg_5", "msg_4", "msg_6", "msg_7"}


def test_the_page_that_says_it_ranks_before_those_beside_it(shelf):
    talk(shelf, "What did you paint?", "A sunrise over the lake.", "How lovely!")
    assert shelf.find("sunrise")[0] == "msg_2"


def test_an_answer_is_found_by_the_words_of_its_question(shelf):
    for _ in range(10):
        shelf.write("Nothing much happened.", session=2)
    question, answer = talk(shelf, "Which instrument do you play?", "The cello, since school.")
    assert set(shelf.find("instrument")) == {question, answer}


def test_when_the_next_turn_arrives_the_previous_one_is_found_by_it(shelf):
    first = shelf.write("Good morning.")
    assert shelf.find("zebra") == []
    shelf.write("I saw a zebra.")
    assert first in shelf.find("zebra")


def test_turns_of_other_sessions_lend_nothing(shelf):
    shelf.write("Good morning.", session=1)
    zebra = shelf.write("I saw a zebra.", session=2)
    shelf.write("Good night.", session=1)
    assert shelf.find("zebra") == [zebra]


def test_turns_of_interleaved_sessions_keep_their_own_neighbours(shelf):
    mine = [shelf.write("Good morning.", session=1)]
    shelf.write("Elsewhere.", session=2)
    mine.append(shelf.write("I saw a zebra.", session=1))
    shelf.write("Elsewhere again.", session=2)
    assert set(shelf.find("zebra")) == set(mine)


def test_a_long_turn_lends_nothing_and_borrows(shelf):
    long_one = shelf.write(LONG + "zebra")
    shelf.write("Good morning.")
    assert shelf.find("zebra") == [long_one]
    giraffe = shelf.write("A giraffe.")
    assert set(shelf.find("giraffe")) == {"msg_2", giraffe}
    shelf.write(LONG)
    assert "msg_4" in shelf.find("giraffe")


@pytest.mark.parametrize(("count", "lends"), [(120, True), (121, False)])
def test_in_chinese_two_characters_count_as_a_word(shelf, count, lends):
    shelf.write("斑马" + "字" * (count - 2), session=1)
    beside = shelf.write("Good morning.", session=1)
    assert (beside in shelf.find("斑马")) == lends


@pytest.mark.parametrize("page_type", ["claim", "artifact", "summary"])
def test_what_is_no_turn_neither_lends_nor_borrows_nor_stands_between(shelf, page_type):
    first = shelf.write("Good morning.")
    claim = shelf.write("An okapi.", page_type=page_type)
    zebra = shelf.write("I saw a zebra.")
    assert set(shelf.find("zebra")) == {first, zebra}
    assert shelf.find("okapi") == [claim]


@pytest.mark.parametrize(
    ("gap", "together"), [(0.0, True), (3600.0, True), (3601.0, False), (-86400.0, False)]
)
def test_a_sitting_ends_after_an_hour_of_silence(shelf, gap, together):
    shelf.write("Good morning.", created_at=1000.0)
    shelf.write("I saw a zebra.", created_at=1000.0 + gap)
    assert ("msg_1" in shelf.find("zebra")) == together


def test_a_turn_without_a_time_belongs_to_the_sitting(shelf):
    shelf.write("Good morning.", created_at=1000.0)
    shelf.write("I saw a zebra.", created_at=None)
    assert "msg_1" in shelf.find("zebra")


def test_a_later_version_is_no_turn(shelf):
    talk(shelf, "Good morning.", "How are you?")
    shelf.write("I saw a zebra.", page_id="msg_1", version=2)
    after = shelf.write("Good night.")
    assert shelf.find("zebra") == ["msg_1"]
    assert set(shelf.find("morning")) == {"msg_2", after}


def test_a_common_word_lends_nothing(shelf):
    for number in range(20):
        shelf.write("filler" if number % 2 else "common", session=number // 10)
    assert set(shelf.find("common", limit=50)) == {f"msg_{n}" for n in range(1, 21, 2)}


def test_the_words_of_a_removed_neighbour_are_gone_from_those_beside_it(shelf):
    first, zebra, third = talk(shelf, "Good morning.", "I saw a zebra.", "Good night.")
    assert {first, third} < set(shelf.find("zebra"))
    shelf.forget(zebra)
    assert shelf.find("zebra") == []
    assert shelf.find("morning") == [first, third]
