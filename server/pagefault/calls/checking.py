"""Before a call to another tool: references resolved, every guard asked, what is known of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from ..base.call import Call
from ..base.errors import PageForgotten
from ..base.log import BindingsUsed, Judged, Operation
from ..guards.fold import Judgement, judge
from ..guards.guard import Question, Tool
from ..residency import Residency
from . import advice, bindings
from .bindings import Bound
from .core import Calls
from .given import Usually
from .track import Track


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """A call that is about to be made. ``changes``: the tool may change something outside.

    ``max_age``: seconds up to which an answer that this exact call had is offered again.
    """

    call: Call
    tool: Tool = field(default_factory=Tool)
    changes: bool = False
    max_age: float | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """What the guards say, the answer that the call had before, and what experience says.

    ``age``: seconds of that answer.
    """

    judgement: Judgement
    cached: Bound | None
    age: float
    experience: tuple[str, ...]


async def check(calls: Calls, seat: Residency, request: CheckRequest) -> Checked:
    """Judge the call, and count it as running when it may be made.

    Raises:
        StoreError: what the store did.
    """
    track = await calls.track(seat)
    known = await calls.known(seat)
    given = dict(request.call.arguments)
    arguments, used, missing = await bindings.resolved(calls, seat, track, given)
    experience = await calls.learning.experience(seat.workspace)
    said = await advice.before(calls, seat, experience, Call(request.call.tool, arguments))
    now = calls.memory.now()
    question = Question(
        written=request.call,
        arguments=arguments,
        past=track.past,
        now=now,
        tool=request.tool,
        names=bindings.Names(track),
        known=known,
        usual=Usually(experience, request.call.tool, seat.row.id),
    )
    # From here to the count of what is running nothing waits: of many at once, so many pass.
    judgement = judge(question, calls.rules)
    final = Call(request.call.tool, judgement.arguments)
    if judgement.verdict != "block":
        track.past.ask(calls.memory.tools.ids.short(), final, now)
        track.used.update(used)
    else:
        used = ()
    _note(seat, request.call.tool, judgement, used)
    if missing and judgement.verdict != "block":
        said = [f"not resolved: {missing}", *said]
    cached, age = await _cached(calls, seat, track, request, final.digest)
    return Checked(judgement, cached, age, tuple(said))


def _note(seat: Residency, tool: str, judgement: Judgement, used: tuple[int, ...]) -> None:
    """Have the verdicts, and the use of bindings, written behind the reply."""
    lines: list[Operation] = [
        Judged(session=seat.row.id, tool=tool, guard=found.guard, verdict=found.verdict)
        for found in judgement.findings
    ]
    if used:
        lines.append(BindingsUsed(session=seat.row.id, numbers=used))
    if lines:
        seat.decide(partial(_lines, lines=lines))


def _lines(seat: Residency, lines: list[Operation]) -> list[Operation]:  # noqa: ARG001
    return lines


async def _cached(
    calls: Calls, seat: Residency, track: Track, request: CheckRequest, digest: str
) -> tuple[Bound | None, float]:
    """The latest good answer to this exact call, where nothing says that it may be another now."""
    made = track.answered(digest)
    if made is None or request.changes or made.call.changes:
        return None, 0.0
    age = max(0.0, calls.memory.now() - made.at)
    limit = request.max_age if request.max_age is not None else calls.max_age
    if age > limit or track.changed > made.position:
        return None, 0.0
    try:
        value = await calls.value(seat, made.call)
    except PageForgotten:
        return None, 0.0
    return Bound(bindings.binding_of(track, made, value), value), age
