"""JSON values on their way in and out of a tool's reply."""

from __future__ import annotations

from typing import Any

from ...base.event import canonical


def as_text(result: Any) -> Any:  # noqa: ANN401 - any JSON value
    """A result as an event's content: one that would count as none is written out as JSON."""
    return canonical(result) if result in (None, "", [], {}) or _is_scalar(result) else result


def shown(value: Any, offset: int) -> tuple[Any, bool]:  # noqa: ANN401 - any JSON value
    """A value as a reply shows it, and whether as text in ranges: large structures are JSON text.

    A number or a short structure keeps its type.
    """
    if _is_scalar(value) and not isinstance(value, str):
        return value, False
    text = value if isinstance(value, str) else canonical(value)
    if not isinstance(value, str) and not offset and len(text) <= _WHOLE:
        return value, False
    return text[offset:], True


_WHOLE = 8_000  # characters of a structure that is shown as it is


def _is_scalar(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    return value is None or isinstance(value, bool | int | float)
