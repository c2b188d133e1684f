"""Calls of other tools as they are recorded: which are new, what they bind, what they fix.

A listener hears every batch of events before it is written. A call that came through another tool
before is not recorded twice; of any other, lines are written with its event, in the same commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

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
from .spoken import Ended, announced, answered, ended, ended_in, with_arguments
from .track import Made, Track

_GOAL = 1_000  # characters of the user's message that say what a call is for
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
    """Hears what comes through one ``door``, by the name of the tool that it is."""

    def __init__(self, calls: Calls, door: str, about: About | None = None) -> None:
        self._calls = calls
        self._door = door
        self._about = about or About()

    async def __call__(self, seat: Residency, events: Sequence[Recorded]) -> Heard:
        """What is to be written with the events, and which of them are known already."""
        if not any(_is_about_calls(event) for event in events):
            return Heard(events)
        track = await self._calls.track(seat)
        batch = _Batch(await self._goal(seat), [_attempt(made) for made in track.recent])
        kept: list[Recorded] = []
        known: dict[int, tuple[str, str | None]] = {}
        for index, event in enumerate(events):
            if event.role == "user" and event.content and not event.answers_calls:
                batch.goal = event.content[:_GOAL]
            for call in announced(event):
                track.announce(call.id, Call(call.name, call.arguments))
            found = await self._ended(seat, track, event)
            first = self._known(seat, track, found) if event.role == "tool" else None
            if first is not None:
                known[index] = (first.call.event_id, first.call.page_id)
            else:
                for one in found:
                    batch.lines.setdefault(index, []).extend(
                        await self._lines(seat, batch, one, f"@{index}")
                    )
            kept.append(with_arguments(event, found[0]) if event.role == "tool" else event)
        again = dict.fromkeys(event_id for event_id, _ in known.values())
        seen = [SeenAgain(session=seat.row.id, event_id=name, door=self._door) for name in again]
        return Heard(kept, known, seen, batch.placed)

    def _known(self, seat: Residency, track: Track, found: Sequence[Ended]) -> Made | None:
        """The call that came through another tool before, and is this one."""
        made = self._called(seat, found[0], step(found[0].call, found[0].outcome, 0.0))
        return track.first_of(made, seat.turn)

    async def _ended(self, seat: Residency, track: Track, event: Recorded) -> list[Ended]:
        if event.role == "tool":
            return [ended(event, await self._asked(seat, track, event.tool_call_id))]
        return [
            ended_in(event, call_id, await self._asked(seat, track, call_id))
            for call_id in answered(event)
        ]

    async def _asked(self, seat: Residency, track: Track, call_id: str | None) -> Call | None:
        """The call of that id, from the message that announced it."""
        if call_id is None:
            return None
        if call_id not in track.open:
            for page in await self._latest(seat, "assistant"):
                for call in announced(page):
                    track.announce(call.id, Call(call.name, call.arguments))
        return track.open.get(call_id)

    async def _goal(self, seat: Residency) -> str:
        """What the user said last."""
        latest = await self._latest(seat, "user")
        return (latest[0].content or "")[:_GOAL] if latest else ""

    async def _latest(self, seat: Residency, role: str) -> list[Recorded]:
        """The latest messages of a role, the newest first, as far as they are among the latest."""
        memory = self._calls.memory
        pages = await memory.store.recent_pages(seat.workspace, seat.row.id, _LATEST)
        found = []
        for page in sorted(pages, key=lambda page: -page.position):
            if page.role == role and page.event_id is not None:
                text = await memory.text(seat.workspace, page.content)
                payload = await self._calls.payload(seat.workspace, page)
                found.append(Recorded(role, text, page.modality, payload))
        return found

    async def _lines(
        self, seat: Residency, batch: _Batch, one: Ended, name: str
    ) -> list[Called | Fixed]:
        """The call's own line, and one for each failure that it says something about."""
        now = self._calls.memory.now()
        error = "" if one.outcome.ok else error_type(str(one.outcome.value), one.kind)
        made = step(one.call, one.outcome, now, self._about.took)
        line = self._called(seat, one, made, error, of_goal(batch.goal))
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
        found = fixing.fixes(batch.attempts, latest, session=seat.row.id, at=now)
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


def _attempt(made: Made) -> fixing.Attempt:
    call = made.call
    return fixing.Attempt(str(call.page_id), call.tool, {}, call.ok, kind=call.error or None)


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
