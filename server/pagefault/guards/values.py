"""The single values inside arguments, however deep they lie, and what their names say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WORD = re.compile(r"[a-z]+")
_RUN = re.compile(r"[A-Za-z]+|\d+")


def scalars(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - any JSON
    """Every scalar with its path: ``payments[].amount``."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from scalars(item, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from scalars(item, f"{path}[]")
    else:
        yield path, value


def leaf(path: str) -> str:
    """The last name of a path, without brackets: what the value is called."""
    return path.rpartition(".")[2].replace("[]", "")


def words(name: str) -> tuple[str, ...]:
    """The words of a name in snake_case, kebab-case or camelCase, in small letters."""
    return tuple(_WORD.findall(_CAMEL.sub("_", name).lower()))


def shape(value: str) -> str:
    """What values of one kind look like: letters and digits by their number, marks as they are.

    A run of small and large letters and digits in which they mix is one kind, as in booking
    codes, whose digits stand at no fixed place.
    """
    parts = re.split(r"([^A-Za-z0-9]+)", value)
    return "".join(_part(part) for part in parts)


def _part(part: str) -> str:
    if not part or not part.isalnum():
        return part
    if part.isdigit():
        return f"9{len(part)}"
    if part.isalpha():
        return "a"  # names and kinds differ in length
    return f"x{len(part)}"
