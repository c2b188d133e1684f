"""The log's vocabulary: every change of a memory is one of these operations.

A log line records a decision ("page X evicted", "level 3 = this content"), never the inputs of
one, so that folding the lines needs no policy, compressor, tokenizer or clock. Text is never in
a line: ``content``, ``hint`` and ``payload`` are content ids, and so are ``blobs``: what a page
holds beside its text. Equal bytes among those are kept once, as long as a page holds them.

An operation in a commit may hold placeholders: ``+0`` stands for the first id that the commit
asks for, and the content id ``-1`` for its first new content. The store puts the real ones in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar

HERE = -1  # `SessionOpened.forked_at` in a commit: the position that the line itself gets


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One decision. ``session`` is the handle it belongs to, if any."""

    kind: ClassVar[str]
    durable: ClassVar[bool] = True
    session: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOpened(Operation):
    """A session exists from here on.

    ``forked_at`` makes it a fork: it reads its parent as it was at that log position, and goes on
    from the parent's turn and counters, and from its settings where it names none.
    """

    kind = "session"
    title: str | None = None
    parent: str | None = None
    forked_at: int | None = None
    model: str | None = None
    budget: int | None = None
    mode: str | None = None
    policy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionChanged(Operation):
    """The settings of a session that were named anew; None leaves one as it was."""

    kind = "session_changed"
    title: str | None = None
    model: str | None = None
    budget: int | None = None
    mode: str | None = None
    policy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventAdded(Operation):
    """One line of what happened. ``begins_turn`` advances the session's turn by one first."""

    kind = "event"
    event_id: str
    role: str
    begins_turn: bool = False
    page_id: str | None = None
    name: str | None = None
    key: str | None = None
    payload: int | None = None
    created_at: float | None = None
    tokens: int = 0
    counted: str = "estimate"
    tool_call_id: str | None = None
    tool_name: str | None = None
    provider: str | None = None
    model: str | None = None
    usage: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PageAdded(Operation):
    """A page and its first version. ``flagged``: why it is kept out of contexts (`base.page`)."""

    kind = "page"
    page_id: str
    page_type: str
    modality: str
    content: int
    tokens: int
    size: int
    source: str
    trust: int
    importance: float = 0.5
    role: str | None = None
    name: str | None = None
    key: str | None = None
    hint: int | None = None
    created_at: float | None = None
    event_id: str | None = None
    payload: int | None = None
    tool_call_id: str | None = None
    tool_name: str | None = None
    derived_from: tuple[str, ...] = ()
    blobs: tuple[int, ...] = ()
    flagged: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionAdded(Operation):
    """A further version of a page, on the branch of the session that wrote it.

    ``version`` 0 in a commit stands for the page's next number.
    """

    kind = "version"
    page_id: str
    version: int
    parent: int
    modality: str
    content: int
    tokens: int
    size: int
    source: str
    trust: int
    importance: float = 0.5
    key: str | None = None
    hint: int | None = None
    derived_from: tuple[str, ...] = ()
    blobs: tuple[int, ...] = ()
    flagged: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverted(Operation):
    """The session reads this earlier version of a page from here on; later ones stay written."""

    kind = "revert"
    page_id: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Superseded(Operation):
    """The session reads ``by`` in the page's place from here on; None: the page itself again.

    The page stays readable. The line does not count any more once ``by`` is forgotten.
    """

    kind = "supersede"
    page_id: str
    by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Represented(Operation):
    """A level of a version's content, in the words of ``origin``."""

    kind = "represent"
    page_id: str
    version: int
    level: int
    origin: str
    content: int
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected(Operation):
    """These contents are gone, and the levels of the page that they were: nobody reads them.

    They are only ever computed levels, remains of a forgotten page, or, without a ``page_id``,
    contents that no line names: what was said or done is in none of them.
    """

    kind = "collect"
    durable = False
    contents: tuple[int, ...]
    page_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived(Operation):
    """Nobody has used the page for long: it is kept small, and found behind all that is not so.

    It reads, faults and exports as before.
    """

    kind = "archive"
    page_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unarchived(Operation):
    """The page was used again, and is no longer archived."""

    kind = "unarchive"
    durable = False
    page_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned(Operation):
    """The page is kept mapped in the session, or no longer; ``until_turn`` None is for good."""

    kind = "pin"
    page_id: str
    pinned: bool
    until_turn: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten(Operation):
    """The page's content is gone for good; this line is its tombstone."""

    kind = "forget"
    page_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpointed(Operation):
    """This position of the log has a name in the session, by which it can be restored.

    ``pages`` are mapped there, ``tokens`` in all. ``automatic``: a restore wrote it first.
    ``policy``: the session's own eviction policy, if it had one. ``payload``: how each is mapped
    and pinned (`paging.past.kept`), which the lines before it tell as well, at the cost of reading
    them all.
    """

    kind = "checkpoint"
    name: str
    pages: int
    tokens: int
    automatic: bool = False
    policy: str | None = None
    payload: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored(Operation):
    """The session goes back to a checkpoint: by the lines of the same commit that follow.

    ``to``: the position that has the name. What was bound since then is bound no longer.
    """

    kind = "restore"
    name: str
    to: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended(Operation):
    """What the store kept of the session was not what its log says, and is so again."""

    kind = "mend"
    found: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnBegan(Operation):
    """A turn of the session begins without a recorded message; ``cause`` says why."""

    kind = "turn"
    durable = False
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Faulted(Operation):
    """A model asked for a page that was not mapped so; ``tokens`` of it went into the reply.

    It spends the turn's quota. ``more``: a further range of a page whose fault was counted.
    """

    kind = "fault"
    durable = False
    page_id: str
    reason: str
    tokens: int
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultedIn(Operation):
    """The page is mapped in the session at a level."""

    kind = "fault_in"
    durable = False
    page_id: str
    version: int
    level: int
    tokens: int
    reason: str
    protected_until: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Demoted(Operation):
    """A mapped page is shown at another level from here on.

    Somebody asked for it, and so used the page; else ``cause`` says for what it had to be, and it
    was last used when it was: "idle", or the page that needed the room.
    """

    kind = "demote"
    durable = False
    page_id: str
    level: int
    tokens: int
    cause: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evicted(Operation):
    """The page is no longer mapped in the session."""

    kind = "evict"
    durable = False
    page_id: str
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched(Operation):
    """A mapped page was used again: read, or for a ``reason``, as by a message that names it."""

    kind = "touch"
    durable = False
    page_id: str
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Called(Operation):
    """A call of another tool has ended: the event ``event_id``, with what it answered as a page.

    ``call`` stands for tool and arguments, ``answer`` for what came of it in what it has in common
    with like answers: both are digests. ``number`` binds the result to ``$v<number>``; 0 in a
    commit stands for the session's next, None binds nothing. ``door``: through which tool it was
    recorded first. ``changes``: it was marked as changing something. ``took``: seconds.
    ``error``: the type of its error; ``goal``: numbers that stand for the words it was made for.
    ``shapes``: what the identifiers among its arguments look like, as guards write it; ``given``:
    numbers that stand for the single values among them. ``fraction``: its answer where that is a
    finite number with a fraction.
    """

    kind = "call"
    event_id: str
    tool: str
    call: str
    answer: str
    ok: bool
    door: str
    page_id: str | None = None
    number: int | None = None
    aliases: tuple[str, ...] = ()
    type: str | None = None
    unit: str | None = None
    names: tuple[str, ...] = ()  # of the arguments
    error: str = ""
    goal: tuple[int, ...] = ()
    shapes: tuple[str, ...] = ()
    given: tuple[int, ...] = ()
    fraction: float | None = None
    took: float | None = None
    changes: bool = False
    tool_call_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenAgain(Operation):
    """A call that was recorded through one tool has come through another as well.

    ``call``: its digest, which tells it from the others of its event; None for all of them.
    """

    kind = "call_seen"
    event_id: str
    door: str
    call: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed(Operation):
    """What was changed between a call that had failed and a later one, by the pages they answered.

    ``worked``: the later one went well. ``change``: the names added, removed and changed, each with
    a sign before it; ``classes``: the same with how each value changed. ``via``: tools called in
    between. ``features`` and ``goal``: numbers that stand for the words of the error and the names
    of the arguments, and for those of what the call was made for.
    """

    kind = "fix"
    page_id: str
    failed: str
    tool: str
    change: tuple[str, ...]
    classes: tuple[str, ...] = ()
    via: tuple[str, ...] = ()
    features: tuple[int, ...] = ()
    error: str = ""
    goal: tuple[int, ...] = ()
    worked: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoted(Operation):
    """A sequence of tools that keeps succeeding has got a page, under its name."""

    kind = "promote"
    page_id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingsUsed(Operation):
    """The arguments of a call have referred to these bindings, by their numbers."""

    kind = "binding_used"
    durable = False
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged(Operation):
    """A guard has said more than "allow" of a call that was about to be made."""

    kind = "verdict"
    durable = False
    tool: str
    guard: str
    verdict: str


OPERATIONS: tuple[type[Operation], ...] = (
    SessionOpened,
    SessionChanged,
    EventAdded,
    PageAdded,
    VersionAdded,
    Reverted,
    Superseded,
    Represented,
    Collected,
    Archived,
    Unarchived,
    Pinned,
    Forgotten,
    Checkpointed,
    Restored,
    Mended,
    TurnBegan,
    Faulted,
    FaultedIn,
    Demoted,
    Evicted,
    Touched,
    Called,
    SeenAgain,
    Fixed,
    Promoted,
    BindingsUsed,
    Judged,
)
# What says which pages a session maps and pins, which versions it reads, and what in their place.
MOVES: tuple[type[Operation], ...] = (
    VersionAdded,
    Reverted,
    Pinned,
    FaultedIn,
    Demoted,
    Evicted,
    Superseded,
)
# What a session's calls are folded from.
CALLS: tuple[type[Operation], ...] = (Called, SeenAgain, BindingsUsed, Judged, Restored)
# What a workspace's calls have taught, and what is not to be known any more.
LESSONS: tuple[type[Operation], ...] = (Called, Fixed, Promoted, Judged, Forgotten)
_BY_KIND = {operation.kind: operation for operation in OPERATIONS}
_DEFAULTS = {
    operation: tuple(
        (f.name, None if f.default is MISSING else f.default)
        for f in fields(operation)
        if f.name not in ("session", "page_id")
    )
    for operation in OPERATIONS
}


@dataclass(frozen=True, slots=True)
class LogLine:
    """An operation in its place. ``at`` is Unix seconds, ``position`` dense in the workspace."""

    position: int
    at: float
    actor: str
    segment: int
    turn: int
    operation: Operation = field(repr=False)


def contents_of(operation: Operation) -> list[int]:
    """The content ids that an operation names."""
    named = (getattr(operation, name, None) for name in ("content", "hint", "payload"))
    blobs: tuple[int, ...] = getattr(operation, "blobs", ())
    return [*(number for number in named if number is not None), *blobs]


def data_of(operation: Operation) -> dict[str, Any]:
    """The operation's own fields that differ from their defaults, ready for JSON."""
    return {
        name: value
        for name, default in _DEFAULTS[type(operation)]
        if (value := getattr(operation, name)) != default
    }


def operation_of(
    kind: str, session: str | None, page_id: str | None, data: Mapping[str, Any]
) -> Operation:
    """The operation that a line of the log was written from.

    Raises:
        KeyError: when the kind is not known to this version.
    """
    values = {
        name: tuple(value) if isinstance(value, list) else value for name, value in data.items()
    }
    if page_id is not None:
        values["page_id"] = page_id
    return _BY_KIND[kind](session=session, **values)
