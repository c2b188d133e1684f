"""Random histories of a workspace: steps that Hypothesis draws, and what carries them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st
from tests.stores.making import Bench, added, mapped, said

from pagefault.base.log import (
    HERE,
    Archived,
    Called,
    Checkpointed,
    Collected,
    Demoted,
    EventAdded,
    Evicted,
    Faulted,
    Fixed,
    Forgotten,
    Operation,
    PageAdded,
    Pinned,
    Represented,
    Restored,
    Reverted,
    SessionChanged,
    SessionOpened,
    Superseded,
    Touched,
    TurnBegan,
    Unarchived,
)
from pagefault.base.page import PREFIXES
from pagefault.paging.reach import Garbage, Reach
from pagefault.stores.contract import Applied, Commit, Conflict, Session

FORKS = ("f1", "f2")  # what a fork is called: the first of them, then the second
SESSIONS = ("s1", "s2", "s3", *FORKS)
COMPUTED = ("text/2", "text/1")  # origins of levels: the compressor in use, and one no longer
WORDS = ("alder", "beech", "cedar", "дуб", "松")


@dataclass(frozen=True, slots=True)
class Step:
    """One commit of a history. Numbers choose among what is there, whatever that is by then."""

    kind: str
    session: str
    page: int
    words: tuple[str, ...]
    number: int
    key: str | None = None
    role: str = "user"
    durable: bool = True
    stale: bool = False


KINDS = (
    "event",
    "event",
    "write",
    "write",
    "derive",
    "revise",
    "represent",
    "compute",
    "collect",
    "map",
    "map",
    "touch",
    "demote",
    "evict",
    "pin",
    "unpin",
    "fault",
    "turn",
    "change",
    "forget",
    "fork",
    "back",
    "checkpoint",
    "restore",
    "call",
    "call",
    "supersede",
    "supersede",
    "archive",
    "archive",
    "unarchive",
)


def _one_in(many: int) -> st.SearchStrategy[bool]:
    return st.integers(1, many).map(lambda number: number == many)


steps = st.builds(
    Step,
    kind=st.sampled_from(KINDS),
    session=st.sampled_from(SESSIONS),
    page=st.integers(0, 30),
    words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(tuple),
    number=st.integers(0, 40),
    key=st.sampled_from((None, None, "k1", "k2")),
    role=st.sampled_from(("user", "assistant", "system", "tool")),
    durable=_one_in(20).map(lambda derived: not derived),  # a derived one waits for company
    stale=_one_in(10),
)
histories = st.lists(steps, max_size=25)


@dataclass(slots=True)
class Chronicle:
    """Carries steps out on a bench and remembers what the store answered."""

    bench: Bench
    pages: list[str] = field(default_factory=list)
    forgotten: set[str] = field(default_factory=set)
    answers: list[Applied] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)

    async def tell(self, history: Sequence[Step]) -> None:
        """All of a history."""
        for step in history:
            await self.take(step)

    async def take(self, step: Step) -> None:
        """One step; one that is planned on what is no more changes nothing."""
        commit = await self._planned(step)
        if commit is None:
            return
        answer = await self.bench.store.apply(commit)
        if isinstance(answer, Conflict):
            assert step.stale
            return
        assert not step.stale
        self._remember(commit, answer)

    def _remember(self, commit: Commit, answer: Applied) -> None:
        self.answers.append(answer)
        new = [name for slot, name in enumerate(answer.ids) if slot not in answer.duplicates]
        new = [name for name in new if name]  # a number that was wanted and not used
        self.ids.extend(new)
        self.pages.extend(name for name in new if not name.startswith("evt"))
        self.forgotten.update(
            operation.page_id for operation in commit.operations if isinstance(operation, Forgotten)
        )

    async def _planned(self, step: Step) -> Commit | None:
        if step.kind == "fork":
            return await self._forked(step)
        if step.kind == "collect":
            return await self._collected(step)
        if step.session in FORKS and await self._row(step.session) is None:
            step = replace(step, session=SESSIONS[0])
        alive = [page for page in self.pages if page not in self.forgotten]
        page = alive[step.page % len(alive)] if alive else None
        made = _WITHOUT_PAGE.get(step.kind)
        if made is not None:
            operations = made(step)
        elif page is None:
            return None
        else:
            operations = await self._to_a_page(step, page, alive)
        return await self._commit(step, operations)

    async def _to_a_page(self, step: Step, page: str, alive: list[str]) -> list[Operation]:
        """What happens to a page that is there."""
        if step.kind == "revise":
            revision = await self.bench.revision(page, step.session)
            return [replace(revision, key=_own(step))]
        if step.kind in ("back", "compute"):
            versions = await self.bench.store.versions(self.bench.workspace, page)
            return [_of_version(step, page, versions[step.number % len(versions)].version)]
        if step.kind == "supersede":
            by = alive[step.number % len(alive)] if step.number % 7 else None
            return [Superseded(session=step.session, page_id=page, by=by)]
        if step.kind == "archive" and await self._in_use(page):
            return []
        return _WITH_PAGE[step.kind](step, page)

    async def _in_use(self, page: str) -> bool:
        """Whether a session maps or pins the page, so that it cannot be archived."""
        for session in SESSIONS:
            residents = await self.bench.store.residents(self.bench.workspace, session)
            if any(one.page_id == page and one.level is not None for one in residents):
                return True
        return page in await self._pinned()

    async def _pinned(self) -> set[str]:
        """The pages that a session pins, also one that is not mapped there."""
        pins: set[tuple[str | None, str]] = set()
        for line in await self.bench.store.log(self.bench.workspace, 0, 10_000):
            pin = line.operation
            if isinstance(pin, Pinned):
                (pins.add if pin.pinned else pins.discard)((pin.session, pin.page_id))
        return {page for _, page in pins}

    async def _forked(self, step: Step) -> Commit | None:
        """A fork of the step's session, with what is mapped in it."""
        bench = self.bench
        row = await self._row(step.session)
        free = [name for name in FORKS if await self._row(name) is None]
        if row is None or not free:
            return None
        residents = await bench.store.residents(bench.workspace, step.session)
        return bench.commit(
            SessionOpened(session=free[0], parent=step.session, forked_at=HERE),
            *(
                mapped(one.page_id, session=free[0], version=one.version, level=one.level)
                for one in residents
                if one.level is not None
            ),
            expects={step.session: row.revision + (1 if step.stale else 0)},
            durable=step.durable,
        )

    async def _collected(self, step: Step) -> Commit | None:
        """The garbage there is by now, as collecting it would be written."""
        garbage = await garbage_of(self.bench)
        if not garbage:
            return None
        row = await self._row(step.session)
        stale = {step.session: (row.revision if row else 0) + 1} if step.stale else {}
        return self.bench.commit(*map(collected, garbage), expects=stale, durable=False)

    async def _row(self, session: str) -> Session | None:
        return await self.bench.store.session(self.bench.workspace, session)

    async def _commit(self, step: Step, operations: list[Operation]) -> Commit:
        row = await self._row(step.session)
        revision = (row.revision if row else 0) + (1 if step.stale else 0)
        text = f"{' '.join(step.words)} {step.number}".encode()
        return self.bench.commit(
            SessionOpened(session=step.session),
            *operations,
            contents=[
                text * (40 if step.number > 35 else 1),
                b"hint",
                b"payload",
                f"picture {step.number % 3}".encode(),
            ],
            new=["evt", PREFIXES[_page_type(step)]],
            expects={step.session: revision},
            durable=step.durable,
        )


def _own(step: Step) -> str | None:
    """A key of this kind of step: one key is for one thing."""
    return step.key and f"{step.kind} {step.key}"


def _page_type(step: Step) -> str:
    if step.kind == "call":
        return "artifact"
    if step.kind == "event":
        return "artifact" if step.role == "tool" else "transcript"
    return ("claim", "summary", "procedure")[step.number % 3]


def _event(step: Step) -> list[Operation]:
    bare = step.number % 5 == 0
    event: EventAdded = said(
        session=step.session,
        page_id=None if bare else "+1",
        role=step.role,
        key=_own(step),
        begins_turn=step.role == "user",
        payload=-3,
        tokens=step.number,
        usage={"prompt": step.number, "completion": 2} if step.number % 3 == 0 else None,
    )
    return [event] if bare else [event, _page(step, event_id="+0", hint=None, payload=-3)]


def _page(step: Step, **fields: Any) -> PageAdded:
    usual = {
        "session": step.session,
        "page_id": "+1",
        "page_type": _page_type(step),
        "role": step.role,
        "hint": -2,
        "key": _own(step),
        "tokens": step.number,
        "importance": step.number / 40,
        "flagged": None if step.number % 3 else "poses",
    }
    return added(**{**usual, **fields})


def _write(step: Step) -> list[Operation]:
    page = _page(step, blobs=(-4,) if step.number % 2 else ())
    return [page, mapped("+1", session=step.session, tokens=step.number)]


def _turn(step: Step) -> list[Operation]:
    return [TurnBegan(session=step.session, cause="pause")]


def _change(step: Step) -> list[Operation]:
    return [
        SessionChanged(
            session=step.session,
            title=step.words[0],
            budget=step.number + 100,
            policy=POLICIES[step.number % 2],
        )
    ]


POLICIES = ("lru", "cost")


def _checkpoint(step: Step) -> list[Operation]:
    name = f"{step.words[0]} {step.number}"
    return [
        Checkpointed(
            session=step.session, name=name, pages=step.page, tokens=step.number, policy="lru"
        )
    ]


def _restore(step: Step) -> list[Operation]:
    return [Restored(session=step.session, name=step.words[0])]


def _call(step: Step) -> list[Operation]:
    """A call with its result; every third has fixed an earlier one."""
    ok = step.number % 4 != 0
    tool = replace(step, role="tool", number=step.number | 1)
    called = Called(
        session=step.session,
        event_id="+0",
        page_id=None if tool.number % 5 == 0 else "+1",
        tool=step.words[0],
        call=f"{step.number % 5:032x}",
        answer=f"{step.number % 3:032x}",
        ok=ok,
        door="record",
        number=0 if ok else None,
        aliases=step.words[1:],
        names=("a", "b"),
    )
    fixed = Fixed(
        session=step.session,
        page_id="+1",
        failed="+1",
        tool=step.words[0],
        change=("~a", "+b"),
        features=(step.number, 2**31),
    )
    return [*_event(tool), called, *([fixed] if called.page_id and step.number % 3 == 0 else [])]


def _derive(step: Step, page: str) -> list[Operation]:
    return [_page(step, derived_from=(page,))]


def _represent(step: Step, page: str) -> list[Operation]:
    level = 1 + step.number % 3
    return [
        Represented(
            session=step.session,
            page_id=page,
            version=1,
            level=level,
            origin="model",
            content=-1,
            tokens=step.number,
        )
    ]


def _of_version(step: Step, page: str, version: int) -> Operation:
    if step.kind == "back":
        return Reverted(session=step.session, page_id=page, version=version)
    return Represented(
        page_id=page,
        version=version,
        level=1 + step.page % 3,
        origin=COMPUTED[step.number % 3 == 0],
        content=-1,
        tokens=step.number,
    )


def collected(garbage: Garbage) -> Collected:
    """Garbage, as taking it away is written."""
    return Collected(page_id=garbage.page_id, contents=(garbage.content,))


async def garbage_of(bench: Bench) -> list[Garbage]:
    """What nothing in the bench's workspace reaches."""
    reach = Reach()
    for line in await bench.store.log(bench.workspace, 0, 10_000):
        reach.take(line)
    sizes = dict(await bench.store.sizes(bench.workspace, 0, 10_000))
    return list(reach.garbage(sizes, {COMPUTED[0]}))


def _map(step: Step, page: str) -> list[Operation]:
    return [mapped(page, session=step.session, level=step.number % 4, tokens=step.number)]


def _touch(step: Step, page: str) -> list[Operation]:
    return [Touched(session=step.session, page_id=page)]


def _demote(step: Step, page: str) -> list[Operation]:
    cause = "idle" if step.number % 2 else None
    return [Demoted(session=step.session, page_id=page, level=3, tokens=step.number, cause=cause)]


def _evict(step: Step, page: str) -> list[Operation]:
    return [Evicted(session=step.session, page_id=page, cause="asked")]


def _pin(step: Step, page: str) -> list[Operation]:
    until = step.number if step.number % 2 else None
    return [Pinned(session=step.session, page_id=page, pinned=True, until_turn=until)]


def _unpin(step: Step, page: str) -> list[Operation]:
    return [Pinned(session=step.session, page_id=page, pinned=False)]


def _fault(step: Step, page: str) -> list[Operation]:
    more = step.number % 4 == 0
    asked = Faulted(
        session=step.session, page_id=page, reason="speculative", tokens=step.number, more=more
    )
    return [asked, *_map(step, page)]


def _archive(_: Step, page: str) -> list[Operation]:
    return [Archived(page_id=page)]


def _unarchive(step: Step, page: str) -> list[Operation]:
    return [Unarchived(session=step.session, page_id=page)]


def _forget(step: Step, page: str) -> list[Operation]:
    return [Forgotten(session=step.session, page_id=page, reason=step.words[0])]


_WITHOUT_PAGE = {
    "event": _event,
    "write": _write,
    "turn": _turn,
    "change": _change,
    "checkpoint": _checkpoint,
    "restore": _restore,
    "call": _call,
}
_WITH_PAGE = {
    "derive": _derive,
    "represent": _represent,
    "map": _map,
    "touch": _touch,
    "demote": _demote,
    "evict": _evict,
    "pin": _pin,
    "unpin": _unpin,
    "fault": _fault,
    "forget": _forget,
    "archive": _archive,
    "unarchive": _unarchive,
}


async def everything(bench: Bench) -> dict[str, object]:
    """What every read of the contract says about a workspace, by what was asked."""
    store, workspace = bench.store, bench.workspace
    lines = await store.log(workspace, 0, 10_000)
    seen: dict[str, object] = {
        "log": lines,
        "contents": await store.contents(workspace, 0, 10_000),
        "sessions": await store.sessions(workspace, 100),
        "lessons": await store.lessons(workspace, 0, 10_000),
        "totals": await _totals(bench),
        "pages like": await store.ids_like(workspace, "page", "", 1000),
        "sessions like": await store.ids_like(workspace, "session", "", 1000),
    }
    page_ids = sorted({str(getattr(line.operation, "page_id", None)) for line in lines} - {"None"})
    for session in SESSIONS:
        seen[f"session {session}"] = await _of_session(bench, session, page_ids)
    for page_id in page_ids:
        seen[page_id] = await _of_page(bench, page_id)
    return seen


async def _totals(bench: Bench) -> dict[str, int]:
    totals = await bench.store.totals(bench.workspace)
    names = ("sessions", "pages", "contents", "lines", "archived")
    return {name: totals[name] for name in names}


async def _of_session(bench: Bench, session: str, page_ids: list[str]) -> list[object]:
    store, workspace = bench.store, bench.workspace
    keys = [f"{kind} {key}" for kind in KINDS for key in ("k1", "k2")]
    return [
        await store.session(workspace, session),
        await store.residents(workspace, session),
        await store.pages(workspace, page_ids, session),
        await store.recent_pages(workspace, session, 100),
        await store.recent_pages(workspace, session, 100, unmapped=True),
        await store.events(workspace, session, 0, 1000),
        await store.log(workspace, 0, 1000, session=session),
        await store.moves(workspace, session, 0, 1000),
        await store.checkpoints(workspace, session),
        await store.calls(workspace, session, 0, 1000),
        [await store.page_of_key(workspace, session, key) for key in keys],
        [await _holding(bench, word, session) for word in WORDS],
    ]


async def _holding(bench: Bench, word: str, session: str) -> list[str]:
    """The pages found that hold the word; whose turn is beside them depends on what was forgotten
    before it was indexed."""
    found = await bench.find(word, session, limit=100)
    return sorted([page for page in found if word in await bench.text(page, session)])


async def _of_page(bench: Bench, page_id: str) -> list[object]:
    store, workspace = bench.store, bench.workspace
    versions = await store.versions(workspace, page_id)
    return [
        versions,
        [await store.representations(workspace, page_id, v.version) for v in versions],
        await store.derived_pages(workspace, page_id),
        await store.log(workspace, 0, 1000, page_id=page_id),
    ]
