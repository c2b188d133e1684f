"""Arguments against the JSON Schema that the tool declares, with safe repairs.

What is repaired: the number written as a string, the string written as a number, yes and no,
one value where a list is wanted, JSON that was put into a string. Whatever else does not fit is
told with its place. The schema comes from outside: nothing is fetched for it, references are
followed a bounded number of times, and patterns that could take for ever are not tried.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from itertools import islice
from typing import Any, Protocol

from ..base.call import canonical_arguments
from .guard import Finding, Question
from .rules import Rules

NAME = "schema"
# How the library implements a keyword: validator, what is stated, instance and schema to errors.
Keyword = Callable[..., Iterator[Any] | None]
_ROUNDS = 4  # of repairs, each a level deeper
_SHOWN = 3
_SCHEMA = 100_000  # characters of a schema that is tried
_LOOKED_UP = 2_000  # references followed in one check
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_ERRORS = 100
_COMPARED = 1_000  # items of a list that are compared with each other
_PATTERN = 200
_REPEATS = 2  # without bound, in one pattern: the time is quadratic at most
_MATCHED = 1_000  # characters of a value that a pattern is tried on
_QUOTED = 60
_EXTRA = ("additionalProperties", "unevaluatedProperties")

_WHOLE = re.compile(r"\s*[-+]?\d{1,18}\s*")
_DECIMAL = re.compile(r"\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,2})?\s*")
_YES_NO = {"true": True, "false": False}
_UNBOUNDED = re.compile(r"(?<!\\)[*+]|\{\d*,\d*\}")
_REPEATED_GROUP = re.compile(r"\)\s*(?:[*+?]|\{)|\\[1-9]|\(\?P=")


class Mismatch(Protocol):
    """What the library says does not fit: where, which keyword, what it wants, what there was."""

    absolute_path: Sequence[str | int]
    validator: str
    validator_value: Any
    instance: Any
    message: str
    context: Sequence[Mismatch] | None


class TooDeepError(Exception):
    """A schema refers to itself without end."""


def check(question: Question, rules: Rules) -> Finding | None:  # noqa: ARG001 - a guard's shape
    """Repair what is safe to repair, stop what does not fit, warn of names not in the schema."""
    schema = question.tool.schema
    if schema is None:
        return None
    text = canonical_arguments(schema)
    if len(text) > _SCHEMA:
        return None
    compiled = _compiled(text)
    if compiled is None:
        reason = f"The schema given for {question.name} is no valid JSON Schema; it was not used."
        return Finding(NAME, "warn", reason, "Give the tool's inputSchema as it is.")
    repaired, wrong = _repaired(compiled, dict(question.arguments))
    extra = [error for error in wrong if error.validator in _EXTRA and not error.absolute_path]
    broken = [error for error in wrong if error not in extra]
    if broken:
        return Finding(NAME, "block", _told(question.name, broken), "Correct the arguments.")
    if canonical_arguments(repaired) != canonical_arguments(question.arguments):
        reason = f"The arguments of {question.name} were brought to the types of its schema."
        return Finding(NAME, "repair", reason, "Call it with the repaired arguments.", repaired)
    if extra:
        return Finding(NAME, "warn", _told(question.name, extra), "Leave out what is not known.")
    return None


def _repaired(
    compiled: Compiled, arguments: dict[str, Any]
) -> tuple[dict[str, Any], list[Mismatch]]:
    """The arguments as far as they can be made to fit, and what still does not."""
    best = arguments
    wrong = compiled.errors(arguments)
    for _ in range(_ROUNDS):
        changed = copy.deepcopy(best)
        mended = [_mend(changed, error) for error in wrong]  # all of them, not the first
        if not any(mended):
            break
        left = compiled.errors(changed)
        if len(left) > len(wrong):
            break
        best, wrong = changed, left
    return best, wrong


def _mend(arguments: Any, error: Mismatch) -> bool:  # noqa: ANN401 - any JSON value
    """Put the value that an error complains of right, in place. True if that was possible."""
    path = list(error.absolute_path)
    if not path:
        return False
    holder = arguments
    for name in path[:-1]:
        holder = holder[name]
    value = holder[path[-1]]
    if value != error.instance or type(value) is not type(error.instance):
        return False  # already put right, for another of its errors
    for wanted in _wanted(error):
        better = _as(value, wanted)
        if better is not None:
            holder[path[-1]] = better
            return True
    return False


def _wanted(error: Mismatch) -> Iterator[str]:
    """The types that would do where the value is of another."""
    if error.validator == "type":
        stated = error.validator_value
        yield from [stated] if isinstance(stated, str) else stated
    elif error.validator in ("anyOf", "oneOf"):
        for inner in error.context or ():
            if inner.validator == "type" and inner.absolute_path == error.absolute_path:
                yield from _wanted(inner)


def _as(value: Any, wanted: str) -> Any:  # noqa: ANN401 - any JSON value
    """The value as another type, if both say the same; else None."""
    if isinstance(value, str):
        return _read(value, wanted)
    if wanted == "array" and value is not None:
        return [value]
    if wanted == "string" and isinstance(value, int | float) and not isinstance(value, bool):
        return canonical_arguments(value)
    return None


def _read(text: str, wanted: str) -> Any:  # noqa: ANN401 - any JSON value
    if wanted == "integer" and _WHOLE.fullmatch(text):
        return int(text)
    if wanted == "number" and _DECIMAL.fullmatch(text):
        return int(text) if _WHOLE.fullmatch(text) else float(text)
    if wanted == "boolean":
        return _YES_NO.get(text.strip().lower())
    if wanted in ("array", "object") and text.lstrip()[:1] in ("[", "{"):
        return _parsed(text, list if wanted == "array" else dict)
    return [text] if wanted == "array" else None


def _parsed(text: str, kind: type) -> Any:  # noqa: ANN401 - any JSON value
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, kind) else None


def _told(tool: str, errors: list[Mismatch]) -> str:
    told = "; ".join(dict.fromkeys(_one(error) for error in errors[:_SHOWN]))
    more = f"; and {len(errors) - _SHOWN} more" if len(errors) > _SHOWN else ""
    return f"{tool}: {told}{more}."


def _one(error: Mismatch) -> str:
    place = ".".join(map(str, error.absolute_path))
    if error.validator in ("required", *_EXTRA):
        return f"{place}: {error.message}" if place else error.message
    rule = canonical_arguments(error.validator_value)
    value = canonical_arguments(error.instance)
    return f"{place or 'arguments'}={_short(value)} breaks {error.validator} {_short(rule)}"


def _short(text: str) -> str:
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…"


@dataclass(slots=True)
class Compiled:
    """A schema ready to check with. ``left``: references that this check may still follow."""

    validator: Any = None
    left: int = 0

    def errors(self, arguments: Mapping[str, Any]) -> list[Mismatch]:
        """What does not fit, at most so much."""
        self.left = _LOOKED_UP
        return list(islice(self.validator.iter_errors(arguments), _ERRORS))


@lru_cache(maxsize=256)
def _compiled(text: str) -> Compiled | None:
    """The schema ready to check with, None if it is none. The library loads with the first one."""
    library: Any = import_module("jsonschema")
    schema = json.loads(text)
    draft = library.validators.validator_for(schema, default=library.Draft202012Validator)
    try:
        draft.check_schema(schema)
    except library.SchemaError:
        return None
    compiled = Compiled()
    kind = library.validators.extend(draft, _bounded(draft.VALIDATORS, compiled))
    nothing = import_module("referencing").Registry()  # so that no reference is fetched
    compiled.validator = kind(schema, registry=nothing)
    return compiled


def _bounded(keywords: Mapping[str, Keyword], compiled: Compiled) -> dict[str, Keyword]:
    """The keywords that a schema could be made endless with, each kept within bounds."""

    def following(keyword: Keyword) -> Keyword:
        def follow(*given: Any) -> Iterator[Any]:  # noqa: ANN401 - as the library calls it
            compiled.left -= 1
            if compiled.left < 0:
                raise TooDeepError
            yield from keyword(*given) or ()

        return follow

    def only_if(keyword: Keyword, harmless: Callable[[Any, Any], bool]) -> Keyword:
        def tried(validator: Any, stated: Any, value: Any, schema: Any) -> Iterator[Any]:  # noqa: ANN401
            if harmless(stated, value):
                yield from keyword(validator, stated, value, schema) or ()

        return tried

    references = {name: following(keywords[name]) for name in _REFERENCES if name in keywords}
    guarded = {name: only_if(keywords[name], rule) for name, rule in _HARMLESS.items()}
    return references | guarded


def _quick(pattern: str) -> bool:
    """Whether a pattern is answered in time whatever the text: no repeats within repeats."""
    return (
        len(pattern) <= _PATTERN
        and not _REPEATED_GROUP.search(pattern)
        and len(_UNBOUNDED.findall(pattern)) <= _REPEATS
    )


_HARMLESS: Mapping[str, Callable[[Any, Any], bool]] = {
    "pattern": lambda stated, value: _quick(stated) and len(str(value)) <= _MATCHED,
    "patternProperties": lambda stated, _: all(map(_quick, stated)),
    "uniqueItems": lambda _, value: not isinstance(value, list) or len(value) <= _COMPARED,
}
