"""The next call's context, as a tool."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field

from ...base.errors import TokenLimitExceeded
from ...base.event import canonical
from ...memory.context import Context, ContextRequest, build
from ...memory.messages import Messages, build_messages
from ..door import Call
from ..ranges import some
from ..tool import Spec

_FRAME = 64  # tokens of a reply around the message


async def context_build(
    call: Call,
    message: Annotated[str | None, Field(description="brings in what it is about")] = None,
    budget_tokens: int | None = None,
    mode: Literal["strict", "relaxed", "passive"] | None = None,
    system_prompt: str | None = None,
    format: Literal["openai_chat", "openai_responses", "anthropic"] | None = None,  # noqa: A002
) -> dict[str, Any]:
    """Build the next model call's context: rules, manifest, mapped pages. Call it after your
    window was cut or compacted; programs, before each model call.
    """
    limit = call.memory.settings.reply_tokens
    wanted = budget_tokens if budget_tokens is not None else call.seat.set.budget
    request = ContextRequest(message, min(wanted, limit - _FRAME), mode, system_prompt)
    if budget_tokens is not None and budget_tokens > limit - _FRAME:
        call.notes.append(f"a reply holds {limit:,} tokens at most, so the context has less")
    try:
        return await _built(call, request, format)
    except TokenLimitExceeded:
        if request.budget == wanted:
            raise
        text = (
            f"the rules and the system prompt alone are more than a reply holds, {limit:,} tokens "
            "(--reply-tokens). Shorten the system prompt, or use mode passive"
        )
        raise TokenLimitExceeded(text) from None


async def _built(call: Call, request: ContextRequest, format_: str | None) -> dict[str, Any]:
    """The reply, built again for a smaller budget while all of it is longer than a reply may be."""
    limit = call.memory.settings.reply_tokens
    tokenizer = await call.memory.tokenizer(call.workspace)
    said = list(call.notes)
    brought: list[str] | None = None
    while True:
        make = _text(call, request) if format_ is None else _messages(call, request, format_)
        reply = await make
        brought = brought or reply.get("prefetched")
        if brought:
            reply["prefetched"] = brought
        over = tokenizer.count(canonical(reply)) - limit
        if over <= 0:
            return reply
        call.notes[:] = said
        # The message has done its work: given again, it would begin another turn.
        request = replace(request, message=None, budget=reply["tokens"] - over)


async def _text(call: Call, request: ContextRequest) -> dict[str, Any]:
    built = await build(call.memory, call.seat, request)
    return call.answer(
        developer_message=built.message,
        tokens=built.tokens,
        **_named(call, built),
    )


async def _messages(call: Call, request: ContextRequest, format_: str) -> dict[str, Any]:
    built = await build_messages(call.memory, call.seat, request, format_)
    if built.repairs:
        call.notes.append(f"{built.repairs} tool calls or results stood alone and were repaired")
    return call.answer(
        messages=built.conversation.messages,
        system=built.conversation.system,
        tokens=built.tokens,
        **_named(call, built),
    )


def _named(call: Call, built: Context | Messages) -> dict[str, list[str] | None]:
    return {
        "pages": list(built.pages),
        "omitted": some(call, "omitted", built.omitted) or None,
        "prefetched": list(built.brought) or None,
    }


TOOLS = (
    Spec(
        context_build,
        "Build the context",
        {
            "developer_message": "string",
            "messages": "array",
            "tokens": "integer",
            "pages": "array",
            "omitted": "array",
        },
        read_only=True,
        large=True,
        own_turn=lambda given: bool(given.get("message")),
    ),
)
