"""Cuts the bytes of a pipe into frames, one JSON-RPC message a line, in bounded memory. Pure.

A line up to the limit comes out whole. A longer one is scanned as it passes and not kept: of it
remain its size and the id that it wants to be answered by.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final

ID_LIMIT: Final = 256
"""Bytes of an id, as written between its quotes, that a line past the limit is answered with."""

_ROOM = ID_LIMIT + 3  # a space on each side of a number, and one byte that tells of too many
_MEMBERS = frozenset({"id", "method", "result", "error"})
_INTEGER = re.compile(rb"-?(?:0|[1-9][0-9]*)")
_SPACES = re.compile(rb"[ \t\r]+")
# Possessive (+ after a quantifier): nothing to go back to, so a hostile line costs linear time.
_STRING_BODY = rb'[^"\\]*+(?:\\.[^"\\]*+)*+'
_IN_STRING = re.compile(_STRING_BODY, re.DOTALL)
_FLAT = re.compile(rb'(?:[^"{}\[\]]++|"' + _STRING_BODY + rb'")*+', re.DOTALL)
_BRACKETS = re.compile(rb"[{\[]+|[}\]]+")
_MARK = re.compile(rb'["{}\[\],:]')


@dataclass(frozen=True)
class Oversized:
    """What is known of a line past the limit: its bytes, and its id when one was seen."""

    size: int
    request_id: str | int | None


class FrameScanner:
    """Takes bytes in any portions and returns the lines they complete, without blank ones."""

    def __init__(self, limit: int) -> None:
        """`limit`: bytes that a line may have, its newline not counted."""
        self._limit = limit
        self._kept = bytearray()
        self._size = 0
        self._ids: IdScanner | None = None

    def feed(self, chunk: bytes) -> list[bytes | Oversized]:
        """The lines that end in this portion, in order."""
        *ends, rest = chunk.split(b"\n")
        frames = [self._line(end) for end in ends]
        self._keep(rest)
        return [frame for frame in frames if frame]

    def finish(self) -> list[bytes | Oversized]:
        """The line that the end of the input cut short, if there is one."""
        return [frame for frame in [self._line(b"")] if frame]

    def _line(self, end: bytes) -> bytes | Oversized | None:
        self._keep(end)
        frame = self._frame()
        self._kept, self._size, self._ids = bytearray(), 0, None
        return frame

    def _frame(self) -> bytes | Oversized | None:
        if self._ids is not None:
            return Oversized(self._size, self._ids.request_id)
        return None if self._kept.isspace() else bytes(self._kept)

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size <= self._limit:
            self._kept += part
        else:
            self._ids = self._ids or self._scanner_of_kept()
            self._ids.feed(part)

    def _scanner_of_kept(self) -> IdScanner:
        ids = IdScanner()
        ids.feed(bytes(self._kept))
        self._kept = bytearray()
        return ids


class IdScanner:
    """Finds the `id` member of one JSON object that passes by in portions.

    As in `json.loads` the last of several counts, wherever it stands; ids further in do not.
    For bytes that are not a JSON object the answer is a guess, the same for any portions.
    """

    def __init__(self) -> None:
        """Before the first byte."""
        self._depth = 0
        self._over = False
        self._in_string = False
        self._escaped = False
        self._in_value = False
        self._key: str | None = None
        self._text = b""  # the string or bare word being read at depth 1, at most _ROOM bytes
        self._members: dict[str | None, str | int | None] = {}

    @property
    def request_id(self) -> str | int | None:
        """The id; None when there is none, it is no id, it is too long, or a reply bears it."""
        if "method" not in self._members and self._members.keys() & {"result", "error"}:
            return None  # a reply's id is one of ours, and may equal one that the client waits for
        return self._members.get("id")

    def feed(self, chunk: bytes) -> None:
        """Take the next portion."""
        at = 0
        while at < len(chunk) and not self._over:
            if self._in_string:
                at = self._string(chunk, at)
            elif self._depth > 1:
                at = self._deep(chunk, at)
            else:
                at = self._top(chunk, at)

    def _string(self, chunk: bytes, at: int) -> int:
        if self._escaped:
            self._escaped = False
            self._take(chunk, at, at + 1)
            return at + 1
        end = _end(_IN_STRING.match(chunk, at), at)
        self._take(chunk, at, end)
        if chunk[end : end + 1] == b'"':
            self._string_ends()
        elif end < len(chunk):  # the portion ends within an escape
            self._escaped = True
            self._take(chunk, end, end + 1)
        return end + 1

    def _take(self, chunk: bytes, start: int, end: int) -> None:
        if self._depth == 1 and len(self._text) < _ROOM:
            self._text += chunk[start : min(end, start + _ROOM - len(self._text))]

    def _string_ends(self) -> None:
        self._in_string = False
        if self._depth != 1:
            return
        if self._in_value:
            self._record(_string(self._text))
        else:
            self._key = _string(self._text)
        self._text = b""

    def _deep(self, chunk: bytes, at: int) -> int:
        at = _end(_FLAT.match(chunk, at), at)
        brackets = _BRACKETS.match(chunk, at)
        if brackets is None:  # the portion ends, perhaps within a string
            self._in_string = chunk[at : at + 1] == b'"'
            return at + 1
        run = brackets[0]
        if run[0] in b"{[":
            self._depth += len(run)
            return brackets.end()
        closed = min(len(run), self._depth - 1)
        self._depth -= closed
        return at + closed

    def _top(self, chunk: bytes, at: int) -> int:
        mark = _MARK.search(chunk, at)
        end = len(chunk) if mark is None else mark.start()
        # Runs of spaces shrink to one, since a number may stand among any number of them.
        self._text = _SPACES.sub(b" ", self._text + chunk[at:end])[:_ROOM]
        if mark is not None:
            self._mark(mark[0])
        return end + 1

    def _mark(self, mark: bytes) -> None:
        if self._depth == 0:
            self._depth, self._over = 1, mark != b"{"
        elif mark == b'"':
            self._in_string, self._text = True, b""
        elif mark in b"{[":
            self._depth += 1
        elif mark == b":":
            self._over = self._in_value
            self._in_value, self._text = True, b""
            self._record(None)
        else:
            self._member_ends()
            self._over = mark != b","

    def _member_ends(self) -> None:
        word = self._text.strip()
        if self._in_value and len(word) <= ID_LIMIT and _INTEGER.fullmatch(word):
            self._record(int(word))
        self._in_value, self._text = False, b""

    def _record(self, value: str | int | None) -> None:
        if self._key in _MEMBERS:
            self._members[self._key] = value


def _end(match: re.Match[bytes] | None, start: int) -> int:
    return start if match is None else match.end()


def _string(raw: bytes) -> str | None:
    """The string written so between quotes; None when it is too long or is not one."""
    if len(raw) > ID_LIMIT:
        return None
    try:
        text: str = json.loads(f'"{raw.decode()}"')
        text.encode()  # refuses unpaired surrogates, which no answer could carry back
    except ValueError:
        return None
    return text
