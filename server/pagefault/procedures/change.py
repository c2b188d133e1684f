"""What changed between two calls: which arguments, and how, without the values themselves."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..base.call import canonical_arguments

_LONG: Final = 40  # characters from which a text can be edited rather than replaced
_COMPARED: Final = 800
_SIMILAR: Final = 0.8
_NO_WORD: Final = re.compile(r"\W")
_WORDS: Final = re.compile(r"\w{2,}")
_NAME_LENGTH: Final = 64
_NAMES: Final = 32


@dataclass(frozen=True, slots=True)
class Change:
    """``keys``: "+added", "-removed", "~changed"; ``sig``: changed ones with their class."""

    keys: tuple[str, ...]
    sig: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.keys)


def change(before: Mapping[str, Any], after: Mapping[str, Any]) -> Change:
    """The change that makes one call's arguments of another's; empty when they are the same.

    Names are cut at 64 characters and counted up to 32, since they go into the log.
    """
    added = sorted(after.keys() - before.keys())
    removed = sorted(before.keys() - after.keys())
    changed = sorted(
        key for key in before.keys() & after.keys() if not same(before[key], after[key])
    )
    names = [f"+{key}" for key in added] + [f"-{key}" for key in removed]
    classed = [f"~{_cut(key)}:{transformation(before[key], after[key])}" for key in changed]
    plain = [_cut(name) for name in names]
    keys = sorted([*plain, *(f"~{_cut(key)}" for key in changed)])
    return Change(tuple(keys[:_NAMES]), tuple([*plain, *classed][:_NAMES]))


def same(one: Any, other: Any) -> bool:  # noqa: ANN401 - any JSON values
    """Whether two values are equal as JSON, 1 and 1.0 alike."""
    return canonical_arguments(one) == canonical_arguments(other)


def transformation(before: Any, after: Any) -> str:  # noqa: ANN401 - any JSON values
    """The class of a change of one value.

    One of type:a>b, flip, num+, num-, list+, list-, list~, dict~, case, prefix+, prefix-, suffix+,
    suffix-, punct, edit (of a long text), replace.
    """
    if type(before) is not type(after):
        return f"type:{type(before).__name__}>{type(after).__name__}"
    match before:
        case bool():
            return "flip"
        case int() | float():
            return "num+" if after > before else "num-"
        case list():
            return "list" + _direction(len(before), len(after))
        case dict():
            return "dict~"
        case str():
            return _of_text(before, after)
    return "replace"


def classes(sig: tuple[str, ...]) -> Iterator[str]:
    """The classes of the changed arguments in a `Change.sig`, those of types as "type"."""
    for name in sig:
        if name.startswith("~"):
            kind = name.rpartition(":")[2]
            yield "type" if ">" in kind else kind


def classes_of(value: Any) -> tuple[str, ...]:  # noqa: ANN401 - any JSON value
    """The classes that a change within one form of value can have, the plainest first."""
    match value:
        case bool():
            return ("flip",)
        case int() | float():
            return ("num+", "num-")
        case list():
            return ("list~", "list+", "list-")
        case dict():
            return ("dict~",)
    sides = ("prefix+", "prefix-", "suffix+", "suffix-")
    return ("replace", "edit", "case", *sides, "punct")


def related(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether two calls have anything in common: an equal value, or a word in a value.

    Without it the second is another errand, and says nothing about the first one's failure.
    """
    common = before.keys() & after.keys()
    if any(same(before[key], after[key]) for key in common):
        return True
    return any(_terms(before[key]) & _terms(after[key]) for key in common)


def fits(keys: tuple[str, ...], arguments: Mapping[str, Any]) -> bool:
    """Whether a change can be made to these arguments: what it takes is there, what it adds not."""
    return all((key[1:] in arguments) != (key[0] == "+") for key in keys)


def _terms(value: Any) -> set[str]:  # noqa: ANN401 - any JSON value
    text = value if isinstance(value, str) else canonical_arguments(value)
    return set(_WORDS.findall(text[: 4 * _COMPARED].lower()))


def _of_text(before: str, after: str) -> str:
    if before.lower() == after.lower():
        return "case"
    for name, long, short in (("+", after, before), ("-", before, after)):
        if long.endswith(short):
            return f"prefix{name}"
        if long.startswith(short):
            return f"suffix{name}"
    if _NO_WORD.sub("", before) == _NO_WORD.sub("", after):
        return "punct"
    return "edit" if len(before) > _LONG and _alike(before, after) else "replace"


def _alike(before: str, after: str) -> bool:
    matcher = difflib.SequenceMatcher(None, before[:_COMPARED], after[:_COMPARED])
    bounds = (matcher.real_quick_ratio, matcher.quick_ratio, matcher.ratio)  # cheap ones first
    return all(bound() > _SIMILAR for bound in bounds)


def _direction(before: int, after: int) -> str:
    return "+" if after > before else "-" if after < before else "~"


def _cut(name: str) -> str:
    return name[: _NAME_LENGTH + 1]
