"""The paging group: faulting, finding, writing, keeping and deleting pages."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ...base.clock import iso
from ...base.errors import PinLimitExceeded
from ...base.log import LogLine, data_of
from ...base.page import Page, Trust, Version
from ...memory.faulting import FaultRequest, fault
from ...memory.forgetting import forget
from ...memory.history import History, history
from ...memory.keeping import pin, release
from ...memory.recall import Quoted, SearchRequest, search
from ...memory.writing import WriteRequest, Written, write
from ..door import Call
from ..effects import effects_of
from ..ranges import clip_text, some
from ..tool import Spec

_RESULTS = 5  # of a search that names no limit: each costs the model some ninety tokens
_HISTORY = 50  # versions, and log lines, of one reply
_NAME = 200  # characters of a name


async def page_fault(
    call: Call,
    page_id: Annotated[str, Field(description="as msg_12, or its key")],
    target_level: Annotated[int | None, Field(description="0 full .. 3 reference")] = None,
    reason: Literal["user_requested_recall", "resolve_reference", "tool_prereq", "speculative"]
    | None = None,
    offset: int | None = None,
    max_tokens: int | None = None,
) -> dict[str, Any]:
    """Read a page and map it. Call it on an id from search_pages or the manifest, before you rely
    on what it says. Long pages: go on at next_offset.
    """
    request = FaultRequest(
        page_id, target_level, reason or "user_requested_recall", offset or 0, max_tokens
    )
    answer = await fault(call.memory, call.seat, request)
    call.notes.extend(answer.notes)
    call.images.extend(answer.images)
    shown = {"level": answer.shown.level, "version": answer.page.version, "content": answer.text}
    reply = call.answer(
        page=_page(call, answer.page) | shown,
        effects={
            "mapped": answer.mapped,
            **effects_of(call, answer.yielded),
            "tokens": answer.shown.tokens,
            "tokens_left": call.seat.set.left,
            "faults_left": answer.quota.faults_left,
        },
        next_offset=answer.next_offset,
    )
    limit = min(call.memory.settings.fault_reply_tokens, call.memory.settings.reply_tokens)
    await clip_text(call, reply, ("page", "content"), limit, offset or 0)
    return reply


async def search_pages(
    call: Call,
    query: Annotated[str, Field(description="words or ids, any language")],
    page_type: str | None = None,
    modality: str | None = None,
    scope: Literal["workspace", "session"] | None = None,
    since: Annotated[str | None, Field(description="ISO date or time")] = None,
    until: str | None = None,
    limit: int | None = None,
    offset: int | None = None,
) -> dict[str, Any]:
    """Find what was said, decided or done, in any session. Call it when the user refers to
    something not in view, and before you say you do not know. page_fault gives a result in full.
    """
    request = SearchRequest(
        query,
        (page_type,) if page_type else (),
        modality,
        scope or "workspace",
        since,
        until,
        _RESULTS if limit is None else limit,
        offset or 0,
    )
    found = await search(call.memory, call.seat, request)
    if found.backlog:
        call.notes.append(f"the index is being rebuilt: {found.backlog} lines are not in it yet")
    filters = {
        "page_type": page_type,
        "modality": modality,
        "scope": scope == "session",
        "since": since,
        "until": until,
    }
    narrow = [name for name, value in filters.items() if value]
    if narrow and not found.results and query.strip():
        call.notes.append(f"nothing found; without {', '.join(narrow)} there may be")
    return call.answer(
        results=[_result(quoted) for quoted in found.results], next=found.next_offset
    )


async def page_write(
    call: Call,
    content: Annotated[Any, Field(description="text, JSON, data URL")],  # noqa: ANN401 - any JSON value
    page_type: str | None = None,
    hint: str | None = None,
    importance: Annotated[float | None, Field(description="0 to 1")] = None,
    pinned: bool | None = None,
    derived_from: list[str] | None = None,
    page_id: Annotated[str | None, Field(description="to revise")] = None,
    represents: Annotated[str | None, Field(description="page it shortens")] = None,
    level: int | None = None,
    key: Annotated[str | None, Field(description="repeats are safe")] = None,
    name: str | None = None,
    modality: str | None = None,
    supersedes: list[str] | None = None,
) -> dict[str, Any]:
    """Keep a decision, fact, preference or result. Call it as soon as one is settled: one matter
    a page, readable alone. page_type: claim (default), summary, artifact, procedure, index,
    transcript.
    """
    request = WriteRequest(
        content,
        page_type or "claim",
        hint,
        importance,
        derived_from or (),
        page_id,
        represents,
        level,
        key,
        name,
        modality,
        supersedes or (),
    )
    written = await write(call.memory, call.seat, request)
    call.notes.extend(written.notes)
    if pinned:
        pinned = await _pinned(call, written.page_id)
    return call.answer(**_written(call, written), pinned=pinned)


async def _pinned(call: Call, page_id: str) -> bool:
    """Pin what was just written; where that is refused the page is kept all the same."""
    try:
        return (await pin(call.memory, call.seat, page_id, pinned=True, turns=None)).pinned
    except PinLimitExceeded as error:
        call.notes.append(f"written, not pinned: {error.message}")
        return False


async def page_pin(
    call: Call, page_id: str, pinned: bool = True, turns: int | None = None
) -> dict[str, Any]:
    """Keep a page mapped, for some turns or until unpinned. Call it on what every answer needs:
    goals, constraints, rules.
    """
    done = await pin(call.memory, call.seat, page_id, pinned=pinned, turns=turns)
    return call.answer(
        page_id=done.page_id,
        pinned=done.pinned,
        until_turn=done.until_turn,
        mapped=done.mapped,
        **_unless_empty(effects_of(call, done.yielded)),
        tokens_left=call.seat.set.left,
        durability=done.obtained,
    )


async def page_evict(
    call: Call,
    page_ids: list[str],
    level: Annotated[int | None, Field(description="demote to 1..3, keep mapped")] = None,
) -> dict[str, Any]:
    """Release mapped pages; they stay stored. Call it when a subject is closed
    and room is short.
    """
    done = await release(call.memory, call.seat, page_ids, level)
    if done.kept:
        why = "pinned, or no smaller at that level" if level else "pinned"
        call.notes.append(f"kept as they are: {why}. page_pin with pinned=false lifts a pin")
    return call.answer(
        evicted=some(call, "evicted", done.evicted),
        demoted=some(call, "demoted", done.demoted) or None,
        kept=some(call, "kept", done.kept) or None,
        tokens_left=call.seat.set.left,
    )


async def page_forget(call: Call, page_id: str, reason: str) -> dict[str, Any]:
    """Delete a page and what derives from it for good, in all versions. Call it only when the
    user asks to.
    """
    gone = await forget(call.memory, call.seat, page_id, reason)
    call.notes.append("final; backups made earlier still hold it")
    return call.answer(forgotten=list(gone.page_ids), durability=gone.obtained)


async def page_history(
    call: Call,
    page_id: str,
    version: Annotated[int | None, Field(description="give its text")] = None,
    diff: Annotated[int | None, Field(description="version to compare")] = None,
    offset: int | None = None,
) -> dict[str, Any]:
    """A page's versions and log, an old text, a difference. Call it when an older state matters
    or statements conflict.
    """
    past = await history(call.memory, call.seat, page_id, version=version, against=diff)
    field = "content" if past.text is not None else "diff"
    text = past.text if past.text is not None else past.difference
    if text is None:
        return _story(call, past)
    reply = call.answer(page_id=past.page_id, version=past.version)
    reply[field] = text[offset or 0 :]
    await clip_text(call, reply, (field,), call.memory.settings.reply_tokens, offset or 0)
    return reply


def _story(call: Call, past: History) -> dict[str, Any]:
    """The latest versions, and the latest log lines that say more than that it was read."""
    lines = [line for line in past.lines if line.operation.kind != "touch"]
    if len(past.versions) > _HISTORY:
        call.notes.append(f"the last {_HISTORY} of {len(past.versions):,} versions")
    return call.answer(
        page_id=past.page_id,
        versions=[_version(call, version) for version in past.versions[-_HISTORY:]],
        log=[log_entry(line) for line in lines[-_HISTORY:]],
        forgotten=past.forgotten or None,
    )


def log_entry(line: LogLine) -> dict[str, Any]:
    """A log line for a reader: what, when, by whom, with the operation's small fields."""
    operation = line.operation
    details = {
        name: value
        for name, value in data_of(operation).items()
        if isinstance(value, str | int | float) and name not in ("content", "hint", "payload")
    }
    entry: dict[str, Any] = {
        "position": line.position,
        "at": iso(line.at),
        "kind": operation.kind,
        "actor": line.actor,
        "turn": line.turn,
    }
    if operation.session is not None:
        entry["session_id"] = operation.session
    return entry | details


def _page(call: Call, page: Page) -> dict[str, Any]:
    """What a model should know of a page beside its content."""
    shown: dict[str, Any] = {
        "page_id": page.page_id,
        "page_type": page.page_type,
        "modality": page.modality,
        "session_id": page.session,
        "role": page.role,
        "created_at": iso(page.created_at or page.recorded_at),
        "tokens": page.tokens,
        "importance": round(page.importance, 2),
        "source": page.source,
        "trust": Trust(page.trust).name.lower(),
        "flagged": page.flagged,
        "derived_from": some(call, "derived_from", page.derived_from) or None,
        "superseded_by": page.superseded_by[-1] if page.superseded_by else None,
        "name": _short(page.name),
        "tool_name": page.tool_name,
        "event_id": page.event_id,
    }
    mapped = call.seat.set.get(page.page_id)
    if mapped is not None and mapped.is_pinned(call.seat.turn):
        shown["pinned"] = True
    return {name: value for name, value in shown.items() if value is not None}


def _unless_empty(effects: dict[str, list[Any]]) -> dict[str, Any]:
    return {name: listed or None for name, listed in effects.items()}


def _short(name: str | None) -> str | None:
    return name if name is None or len(name) <= _NAME else name[: _NAME - 1] + "…"


def _result(quoted: Quoted) -> dict[str, Any]:
    hit = quoted.hit
    shown = {
        "page_id": hit.page_id,
        "page_type": hit.page_type,
        "session_id": quoted.session,
        "role": hit.role,
        "name": _short(hit.name),
        "created_at": None if hit.created_at is None else iso(hit.created_at),
        "score": round(hit.score, 3),
        "snippet": quoted.snippet,
        "superseded_by": quoted.superseded_by,
        "flagged": quoted.flagged,
    }
    return {name: value for name, value in shown.items() if value is not None}


def _written(call: Call, written: Written) -> dict[str, Any]:
    return {
        "page_id": written.page_id,
        "version": written.version,
        "tokens": written.tokens,
        "level": written.level,
        "duplicate": written.duplicate or None,
        "flagged": written.flagged,
        **_unless_empty(effects_of(call, written.yielded)),
        "durability": written.obtained,
    }


def _version(call: Call, version: Version) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "version": version.version,
        "at": iso(version.written_at),
        "tokens": version.tokens,
        "source": version.source,
    }
    if version.flagged:
        shown["flagged"] = version.flagged
    if version.branch != call.seat.row.id:
        shown["session_id"] = version.branch
    return shown


TOOLS = (
    Spec(
        page_fault,
        "Fault a page in",
        {"page": "object", "effects": "object", "next_offset": "integer"},
        read_only=True,
        idempotent=True,
        large=True,
    ),
    Spec(
        search_pages,
        "Search pages",
        {"results": "array", "next": "integer"},
        read_only=True,
        idempotent=True,
    ),
    Spec(
        page_write,
        "Write a page",
        {"page_id": "string", "version": "integer", "tokens": "integer"},
        appends=True,
    ),
    Spec(page_pin, "Pin a page", {"page_id": "string", "pinned": "boolean"}, idempotent=True),
    Spec(page_evict, "Release pages", {"evicted": "array", "demoted": "array"}, idempotent=True),
    Spec(page_forget, "Delete a page for good", {"forgotten": "array"}, destructive=True),
    Spec(
        page_history,
        "A page's history",
        {"page_id": "string", "versions": "array", "log": "array"},
        read_only=True,
        idempotent=True,
    ),
)
