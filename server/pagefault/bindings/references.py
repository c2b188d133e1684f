r"""References to bindings in arguments: found first, put in once their values are known.

`$v1`, `${v1}`, `$alias`, and paths such as `$v1.items[0].id` or `${v1["a b"]}`. Only `$v` with
digits and known aliases are references; `$USD`, `$PATH`, `$100` and any other word are text. A
string that is one reference becomes its value with its type; within a longer string a text is put
in as it is and anything else as compact JSON. `\$v1` is the text `$v1`: the backslashes before a
reference count in pairs, and an odd one takes its meaning away; before any other word they are left
alone. Names of fields are never looked at, and what was put in is not looked at again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from .paths import NAME, STEP, NoSuchPath, Path, follow, parse

_LISTED: Final = 12  # names of what exists

_REFERENCE: Final = re.compile(
    rf"(?<!\\)(?P<slashes>\\*)\$(?:\{{(?P<braced>{NAME})(?P<inner>(?:{STEP})*)\}}"
    rf"|(?P<name>{NAME})(?P<path>(?:{STEP})*))"
)
_NUMBERED: Final = re.compile(r"v\d+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reference:
    """``name``: "v1" or an alias; ``text``: as it is written."""

    name: str
    path: Path
    text: str


@dataclass(frozen=True, slots=True)
class Missing:
    """A reference that leads nowhere, and why."""

    text: str
    why: str


@dataclass(frozen=True, slots=True)
class Resolved:
    """``arguments``: with every value put in, or as they came when anything is missing.

    ``used``: names of the bindings put in, once each; empty when anything is missing.
    """

    arguments: Any
    used: tuple[str, ...] = ()
    missing: tuple[Missing, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing


def is_number(name: str) -> bool:
    """Whether a name is `v` with digits, which only the server gives."""
    return _NUMBERED.fullmatch(name) is not None


def references(
    arguments: Any,  # noqa: ANN401 - any JSON value
    aliases: Collection[str] = (),
) -> tuple[Reference, ...]:
    """The references in any JSON value, once each, in their order."""
    found = (
        reference
        for text in _strings(arguments)
        for match in _REFERENCE.finditer(text)
        if (reference := _read(match, aliases)) and not _escaped(match)
    )
    return tuple(dict.fromkeys(found))


def resolve(
    arguments: Any,  # noqa: ANN401 - any JSON value
    values: Mapping[str, Any],
    aliases: Collection[str] = (),
    existing: Collection[str] = (),
) -> Resolved:
    """The arguments with the values of their references put in; all of them, or none.

    ``values``: by name, for the names that exist among those that `references` listed.
    ``existing``: names to list in the error for one that does not.
    """
    needed = references(arguments, aliases)
    found: dict[str, Any] = {}
    missing = []
    for reference in needed:
        if reference.name not in values:
            missing.append(Missing(reference.text, _unknown(existing)))
            continue
        try:
            found[reference.text] = follow(values[reference.name], reference.path)
        except NoSuchPath as no:
            missing.append(Missing(reference.text, _nowhere(reference, str(no))))
    if missing:
        return Resolved(arguments, missing=tuple(missing))
    used = tuple(dict.fromkeys(reference.name for reference in needed))
    return Resolved(_put(arguments, found, aliases), used)


def escape(text: str, aliases: Collection[str] = ()) -> str:
    """A text that resolves to this one, whatever references it seems to hold."""

    def escaped(match: re.Match[str]) -> str:
        if _read(match, aliases) is None:
            return match[0]
        slashes = match["slashes"]
        return slashes * 2 + "\\" + match[0][len(slashes) :]

    return _REFERENCE.sub(escaped, text)


def explain(missing: Iterable[Missing]) -> str:
    """What is missing, as one text for a model."""
    return "; ".join(f"{each.text}: {each.why}" for each in missing)


def _strings(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        if "$" in value:
            yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)


def _read(match: re.Match[str], aliases: Collection[str]) -> Reference | None:
    name = match["braced"] or match["name"]
    if not is_number(name) and name not in aliases:
        return None
    text = match[0][len(match["slashes"]) :]
    return Reference(name, parse(match["inner"] or match["path"] or ""), text)


def _escaped(match: re.Match[str]) -> bool:
    return len(match["slashes"]) % 2 == 1


def _put(value: Any, found: Mapping[str, Any], aliases: Collection[str]) -> Any:  # noqa: ANN401
    if isinstance(value, str):
        return _put_in_text(value, found, aliases) if "$" in value else value
    if isinstance(value, Mapping):
        return {name: _put(item, found, aliases) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_put(item, found, aliases) for item in value]
    return value


def _put_in_text(text: str, found: Mapping[str, Any], aliases: Collection[str]) -> Any:  # noqa: ANN401
    whole = _REFERENCE.fullmatch(text)
    if whole and not whole["slashes"] and _read(whole, aliases):
        return found[text]

    def put(match: re.Match[str]) -> str:
        reference = _read(match, aliases)
        if reference is None:
            return match[0]
        slashes = match["slashes"][: len(match["slashes"]) // 2]
        shown = reference.text if _escaped(match) else _as_text(found[reference.text])
        return slashes + shown

    return _REFERENCE.sub(put, text)


def _as_text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _unknown(existing: Collection[str]) -> str:
    if not existing:
        return "there is no such binding; none exists yet: tool_record binds a result"
    listed = ", ".join(f"${name}" for name in islice(existing, _LISTED))
    more = f" and {len(existing) - _LISTED} more" if len(existing) > _LISTED else ""
    return f"there is no such binding; there are {listed}{more}"


def _nowhere(reference: Reference, why: str) -> str:
    plain = not reference.text.startswith("${")
    hint = f"; to end the reference earlier write ${{{reference.name}}}" if plain else ""
    return f"{why}{hint}"
