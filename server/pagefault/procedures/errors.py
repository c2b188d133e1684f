"""Errors made comparable: what varies from case to case is masked, and the type is named.

A type is a name from a closed list, an identifier that the caller gave, or a status number; it is
never a piece of the message, since it stands in the log where no text may.
"""

from __future__ import annotations

import builtins
import re
from typing import Final

_HEAD: Final = 300  # characters of a message that count
_TAIL: Final = 300
_TELLING_LINES: Final = 3  # further lines that name an error
_NAME: Final = re.compile(r"[A-Za-z_][\w.-]{0,39}")
_EXCEPTIONS: Final = frozenset(
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
)

_MASKS: Final = (
    (
        re.compile(
            r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"
        ),
        "<time>",
    ),
    (re.compile(r"\b\d\d:\d\d:\d\d(?:[.,]\d+)?\b"), "<time>"),
    (re.compile(r"\b[a-z][a-z0-9+.-]{1,10}://[^\s\"'<>)]+", re.IGNORECASE), "<url>"),
    (re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+\w"), "<mail>"),
    (re.compile(r"(?:\b[A-Za-z]:\\|(?<![\w<])(?:~|\.{1,2})?/)[\w.@~+/\\-]+"), "<path>"),
    (re.compile(r"\"[^\"\n]{0,200}\"|(?<!\w)'[^'\n]{0,200}'(?!\w)|`[^`\n]{0,200}`"), "<str>"),
    (re.compile(r"(?<![<\w])[#\w-]*\d[\w-]*"), "<v>"),
)
_SPACE: Final = re.compile(r"\s+")
_TELLING: Final = re.compile(r"\b\w*(?:Error|Exception|error:|Caused by)")
_TRACEBACK: Final = "Traceback (most recent call last)"
_EXCEPTION: Final = re.compile(r"\b[A-Z]\w+\b")
_STATUS: Final = re.compile(
    r"\b(?:status|code|http(?:/\d(?:\.\d)?)?|error)[\"':=\s]{1,4}([1-5]\d\d)\b", re.IGNORECASE
)

# What a message says, in the order in which it is asked; the first that holds names the type.
_KINDS: Final = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        ("timeout", r"time[d ]?[ -]?out|deadline exceeded"),
        ("cancelled", r"cancel+ed|aborted|interrupted"),
        ("rate_limit", r"rate.?limit|too many requests|quota|throttl"),
        ("network", r"connection (?:refused|reset|closed|error)|unreachable|dns|socket hang up"),
        ("unauthorised", r"unauthori[sz]ed|not authenticated|(?:api key|token|login) "),
        ("permission", r"permission|forbidden|access denied|not allowed|read-only"),
        ("not_found", r"not found|no such|does ?n[o']t exist|unknown|no match|cannot find"),
        ("exists", r"already (?:exists|in use|taken|registered)|duplicate"),
        ("missing", r"missing|required|must be (?:given|set|provided)|cannot be (?:empty|blank)"),
        ("syntax", r"syntax|parse error|unexpected (?:token|indent|end|character)|malformed"),
        ("type", r"type ?error|expected .{0,40} (?:got|but)|must be an? |wrong type"),
        ("invalid", r"invalid|not valid|illegal|unsupported|unrecogni[sz]ed|bad (?:request|value)"),
        (
            "limit",
            r"too (?:large|long|big|many|small|short)|exceed|out of range|insufficient|not enough",
        ),
        ("conflict", r"conflict|mismatch|does not match|does not add up|locked|stale"),
        ("memory", r"out of memory|no space|disk full"),
        ("server", r"internal|unavailable|bad gateway|crash|segmentation"),
        ("infeasible", r"unsat|infeasible|no solution"),
    )
)

# Types of failures that pass by themselves: another call that works later need not be a fix.
TRANSIENT: Final = frozenset(
    "timeout cancelled rate_limit network server TimeoutError ConnectionError "
    "ConnectionResetError ConnectionRefusedError BrokenPipeError KeyboardInterrupt "
    "http_408 http_429 http_500 http_502 http_503 http_504".split()
)


def telling(message: str) -> str:
    """The part of a message that says what went wrong: its head, or the end of a traceback.

    Further lines that name an error are added, up to three.
    """
    text = message.strip()
    if _TRACEBACK in text:
        return text[-_TAIL:].partition("\n")[2] if len(text) > _TAIL else text
    if len(text) <= _HEAD:
        return text
    more = [line.strip() for line in text[_HEAD : 20 * _HEAD].split("\n") if _TELLING.search(line)]
    return "\n".join([text[:_HEAD], *(line[:_HEAD] for line in more[:_TELLING_LINES])])


def normalise(message: str) -> str:
    """A message with its times, addresses, paths, quotations, numbers and ids masked."""
    text = telling(message)
    for pattern, mask in _MASKS:
        text = pattern.sub(mask, text)
    return _SPACE.sub(" ", text).strip()


def error_type(message: str, given: str | None = None) -> str:
    """What kind of error it is: the caller's own name for it, else one from a closed list.

    ``given`` counts when it is an identifier of at most 40 characters, or a status number.
    """
    if given and _NAME.fullmatch(given):
        return given
    if given and given.isascii() and given.isdigit() and len(given) == 3:
        return f"http_{given}"
    text = telling(message)
    named = [word for word in _EXCEPTION.findall(text) if word in _EXCEPTIONS]
    if named:
        return str(named[-1])
    status = _STATUS.search(text)
    if status:
        return f"http_{status[1]}"
    return next((kind for kind, pattern in _KINDS if pattern.search(text)), "other")
