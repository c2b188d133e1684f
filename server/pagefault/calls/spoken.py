"""What a recorded event says of calls: those announced by a model, those that have ended. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..base.call import Call, Outcome
from ..base.event import Recorded, canonical
from ..paging.messages import ToolCall, read_calls

_DECODER = json.JSONDecoder(parse_constant=str)
_DIGITS = 17  # of a number that is kept whole by reading it


@dataclass(frozen=True, slots=True)
class Ended:
    """A call with what came of it. ``id``: as the model called it; ``kind``: its error's type."""

    call: Call
    outcome: Outcome
    id: str | None = None
    kind: str | None = None


def announced(event: Recorded) -> Iterator[ToolCall]:
    """The calls that a model's message makes, in OpenAI's shape or in Anthropic's."""
    if event.role != "assistant":
        return
    yield from read_calls(event.payload)
    for part in _parts(event.content if event.modality == "structured" else None):
        if part.get("type") == "tool_use":
            yield from read_calls({"tool_calls": [part]})


def answered(event: Recorded) -> list[str]:
    """The ids of the calls whose results a user's message holds, as Anthropic has them."""
    if not event.answers_calls:
        return []
    return [str(part.get("tool_use_id")) for part in _parts(event.content)]


def ended(event: Recorded, asked: Call | None) -> Ended:
    """The call that a tool's message answers; ``asked``: the one that a model had announced."""
    given = event.payload.get("arguments")
    arguments = given if isinstance(given, dict) else asked.arguments if asked else {}
    name = event.tool_name or (asked.tool if asked else "tool")
    error = event.payload.get("error")
    if error is not None:
        outcome = Outcome(ok=False, value=_words(error))
    else:
        outcome = Outcome(ok=True, value=value_of(event.content or "", event.modality))
    return Ended(Call(name, arguments), outcome, event.tool_call_id, _kind(error))


def ended_in(event: Recorded, call_id: str, asked: Call | None) -> Ended:
    """The call of an id whose result a user's message holds."""
    part = next(part for part in _parts(event.content) if str(part.get("tool_use_id")) == call_id)
    value = _plain(part.get("content"))
    failed = bool(part.get("is_error"))
    outcome = Outcome(ok=not failed, value=_words(value) if failed else value)
    return Ended(asked or Call("tool", {}), outcome, call_id)


def holds_results(text: str, modality: str) -> bool:
    """Whether a user's message is nothing but results of calls, as Anthropic has them."""
    parts = _parts(text if modality == "structured" else None)
    return bool(parts) and all(part.get("type") == "tool_result" for part in parts)


def with_arguments(event: Recorded, one: Ended) -> Recorded:
    """The event with the arguments of its call, which its answer alone does not tell."""
    if "arguments" in event.payload or not one.call.arguments:
        return event
    payload = {**event.payload, "arguments": dict(one.call.arguments)}
    return replace(event, payload=payload, tool_name=one.call.tool)


def value_of(text: str, modality: str, call_id: str | None = None) -> Any:  # noqa: ANN401
    """The JSON value of a result's page: of a message with several results, the call's own.

    Text that is a JSON object, list, number or truth value is that; results come as text mostly.
    """
    if modality not in ("text", "structured"):
        return text
    value = _json(text)
    for part in value if isinstance(value, list) and call_id is not None else ():
        if isinstance(part, dict) and part.get("tool_use_id") == call_id:
            return _plain(part.get("content"))
    return value


def _plain(content: object) -> Any:  # noqa: ANN401 - any JSON value
    """What the parts of a result say, where they are nothing but text."""
    if isinstance(content, str):
        return _json(content)
    if isinstance(content, list) and all(
        isinstance(part, dict) and part.get("type") == "text" for part in content
    ):
        return _json("".join(str(part.get("text", "")) for part in content))
    return content


def _parts(content: str | None) -> list[Mapping[str, Any]]:
    value = None if content is None else _json(content)
    parts = value if isinstance(value, list) else []
    return [part for part in parts if isinstance(part, dict)]


def _json(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """The value that the text is in JSON, else the text itself."""
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return text
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return text if is_number and len(text) > _DIGITS else value


def _words(error: object) -> str:
    if isinstance(error, Mapping) and isinstance(error.get("message"), str):
        return str(error["message"])
    return error if isinstance(error, str) else canonical(error)


def _kind(error: object) -> str | None:
    if isinstance(error, Mapping):
        kind = error.get("type") or error.get("code")
        return None if kind is None else str(kind)
    return None
