"""One session's working set in this process, and its way into the store.

A decision about what is mapped is taken at once, on the set in memory, and written behind the
reply. Writing is conditional on the revision the set was read at: when another process was
first, the set is read anew and the decisions that are still under way are taken again on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import anyio

from .base.log import (
    Demoted,
    Evicted,
    Faulted,
    FaultedIn,
    Operation,
    SessionOpened,
    TurnBegan,
    Unarchived,
)
from .base.page import Page
from .paging.demotion import Step
from .paging.eviction import POLICIES, Policy
from .paging.resident import Mapped
from .paging.reuse import Reuse
from .paging.working_set import Learned, WorkingSet
from .stores.contract import Applied, Commit, Conflict, Resident, Session, Store, Workspace

_PLACING = (FaultedIn, Evicted)
_PAUSE = 0.01  # seconds more before each further attempt at writing behind
_ATTEMPTS = 16  # re-plans of one write behind; then the decisions are dropped, as a crash may do


@dataclass(frozen=True, slots=True)
class Rules:
    """What a working set is run by where its session says nothing else: tokens, order, turns."""

    budget: int
    policy: Policy
    protection: int
    damping: int


# Decides on the set as it is then, changes it, and says what to log.
Decide = Callable[["Residency"], list[Operation]]


@dataclass(frozen=True, slots=True)
class _Decision:
    page_id: str | None
    decide: Decide
    operations: list[Operation]


@dataclass(slots=True, eq=False)
class Residency:
    """What this process knows of a session's mapped pages. Guarded by ``lock``."""

    store: Store
    workspace: Workspace
    rules: Rules
    row: Session
    set: WorkingSet
    faults: int = 0  # of this turn, those not yet written included
    fault_tokens: int = 0
    calls: int = 0  # of this turn, in this process
    last_reply: float = 0.0
    untold: dict[str, Step] = field(default_factory=dict)  # who yielded unasked
    announced: bytes | None = None  # digest of the message that began this turn unrecorded
    lock: anyio.Lock = field(default_factory=anyio.Lock)
    _revision: int = 0
    _pending: list[_Decision] = field(default_factory=list)
    _writing: anyio.Lock = field(default_factory=anyio.Lock)

    @classmethod
    async def read(
        cls,
        store: Store,
        workspace: Workspace,
        row: Session,
        rules: Rules,
        reuse: Reuse | None = None,
    ) -> Residency:
        """The session as the store has it; ``row`` may be of a session not yet written.

        ``reuse``: what is known of how it uses pages, nothing if it is not given.
        """
        made = cls(store, workspace, rules, row, _empty(rules, reuse or Reuse()))
        await made._load(row)
        made.decide(_fit)
        made.last_reply = row.active_at
        return made

    @property
    def pending(self) -> bool:
        """Whether a decision is not yet written."""
        return bool(self._pending)

    @property
    def revision(self) -> int:
        """The session's revision in the store that the set is known to be true of."""
        return self._revision

    @property
    def unwritten(self) -> frozenset[str]:
        """The pages whose place in the working set the store does not know yet."""
        waiting = (line for decision in self._pending for line in decision.operations)
        return frozenset(line.page_id for line in waiting if isinstance(line, _PLACING))

    @property
    def returned(self) -> frozenset[str]:
        """The pages that are archived no longer, which the store does not know yet."""
        waiting = (line for decision in self._pending for line in decision.operations)
        return frozenset(line.page_id for line in waiting if isinstance(line, Unarchived))

    @property
    def total_faults(self) -> int:
        """Counted faults of the session, those not yet written included."""
        waiting = (line for decision in self._pending for line in decision.operations)
        return self.row.total_faults + sum(
            isinstance(line, Faulted) and not line.more for line in waiting
        )

    @property
    def turn(self) -> int:
        """The session's turn."""
        return self.set.turn

    async def refresh(self) -> None:
        """Notice what other processes have written since the last call."""
        row = await self.store.session(self.workspace, self.row.id)
        if row is None or self._writing.locked():
            return
        if row.revision != self._revision:
            await self._load(row)
            await self._decide_again()
        else:
            self.saw(row)

    def tell(self) -> list[Step]:
        """Who yielded though no call said so, as turns began or for a message, and is so still."""
        told = list(self.untold.values())
        self.untold.clear()
        return [step for step in told if _is_so(step, self.set.get(step.page.page_id))]

    def decide(self, decide: Decide, page_id: str | None = None) -> list[Operation]:
        """Take a decision now; it is written by the next `flush`."""
        operations = decide(self)
        if operations:
            self._pending.append(_Decision(page_id, decide, operations))
        return operations

    def begin_turn(self, turn: int) -> None:
        """Time passes in the set and the turn's quota starts anew."""
        self.set.begin_turn(turn)
        self.faults = self.fault_tokens = self.calls = 0
        self.announced = None

    def saw(self, row: Session) -> None:
        """Take over what a commit of this process made of the session's row."""
        if row.turn > self.set.turn:
            self.begin_turn(row.turn)
            self.decide(release_idle)
        self.row = row
        self.set.budget = row.budget or self.rules.budget
        self.set.policy = self._policy(row)

    async def append(self, commit: Commit) -> Applied | Conflict:
        """Write a durable commit that depends on nothing here.

        One that begins a turn, or follows a beginning not yet written, takes the decisions before
        it along, so that all that happens is counted in its own turn. It never waits for them:
        where they are being written, it queues behind; where another was first, they will be
        planned anew and follow it.
        """
        decided = (line for decision in self._pending for line in decision.operations)
        begins = any(getattr(line, "begins_turn", False) for line in commit.operations)
        turns = begins or any(isinstance(line, TurnBegan) for line in decided)
        if turns and self._pending and not self._writing.locked():
            async with self._writing:
                answer = await self._write(list(self._pending), commit)
            if answer is not None:
                return answer
        return await self.store.apply(commit)

    async def flush(self, at: float) -> None:
        """Write the decisions taken so far, in order."""
        async with self._writing:
            for attempt in range(_ATTEMPTS):
                batch = list(self._pending)
                nothing = Commit(self.workspace, at, "system", (), durable=False)
                if not batch or await self._write(batch, nothing):
                    return
                await anyio.sleep(_PAUSE * attempt)
            self._pending.clear()
            await self._reload()

    async def commit(self, commit: Callable[[Residency], Commit]) -> Applied | None:
        """Write a durable commit that depends on what is mapped, re-planned while others win.

        None when they won every time: nothing was written.
        """
        async with self._writing:
            for _ in range(_ATTEMPTS):
                batch = list(self._pending)
                answer = await self._write(batch, commit(self))
                if answer is not None:
                    return answer
        return None

    async def reread(self) -> None:
        """Read the set anew, after a commit that made another of it."""
        async with self._writing:
            await self._reload()

    async def _write(self, batch: list[_Decision], commit: Commit) -> Applied | None:
        """Write the decisions and then the commit, as one; None when another was first."""
        decided = [operation for decision in batch for operation in decision.operations]
        whole = replace(
            commit,
            operations=(SessionOpened(session=self.row.id), *decided, *commit.operations),
            expects={self.row.id: self._revision},
        )
        with anyio.CancelScope(shield=True):  # else what was written might be decided again
            answer = await self.store.apply(whole)
        if isinstance(answer, Applied):
            row = answer.sessions[self.row.id]
            self._revision = row.revision
            del self._pending[: len(batch)]
            self.saw(row)
            return answer
        await self._reload()
        return None

    async def _reload(self) -> None:
        row = await self.store.session(self.workspace, self.row.id)
        await self._load(row or self.row)
        await self._decide_again()

    async def _load(self, row: Session) -> None:
        residents = await self.store.residents(self.workspace, row.id)
        self.row = row
        self._revision = row.revision
        self.set = WorkingSet(
            row.budget or self.rules.budget,
            self._policy(row),
            protection=self.rules.protection,
            damping=self.rules.damping,
            pages=[_mapped(one) for one in residents if one.level is not None],
            evicted=((r.page_id, r.turn) for r in residents if r.level is None),
            learned=self.set.learned,
        )
        self.set.begin_turn(row.turn)
        self.faults, self.fault_tokens = row.faults, row.fault_tokens

    def _policy(self, row: Session) -> Policy:
        """The session's own, where it names one of ours; else the operator's."""
        return POLICIES.get(row.policy or "", self.rules.policy)

    async def _decide_again(self) -> None:
        """Take the pending decisions once more on a set that was read anew."""
        decisions, self._pending = self._pending, []
        self.decide(_fit)
        named = [decision.page_id for decision in decisions if decision.page_id is not None]
        alive: Mapping[str, Page] = {}
        if named:
            alive = await self.store.pages(self.workspace, named, self.row.id)
        for decision in decisions:
            if decision.page_id is None or decision.page_id in alive:
                self.decide(decision.decide, decision.page_id)


def _is_so(step: Step, page: Mapped | None) -> bool:
    return (page.level if page else None) == step.level


def _fit(seat: Residency) -> list[Operation]:
    """Let go of what a budget that has become smaller has no room for."""
    gone = seat.set.plan_fit()
    for page in gone:
        seat.set.give_way(page.page_id)
    return [Evicted(session=seat.row.id, page_id=page.page_id, cause="budget") for page in gone]


def release_idle(seat: Residency) -> list[Operation]:
    """As a turn begins, and the room runs out: let go in one batch of what is not worth keeping.

    Who has a stub is shown as that, and goes another time.
    """
    steps = seat.set.plan_idle()
    for step in steps:
        seat.set.shrink(step)
        seat.untold[step.page.page_id] = step
    return [yielded(seat.row.id, step, "idle") for step in steps]


def yielded(session: str, step: Step, cause: str) -> Operation:
    """What to log of a page that had to yield."""
    page_id = step.page.page_id
    if step.level is None:
        return Evicted(session=session, page_id=page_id, cause=cause)
    return Demoted(
        session=session, page_id=page_id, level=step.level, tokens=step.tokens, cause=cause
    )


def _empty(rules: Rules, reuse: Reuse) -> WorkingSet:
    return WorkingSet(rules.budget, rules.policy, learned=Learned(reuse))


def _mapped(resident: Resident) -> Mapped:
    return Mapped(
        page_id=resident.page_id,
        version=resident.version,
        level=resident.level or 0,
        tokens=resident.tokens,
        page_type=resident.page_type,
        importance=resident.importance,
        touched=resident.touched,
        turn=resident.turn,
        mapped_turn=resident.mapped_turn,
        protected_until=resident.protected_until,
        pinned=resident.pinned,
        pinned_until=resident.pinned_until,
        role=resident.role,
        modality=resident.modality,
        superseded=resident.superseded,
    )
