"""Errors made comparable."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagefault.procedures.errors import error_type, normalise, telling


@pytest.mark.parametrize(
    ("message", "normal"),
    [
        ("Flight HAT902 not found", "Flight <v> not found"),
        ("paid 255 of 305", "paid <v> of <v>"),
        ("no such file: /srv/app/main.py", "no such file: <path>"),
        (r"cannot open C:\data\x.txt", "cannot open <path>"),
        ("name 'binascii' is not defined", "name <str> is not defined"),
        ('key "a b" missing', "key <str> missing"),
        ("don't know what it's for", "don't know what it's for"),
        ("failed at 2024-05-01T10:11:12Z", "failed at <time>"),
        ("GET https://api.example.com/v1?x=2 refused", "GET <url> refused"),
        ("user ann@example.com unknown", "user <mail> unknown"),
        ("Nicht gefunden:  Straße\n12", "Nicht gefunden: Straße <v>"),
    ],
)
def test_what_varies_from_case_to_case_is_masked(message: str, normal: str) -> None:
    assert normalise(message) == normal


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_two_messages_that_differ_in_a_number_are_the_same(one: int, other: int) -> None:
    assert normalise(f"order {one} is closed") == normalise(f"order {other} is closed")


def test_of_a_traceback_the_end_is_told() -> None:
    trace = "Traceback (most recent call last):\n" + '  File "a.py", line 1\n' * 60
    assert telling(trace + "ValueError: bad width").endswith("ValueError: bad width")
    assert error_type(trace + "ValueError: bad width") == "ValueError"


def test_of_a_long_message_the_lines_that_name_an_error_are_told() -> None:
    text = "building\n" * 60 + "src/a.c:1: error: expected ';'\n" + "x" * 5000
    assert "error: expected ';'" in telling(text)
    assert len(telling(text)) < 1300


@pytest.mark.parametrize(
    ("message", "given_type", "kind"),
    [
        ("anything", "unsat", "unsat"),
        ("anything", "404", "http_404"),
        ("Error: order not found", "Error: order not found", "not_found"),
        ("status: 503 from upstream", None, "http_503"),
        ("KeyError: 'x'", None, "KeyError"),
        ("MyOwnError: private words", None, "other"),
        ("EXECUTION TIMED OUT", None, "timeout"),
        ("unsat", None, "infeasible"),
        ("", None, "other"),
    ],
)
def test_the_type_is_the_callers_name_or_one_of_a_closed_list(
    message: str, given_type: str | None, kind: str
) -> None:
    assert error_type(message, given_type) == kind


@given(st.text(max_size=200))
def test_no_message_gives_its_words_to_its_type(message: str) -> None:
    kind = error_type(f"{message} zanzibar {message}")
    assert "zanzibar" not in kind
    assert len(kind) <= 40
