"""Values stated in text, and what a user's text makes known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagefault.bindings.stated import Stated, known_identifiers, known_numbers, stated


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("sigma = 5.2 and mean=37", [("sigma", 5.2, None), ("mean", 37, None)]),
        ("With σ = 5.2, μ=37.", [("σ", 5.2, None), ("μ", 37, None)]),
        ("mass: 3 kg, height: 1.8 m", [("mass", 3, "kg"), ("height", 1.8, "m")]),
        ("speed=12.5 km/h", [("speed", 12.5, "km/h")]),
        ("load = 5%", [("load", 5, "%")]),
        ("n = 1,000 and x = -2e-3", [("n", 1000, None), ("x", -0.002, None)]),
        ("t = −4 °C", [("t", -4, "°C")]),
        ("x = 1 then x = 2", [("x", 2, None)]),
        ("rate_2 = .5", [("rate_2", 0.5, None)]),
    ],
)
def test_a_named_number_is_a_value(text: str, found: list[tuple[str, float, str | None]]) -> None:
    assert list(stated(text)) == [Stated(*each) for each in found]


@pytest.mark.parametrize(
    "text",
    [
        "if x = 3 then stop",
        "while n = 2",
        "for (i = 0; i < 3)",
        "x == 3",
        "x <= 3 and y >= 4 and z != 5",
        "x := 3",
        "see `x = 3` for it",
        "```\nx = 3\ny = 4\n```",
        "```\nx = 3 and no end",
        "x = 3 + y",
        "x = 3 * 2",
        "x = 10-20",
        "date = 2024-05-01",
        "version = 1.2.3",
        "x = 3px_wide",
        "Note: 3 things",
        "at 10:30 and 3:2",
        "a.b = 3",
        "$x = 3",
        "x = three",
        "url?x=3&y=4",
    ],
)
def test_code_conditions_sums_ranges_and_dates_state_nothing(text: str) -> None:
    assert [
        each for each in stated(text) if each.name in "xyznidab.version" or each.name == "Note"
    ] == []


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("10-20", [10, 20]),
        ("1,000 of 2,500,000", [1000, 2500000]),
        ("it was -5 or (-2.5)", [-5, -2.5]),
        ("costs $1,250.50.", [1250.5]),
        ("1e-3, 2.5E6", [0.001, 2500000.0]),
        ("1, 2, 3", [1, 2, 3]),
        ("on 2024-05-20", [2024, 5, 20]),
        ("−7 °C", [-7]),
        ("order LQ940Q", []),
        ("none at all", []),
    ],
)
def test_the_numbers_of_a_text_are_known(text: str, numbers: list[float]) -> None:
    assert list(known_numbers(text)) == numbers


def test_the_identifiers_of_a_text_are_known() -> None:
    text = (
        "Order LQ940Q (#W2378156) of mia_li_3668, mail mia@example.com, flight HAT136 from JFK "
        "on 2024-05-20 for 305 dollars, file main.py and 3rd row 1,000 ok"
    )
    assert set(known_identifiers(text)) == {
        "LQ940Q",
        "#W2378156",
        "mia_li_3668",
        "mia@example.com",
        "HAT136",
        "JFK",
        "2024-05-20",
        "3rd",
    }


@given(st.integers(-(10**12), 10**12))
def test_a_number_is_known_however_its_thousands_are_written(value: int) -> None:
    assert known_numbers(f"take {value:,} of it") == (value,)
    assert known_numbers(f"take {value} of it") == (value,)


@given(st.text(max_size=300))
def test_any_text_can_be_read(text: str) -> None:
    stated(text)
    known_numbers(text)
    known_identifiers(text)


def test_for_as_a_preposition_is_no_condition() -> None:
    (one,) = stated("Book the lamp for order W3734088, budget = 120 EUR")
    assert (one.name, one.value, one.unit) == ("budget", 120, "EUR")
    assert not stated("for i in range(9): n = 3")
    assert not stated("for (let i = 0; i < 9; i++)")
