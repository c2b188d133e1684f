"""What the store asks of a server: a request a call, and nothing that grows with the keys there."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import anyio.lowlevel
import pytest
from redis.crc import key_slot
from tests.redis.conftest import OpenRedis
from tests.redis.servers import Standalone, fresh_prefix
from tests.redis.watching import Seen, watched
from tests.stores.making import Bench, mapped, open_workspace

import pagefault.stores.redis
from pagefault.base import assets
from pagefault.base.log import (
    Collected,
    Demoted,
    Evicted,
    Faulted,
    Pinned,
    Represented,
    SessionChanged,
    Superseded,
    Touched,
    TurnBegan,
)
from pagefault.index.document import Search
from pagefault.stores.contract import Store
from pagefault.stores.redis import following

ROOM = Path(pagefault.stores.redis.__file__).parent
SCRIPTS = sorted(path.stem for path in assets.path("redis").glob("*.lua"))

# All that scripts may call: each takes a time that does not grow with the keys of the server.
CALLED = {
    *("EXISTS", "UNLINK", "EXPIRE", "PERSIST", "RENAME"),
    *("GET", "SET", "STRLEN", "GETRANGE"),
    *("HGET", "HMGET", "HSET", "HSETNX", "HDEL", "HINCRBY", "HEXISTS", "HGETALL"),
    *("LLEN", "LINDEX", "LRANGE", "RPUSH"),
    *("SADD", "SREM", "SMEMBERS", "SISMEMBER"),
    *("ZADD", "ZREM", "ZCARD", "ZRANGE", "ZREVRANGE", "ZRANGEBYLEX"),
    *("XADD", "XRANGE"),
}
# All that is asked beside scripts.
ASKED = {"EVALSHA", "EVAL", "HGETALL", "HSET", "HSETNX", "ZCARD", "ZADD", "ZRANGE", "SET", "UNLINK"}
FORBIDDEN = {"KEYS", "SCAN", "FLUSHALL", "FLUSHDB", "RANDOMKEY", "DBSIZE", "SORT", "WAIT"}


# --- the sources -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_call_only_what_is_known(name: str) -> None:
    text = assets.text(f"redis/{name}.lua")
    called = re.findall(r"redis\.p?call\(\s*['\"](\w+)['\"]", text)
    assert set(called) <= CALLED
    assert len(re.findall(r"redis\.p?call", text)) == len(called)  # no name is a variable


def test_every_script_there_is_is_looked_at() -> None:
    made = re.findall(r"Script\(([^)]*)\)", "".join(_sources()))
    parts = {part for one in made for part in re.findall(r'"(\w+)"', one.partition("flags")[0])}
    assert parts == set(SCRIPTS)


def test_the_store_itself_asks_only_what_is_known() -> None:
    text = "".join(_sources())
    asked = set(re.findall(r'\.(?:command|ask)\(\s*"([A-Z ]+)"', text))
    assert asked
    known = ASKED | {"CLUSTER", "CONFIG", "INFO", "PING", "WAIT", "WAITAOF"}
    assert asked <= known
    assert not FORBIDDEN - {"WAIT"} & asked


def _sources() -> list[str]:
    return [path.read_text(encoding="utf-8") for path in sorted(ROOM.glob("*.py"))]


# --- a server that looks on --------------------------------------------------------------------

Call = Callable[[Bench], Awaitable[Any]]


async def find(bench: Bench) -> Any:
    return await bench.store.search(bench.workspace, "s1", Search("first words", workspace=0))


# The contract's methods, and how many requests each may take on the bench below.
METHODS: dict[str, tuple[int, Call]] = {
    "open_workspace": (1, lambda bench: open_workspace(bench.store)),
    "principals": (1, lambda bench: bench.store.principals()),
    "workspaces": (1, lambda bench: bench.store.workspaces("local")),
    "apply": (1, lambda bench: bench.write("a claim")),
    "session": (1, Bench.session),
    "workspace_of": (2, lambda bench: bench.store.workspace_of("local", "s1")),  # one of each, too
    "sessions": (1, lambda bench: bench.store.sessions(bench.workspace, 5)),
    "residents": (1, lambda bench: bench.store.residents(bench.workspace, "s1")),
    "page": (1, lambda bench: bench.store.page(bench.workspace, "claim_1", "s1")),
    "pages": (1, lambda bench: bench.store.pages(bench.workspace, ["claim_1", "x"], "s1")),
    "recent_pages": (1, lambda bench: bench.store.recent_pages(bench.workspace, "s1", 5)),
    "latest_page": (1, lambda bench: bench.store.latest_page(bench.workspace, "s1", "claim")),
    "superseded": (1, lambda bench: bench.store.superseded(bench.workspace, ["claim_1"], "s1")),
    "page_of_key": (1, lambda bench: bench.store.page_of_key(bench.workspace, "s1", "k")),
    "content": (1, lambda bench: bench.store.content(bench.workspace, 2)),
    "contents": (1, lambda bench: bench.store.contents(bench.workspace, 0, 5)),
    "sizes": (1, lambda bench: bench.store.sizes(bench.workspace, 0, 5)),
    "tidy_index": (2, lambda bench: bench.store.tidy_index(remove=True)),  # one of each principal
    "ping": (1, lambda bench: bench.store.ping()),
    "versions": (1, lambda bench: bench.store.versions(bench.workspace, "claim_1")),
    "representations": (
        1,
        lambda bench: bench.store.representations(bench.workspace, "claim_1", 1),
    ),
    "events": (1, lambda bench: bench.store.events(bench.workspace, "s1", 0, 5)),
    "log": (1, lambda bench: bench.store.log(bench.workspace, 0, 5)),
    "moves": (1, lambda bench: bench.store.moves(bench.workspace, "s1", 0, 5)),
    "calls": (1, lambda bench: bench.store.calls(bench.workspace, "s1", 0, 5)),
    "lessons": (1, lambda bench: bench.store.lessons(bench.workspace, 0, 5)),
    "keep_folded": (1, lambda bench: bench.store.keep_folded(bench.workspace, "x", 1, b"y")),
    "folded": (1, lambda bench: bench.store.folded(bench.workspace, "x")),
    "checkpoints": (1, lambda bench: bench.store.checkpoints(bench.workspace, "s1")),
    "derived_pages": (1, lambda bench: bench.store.derived_pages(bench.workspace, "claim_1")),
    "ids_like": (2, lambda bench: bench.store.ids_like(bench.workspace, "page", "cl", 5)),
    "search": (1, find),
    "totals": (1, lambda bench: bench.store.totals(bench.workspace)),
}
# They move or read everything, or nothing.
OTHERS = {
    *("replay", "backup", "examine", "renumber", "restate"),
    *("rebuild_index", "reclaim", "repack", "close"),
}


def test_every_method_of_the_contract_is_counted() -> None:
    methods = {name for name, _ in inspect.getmembers(Store, inspect.isfunction) if name[0] != "_"}
    assert methods == METHODS.keys() | OTHERS


@pytest.fixture
async def bench(
    redis_server: Standalone, open_redis: OpenRedis, monkeypatch: pytest.MonkeyPatch
) -> Bench:
    """A store in which there is something of everything, and whose index is up to date."""
    monkeypatch.setattr(following, "_EVERY", 3_600.0)  # nothing is asked beside the calls
    redis_server.flush()
    bench = await Bench.at(open_redis(redis_server.url(fresh_prefix())))
    await fill(bench)
    await find(bench)
    await find(bench)
    return bench


async def fill(bench: Bench) -> None:
    """Every kind of line that a log can have."""
    page = await bench.write("first words of a claim")
    await bench.write("derived", derived_from=(page,), key="k")
    await bench.say("a turn begins", key="e", begins_turn=True)
    await bench.revise(page, "the first words again")
    await bench.revise(page, "in another session", session="s2")
    big = await bench.write("x" * 10 + "".join(f"{n:x}" for n in range(300_000)))
    await bench.do(
        Represented(
            session="s1", page_id=page, version=1, level=2, origin="model", content=-1, tokens=2
        ),
        Pinned(session="s1", page_id=page, pinned=True),
        SessionChanged(session="s1", title="a title"),
        Superseded(session="s1", page_id=page, by="claim_2"),
        contents=[b"short"],
    )
    level = Represented(page_id=page, version=1, level=3, origin="t", content=-1, tokens=1)
    made = [await bench.do(level, contents=[b"stub"]) for _ in range(2)]
    for one in made:
        await bench.do(Collected(page_id=page, contents=one.contents), durable=False)
    await bench.do(
        TurnBegan(session="s1", cause="pause"),
        *residency(page),
        Pinned(session="s1", page_id=page, pinned=False),
        durable=False,
    )
    await bench.forget(big)


def residency(page: str) -> Sequence[Any]:
    return (
        mapped(page),
        Touched(session="s1", page_id=page),
        Demoted(session="s1", page_id=page, level=2, tokens=2),
        Evicted(session="s1", page_id=page, cause="asked"),
        Faulted(session="s1", page_id=page, reason="asked", tokens=3),
    )


def requests(seen: Sequence[Seen]) -> list[Seen]:
    return [one for one in seen if not one.by_script]


@pytest.mark.anyio
async def test_a_call_is_one_request(bench: Bench, redis_server: Standalone) -> None:
    counted = {}
    for name, (_, call) in METHODS.items():
        await call(bench)  # its script is loaded
        with watched(redis_server) as seen:
            await call(bench)
        counted[name] = len(requests(seen))
    assert min(counted.values()) == 1
    assert not {name: count for name, count in counted.items() if count > METHODS[name][0]}


@pytest.mark.anyio
async def test_what_was_read_along_is_not_asked_for_again(
    bench: Bench, redis_server: Standalone
) -> None:
    with watched(redis_server) as seen:
        assert await bench.text("claim_1")
    assert len(requests(seen)) == 1


@pytest.mark.anyio
async def test_writes_at_the_same_moment_share_their_requests(
    bench: Bench, redis_server: Standalone
) -> None:
    with watched(redis_server) as seen:
        async with anyio.create_task_group() as tasks:
            for _ in range(40):
                tasks.start_soon(bench.write)
    assert len(requests(seen)) <= 3


@pytest.mark.anyio
async def test_nothing_grows_with_the_keys_and_every_key_is_of_the_workspace_and_in_one_slot(
    redis_server: Standalone, open_redis: OpenRedis, tmp_path: Path
) -> None:
    prefix = fresh_prefix()
    redis_server.flush()
    with watched(redis_server) as seen:
        bench = await Bench.at(open_redis(redis_server.url(prefix)))
        await fill(bench)
        for _, call in METHODS.values():
            await call(bench)
        await bench.store.ids_like(bench.workspace, "session", "s", 5)
        await bench.store.backup(tmp_path / "backup.db")
        lines = await bench.store.log(bench.workspace, 0, 1_000)
        contents = await bench.store.contents(bench.workspace, 0, 1_000)
        other = await open_workspace(bench.store, "another")
        await bench.store.replay(other, contents, lines)
    assert {one.name for one in requests(seen)} <= ASKED
    called = {one.name for one in seen if one.by_script}
    assert called <= CALLED
    assert len(called) > 20
    check_keys(seen, prefix)
    assert not {one.name for one in seen} & FORBIDDEN


def check_keys(seen: Sequence[Seen], prefix: str) -> None:
    """Every key that a script touches begins as the script was told, and lies in its slot."""
    place = ""
    for one in seen:
        if not one.by_script:
            is_script = one.name in ("EVALSHA", "EVAL")
            if is_script:
                place = next(word for word in one.words if word.startswith(f"{prefix}:{{"))
            else:
                assert one.words[0].startswith(f"{prefix}:")
            continue
        keys = one.words[:2] if one.name == "RENAME" else one.words[:1]
        for key in keys:
            assert key.startswith(f"{place}:"), one
            assert key_slot(key.encode()) == key_slot(place.encode())
