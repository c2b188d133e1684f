"""JSON at levels 1 and 2: every key with a value of its kind, long arrays and strings shortened.

What comes out is JSON again. Numbers, booleans, null and words without a blank stay as they are or
go altogether: half an identifier is none. Of a long array remain some items, the last one among
them and those that have keys of their own, and in their midst a string that says how many were left
out, and by what each of them is known. Only where that is not enough does a deep value become a
string of what is in it, and does a wide object lose keys, which are named.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import NoReturn

from ...base.page import Level
from ..excerpt import OMITTED
from .source import Count, Source, Target

_DENSEST = 16  # characters to a token that no JSON reaches; spares counting what is far too long
_EMPTY: tuple[object, ...] = (None, "", [], {}, False, 0)  # of such, the key goes first
_ATOM = 80  # characters of the longest string that is taken for a name and never cut


@dataclass(frozen=True, slots=True)
class _Limits:
    """The most items of an array, characters of a string, omitted things that are named, keys of
    an object, and depth."""

    items: int
    width: int
    named: int
    keys: int = 10**6
    depth: int = 64


# From the loosest to the tightest: first what is long, then what repeats, what is deep, what is
# many.
_LADDER = (
    *(_Limits(items, 400, 64) for items in (64, 48, 32)),
    *(_Limits(items, 200, 48) for items in (32, 24, 16)),
    *(_Limits(items, 120, 32) for items in (16, 12, 8)),
    *(_Limits(items, 80, 24) for items in (8, 6, 4)),
    *(_Limits(items, 60, 16) for items in (4, 3, 2, 1)),
    *(_Limits(1, 40, named) for named in (12, 8, 6)),
    *(_Limits(1, 40, 6, keys) for keys in (1_000, 500, 250, 120, 60)),
    *(_Limits(1, 40, named, 32, 3) for named in (12, 8, 6)),
    *(_Limits(1, 30, named, 24, 2) for named in (12, 8, 6, 4)),
    *(_Limits(1, 24, 3, keys, 2) for keys in (16, 12)),
    *(_Limits(1, 24, named, 12, 1) for named in (6, 4, 3, 2)),
    *(_Limits(1, 16, 2, keys, 1) for keys in (10, 8, 6, 5, 4, 3)),
    *(_Limits(1, 10, 1, keys, 1) for keys in (2, 1)),
)


def shorten(source: Source, target: Target) -> str | None:
    """The loosest sample that fits; None for what is no object or array of JSON."""
    if target.level == Level.REFERENCE:
        return None
    value = _parsed(source.text)
    if not isinstance(value, dict | list):
        return None
    texts: dict[int, str] = {}

    def fits(step: int) -> bool:
        texts[step] = _dumped(_sample(value, _LADDER[step], 0))
        return _fits(texts[step], target.tokens, source.count)

    step = bisect_left(range(len(_LADDER)), True, key=fits)
    return texts[step] if step < len(_LADDER) else None


def _fits(text: str, tokens: int, count: Count) -> bool:
    return len(text) <= tokens * _DENSEST and count(text) <= tokens


def _parsed(text: str) -> object:
    """The JSON value; None where it is not one, or nests or counts beyond what Python reads."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        value: object = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _dumped(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _sample(value: object, limits: _Limits, depth: int) -> object:
    if isinstance(value, str):
        return _string(value, limits.width)
    if isinstance(value, dict | list) and value and depth >= limits.depth:
        return _note(f"{len(value)}", _atoms(value), limits.named)
    if isinstance(value, dict):
        return _object(value, limits, depth)
    if isinstance(value, list):
        return _array(value, limits, depth)
    return value


def _string(value: str, width: int) -> str:
    if len(value) <= width or (len(value) <= _ATOM and " " not in value):
        return value
    return value[: width - 1].rstrip() + OMITTED


def _object(value: Mapping[str, object], limits: _Limits, depth: int) -> object:
    telling = [key for key in value if value[key] not in _EMPTY]
    chosen = set(islice(chain(telling, value), limits.keys)) if len(value) > limits.keys else value
    made = {key: _sample(value[key], limits, depth + 1) for key in value if key in chosen}
    left = [key for key in value if key not in chosen]
    if left:
        made[OMITTED] = _note(f"{len(left)} more keys", left, limits.named)
    return made


def _array(value: Sequence[object], limits: _Limits, depth: int) -> object:
    plain = not any(isinstance(item, dict | list) for item in value)
    most = max(limits.items, limits.named) if plain else limits.items
    if len(value) <= most:
        return [_sample(item, limits, depth + 1) for item in value]
    made: list[object] = []
    before = -1
    for index in [*_worth_showing(value, most), len(value)]:
        left = value[before + 1 : index]
        if left:
            known_by = (next(_atoms(item), "") for item in left)
            made.append(_note(f"{len(left)} more", known_by, 0 if plain else limits.named))
        if index < len(value):
            made.append(_sample(value[index], limits, depth + 1))
        before = index
    return made


def _worth_showing(value: Sequence[object], number: int) -> list[int]:
    """Which items: the first, those with keys that none before them had, the last."""
    known: set[str] = set()
    new: list[int] = []
    for index, item in enumerate(value):
        if isinstance(item, dict) and not known.issuperset(item):
            known.update(item)
            new.append(index)
    ends = [0, len(value) - 1] if number > 1 else [0]
    chosen = dict.fromkeys([*ends, *new, *range(min(number, len(value)))])
    return sorted(list(chosen)[:number])


def _atoms(value: object) -> Iterator[str]:
    """The short strings and numbers in a value, in order, by which it may be known."""
    if isinstance(value, str):
        if value and len(value) <= _ATOM:
            yield value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _atoms(item)


def _note(count: str, names: Iterable[str], most: int) -> str:
    named = [name for name in islice(names, most) if name]
    return f"{OMITTED} {count}: {', '.join(named)}" if named else f"{OMITTED} {count}"
