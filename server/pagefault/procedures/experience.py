"""`Experience`: everything that a workspace's calls have taught, folded from the log's lines.

It is derived: a snapshot and the lines after it give exactly what all lines give. Its size is
bounded in tools, patterns, examples, ways and sequences; the counters of a tool that is kept are
exact however much of the rest has left.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final
from zlib import crc32

from .change import classes
from .counters import Counts
from .lines import Called, Fixed, Gone, Named, Stopped, Taught
from .patterns import Patterns
from .prerequisites import Prerequisites
from .sequences import Sequences
from .usual import Usual
from .ways import Ways

FORMAT: Final = 2
TOOLS: Final = 1000
EXAMPLES: Final = 5000  # of all tools together


@dataclass(slots=True)
class Tool:
    """What is known of one tool."""

    counts: Counts = field(default_factory=Counts)
    ways: Ways = field(default_factory=Ways)
    patterns: Patterns = field(default_factory=Patterns)
    usual: Usual = field(default_factory=Usual)


@dataclass(slots=True)
class Experience:
    """By tool, the longest unused first; with sequences and prerequisites across tools.

    ``calls``: how many were folded in all; ``examples``: of fixes. ``named``: the page of each
    sequence that has one, by its name.
    ``classes``: how often a change of each class (`change.transformation`) fixed something.
    ``version`` rises with every line and is not kept.
    """

    tools: OrderedDict[str, Tool] = field(default_factory=OrderedDict)
    sequences: Sequences = field(default_factory=Sequences)
    prerequisites: Prerequisites = field(default_factory=Prerequisites)
    calls: int = 0
    examples: int = 0
    classes: dict[str, int] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)
    version: int = field(default=0, compare=False)

    def fold(self, line: Taught) -> None:
        """Learn from one line; they come in the log's order."""
        self.version += 1
        match line:
            case Called():
                self._called(line)
            case Fixed():
                self._fixed(line)
            case Gone():
                self._forget(frozenset(line.events))
            case Stopped():
                self._tool(line.tool).counts.stop(line.guard)
            case Named():
                self.named[line.name] = line.page

    def _called(self, line: Called) -> None:
        self.calls += 1
        tool = self._tool(line.tool)
        tool.counts.add(ok=line.ok, error=line.error, duration=line.duration, at=line.at)
        tool.ways.fold(line)
        if line.ok:
            tool.usual.fold(crc32(line.session.encode()), line.given)
        self.sequences.fold(line)
        self.prerequisites.fold(line)

    def _fixed(self, line: Fixed) -> None:
        patterns = self._tool(line.tool).patterns
        before = patterns.size
        for kind in classes(line.sig) if line.worked else ():
            self.classes[kind] = self.classes.get(kind, 0) + 1
        patterns.fold(line)
        self.examples += patterns.size - before
        if self.examples > EXAMPLES:
            self._thin()

    def _thin(self) -> None:
        """Of the tools that hold more than their share, the longest unused gives an example."""
        share = EXAMPLES // len(self.tools)
        rich = next(tool for tool in self.tools.values() if tool.patterns.size > share)
        rich.patterns.thin()
        self.examples -= 1

    def _tool(self, name: str) -> Tool:
        tool = self.tools.get(name)
        if tool is not None:
            self.tools.move_to_end(name)
            return tool
        if len(self.tools) >= TOOLS:
            gone, lost = self.tools.popitem(last=False)
            self.examples -= lost.patterns.size
            self.prerequisites.drop(gone)
        tool = self.tools[name] = Tool()
        return tool

    def _forget(self, events: frozenset[str]) -> None:
        for tool in self.tools.values():
            tool.ways.forget(events)
            tool.patterns.forget(events)
        self.sequences.forget(events)
        self.named = {name: page for name, page in self.named.items() if page not in events}
        self.examples = sum(tool.patterns.size for tool in self.tools.values())

    def to_json(self) -> str:
        """A snapshot as compact JSON."""
        tools = [
            [
                name,
                tool.counts.to_json(),
                tool.ways.to_json(),
                tool.patterns.to_json(),
                tool.usual.to_json(),
            ]
            for name, tool in self.tools.items()
        ]
        rest = [self.sequences.to_json(), self.prerequisites.to_json()]
        parts = [FORMAT, self.calls, self.classes, self.named, tools, *rest]
        return json.dumps(parts, ensure_ascii=False, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Experience | None:
        """The experience of a snapshot; None for another format: fold the lines from the start."""
        row: list[Any] = json.loads(text)
        if row[0] != FORMAT:
            return None
        _, calls, classes, named, tools, sequences, prerequisites = row
        known = OrderedDict(
            (
                name,
                Tool(
                    Counts.from_json(counts),
                    Ways.from_json(ways),
                    Patterns.from_json(patterns),
                    Usual.from_json(usual),
                ),
            )
            for name, counts, ways, patterns, usual in tools
        )
        examples = sum(tool.patterns.size for tool in known.values())
        across = (Sequences.from_json(sequences), Prerequisites.from_json(prerequisites))
        return cls(known, *across, calls, examples, classes, named)
