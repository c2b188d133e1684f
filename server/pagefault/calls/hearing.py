"""Calls of other tools as they are recorded: which are new, what they bind, what they fix.

A listener hears every batch of events before it is written. A call that came through another tool
before is not recorded twice; of any other, lines are written with its event, in the same commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..base.call import Call
from ..base.event import Recorded
from ..base.log import Called, Fixed, Operation, SeenAgain
from ..bindings.describing import type_of
from ..bindings.units import unit_of
from ..guards.past import Step, step
from ..memory.hearing import Heard
from ..procedures import fixing, lines
from ..procedures.errors import error_type
from ..procedures.features import of_goal
from ..residency import Residency
from .core import Calls
from .given import given
from .goal import LENGTH, goal_of
from .spoken import Ended, announced, answered, ended, ended_in, with_arguments
from .track import Track

_LATEST = 16  # pages that are looked through for a message that is not at hand


@dataclass(frozen=True, slots=True)
class About:
    """What a caller says of a call beside what is in its event.

    ``took``: seconds; ``changes``: it may have changed something outside.
    """

    aliases: tuple[str, ...] = ()
    unit: str | None = None
    took: float | None = None
    changes: bool = False


@dataclass(frozen=True, slots=True)
class New:
    """A call that was not known before: its line, before it has ids, and what it answered."""

    line: Called
    step: Step
    value: Any


@dataclass(slots=True)
class _Batch:
    """What was heard of a batch so far. A page of the batch is named ``@index`` until written."""

    goal: str
    attempts: list[fixing.Attempt]
    lines: dict[int, list[Called | Fixed]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def placed(self, index: int, event_id: str, page_id: str | None) -> list[Operation]:
        """The lines of an event, now that it is known what stands for its ids."""
        if page_id is None:
            return []  # there is nothing to bind or to learn from
        self.names[f"@{index}"] = page_id
        return [self._named(line, event_id, page_id) for line in self.lines.get(index, ())]

    def _named(self, line: Called | Fixed, event_id: str, page_id: str) -> Operation:
        if isinstance(line, Fixed):
            return replace(line, page_id=page_id, failed=self.names.get(line.failed, line.failed))
        return replace(line, event_id=event_id, page_id=page_id)


class Listener:
    """Hears what comes through one ``door``, by the name of the tool that it is.

    ``latest``: the last new call that it heard of.
    """

    latest: New | None = None

    def __init__(self, calls: Calls, door: str, about: About | None = None) -> None:
        self._calls = calls
        self._door = door
        self._about = about or About()

    async def __call__(self, seat: Residency, events: Sequence[Recorded]) -> Heard:
        """What is to be written with the events, and which of them are known already."""
        if not any(_is_about_calls(event) for event in events):
            return Heard(events)
        track = await self._calls.track(seat)
        batch = _Batch(await goal_of(self._calls, seat), list(track.attempts))
        kept: list[Recorded] = []
        known: dict[int, tuple[str, str | None]] = {}
        seen: dict[int, Called] = {}  # calls that came through another tool before, by position
        for index, event in enumerate(events):
            if event.role == "user" and event.content and not event.answers_calls:
                batch.goal = event.content[:LENGTH]
            for call in announced(event):
                track.announce(call.id, Call(call.name, call.arguments))
            found = await self._ended(seat, track, event)
            for one in found:
                made = step(one.call, one.outcome, self._calls.memory.now(), self._about.took)
                first = track.first_of(self._called(seat, one, made), seat.turn, seen)
                if first is None:
                    lines = await self._lines(seat, batch, one, made, f"@{index}")
                    batch.lines.setdefault(index, []).extend(lines)
                    continue
                seen[first.position] = first.call
                if event.role == "tool":
                    known[index] = (first.call.event_id, first.call.page_id)
            kept.append(with_arguments(event, found[0]) if event.role == "tool" else event)
        again = [
            SeenAgain(session=seat.row.id, event_id=call.event_id, door=self._door, call=call.call)
            for call in seen.values()
        ]
        return Heard(kept, known, again, batch.placed)

    async def _ended(self, seat: Residency, track: Track, event: Recorded) -> list[Ended]:
        if event.role == "tool":
            whole = event.tool_name and "arguments" in event.payload
            asked = None if whole else await self._asked(seat, track, event.tool_call_id)
            return [ended(event, asked)]
        return [
            ended_in(event, call_id, await self._asked(seat, track, call_id))
            for call_id in answered(event)
        ]

    async def _asked(self, seat: Residency, track: Track, call_id: str | None) -> Call | None:
        """The call of that id, from the message that announced it."""
        if call_id is None:
            return None
        if call_id not in track.open:
            for page in await self._latest(seat):
                for call in announced(page):
                    track.announce(call.id, Call(call.name, call.arguments))
        return track.open.get(call_id)

    async def _latest(self, seat: Residency) -> list[Recorded]:
        """The messages of the model among the latest pages, the newest first."""
        memory = self._calls.memory
        pages = await memory.store.recent_pages(seat.workspace, seat.row.id, _LATEST)
        found = []
        for page in sorted(pages, key=lambda page: -page.position):
            if page.role == "assistant" and page.event_id is not None:
                text = await memory.text(seat.workspace, page.content)
                payload = await self._calls.payload(seat.workspace, page)
                found.append(Recorded(page.role, text, page.modality, payload))
        return found

    async def _lines(
        self, seat: Residency, batch: _Batch, one: Ended, made: Step, name: str
    ) -> list[Called | Fixed]:
        """The call's own line, and one for each failure that it says something about."""
        error = "" if one.outcome.ok else error_type(str(one.outcome.value), one.kind)
        line = self._called(seat, one, made, error, of_goal(batch.goal))
        self.latest = New(line, made, one.outcome.value)
        latest = fixing.Attempt(
            event=name,
            tool=one.call.tool,
            arguments=one.call.arguments,
            ok=one.outcome.ok,
            error="" if one.outcome.ok else str(one.outcome.value),
            kind=one.kind,
            goal=batch.goal,
        )
        for place in fixing.open_failures(batch.attempts, latest.tool):
            batch.attempts[place] = await self._whole(seat, batch.attempts[place])
        found = fixing.fixes(batch.attempts, latest, session=seat.row.id, at=made.at)
        batch.attempts.append(latest)
        return [line, *(_fixed(fix) for fix in found)]

    def _called(
        self, seat: Residency, one: Ended, made: Step, error: str = "", goal: tuple[int, ...] = ()
    ) -> Called:
        about = self._about
        ok = one.outcome.ok
        return Called(
            session=seat.row.id,
            event_id="",
            tool=one.call.tool,
            call=made.call,
            answer=made.result,
            ok=ok,
            door=self._door,
            number=0 if ok else None,
            aliases=about.aliases if ok else (),
            type=type_of(one.outcome.value) if ok else None,
            unit=about.unit or (unit_of(one.outcome.value) if ok else None),
            names=tuple(sorted(one.call.arguments)),
            error=error,
            goal=goal,
            given=given(one.call.arguments) if ok else (),
            shapes=tuple(f"{name}:{form}" for name, form in made.shapes),
            fraction=made.number,
            took=about.took,
            changes=about.changes,
            tool_call_id=one.id,
        )

    async def _whole(self, seat: Residency, attempt: fixing.Attempt) -> fixing.Attempt:
        """A failure with its arguments and its error, read from its page."""
        if attempt.arguments or attempt.event.startswith("@"):
            return attempt
        page = await self._calls.page_of(seat.workspace, seat.row.id, attempt.event)
        if page is None:
            return attempt
        text = await self._calls.memory.text(seat.workspace, page.content)
        payload = await self._calls.payload(seat.workspace, page)
        arguments = payload.get("arguments")
        return replace(
            attempt,
            arguments=arguments if isinstance(arguments, dict) else {},
            error=text,
        )


def _is_about_calls(event: Recorded) -> bool:
    return event.role == "tool" or event.answers_calls or any(True for _ in announced(event))


def _fixed(fix: lines.Fixed) -> Fixed:
    return Fixed(
        session=fix.session,
        page_id=fix.fixed,
        failed=fix.failed,
        tool=fix.tool,
        change=fix.keys,
        classes=fix.sig,
        via=fix.via,
        features=fix.features,
        error=fix.error,
        goal=fix.goal,
        worked=fix.worked,
    )
