"""Recordings at levels 1 to 3, by their transcript: WebVTT, SRT, segments as JSON, timed lines.

Level 1 has the passages that tell most, each with the time at which it was said, and of every
scene first of all its head; a scene begins after a pause. Level 2 is a summary behind the length
of the whole, level 3 the stub, both without the timestamps. What was not transcribed is not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from ...base.page import Level
from . import reference
from .choosing import extract
from .lines import spans_of, weighed
from .source import Source, Target
from .text import summary

_TIME = r"(?:(\d{1,3}):)?(\d{1,2}):(\d\d)(?:[.,](\d{1,3}))?"
_RANGE = re.compile(rf"^{_TIME}[ \t]+-->[ \t]+{_TIME}[^\n]*$", re.MULTILINE)
_LINE = re.compile(rf"^[ \t]*[\[(]?{_TIME}[\])]?[ \t]+(?=\S)([^\n]*)$", re.MULTILINE)
_BLANK = re.compile(r"\r?\n[ \t]*\r?\n")
_TAG = re.compile(r"<[^<>\n]{1,80}>")
_PAUSE = 2.0  # seconds without a word, after which a scene begins
_PASSAGE = 160  # characters that are told together, where no scene begins between them
_OF_HEAD = 3.0


@dataclass(frozen=True, slots=True)
class Cue:
    """Something said. ``start`` and ``end`` in seconds from the beginning."""

    start: float
    end: float
    text: str


def shorten(source: Source, target: Target) -> str | None:
    """The transcript in fewer words; None where there is none."""
    cues = read_cues(source.text)
    if not cues:
        return None if source.blobs else _untimed(source, target)
    plain = " ".join(cue.text for cue in cues)
    if target.level == Level.REFERENCE:
        return reference.shorten(replace(source, text=plain), target)
    if target.level == Level.ABSTRACT:
        lead = f"[{source.page.modality}, {_clock(max(cue.end for cue in cues))}] "
        told = summary(plain, target.tokens - source.count(lead), source.count)
        return f"{lead}{told}" if told else None
    return _scenes(cues, source, target)


def read_cues(text: str) -> list[Cue]:
    """What was said when, in the order of the transcript; none where it has no timestamps."""
    return _of_ranges(text) or _of_json(text) or _of_lines(text)


def _untimed(source: Source, target: Target) -> str | None:
    if target.level == Level.REFERENCE:
        return None
    return summary(source.text, target.tokens, source.count)


def _of_ranges(text: str) -> list[Cue]:
    """WebVTT and SRT: a line with two times, and lines of text up to an empty one."""
    cues = []
    for found in _RANGE.finditer(text):
        said = _until_blank(text, found.end())
        if said:
            times = found.groups()
            cues.append(Cue(_seconds(times[:4]), _seconds(times[4:8]), said))
    return cues


def _until_blank(text: str, start: int) -> str:
    end = _BLANK.search(text, start)
    said = text[start : end.start() if end else len(text)]
    return " ".join(_TAG.sub("", said).split())


def _of_json(text: str) -> list[Cue]:
    """Segments with ``start``, ``end`` (seconds) and ``text``, as transcribers write them."""
    if text.lstrip()[:1] not in ("{", "["):
        return []
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return []
    segments = value.get("segments") if isinstance(value, Mapping) else value
    return list(_segments(segments)) if isinstance(segments, list) else []


def _segments(segments: Sequence[object]) -> Iterator[Cue]:
    for segment in segments:
        if isinstance(segment, Mapping):
            start, said = segment.get("start"), segment.get("text")
            end = segment.get("end", start)
            if isinstance(start, int | float) and isinstance(end, int | float) and said:
                yield Cue(float(start), float(end), " ".join(str(said).split()))


def _of_lines(text: str) -> list[Cue]:
    """Lines that begin with a time."""
    found = [(_seconds(line.groups()[:4]), line[5].strip()) for line in _LINE.finditer(text)]
    return [Cue(start, start, said) for start, said in found]


def _seconds(parts: Sequence[str | None]) -> float:
    hours, minutes, seconds, fraction = (part or "0" for part in parts)
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction}")


def _scenes(cues: Sequence[Cue], source: Source, target: Target) -> str | None:
    """The passages that tell most, a line each: ``[1:05] what was said``."""
    lines: list[str] = []
    heads: set[int] = set()  # where the line of one begins
    at = 0
    for cue, is_head in _passages(cues):
        lines.append(f"[{_clock(cue.start)}] {cue.text}")
        heads.update([at] if is_head else ())
        at += len(lines[-1]) + 1
    text = "\n".join(lines)
    spans = spans_of(text)
    emphasis = [_OF_HEAD if start in heads else 1.0 for start, _ in spans]
    return extract(text, weighed(text, spans, emphasis, source.count), target.tokens, source.count)


def _passages(cues: Sequence[Cue]) -> Iterator[tuple[Cue, bool]]:
    """Neighbouring cues as one, up to some length or a pause; whether each heads a scene."""
    held, heads = cues[0], True
    for before, cue in pairwise(cues):
        paused = cue.start - before.end >= _PAUSE
        if paused or len(held.text) + len(cue.text) > _PASSAGE:
            yield held, heads
            held, heads = cue, paused
        else:
            held = Cue(held.start, cue.end, f"{held.text} {cue.text}")
    yield held, heads


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
