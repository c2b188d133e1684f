"""The estimate: its two laws, its table, and how near it comes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pagefault.base.boundary import boundary_before
from pagefault.base.estimate import ESTIMATE_ERROR, KINDS, Estimate

ESTIMATE = Estimate()

# Counted once with o200k_base; the sentences are our own.
COUNTED = {
    "english": (
        37,
        "The deployment failed twice on Tuesday because the new certificate had not been copied to "
        "the second machine. Anna restarted the service by hand, and we agreed to check the expiry "
        "date every month.",
    ),
    "python": (
        52,
        "def total(prices: list[float], tax: float = 0.2) -> float:\n"
        '    """The sum with tax."""\n'
        "    if not prices:\n        return 0.0\n    return sum(prices) * (1 + tax)\n",
    ),
    "json": (
        45,
        '{"order_id": "A-10293", "items": [{"sku": "lamp-7", "count": 2, "price": 19.5}], '
        '"paid": true, "note": null}',
    ),
    "logs": (
        47,
        "2026-03-14 09:26:53,589 ERROR worker-3 db.pool: connection to 10.0.4.17:5432 lost after "
        "30 s, retrying (2/5)",
    ),
    "russian": (
        33,
        "Мы договорились встретиться в четверг после обеда, чтобы ещё раз посмотреть на отчёт и "
        "решить, кто поедет на выставку в Казань.",
    ),
    "chinese": (
        31,
        "我们决定下周三再开一次会。先把旧的数据备份好。然后由小李负责把服务器搬到新的机房。",
    ),
    "japanese": (
        42,
        "来週の水曜日にもう一度会議を開き、古いデータのバックアップを取ってから、"
        "サーバーを新しい部屋に移すことにしました。",
    ),
    "korean": (
        32,
        "다음 주 수요일에 다시 회의를 열고, 오래된 데이터를 백업한 뒤에 "
        "서버를 새 방으로 옮기기로 했습니다.",
    ),
}

# Every kind meets every other: a handful of characters of each, and stretches of real text.
CHARACTERS = (
    "abzABZ  09\n\r.,({\"'_\té\xf1Джяёλωשعकกမ中文のカ한「。—€👍🏽"
    "\u0301\u200d\ufe0f\x00\ud800\U000e0041"
)
PHRASES = [text for _, text in COUNTED.values()]
texts = st.one_of(
    st.text(),
    st.text(alphabet=CHARACTERS, max_size=40),
    st.lists(st.text(alphabet=CHARACTERS, max_size=4) | st.sampled_from(PHRASES)).map("".join),
)


@given(texts, texts)
def test_a_whole_never_costs_more_than_its_parts(left, right):
    assert ESTIMATE.count(left + right) <= ESTIMATE.count(left) + ESTIMATE.count(right)


@given(texts, texts)
def test_a_longer_text_never_costs_less(left, right):
    assert ESTIMATE.count(left) <= ESTIMATE.count(left + right)


@given(st.sampled_from(PHRASES), st.data())
def test_both_laws_hold_at_every_place_of_a_real_text(phrase, data):
    place = data.draw(st.integers(0, len(phrase)))
    whole, left = ESTIMATE.count(phrase), ESTIMATE.count(phrase[:place])
    assert left <= whole <= left + ESTIMATE.count(phrase[place:])


@given(texts)
def test_only_the_empty_text_costs_nothing(text):
    assert (ESTIMATE.count(text) == 0) == (text == "")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_run_costs_at_most_what_its_pieces_cost(kind):
    steps = [kind.prices[min(place, len(kind.prices) - 1)] for place in range(120)]
    price = [sum(steps[:length]) for length in range(121)]
    assert min(steps) >= 0
    for left in range(1, 60):
        for right in range(1, 60):
            assert price[left + right] <= price[left] + price[right]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_no_discount_exceeds_the_price_it_lowers(kind):
    assert all(0 <= discount <= kind.prices[0] for discount in kind.discounts.values())


def test_no_character_is_of_two_kinds():
    everything = "".join(map(chr, range(0x20000)))
    seen = set()
    for kind in KINDS[:-1]:  # the last takes what is left
        found = {c for run in re.finditer(kind.run, everything) for c in run.group()}
        assert found
        assert not found & seen
        seen |= found


@pytest.mark.parametrize(
    ("character", "kind"), [("x", "lower"), ("한", "hangul"), ("=", "punctuation")]
)
@pytest.mark.parametrize("length", [1, 2, 11, 12, 47, 48, 49, 50, 500, 5000])
def test_each_further_character_of_a_run_costs_the_last_price(character, kind, length):
    prices = next(each.prices for each in KINDS if each.name == kind)
    cents = sum(prices[:length]) + max(0, length - len(prices)) * prices[-1]
    assert ESTIMATE.count(character * length) == -(-cents // 100)


def test_digits_are_counted_in_threes():
    assert ESTIMATE.count("1" * 300) == pytest.approx(100, rel=0.1)
    assert ESTIMATE.count("1" * 3) == ESTIMATE.count("1")


def test_half_a_surrogate_pair_is_counted():
    assert ESTIMATE.count("\ud83d") == 2


@pytest.mark.parametrize("script", COUNTED)
def test_the_estimate_of_a_sentence_is_within_the_stated_error(script):
    tokens, text = COUNTED[script]
    assert abs(ESTIMATE.count(text) - tokens) / tokens <= ESTIMATE_ERROR[script][1]


def test_the_stated_errors_are_a_median_and_a_higher_percentile():
    assert set(COUNTED) <= set(ESTIMATE_ERROR)
    assert all(0 < median < high < 1 for median, high in ESTIMATE_ERROR.values())


@given(texts, st.integers(-1, 60))
def test_a_clipped_text_is_a_prefix_within_the_limit(text, limit):
    clipped = ESTIMATE.clip(text, limit)
    assert text.startswith(clipped)
    assert ESTIMATE.count(clipped) <= max(limit, 0)


@settings(deadline=None)
@given(texts.map(lambda text: text[:300]), st.integers(0, 60))
def test_a_clipped_text_ends_at_the_last_boundary_that_fits(text, limit):
    clipped = ESTIMATE.clip(text, limit)
    longest = max(i for i in range(len(text) + 1) if ESTIMATE.count(text[:i]) <= limit)
    assert clipped == text[: boundary_before(text, longest)]


def test_a_clipped_text_ends_between_words():
    _, text = COUNTED["english"]
    clipped = ESTIMATE.clip(text, 20)
    assert text[len(clipped)] == " "
    assert 18 <= ESTIMATE.count(clipped) <= 20


def test_one_endless_run_is_clipped_to_the_character():
    clipped = ESTIMATE.clip("x" * 100_000, 50)
    assert ESTIMATE.count(clipped) == 50
    assert ESTIMATE.count(clipped + "x") == 51
