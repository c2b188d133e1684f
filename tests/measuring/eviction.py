"""The real working set under the evaluation of reference strings, as its plug-in.

    cd CHECKOUT
    PYTHONPATH=.:server python TOOLS/eval_eviction.py --policy tests.measuring.eviction:Importance
    PYTHONPATH=.:server python TOOLS/eval_eviction.py --keepcost \\
        --policy tests.measuring.eviction:Adaptive

Every page and every decision goes through `WorkingSet`; nothing is decided here. One event is one
turn. ``Importance``, ``Lru``, ``Cost``, ``Modality`` have protection off; ``…Protected`` has the
server's own defaults, ``…Stubs`` keeps stubs of those who yield in what room is spare.
``Adaptive`` is the demotion plan where changing the context costs nothing, which is how that
measurement counts, and ``AdaptiveBatched`` the plan with the server's prices. They know one
trace alone; ``Habitual`` and ``HabitualBatched`` begin with what the traces before have taught, as
the server does with the sessions of a workspace.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import ClassVar

from pagefault.paging.demotion import PRICES, Prices, plan
from pagefault.paging.eviction import POLICIES
from pagefault.paging.habits import Habits
from pagefault.paging.resident import Mapped
from pagefault.paging.reuse import Reuse
from pagefault.paging.working_set import Learned, WorkingSet

# How a class of pages in the traces would be recorded: files, searches and outputs come from tools.
ROLES = {"user": "user", "turn": "user", "session": "user"}


def page_of(page_id: str, tokens: int, kind: str) -> Mapped:
    role = ROLES.get(kind, "tool")
    return Mapped(page_id, 1, 0, tokens, "transcript", 0.5, touched=0, turn=0, role=role)


class Replayed:
    """What the evaluation asks of a policy, answered by a working set."""

    policy: ClassVar[str]
    protection: ClassVar[int] = 0
    damping: ClassVar[int] = 0

    def __init__(self, budget: float) -> None:
        order = POLICIES[self.policy]
        self.set = WorkingSet(int(budget), order, protection=self.protection, damping=self.damping)
        self.seen: dict[str, Mapped] = {}

    def admit(self, page_id: str, tokens: int, step: int, kind: str) -> list[str]:
        faulted = page_id in self.seen
        page = self.seen.setdefault(page_id, page_of(page_id, tokens, kind))
        self.set.begin_turn(step + 1)
        admission = self.set.plan(page, faulted=faulted)
        self.set.commit(admission)
        gone = [victim.page_id for victim in admission.evicted if victim.level == 0]
        gone += [step.page.page_id for step in admission.demoted]
        return gone if admission.page is not None else [page_id]

    def touch(self, page_id: str, step: int) -> None:
        self.set.begin_turn(step + 1)
        self.set.commit(self.set.plan(self.seen[page_id]))


class Stubs(Replayed):
    """As where every page's stub is ready: a page shown as that counts as gone, and takes room."""

    stub: ClassVar[int] = 24

    def admit(self, page_id: str, tokens: int, step: int, kind: str) -> list[str]:
        self.set.learned.forms.learn(page_id, 1, 3, self.stub)
        return super().admit(page_id, tokens, step, kind)


class Importance(Replayed):
    policy = "importance"


class Lru(Replayed):
    policy = "lru"


class Cost(Replayed):
    policy = "cost"


class Modality(Replayed):
    policy = "modality"


class LruStubs(Stubs):
    policy = "lru"


class CostStubs(Stubs):
    policy = "cost"


class ImportanceProtected(Importance):
    protection = 2
    damping = 3


class CostProtected(Cost):
    protection = 2
    damping = 3


class Adaptive:
    """Demotion without a budget: what the plan names is released at the end of each event."""

    prices: ClassVar[Prices] = replace(PRICES, broken=0.0)

    def __init__(self) -> None:
        learned = Learned(self.reuse())
        order = POLICIES["importance"]
        self.set = WorkingSet(10**12, order, protection=0, damping=0, learned=learned)

    def reuse(self) -> Reuse:
        """What is known before the first event."""
        return Reuse()

    def tick(self, step: int, page_id: str, tokens: int, kind: str, referenced: bool) -> list[str]:
        self.set.begin_turn(step + 1)
        known = self.set.get(page_id) or page_of(page_id, tokens, kind)
        self.set.commit(self.set.plan(known, faulted=referenced))
        learned = self.set.learned.reuse
        steps = plan(self.set.pages(), self.set.turn, learned, prices=self.prices)
        for one in steps:
            self.set.give_way(one.page.page_id)
        return [one.page.page_id for one in steps]


class AdaptiveBatched(Adaptive):
    prices = PRICES


class Habitual(Adaptive):
    """The same where the traces of a run are sessions of one workspace, one after the other."""

    habits: ClassVar[Habits] = Habits()
    numbers: ClassVar[Iterator[int]] = count()

    def reuse(self) -> Reuse:
        return self.habits.reuse(f"s{next(self.numbers)}")


class HabitualBatched(Habitual):
    prices = PRICES
    habits = Habits()


class Releasing(ImportanceProtected):
    """As the server runs: before a page is mapped, what is due is released if room runs out."""

    def admit(self, page_id: str, tokens: int, step: int, kind: str) -> list[str]:
        self.set.begin_turn(step + 1)
        idle = [one.page.page_id for one in self.set.plan_idle()]
        for gone in idle:
            self.set.give_way(gone)
        return [*idle, *super().admit(page_id, tokens, step, kind)]
