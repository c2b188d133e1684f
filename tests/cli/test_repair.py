"""`pagefault doctor --repair`: what is derived is made anew, what was written is never touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import apsw
import platformdirs
import pytest
from tests.redis.servers import Standalone, fresh_prefix

from pagefault.base.config import Settings
from pagefault.base.log import SessionChanged
from pagefault.ledger import StartRequest, record, start
from pagefault.memory.core import Memory
from pagefault.memory.faulting import FaultRequest, fault
from pagefault.memory.keeping import pin
from pagefault.memory.levels import at_level
from pagefault.memory.opening import Folders, open_memory
from pagefault.memory.recall import SearchRequest, search
from pagefault.residency import Residency
from pagefault.stores.contract import Commit, WorkspaceRequest
from pagefault.stores.folding import COUNTERS

Command = Callable[..., Any]
LONG = " ".join(f"In room {n} Boris keeps lantern number {n * 7} of Kazan." for n in range(60))


def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "data", tmp_path / "vocabularies")


def within(url: object, tmp_path: Path, look: Callable[[Memory, Residency], Any]) -> Any:
    """What an async function finds in the session of an open memory."""

    async def run() -> Any:
        memory = open_memory(Settings(store=str(url)), folders(tmp_path))
        await memory.ready()
        try:
            wanted = WorkspaceRequest("local", "estimate", memory.now())
            place = await memory.store.open_workspace(wanted)
            return await look(memory, (await start(memory, place, StartRequest("s1"))).seat)
        finally:
            await memory.close()

    return anyio.run(run)


async def live(memory: Memory, seat: Residency) -> None:
    """Messages, a long page with a level that was computed for it, a pin, faults, searches."""
    texts = ["We paint the boat house blue.", LONG, "The harbour is closed on Mondays."]
    await record(memory, seat, [{"role": "user", "content": text} for text in texts])
    page = await memory.store.page(seat.workspace, "msg_2", "s1")
    assert page is not None
    shown = await at_level(memory, seat.workspace, page, 2)
    assert shown.level == 2
    await pin(memory, seat, "msg_1", pinned=True, turns=None)
    await fault(memory, seat, FaultRequest("msg_2", target_level=2))
    await search(memory, seat, SearchRequest("harbour"))


async def state(memory: Memory, seat: Residency) -> list[object]:
    """What a session is like: its counters, what is mapped, what is found, what is read."""
    row = await memory.store.session(seat.workspace, "s1")
    residents = await memory.store.residents(seat.workspace, "s1")
    page = await memory.store.page(seat.workspace, "msg_2", "s1")
    assert page is not None
    found = await search(memory, seat, SearchRequest("harbour"))
    return [
        [getattr(row, name) for name in COUNTERS],
        [(one.page_id, one.level, one.tokens, one.pinned) for one in residents],
        [one.hit.page_id for one in found.results],
        (await at_level(memory, seat.workspace, page, 2)).text,
    ]


def failed(done: Any) -> dict[str, dict[str, str]]:
    return {one["what"]: one for one in done.json["checks"] if one["state"] == "fail"}


def said(done: Any, what: str) -> str:
    return "\n".join(one["found"] for one in done.json["checks"] if one["what"] == what)


# A data file

LEVEL = (
    "(SELECT ws<<40|content FROM representation WHERE page='msg_2' AND level=2 AND origin<>'model')"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "memory.db"
    within(path, tmp_path, live)
    return path


@pytest.mark.parametrize(
    ("statement", "what", "words"),
    [
        ("UPDATE session SET messages=99, tokens=-4", "sessions", "messages is 99, by the log 3"),
        ("UPDATE session SET turn=turn+5", "sessions", "turn is 6, by the log 1"),
        ("UPDATE resident SET tokens=tokens+7 WHERE page='msg_3'", "sessions", "msg_3 is mapped"),
        ("UPDATE resident SET level=NULL", "sessions", "msg_1 is not mapped, by the log mapped"),
        ("DELETE FROM resident", "sessions", "msg_2 is not mapped, by the log mapped at level 2"),
        (
            "INSERT INTO resident SELECT key,'claim_9',1,0,5,1,1,1,0 FROM session",
            "sessions",
            "claim_9 is mapped at level 0 of version 1 with 5 tokens",
        ),
        ("DELETE FROM pin", "sessions", "msg_1 is not pinned, by the log it is so"),
        ("INSERT INTO pin SELECT key,'msg_3',4 FROM session", "sessions", "msg_3 is pinned"),
        ("UPDATE counter SET last=1 WHERE prefix='msg'", "numbers", "the next msg would be msg_2"),
        ("DELETE FROM counter", "numbers", "the next evt would be evt_1, and evt_3 is taken"),
        ("UPDATE workspace SET position=position-3", "numbers", "the log ends at line"),
        ("UPDATE workspace SET content=1", "numbers", "the next content would be 2"),
        (
            "DELETE FROM index_document WHERE page_id='msg_3'",
            "index",
            "it has 2 documents, by the log 3",
        ),
        ("UPDATE index_area SET documents=9", "index", "it counts 9 documents, and has 3"),
        (
            "UPDATE index_terms_1_data SET block=zeroblob(40) WHERE id>10",
            "index",
            "fts5: corruption found",
        ),
        (
            f"UPDATE content SET data=x'00' WHERE key={LEVEL}",
            "contents",
            "of a level of msg_2 has changed",
        ),
        (f"DELETE FROM content WHERE key={LEVEL}", "contents", "of a level of msg_2 is gone"),
    ],
)
def test_what_is_derived_is_made_anew(
    pagefault: Command, file: Path, tmp_path: Path, statement: str, what: str, words: str
) -> None:
    before = within(file, tmp_path, state)
    with closing(apsw.Connection(str(file))) as db:
        db.execute(statement)
        log = db.execute("SELECT * FROM log").fetchall()
        bytes_before = db.execute("SELECT key,data FROM content").fetchall()
    looked = pagefault("doctor", "--json", "--store", file)
    assert looked.code == 1
    assert words in said(looked, what)
    assert failed(looked)[what]["advice"].endswith("pagefault doctor --repair makes it anew")
    with closing(apsw.Connection(str(file))) as db:  # it has only looked
        assert db.execute("SELECT * FROM log").fetchall() == log
        assert db.execute("SELECT key,data FROM content").fetchall() == bytes_before
    mended = pagefault("doctor", "--repair", "--json", "--store", file)
    assert (mended.code, failed(mended)) == (0, {})
    assert words in said(mended, "repaired")
    again = pagefault("doctor", "--repair", "--json", "--store", file)
    assert said(again, "repair") == "nothing that is derived needed it"
    assert within(file, tmp_path, state) == before


def test_a_sound_file_is_left_as_it_is(pagefault: Command, file: Path) -> None:
    before = file.read_bytes()
    done = pagefault("doctor", "--repair", "--store", file)
    assert done.code == 0
    assert "nothing that is derived needed it" in done.out
    assert file.read_bytes() == before


def test_what_was_written_is_named_with_its_page_and_never_touched(
    pagefault: Command, file: Path
) -> None:
    data = flip(file, "SELECT data FROM content WHERE key=(SELECT min(key) FROM content)")
    for _ in range(2):
        done = pagefault("doctor", "--repair", "--json", "--store", file)
        assert done.code == 1
        found = failed(done)
        assert "content 1 of msg_1 has changed" in found["not repaired"]["found"]
        assert "backup" in found["not repaired"]["advice"]
        assert "put a backup in its place" in found["contents"]["advice"]
    with closing(apsw.Connection(str(file))) as db:
        assert db.execute("SELECT data FROM content ORDER BY key LIMIT 1").get == data


def test_flipped_bytes_of_the_index_in_the_file_itself_are_mended(
    pagefault: Command, file: Path, tmp_path: Path
) -> None:
    before = within(file, tmp_path, state)
    flip(file, "SELECT block FROM index_terms_1_data ORDER BY length(block) DESC LIMIT 1")
    assert pagefault("doctor", "--store", file).code == 1
    mended = pagefault("doctor", "--repair", "--json", "--store", file)
    assert (mended.code, failed(mended)) == (0, {})
    assert within(file, tmp_path, state) == before


def flip(path: Path, query: str) -> bytes:
    """Change bits of a value in a file that nobody has open; the value as it is then."""
    with closing(apsw.Connection(str(path))) as db:
        value = db.execute(query).get
    assert isinstance(value, bytes)
    whole = bytearray(path.read_bytes())
    assert whole.count(value) == 1
    at = whole.index(value)
    for place in range(at + 4, at + min(len(value), 24)):
        whole[place] ^= 0x5A
    path.write_bytes(whole)
    return bytes(whole[at : at + len(value)])


def test_a_session_lets_go_of_what_its_budget_has_no_room_for(
    pagefault: Command, file: Path, tmp_path: Path
) -> None:
    async def shrink(memory: Memory, seat: Residency) -> None:
        line = SessionChanged(session="s1", budget=25)
        await memory.apply(Commit(seat.workspace, memory.now(), "test", [line]))

    async def used(memory: Memory, seat: Residency) -> int:
        residents = await memory.store.residents(seat.workspace, "s1")
        return sum(one.tokens for one in residents if one.level is not None)

    within(file, tmp_path, shrink)
    done = pagefault("doctor", "--repair", "--json", "--store", file)
    assert done.code == 0, done.out
    assert "the budget is 25" in said(done, "repaired")
    assert within(file, tmp_path, used) <= 25


def test_a_store_that_is_not_there_is_not_made_by_a_repair(
    pagefault: Command, tmp_path: Path
) -> None:
    done = pagefault("doctor", "--repair", "--store", tmp_path / "none.db")
    assert done.code == 0
    assert list(tmp_path.glob("none.db*")) == []


def test_a_file_that_is_no_data_file_is_not_repaired(pagefault: Command, tmp_path: Path) -> None:
    path = tmp_path / "letter.db"
    path.write_bytes(b"Dear reader, " * 500)
    done = pagefault("doctor", "--repair", "--json", "--store", path)
    assert done.code == 1
    assert "repair" in failed(done)
    assert path.read_bytes() == b"Dear reader, " * 500


# A server


@pytest.fixture
def url(redis_server: Standalone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(platformdirs, "user_data_path", lambda *_, **__: tmp_path / "data")
    url = redis_server.url(fresh_prefix())
    within(url, tmp_path, live)
    yield url
    redis_server.flush()


Spoil = Callable[[Any, str], object]


@pytest.mark.parametrize(
    ("spoil", "what", "words"),
    [
        (
            lambda r, w: r.hset(f"{w}:s:s1", mapping={"messages": 99, "turn": 0}),
            "sessions",
            "messages is 99, by the log 3",
        ),
        (lambda r, w: r.hset(f"{w}:s:s1", "tokens", "many"), "sessions", "tokens is many"),
        (lambda r, w: r.hdel(f"{w}:s:s1", "user_messages"), "sessions", "user_messages is 0"),
        (lambda r, w: r.delete(f"{w}:sr:s1"), "sessions", "msg_1 is not mapped"),
        (lambda r, w: r.hset(f"{w}:sr:s1", "msg_3", "what"), "sessions", "msg_3 is mapped"),
        (
            lambda r, w: r.hset(f"{w}:sr:s1", "msg_3", "1 0 9000 4 1 1 0 transcript 0.5 3 user"),
            "sessions",
            "with 9000 tokens",
        ),
        (lambda r, w: r.delete(f"{w}:si:s1"), "sessions", "msg_1 is not pinned"),
        (lambda r, w: r.hset(f"{w}:head", "pages", 9), "numbers", "9 pages are counted"),
        (lambda r, w: r.hset(f"{w}:head", "content", 1), "numbers", "the next content would be 2"),
        (lambda r, w: r.hset(f"{w}:head", "indexable", 1), "numbers", "searches look for line 1"),
        (lambda r, w: r.hset(f"{w}:head", "position", 4), "numbers", "which is taken"),
        (lambda r, w: r.delete(f"{w}:counters"), "numbers", "the next msg would be msg_1"),
        (lambda r, w: r.delete(f"{w}:handles"), "numbers", "0 sessions are counted"),
        (
            lambda r, w: r.setrange(f"{w}:c:4", 25, "???"),
            "contents",
            "content 4 of a level of msg_2 has changed",
        ),
        (lambda r, w: r.delete(f"{w}:c:4"), "contents", "content 4 of a level of msg_2 is gone"),
    ],
)
def test_keys_of_a_server_that_are_derived_are_made_anew(
    pagefault: Command,
    url: str,
    redis_server: Standalone,
    tmp_path: Path,
    spoil: Spoil,
    what: str,
    words: str,
) -> None:
    before = within(url, tmp_path, state)
    client: Any = redis_server.client()
    with client:
        (head,) = client.keys("*:head")
        spoil(client, head.decode().removesuffix(":head"))
        keys = {key: client.dump(key) for key in client.keys("*")}
        looked = pagefault("doctor", "--json", "--store", url)
        assert {key: client.dump(key) for key in client.keys("*")} == keys
    assert looked.code == 1
    assert words in said(looked, what)
    assert failed(looked)[what]["advice"].endswith("pagefault doctor --repair makes it anew")
    mended = pagefault("doctor", "--repair", "--json", "--store", url)
    assert (mended.code, failed(mended)) == (0, {})
    assert words in said(mended, "repaired")
    again = pagefault("doctor", "--repair", "--json", "--store", url)
    assert said(again, "repair") == "nothing that is derived needed it"
    assert within(url, tmp_path, state) == before


def test_the_local_index_of_a_server_is_made_anew(
    pagefault: Command, url: str, tmp_path: Path
) -> None:
    before = within(url, tmp_path, state)
    (path,) = (tmp_path / "data").glob("index-*.db")
    with closing(apsw.Connection(str(path))) as db:
        db.execute("DELETE FROM index_document WHERE page_id='msg_3'")
    looked = pagefault("doctor", "--json", "--store", url)
    assert "has 2 documents, by the log 3" in said(looked, "workspace")
    mended = pagefault("doctor", "--repair", "--json", "--store", url)
    assert (mended.code, failed(mended)) == (0, {})
    assert within(url, tmp_path, state) == before


def test_what_was_written_is_never_touched_on_a_server_either(
    pagefault: Command, url: str, redis_server: Standalone
) -> None:
    client: Any = redis_server.client()
    with client:
        (head,) = client.keys("*:head")
        content = head.decode().removesuffix("head") + "c:1"
        client.setrange(content, 25, "???")
        kept = client.get(content)
        done = pagefault("doctor", "--repair", "--json", "--store", url)
        assert client.get(content) == kept
    assert done.code == 1
    assert "content 1 of msg_1 has changed" in failed(done)["not repaired"]["found"]
    assert "backup" in failed(done)["not repaired"]["advice"]
