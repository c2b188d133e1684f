"""Metrics as OpenMetrics text, of one principal: what it called, and what its workspaces hold.

No number crosses a principal, so whoever may read a principal's pages may read these.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .. import __version__
from ..memory import Memory
from ..memory.counts import Counts
from ..memory.following import follow
from ..paging.tally import Tally
from ..stores.contract import Workspace

MIME_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_WORKSPACES = 100  # shown; each takes a dozen lines

Sample = tuple[dict[str, str], float]


@dataclass(frozen=True, slots=True)
class _Family:
    """A metric: name without prefix and suffix, type, help, and its samples."""

    name: str
    kind: str
    help: str
    samples: tuple[Sample, ...]

    def lines(self) -> Iterator[str]:
        """The family as OpenMetrics has it."""
        name = f"pagefault_{self.name}"
        suffix = {"counter": "_total", "info": "_info"}.get(self.kind, "")
        yield f"# TYPE {name} {self.kind}"
        yield f"# HELP {name} {_escaped(self.help)}"
        for labels, value in self.samples:
            named = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
            yield f"{name}{suffix}{{{named}}} {value:g}" if named else f"{name}{suffix} {value:g}"


async def metrics(memory: Memory, principal: str) -> str:
    """All there is to say of a principal, ending in ``# EOF``.

    Raises:
        StoreError: the store cannot be asked.
    """
    await memory.ready()
    workspaces = (await memory.store.workspaces(principal))[:_WORKSPACES]
    families = [
        _Family("build", "info", "the server", (({"version": __version__}, 1),)),
        *_of_process(memory.counts[principal]),
        *await _of_workspaces(memory, workspaces),
    ]
    return "\n".join([line for family in families for line in family.lines()] + ["# EOF", ""])


def _of_process(counts: Counts) -> Iterator[_Family]:
    yield _Family(
        "calls",
        "counter",
        "tool calls that this process answered; outcome is ok or an error's code",
        tuple(
            ({"tool": tool, "outcome": outcome}, number)
            for (tool, outcome), number in sorted(counts.calls.items())
        ),
    )
    yield _Family(
        "call_seconds",
        "counter",
        "time from a call to its reply, in this process",
        tuple(({"tool": tool}, seconds) for tool, seconds in sorted(counts.seconds.items())),
    )
    yield _Family(
        "searches",
        "counter",
        "searches of this process, by whether anything was found",
        tuple(({"found": _word(found)}, n) for found, n in sorted(counts.searches.items())),
    )
    yield _Family(
        "packs",
        "counter",
        "contexts built by this process, by whether a packed one could be given again",
        tuple(({"again": _word(again)}, n) for again, n in sorted(counts.packs.items())),
    )


async def _of_workspaces(memory: Memory, workspaces: list[Workspace]) -> list[_Family]:
    held: dict[str, list[Sample]] = {}
    paged: dict[str, list[Sample]] = {}
    for workspace in workspaces:
        label = {"workspace": workspace.id}
        for name, number in (await memory.store.totals(workspace)).items():
            held.setdefault(name, []).append((label, number))
        tally = (await follow(memory, workspace)).total()
        for name, labels, number in _of_tally(tally):
            paged.setdefault(name, []).append((label | labels, number))
    gauges = [
        _Family(name, "gauge", meaning, tuple(held.get(counted, ())))
        for name, counted, meaning in _GAUGES
    ]
    counters = [
        _Family(name, "counter", f"{meaning}; {_SINCE}", tuple(paged.get(name, ())))
        for name, meaning in _COUNTERS.items()
    ]
    return [*gauges, *counters]


def _of_tally(tally: Tally) -> Iterator[tuple[str, dict[str, str], int]]:
    for reason, number in sorted(tally.faults.items()):
        yield "faults", {"reason": reason}, number
    yield "fault_tokens", {}, tally.fault_tokens
    yield "fault_hits", {}, tally.hits
    yield "evictions", {}, tally.evictions
    yield "demotions", {}, tally.demotions
    yield "prefetches", {}, tally.prefetched
    yield "prefetch_hits", {}, tally.prefetch_hits
    yield "prefetch_waste", {}, tally.prefetch_waste


_SINCE = "in the log of late, by whichever process, from when this one first read it"
_GAUGES = (
    ("sessions", "sessions", "sessions of the workspace"),
    ("pages", "pages", "pages of the workspace that are not forgotten"),
    ("archived_pages", "archived", "pages that nobody has used for long and that are kept small"),
    ("log_lines", "lines", "lines of the workspace's log"),
    ("unindexed_lines", "unindexed", "log lines that the index does not know yet"),
)
_COUNTERS = {
    "faults": "pages that a model asked for and that were not mapped so",
    "fault_tokens": "tokens that faults put into replies",
    "fault_hits": "pages that a model asked for and that were mapped",
    "evictions": "pages that left a working set",
    "demotions": "pages shown at a smaller level",
    "prefetches": "pages mapped before anybody asked for them",
    "prefetch_hits": "prefetched pages that were read afterwards",
    "prefetch_waste": "prefetched pages that were evicted unread",
}


def _word(value: bool) -> str:
    return "true" if value else "false"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
