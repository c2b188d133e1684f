"""The values that a tool was given in earlier sessions, known again by their hashes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import Any
from zlib import crc32

from ..guards.known import usual
from ..guards.values import scalars
from ..procedures.experience import Experience

_VALUES = 16  # of one call
_LENGTH = 64  # characters of a value that may be a constant


def given(arguments: Mapping[str, Any]) -> tuple[int, ...]:
    """Hashes of a call's single values, each with its place."""
    short = (
        usual(path, value)
        for path, value in scalars(arguments)
        if value is not None and len(str(value)) <= _LENGTH
    )
    return tuple(dict.fromkeys(crc32(text.encode()) for text in islice(short, _VALUES)))


class Usually(Collection[str]):
    """The values that a tool was given in several sessions before this one.

    They can be asked for one by one and not be listed.
    """

    def __init__(self, experience: Experience, tool: str, session: str) -> None:
        self._tool = experience.tools.get(tool)
        self._session = crc32(session.encode())

    def __contains__(self, text: object) -> bool:
        if self._tool is None or not isinstance(text, str):
            return False
        return self._tool.usual.has(crc32(text.encode()), self._session)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0
