"""The values a session has seen, folded text by text, so that no check reads a text again.

Fed with what the user said, what tools answered, bindings and rules, and never with what the model
said or passed itself: that is what is to be checked. Kept are only what can be checked: tokens
with a digit in them and their neighbours, numbers, dates and addresses.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import islice
from typing import Literal

from .dates import Day, days, full_dates

VALUES = 400_000  # tokens kept; past them the oldest go, and nobody can say any more what is new
TEXT = 400_000  # characters read of one text
_RECENT = 400  # numbers that sums and differences are looked for in
_DERIVED_BELOW = 1e6  # sums of larger numbers are ids that happen to fit
_TIGHT = 8  # runs of one token of which every part is kept: a UUID, a date with its time
_LOOSE = 3  # tokens in a row that may be one value: "Suite 872", "(555) 123-2002"
_SPELT = 12  # the same in what people write: "W 3 7 3 0 4 8 8"
_SPELT_TOKEN = 4
_BY_HAND = 4_000  # characters
_LONGEST = 64
_OWN = 10  # characters from which a token needs no neighbours to be told from others
_SCALES = (2.0, 3.0, 4.0, 5.0, 60.0, 100.0, 1000.0)
_NEARBY_DAYS = 3
_PLACES = 4  # a value rounded to at most so many decimals is the known one

_TOKEN = re.compile(r"[^\W_]+(?:[-_.:/#@+'’&%~]{1,3}[^\W_]+)*")
_RUN = re.compile(r"[^\W_]+")
_DIGIT = re.compile(r"\d")
_TAIL = re.compile(r"(?<=\d\d)[^\W\d_]+\d*$")
_NUMBER = re.compile(r"(?<![\w.])(?:[-−+])?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d+\b)?")
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64}){1,8}")


# Where a text comes from; what the model wrote itself grounds nothing and is not told.
Source = Literal["user", "result", "rule"]


def plain(value: str) -> str:
    """Letters and digits alone, in small letters: how values are compared."""
    return "".join(_RUN.findall(value)).lower()


def usual(path: str, value: object) -> str:
    """How a value that a tool is given again and again is written among ``Question.usual``."""
    return f"{path}={value}"


@dataclass(slots=True)
class Known:
    """What has been seen. ``whole`` is False once something had to be left out."""

    tokens: dict[str, None] = field(default_factory=dict)
    numbers: set[float] = field(default_factory=set)
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT))
    named_dates: set[date] = field(default_factory=set)
    named_days: set[Day] = field(default_factory=set)
    worked_out: set[float] = field(default_factory=set)
    whole: bool = True

    def tell(self, text: str, source: Source = "result") -> None:
        """Take in a text that grounds values. In a user's a value may be spelt out in pieces."""
        if len(text) > TEXT:
            self.whole, text = False, text[:TEXT]
        by_hand = source == "user" and len(text) <= _BY_HAND  # and not pasted
        self._tokens(text, _SPELT if by_hand else _LOOSE)
        self._numbers(text, source)
        self.named_dates.update(full_dates(text))
        self.named_days.update(days(text))
        self.tokens.update((plain(address), None) for address in _EMAIL.findall(text))
        self._bound()

    def mention(self, text: str) -> None:
        """Take in what the model wrote: its numbers may stand in a later calculation."""
        found = (each for number in _NUMBER.findall(text[:TEXT]) for each in _readings(number))
        self.worked_out.update(found)
        if len(self.worked_out) > VALUES:
            self.worked_out.clear()

    def has_text(self, value: str) -> bool:
        """Whether a value has been seen, whatever the marks and the case it was written in."""
        joined = plain(value)
        if joined in self.tokens:
            return True
        pieces = [plain(piece) for piece in _TOKEN.findall(value) if _DIGIT.search(piece)]
        telling = len(value.split()) > _LOOSE or all(len(piece) >= _OWN for piece in pieces)
        return bool(pieces) and telling and all(piece in self.tokens for piece in pieces)

    def has_number(self, value: float) -> bool:
        """Whether a number has been seen, exactly or with more decimals."""
        return value in self.numbers or (value != 0 and -value in self.numbers)

    def has_close(self, value: float, tolerance: float) -> bool:
        """Whether one of the latest numbers differs from this by no more, in absolute terms."""
        return any(abs(value - one) <= tolerance for one in self.recent)

    def has_derived(self, value: float) -> bool:
        """Whether a number is the sum, the difference or a simple multiple of seen ones."""
        if any(value / scale in self.numbers or value * scale in self.numbers for scale in _SCALES):
            return True
        recent = set(self.recent)
        return any(
            _near(value - one, recent) or _near(one - value, recent)
            for one in recent
            if one != 0 and one != value
        )

    def has_date(self, value: date) -> bool:
        """Whether a day within three of this one has been named."""
        near = (value + timedelta(days=off) for off in range(-_NEARBY_DAYS, _NEARBY_DAYS + 1))
        return any(
            day in self.named_dates or (day.month, day.day) in self.named_days for day in near
        )

    def _tokens(self, text: str, window: int) -> None:
        found = _TOKEN.findall(text)
        with_digit = _DIGIT.search
        joined = {token: plain(token) for token in set(found)}
        keep = self.tokens
        for token in set(found):
            if with_digit(token):
                for part in _parts(token):
                    keep[part] = None
        for place, token in enumerate(found):
            if len(token) < _OWN and with_digit(token):
                for value in _neighbours(found, joined, place, window):
                    keep[value] = None

    def _numbers(self, text: str, source: Source) -> None:
        found = [each for number in _NUMBER.findall(text) for each in _readings(number)]
        self.numbers.update(found)
        for number in found:
            if number != int(number):
                self.numbers.update(round(number, places) for places in range(_PLACES + 1))
        if source != "rule":  # limits and examples in rules are no terms of a sum
            self.recent.extend(number for number in found if abs(number) < _DERIVED_BELOW)

    def _bound(self) -> None:
        over = len(self.tokens) - VALUES
        if over > 0:
            self.whole = False
            for token in list(islice(self.tokens, over)):
                del self.tokens[token]
        if len(self.numbers) > VALUES:
            self.whole = False
            self.numbers = set(self.recent)


def _parts(token: str) -> Iterator[str]:
    """A token's parts that may be a value of their own: 4421486 of credit_card_4421486."""
    runs = _RUN.findall(token.lower())
    longest = len(runs) if len(runs) <= _TIGHT else 2
    yield "".join(runs)[:_LONGEST]
    for first in range(len(runs)):
        for last in range(first + 1, min(first + longest, len(runs)) + 1):
            part = "".join(runs[first:last])
            if len(part) <= _LONGEST and _DIGIT.search(part):
                yield part
                yield _TAIL.sub("", part)  # 2507.12806 of 2507.12806v1, a day of a time


def _neighbours(found: list[str], joined: dict[str, str], place: int, window: int) -> Iterator[str]:
    """The token at a place together with those beside it, as far as all may be one value."""
    for first in range(max(0, place - window + 1), place + 1):
        value, short = "", True
        for last in range(first, min(first + window, len(found))):
            value += joined[found[last]]
            short = short and len(found[last]) <= _SPELT_TOKEN
            if len(value) > _LONGEST or (last - first >= _LOOSE and not short):
                break
            if first < last >= place:
                yield value


def _readings(found: str) -> Iterator[float]:
    """The numbers that a run of digits may stand for: 100,200 is one with commas, or a list."""
    text = found.replace("−", "-")
    parts = text.split(",")
    candidates = (["".join(parts)] if len(parts) > 1 else []) + parts
    for candidate in candidates:
        number = float(candidate)
        if abs(number) < float("inf"):
            yield number


def _near(value: float, numbers: set[float]) -> bool:
    return value != 0 and (value in numbers or round(value, 2) in numbers)
