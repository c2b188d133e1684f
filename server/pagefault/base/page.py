"""Pages: what they are, what they are called, how much of them is shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from .config import CONFIDENCES

PAGE_TYPES = ("transcript", "summary", "artifact", "claim", "procedure", "index")
MODALITIES = ("text", "structured", "image", "audio", "video")

# The prefix says the type; numbers are dense per prefix within a workspace.
PREFIXES = {
    "transcript": "msg",
    "summary": "sum",
    "artifact": "art",
    "claim": "claim",
    "procedure": "proc",
    "index": "idx",
}
PAGE_ID = re.compile(r"(?:msg|sum|art|claim|proc|idx)_[1-9][0-9]{0,17}")


class Level(IntEnum):
    """How much of a page is shown; a greater level is a smaller text."""

    FULL = 0
    REDUCED = 1
    ABSTRACT = 2
    REFERENCE = 3


class Trust(IntEnum):
    """How far a page's words may be taken at face value; set by the server alone."""

    LOW = 1  # came from outside: a tool's output, an imported file
    MEDIUM = 2  # a model wrote it
    HIGH = 3  # a person or the operator said it


SOURCE_TRUST = {
    "user": Trust.HIGH,
    "system": Trust.HIGH,
    "model": Trust.MEDIUM,
    "tool": Trust.LOW,
    "import": Trust.LOW,
}

REASONS = ("user_requested_recall", "resolve_reference", "tool_prereq", "speculative")
_CONFIDENCE = dict(
    zip(REASONS, ("explicit", "referenced", "referenced", "speculative"), strict=True)
)


def confidence_of(reason: str) -> str:
    """How sure it is that a page is needed that is faulted in for one of `REASONS`."""
    return _CONFIDENCE[reason]


def allowed_reasons(threshold: str) -> tuple[str, ...]:
    """The reasons for a fault that are as sure as one of `CONFIDENCES`, or surer."""
    allowed = CONFIDENCES[: CONFIDENCES.index(threshold) + 1]
    return tuple(reason for reason in REASONS if confidence_of(reason) in allowed)


@dataclass(frozen=True, slots=True)
class Page:
    """A page as one session sees it: the page and the version at that session's head.

    ``content``, ``hint`` and ``payload`` (tool calls, arguments) are content ids; the text lies in
    the store's one place for text. ``tokens`` counts level 0, ``size`` is its length in bytes,
    times are Unix seconds, ``position`` is the log position at which the page was made.
    ``blobs``: of a page that holds more than text, how it was sent, and then the bytes of each
    image or recording (`base.media`). ``flagged``: why it is in no context until somebody asks
    for it by its id: it reads like instructions that nobody gave. ``levels``: what is kept beside
    level 0, level to origin, content id and tokens; None where many pages were read at once,
    without it. ``superseded_by``: the page that the session reads in its place, then what that is
    superseded by, and so on; the last of them counts. ``archived``: it is kept small until it is
    used again.
    """

    page_id: str
    page_type: str
    modality: str
    session: str
    version: int
    content: int
    tokens: int
    size: int
    importance: float
    source: str
    trust: int
    recorded_at: float
    role: str | None = None
    name: str | None = None
    hint: int | None = None
    created_at: float | None = None
    event_id: str | None = None
    payload: int | None = None
    tool_call_id: str | None = None
    tool_name: str | None = None
    derived_from: tuple[str, ...] = ()
    position: int = 0
    blobs: tuple[int, ...] = ()
    flagged: str | None = None
    superseded_by: tuple[str, ...] = ()
    archived: bool = False
    levels: Mapping[int, tuple[str, int, int]] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Version:
    """One immutable version of a page. ``branch`` is the session that wrote it; the other fields
    mean what they mean of a `Page`.
    """

    page_id: str
    version: int
    parent: int | None
    branch: str
    content: int
    tokens: int
    source: str
    trust: int
    written_at: float
    position: int
    modality: str = "text"
    size: int = 0
    importance: float = 0.5
    hint: int | None = None
    blobs: tuple[int, ...] = ()
    flagged: str | None = None


@dataclass(frozen=True, slots=True)
class Representation:
    """A page's text at a level. ``origin`` is "model", or the compressor that computed it."""

    level: int
    origin: str
    text: str
    tokens: int
