"""Recall in a long conversation: ``python -m tests.measuring.long_conversation``.

300 turns in a window of 8,000 tokens. Ten decisions are made early and asked for at the end. The
reader knows nothing but what its context shows; it may search once a turn, with the user's own
words, and fault in the two best results that it does not see. It answers from the right page when
that page is in its context in full, or among those it faulted in.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from tests.measuring.conversations import TALKS, Talk, Turn, turns
from tests.measuring.filling import workspace_in

from pagefault.base.config import Settings
from pagefault.base.errors import FaultLimitExceeded
from pagefault.ledger import record
from pagefault.memory.context import Context, ContextRequest, build
from pagefault.memory.core import Memory
from pagefault.memory.faulting import FaultRequest, fault
from pagefault.memory.following import follow
from pagefault.memory.opening import Folders, open_memory
from pagefault.memory.recall import SearchRequest, search
from pagefault.memory.writing import WriteRequest, write
from pagefault.paging.tally import Tally
from pagefault.residency import Residency

TURNS = 300
WINDOW = 8_000  # tokens of the working set, and of every context
_FAULTS = 2  # of a turn


@dataclass(slots=True)
class Outcome:
    """What a conversation came to."""

    asked: int = 0
    shown: int = 0  # answered from the context as it was built
    faulted: int = 0  # answered from a page that was faulted in
    faults: list[int] = field(default_factory=list)  # a turn in which a decision was asked for
    tokens: int = 0  # of all contexts
    everything: int = 0  # of all contexts, had each held all that was said before
    same: int = 0  # tokens of contexts that begin like the one before, without the manifest
    tally: Tally = field(default_factory=Tally)

    @property
    def answered(self) -> float:
        """The share of questions answered from the right page."""
        return (self.shown + self.faulted) / self.asked

    @property
    def saved(self) -> float:
        """The share of tokens that keeping all would have cost beside."""
        return 1 - self.tokens / self.everything


async def converse(
    talk: Talk, *, claims: bool, count: int = TURNS, window: int = WINDOW, seed: int = 1
) -> Outcome:
    """The conversation, turn by turn. ``claims``: decisions are written as claims too."""
    settings = Settings(
        store="sqlite://:memory:",
        tokenizer="estimate",
        budget_tokens=window,
        faults_per_turn=_FAULTS,
    )
    async with open_memory(settings, Folders(Path(), Path())) as memory:
        seat = await memory.seat(await workspace_in(memory), "talk")
        outcome = Outcome()
        pages: dict[int, set[str]] = {}
        before = ""
        for turn in turns(talk, count, seed):
            seat = await memory.seat(seat.workspace, "talk")
            context = await build(memory, seat, ContextRequest(turn.user, window))
            before = await _weigh(memory, seat, outcome, context, before)
            if turn.asked is not None:
                await _answer(memory, seat, outcome, context, turn, pages[turn.asked])
            said = await record(
                memory,
                seat,
                [
                    {"role": "user", "content": turn.user},
                    {"role": "assistant", "content": turn.answer},
                ],
            )
            if turn.said is not None:
                pages[turn.said] = {str(said.events[0].page_id)}
                if claims:
                    kept = await write(memory, seat, WriteRequest(turn.user))
                    pages[turn.said].add(kept.page_id)
            await memory.flush()
        outcome.tally = (await follow(memory, seat.workspace)).tally("talk")
        return outcome


async def _weigh(
    memory: Memory, seat: Residency, outcome: Outcome, context: Context, before: str
) -> str:
    """Count the context's tokens, and how much of its lines begins like the last one's."""
    tokenizer = await memory.tokenizer(seat.workspace)
    outcome.tokens += context.tokens
    outcome.everything += seat.row.tokens
    lines = context.message.partition("<VM:CONTEXT>")[2]
    pairs = zip(before.split("\n"), lines.split("\n"), strict=False)
    same = [one for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs)]
    outcome.same += tokenizer.count("\n".join(same))
    return lines


async def _answer(
    memory: Memory,
    seat: Residency,
    outcome: Outcome,
    context: Context,
    turn: Turn,
    right: set[str],
) -> None:
    outcome.asked += 1
    if _in_full(seat, context, right):
        outcome.shown += 1
        outcome.faults.append(0)
        return
    found = await search(memory, seat, SearchRequest(turn.user))
    unseen = [
        one.hit.page_id for one in found.results if not _in_full(seat, context, {one.hit.page_id})
    ]
    read = await _fault_in(memory, seat, unseen[:_FAULTS])
    outcome.faults.append(len(read))
    outcome.faulted += bool(right & set(read))


async def _fault_in(memory: Memory, seat: Residency, page_ids: Sequence[str]) -> list[str]:
    read = []
    for page_id in page_ids:
        try:
            await fault(memory, seat, FaultRequest(page_id))
        except FaultLimitExceeded:
            break
        read.append(page_id)
    return read


def _in_full(seat: Residency, context: Context, page_ids: set[str]) -> bool:
    there = (seat.set.get(page_id) for page_id in page_ids & set(context.pages))
    return any(known is not None and known.level == 0 for known in there)


def table(outcomes: dict[str, list[Outcome]]) -> str:
    """The figures of each kind of conversation, over its seeds, in Markdown."""
    lines = [
        "| conversation | answered | of these shown at once | faults a question: median / worst "
        "| prefetched / read / waste | tokens saved | lines unchanged |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, runs in outcomes.items():
        asked = sum(run.asked for run in runs)
        right = sum(run.shown + run.faulted for run in runs)
        faults = [count for run in runs for count in run.faults]
        tallies = [run.tally for run in runs]
        prefetched = sum(tally.prefetched for tally in tallies)
        read = sum(tally.prefetch_hits for tally in tallies)
        waste = sum(tally.prefetch_waste for tally in tallies)
        tokens = sum(run.tokens for run in runs)
        saved = 1 - tokens / sum(run.everything for run in runs)
        same = sum(run.same for run in runs) / tokens
        lines.append(
            f"| {name} | {right / asked:.0%} of {asked} | {sum(run.shown for run in runs)} "
            f"| {statistics.median(faults):g} / {max(faults)} "
            f"| {prefetched} / {read} / {waste} | {saved:.0%} | {same:.0%} |"
        )
    return "\n".join(lines)


async def measure(seeds: Sequence[int] = (1, 2, 3), count: int = TURNS) -> dict[str, list[Outcome]]:
    """Every language, with decisions only said, and with decisions written as claims as well."""
    return {
        f"{language}, {'written as claims' if claims else 'only said'}": [
            await converse(talk, claims=claims, count=count, seed=seed) for seed in seeds
        ]
        for language, talk in TALKS.items()
        for claims in (False, True)
    }


def main() -> None:
    """Measure, and print the table."""
    print(table(asyncio.run(measure())))


if __name__ == "__main__":
    main()
