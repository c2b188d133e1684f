"""Mapped pages as the messages of a model's API, in an order that the API accepts.

A tool's result follows the message that called the tool: where only one of the two is mapped,
the call is made up from what the result says of itself, or left out. Shapes as documented by
OpenAI (chat completions, responses) and Anthropic (messages).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call as every API means it: ``arguments`` is a JSON object."""

    id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Spoken:
    """One message: ``content`` is text or the parts that were recorded, None for calls alone.

    Of one with images, ``content`` is text parts and image parts, the latter ``{type: image,
    mimeType}``; ``images`` has their base64 in that order, and ``tokens`` is what they cost.
    """

    page_id: str
    role: str
    content: object
    name: str | None = None
    calls: Sequence[ToolCall] = ()
    answers: ToolCall | None = None  # the call that a tool's result answers
    images: Sequence[str] | None = None
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Exchange:
    """Messages that belong together: one message, or a call with its results."""

    messages: tuple[Spoken, ...]


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a format makes of the exchanges: messages, and the system text where it is apart."""

    messages: list[Message] = field(default_factory=list)
    system: str | None = None


def read_calls(payload: Mapping[str, Any]) -> tuple[ToolCall, ...]:
    """The tool calls of a recorded message, in OpenAI's or Anthropic's shape; others are none."""
    given = payload.get("tool_calls")
    calls = enumerate(given if isinstance(given, list) else ())
    return tuple(_call(call, index) for index, call in calls if isinstance(call, Mapping))


def _call(given: Mapping[str, Any], index: int) -> ToolCall:
    inner = given.get("function")
    function = inner if isinstance(inner, Mapping) else given
    return ToolCall(
        str(given.get("id") or given.get("call_id") or f"call_{index}"),
        str(function.get("name") or "tool"),
        _object(function.get("arguments", function.get("input", {}))),
    )


def pair(spoken: Sequence[Spoken]) -> tuple[list[Exchange], int]:
    """Put results after their calls, and count the repairs that it took."""
    exchanges: list[Exchange] = []
    repairs = 0
    for message in spoken:
        if message.answers is None:
            exchanges.append(Exchange((message,)))
        elif not _join(exchanges, message):
            exchanges.append(Exchange((_calling(message), message)))
            repairs += 1
    answered = [_only_answered(exchange) for exchange in exchanges]
    repairs += sum(after != before for after, before in zip(answered, exchanges, strict=True))
    return [exchange for exchange in answered if exchange.messages], repairs


def with_images(exchange: Exchange, read: Callable[[Spoken], Sequence[str]]) -> Exchange:
    """The exchange with the base64 of its images. ``read``: those of one message."""
    return Exchange(
        tuple(
            said if said.images is None else replace(said, images=read(said))
            for said in exchange.messages
        )
    )


def openai_chat(exchanges: Sequence[Exchange], system: str) -> Conversation:
    """``[{role, content, tool_calls?, tool_call_id?}]``, the system message first."""
    messages: list[Message] = [{"role": "system", "content": system}] if system else []
    for exchange in exchanges:
        messages.extend(_chat(said) for said in exchange.messages)
    return Conversation(messages)


def openai_responses(exchanges: Sequence[Exchange], system: str) -> Conversation:
    """Input items: messages, ``function_call`` and ``function_call_output``."""
    items: list[Message] = []
    for exchange in exchanges:
        for said in exchange.messages:
            items.extend(_items(said))
    return Conversation(items, system or None)


def anthropic(exchanges: Sequence[Exchange], system: str) -> Conversation:
    """Turns of user and assistant; results stand in the user's turn, the system text apart."""
    turns: list[Message] = []
    for exchange in exchanges:
        for said in exchange.messages:
            role = "assistant" if said.role == "assistant" else "user"
            blocks = _blocks(said)
            if turns and turns[-1]["role"] == role:
                turns[-1]["content"].extend(blocks)
            else:
                turns.append({"role": role, "content": blocks})
    if turns and turns[0]["role"] == "assistant":
        turns.insert(0, {"role": "user", "content": [_text("(earlier messages are not shown)")]})
    return Conversation(turns, system or None)


Format = Callable[[Sequence[Exchange], str], Conversation]
FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "openai_chat": openai_chat,
        "openai_responses": openai_responses,
        "anthropic": anthropic,
    }
)


# Whose messages may hold images there.
SHOWN_BY: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "openai_chat": ("user",),
        "openai_responses": ("user", "tool"),
        "anthropic": ("user", "tool"),
    }
)


def _join(exchanges: list[Exchange], result: Spoken) -> bool:
    """Put the result behind the call that it answers, if that is here and not yet answered."""
    for index in range(len(exchanges) - 1, -1, -1):
        first = exchanges[index].messages[0]
        open_calls = {call.id for call in first.calls} - _answered(exchanges[index])
        if result.answers is not None and result.answers.id in open_calls:
            exchanges[index] = Exchange((*exchanges[index].messages, result))
            return True
    return False


def _calling(result: Spoken) -> Spoken:
    """The call that a result must have had, as far as the result tells."""
    calls = () if result.answers is None else (result.answers,)
    return Spoken(result.page_id, "assistant", None, calls=calls)


def _answered(exchange: Exchange) -> set[str]:
    return {said.answers.id for said in exchange.messages if said.answers is not None}


def _only_answered(exchange: Exchange) -> Exchange:
    """Leave out calls without a result, and a message that had nothing else to say."""
    first, *results = exchange.messages
    if not first.calls:
        return exchange
    answered = _answered(exchange)
    kept = tuple(call for call in first.calls if call.id in answered)
    if len(kept) == len(first.calls):
        return exchange
    if not kept and first.content is None:
        return Exchange(())
    return Exchange((replace(first, calls=kept), *results))


def _chat(said: Spoken) -> Message:
    if said.answers is not None:
        return {"role": "tool", "tool_call_id": said.answers.id, "content": _string(said.content)}
    message: Message = {"role": said.role, "content": _parts(said, _CHAT)}
    if said.name:
        message["name"] = said.name
    if said.calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": _json(call.arguments)},
            }
            for call in said.calls
        ]
    return message


def _items(said: Spoken) -> list[Message]:
    if said.answers is not None:
        output = _string(said.content) if said.images is None else _parts(said, _RESPONSES)
        return [{"type": "function_call_output", "call_id": said.answers.id, "output": output}]
    items: list[Message] = []
    if said.content is not None:
        content = _parts(said, _RESPONSES)
        items.append({"type": "message", "role": said.role, "content": content})
    items.extend(
        {
            "type": "function_call",
            "call_id": call.id,
            "name": call.name,
            "arguments": _json(call.arguments),
        }
        for call in said.calls
    )
    return items


def _blocks(said: Spoken) -> list[Message]:
    if said.answers is not None:
        content = _string(said.content) if said.images is None else _parts(said, _ANTHROPIC)
        return [{"type": "tool_result", "tool_use_id": said.answers.id, "content": content}]
    blocks: list[Message] = []
    if said.images is not None:
        blocks.extend(_parts(said, _ANTHROPIC))
    elif isinstance(said.content, list) and _are_parts(said.content):
        blocks.extend(said.content)
    elif said.content is not None:
        text = _string(said.content)
        blocks.append(_text(f"[system] {text}" if said.role == "system" else text))
    blocks.extend(
        {"type": "tool_use", "id": call.id, "name": call.name, "input": dict(call.arguments)}
        for call in said.calls
    )
    return blocks


@dataclass(frozen=True, slots=True)
class _Shape:
    """How an API writes a text part and an image part."""

    text: str
    image: Callable[[str, str], Message]


def _chat_image(mime_type: str, data: str) -> Message:
    return {"type": "image_url", "image_url": {"url": f"data:{mime_type};base64,{data}"}}


def _responses_image(mime_type: str, data: str) -> Message:
    return {"type": "input_image", "image_url": f"data:{mime_type};base64,{data}"}


def _anthropic_image(mime_type: str, data: str) -> Message:
    source = {"type": "base64", "media_type": mime_type, "data": data}
    return {"type": "image", "source": source}


_CHAT = _Shape("text", _chat_image)
_RESPONSES = _Shape("input_text", _responses_image)
_ANTHROPIC = _Shape("text", _anthropic_image)


def _parts(said: Spoken, shape: _Shape) -> Any:  # noqa: ANN401 - text, or the API's parts
    """The content, with its images as the API has them."""
    if said.images is None or not isinstance(said.content, list):
        return _spoken(said.content)
    images = iter(said.images)
    return [
        shape.image(part["mimeType"], next(images))
        if part["type"] == "image"
        else {"type": shape.text, "text": part["text"]}
        for part in said.content
    ]


def _spoken(content: object) -> object:
    """Text and parts as they are, since the APIs take no other content; the rest as its JSON."""
    parts = isinstance(content, list) and _are_parts(content)
    return content if content is None or parts else _string(content)


def _are_parts(content: Sequence[object]) -> bool:
    return bool(content) and all(isinstance(one, Mapping) and "type" in one for one in content)


def _text(text: str) -> Message:
    return {"type": "text", "text": text}


def _string(content: object) -> str:
    return content if isinstance(content, str) else _json(content)


def _json(value: object) -> str:
    given = dict(value) if isinstance(value, Mapping) else value
    return json.dumps(given, ensure_ascii=False, separators=(",", ":"))


def _object(arguments: object) -> Mapping[str, Any]:
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            return {"input": arguments}
    return arguments if isinstance(arguments, Mapping) else {"input": arguments}
