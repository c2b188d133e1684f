"""The calls group: checking calls of other tools, keeping their results, reading what is bound."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from ... import calls
from ...base.call import Call as ToolCall
from ...base.clock import iso
from ...base.errors import InvalidArgument
from ...ledger import record
from ..door import Call
from ..ranges import clip_text
from ..tool import Spec
from .values import as_text, shown

_NAME = 200  # characters of a tool's name


async def tool_check(
    call: Call,
    tool_name: str,
    arguments: Annotated[dict[str, Any], Field(description="may hold $v1, $v1.items[0], $alias")],
    input_schema: dict[str, Any] | None = None,
    requires: Annotated[list[str] | None, Field(description="tools to succeed first")] = None,
    changes: Annotated[bool | None, Field(description="not to be answered twice")] = None,
) -> dict[str, Any]:
    """Check a call to another tool. Call it before: it resolves $vN, stops what would fail or run
    in circles, and gives an earlier answer to the same call.
    """
    _check_name(tool_name)
    request = calls.CheckRequest(
        ToolCall(tool_name, arguments),
        calls.Tool(input_schema, tuple(requires or ())),
        changes or False,
    )
    checked = await calls.check(call.calls, call.seat, request)
    judged = checked.judgement
    cached = None
    if checked.cached is not None:
        cached = _binding(checked.cached.binding) | {"age_seconds": round(checked.age)}
    return call.answer(
        verdict=judged.verdict,
        reason=judged.reason or None,
        instead=judged.instead or None,
        arguments=dict(judged.arguments),
        cached=cached,
        experience=list(checked.experience) or None,
    )


async def tool_record(
    call: Call,
    tool_name: str,
    arguments: dict[str, Any],
    result: Any = None,  # noqa: ANN401 - any JSON value
    error: Annotated[Any, Field(description="or, if it failed")] = None,  # noqa: ANN401
    alias: Annotated[list[str] | None, Field(description="names beside $vN")] = None,
    tool_call_id: str | None = None,
    key: str | None = None,
    duration_ms: float | None = None,
    changes: bool | None = None,
) -> dict[str, Any]:
    """Keep a tool's answer as $vN for later arguments, and learn from it. Call it after each call
    to another tool, unless the host records for you.
    """
    _check_name(tool_name)
    if duration_ms is not None and duration_ms < 0:
        message = f"duration_ms is {duration_ms}: give the milliseconds that the call took"
        raise InvalidArgument(message)
    about = calls.About(
        calls.check_aliases(alias or []),
        took=None if duration_ms is None else duration_ms / 1_000,
        changes=changes or False,
    )
    event = {
        "role": "tool",
        "tool_name": tool_name,
        "arguments": arguments,
        "content": None if error is not None else as_text(result),
        "error": error,
        "tool_call_id": tool_call_id,
        "key": key,
    }
    listener = calls.Listener(call.calls, "tool_record", about)
    done = await record(call.memory, call.seat, [event], listener=listener)
    (recorded,) = done.events
    if recorded.duplicate or listener.latest is None:
        said = await calls.again(call.calls, call.seat, recorded.event_id)
    else:
        number = done.bindings[0] if done.bindings else None
        ids = (recorded.event_id, recorded.page_id, number)
        said = calls.after(call.calls, call.seat, listener.latest, *ids)
    call.notes.extend(note.replace("events[0].", "") for note in done.notes)
    call.notes.extend(said.notes)
    await told_of_procedures(call)
    return call.answer(
        event_id=recorded.event_id,
        page_id=recorded.page_id,
        binding=None if said.binding is None else _binding(said.binding),
        tokens=done.tokens or None,
        duplicate=recorded.duplicate or None,
        flagged=recorded.flagged,
        durability=done.obtained,
    )


async def binding_get(
    call: Call,
    ref: Annotated[str | None, Field(description="$v1, $v1.items[0], $alias")] = None,
    offset: int | None = None,
) -> dict[str, Any]:
    """Read what $v1 or an alias stands for; without ref, list the newest. Call it when a preview
    is not enough.
    """
    if ref is None:
        newest = await calls.newest(call.calls, call.seat)
        idle = await calls.idle(call.calls, call.seat)
        return call.answer(
            bindings=[binding_row(one) for one in newest],
            unused=[one.ref for one in idle] or None,
        )
    found = await calls.get(call.calls, call.seat, ref)
    value, text = shown(found.value, offset or 0)
    reply = call.answer(
        ref=ref, type=found.binding.type, value=value, provenance=_provenance(found.binding)
    )
    if text:
        await clip_text(call, reply, ("value",), call.memory.settings.reply_tokens, offset or 0)
    return reply


async def told_of_procedures(call: Call) -> None:
    """Make pages of what keeps working, and say so."""
    made = await calls.promote(call.calls, call.seat)
    call.notes.extend(f"what keeps working is now a procedure: {page_id}" for page_id in made)


def _binding(binding: calls.Binding) -> dict[str, Any]:
    told: dict[str, Any] = {
        "ref": binding.ref,
        "type": binding.type,
        "preview": binding.preview,
        "unit": binding.unit,
        "aliases": [f"${alias}" for alias in binding.aliases],
        "page_id": binding.page,
    }
    return {name: value for name, value in told.items() if value}


def binding_row(bound: calls.Bound) -> dict[str, Any]:
    """A binding as a list shows it."""
    gone = {"forgotten": True} if bound.forgotten else {}
    return _binding(bound.binding) | gone


def _provenance(binding: calls.Binding) -> dict[str, Any]:
    if not binding.number:
        stated = {"stated_in": binding.page, "unit": binding.unit}
        return {name: value for name, value in stated.items() if value}
    told = {
        "ref": binding.ref,
        "tool": binding.tool,
        "event_id": binding.event,
        "page_id": binding.page,
        "turn": binding.turn,
        "at": iso(binding.at),
        "unit": binding.unit,
        "aliases": [f"${alias}" for alias in binding.aliases],
    }
    return {name: value for name, value in told.items() if value}


def _check_name(tool_name: str) -> None:
    if not 0 < len(tool_name) <= _NAME:
        message = f"tool_name has {len(tool_name)} characters: give the tool's name, 1 to {_NAME}"
        raise InvalidArgument(message)


TOOLS = (
    Spec(
        tool_check,
        "Check a tool call",
        {"verdict": "string", "reason": "string", "arguments": "object"},
        read_only=True,
        idempotent=True,
    ),
    Spec(
        tool_record,
        "Record a tool call",
        {"event_id": "string", "binding": "object"},
        appends=True,
    ),
    Spec(
        binding_get,
        "Read a binding",
        {"ref": "string", "provenance": "object"},
        read_only=True,
        idempotent=True,
    ),
)
