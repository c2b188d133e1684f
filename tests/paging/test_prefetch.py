"""What to map before anybody asks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagefault.paging.past import Branch
from pagefault.paging.prefetch import (
    EXPLICIT,
    FEW,
    MOST,
    MOST_SPECULATIVE,
    REFERENCED,
    SPECULATIVE,
    Candidate,
    Reads,
    Wish,
    chosen,
    guesses,
    referred_to,
)


def read(*pages: str, session: str = "s1", turn: int = 1) -> Reads:
    reads = Reads()
    for page_id in pages:
        reads.add(session, turn, page_id)
    return reads


def many(words: int, score: float = 1.0) -> list[Candidate]:
    """As many hits as a search gives, so that being few proves nothing."""
    return [Candidate(f"msg_{number}", score, words) for number in range(1, FEW + 1)]


def confidences(wishes: list[Wish]) -> set[str]:
    return {wish.confidence for wish in wishes}


def test_a_page_whose_id_the_message_names_is_meant_whatever_it_holds() -> None:
    (wish,) = referred_to([Candidate("msg_7", 9.0, 0, named=True)], 3)
    assert (wish.page_id, wish.confidence, wish.reason) == ("msg_7", EXPLICIT, "resolve_reference")


@pytest.mark.parametrize(
    ("shared", "words", "confidence"),
    [
        (2, 20, REFERENCED),
        (1, 20, SPECULATIVE),
        (1, 3, REFERENCED),
        (1, 1, REFERENCED),
        (0, 1, SPECULATIVE),
    ],
)
def test_a_page_is_referred_to_by_two_words_or_a_third_of_them(
    shared: int, words: int, confidence: str
) -> None:
    assert confidences(referred_to(many(shared), words)) == {confidence}


def test_where_few_pages_answer_at_all_any_word_refers_to_them() -> None:
    assert confidences(referred_to(many(1)[:3], 20)) == {REFERENCED}


def test_a_hit_with_less_than_half_of_the_best_score_is_not_wanted() -> None:
    hits = [Candidate("msg_1", 10.0, 3), Candidate("msg_2", 5.0, 0), Candidate("msg_3", 4.9, 3)]
    assert [wish.page_id for wish in referred_to(hits, 3)] == ["msg_1", "msg_2"]


def test_a_named_page_does_not_make_the_others_look_weak() -> None:
    hits = [Candidate("msg_1", 100.0, 0, named=True), Candidate("msg_2", 1.0, 2)]
    assert [wish.page_id for wish in referred_to(hits, 3)] == ["msg_1", "msg_2"]


@pytest.mark.parametrize(
    ("pages", "following"),
    [
        (("msg_4", "msg_5"), "msg_6"),
        (("msg_9", "msg_4", "msg_5"), "msg_6"),
        (("msg_5", "msg_4"), "msg_3"),
        (("msg_2", "msg_1"), None),
        (("msg_4", "msg_6"), None),
        (("msg_4", "claim_5"), None),
        (("msg_4", "msg_4"), None),
        (("msg_4",), None),
        ((), None),
    ],
)
def test_a_run_of_pages_goes_on_with_the_next(pages: tuple[str, ...], following: str) -> None:
    assert read(*pages).next_of_run([Branch("s1")], 1) == following


def test_a_run_ends_when_it_was_long_ago_or_another_session_s() -> None:
    reads = read("msg_4", "msg_5")
    assert reads.next_of_run([Branch("s1")], 3) == "msg_6"
    assert reads.next_of_run([Branch("s1")], 4) is None
    assert reads.next_of_run([Branch("s2")], 1) is None


def test_a_fork_goes_on_with_its_parents_run_up_to_the_fork() -> None:
    reads = Reads()
    for position, page_id in ((5, "msg_4"), (6, "msg_5"), (9, "msg_6")):
        reads.add("s1", 1, page_id, position)
    assert reads.next_of_run([Branch("f1"), Branch("s1", 7)], 1) == "msg_6"
    assert reads.next_of_run([Branch("f1"), Branch("s1", 5)], 1) is None
    reads.add("f1", 2, "msg_6", 12)
    assert reads.next_of_run([Branch("f1"), Branch("s1", 7)], 2) == "msg_7"


def test_pages_read_in_the_same_turns_twice_or_more_come_together() -> None:
    reads = Reads()
    for turn in (1, 2, 3):
        for page_id in ("msg_1", "claim_1") if turn < 3 else ("msg_1", "claim_2"):
            reads.add("s1", turn, page_id)
    assert reads.read_with(["msg_1"]) == ["claim_1"]
    assert reads.read_with(["claim_1"]) == ["msg_1"]
    assert reads.read_with(["claim_2"]) == []
    assert reads.read_with(["msg_1", "claim_1"]) == []


def test_pages_that_one_reads_mostly_without_the_other_do_not_come_together() -> None:
    reads = Reads()
    for turn in range(6):
        reads.add("s1", turn, "msg_1")
        if turn < 2:
            reads.add("s1", turn, "msg_9")
    assert reads.read_with(["msg_1"]) == []
    assert reads.read_with(["msg_9"]) == ["msg_1"]


def test_the_same_turn_of_two_sessions_is_not_the_same_turn() -> None:
    reads = Reads()
    for turn in (1, 2):
        reads.add("s1", turn, "msg_1")
        reads.add("s2", turn, "msg_2")
    assert reads.read_with(["msg_1"]) == []


def test_guesses_are_the_next_of_the_run_and_what_came_along_before() -> None:
    reads = Reads()
    for turn in (1, 2):
        for page_id in ("claim_1", "msg_7", "msg_8"):
            reads.add("s1", turn, page_id)
    found = guesses(reads, [Branch("s1")], 2, ["claim_1"])
    assert [(wish.page_id, wish.why) for wish in found] == [
        ("msg_9", "next"),
        ("msg_7", "together"),
        ("msg_8", "together"),
    ]
    assert confidences(found) == {SPECULATIVE}


WISHES = st.lists(
    st.builds(
        Wish,
        st.integers(1, 12).map(lambda number: f"msg_{number}"),
        st.sampled_from([EXPLICIT, REFERENCED, SPECULATIVE]),
        st.just("words"),
    )
)


@given(WISHES)
def test_few_pages_are_chosen_each_once_and_the_surest_first(wishes: list[Wish]) -> None:
    taken = chosen(wishes)
    order = [EXPLICIT, REFERENCED, SPECULATIVE]
    ranks = [order.index(wish.confidence) for wish in taken]
    assert ranks == sorted(ranks)
    assert len(taken) <= MOST
    assert ranks.count(2) <= MOST_SPECULATIVE
    assert len({wish.page_id for wish in taken}) == len(taken)
    sure = {wish.page_id for wish in wishes if wish.confidence != SPECULATIVE}
    assert sum(rank < 2 for rank in ranks) == min(MOST, len(sure))
