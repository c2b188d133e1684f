"""The JSON values of a file, one at a time: JSON lines, one array, or one object.

Lines and the elements of an array are read as they come, in bounded memory; a single object over
several lines is read whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, TextIO

_CHUNK = 2**16  # characters
_NEAR_THE_END = 16  # characters: an error this close to the end of a chunk may be the chunk's end
_BLANK = "\ufeff \t\r\n"


@dataclass(frozen=True, slots=True)
class Broken:
    """What stands in a value's place when it is no JSON; ``line`` of its text, from 1."""

    reason: str
    line: int = 1


def values(text: TextIO) -> Iterator[tuple[str, Any]]:
    """Each value, or `Broken`, with its place such as "line 3"; ``text`` can be sought.

    Empty lines are passed over. After a broken line the next ones are read, after a broken
    element or object nothing is.
    """
    head = text.read(_CHUNK)
    if head.lstrip(_BLANK).startswith("["):
        yield from _Array(text, head).elements()
    elif _is_one_object(text):
        text.seek(0)
        value = _parsed(text.read())
        yield f"line {value.line if isinstance(value, Broken) else 1}", value
    else:
        text.seek(0)
        for number, line in enumerate(text, start=1):
            if line.strip(_BLANK):
                yield f"line {number}", _parsed(line)


def _is_one_object(text: TextIO) -> bool:
    """Whether none of the first two lines is a value by itself."""
    text.seek(0)
    beginning = list(islice((line for line in text if line.strip(_BLANK)), 2))
    return bool(beginning) and all(isinstance(_parsed(line), Broken) for line in beginning)


def _parsed(text: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return json.loads(text.lstrip(_BLANK))
    except (ValueError, RecursionError) as error:
        return _broken(error)


class _Array:
    """Reads the elements of an array with the standard library's decoder, chunk by chunk."""

    def __init__(self, text: TextIO, head: str) -> None:
        self._text = text
        self._chunk = head
        self._place = head.index("[") + 1
        self._line = 1 + head.count("\n", 0, self._place)
        self._decode = json.JSONDecoder().raw_decode

    def elements(self) -> Iterator[tuple[str, Any]]:
        """Every element with the line on which it begins."""
        found = self._next()
        while found not in ("", "]"):
            at = f"line {self._line}"
            value = self._value()
            yield at, value
            if isinstance(value, Broken):
                return
            found = self._separator()
        if not found:
            yield f"line {self._line}", Broken("neither , nor ] stands behind the element before")

    def _separator(self) -> str:
        """What follows an element: the first character of the next one, "]", or nothing good."""
        found = self._next()
        if found == ",":
            self._move(self._place + 1)
            return self._next()
        return "]" if found == "]" else ""

    def _next(self) -> str:
        """The next character that is not blank, left in place; empty at the end."""
        while True:
            place = self._place
            while place < len(self._chunk) and self._chunk[place] in _BLANK:
                place += 1
            self._move(place)
            if place < len(self._chunk):
                return self._chunk[place]
            if not self._more():
                return ""

    def _value(self) -> Any:  # noqa: ANN401 - any JSON value
        while True:
            try:
                value, end = self._decode(self._chunk, self._place)
            except (ValueError, RecursionError) as error:
                if not (self._is_cut(error) and self._more()):
                    return _broken(error)
            else:
                self._move(end)
                return value

    def _is_cut(self, error: Exception) -> bool:
        """Whether the value may be whole once more of the text is there."""
        return isinstance(error, json.JSONDecodeError) and (
            error.msg.startswith("Unterminated string")
            or error.pos + _NEAR_THE_END >= len(self._chunk)
        )

    def _more(self) -> bool:
        rest = self._chunk[self._place :]
        read = self._text.read(max(_CHUNK, len(rest)))
        self._chunk, self._place = rest + read, 0
        return bool(read)

    def _move(self, place: int) -> None:
        self._line += self._chunk.count("\n", self._place, place)
        self._place = place


def _broken(error: Exception) -> Broken:
    if isinstance(error, json.JSONDecodeError):
        near = error.doc[error.pos : error.pos + 20]
        return Broken(f"{error.msg} before {near!r}" if near else error.msg, error.lineno)
    return Broken("it nests too deep" if isinstance(error, RecursionError) else str(error)[:200])
