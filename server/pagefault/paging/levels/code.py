"""Code at levels 1 and 2: what it defines, in its own lines.

No parser: a line is a head where a deeper indented one follows it, which holds for every language
that people indent. Heads are kept first, those further out before those further in, then what
raises, returns or is marked, then the rest by how rare its words are. Of a diff, what was changed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...base.page import Level
from .choosing import extract
from .lines import sample, share, spans_of, weighed
from .sentences import Span
from .source import Source, Target

_CODE = re.compile(
    r"[{};]\s*$|[)\]}],?;?\s*$|^\s*(?:[}\])]+[;,)]*|@\w+|#include|//|/\*|\*/|<!--|</?\w[^>]*>)\s*"
    r"|^\s*(?:def|class|import|from|return|if|elif|else|for|while|try|except|with|raise|async|fn|let"
    r"|const|var|function|export|public|private|static|func|package|use|struct|type|interface|impl)"
    r"\b[^.!?]*[:({;=\w]\s*$"
    r"|\w\s*(?:[-+*/|&^%]|:|<<|>>)?=\s*\S|\w\([^)]*\)\s*$"
    r"|^[+-](?:[^\s+-]|\s{2})|^@@ |->|=>|::|\w\.\w+\("
)
_PROSE = re.compile(r"[^\W\d_]{2,}(?: [^\W\d_]{2,}[,'’]?){5,}")
_CODE_SHARE, _PROSE_SHARE = 0.5, 0.35

_MARKED = re.compile(
    r"\b(?:raise|throw|throws|panic|assert|return|yield|TODO|FIXME|XXX|HACK)\b"
    r"|^@@ |^[+-](?:[^\s+-]|\s{2})"
)
_DEFINES = re.compile(
    r"^\s*(?:export\s+|pub\s+|public\s+|private\s+|protected\s+|static\s+|async\s+|default\s+)*"
    r"(?:def|class|fn|func|function|struct|enum|trait|impl|interface|type|module|namespace|package"
    r"|CREATE|sub|proc|diff)\b|^(?:\+\+\+|---) "
)
_IMPORTS = re.compile(r"^\s*(?:import|from|use|using|require|#include|package)\b")
_OF_HEAD, _OF_DEFINITION, _OF_MARKED, _OF_IMPORT, _OF_FIRST = 1.3, 4.0, 1.6, 0.4, 3.0
_TAB = 4


def shorten(source: Source, target: Target) -> str | None:
    """The lines that tell what the code does; None where the text is not code."""
    if target.level == Level.REFERENCE or source.page.modality != "text":
        return None
    lines = sample(source.text)
    if share(lines, _CODE) < _CODE_SHARE or share(lines, _PROSE) > _PROSE_SHARE:
        return None
    spans = spans_of(source.text)
    weight = _emphasis(source.text, spans)
    chosen = weighed(source.text, spans, weight, source.count)
    return extract(source.text, chosen, target.tokens, source.count)


def _emphasis(text: str, spans: Sequence[Span]) -> list[float]:
    lines = [text[start:end] for start, end in spans]
    depths = [_depth(line) for line in lines]
    follows = [*depths[1:], 0]
    return [
        _of_line(line, depth, heads=after > depth) + _OF_FIRST * (index == 0)
        for index, (line, depth, after) in enumerate(zip(lines, depths, follows, strict=True))
    ]


def _of_line(line: str, depth: int, *, heads: bool) -> float:
    weight = 1.0
    if _DEFINES.search(line):
        weight = _OF_DEFINITION
    elif heads:
        weight = _OF_HEAD
    elif _IMPORTS.search(line):
        weight = _OF_IMPORT
    elif _MARKED.search(line):
        weight = _OF_MARKED
    return weight / (1 + depth / (4 * _TAB))


def _depth(line: str) -> int:
    blanks = line[: len(line) - len(line.lstrip())]
    return len(blanks.expandtabs(_TAB))
