"""What a value is, in a word and in a line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from .units import unit_of

PREVIEW: Final = 120  # characters
_KEYS: Final = 8
_DIGITS: Final = 10  # significant ones of a number


def type_of(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """One of number, string, boolean, null, list, object."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list() | tuple():
            return "list"
    return "object"


def preview(value: Any, limit: int = PREVIEW) -> str:  # noqa: ANN401 - any JSON value
    """A value in one line: a scalar as it is, a list by size and first item, an object by keys.

    At most ``limit`` characters; a small structure is shown whole.
    """
    if isinstance(value, float):
        return f"{value:.{_DIGITS}g}"
    if isinstance(value, str):
        return _cut_text(value, limit)
    if isinstance(value, Mapping | list | tuple) and value:
        short = _short(value, limit)
        if short is not None:
            return short
        shape = _object(value) if isinstance(value, Mapping) else _list(value)
        unit = unit_of(value)
        return _cut(f"{shape} in {unit}" if unit else shape, limit)
    return _cut(json.dumps(value), limit)


def _short(value: Any, limit: int) -> str | None:  # noqa: ANN401 - any JSON value
    """The whole structure as JSON when it is sure to fit; large ones are not written out for it."""
    if len(value) > limit // 2 or any(isinstance(v, str) and len(v) > limit for v in _items(value)):
        return None
    if any(isinstance(v, Mapping | list | tuple) and v for v in _items(value)):
        return None
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if len(text) <= limit // 2 else None


def _items(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    return value.values() if isinstance(value, Mapping) else value


def _list(value: list[Any] | tuple[Any, ...]) -> str:
    first = value[0]
    what = _object(first) if isinstance(first, Mapping) and first else preview(first, PREVIEW // 3)
    return f"list of {len(value)}, first {what}"


def _object(value: Mapping[str, Any]) -> str:
    named = [
        f"{_name(name)}[{len(item)}]" if isinstance(item, list | tuple) else _name(name)
        for name, item in list(value.items())[:_KEYS]
    ]
    more = ["…"] if len(value) > _KEYS else []
    return f"object {{{', '.join([*named, *more])}}}"


def _name(name: str) -> str:
    return name if name.isidentifier() else json.dumps(name, ensure_ascii=False)


def _cut_text(text: str, limit: int) -> str:
    whole = json.dumps(text[:limit], ensure_ascii=False)
    if len(text) <= limit and len(whole) <= limit:
        return whole
    size = f" ({len(text)} characters)"
    room = max(0, limit - len(size) - 1)
    return f"{whole[:room].rstrip(chr(92))}…{size}"[:limit]


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
