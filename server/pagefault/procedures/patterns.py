"""Fixes of one tool: patterns with exact counts, and a bounded number of examples of each.

A pattern is a change (`Fixed.keys` and `Fixed.sig`); an example is one failure that it fixed. When
a tool has too many examples, the oldest one of its commonest pattern leaves: what is frequent
loses a witness and keeps its count, what is rare stays.
"""

from __future__ import annotations

import base64
import struct
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from .likeness import Likeness
from .lines import Fixed

EXAMPLES: Final = 200  # of one tool
PATTERNS: Final = 200
_VIA: Final = 16  # tools in between that are counted for one pattern

Kind = tuple[str, ...]  # a change's sig, which names its keys as well


@dataclass(frozen=True, slots=True)
class Example:
    """One failure and the pattern that fixed it; the texts are behind the two events."""

    number: int  # unique in the tool, rising
    sig: Kind
    failed: str
    fixed: str
    error: str
    via: Kind
    at: float
    packed: bytes  # hashed terms of the failure
    goal: tuple[int, ...]

    @property
    def features(self) -> tuple[int, ...]:
        """Hashed terms of the failure."""
        return unpacked(self.packed)


@dataclass(slots=True)
class Pattern:
    """A change and what came of it. ``misses``: applied without success since it last worked."""

    keys: Kind
    sig: Kind
    worked: int = 0
    failed: int = 0
    misses: int = 0
    last: float = 0.0  # when it last worked
    seen: str = ""  # the event of its latest success
    via: dict[str, int] = field(default_factory=dict)
    examples: OrderedDict[int, Example] = field(default_factory=OrderedDict)


@dataclass(slots=True)
class Patterns:
    """All fixes of one tool. The index of the failures is made when it is asked for."""

    by_sig: dict[Kind, Pattern] = field(default_factory=dict)
    size: int = 0  # examples
    next: int = 1
    _index: Likeness[tuple[Kind, int]] | None = field(default=None, compare=False, repr=False)
    _behind: list[tuple[bool, Example]] = field(default_factory=list, compare=False, repr=False)

    def examples(self) -> Iterable[Example]:
        """Every example, by pattern."""
        for pattern in self.by_sig.values():
            yield from pattern.examples.values()

    @property
    def index(self) -> Likeness[tuple[Kind, int]]:
        """The failures by (pattern's sig, example's number), described by error and goal."""
        index, behind = self._index, self._behind
        if index is None:
            index = self._index = Likeness()
            behind = [(True, example) for example in self.examples()]
        for entered, example in behind:
            name, terms = (example.sig, example.number), example.features + example.goal
            if entered:
                index.add(name, terms)
            else:
                index.remove(name, terms)
        self._behind = []
        return index

    def fold(self, line: Fixed) -> None:
        """Count one change, and keep the example when it worked."""
        pattern = self.by_sig.get(line.sig)
        if not line.worked:
            if pattern is not None:
                pattern.failed += 1
                pattern.misses += 1
            return
        if pattern is None:
            pattern = self._opened(line)
        if pattern.seen != line.fixed:  # one success may close several failures
            pattern.worked += 1
            for tool in line.via:
                if tool in pattern.via or len(pattern.via) < _VIA:
                    pattern.via[tool] = pattern.via.get(tool, 0) + 1
        pattern.misses = 0
        pattern.last = max(pattern.last, line.at)
        pattern.seen = line.fixed
        self._keep(pattern, line)

    def forget(self, events: frozenset[str]) -> None:
        """Drop the examples that would show one of these events; the counts stay."""
        for pattern in self.by_sig.values():
            gone = [
                number
                for number, example in pattern.examples.items()
                if example.failed in events or example.fixed in events
            ]
            for number in gone:
                self._take_out(pattern, number)
            if pattern.seen in events:
                pattern.seen = ""

    def thin(self) -> None:
        """The oldest example of the commonest pattern leaves."""
        fullest = max(self.by_sig.values(), key=lambda each: len(each.examples))
        self._take_out(fullest, next(iter(fullest.examples)))

    def _opened(self, line: Fixed) -> Pattern:
        if len(self.by_sig) >= PATTERNS:
            weakest = min(self.by_sig.values(), key=lambda each: (each.worked, each.last))
            for number in list(weakest.examples):
                self._take_out(weakest, number)
            del self.by_sig[weakest.sig]
        pattern = self.by_sig[line.sig] = Pattern(line.keys, line.sig)
        return pattern

    def _keep(self, pattern: Pattern, line: Fixed) -> None:
        if self.size >= EXAMPLES:
            self.thin()
        number = self.next
        example = pattern.examples[number] = Example(
            number,
            line.sig,
            line.failed,
            line.fixed,
            line.error,
            line.via,
            line.at,
            packed(line.features),
            line.goal,
        )
        self.next += 1
        self.size += 1
        self._note(example, entered=True)

    def _take_out(self, pattern: Pattern, number: int) -> None:
        self.size -= 1
        self._note(pattern.examples.pop(number), entered=False)

    def _note(self, example: Example, *, entered: bool) -> None:
        """Let the index follow when it is next asked for; far behind, it is made anew."""
        if self._index is None:
            return
        self._behind.append((entered, example))
        if len(self._behind) > EXAMPLES // 2:
            self._index, self._behind = None, []

    def to_json(self) -> list[Any]:
        """Everything as a JSON array, in the order it came."""
        return [self.next, [_pattern_row(pattern) for pattern in self.by_sig.values()]]

    @classmethod
    def from_json(cls, row: list[Any]) -> Patterns:
        """What `to_json` wrote."""
        found = [_pattern(each) for each in row[1]]
        size = sum(len(pattern.examples) for pattern in found)
        return cls({pattern.sig: pattern for pattern in found}, size, row[0])


def packed(terms: tuple[int, ...]) -> bytes:
    """Terms of 32 bits as bytes."""
    return struct.pack(f"<{len(terms)}I", *terms)


def unpacked(data: bytes) -> tuple[int, ...]:
    """The terms that `packed` made bytes of."""
    return struct.unpack(f"<{len(data) // 4}I", data)


def _pattern_row(pattern: Pattern) -> list[Any]:
    counts = [pattern.worked, pattern.failed, pattern.misses, pattern.last, pattern.seen]
    examples = [_example_row(example) for example in pattern.examples.values()]
    return [pattern.keys, pattern.sig, *counts, list(pattern.via.items()), examples]


def _pattern(row: list[Any]) -> Pattern:
    keys, sig, worked, failed, misses, last, seen, via, rows = row
    sig = tuple(sig)
    examples = OrderedDict((each[0], _example(each, sig)) for each in rows)
    return Pattern(tuple(keys), sig, worked, failed, misses, last, seen, dict(via), examples)


def _example_row(example: Example) -> list[Any]:
    features = base64.b64encode(example.packed).decode()
    events = [example.failed, example.fixed, example.error, example.via]
    return [example.number, *events, example.at, features, example.goal]


def _example(row: list[Any], sig: Kind) -> Example:
    number, failed, fixed, error, via, at, features, goal = row
    terms = base64.b64decode(features)
    return Example(number, sig, failed, fixed, error, tuple(via), at, terms, tuple(goal))
