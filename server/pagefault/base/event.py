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
from .media import Media, read_media

ROLES = ("user", "assistant", "system", "tool")
KEY_LENGTH = 128  # characters of an idempotency key
NAME_LENGTH = 200
_DEPTH = 64  # of nested values

_TEXT_PARTS = ("text", "input_text", "output_text")
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
    ``media``: the images and recordings in it, whose text ``content`` then is.
    ``answers_calls``: a user message that holds nothing but tool results, as Anthropic has them.
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
    answers_calls: bool = False
    media: Media | None = None

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
    if not isinstance(given, Mapping):
        message = f"{at} is {str(given)[:40]!r}: give an object with role and content"
        raise InvalidArgument(message)
    role = _role(given, at)
    (content, modality, media), payload = _content(given, at)
    if content is None and not payload:
        message = f"{at} is empty: give content, tool_calls, a result or an error"
        raise InvalidArgument(message)
    return Recorded(
        role=role,
        content=content,
        modality=modality,
        payload=payload,
        name=_short(given, "name", at, NAME_LENGTH),
        key=_short(given, "key", at, KEY_LENGTH),
        created_at=_time(given.get("created_at"), at),
        tool_call_id=_short(given, "tool_call_id", at, NAME_LENGTH),
        tool_name=_short(given, "tool_name", at, NAME_LENGTH)
        or (_short(given, "name", at, NAME_LENGTH) if role == "tool" else None),
        provider=_short(given, "provider", at, NAME_LENGTH),
        model=_short(given, "model", at, NAME_LENGTH),
        usage=_usage(given.get("usage"), at),
        answers_calls=_only_results(given.get("content")),
        media=media,
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


Page = tuple[str | None, str, Media | None]  # its text, its modality, what it holds beside


def page_of(content: object, at: str) -> Page:
    """Text is text; anything else is kept as the JSON it is.

    Images and recordings in it are taken out, and the text says what they are.

    Raises:
        InvalidArgument: as `clean_value`.
    """
    is_text = isinstance(content, str)
    value = clean_value(content, at)
    written: str = value if is_text else canonical(value)
    media = read_media(value, written)
    if media is not None:
        return media.text, media.modality, media
    return written or None, "text" if is_text else "structured", None


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


def _content(given: Mapping[str, Any], at: str) -> tuple[Page, dict[str, Any]]:
    payload = {
        name: clean_value(given[name], f"{at}.{name}")
        for name in ("tool_calls", "arguments", "error")
        if not _nothing(given.get(name))
    }
    content = given.get("content")
    if _nothing(content):
        content = given.get("result")
    if _nothing(content):
        return (*_page_of_payload(payload), None), payload
    text = _only_text(content)  # also in one plain text part
    return page_of(content if text is None else text, f"{at}.content"), payload


def _nothing(value: object) -> bool:
    """Whether a field says nothing, as clients write it that fill in every field."""
    return value is None or value in ("", [])


def _page_of_payload(payload: Mapping[str, Any]) -> tuple[str | None, str]:
    """What an event without content puts on its page: its error, else its tool calls."""
    error = payload.get("error")
    if error is not None:
        return (error, "text") if isinstance(error, str) else (canonical(error), "structured")
    return (canonical(payload), "structured") if payload else (None, "text")


def _only_text(content: object) -> str | None:
    if isinstance(content, list) and len(content) == 1:
        part = content[0]
        plain = isinstance(part, Mapping) and set(part) == {"type", "text"}
        content = part["text"] if plain and part["type"] in _TEXT_PARTS else None
    return content if isinstance(content, str) else None


def _only_results(content: object) -> bool:
    return isinstance(content, list) and all(
        isinstance(part, Mapping) and part.get("type") == "tool_result" for part in content
    )


def _time(given: object, at: str) -> float | None:
    if given is None or given == "":
        return None
    if not isinstance(given, str):
        message = f"{at}.created_at is {str(given)[:40]!r}: give ISO 8601, or leave it out"
        raise InvalidArgument(message)
    try:
        return parse_time(given)
    except InvalidArgument as error:
        message = f"{at}.created_at: {error.message}"
        raise InvalidArgument(message) from None


def _short(given: Mapping[str, Any], field: str, at: str, limit: int) -> str | None:
    value = given.get(field)
    if value is None or value == "":
        return None
    known = isinstance(value, str | int) and not isinstance(value, bool)
    if not known or len(str(value)) > limit:
        message = (
            f"{at}.{field} is {str(value)[:40]!r}: give a string of at most {limit} characters"
        )
        raise InvalidArgument(message)
    return clean(str(value))


def _usage(given: object, at: str) -> dict[str, int] | None:
    if given is None:
        return None
    if not isinstance(given, Mapping):
        message = f"{at}.usage is {str(given)[:40]!r}: give an object such as {{prompt_tokens: 12}}"
        raise InvalidArgument(message)
    found: dict[str, int] = {}
    for name, spellings in _USAGE.items():
        value = next((given[s] for s in spellings if given.get(s) is not None), None)
        if value is None:
            continue
        if type(value) is not int or not 0 <= value < 2**53:
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
