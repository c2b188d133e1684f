"""Moving a store into another: whatever happened in it, all reads of the copy are the same."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.stores.histories import SESSIONS, Chronicle, Step, everything, histories
from tests.stores.making import START, Bench, added, mapped, open_workspace, said

from pagefault.base.errors import (
    InvalidArgument,
    PageForgotten,
    StoreDamaged,
    WorkspaceNotFound,
)
from pagefault.base.log import Pinned, SessionOpened
from pagefault.stores import moving, pieces
from pagefault.stores.codec import keep
from pagefault.stores.contract import Store, Workspace, WorkspaceRequest
from pagefault.stores.moving import Lost, Moved, Progress, move
from pagefault.stores.sqlite import SqliteStore

pytestmark = pytest.mark.anyio

Act = Callable[[Progress], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Ends:
    """The two stores of a move."""

    source: Store
    target: Store

    async def move(self, only: str | None = None) -> Moved:
        """Move, and what became of the only workspace that there is, or is named."""
        (moved,) = await move(self.source, self.target, only=only)
        return moved


@pytest.fixture(params=["out of it", "into it"])
async def ends(
    request: pytest.FixtureRequest, open_store: Callable[[], Store], tmp_path: Path
) -> AsyncIterator[Ends]:
    """A store of each kind, and a file: from the one into the other, and the other way round."""
    store, file = open_store(), SqliteStore.open(tmp_path / "other.db")
    yield Ends(store, file) if request.param == "out of it" else Ends(file, store)
    await store.close()
    await file.close()


@pytest.fixture
def short_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces so short that a short history has many."""
    monkeypatch.setattr(pieces, "LINES", 7)


async def both(ends: Ends, moved: Moved, now: float) -> tuple[Bench, Bench]:
    """The workspace at both ends; a bench's clock goes on where the history's ended."""
    return Bench(ends.source, moved.source, now), Bench(ends.target, moved.target, now)


async def assert_same(ends: Ends, moved: Moved) -> None:
    """Every read of the contract gives the same at both ends."""
    here, there = await both(ends, moved, START)
    assert await everything(there) == await everything(here)


# Any history, interrupted anywhere

on_one_pair = settings(
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
workspaces = (f"w{number}" for number in itertools.count())


class Interrupted(Exception):
    """The move was cut off between two of its steps."""


def cut_off_after(steps: int) -> Act:
    """For `move`'s ``progress``: an end after so many words of it."""
    left = itertools.count(steps, -1)

    async def interrupt(_: Progress) -> None:
        if next(left) <= 0:
            raise Interrupted

    return interrupt


@on_one_pair
@given(before=histories, steps=st.integers(0, 30), after=histories)
@pytest.mark.usefixtures("short_pieces")
async def test_any_history_moved_gives_every_read_back_though_the_move_was_cut_off(
    ends: Ends, before: list[Step], steps: int, after: list[Step]
) -> None:
    name = next(workspaces)
    chronicle = Chronicle(Bench(ends.source, await open_workspace(ends.source, name)))
    await chronicle.tell(before)
    with suppress(Interrupted):
        await move(ends.source, ends.target, only=name, progress=cut_off_after(steps))
    await chronicle.tell(after)
    moved = await ends.move(name)
    assert moved.equal
    assert moved.lost == ()
    here, there = await both(ends, moved, chronicle.bench.now)
    assert await everything(there) == await everything(here)
    for session in SESSIONS:  # and both go on alike: no number is given out twice
        assert await there.write(session=session) == await here.write(session=session)
    assert await everything(there) == await everything(here)


# A rich memory


async def live(bench: Bench) -> None:
    """Messages, versions on two branches, a fork, a pin, keys, a level, a forgotten page."""
    for number in range(30):
        await bench.say(f"message {number} about alder", key=f"k{number}", begins_turn=True)
    claim = await bench.write("the first of beech", key="claim")
    await bench.revise(claim, "the second of beech")
    position = (await bench.positions())[-1]
    await bench.do(SessionOpened(session="s2", parent="s1", forked_at=position, title="A fork"))
    await bench.revise(claim, "the fork's cedar", session="s2")
    await bench.do(mapped(claim), Pinned(session="s1", page_id=claim, pinned=True, until_turn=9))
    await bench.write("made of it", derived_from=(claim,), session="s2")
    await bench.forget(await bench.write("a secret"))


async def test_a_rich_memory_comes_whole_and_says_how_much_it_was(ends: Ends) -> None:
    bench = await Bench.at(ends.source)
    await live(bench)
    moved = await ends.move()
    await assert_same(ends, moved)
    lines = len(await bench.positions())
    assert (moved.position, moved.brought) == (lines, lines)
    assert (moved.equal, moved.lost) == (True, ())
    assert moved.contents == len(await bench.store.contents(bench.workspace, 0, 1_000)) == 34


async def test_a_second_run_brings_nothing_and_compares_everything(ends: Ends) -> None:
    bench = await Bench.at(ends.source)
    await live(bench)
    first = await ends.move()
    again = await ends.move()
    assert (again.brought, again.position, again.contents) == (0, first.position, first.contents)
    assert again.equal


async def test_numbers_and_keys_go_on_where_they_were(ends: Ends) -> None:
    bench = await Bench.at(ends.source)
    await live(bench)
    moved = await ends.move()
    there = Bench(ends.target, moved.target, bench.now)
    again = await there.do(
        said(key="k3", page_id="+1"),
        added(page_id="+1", page_type="transcript", event_id="+0", key="k3"),
        contents=[b"message 3"],
        new=["evt", "msg"],
    )
    assert again.ids == ("evt_4", "msg_4")
    assert again.duplicates == {0, 1}
    assert await there.write(key="claim") == "claim_1"
    assert await there.say("on it goes") == ("evt_31", "msg_31")
    assert await there.write("claim_3 was forgotten, its number is not used again") == "claim_4"
    with pytest.raises(PageForgotten):
        await there.text("claim_3")


async def test_the_copy_is_a_store_that_can_be_moved_on(ends: Ends, tmp_path: Path) -> None:
    bench = await Bench.at(ends.source)
    await live(bench)
    await ends.move()
    third = SqliteStore.open(tmp_path / "third.db")
    (moved,) = await move(ends.target, third)
    await assert_same(
        Ends(ends.source, third), Moved(bench.workspace, moved.target, 0, 0, 0, (), True)
    )
    await third.close()


# Principals and workspaces


async def test_everybodys_workspaces_come_in_their_order_and_with_their_names(ends: Ends) -> None:
    wanted = [
        WorkspaceRequest("zoe", "o200k_base", START + 1, name="house", fingerprint="/a/house"),
        WorkspaceRequest("zoe", "estimate", START + 2, name="house", fingerprint="/b/house"),
        WorkspaceRequest("zoe", "estimate", START + 3, name="my project"),
        WorkspaceRequest("ann", "estimate", START + 4, id="house"),
        WorkspaceRequest("zoe", "estimate", START + 5, name="house", fingerprint="/c/house"),
    ]
    for number, request in enumerate(wanted):
        bench = Bench(ends.source, await ends.source.open_workspace(request))
        await bench.do(SessionOpened(session="s1"))
        await bench.write(f"page {number}")
    moved = await move(ends.source, ends.target)
    assert [one.source.id for one in moved] == [
        "house",
        "house-2",
        "my-project",
        "house-3",
        "house",
    ]
    assert await ends.target.principals() == ["zoe", "ann"]
    for principal in ("zoe", "ann"):
        ours = await ends.source.workspaces(principal)
        theirs = await ends.target.workspaces(principal)
        assert [told(place) for place in theirs] == [told(place) for place in ours]
    for one in moved:
        await assert_same(ends, one)


def told(place: Workspace) -> tuple[object, ...]:
    """What a workspace says of itself, without the store's own numbers."""
    return (place.id, place.name, place.tokenizer, place.fingerprint, place.created_at)


async def test_only_the_workspaces_of_an_id_are_moved_when_one_is_named(ends: Ends) -> None:
    for name, principal in (("one", "local"), ("two", "local"), ("two", "ann")):
        await Bench.at(ends.source, name, principal)
    moved = await move(ends.source, ends.target, only="two")
    assert [(one.source.principal, one.target.id) for one in moved] == [
        ("local", "two"),
        ("ann", "two"),
    ]
    assert [place.id for place in await ends.target.workspaces("local")] == ["two"]


async def test_one_that_is_not_there_is_an_error_that_names_those_that_are(ends: Ends) -> None:
    await Bench.at(ends.source, "one")
    with pytest.raises(WorkspaceNotFound, match=r"'two'. It has: one"):
        await move(ends.source, ends.target, only="two")


async def test_a_workspace_that_is_made_meanwhile_comes_along(ends: Ends) -> None:
    await live(await Bench.at(ends.source))

    async def make(_: Progress) -> None:
        await Bench.at(ends.source, "late")

    moved = await move(ends.source, ends.target, progress=make)
    assert [one.source.id for one in moved] == ["default", "late"]
    for one in moved:
        await assert_same(ends, one)


# What happens at the source meanwhile


def once(act: Callable[[], Awaitable[object]], what: str = "log lines") -> Act:
    """Do something at the first word of a kind of progress."""
    done: list[bool] = []

    async def when_told(progress: Progress) -> None:
        if progress.what == what and not done:
            done.append(True)
            await act()

    return when_told


MOMENTS = ["log lines", "log lines compared", "contents compared"]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.usefixtures("short_pieces")
async def test_what_is_written_meanwhile_comes_along(ends: Ends, moment: str) -> None:
    bench = await Bench.at(ends.source)
    await live(bench)
    act = once(lambda: bench.write("written meanwhile"), moment)
    (moved,) = await move(ends.source, ends.target, progress=act)
    assert moved.equal
    assert moved.position == len(await bench.positions())
    await assert_same(ends, moved)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.usefixtures("short_pieces")
async def test_what_is_forgotten_meanwhile_is_forgotten_in_the_end(ends: Ends, moment: str) -> None:
    bench = await Bench.at(ends.source)
    await live(bench)
    pages = ["msg_1", "msg_29", "claim_1"]  # in the first piece, and in later ones
    (moved,) = await move(
        ends.source, ends.target, progress=once(lambda: bench.forget(*pages), moment)
    )
    assert (moved.equal, moved.lost) == (True, ())
    await assert_same(ends, moved)
    there = Bench(ends.target, moved.target)
    for page_id in pages:
        with pytest.raises(PageForgotten):
            await there.text(page_id)
    texts = [data for _, data in await ends.target.contents(moved.target, 0, 1_000)]
    assert b"message 0 about alder" not in texts
    assert b"the fork's cedar" not in texts


async def test_a_source_that_never_stands_still_is_told_and_the_rest_comes_next_time(
    ends: Ends,
) -> None:
    bench = await Bench.at(ends.source)
    await live(bench)

    async def write(_: Progress) -> None:
        await bench.write("and another")

    (moved,) = await move(ends.source, ends.target, progress=write)
    assert not moved.equal
    assert 0 < moved.position < len(await bench.positions())
    beginning = await ends.source.log(moved.source, 0, moved.position)
    assert (await ends.target.log(moved.target, 0, 10_000)) == beginning
    again = await ends.move()
    assert again.equal
    assert again.position == len(await bench.positions())
    await assert_same(ends, again)


# A target that is another store


async def test_a_target_with_another_log_is_refused_and_stays_as_it_was(ends: Ends) -> None:
    await (await Bench.at(ends.source)).write("ours")
    other = await Bench.at(ends.target)
    other.now += 60
    await other.write("theirs")
    before = await everything(other)
    with pytest.raises(InvalidArgument, match=r"'default' of local is another one in b than in a"):
        await move(ends.source, ends.target, names=("a", "b"))
    assert await everything(other) == before


async def test_a_target_that_went_on_by_itself_is_refused(ends: Ends) -> None:
    await live(await Bench.at(ends.source))
    moved = await ends.move()
    await Bench(ends.target, moved.target).write("written to the copy")
    with pytest.raises(InvalidArgument, match=f"nothing in common behind line {moved.position}"):
        await ends.move()


async def test_nothing_is_moved_when_any_of_the_workspaces_is_refused(ends: Ends) -> None:
    for name in ("one", "two"):
        await live(await Bench.at(ends.source, name))
    await (await Bench.at(ends.target, "two")).write("theirs")
    with pytest.raises(InvalidArgument, match="'two'"):
        await move(ends.source, ends.target)
    assert [place.id for place in await ends.target.workspaces("local")] == ["two"]


@pytest.mark.parametrize(
    ("there", "why"),
    [
        (
            WorkspaceRequest("local", "o200k_base", START, name="house", fingerprint="/a"),
            "counts tokens with o200k_base there, here estimate",
        ),
        (
            WorkspaceRequest("local", "estimate", START, name="house", fingerprint="/b"),
            "belongs to repository /b there, here /a",
        ),
        (
            WorkspaceRequest("local", "estimate", START, name="hut", fingerprint="/a"),
            "its repository /a has workspace 'hut' there",
        ),
    ],
)
async def test_a_workspace_of_another_kind_at_the_target_is_refused(
    ends: Ends, there: WorkspaceRequest, why: str
) -> None:
    await ends.source.open_workspace(
        WorkspaceRequest("local", "estimate", START, name="house", fingerprint="/a")
    )
    await ends.target.open_workspace(there)
    with pytest.raises(InvalidArgument, match=why):
        await move(ends.source, ends.target)


async def test_an_empty_workspace_at_the_target_is_filled(ends: Ends) -> None:
    """As a server leaves it that was once started there."""
    await live(await Bench.at(ends.source))
    await ends.target.open_workspace(WorkspaceRequest("local", "estimate", START + 99))
    await assert_same(ends, await ends.move())


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.usefixtures("short_pieces")
async def test_somebody_who_writes_to_the_target_meanwhile_is_noticed(
    ends: Ends, moment: str
) -> None:
    await live(await Bench.at(ends.source))

    async def intrude() -> None:
        await Bench(ends.target, await open_workspace(ends.target)).write("not from there")

    with pytest.raises(InvalidArgument, match="nothing in common behind line"):
        await move(ends.source, ends.target, progress=once(intrude, moment))


@pytest.mark.usefixtures("short_pieces")
async def test_of_two_runs_at_once_one_may_give_way_and_the_copy_is_whole(ends: Ends) -> None:
    await live(await Bench.at(ends.source))
    gave_way: list[str] = []

    async def run() -> None:
        try:
            await move(ends.source, ends.target)
        except InvalidArgument as error:
            gave_way.append(error.message)

    async with anyio.create_task_group() as runs:
        runs.start_soon(run)
        runs.start_soon(run)
    told = "another run moves workspace 'default' of local into the target at the same time"
    assert all(told in message for message in gave_way)
    assert len(gave_way) < 2
    await assert_same(ends, await ends.move())


# Damage


def damage(path: Path, content: int) -> None:
    """Other bytes than were written, in a file that nobody has open."""
    with apsw.Connection(str(path)) as db:
        db.execute(
            "UPDATE content SET data=CAST('damaged' AS BLOB) WHERE key=?", (1 << 40 | content,)
        )
        assert db.changes() == 1
    db.close()


async def filled(path: Path) -> Bench:
    bench = await Bench.at(SqliteStore.open(path))
    for number in range(1, 41):
        await bench.write(f"page {number} about alder")
    return bench


async def test_a_damaged_content_comes_as_missing_and_is_told_with_its_page(
    path: Path, open_store: Callable[[], Store]
) -> None:
    bench = await filled(path)
    await bench.forget("claim_6", "claim_12")
    await bench.store.close()
    for content in (7, 8, 20):
        damage(path, content)
    source, target = SqliteStore.open(path), open_store()
    (moved,) = await move(source, target)
    assert moved.lost == (Lost(7, "claim_7"), Lost(8, "claim_8"), Lost(20, "claim_20"))
    assert (moved.equal, moved.contents) == (True, 35)
    there = Bench(target, moved.target)
    for page_id in ("claim_7", "claim_20"):
        with pytest.raises(StoreDamaged):
            await there.text(page_id)
    with pytest.raises(PageForgotten):
        await there.text("claim_6")
    for page_id in ("claim_5", "claim_9", "claim_40"):
        assert await there.text(page_id) == f"page {page_id[6:]} about alder"
    assert await target.log(moved.target, 0, 100) == await source.log(moved.source, 0, 100)
    for store in (source, target):
        await store.close()


async def test_what_is_missing_in_a_copy_of_a_damaged_store_is_told_again(
    path: Path, tmp_path: Path
) -> None:
    bench = await filled(path)
    await bench.store.close()
    damage(path, 7)
    stores = [SqliteStore.open(at) for at in (path, tmp_path / "b.db", tmp_path / "c.db")]
    await move(stores[0], stores[1])
    (moved,) = await move(stores[1], stores[2])
    assert moved.lost == (Lost(7, "claim_7"),)
    for store in stores:
        await store.close()


async def test_a_content_damaged_after_it_was_moved_is_told_and_stays_at_the_target(
    path: Path, tmp_path: Path
) -> None:
    bench = await filled(path)
    target = SqliteStore.open(tmp_path / "b.db")
    await move(bench.store, target)
    await bench.store.close()
    damage(path, 7)
    source = SqliteStore.open(path)
    (moved,) = await move(source, target)
    assert moved.lost == (Lost(7, "claim_7"),)
    assert await Bench(target, moved.target).text("claim_7") == "page 7 about alder"
    for store in (source, target):
        await store.close()


def other_bytes(db: apsw.Connection) -> None:
    kept = keep(b"something else")
    db.execute("UPDATE content SET codec=?, checksum=?, data=? WHERE key=?",
               (kept.codec, kept.checksum, kept.data, 1 << 40 | 3))  # fmt: skip


def damaged_bytes(db: apsw.Connection) -> None:
    db.execute("UPDATE content SET data=CAST('x' AS BLOB) WHERE key=?", (1 << 40 | 3,))


def no_bytes(db: apsw.Connection) -> None:
    db.execute("DELETE FROM content WHERE key=?", (1 << 40 | 3,))


def forgotten_bytes(db: apsw.Connection) -> None:
    kept = keep(b"page 6 about alder")
    db.execute("INSERT INTO content VALUES(?,?,?,?)",
               (1 << 40 | 6, kept.codec, kept.checksum, kept.data))  # fmt: skip


def another_title(db: apsw.Connection) -> None:
    db.execute("UPDATE session SET title='another'")


def another_level(db: apsw.Connection) -> None:
    db.execute("UPDATE resident SET level=3")


def one_page_less(db: apsw.Connection) -> None:
    db.execute("UPDATE page SET forgotten=1 WHERE id='claim_9'")


def another_line(db: apsw.Connection) -> None:
    db.execute("UPDATE log SET actor='somebody' WHERE key=?", (1 << 40 | 3,))


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (other_bytes, "content 3 of claim_3 of workspace 'default'"),
        (damaged_bytes, "content 3 of claim_3"),
        (no_bytes, "content 3 of claim_3"),
        (forgotten_bytes, "content 6 of claim_6"),
        (another_title, "the row of a session"),
        (another_level, "what is mapped in session s1"),
        (one_page_less, r"the number of pages \(39 and 38\)"),
        (another_line, "nothing in common behind line 2"),
    ],
)
async def test_whatever_is_not_the_same_at_the_target_is_found(
    path: Path, tmp_path: Path, spoil: Callable[[apsw.Connection], None], complaint: str
) -> None:
    bench = await filled(path)
    await bench.do(mapped("claim_2"))
    await bench.forget("claim_6")
    copy = tmp_path / "b.db"
    target = SqliteStore.open(copy)
    await move(bench.store, target)
    await target.close()
    with apsw.Connection(str(copy)) as db:
        spoil(db)
    db.close()
    target = SqliteStore.open(copy)
    with pytest.raises((StoreDamaged, InvalidArgument), match=complaint):
        await move(bench.store, target)
    for store in (bench.store, target):
        await store.close()


# Pieces


async def test_contents_are_brought_a_few_megabytes_at_a_time(ends: Ends) -> None:
    bench = await Bench.at(ends.source)
    for number in range(20):
        await bench.write(bytes([65 + number]) * 2**20)
    there = await open_workspace(ends.target)
    items = pieces.read(ends.source, bench.workspace)
    many = [len(piece) async for piece in pieces.append(ends.target, there, items)]
    assert sum(many) == 21
    assert max(many) <= 9
    assert (await ends.move()).contents == 20


async def test_progress_is_told_from_the_first_line_to_the_last_content(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "LINES", 7)
    monkeypatch.setattr(moving, "LINES", 7)
    bench = await Bench.at(ends.source)
    await live(bench)
    heard: list[Progress] = []

    async def hear(progress: Progress) -> None:
        heard.append(progress)

    (moved,) = await move(ends.source, ends.target, progress=hear)
    lines = moved.position
    for what in ("log lines", "log lines compared"):
        steps = [one.done for one in heard if one.what == what]
        assert steps == [*range(7, lines, 7), lines]
    assert heard[-1] == Progress(bench.workspace, "contents compared", 35, 35)
    assert all(one.done <= one.total for one in heard)
