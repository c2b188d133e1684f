"""The session group: opening, recording, counting."""

from __future__ import annotations

from typing import Annotated, Any

from mcp.server.mcpserver import Context
from pydantic import Field

from ...base.clock import iso
from ...ledger import StartRequest, record, start
from ...paging.resident import Mapped
from ...stores.contract import Session
from ..door import Call, Door
from ..tool import Spec
from ..transport.principal import principal_of


async def session_start(
    call: Door,
    context: Context[Any, Any],
    session_id: Annotated[
        str | None, Field(description='handle to resume, or "last"; none: a new one')
    ] = None,
    title: str | None = None,
    workspace: str | None = None,
    parent_id: str | None = None,
    model: str | None = None,
    budget_tokens: int | None = None,
    mode: str | None = None,
) -> dict[str, Any]:
    """Open or resume this conversation's memory. Call it first, once a conversation, and pass
    the session_id it returns to every other call.
    """
    principal = principal_of(context)
    home = await call.workspace(principal, workspace)
    if session_id and session_id != "last" and not workspace:
        home = await call.home(principal, home, session_id)
    request = StartRequest(session_id or None, title, parent_id, model, budget_tokens, mode)
    started = await start(call.memory, home, request)
    here = Call(call.memory, home, started.seat, list(started.notes))
    if home.renamed_from is not None:
        here.notes.append(
            f"the workspace name {home.renamed_from!r} was taken by another repository: "
            f"this one is {home.id!r}"
        )
    resume = started.resume
    return here.answer(
        resumed=started.resumed,
        title=started.seat.row.title,
        turn=started.seat.turn or None,
        budget_tokens=started.seat.set.budget,
        resume={
            "pins": list(resume.pins),
            "mapped": list(resume.mapped)[-50:],
            "last_summary": None
            if resume.summary is None
            else {"page_id": resume.summary[0], "text": resume.summary[1]},
        }
        if started.resumed
        else None,
        sessions=[_other(session) for session in started.others],
    )


async def session_record(
    call: Call,
    events: Annotated[
        list[dict[str, Any]],
        Field(
            description="in order, each {role: user|assistant|system|tool, content, name?, "
            "created_at?, key? (repeat-safe), tool_calls?, tool_call_id?, tool_name?, arguments?, "
            "error?, provider?, model?, usage?}"
        ),
    ],
) -> dict[str, Any]:
    """Append messages and tool calls to the memory, verbatim. Call it at the end of each turn
    with what the user, you and your tools said, unless the host records for you.
    """
    done = await record(call.memory, call.seat, events)
    return call.answer(
        events=[
            {"event_id": event.event_id, "page_id": event.page_id}
            | ({"duplicate": True} if event.duplicate else {})
            for event in done.events
        ],
        tokens=done.tokens,
        evicted=list(done.evicted) or None,
    )


async def session_stats(
    call: Call,
    include_all_segments: bool | None = None,  # noqa: ARG001 - one segment so far, so all of them
    pages: Annotated[bool | None, Field(description="list the mapped pages")] = None,
) -> dict[str, Any]:
    """Counts of this session: messages, tokens, faults, room left. Call it when a limit or the
    working set matters.
    """
    seat = call.seat
    row = seat.row
    settings = call.memory.settings
    return call.answer(
        title=row.title,
        parent_id=row.parent,
        created_at=iso(row.created_at),
        last_update=iso(row.active_at),
        turn=seat.turn,
        total_messages=row.messages,
        user_messages=row.user_messages,
        ai_messages=row.ai_messages,
        tool_calls=row.tool_calls,
        total_tokens=row.tokens,
        session_segments=row.segment,
        token_usage={
            "total": row.tokens,
            "prompt": row.prompt_tokens,
            "completion": row.completion_tokens,
            "segments": row.segment,
        },
        faults={
            "total": seat.total_faults,
            "this_turn": seat.faults,
            "tokens_this_turn": seat.fault_tokens,
            "per_turn": settings.faults_per_turn,
            "tokens_per_turn": settings.fault_tokens_per_turn,
        },
        working_set={
            "pages": len(seat.set),
            "tokens": seat.set.used,
            "budget": seat.set.budget,
            "pinned_tokens": seat.set.pinned_tokens(),
        },
        pages=[_mapped(page, seat.turn) for page in seat.set.pages()] if pages else None,
    )


def _other(session: Session) -> dict[str, Any]:
    shown = {"session_id": session.id, "title": session.title, "when": iso(session.active_at)}
    return {name: value for name, value in shown.items() if value is not None}


def _mapped(page: Mapped, turn: int) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "page_id": page.page_id,
        "level": page.level,
        "tokens": page.tokens,
        "idle_turns": turn - page.turn,
    }
    if page.is_pinned(turn):
        shown["pinned"] = True
    return shown


TOOLS = (
    Spec(
        session_start,
        "Start or resume a session",
        {"resumed": "boolean", "resume": "object", "sessions": "array"},
        opens=True,
    ),
    Spec(
        session_record,
        "Record events",
        {"events": "array", "tokens": "integer"},
        own_turn=lambda given: any(event.get("role") == "user" for event in given["events"]),
    ),
    Spec(
        session_stats,
        "Session statistics",
        {"total_messages": "integer", "total_tokens": "integer", "token_usage": "object"},
        read_only=True,
        idempotent=True,
    ),
)
