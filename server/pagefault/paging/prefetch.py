"""What to map before anybody asks for it. Pure: from what was found and what was read before.

Three grades of confidence, in the words of a fault's policy. ``explicit``: the message names the
page's id. ``referenced``: the page answers to the message's own words. ``speculative``: it came
with others before, is the next of a run, was read before a tool that is in play went well, or
shares no more than a word with the message.
A guess takes free room, or the place of what has long been idle; no prefetch costs the model a
fault.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from .past import Branch

EXPLICIT, REFERENCED, SPECULATIVE = "explicit", "referenced", "speculative"

MOST = 5  # pages that a message may bring in
MOST_SPECULATIVE = 2  # of them, those that the message does not refer to
SHARE = 0.5  # of the best hit's score: weaker hits are not brought in
_WORDS = 2  # of the message that a page must share to be referred to, where the message has as many
_WORDS_SHARE = 1 / 3  # of the message's words: as good
FEW = 12  # hits: a message of which fewer pages hold a word tells them apart by any of its words
IDLE = 5  # turns after which a mapped page may give way to a guess
_TOGETHER = 2  # turns in which two pages must have been read both
_TOGETHER_SHARE = 0.5  # of the turns in which the one was read
_FRESH = 2  # turns after which a run of pages has ended
_READS = 1_024  # reads of a workspace that are remembered


@dataclass(frozen=True, slots=True)
class Candidate:
    """A page that a search found: its score, and how many words of the message it holds."""

    page_id: str
    score: float
    words: int
    named: bool = False  # the message has its id


@dataclass(frozen=True, slots=True)
class Wish:
    """A page to map, and how sure it is that it will be read. ``why`` is for people."""

    page_id: str
    confidence: str
    why: str

    @property
    def reason(self) -> str:
        """The reason of the fault, in the log's words."""
        if self.why == "tool":
            return "tool_prereq"
        return SPECULATIVE if self.confidence == SPECULATIVE else "resolve_reference"


@dataclass(slots=True)
class Reads:
    """Which pages were read, in which session and turn, as far back as is remembered."""

    _reads: deque[tuple[str, int, str, int]] = field(default_factory=lambda: deque(maxlen=_READS))

    def add(self, session: str, turn: int, page_id: str, position: int = 0) -> None:
        """A page was faulted in, or read again where it was mapped, by the line at a position."""
        self._reads.append((session, turn, page_id, position))

    def next_of_run(self, lineage: Sequence[Branch], turn: int) -> str | None:
        """The page that follows, where the session read one page after the other of late.

        ``lineage``: its own branch, and those that it goes on from, each up to the fork.
        """
        recent = [
            page_id
            for who, when, page_id, position in self._reads
            if turn - when <= _FRESH and any(branch.holds(who, position) for branch in lineage)
        ]
        numbers = [_numbered(page_id) for page_id in recent[-2:]]
        if len(numbers) < 2 or numbers[0][0] != numbers[1][0]:
            return None
        (prefix, before), (_, last) = numbers
        step = last - before
        following = last + step
        return f"{prefix}_{following}" if abs(step) == 1 and following > 0 else None

    def of_turns(self, session: str, first: int, last: int) -> list[str]:
        """The pages that a session read from one turn to another, both counted."""
        return [
            page for who, turn, page, _ in self._reads if who == session and first <= turn <= last
        ]

    def read_with(self, page_ids: Iterable[str]) -> list[str]:
        """Pages that were read in the same turns as these, the most faithful companions first."""
        turns: dict[tuple[str, int], set[str]] = {}
        for session, turn, page_id, _ in self._reads:
            turns.setdefault((session, turn), set()).add(page_id)
        known = set(page_ids)
        found: dict[str, float] = {}
        for page_id in known:
            beside = [read for read in turns.values() if page_id in read]
            together = Counter(other for read in beside for other in read - known)
            for other, times in together.items():
                share = times / len(beside)
                if times >= _TOGETHER and share >= _TOGETHER_SHARE:
                    found[other] = max(found.get(other, 0.0), share)
        return sorted(found, key=lambda page_id: (-found[page_id], page_id))


def referred_to(hits: Sequence[Candidate], words: int) -> list[Wish]:
    """What a message of so many telling words is about, best first, by how surely.

    ``hits``: at most `FEW`. Where no hit holds enough of its words, the message refers to none of
    them, and they are guesses; where one does, those that score nearly as well count with it,
    since a page may answer to the words of what was said just before it.
    """
    best = max((hit.score for hit in hits if not hit.named), default=0.0)
    enough = min(_WORDS, max(1, words))
    sure = len(hits) < FEW or any(
        hit.words >= enough or hit.words >= words * _WORDS_SHARE
        for hit in hits
        if hit.words and hit.score >= best * SHARE
    )
    wishes = []
    for hit in hits:
        if hit.named:
            wishes.append(Wish(hit.page_id, EXPLICIT, "named"))
        elif hit.score >= best * SHARE:
            confidence = REFERENCED if sure else SPECULATIVE
            wishes.append(Wish(hit.page_id, confidence, "words"))
    return wishes


def guesses(
    reads: Reads,
    lineage: Sequence[Branch],
    turn: int,
    about: Iterable[str],
    for_tools: Iterable[str] = (),
) -> list[Wish]:
    """What may be read next, though nobody spoke of it.

    ``about``: what the message refers to; ``for_tools``: what the tools in play were read for.
    """
    following = reads.next_of_run(lineage, turn)
    run = [] if following is None else [Wish(following, SPECULATIVE, "next")]
    needed = [Wish(page_id, SPECULATIVE, "tool") for page_id in for_tools]
    together = [Wish(page_id, SPECULATIVE, "together") for page_id in reads.read_with(about)]
    return [*run, *needed, *together]


def chosen(wishes: Iterable[Wish]) -> list[Wish]:
    """Each page once: surest first, at most `MOST`, few of them guesses."""
    there: set[str] = set()
    taken: list[Wish] = []
    guessed = 0
    order = (EXPLICIT, REFERENCED, SPECULATIVE)
    for wish in sorted(wishes, key=lambda wish: order.index(wish.confidence)):
        is_guess = wish.confidence == SPECULATIVE
        if wish.page_id in there or (is_guess and guessed >= MOST_SPECULATIVE):
            continue
        if len(taken) == MOST:
            break
        guessed += is_guess
        there.add(wish.page_id)
        taken.append(wish)
    return taken


def _numbered(page_id: str) -> tuple[str, int]:
    prefix, _, number = page_id.rpartition("_")
    return prefix, int(number) if number.isdecimal() else -1
