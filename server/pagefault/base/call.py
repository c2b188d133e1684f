"""Tool calls: what was called with what, what came of it, and when two calls are the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True)
_DIGEST = 16  # bytes: by accident two of 10^12 calls are the same with a chance below 10^-14


@dataclass(frozen=True, slots=True)
class Call:
    """A call of any tool, as somebody is about to make it. ``arguments``: any JSON object."""

    tool: str
    arguments: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """What the same call has in common, whatever the order of its arguments."""
        return digest(f"{self.tool}\n{canonical_arguments(self.arguments)}")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call: ``value`` is any JSON value, or the error's text where it failed."""

    ok: bool
    value: Any


def canonical_arguments(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """A JSON value as text that is the same for equal values.

    Keys are sorted, and a whole number is the same with and without a point (1.0 is 1); a number
    and the string of its digits are not, and neither are 1 and true.
    """
    return _ENCODER.encode(_plain(value))


def digest(text: str) -> str:
    """32 hexadecimal digits that stand for a text."""
    return hashlib.blake2b(text.encode(), digest_size=_DIGEST).hexdigest()


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
