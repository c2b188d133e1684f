from __future__ import annotations

import pytest

from pagefault.index.places import FIRST_PART
from pagefault.index.ranking import Match, scores


def best(found: dict[int, float]) -> list[int]:
    return sorted(found, key=lambda place: -found[place])


def test_more_terms_score_more():
    found = scores([Match({10: 5, 20: 5}), Match({20: 5})], documents=100, most=64)
    assert best(found)[0] == 20


def test_a_rare_term_scores_more_than_a_frequent_one():
    frequent = Match(dict.fromkeys(range(100, 300, 10), 5))
    found = scores([frequent, Match({1000: 5})], documents=100, most=64)
    assert best(found)[0] == 1000


def test_a_turn_lends_to_one_before_and_two_after():
    found = scores([Match({10: 20})], documents=100, most=64)
    assert set(found) == {9, 10, 11, 12}
    assert found[10] > found[9] == found[11] == found[12]


def test_a_turn_of_few_words_lends_more_than_one_of_many():
    short = scores([Match({10: 2})], documents=100, most=64)
    wordy = scores([Match({10: 50})], documents=100, most=64)
    assert short[10] == wordy[10]
    assert short[11] > wordy[11]


def test_what_is_said_again_and_again_counts_less_each_time():
    once = scores([Match({10: 20})], documents=100, most=64)[10]
    twice = scores([Match({10: 20, 9: 20})], documents=100, most=64)[10]
    thrice = scores([Match({10: 20, 9: 20, 8: 20})], documents=100, most=64)[10]
    rarity = [once, twice, thrice]
    assert twice < 2 * once
    assert max(rarity) < 2.2 * once


def test_a_term_in_a_large_share_of_the_documents_lends_nothing():
    held = Match(dict.fromkeys(range(0, 200, 8), 5))
    assert set(scores([held], documents=100, most=64)) == set(held.whole)


def test_a_long_document_counts_as_its_best_part():
    together = Match(parts=[(10, FIRST_PART)]), Match(parts=[(10, FIRST_PART)])
    apart = Match(parts=[(10, FIRST_PART)]), Match(parts=[(10, FIRST_PART + 1)])
    assert scores(together, 100, 64)[10] > scores(apart, 100, 64)[10]


def test_a_long_document_borrows_and_does_not_lend():
    found = scores([Match({11: 5}, [(10, FIRST_PART)])], documents=100, most=64)
    alone = scores([Match({}, [(10, FIRST_PART)])], documents=100, most=64)
    assert set(alone) == {10}
    assert found[10] > scores([Match({11: 5})], documents=100, most=64)[10]


@pytest.mark.parametrize("most", [1, 16, 64])
def test_choosing_places_first_keeps_the_best_of_them(most):
    rare = Match(dict.fromkeys(range(500, 1500, 10), 5))
    frequent = Match(dict.fromkeys(range(0, 3000, 10), 5))
    terms = [rare, frequent, Match({700: 5})]
    chosen = scores(terms, documents=1000, most=most)
    everything = scores(terms, documents=1000, most=10**6)
    assert best(chosen)[0] == best(everything)[0] == 700
    assert len(chosen) <= len(everything)


def test_of_equals_the_newest_are_chosen():
    held = Match(dict.fromkeys(range(0, 2000, 10), 5))
    assert min(scores([held], documents=10_000, most=8)) > 1900


def test_nothing_found_is_nothing_scored():
    assert scores([], documents=100, most=64) == {}
    assert scores([Match()], documents=0, most=64) == {}
