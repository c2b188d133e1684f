"""A conversation that another program kept, into a session."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from ...base.conversation import Conversation, Event, is_empty
from ...base.documents import Broken
from ...base.errors import InvalidArgument
from ...base.event import read_event
from ...ledger import StartRequest, record, start
from ...memory.vetting import notes_of, vetted
from ..setting_up import opened, standing_workspace

if TYPE_CHECKING:
    from ...memory import Memory
    from ...residency import Residency
    from ...stores.contract import Workspace
    from ..setting_up import SetUp
    from .file import JsonFile

_BATCH = 200  # events that happen whole or not at all
_LISTED = 20  # bad lines that are named
_STEM = 60  # characters of the file's name in a session's handle


@dataclass(slots=True)
class _Tally:
    """What was read and what became of it."""

    events: int = 0
    new: int = 0
    tokens: int = 0


async def import_conversation(ready: SetUp, file: JsonFile, as_json: bool) -> None:
    """Record every message of the file; those that an earlier import brought are passed over.

    Raises:
        InvalidArgument: lines that are no messages, each with its place; nothing was imported.
    """
    first, empty, notes = _check(file, ready.resolved.settings.secrets)
    async with opened(ready) as memory:
        workspace = await standing_workspace(ready, memory, create=True)
        handle = ready.resolved.settings.session or _handle(file, first)
        seat = await _session(memory, workspace, handle, file)
        tally = await _record(memory, seat, file)
    _report(seat, tally, empty, notes, as_json=as_json)


def _check(file: JsonFile, secrets: str) -> tuple[Event, int, tuple[str, ...]]:
    """The first event, how many messages are empty, and notes on secrets in them.

    Raises:
        InvalidArgument: something in the file cannot be recorded, or there is nothing in it.
    """
    first: Event | None = None
    empty = 0
    problems: list[str] = []
    found: list[str] = []
    for at, event in _events(file):
        if isinstance(event, Broken):
            problems.append(event.reason)
        elif is_empty(event):
            empty += 1
        else:
            first = first or event
            problems += _problem(event, at, secrets, found)
        if len(problems) >= _LISTED:
            break
    if problems:
        listed = "\n  ".join(problems)
        message = f"{file.path} was not imported, since not all of it can be:\n  {listed}"
        raise InvalidArgument(message)
    if first is None:
        message = f"{file.path} holds no message: nothing to import"
        raise InvalidArgument(message)
    return first, empty, notes_of(found, secrets)


def _problem(event: Event, at: str, secrets: str, found: list[str]) -> list[str]:
    try:
        read_event(event, at)
        found += vetted(event, at, secrets)[1]
    except InvalidArgument as error:
        return [error.message]
    return []


def _events(file: JsonFile) -> Iterator[tuple[str, Event | Broken]]:
    conversation = Conversation()
    for at, value in file.values():
        if isinstance(value, Broken):
            yield at, Broken(f"{at} is no JSON: {value.reason}")
            continue
        try:
            yield from conversation.events(value, at)
        except InvalidArgument as error:
            yield at, Broken(error.message)


def _handle(file: JsonFile, first: Event) -> str:
    """A handle that the same file gets again, also when it has grown."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", file.path.stem)[:_STEM].strip("-.") or "import"
    return f"{stem}-{str(first['key'])[-8:]}"


async def _session(memory: Memory, workspace: Workspace, handle: str, file: JsonFile) -> Residency:
    """The session of that handle, or the "last" one; a new one is called as the file is."""
    known = handle == "last" or await memory.store.session(workspace, handle) is not None
    title = None if known else file.path.name
    started = await start(memory, workspace, StartRequest(session_id=handle, title=title))
    return started.seat


async def _record(memory: Memory, seat: Residency, file: JsonFile) -> _Tally:
    tally = _Tally()
    events = (event for _, event in _events(file) if not isinstance(event, Broken))
    worthy = (event for event in events if not is_empty(event))
    while batch := list(islice(worthy, _BATCH)):
        done = await record(memory, seat, batch, imported=True)
        tally.events += len(batch)
        tally.new += sum(not event.duplicate for event in done.events)
        tally.tokens += done.tokens
    return tally


def _report(
    seat: Residency, tally: _Tally, empty: int, notes: tuple[str, ...], *, as_json: bool
) -> None:
    place, handle = seat.workspace.id, seat.row.id
    if as_json:
        result = {
            "workspace": place,
            "session_id": handle,
            "events": tally.events,
            "new": tally.new,
            "empty": empty,
            "tokens": tally.tokens,
            "notes": list(notes),
        }
        print(json.dumps(result))
        return
    for note in notes:
        print(f"  {note}")
    known = tally.events - tally.new
    print(f"{tally.events:,} events into session {handle} of workspace {place}:")
    print(f"  {tally.new:,} new with {tally.tokens:,} tokens, {known:,} were there already")
    if empty:
        print(f"  {empty:,} messages are empty and were left out")
