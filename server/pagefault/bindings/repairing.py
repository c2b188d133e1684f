"""Literals in arguments that equal a bound value: suggested to be written as the reference.

A copied number may have lost digits, so floats match within 1e-4 of their size; whole numbers and
texts match exactly. What is too common to mean anything is left alone: booleans, null, whole
numbers below 100, short texts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .paths import Path, written

TOLERANCE: Final = 1e-4
_WHOLE: Final = 100
_TEXT: Final = 4  # characters
_LOOKED_AT: Final = 500  # scalars of one value


@dataclass(frozen=True, slots=True)
class Repair:
    """``arguments``: with references for literals; ``replaced``: their paths and references."""

    arguments: dict[str, Any]
    replaced: tuple[tuple[str, str], ...]


def repair(arguments: Mapping[str, Any], values: Mapping[str, Any]) -> Repair | None:
    """The arguments with `$vN`, or a path into it, for every literal that a binding holds.

    ``values``: bound values by name, the preferred first. None when there is nothing to replace.
    """
    known = [
        (f"${name}{written(path)}", scalar)
        for name, value in values.items()
        for path, scalar in _scalars(value)
        if _telling(scalar)
    ]
    replaced: list[tuple[str, str]] = []
    fixed = {key: _replaced(value, (key,), known, replaced) for key, value in arguments.items()}
    return Repair(fixed, tuple(replaced)) if replaced else None


def _replaced(
    value: Any,  # noqa: ANN401 - any JSON value
    path: Path,
    known: list[tuple[str, Any]],
    replaced: list[tuple[str, str]],
) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, Mapping):
        return {
            key: _replaced(item, (*path, str(key)), known, replaced) for key, item in value.items()
        }
    if isinstance(value, list):
        return [_replaced(item, (*path, n), known, replaced) for n, item in enumerate(value)]
    found = next((ref for ref, scalar in known if _equal(value, scalar)), None)
    if found is None:
        return value
    replaced.append((written(path).removeprefix("."), found))
    return found


def _equal(literal: Any, bound: Any) -> bool:  # noqa: ANN401 - any JSON values
    if isinstance(literal, bool) or isinstance(bound, bool):
        return False
    if isinstance(literal, str) or isinstance(bound, str):
        return isinstance(literal, str) and literal == bound
    if not isinstance(literal, int | float) or not isinstance(bound, int | float):
        return False
    if isinstance(literal, float) or isinstance(bound, float):
        return math.isclose(literal, bound, rel_tol=TOLERANCE)
    return literal == bound


def _telling(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Whether finding the value again can hardly be chance."""
    if isinstance(value, str):
        return len(value) >= _TEXT
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) >= _WHOLE or not float(value).is_integer()


def _scalars(value: Any) -> Iterator[tuple[Path, Any]]:  # noqa: ANN401 - any JSON value
    """The scalars in a value with their paths, nearest to the root first, up to a bound."""
    left: list[tuple[Path, Any]] = [((), value)]
    for place in range(_LOOKED_AT):
        if place >= len(left):
            return
        path, each = left[place]
        if isinstance(each, Mapping):
            left.extend(((*path, str(key)), item) for key, item in each.items())
        elif isinstance(each, list):
            left.extend(((*path, n), item) for n, item in enumerate(each[:_LOOKED_AT]))
        else:
            yield path, each
