"""The file that is imported: its JSON values, as often as they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...base.documents import values
from ...base.errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class JsonFile:
    """A file of JSON lines, an array or an object."""

    path: Path

    def values(self) -> Iterator[tuple[str, Any]]:
        """Each value, or `Broken`, with its place.

        Raises:
            InvalidArgument: the file cannot be read, or is not text in UTF-8.
        """
        try:
            with self.path.open(encoding="utf-8") as text:
                yield from values(text)
        except UnicodeDecodeError as error:
            message = f"{self.path} is not UTF-8 text ({error}): convert it first"
            raise InvalidArgument(message) from None
        except OSError as error:
            message = f"{self.path} cannot be read: {error}"
            raise InvalidArgument(message) from None

    def first(self) -> object:
        """The first value; None when there is none."""
        return next((value for _, value in self.values()), None)
