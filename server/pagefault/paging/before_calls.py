"""Which pages are read before a tool is called with success. Pure."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

_TOOLS = 256  # that are remembered
_CALLS = 64  # latest calls, to know which tools are in play
_FRESH = 1  # turns before this one that count with it
_TIMES = 2  # calls before which a page was read
_SHARE = 0.5  # of the tool's calls


@dataclass(slots=True)
class _Tool:
    calls: int = 0
    read: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class BeforeCalls:
    """Counts, by tool, of the turns in which a call went well, and of the pages read for them."""

    _tools: OrderedDict[str, _Tool] = field(default_factory=OrderedDict)
    _calls: deque[tuple[str, int, str]] = field(default_factory=lambda: deque(maxlen=_CALLS))

    def called(self, session: str, turn: int, tool: str, read: Iterable[str]) -> None:
        """A call of the tool went well; ``read``: the pages read in that turn and the one before.

        Further calls of the tool in the same turn teach nothing more.
        """
        if (session, turn, tool) in self._calls:
            return
        self._calls.append((session, turn, tool))
        known = self._tools.setdefault(tool, _Tool())
        self._tools.move_to_end(tool)
        if len(self._tools) > _TOOLS:
            self._tools.popitem(last=False)
        known.calls += 1
        known.read.update(set(read))

    def in_play(self, session: str, turn: int) -> list[str]:
        """The tools that the session has called of late, the latest first."""
        late = (tool for who, when, tool in self._calls if who == session and turn - when <= _FRESH)
        return list(dict.fromkeys(reversed(list(late))))

    def pages(self, tools: Sequence[str]) -> list[str]:
        """What is usually read before these tools go well, the most usual first."""
        found: dict[str, float] = {}
        for tool in tools:
            known = self._tools.get(tool)
            for page_id, times in known.read.items() if known else ():
                share = times / known.calls if known else 0.0
                if times >= _TIMES and share >= _SHARE:
                    found[page_id] = max(found.get(page_id, 0.0), share)
        return sorted(found, key=lambda page_id: (-found[page_id], page_id))
