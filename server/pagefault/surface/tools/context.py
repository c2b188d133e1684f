"""The next call's context, as a tool."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ...memory.context import ContextRequest, build
from ..door import Call
from ..tool import Spec, compact

_FRAME = 64  # tokens of a reply around the message


async def context_build(
    call: Call,
    message: Annotated[str | None, Field(description="the user's; brings in what it is about")] = None,
    budget_tokens: int | None = None,
    mode: Literal["strict", "relaxed", "passive"] | None = None,
    system_prompt: str | None = None,
) -> dict[str, Any]:
    """Build the context for the next model call: rules, manifest, mapped pages. For programs
    before each model call, and for you after your window was cut or compacted.
    """
    limit = call.memory.settings.reply_tokens
    wanted = budget_tokens if budget_tokens is not None else call.seat.set.budget
    budget = min(wanted, limit - _FRAME)
    while True:
        request = ContextRequest(message, budget, mode, system_prompt)
        built = await build(call.memory, call.seat, request)
        reply = call.answer(
            developer_message=built.message,
            tokens=built.tokens,
            pages=list(built.pages),
            omitted=list(built.omitted) or None,
            prefetched=list(built.brought) or None,
        )
        tokenizer = await call.memory.tokenizer(call.workspace)
        over = tokenizer.count(compact(reply)) - limit
        if over <= 0:
            return reply
        budget, message = built.tokens - over, None


TOOLS = (
    Spec(
        context_build,
        "Build the context",
        {"developer_message": "string", "tokens": "integer", "pages": "array", "omitted": "array"},
        read_only=True,
        large=True,
        own_turn=lambda given: bool(given.get("message")),
    ),
)
