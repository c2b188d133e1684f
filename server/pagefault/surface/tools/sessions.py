"""The session group: opening, recording, counting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from mcp.server.mcpserver import Context
from pydantic import Field

from ... import calls
from ...base.clock import iso
from ...base.errors import InvalidArgument
from ...ledger import RecordedEvent, Resume, StartRequest, record, start
from ...memory.measures import measure
from ...paging.excerpt import excerpt
from ...paging.past import Place
from ...paging.prefetch import SPECULATIVE
from ...paging.pressure import Pressure
from ...paging.resident import Mapped
from ...paging.tally import Tally
from ...residency import Residency
from ...stores.contract import Session, Workspace
from ..door import LATEST, Call, Door
from ..effects import effects_of
from ..ranges import some
from ..tool import Spec
from ..transport.principal import principal_of
from .calls import told_of_procedures

_PERSON = ("user", "human")  # the roles whose messages begin a turn
_TITLE = 120  # characters of a title


async def session_start(
    call: Door,
    context: Context[Any, Any],
    session_id: Annotated[str | None, Field(description='handle to resume, or "last"')] = None,
    title: str | None = None,
    workspace: str | None = None,
    parent_id: str | None = None,
    model: str | None = None,
    budget_tokens: int | None = None,
    mode: str | None = None,
    policy: str | None = None,
) -> tuple[Call, dict[str, Any]]:
    """Open or resume this conversation's memory. Call it first, once a conversation, and pass
    the session_id it returns to every other call.
    """
    principal = principal_of(context)
    own = await call.workspace(principal, workspace)
    home = own
    if session_id and session_id != LATEST:
        home = await call.home(principal, own, session_id)
    if workspace and home is not own:
        message = (
            f"session {session_id!r} lives in workspace {home.id!r}. Leave workspace out to resume "
            f"it there, or session_id to begin a new one in {own.id!r}"
        )
        raise InvalidArgument(message)
    request = StartRequest(session_id or None, title, parent_id, model, budget_tokens, mode, policy)
    started = await start(call.memory, home, request)
    here = Call(call.memory, home, started.seat, list(started.notes), call)
    here.notes.extend(_of_workspace(home, own))
    return here, here.answer(
        resumed=started.resumed,
        title=_title(started.seat.row),
        turn=started.seat.turn or None,
        budget_tokens=started.seat.set.budget,
        policy=started.seat.row.policy,
        resume=_resume(here, started.resume) if started.resumed else None,
        sessions=[_other(session) for session in started.others],
    )


def _of_workspace(home: Workspace, own: Workspace) -> Iterator[str]:
    """What a caller would not expect of the workspace."""
    if home is not own:
        yield f"this session lives in workspace {home.id!r}, not in this server's, {own.id!r}"
    if home.renamed_from is not None:
        yield (
            f"the workspace name {home.renamed_from!r} was taken by another repository: "
            f"this one is {home.id!r}"
        )


def _resume(call: Call, resume: Resume) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "pins": some(call, "pins", resume.pins),
        "mapped": some(call, "mapped", resume.mapped[::-1]),
    }
    if resume.summary is not None:
        page_id, text = resume.summary
        shown["last_summary"] = {"page_id": page_id, "text": text}
    return shown


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
    """Record messages and tool calls, verbatim. Call it at the end of each turn with what the
    user, you and your tools said, unless the host records for you.
    """
    about_calls = any(map(_may_be_about_calls, events))
    listener = calls.Listener(call.calls, "session_record") if about_calls else None
    done = await record(call.memory, call.seat, events, listener=listener)
    call.notes.extend(done.notes)
    bound: Mapping[str, int] = {}
    if done.bindings:
        bound = await calls.bound_to(call.calls, call.seat, done.bindings)
        await told_of_procedures(call)
    return call.answer(
        events=[_recorded(event, bound) for event in done.events],
        tokens=done.tokens,
        evicted_count=len(done.yielded.evicted) or None,  # all their ids would be dear
        demoted=effects_of(call, done.yielded)["demoted"] or None,
        durability=done.obtained,
    )


def _may_be_about_calls(event: Mapping[str, Any]) -> bool:
    """Whether an event may hold calls of tools or their results, in any API's shape."""
    spoken = event.get("role") in ("user", "assistant", "system")
    return not spoken or bool(event.get("tool_calls")) or isinstance(event.get("content"), list)


def _recorded(event: RecordedEvent, bound: Mapping[str, int]) -> dict[str, Any]:
    shown: dict[str, Any] = {"event_id": event.event_id, "page_id": event.page_id}
    if event.event_id in bound:
        shown["binding"] = f"$v{bound[event.event_id]}"
    if event.duplicate:
        shown["duplicate"] = True
    if event.flagged:
        shown["flagged"] = event.flagged
    return shown


async def session_stats(
    call: Call,
    include_all_segments: bool | None = None,  # noqa: ARG001 - one segment so far, so all of them
    pages: Annotated[bool | None, Field(description="list mapped pages")] = None,
    turn: Annotated[int | None, Field(description="list those then")] = None,
    since_turn: Annotated[int | None, Field(description="tell changes")] = None,
) -> dict[str, Any]:
    """Counts of this session: messages, tokens, faults, room left. Call it when a limit or
    room matters.
    """
    seat = call.seat
    past = None if turn is None else await _stood(call, turn)
    changed = None if since_turn is None else await _changed(call, since_turn, turn)
    row = seat.row
    settings = call.memory.settings
    measured = await measure(call.memory, seat)
    totals = await call.memory.store.totals(seat.workspace)
    return call.answer(
        title=_title(row),
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
        }
        | _required(settings.fault_confidence)
        | _faults(measured.tally),
        working_set={
            "pages": len(seat.set),
            "tokens": seat.set.used,
            "budget": seat.set.budget,
            "pinned_tokens": seat.set.pinned_tokens(),
            "active_tokens": measured.active_tokens,
        }
        | _evictions(seat, measured.tally),
        prefetch=_prefetch(measured.tally),
        pressure=_pressure(measured.pressure),
        guards=_guards(await call.calls.track(seat)),
        counted_after=measured.since or None,  # faults by reason and what follows them
        archived_pages=totals["archived"] or None,  # of the workspace
        at_turn=turn,
        pages=past if past is not None or not pages else _now(call),
        changes=changed,
    )


def _guards(track: calls.Track) -> dict[str, dict[str, int]] | None:
    """How often each guard has warned of a call of this session, repaired or stopped one."""
    counted: dict[str, dict[str, int]] = {}
    for (guard, verdict), times in sorted(track.verdicts.items()):
        counted.setdefault(guard, {})[verdict] = times
    return counted or None


def _required(confidence: str) -> dict[str, str]:
    """How sure a fault has to be, where any old one is not enough."""
    return {} if confidence == SPECULATIVE else {"confidence": confidence}


def _faults(tally: Tally) -> dict[str, Any]:
    """Where the model asked for pages: why, and how many were mapped already."""
    if tally.hit_rate is None:
        return {}
    return {
        "by_reason": {reason: n for reason, n in tally.faults.items() if n},
        "hits": tally.hits,
        "hit_rate": round(tally.hit_rate, 3),
    }


def _evictions(seat: Residency, tally: Tally) -> dict[str, Any]:
    """How many pages had to go, and of those that went lately, the share that came back."""
    if not tally.evictions:
        return {}
    return {"evictions": tally.evictions, "thrash": round(seat.set.learned.thrash.index, 3)}


def _pressure(found: Pressure) -> dict[str, Any]:
    causes = {"causes": list(found.causes)} if found.causes else {}
    return {"level": found.level} | causes


def _prefetch(tally: Tally) -> dict[str, int] | None:
    if not tally.prefetched:
        return None
    return {
        "pages": tally.prefetched,
        "hits": tally.prefetch_hits,
        "waste": tally.prefetch_waste,
        "unread": tally.unread,
    }


def _now(call: Call) -> list[dict[str, Any]]:
    return [_mapped(page, call.seat.turn) for page in call.seat.set.pages()[::-1]]


async def _stood(call: Call, turn: int) -> list[dict[str, Any]]:
    """The pages that were mapped when a turn ended, the latest mapped first."""
    from ...memory.travel import at_turn  # not at every start

    past = await at_turn(call.memory, call.seat, turn)
    if turn > call.seat.turn:
        call.notes.append(f"turn {turn} has not begun: the session is at turn {call.seat.turn}")
    shown = [_placed(page_id, place) for page_id, place in past.mapped.items()]
    for page in shown:
        until = past.pins.get(page["page_id"], -1)
        if until is None or until >= turn:
            page["pinned"] = True
    return shown[::-1]


async def _changed(call: Call, since: int, turn: int | None) -> dict[str, Any]:
    """What changed from the end of one turn to that of another, or until now."""
    until = call.seat.turn if turn is None else turn
    from ...memory.travel import between  # not at every start

    changed = await between(call.memory, call.seat, since, until)
    found: dict[str, list[Any]] = {
        "mapped": [_placed(page_id, place) for page_id, place in changed.mapped.items()],
        "released": list(changed.released),
        "shown": [
            _placed(page_id, now) | {"was_level": was.level, "was_version": was.version}
            for page_id, (was, now) in changed.shown.items()
        ],
        "pinned": list(changed.pinned),
        "unpinned": list(changed.unpinned),
        "written": [
            {"page_id": page_id, "version": version} for page_id, version in changed.written.items()
        ],
    }
    return {name: listed for name, listed in found.items() if listed}


def _placed(page_id: str, place: Place) -> dict[str, Any]:
    return {
        "page_id": page_id,
        "level": place.level,
        "tokens": place.tokens,
        "version": place.version,
    }


def _title(session: Session) -> str | None:
    return None if session.title is None else excerpt(session.title, _TITLE)


def _other(session: Session) -> dict[str, Any]:
    shown = {"session_id": session.id, "title": _title(session), "when": iso(session.active_at)}
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
        appends=True,
        own_turn=lambda given: any(event.get("role") in _PERSON for event in given["events"]),
    ),
    Spec(
        session_stats,
        "Session statistics",
        {"total_messages": "integer", "total_tokens": "integer", "token_usage": "object"},
        read_only=True,
        idempotent=True,
    ),
)
