"""What can be read by URI: ``memory://{workspace}/…``, or ``memory://…`` for the server's own.

Everything here is reachable by a tool as well, since in many clients only a person reads
resources.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from ..base import assets
from ..base.clock import iso
from ..base.errors import NotFound
from ..base.event import canonical, clean
from ..base.log import EventAdded
from ..memory.context import MODES, ContextRequest, build, rules_text
from ..memory.faulting import find_page
from ..memory.history import history
from ..memory.levels import at_level
from ..memory.media import blobs_of
from ..stores.contract import Session
from .call_views import CALL_VIEWS
from .metrics import MIME_TYPE, metrics
from .reading import MARKDOWN, TEXT, Bundle, Reading, View
from .tools.pages import log_entry

_MANY = 100  # sessions, events or log lines of one reading


@dataclass(frozen=True, slots=True)
class Located:
    """What a URI names. ``workspace`` None: the server's own; ``path`` has no query."""

    workspace: str | None
    path: str
    view: View
    names: Mapping[str, str]
    query: Mapping[str, str]


def locate(uri: str) -> Located:
    """What the URI names.

    Raises:
        NotFound: no view has this form.
    """
    scheme, _, rest = clean(uri).partition("://")
    path, _, query = rest.partition("?")
    parts = [unquote(part) for part in path.strip("/").split("/")]
    if scheme == "memory":
        for workspace, own in ((None, parts), (parts[0], parts[1:])):
            for view in VIEWS:
                names = view.match(own)
                if names is not None:
                    return Located(workspace, "/".join(own), view, names, dict(parse_qsl(query)))
    message = f"{clean(uri)[:120]!r} is no resource here. memory://guide says what there is"
    raise NotFound(message)


async def _guide(_: Reading) -> str:
    return assets.text("guide.md")


async def _rules(reading: Reading) -> str:
    mode = reading.names["mode"]
    if mode not in MODES:
        message = f"rules of mode {mode[:40]!r}: there are {', '.join(MODES)}"
        raise NotFound(message)
    return rules_text(reading.memory, mode)


async def _sessions(reading: Reading) -> str:
    rows = await reading.memory.store.sessions(reading.workspace, _MANY)
    return canonical({"sessions": [_session_row(row) for row in rows]})


async def _session(reading: Reading) -> str:
    seat = await reading.seat()
    return canonical(
        _session_row(seat.row)
        | {
            "turn": seat.turn,
            "mapped_tokens": seat.set.used,
            "budget_tokens": seat.set.budget,
            "mapped": [page.page_id for page in seat.set.pages()],
        }
    )


async def _manifest(reading: Reading) -> str:
    built = await _built(reading, "relaxed")
    start = built.index("<VM:MANIFEST_JSON>\n") + len("<VM:MANIFEST_JSON>\n")
    return built[start : built.index("\n</VM:MANIFEST_JSON>")]


async def _context(reading: Reading) -> str:
    if not reading.query.get("turn"):
        return await _built(reading, None)
    seat = await reading.seat()
    budget = min(seat.set.budget, reading.memory.settings.reply_tokens)
    from ..memory.travel import context_at  # not at every start

    return await context_at(reading.memory, seat, reading.number("turn", 0), budget)


async def _messages(reading: Reading) -> str:
    seat = await reading.seat()
    budget = reading.number("budget", min(seat.set.budget, reading.memory.settings.reply_tokens))
    name = reading.query.get("format") or "openai_chat"
    from ..memory.messages import build_messages  # not at every start

    built = await build_messages(reading.memory, seat, ContextRequest(budget=budget), name)
    shown = {
        "messages": built.conversation.messages,
        "system": built.conversation.system,
        "tokens": built.tokens,
        "omitted": list(built.omitted),
    }
    return canonical({name: value for name, value in shown.items() if value is not None})


async def _events(reading: Reading) -> str:
    seat = await reading.seat()
    lines = await reading.memory.store.events(
        reading.workspace, seat.row.id, reading.number("after", 0), _MANY
    )
    events = []
    for line in lines:
        operation = line.operation
        if isinstance(operation, EventAdded):
            events.append(await _event(reading, operation) | {"position": line.position})
    return canonical(
        {"events": events, "next": lines[-1].position if len(lines) == _MANY else None}
    )


async def _log(reading: Reading) -> str:
    seat = await reading.seat()
    lines = await reading.memory.store.log(
        reading.workspace, reading.number("after", 0), _MANY, session=seat.row.id
    )
    entries = [log_entry(line) | _page_named(line.operation) for line in lines]
    return canonical({"log": entries, "next": lines[-1].position if len(lines) == _MANY else None})


async def _page(reading: Reading) -> str | Bundle:
    seat = await reading.memory.seat(reading.workspace, "default")
    if reading.query.get("version"):
        past = await history(
            reading.memory, seat, reading.names["page_id"], version=reading.number("version", 1)
        )
        return past.text or ""
    page = await find_page(reading.memory, seat, reading.names["page_id"])
    shown = await at_level(
        reading.memory, reading.workspace, page, min(reading.number("level", 0), 3)
    )
    blobs = shown.images
    if shown.level == 0:
        blobs = tuple(await blobs_of(reading.memory, reading.workspace, page))
    return Bundle(blobs, shown.text) if blobs else shown.text


async def _page_history(reading: Reading) -> str:
    seat = await reading.memory.seat(reading.workspace, "default")
    past = await history(reading.memory, seat, reading.names["page_id"])
    versions = [
        {"version": v.version, "at": iso(v.written_at), "tokens": v.tokens, "source": v.source}
        for v in past.versions
    ]
    log = [log_entry(line) for line in past.lines[-_MANY:]]
    return canonical({"page_id": past.page_id, "versions": versions, "log": log})


async def _health(reading: Reading) -> str:
    from ..memory.health import check  # not at every start

    found = await check(reading.memory, reading.workspace)
    problems = [
        {"what": one.what, "where": one.where, "detail": one.detail, "repair": one.repair}
        for one in found.problems
    ]
    shown: dict[str, Any] = {"status": found.status, "workspace": reading.workspace.id}
    return canonical(
        shown
        | dict(found.counts)
        | {"checked": dict(found.checked)}
        | ({"problems": problems[:_MANY]} if problems else {})
    )


async def _metrics(reading: Reading) -> str:
    return await metrics(reading.memory, reading.workspace.principal)


async def _built(reading: Reading, mode: str | None) -> str:
    seat = await reading.seat()
    budget = min(seat.set.budget, reading.memory.settings.reply_tokens)
    return (await build(reading.memory, seat, ContextRequest(mode=mode, budget=budget))).message


def _session_row(row: Session) -> dict[str, Any]:
    shown = {
        "session_id": row.id,
        "title": row.title,
        "parent_id": row.parent,
        "created_at": iso(row.created_at),
        "last_update": iso(row.active_at),
        "total_messages": row.messages,
        "total_tokens": row.tokens,
    }
    return {name: value for name, value in shown.items() if value is not None}


async def _event(reading: Reading, event: EventAdded) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "event_id": event.event_id,
        "page_id": event.page_id,
        "role": event.role,
        "name": event.name,
        "tool_name": event.tool_name,
        "tool_call_id": event.tool_call_id,
        "created_at": iso(event.created_at) if event.created_at else None,
        "tokens": event.tokens,
    }
    if event.payload is not None:
        kept = await reading.memory.payload(reading.workspace, event.payload)
        shown |= json.loads(kept) if kept else {"forgotten": True}
    return {name: value for name, value in shown.items() if value is not None}


def _page_named(operation: object) -> dict[str, str]:
    page_id = getattr(operation, "page_id", None)
    return {"page_id": page_id} if page_id else {}


VIEWS: Sequence[View] = (
    View("guide", "guide", "How to use this memory", _guide, MARKDOWN),
    View("rules/{mode}", "rules", "The rules of a mode: strict, relaxed, passive", _rules, TEXT),
    View("sessions", "sessions", "The latest sessions of the workspace", _sessions),
    View("sessions/{session_id}", "session", "A session's counts and mapped pages", _session),
    View("sessions/{session_id}/manifest", "manifest", "What is mapped, what is not", _manifest),
    View(
        "sessions/{session_id}/context",
        "context",
        "What context_build gives, or the pages that were mapped when a turn ended",
        _context,
        TEXT,
        query=("turn",),
    ),
    View(
        "sessions/{session_id}/messages",
        "messages",
        "The conversation as messages: openai_chat, openai_responses or anthropic",
        _messages,
        query=("format", "budget"),
    ),
    View(
        "sessions/{session_id}/events",
        "events",
        "What was recorded, in order",
        _events,
        query=("after",),
    ),
    View(
        "sessions/{session_id}/log",
        "log",
        "Every change, in order",
        _log,
        query=("after",),
    ),
    View(
        "pages/{page_id}",
        "page",
        "A page's content",
        _page,
        TEXT,
        query=("level", "version"),
    ),
    View("pages/{page_id}/history", "history", "A page's versions and log", _page_history),
    View("health", "health", "How much is in the store, and whether it fits together", _health),
    View("metrics", "metrics", "Calls, faults and prefetches, as OpenMetrics", _metrics, MIME_TYPE),
    *CALL_VIEWS,
)
