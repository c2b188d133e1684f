"""Events at the door: a message or tool call as a client sent it, made fit to keep.

One repair happens here and nowhere else: unpaired surrogates become U+FFFD, so that every kept
text is valid UTF-8. Non-finite numbers are refused. Everything else is kept as it came.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .clock import parse_time
from .errors import InvalidArgument

ROLES = ("user", "assistant", "system", "tool")
KEY_LENGTH = 128  # characters of an idempotency key
_NAME_LENGTH = 200
_DEPTH = 64  # of nested values

_SAME_ROLE = {"developer": "system", "human": "user", "ai": "assistant", "function": "tool"}
_USAGE = {
    "prompt": ("prompt", "prompt_tokens", "input_tokens"),
    "completion": ("completion", "completion_tokens", "output_tokens"),
    "cached": ("cached", "cached_tokens", "cache_read_input_tokens"),
    "reasoning": ("reasoning", "reasoning_tokens"),
}


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event ready to keep: ``content`` is the page's text or JSON, None when it has none.

    ``payload``: what belongs to the event and not to the page (tool calls, arguments, error).
    """

    role: str
    content: str | None
    modality: str
    payload: Mapping[str, Any]
    name: str | None = None
    key: str | None = None
    created_at: float | None = None
    tool_call_id: str | None = None
    tool_name: str | None = None
    provider: str | None = None
    model: str | None = None
    usage: Mapping[str, int] | None = None

    @property
    def page_type(self) -> str:
        """What kind of page it makes."""
        return "artifact" if self.role == "tool" else "transcript"


def read_event(given: Mapping[str, Any], at: str) -> Recorded:
    """An event of ``session_record``, or a message of an imported file.

    ``at`` names the event in an error, such as "events[3]".

    Raises:
        InvalidArgument: with the field, the value, the rule and what to do.
    """
    role = _role(given, at)
    content, modality, payload = _content(given, at)
    if content is None and not payload:
        message = f"{at} is empty: give content, tool_calls, a result or an error"
        raise InvalidArgument(message)
    created = given.get("created_at")
    return Recorded(
        role=role,
        content=content,
        modality=modality,
        payload=payload,
        name=_short(given, "name", at, _NAME_LENGTH),
        key=_short(given, "key", at, KEY_LENGTH),
        created_at=parse_time(created) if isinstance(created, str) and created else None,
        tool_call_id=_short(given, "tool_call_id", at, _NAME_LENGTH),
        tool_name=_short(given, "tool_name", at, _NAME_LENGTH)
        or (_short(given, "name", at, _NAME_LENGTH) if role == "tool" else None),
        provider=_short(given, "provider", at, _NAME_LENGTH),
        model=_short(given, "model", at, _NAME_LENGTH),
        usage=_usage(given.get("usage"), at),
    )


def clean(text: str) -> str:
    """The text with unpaired surrogates replaced by U+FFFD; most texts come back as they are."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def clean_value(value: Any, at: str) -> Any:  # noqa: ANN401 - any JSON value
    """A JSON value with every string cleaned.

    Raises:
        InvalidArgument: a number is not finite, or it nests deeper than 64 levels.
    """
    return _clean(value, at, 0)


def canonical(value: object) -> str:
    """A JSON value as compact text that reads back equal; keys keep their order."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def flat_text(value: object) -> str:
    """The words of a structured value, for an index: strings, keys and numbers, in order."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return " ".join(f"{name} {flat_text(item)}" for name, item in value.items())
    if isinstance(value, list):
        return " ".join(flat_text(item) for item in value)
    return "" if value is None else str(value)


def _role(given: Mapping[str, Any], at: str) -> str:
    role = given.get("role") or ("tool" if given.get("tool_name") else None)
    role = _SAME_ROLE.get(str(role), role)
    if role not in ROLES:
        message = f"{at}.role is {str(given.get('role'))[:40]!r}: use one of {', '.join(ROLES)}"
        raise InvalidArgument(message)
    return str(role)


def _content(given: Mapping[str, Any], at: str) -> tuple[str | None, str, dict[str, Any]]:
    payload = {
        name: clean_value(given[name], f"{at}.{name}")
        for name in ("tool_calls", "arguments", "error")
        if given.get(name) is not None
    }
    content = given.get("content")
    if content is None:
        content = given.get("result")
    if content is None and payload:
        kept = payload.pop("error", None) if "error" in payload else None
        return _page_of_payload(kept, payload, at)
    if isinstance(content, list):
        return (*_parts(content, at), payload)
    if isinstance(content, str) or content is None:
        return (clean(content) if content else None, "text", payload)
    return canonical(clean_value(content, f"{at}.content")), "structured", payload


def _page_of_payload(
    error: object, payload: dict[str, Any], at: str
) -> tuple[str | None, str, dict[str, Any]]:
    """What an event without content puts on its page: its error, else its tool calls."""
    if error is not None:
        payload["error"] = error
        return (error if isinstance(error, str) else canonical(error)), "text", payload
    return canonical(clean_value(payload, at)), "structured", payload


def _parts(parts: list[Any], at: str) -> tuple[str | None, str]:
    """One plain text part is text; anything richer is kept as the JSON that it is."""
    if not parts:
        return None, "text"
    only = parts[0]
    if len(parts) == 1 and isinstance(only, dict) and set(only) == {"type", "text"}:
        return (clean(str(only["text"])) or None), "text"
    return canonical(clean_value(parts, f"{at}.content")), "structured"


def _short(given: Mapping[str, Any], field: str, at: str, limit: int) -> str | None:
    value = given.get(field)
    if value is None or value == "":
        return None
    if not isinstance(value, str | int) or len(str(value)) > limit:
        message = (
            f"{at}.{field} is {str(value)[:40]!r}: give a string of at most {limit} characters"
        )
        raise InvalidArgument(message)
    return clean(str(value))


def _usage(given: object, at: str) -> dict[str, int] | None:
    if not isinstance(given, Mapping):
        return None
    found: dict[str, int] = {}
    for name, spellings in _USAGE.items():
        value = next((given[s] for s in spellings if given.get(s) is not None), None)
        if value is None:
            continue
        if not isinstance(value, int) or not 0 <= value < 2**53:
            message = f"{at}.usage.{name} is {str(value)[:40]!r}: give a whole number of tokens"
            raise InvalidArgument(message)
        found[name] = value
    return found or None


def _clean(value: Any, at: str, depth: int) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float) and not math.isfinite(value):
        message = f"{at} holds {value}: JSON numbers are finite. Send null or a string instead"
        raise InvalidArgument(message)
    if not isinstance(value, Mapping | Sequence):
        return value
    if depth >= _DEPTH:
        message = f"{at} nests deeper than {_DEPTH} levels: send it as text"
        raise InvalidArgument(message)
    if isinstance(value, Mapping):
        return {clean(str(name)): _clean(item, at, depth + 1) for name, item in value.items()}
    return [_clean(item, at, depth + 1) for item in value]
