"""Messages as other programs keep them, turned into events of ours. Pure.

Read are: plain messages (``role``, ``content``); OpenAI's chat shape (``tool_calls``,
``function_call``, the roles tool and function, content parts); Anthropic's (blocks text, tool_use
and tool_result, a ``system`` beside the ``messages``). What has no counterpart, such as an image
part, is kept as the JSON that it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from .clock import iso
from .errors import InvalidArgument
from .event import canonical

Event = dict[str, Any]

_TEXT_PARTS = ("text", "input_text", "output_text")
_KEPT = ("name", "key", "provider", "model", "usage", "tool_name", "arguments", "error", "result")
_TIMES = ("created_at", "timestamp", "create_time", "created")
_MILLISECONDS = 1e11  # Unix seconds reach this in the year 5138


class Conversation:
    """One conversation, message by message; it knows which tool a call id belongs to."""

    def __init__(self) -> None:
        self._tools: dict[str, str] = {}
        self._position = 0

    def events(self, value: object, at: str) -> Iterator[tuple[str, Event]]:
        """The events of a message, or of all messages of an object that has ``messages``.

        Each comes with its place, such as "line 3", and with a ``key`` of its place and text, so
        that the same conversation read again, and longer, adds only what is new.

        Raises:
            InvalidArgument: it is neither.
        """
        for place, message in _messages(value, at):
            for event in self._of(message):
                yield place, self._keyed(event)

    def _of(self, message: Mapping[str, Any]) -> Iterator[Event]:
        base = _base(message)
        content = message.get("content")
        if base["role"] in ("tool", "function"):
            yield self._result(base, message.get("tool_call_id"), content)
            return
        calls = [self._call(call) for call in _calls(message)]
        parts: list[Any] = []
        results = 0
        for block in content if isinstance(content, list) else ():
            kind = block.get("type") if isinstance(block, Mapping) else None
            if kind == "tool_use":
                calls.append(self._call(_as_call(block)))
            elif kind == "tool_result":
                results += 1
                yield self._result_block(base, block)
            else:
                parts.append(block)
        if parts or calls or not results:
            said = _content(parts) if isinstance(content, list) else content
            yield base | _given(content=said or None, tool_calls=calls or None)

    def _call(self, call: Any) -> Any:  # noqa: ANN401 - whatever the client sent
        if isinstance(call, Mapping) and isinstance(call.get("id"), str):
            function = call.get("function")
            name = function.get("name") if isinstance(function, Mapping) else None
            self._tools[call["id"]] = str(name or "")
        return call

    def _result(self, base: Event, call_id: object, content: object) -> Event:
        found = {**base, "role": "tool", "content": _text_or_parts(content)}
        if isinstance(call_id, str):
            found["tool_call_id"] = call_id
            found.setdefault("tool_name", self._tools.get(call_id) or base.get("name"))
        return found

    def _result_block(self, base: Event, block: Mapping[str, Any]) -> Event:
        event = self._result(base, block.get("tool_use_id"), block.get("content"))
        if block.get("is_error"):
            event["error"] = event["content"] or "error"
        return event

    def _keyed(self, event: Event) -> Event:
        self._position += 1
        if event.get("key"):
            return event
        text = json.dumps(event, sort_keys=True, default=str)
        digest = blake2b(f"{self._position}:{text}".encode(), digest_size=16)
        return {**event, "key": f"import:{digest.hexdigest()}"}


def is_empty(event: Event) -> bool:
    """Whether there is nothing in it to keep: neither content nor calls nor an error."""
    content = event.get("content")
    if content is None:
        content = event.get("result")
    named = ("tool_calls", "arguments", "error")
    return content in (None, "", []) and not any(event.get(name) for name in named)


def _messages(value: object, at: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if not isinstance(value, Mapping):
        message = f"{at} is {_shown(value)}: a message is an object with role and content"
        raise InvalidArgument(message)
    if "messages" not in value:
        yield at, value
        return
    messages = value["messages"]
    if not isinstance(messages, list):
        message = f"{at}: messages is {_shown(messages)}, not a list"
        raise InvalidArgument(message)
    if value.get("system"):
        yield f"{at}, system", {"role": "system", "content": value["system"]}
    for index, one in enumerate(messages):
        yield from _messages(one, f"{at}, messages[{index}]")


def _base(message: Mapping[str, Any]) -> Event:
    """What an event takes over from its message as it is."""
    base = {name: message[name] for name in _KEPT if message.get(name) is not None}
    base["role"] = message.get("role") or ("tool" if message.get("tool_name") else None)
    when = next((message[name] for name in _TIMES if message.get(name) is not None), None)
    if when is not None:
        base["created_at"] = _time(when)
    return base


def _time(when: object) -> object:
    """ISO 8601 for a number of seconds or milliseconds; anything else as it is."""
    if isinstance(when, bool) or not isinstance(when, int | float):
        return when
    seconds = when / 1000 if abs(when) >= _MILLISECONDS else float(when)
    try:
        return iso(seconds)
    except (ValueError, OverflowError, OSError):
        return str(when)


def _calls(message: Mapping[str, Any]) -> Sequence[object]:
    """The tool calls of OpenAI's shape, the older single one included."""
    calls = message.get("tool_calls")
    if isinstance(calls, list):
        return calls
    older = message.get("function_call")
    return [{"type": "function", "function": older}] if isinstance(older, Mapping) else []


def _as_call(block: Mapping[str, Any]) -> dict[str, Any]:
    """A tool_use block as a call of OpenAI's shape, so that both look the same in the memory."""
    function = {"name": block.get("name"), "arguments": canonical(block.get("input") or {})}
    return {"id": block.get("id"), "type": "function", "function": function}


def _given(**fields: object) -> Event:
    return {name: value for name, value in fields.items() if value is not None}


def _text_or_parts(content: object) -> object:
    return _content(content) if isinstance(content, list) else content


def _content(parts: Sequence[Any]) -> object:
    """The text of parts that are nothing but text, else the parts."""
    texts = [_text_of(part) for part in parts]
    return list(parts) if None in texts else "\n\n".join(filter(None, texts))


def _text_of(part: object) -> str | None:
    if isinstance(part, str):
        return part
    if not isinstance(part, Mapping) or part.get("type") not in _TEXT_PARTS:
        return None
    text = part.get("text")
    return text if isinstance(text, str) else None


def _shown(value: object) -> str:
    return f"{type(value).__name__} {str(value)[:40]!r}"
