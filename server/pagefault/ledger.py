"""Sessions: opening and resuming them, recording what happens, and counting it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .base.errors import InvalidArgument, SessionNotFound
from .base.event import Recorded, canonical, clean, read_event
from .base.log import EventAdded, Operation, PageAdded, SessionChanged, SessionOpened
from .base.page import PREFIXES
from .base.tokens import Tokenizer
from .memory import Memory
from .memory.behind import settle
from .memory.context import MODES
from .memory.hearing import Heard, Listener
from .memory.mapping import Yielded, page_of
from .memory.media import kept_beside
from .memory.prefetching import digest
from .memory.vetting import kept_out, notes_of, standing_of, vetted
from .memory.writing import map_new, mapped_forms
from .paging.eviction import DEFAULT, POLICIES
from .paging.excerpt import excerpt
from .paging.pictures import blob_tokens
from .paging.resident import Mapped
from .residency import Residency
from .stores.contract import Applied, Commit, Session, Workspace

STANDING = "default"  # the session of those who never open one
BATCH = 1_000  # events of one record
_HANDLE = re.compile(r"[A-Za-z0-9._-]{1,128}")
_SOURCES = {"user": "user", "assistant": "model", "tool": "tool", "system": "system"}
_NAME = 200  # characters of a title or a model's name
_BITS = 50  # of a handle; it is checked with the principal on every call


@dataclass(frozen=True, slots=True)
class StartRequest:
    """How a session is to be opened; ``session_id`` "last" resumes the latest."""

    session_id: str | None = None
    title: str | None = None
    parent_id: str | None = None
    model: str | None = None
    budget: int | None = None
    mode: str | None = None
    policy: str | None = None


@dataclass(frozen=True, slots=True)
class Resume:
    """What a model needs to go on: what is pinned, what is mapped, the last summary."""

    pins: tuple[str, ...]
    mapped: tuple[str, ...]
    summary: tuple[str, str] | None  # (page id, excerpt)


@dataclass(frozen=True, slots=True)
class Started:
    """An open session. ``resumed``: it was there before."""

    seat: Residency
    resumed: bool
    resume: Resume
    others: tuple[Session, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """The ids of one event of a batch; ``duplicate``: its key was recorded before.

    ``flagged``: why its page is not mapped until it is asked for by its id.
    """

    event_id: str
    page_id: str | None
    duplicate: bool
    flagged: str | None = None


@dataclass(frozen=True, slots=True)
class RecordedBatch:
    """What a batch became. ``tokens``: of the events that are new; ``obtained``: see `Applied`.

    ``bindings``: the numbers of the results that were bound, in the order of their events.
    ``notes``: what was found in them.
    """

    events: tuple[RecordedEvent, ...]
    tokens: int
    yielded: Yielded
    obtained: str | None = None
    bindings: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


def check_handle(session_id: str) -> str:
    """The handle, when it is one that may be used.

    Raises:
        SessionNotFound: it has other characters than a handle, or too many.
    """
    if not _HANDLE.fullmatch(session_id):
        message = (
            f"{session_id[:60]!r} cannot be a session: handles are 1 to 128 letters, digits, "
            "'.', '_' or '-'. Call session_start and use the session_id that it returns"
        )
        raise SessionNotFound(message)
    return session_id


async def start(memory: Memory, workspace: Workspace, request: StartRequest) -> Started:
    """Open a new session, or resume one that is there.

    Raises:
        SessionNotFound: the handle or the parent cannot be a session.
        InvalidArgument: a budget, mode or policy that does not exist.
    """
    _check(request)
    handle, notes = await _handle(memory, workspace, request)
    if request.parent_id is not None:
        await _parent(memory, workspace, request.parent_id)
    seat = await memory.seat(workspace, handle)
    resumed = await memory.store.session(workspace, handle) is not None
    operation = _opening(request, handle, resumed=resumed)
    if operation is not None:
        applied = await memory.apply(Commit(workspace, memory.now(), "model", [operation]))
        seat.saw(applied.sessions[handle])
        await seat.refresh()
        settle(memory, seat)  # a smaller budget has let go of pages
    others = await memory.store.sessions(workspace, 6)
    return Started(
        seat,
        resumed,
        await _resume(memory, seat),
        tuple(other for other in others if other.id != handle)[:5],
        tuple(notes),
    )


async def record(
    memory: Memory,
    seat: Residency,
    events: Sequence[Mapping[str, Any]],
    *,
    imported: bool = False,
    listener: Listener | None = None,
) -> RecordedBatch:
    """Append events in order, all or none; make their pages, and map them unless imported.

    ``listener`` is told of the events first, and may have more written with them.

    Raises:
        InvalidArgument: an event is not one, with its place in the batch and what is wrong.
        SecretRefused: an event holds a secret, and the operator lets none in.
    """
    if not 0 < len(events) <= BATCH:
        message = f"events holds {len(events)}: record 1 to {BATCH} at a time, in order"
        raise InvalidArgument(message)
    read, found = _read(memory, events)
    tokenizer = await memory.tokenizer(seat.workspace)
    begins = None if imported else await _beginning(memory, seat, read)
    batch = _Batch(seat, tokenizer, imported=imported)
    heard = Heard(read) if listener is None else await listener(seat, read)
    for index, event in enumerate(heard.events):
        if index in heard.known:
            batch.add_known(*heard.known[index])
        else:
            ids = batch.add(event, begins_turn=index == begins)
            batch.operations.extend(heard.lines(index, *ids))
    batch.operations.extend(heard.again)
    commit = Commit(
        seat.workspace,
        memory.now(),
        "import" if imported else "client",
        [SessionOpened(session=seat.row.id), *batch.operations],
        batch.contents,
        batch.new,
    )
    applied = await memory.apply(commit, behind=seat)
    async with seat.lock:
        seat.saw(applied.sessions[seat.row.id])
        if not imported and any(event.role == "user" for event in read):
            seat.announced = None
        yielded = Yielded()
        if not imported:
            yielded = map_new(seat, await batch.forms(memory, applied)).told(seat)
    answers = batch.answers(applied)
    new = (places for answer, places in zip(answers, found, strict=True) if not answer.duplicate)
    notes = notes_of([place for places in new for place in places], memory.settings.secrets)
    flags = {answer.page_id or "": answer.flagged for answer in answers if answer.flagged}
    if flags:
        notes = (*notes, kept_out(list(flags), next(iter(flags.values()))))
    return RecordedBatch(
        answers,
        batch.tokens(applied),
        yielded,
        applied.obtained,
        applied.bindings,
        notes,
    )


def _read(
    memory: Memory, events: Sequence[Mapping[str, Any]]
) -> tuple[list[Recorded], list[tuple[str, ...]]]:
    """The events as they are to be kept, and the places in each where secrets stand."""
    read, found = [], []
    for index, event in enumerate(events):
        at = f"events[{index}]"
        one = read_event(event, at)
        kept, places = vetted(event, at, memory.settings.secrets)
        read.append(one if kept is event else read_event(kept, at))
        found.append(places)
    return read, found


async def _beginning(memory: Memory, seat: Residency, events: Sequence[Recorded]) -> int | None:
    """Which event begins a turn: the batch's first user message that was not recorded before.

    None when there is none, or context_build began the turn with that very message.
    """
    for index, event in enumerate(events):
        asks = event.role == "user" and not event.answers_calls
        if asks and not await _known(memory, seat, event.key):
            said = event.content or canonical(event.payload)
            return None if seat.announced == digest(said) else index
    return None


async def _known(memory: Memory, seat: Residency, key: str | None) -> bool:
    if key is None:
        return False
    return await memory.store.page_of_key(seat.workspace, seat.row.id, key) is not None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an event's ids stand among those that a batch asks for."""

    event: int
    page: int | None
    tokens: int
    flagged: str | None = None

    def answer(self, applied: Applied) -> RecordedEvent:
        """The event's ids as the store gave them."""
        page_id = None if self.page is None else applied.ids[self.page] or None
        duplicate = self.event in applied.duplicates
        flagged = None if duplicate else self.flagged
        return RecordedEvent(applied.ids[self.event], page_id, duplicate, flagged)


class _Batch:
    """Turns events into operations with placeholders, and the store's answer into ids."""

    def __init__(self, seat: Residency, tokenizer: Tokenizer, *, imported: bool) -> None:
        self.seat = seat
        self.tokenizer = tokenizer
        self.imported = imported
        self.operations: list[Operation] = []
        self.contents: list[bytes] = []
        self.new: list[str] = []
        self._places: list[_Place | RecordedEvent] = []
        self._pages: list[tuple[int, PageAdded]] = []

    def add_known(self, event_id: str, page_id: str | None) -> None:
        """One event that was recorded before."""
        self._places.append(RecordedEvent(event_id, page_id, duplicate=True))

    def add(self, event: Recorded, *, begins_turn: bool) -> tuple[str, str | None]:
        """One event, and its page when it has content; what stands for their ids."""
        slot = self._slot("evt")
        page_slot = None if event.content is None else self._slot(PREFIXES[event.page_type])
        text = event.content or canonical(event.payload)
        tokens = self.tokenizer.count(text)
        tokens += blob_tokens(event.media.blobs) if event.media else 0
        source = "import" if self.imported else _SOURCES[event.role]
        trust, flagged = standing_of(source, event.content)
        self._places.append(_Place(slot, page_slot, tokens, flagged))
        payload = self._keep(canonical(event.payload)) if event.payload else None
        self.operations.append(
            EventAdded(
                session=self.seat.row.id,
                event_id=f"+{slot}",
                page_id=None if page_slot is None else f"+{page_slot}",
                role=event.role,
                begins_turn=begins_turn,
                name=event.name,
                key=event.key,
                payload=payload,
                created_at=event.created_at,
                tokens=tokens,
                counted="reported" if event.usage else self.tokenizer.name,
                tool_call_id=event.tool_call_id,
                tool_name=event.tool_name,
                provider=event.provider,
                model=event.model,
                usage=event.usage,
            )
        )
        if page_slot is not None:
            standing = (source, trust, flagged)
            added = self._page(event, (slot, page_slot), payload, tokens, standing)
            self.operations.append(added)
            self._pages.append((page_slot, added))
        return f"+{slot}", None if page_slot is None else f"+{page_slot}"

    async def forms(self, memory: Memory, applied: Applied) -> list[tuple[Mapped, Mapped | None]]:
        """The new pages as they could be mapped."""
        return [
            await mapped_forms(memory, self.seat, page_of(added, applied.ids[slot]))
            for slot, added in self._pages
            if slot not in applied.duplicates and added.flagged is None
        ]

    def answers(self, applied: Applied) -> tuple[RecordedEvent, ...]:
        """The ids in the order of the events."""
        return tuple(
            place if isinstance(place, RecordedEvent) else place.answer(applied)
            for place in self._places
        )

    def tokens(self, applied: Applied) -> int:
        """Tokens of the events that were new."""
        new = (place for place in self._places if isinstance(place, _Place))
        return sum(place.tokens for place in new if place.event not in applied.duplicates)

    def _page(
        self,
        event: Recorded,
        slots: tuple[int, int],
        payload: int | None,
        tokens: int,
        standing: tuple[str, int, str | None],
    ) -> PageAdded:
        slot, page_slot = slots
        source, trust, flagged = standing
        content = self._keep(event.content or "")
        beside = [self._keep(data) for data in kept_beside(event.media)]
        return PageAdded(
            session=self.seat.row.id,
            page_id=f"+{page_slot}",
            page_type=event.page_type,
            modality=event.modality,
            content=content,
            tokens=tokens,
            size=sum(len(self.contents[-1 - kept]) for kept in (content, *beside)),
            source=source,
            trust=trust,
            role=event.role,
            name=event.name,
            key=event.key,
            created_at=event.created_at,
            event_id=f"+{slot}",
            payload=payload,
            tool_call_id=event.tool_call_id,
            tool_name=event.tool_name,
            blobs=tuple(beside),
            flagged=flagged,
        )

    def _slot(self, prefix: str) -> int:
        self.new.append(prefix)
        return len(self.new) - 1

    def _keep(self, content: str | bytes) -> int:
        self.contents.append(content.encode() if isinstance(content, str) else content)
        return -len(self.contents)


async def _handle(
    memory: Memory, workspace: Workspace, request: StartRequest
) -> tuple[str, list[str]]:
    if request.session_id == "last":
        latest = await memory.store.sessions(workspace, 1)
        if latest:
            return latest[0].id, []
        note = "no earlier session in this workspace: this one is new"
        return memory.tools.ids.handle(_BITS), [note]
    if request.session_id is None:
        return memory.tools.ids.handle(_BITS), []
    return check_handle(request.session_id), []


async def _parent(memory: Memory, workspace: Workspace, parent: str) -> None:
    if await memory.store.session(workspace, parent) is None:
        message = (
            f"parent_id {parent[:60]!r} is no session of this workspace. Leave it out, or use a "
            "session_id that session_start returned"
        )
        raise SessionNotFound(message)


def _opening(request: StartRequest, handle: str, *, resumed: bool) -> Operation | None:
    settings: dict[str, Any] = {
        "title": None if request.title is None else clean(request.title),
        "model": None if request.model is None else clean(request.model),
        "budget": request.budget,
        "mode": request.mode,
        "policy": request.policy,
    }
    if not resumed:
        return SessionOpened(session=handle, parent=request.parent_id, **settings)
    if any(value is not None for value in settings.values()):
        return SessionChanged(session=handle, **settings)
    return None


async def _resume(memory: Memory, seat: Residency) -> Resume:
    mapped = seat.set.pages()
    pinned = tuple(page.page_id for page in mapped if page.is_pinned(seat.turn))
    summary = await memory.store.latest_page(seat.workspace, seat.row.id, "summary")
    said = None
    if summary is not None and summary.flagged is None:
        text = await memory.text(seat.workspace, summary.content)
        said = (summary.page_id, excerpt(text, 600))
    return Resume(pinned, tuple(page.page_id for page in mapped), said)


def _check(request: StartRequest) -> None:
    for name, given in (("title", request.title), ("model", request.model)):
        if given is not None and len(given) > _NAME:
            message = f"{name} has {len(given):,} characters: use at most {_NAME}"
            raise InvalidArgument(message)
    if request.budget is not None and not 100 <= request.budget <= 10_000_000:
        message = f"budget_tokens is {request.budget}: give 100 to 10,000,000"
        raise InvalidArgument(message)
    if request.mode is not None and request.mode not in MODES:
        message = f"mode is {request.mode[:40]!r}: use one of {', '.join(MODES)}"
        raise InvalidArgument(message)
    if request.policy is not None and request.policy not in (*POLICIES, DEFAULT):
        message = (
            f"policy is {request.policy[:40]!r}: use one of {', '.join(POLICIES)}, or {DEFAULT} "
            "for this server's own. A module:name can be set by the operator alone (--policy)"
        )
        raise InvalidArgument(message)
