"""Values that nobody gave the model: neither the user, nor an earlier result, nor a rule.

Only what identifies or measures something is looked at: numbers, and short strings with a digit or
an address in them. A call is stopped at most for an identifier, whose possible values somebody
else decides on; a number or an address on the open web may well be common knowledge.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any

from . import dates
from .guard import Finding, Question
from .known import Known, plain, usual
from .rules import Rules
from .values import leaf, scalars, shape, words

NAME = "grounding"
_LONGEST = 64
_WORDS = 4
_SMALL = 10  # whole numbers up to it count things, and are not checked
_CONSTANTS = frozenset({12.0, 24.0, 60.0, 100.0, 365.0, 1000.0})
_SHOWN = 3
_CHECKED = 200  # values of one call; who passes a table has it from somewhere, or it is data
_NEAR_NOW_DAYS = 3

_DIGIT = re.compile(r"\d")
_EMAIL = re.compile(r"^[\w.+-]+@[\w-]+(?:\.[\w-]+)+$")
_EXPRESSION = re.compile(r"^[\d\s.,+*/()^%-]*$")
_OPERATOR = re.compile(r"\d\s*[+*/^%-]\s*[\d(]|\)\s*[+*/^%-]")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")

# Names of arguments that tune how a tool works; their numbers are the model's own choice.
_TUNING = frozenset(
    "limit max min timeout page pages size count width height depth length n num offset color"
    " colour radius per top k r g b seed temperature retries delay interval zoom scale start"
    " end line lines column row rows columns quality precision threshold margin padding font days"
    " hours minutes seconds level step steps index cursor".split()
)
# Names of arguments that hold a text to look for or to keep; digits in it identify nothing.
_TEXT = frozenset(
    "query q search text content message prompt title description summary note notes code command"
    " cmd script keyword keywords body comment reason question answer subject".split()
)
_IDENTIFIER = frozenset({"id", "ids", "uuid", "guid"})


def ungrounded(question: Question) -> list[tuple[str, Any]]:
    """Path and value of each argument that comes from nowhere."""
    known = question.known
    if known is None:
        return []
    found, beside = [], []
    worth = (each for each in scalars(question.arguments) if _worth_checking(*each))
    for path, value in islice(worth, _CHECKED):
        if not _grounded(path, value, known, question):
            found.append((path, value))
        elif _is_amount(path, value):
            beside.append(float(value))
    return [each for each in found if not _from_beside(*each, known, beside)]


def check(question: Question, rules: Rules) -> Finding | None:  # noqa: ARG001 - a guard's shape
    """Warn of values from nowhere; stop the call where one is an identifier."""
    found = ungrounded(question)
    if not found:
        return None
    whole = question.known is not None and question.known.whole
    closed = [each for each in found if whole and _closed(question, *each)]
    shown = ", ".join(f"{path}={value!r}" for path, value in (closed or found)[:_SHOWN])
    reason = f"{shown}: no message of the user and no earlier result holds this."
    if closed:
        instead = "Get the identifier from a tool that lists or looks it up, or ask the user."
        return Finding(NAME, "block", reason, instead)
    return Finding(NAME, "warn", reason, "Check where the value comes from before you rely on it.")


def _worth_checking(path: str, value: Any) -> bool:  # noqa: ANN401 - any JSON scalar
    name = words(leaf(path))
    if isinstance(value, bool) or value is None:
        return False
    if isinstance(value, int | float):
        return _identifies(name) or not (_small(value) or _TUNING.intersection(name))
    text = value.strip()
    if not 2 <= len(text) <= _LONGEST or len(text.split()) > _WORDS:
        return False
    if _TEXT.intersection(name):
        return False
    return bool(_DIGIT.search(text) or _EMAIL.match(text))


def _small(value: float) -> bool:
    return abs(value) in _CONSTANTS or (abs(value) <= _SMALL and value == int(value))


def _grounded(path: str, value: Any, known: Known, question: Question) -> bool:  # noqa: ANN401
    if _is_usual(path, value, question) or _allowed_by_schema(path, value, question):
        return True
    if isinstance(value, int | float):
        if known.has_number(float(value)):
            return True
        return _is_amount(path, value) and known.has_derived(float(value))
    return _text_grounded(value.strip(), known, question)


def _is_amount(path: str, value: Any) -> bool:  # noqa: ANN401 - any JSON scalar
    """Whether a value is a number that can be the result of a calculation: no identifier is."""
    return isinstance(value, int | float) and not _identifies(words(leaf(path)))


def _from_beside(path: str, value: Any, known: Known, beside: list[float]) -> bool:  # noqa: ANN401
    """Whether an amount is what a grounded one of the same call leaves over, or makes with it."""
    return _is_amount(path, value) and any(
        known.has_number(value - one) or known.has_number(one - value) or value - one in beside
        for one in beside
    )


def _text_grounded(value: str, known: Known, question: Question) -> bool:
    if known.has_text(value):
        return True
    if _is_number(value):
        return known.has_number(float(value))
    if _EXPRESSION.match(value) and _OPERATOR.search(value) and dates.parse(value) is None:
        return all(_part_grounded(float(part), known) for part in _NUMBER.findall(value))
    day = dates.parse(value)
    return day is not None and (known.has_date(day) or _near_now(day, question.now))


def _is_usual(path: str, value: Any, question: Question) -> bool:  # noqa: ANN401 - any JSON scalar
    """Whether the tool is given this again and again; days are, and yet each is chosen anew."""
    return usual(path, value) in question.usual and dates.parse(str(value)) is None


def _part_grounded(number: float, known: Known) -> bool:
    return _small(number) or known.has_number(number) or number in known.worked_out


def _near_now(day: date, now: float) -> bool:
    return abs((day - datetime.fromtimestamp(now, UTC).date()).days) <= _NEAR_NOW_DAYS


def _is_number(value: str) -> bool:
    return re.fullmatch(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?", value) is not None


def _identifies(name: tuple[str, ...]) -> bool:
    return bool(name) and name[-1] in _IDENTIFIER


def _closed(question: Question, path: str, value: Any) -> bool:  # noqa: ANN401 - any JSON scalar
    """Whether only values that already exist can be right here."""
    if _identifies(words(leaf(path))):
        return True
    forms = question.past.shapes.get((question.name, leaf(path)), ())
    return isinstance(value, str) and shape(value) in forms and _is_code(value)


def _is_code(value: str) -> bool:
    """Whether a value names one thing: letters and digits in one word, and not a date or number."""
    joined = plain(value)
    return not joined.isdigit() and not joined.isalpha() and " " not in value and "/" not in value


def _allowed_by_schema(path: str, value: Any, question: Question) -> bool:  # noqa: ANN401
    schema = question.tool.schema
    properties = schema.get("properties") if schema is not None else None
    declared = properties.get(path.partition(".")[0].replace("[]", "")) if properties else None
    if not isinstance(declared, dict):
        return False
    items = declared.get("items")
    stated = [declared, items] if isinstance(items, dict) else [declared]
    return any(
        value
        in (*each.get("enum", ()), each.get("const", _NAMELESS), each.get("default", _NAMELESS))
        for each in stated
    )


_NAMELESS = object()
