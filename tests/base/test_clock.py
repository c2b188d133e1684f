"""Times and handles."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagefault.base.clock import RandomIds, SystemClock, iso, parse_time
from pagefault.base.errors import InvalidArgument

NEW_YEAR = 1_767_225_600.0  # 2026-01-01T00:00:00Z


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-01-01T00:00:00Z", NEW_YEAR),
        ("2026-01-01T00:00:00+00:00", NEW_YEAR),
        ("2026-01-01T02:30:00+02:30", NEW_YEAR),
        ("2025-12-31T16:00:00-08:00", NEW_YEAR),
        ("2026-01-01T00:00:00", NEW_YEAR),
        ("2026-01-01 00:00", NEW_YEAR),
        (" 2026-01-01 ", NEW_YEAR),
        ("20260101", NEW_YEAR),
        ("2026-01-01T00:00:00.250Z", NEW_YEAR + 0.25),
        ("1970-01-01", 0.0),
        ("1969-12-31T23:59:59Z", -1.0),
    ],
)
def test_iso_times_are_read_as_unix_seconds_and_without_a_zone_as_utc(text: str, at: float) -> None:
    assert parse_time(text) == at


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-13-01", "2026-02-30", "12:00", "1767225600.5", "0000-01-01"]
)
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidArgument, match=r"is not a time\. Times are ISO 8601, such as 20"):
        parse_time(text)


def test_a_long_text_that_is_no_time_is_quoted_in_part() -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse_time("x" * 1_000_000)
    assert len(caught.value.message) < 300


@given(st.text())
def test_any_text_is_a_time_or_refused(text: str) -> None:
    try:
        parse_time(text)
    except InvalidArgument:
        return
    assert datetime.fromisoformat(text.strip())


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (NEW_YEAR, "2026-01-01T00:00:00Z"),
        (NEW_YEAR + 0.25, "2026-01-01T00:00:00.250Z"),
        (0.0, "1970-01-01T00:00:00Z"),
        (-0.5, "1969-12-31T23:59:59.500Z"),
    ],
)
def test_a_time_is_shown_in_utc_to_the_second_where_nothing_is_lost(at: float, text: str) -> None:
    assert iso(at) == text


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)))
def test_a_time_that_is_shown_is_read_back_to_the_millisecond(moment: datetime) -> None:
    at = moment.replace(tzinfo=UTC).timestamp()
    assert parse_time(iso(at)) == pytest.approx(at, abs=0.0015)


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00"])
def test_a_time_beyond_the_calendar_is_refused_or_can_be_shown(text: str) -> None:
    try:
        at = parse_time(text)
    except InvalidArgument:
        return
    assert iso(at)


def test_the_machines_clock_runs_in_unix_seconds() -> None:
    before = datetime.now(UTC).timestamp()
    assert before <= SystemClock().now() <= datetime.now(UTC).timestamp() + 1


@pytest.mark.parametrize(("bits", "characters"), [(50, 10), (128, 26), (1, 1)])
def test_a_handle_has_as_much_chance_as_was_asked_for(bits: int, characters: int) -> None:
    handles = {RandomIds().handle(bits) for _ in range(20)}
    assert all(re.fullmatch(rf"s_[a-z2-7]{{{characters}}}", handle) for handle in handles)
    assert len(handles) > 1


def test_the_name_of_a_failure_is_eight_characters() -> None:
    assert re.fullmatch(r"[0-9a-f]{8}", RandomIds().short())
