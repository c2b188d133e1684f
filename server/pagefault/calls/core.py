"""What every verb about calls stands on: sessions' tracks, workspaces' experience, the rules."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio

from ..base.errors import PageForgotten
from ..base.log import Called, EventAdded, LogLine
from ..base.page import Page
from ..bindings.stated import Stated, stated
from ..guards.known import Known, Source
from ..guards.presets import chosen
from ..guards.rules import Rules
from ..memory import Memory
from ..residency import Residency
from ..stores.contract import Workspace
from .learning import Learning
from .spoken import value_of
from .track import Track

_TRACKS = 128  # sessions whose calls this process keeps at hand
_PIECE = 500  # lines read at once
_STATED = 256  # names of a session that have a stated value
_STATED_IN = 20_000  # characters of a text that are read for them
_SOURCES: Mapping[str, Source] = {"user": "user", "system": "rule"}
_TOLD = 1_000  # latest events of a session whose values are read when it is first looked at


@dataclass(slots=True)
class Session:
    """A session's calls, and the values it has seen as far as the log position ``told``.

    ``known`` is None until a check asks for it. ``stated``: the values that users and the model
    have given a name, each with the page where that stands. ``looked``: the turn in which it was
    last looked for what keeps working. ``asked``: the page of the user's last message, as it was
    when there were ``asked_at`` of them.
    """

    track: Track
    known: Known | None = None
    told: int = 0
    stated: dict[str, tuple[Stated, str]] = field(default_factory=dict)
    looked: int = 0
    asked: str | None = None
    asked_at: int = -1
    telling: anyio.Lock = field(default_factory=lambda: anyio.Lock(fast_acquire=True))


class Calls:
    """To be made once for a memory. ``rules``: else those that its settings say; ``max_age``:
    seconds for which an answer is offered again.
    """

    def __init__(self, memory: Memory, rules: Rules | None = None, max_age: float = 300.0) -> None:
        given = memory.settings
        self.memory = memory
        self.rules = rules or chosen(
            given.guards, per_turn=given.calls_per_turn, running=given.calls_running
        )
        self.max_age = max_age
        self.learning = Learning(memory)
        self._sessions: OrderedDict[tuple[int, str], Session] = OrderedDict()
        self._forgets = 0

    async def track(self, seat: Residency) -> Track:
        """The session's calls, with every one that was acknowledged before this call."""
        track = self.session(seat).track
        while True:
            lines = await self.memory.store.calls(
                seat.workspace, seat.row.id, track.reached, _PIECE
            )
            for line in lines:
                if line.position > track.reached:  # another call may have read it meanwhile
                    track.fold(line)
            if len(lines) < _PIECE:
                track.turn(seat.turn, heard=seat.row.user_messages > 0)
                return track

    def begins_looking(self, seat: Residency) -> bool:
        """Whether the session's turn is one in which nobody has looked for procedures yet."""
        session = self.session(seat)
        begins = seat.turn > session.looked
        session.looked = max(session.looked, seat.turn)
        return begins

    async def known(self, seat: Residency) -> Known | None:
        """The values that users, tools and operators have named; None where no user was heard.

        What was said before the latest thousand events is not read: the rest then says that it is
        not the whole.
        """
        if not seat.row.user_messages:
            return None
        self._forget()
        session = self.session(seat)
        async with session.telling:  # else another check might judge by half of what was said
            known = session.known
            if known is None:
                known = session.known = Known()
                session.told = await self._late_enough(seat, known)
            while True:
                lines = await self.memory.store.events(
                    seat.workspace, seat.row.id, session.told, _PIECE
                )
                for line in lines:
                    await self._tell(seat, session, known, line)
                    session.told = line.position
                if len(lines) < _PIECE:
                    return known

    async def stated(self, seat: Residency, name: str) -> tuple[Stated, str] | None:
        """The value that was last stated under a name, and its page; `known` must have been asked.

        None where there is none, or the page was deleted for good.
        """
        found = self.session(seat).stated.get(name)
        if found is None or await self.page_of(seat.workspace, seat.row.id, found[1]) is None:
            return None
        return found

    async def page_of(self, workspace: Workspace, session: str, page_id: str) -> Page | None:
        """A call's page as the session reads it; None where it is gone."""
        try:
            return await self.memory.store.page(workspace, page_id, session)
        except PageForgotten:
            return None

    async def payload(self, workspace: Workspace, page: Page) -> dict[str, Any]:
        """What was recorded beside the page's text: arguments, error, calls."""
        if page.payload is None:
            return {}
        kept = await self.memory.payload(workspace, page.payload)
        return dict(json.loads(kept)) if kept else {}

    async def value(self, seat: Residency, call: Called) -> Any:  # noqa: ANN401 - any JSON value
        """What a call answered, as the JSON value that it is.

        Raises:
            PageForgotten: it was deleted for good.
        """
        if call.page_id is None:
            return None
        page = await self.memory.store.page(seat.workspace, call.page_id, seat.row.id)
        if page is None:
            return None
        text = await self.memory.text(seat.workspace, page.content)
        return value_of(text, page.modality, call.tool_call_id)

    def session(self, seat: Residency) -> Session:
        """What this process has at hand of the session."""
        key = (seat.workspace.key, seat.row.id)
        session = self._sessions.get(key)
        if session is None:
            session = self._sessions[key] = Session(Track())
            if len(self._sessions) > _TRACKS:
                self._sessions.popitem(last=False)
        self._sessions.move_to_end(key)
        return session

    def _forget(self) -> None:
        """After pages were deleted for good: nothing is known of what their words were."""
        if self._forgets != self.memory.forgets:
            self._forgets = self.memory.forgets
            for session in self._sessions.values():
                session.known, session.told, session.stated = None, 0, {}

    async def _late_enough(self, seat: Residency, known: Known) -> int:
        """The position behind which there are no more events than are to be read."""
        lines: list[LogLine] = []
        after = 0
        while True:
            piece = await self.memory.store.events(seat.workspace, seat.row.id, after, _PIECE)
            lines = [*lines, *piece][-_TOLD - 1 :]
            if len(piece) < _PIECE:
                break
            after = piece[-1].position
        if len(lines) <= _TOLD:
            return 0
        known.whole = False
        return lines[0].position

    async def _tell(self, seat: Residency, session: Session, known: Known, line: LogLine) -> None:
        event = line.operation
        if not isinstance(event, EventAdded) or not event.page_id:
            return
        page = await self.page_of(seat.workspace, seat.row.id, event.page_id)
        if page is None:
            return
        text = await self.memory.text(seat.workspace, page.content)
        if event.role == "assistant":
            known.mention(text)
        else:
            known.tell(text, _SOURCES.get(event.role, "result"))
        if event.role in ("user", "assistant"):
            _state(session.stated, text[:_STATED_IN], event.page_id)


def _state(known: dict[str, tuple[Stated, str]], text: str, page_id: str) -> None:
    """Take in the values that a text states, the latest last."""
    for one in stated(text):
        known.pop(one.name, None)
        known[one.name] = (one, page_id)
    while len(known) > _STATED:
        del known[next(iter(known))]
