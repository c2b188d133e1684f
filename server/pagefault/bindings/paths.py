"""Paths into a structure: `.items[0]["a b"]`, read and followed."""

from __future__ import annotations

import json
import re
from typing import Any, Final

Path = tuple[str | int, ...]

NAME: Final = r"[^\W\d]\w*"
STEP: Final = rf"\.{NAME}|\[-?\d{{1,9}}\]|\[\"(?:[^\"\\]|\\.)*\"\]|\['[^']*'\]"

_STEP: Final = re.compile(STEP)
_NAME: Final = re.compile(NAME)
_LISTED: Final = 12  # names of what exists


class NoSuchPath(LookupError):
    """A step does not exist; the text says which, and what does."""


def parse(text: str) -> Path:
    """The steps of a path as it is written; every part of the text is a step."""
    return tuple(_step(match[0]) for match in _STEP.finditer(text))


def written(path: Path) -> str:
    """The path as text that `parse` reads."""
    return "".join(_written(step) for step in path)


def follow(value: Any, path: Path) -> Any:  # noqa: ANN401 - any JSON value
    """What lies at a path. Raises NoSuchPath, with what exists where it ended."""
    at = value
    for place, step in enumerate(path):
        found = _inside(at, step)
        if found is None:
            where = written(path[:place]) or "the value"
            msg = f"{where} is {_what(at)}; it has no {_written(step)}"
            raise NoSuchPath(msg)
        at = found[0]
    return at


def _inside(value: Any, step: str | int) -> tuple[Any] | None:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        name = str(step)
        return (value[name],) if name in value else None
    if isinstance(value, list) and isinstance(step, int) and -len(value) <= step < len(value):
        return (value[step],)
    return None


def _what(value: Any) -> str:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        names = ", ".join(list(value)[:_LISTED])
        more = ", …" if len(value) > _LISTED else ""
        return f"an object with {names}{more}" if value else "an empty object"
    if isinstance(value, list):
        last = f"[0] to [{len(value) - 1}]" if value else "no items"
        return f"a list with {last}"
    return f"the {'text' if isinstance(value, str) else 'scalar'} {json.dumps(value)[:60]}"


def _step(text: str) -> str | int:
    if text[0] == ".":
        return text[1:]
    inner = text[1:-1]
    if inner[0] == '"':
        return _unquoted(inner)
    return inner[1:-1] if inner[0] == "'" else int(inner)


def _unquoted(text: str) -> str:
    try:
        return str(json.loads(text, strict=False))
    except ValueError:  # an escape that JSON does not have
        return text[1:-1]


def _written(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if _NAME.fullmatch(step) else f"[{json.dumps(step, ensure_ascii=False)}]"
