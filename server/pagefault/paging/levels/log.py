"""Logs and the output of programs at levels 1 and 2: errors, head, tail, one line of each kind.

Lines that differ only in numbers are of one kind, as in Drain (He et al. 2017), simplified: what
holds a digit is masked. The first and the last of a kind tell more than those between. Errors are
known by the words that programs write whatever language people speak, and a trace by its frames.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...base.page import Level
from .choosing import extract
from .lines import sample, share, spans_of, weighed
from .sentences import Span
from .source import Source, Target

_ENTRY = re.compile(
    r"^\s*(?:\[?\(?\d{2,4}[-/.:]\d{1,2}[-/.:]\d{1,4}|\[?\d{1,2}:\d{2}:\d{2}|[A-Z][a-z]{2} +\d{1,2} "
    r"|\[?(?:TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|FATAL|CRITICAL)\b"
    r"|(?:trace|debug|info|notice|warn(?:ing)?|error|fatal|critical)\b\W"
    r"|\S+:\d+(?::\d+)?:? |Traceback \(|\s+at \S+\(|  File \")"
    r"|\b(?:PASSED|FAILED|SKIPPED|ok|FAIL)\b\s*(?:\[.*\]|\(.*\)|$)"
    r"|level=\w+|\"level\":|\S+ \S+ \[\d"
)
_ERROR = re.compile(
    r"\b(?:error|fatal|critical|panic\w*|fail(?:ed|ure|s)?|exception|traceback|assert\w*|denied"
    r"|refused|timeout|timed out|abort\w*|killed|segfault|cannot|unable|undefined|not found)\b"
    r"|\b\w+(?:Error|Exception|Warning)\b|\bE\d{2,}\b|\bexit(?:ed)? (?:code|status|with)\b|^E  ",
    re.IGNORECASE,
)
_WARNING = re.compile(r"\bwarn(?:ing)?\b", re.IGNORECASE)
_FRAME = re.compile(r"^\s+(?:at \S|File \"|in \S+ |#\d+ )|^\s*\d+: 0x")
_VARIES = re.compile(r"[\w.:/-]*\d[\w.:/-]*")
_LOG_SHARE = 0.4  # of its lines, from which a text is taken for a log

_HEAD, _TAIL = 3, 5
_OF_ERROR, _OF_WARNING, _OF_END, _OF_KIND, _OF_FRAME, _REPEATED = 6.0, 2.0, 3.0, 1.5, 0.6, 0.15


def shorten(source: Source, target: Target) -> str | None:
    """The lines that tell what happened; None where the text is no log."""
    if target.level == Level.REFERENCE or source.page.modality != "text":
        return None
    if share(sample(source.text), _ENTRY) < _LOG_SHARE:
        return None
    spans = spans_of(source.text)
    weight = _emphasis(source.text, spans)
    chosen = weighed(source.text, spans, weight, source.count)
    return extract(source.text, chosen, target.tokens, source.count)


def _emphasis(text: str, spans: Sequence[Span]) -> list[float]:
    kinds = [_VARIES.sub("#", text[start:end]) for start, end in spans]
    last = {kind: index for index, kind in enumerate(kinds)}
    seen: set[str] = set()
    weights = []
    for index, ((start, end), kind) in enumerate(zip(spans, kinds, strict=True)):
        place = _OF_END if index < _HEAD or index >= len(spans) - _TAIL else 0.0
        new = kind not in seen or last[kind] == index
        weights.append(max(place, _of_line(text[start:end]) if new else _REPEATED))
        seen.add(kind)
    return weights


def _of_line(line: str) -> float:
    if _FRAME.search(line):
        return _OF_FRAME
    if _ERROR.search(line):
        return _OF_ERROR
    return _OF_WARNING if _WARNING.search(line) else _OF_KIND
