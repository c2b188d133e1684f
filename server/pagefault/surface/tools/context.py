"""The next call's context, as a tool."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ...memory.context import ContextRequest, build
from ...memory.messages import build_messages
from ..door import Call
from ..tool import Spec, compact

_FRAME = 64  # tokens of a reply around the message


async def context_build(
    call: Call,
    message: Annotated[
        str | None, Field(description="the user's; brings in what it is about")
    ] = None,
    budget_tokens: int | None = None,
    mode: Literal["strict", "relaxed", "passive"] | None = None,
    system_prompt: str | None = None,
    format: Annotated[
        Literal["openai_chat", "openai_responses", "anthropic"] | None,
        Field(description="messages in place of one text"),
    ] = None,
) -> dict[str, Any]:
    """Build the context for the next model call: rules, manifest, mapped pages. For programs
    before each model call, and for you after your window was cut or compacted.
    """
    limit = call.memory.settings.reply_tokens
    wanted = budget_tokens if budget_tokens is not None else call.seat.set.budget
    tokenizer = await call.memory.tokenizer(call.workspace)
    budget = min(wanted, limit - _FRAME)
    while True:
        request = ContextRequest(message, budget, mode, system_prompt)
        reply = await (_text(call, request) if format is None else _messages(call, request, format))
        over = tokenizer.count(compact(reply)) - limit
        if over <= 0:
            return reply
        budget, message = reply["tokens"] - over, None


async def _text(call: Call, request: ContextRequest) -> dict[str, Any]:
    built = await build(call.memory, call.seat, request)
    return call.answer(
        developer_message=built.message,
        tokens=built.tokens,
        pages=list(built.pages),
        omitted=list(built.omitted) or None,
        prefetched=list(built.brought) or None,
    )


async def _messages(call: Call, request: ContextRequest, name: str) -> dict[str, Any]:
    built = await build_messages(call.memory, call.seat, request, name)
    if built.repairs and not call.notes:
        call.notes.append(f"{built.repairs} tool calls or results stood alone and were repaired")
    return call.answer(
        messages=built.conversation.messages,
        system=built.conversation.system,
        tokens=built.tokens,
        pages=list(built.pages),
        omitted=list(built.omitted) or None,
        prefetched=list(built.brought) or None,
    )


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
