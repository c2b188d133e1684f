"""The pre-pass: mapping what a message will need, before the model reads it.

It costs the model nothing of its quota. What the message refers to may take others' places, within
half of the room; a guess only those of pages that have long been idle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b

from ..base.event import clean
from ..base.log import Operation, Touched
from ..index import query
from ..index.document import Hit, Search
from ..index.folding import bare
from ..index.snippet import Wanted, wanted
from ..paging.demotion import Step
from ..paging.lately import Lately
from ..paging.prefetch import FEW, IDLE, SPECULATIVE, Candidate, Wish, chosen, guesses, referred_to
from ..paging.resident import Mapped
from ..residency import Residency
from .core import Memory, begin_turn
from .following import follow
from .levels import fullest
from .lineage import Lineage, is_own, lineage_of
from .mapping import lines_of, placed
from .sinking import ranked

_ASKED = 4_000  # characters of a message that are searched for
_STANDING_BONUS = 1.2  # on the score of what stands for much: claims, summaries, procedures
_STANDING = ("claim", "summary", "procedure", "index")
_GUESS_SHARE = 8  # a guess may take so many-th part of the budget


@dataclass(frozen=True, slots=True)
class Brought:
    """A page that was mapped for a message, how surely it is meant, and why it was thought so."""

    page_id: str
    confidence: str
    why: str


def digest(message: str) -> bytes:
    """By which a message that was announced is known again when it is recorded; never kept."""
    return blake2b(clean(message).encode(), digest_size=16).digest()


async def bring_in(memory: Memory, seat: Residency, message: str | None) -> tuple[Brought, ...]:
    """Begin the message's turn and map what it refers to; guard with the seat's lock."""
    if not message:
        return ()
    seat.decide(partial(_begin_announced, said=digest(message)))
    lately = await follow(memory, seat.workspace)
    lineage = await lineage_of(memory, seat)
    wishes = await _wishes(memory, seat, message, lately, lineage)
    named = query.parse(message).page_ids
    pages = await memory.store.pages(seat.workspace, [wish.page_id for wish in wishes], seat.row.id)
    brought = []
    allowance = seat.set.room() // 2
    _touch_mapped(seat, wishes)
    last = [wish for wish in wishes if wish.page_id in pages and pages[wish.page_id].superseded_by]
    for wish in [*(wish for wish in wishes if wish not in last), *last]:
        page = pages.get(wish.page_id)
        if wish.page_id in seat.set or page is None:
            continue
        if page.flagged is not None and page.page_id not in named:
            continue
        if wish.why == "next" and not is_own(lineage, page):
            continue
        most = allowance
        if wish.confidence == SPECULATIVE:
            most = min(most, seat.set.budget // _GUESS_SHARE)
        shown = await fullest(memory, seat.workspace, page, most)
        if shown is not None:
            now = placed(page, shown.level, shown.tokens)
            guess = wish.confidence == SPECULATIVE
            bring = partial(_bring, now=now, reason=wish.reason, guess=guess)
            seat.decide(bring, page.page_id)
            allowance -= shown.tokens if page.page_id in seat.set else 0
            brought.append(Brought(page.page_id, wish.confidence, wish.why))
    return tuple(one for one in brought if one.page_id in seat.set)


async def _wishes(
    memory: Memory, seat: Residency, message: str, lately: Lately, lineage: Lineage
) -> list[Wish]:
    """The pages to bring in, surest first; some may be mapped."""
    hits = await _candidates(memory, seat, message[:_ASKED])
    about = referred_to(hits, len(query.words(message[:_ASKED])))
    near = [wish.page_id for wish in about if wish.confidence != SPECULATIVE]
    before = lately.before_calls
    needed = before.pages(before.in_play(seat.row.id, seat.turn))
    others = guesses(lately.reads, lineage, seat.turn, near, needed)
    return chosen([*about, *others])


async def _candidates(memory: Memory, seat: Residency, message: str) -> list[Candidate]:
    """What a search for the message finds, best first, without the message itself."""
    words = wanted(message)
    named = set(query.parse(message).page_ids)
    found, _ = await ranked(
        memory, seat, Search(query=message, workspace=seat.workspace.key, limit=FEW + 1)
    )
    candidates = []
    for hit in found.hits:
        text = await memory.text(seat.workspace, hit.content)
        if text.strip() != clean(message).strip():  # it may be recorded already
            shared = _shared(text, words)
            candidates.append(Candidate(hit.page_id, _score(hit), shared, hit.page_id in named))
    return sorted(candidates, key=lambda candidate: -candidate.score)[:FEW]


def _score(hit: Hit) -> float:
    return hit.score * (_STANDING_BONUS if hit.page_type in _STANDING else 1.0)


def _shared(text: str, words: Sequence[Wanted]) -> int:
    """How many of the words stand in the text."""
    folded = bare(text.lower())
    return sum(next(word.found(folded, 0, len(folded)), None) is not None for word in words)


def _touch_mapped(seat: Residency, wishes: Sequence[Wish]) -> None:
    """What is mapped and referred to counts as used, the best of it last of all."""
    for wish in reversed(wishes):
        if wish.page_id in seat.set and wish.confidence != SPECULATIVE:
            touch = partial(_touch, page_id=wish.page_id, reason=wish.reason)
            seat.decide(touch, wish.page_id)


def _touch(seat: Residency, page_id: str, reason: str) -> list[Operation]:
    """What is mapped and referred to is the last to yield, and the first to be shown."""
    known = seat.set.get(page_id)
    if known is None:
        return []
    seat.set.commit(seat.set.plan(known))
    return [Touched(session=seat.row.id, page_id=page_id, reason=reason)]


def _bring(seat: Residency, now: Mapped, reason: str, *, guess: bool) -> list[Operation]:
    admission = seat.set.plan(now, faulted=not guess)
    steps = (*map(Step, admission.evicted), *admission.demoted)
    busy = any(seat.turn - step.page.turn < IDLE for step in steps)
    if now.page_id in seat.set or (guess and busy):
        return []
    seat.set.commit(admission)
    seat.untold.update((step.page.page_id, step) for step in steps)
    return lines_of(seat, admission, now, reason)


def _begin_announced(seat: Residency, said: bytes) -> list[Operation]:
    lines = begin_turn(seat, "context")
    seat.announced = said
    return lines
