"""Looking at what a server keeps: it finds what is missing or changed, and alarms about nothing."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.redis.servers import Cluster, Standalone, fresh_prefix, packaged_server
from tests.stores.making import Bench, added, mapped

from pagefault.base.config import Settings
from pagefault.base.log import Evicted, Pinned, Represented
from pagefault.cli.server_checks import about
from pagefault.stores.opening import Options, opener
from pagefault.stores.redis.inspecting import Examined, Inspector, Primary

pytestmark = pytest.mark.anyio
LARGE = os.urandom(1_200_000)  # three chunks that cannot be compressed


@asynccontextmanager
async def bench_at(url: str) -> AsyncIterator[Bench]:
    """A workspace with a session, on a store whose index is in memory."""
    store = opener(url, Options())()
    try:
        yield await Bench.at(store)
    finally:
        await store.close()


async def examine(url: str) -> Examined:
    """What is found in the only workspace there."""
    async with Inspector(url, 2.5) as server:
        ((workspace, place),) = await server.workspaces("local")
        return await server.examine(workspace, place)


async def live(bench: Bench) -> None:
    """Something of every kind: claim_1 … claim_3 (forgotten), msg_1, art_1 of three chunks."""
    first = await bench.write("We paint the boat house blue.")
    await bench.say("How blue?", key="k1")
    await bench.say("How blue?", key="k1")
    second = await bench.write("Light blue.", derived_from=(first,), key="k2")
    await bench.revise(second, "Sky blue.")
    await bench.revise(second, "Dark blue.", "s2")
    await bench.write(LARGE, page_type="artifact")
    third = await bench.write("A secret.")
    level = Represented(
        session="s1", page_id=third, version=1, level=2, origin="text/3", content=-1, tokens=3
    )
    await bench.do(level, contents=[b"secret"])
    await bench.do(mapped(first), mapped(second), mapped(third), durable=False)
    await bench.do(Pinned(session="s1", page_id=third, pinned=True))
    await bench.do(Evicted(session="s1", page_id=first, cause="budget"), durable=False)
    await bench.forget(third)


@pytest.fixture
def url(redis_server: Standalone) -> Iterator[str]:
    yield redis_server.url(fresh_prefix())
    redis_server.flush()


@pytest.fixture
async def lived(url: str) -> str:
    """The URL of a workspace in which everything has happened."""
    async with bench_at(url) as bench:
        await live(bench)
    return url


def raw(server: Standalone) -> Any:
    """A client of the server, whose answers have any type."""
    return server.client()


def place_of(client: Any) -> str:
    """What the keys of the only workspace begin with."""
    (head,) = client.keys("*:head")
    return str(head.decode()).removesuffix(":head")


def everything(client: Any) -> dict[bytes, object]:
    return {key: client.dump(key) for key in client.keys("*")}


async def test_a_workspace_in_which_everything_has_happened_is_whole(lived: str) -> None:
    found = await examine(lived)
    assert (found.complaints, found.damaged) == ([], [])
    assert (found.sessions, found.pages, found.read) == (2, 4, 6)
    assert found.lines == found.indexable  # forgetting came last


async def test_so_is_one_in_a_cluster(redis_cluster: Cluster) -> None:
    url = redis_cluster.url(fresh_prefix())
    async with bench_at(url) as bench:
        await live(bench)
    found = await examine(url)
    redis_cluster.flush()
    assert (found.pages, found.complaints, found.damaged) == (4, [], [])


async def test_bytes_that_a_forgotten_page_shared_with_another_are_no_alarm(url: str) -> None:
    async with bench_at(url) as bench:
        shared = [added(page_id=f"+{n}", content=-1 - n, blobs=(-3,)) for n in range(2)]
        contents = [b"one text", b"another", b"picture"]
        pages = (await bench.do(*shared, contents=contents, new=["art"] * 2)).ids
        await bench.forget(pages[1])
    found = await examine(url)
    assert (found.complaints, found.damaged, found.pages) == ([], [], 1)


async def test_looking_changes_nothing(lived: str, redis_server: Standalone) -> None:
    with raw(redis_server) as client:
        before = everything(client)
        await examine(lived)
        async with Inspector(lived, 2.5) as server:
            await server.primaries()
            await server.try_script()
        assert everything(client) == before


STEPS = st.sampled_from(("say", "write", "revise", "level", "map", "evict", "pin", "forget"))


async def step(bench: Bench, kind: str, pages: list[str]) -> None:
    """One thing more happens, to the page that was made last where it is about one."""
    last = pages[-1] if pages else None
    if kind == "say":
        pages.append((await bench.say("a word"))[1])
    elif kind == "write" or last is None:
        pages.append(await bench.write("a claim", session="s2"))
    elif kind == "revise":
        await bench.revise(last, "another claim", "s3")
    elif kind == "level":
        level = Represented(
            session="s1", page_id=last, version=1, level=2, origin="text/3", content=-1, tokens=3
        )
        await bench.do(level, contents=[b"less"])
    elif kind == "map":
        await bench.do(mapped(last), durable=False)
    elif kind == "evict":
        await bench.do(Evicted(session="s1", page_id=last, cause="budget"), durable=False)
    elif kind == "pin":
        await bench.do(Pinned(session="s1", page_id=last, pinned=True))
    else:
        await bench.forget(pages.pop())


@given(st.lists(STEPS, max_size=25))
@settings(max_examples=25)
def test_whatever_has_happened_there_is_no_alarm(
    redis_server: Standalone, steps: list[str]
) -> None:
    url = redis_server.url(fresh_prefix())

    async def found() -> Examined:
        pages: list[str] = []
        async with bench_at(url) as bench:
            for kind in steps:
                await step(bench, kind, pages)
        return await examine(url)

    one = anyio.run(found)
    assert (one.complaints, one.damaged) == ([], [])


async def test_what_is_written_and_forgotten_meanwhile_is_no_alarm(url: str) -> None:
    async with bench_at(url) as bench, anyio.create_task_group() as tasks:
        for number in range(60):
            await bench.write(f"claim {number}")
        forgotten = 0

        async def go_on() -> None:
            nonlocal forgotten
            while True:
                page_id = await bench.write("one more")
                await bench.do(mapped(page_id), durable=False)
                forgotten += 1
                await bench.forget(f"claim_{forgotten}")

        tasks.start_soon(go_on)
        looks = 0
        while forgotten < 50:
            found = await examine(url)
            assert (found.complaints, found.damaged) == ([], [])
            looks += 1
        tasks.cancel_scope.cancel()
    assert looks > 1


Spoil = Callable[[Any, str], object]


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda r, w: r.delete(f"{w}:log"), "the log ends at line 0"),
        (lambda r, w: r.xdel(f"{w}:log", "3-0", "4-0"), "the log has no lines 3 to 4"),
        (lambda r, w: r.xtrim(f"{w}:log", 5, approximate=False), "the log has no lines 1 to"),
        (lambda r, w: r.hset(f"{w}:head", "position", 99), "and should at 99"),
        (lambda r, w: r.hset(f"{w}:head", "pages", 9), "9 pages are counted, and 4 are alive"),
        (lambda r, w: r.hset(f"{w}:head", "indexable", 2), "searches look for line 2"),
        (lambda r, w: r.hset(f"{w}:head", "content", 3), "the next content would be 4"),
        (lambda r, w: r.delete(f"{w}:counters"), "claim_1, and claim_3 is taken"),
        (lambda r, w: r.hset(f"{w}:counters", "msg", 0), "the next msg would be msg_1"),
        (lambda r, w: r.delete(f"{w}:p:claim_2"), "page claim_2 is gone"),
        (lambda r, w: r.hset(f"{w}:p:claim_1", "v1", "9 1 - 0.5"), "page claim_1 names line 9"),
        (lambda r, w: r.hdel(f"{w}:p:claim_3", "f"), "claim_3 was forgotten and is still there"),
        (lambda r, w: r.delete(f"{w}:s:s2"), "session s2 is gone"),
        (lambda r, w: r.zrem(f"{w}:handles", "s2"), "1 sessions are counted, and 2 were opened"),
        (
            lambda r, w: r.hset(f"{w}:sr:s1", "msg_7", "1 0 9 9 1 1 0 claim 0.5 1 -"),
            "session s1 maps msg_7, which is no page",
        ),
    ],
)
async def test_a_key_that_is_not_what_the_log_makes_it_is_found(
    lived: str, redis_server: Standalone, spoil: Spoil, complaint: str
) -> None:
    with raw(redis_server) as client:
        spoil(client, place_of(client))
    found = await examine(lived)
    assert any(complaint in one for one in found.complaints), found.complaints


async def test_a_line_that_a_later_version_wrote_is_named(
    lived: str, redis_server: Standalone
) -> None:
    with raw(redis_server) as client:
        log = f"{place_of(client)}:log"
        ((_, last),) = client.xrevrange(log, count=1)
        (head,) = client.hmget(f"{place_of(client)}:head", "position")
        client.xadd(log, {**last, b"kind": b"dream"}, id=f"{int(head) + 1}-0")
        client.hincrby(f"{place_of(client)}:head", "position", 1)
    found = await examine(lived)
    assert any("cannot be read (KeyError('dream'))" in one for one in found.complaints)


@pytest.mark.parametrize(
    ("spoil", "damage"),
    [
        (lambda r, w: r.delete(f"{w}:c:1"), "content 1 of claim_1 is gone"),
        (lambda r, w: r.setrange(f"{w}:c:1", 25, "P"), "content 1 of claim_1 has changed"),
        (lambda r, w: r.set(f"{w}:c:1", ""), "content 1 of claim_1 has changed"),
        (lambda r, w: r.setrange(f"{w}:c:1", 1, "x"), "content 1 of claim_1 has changed"),
        (lambda r, w: r.delete(f"{w}:c:6:2"), "content 6 of art_1 has changed"),
        (
            lambda r, w: r.set(f"{w}:c:7", "x"),
            "content 7 of claim_3, which was forgotten, is still",
        ),
    ],
)
async def test_a_content_that_is_not_what_was_written_is_named_with_its_page(
    lived: str, redis_server: Standalone, spoil: Spoil, damage: str
) -> None:
    with raw(redis_server) as client:
        spoil(client, place_of(client))
    found = await examine(lived)
    assert len(found.damaged) == 1
    assert found.damaged[0].startswith(damage)
    assert found.complaints == []


async def test_much_damage_is_counted_and_not_listed(url: str, redis_server: Standalone) -> None:
    async with bench_at(url) as bench:
        for number in range(30):
            await bench.write(f"claim {number}")
    with raw(redis_server) as client:
        client.delete(*(f"{place_of(client)}:c:{number}" for number in range(1, 31)))
    found = await examine(url)
    assert len(found.damaged) == 21
    assert found.damaged[-1] == "and 10 more"


async def primaries(url: str) -> list[Primary]:
    async with Inspector(url, 2.5) as server:
        return await server.primaries()


async def test_a_server_says_what_it_is(redis_server: Standalone) -> None:
    (one,) = await primaries(redis_server.url("x"))
    assert (one.failure, one.told, one.role, one.in_cluster) == (None, True, "master", False)
    assert re.fullmatch(r"(Redis|Valkey) \d+\.\d+\.\d+", one.product)
    assert one.level >= (7, 0)
    assert 0 < one.round_trip < 2.5
    assert (one.aof, one.fsync, one.snapshots) == (False, "everysec", "")
    assert (one.policy, one.memory_limit, one.replicas) == ("noeviction", 0, 0)
    assert one.memory > 0


async def test_valkey_says_its_own_version_and_that_of_redis_that_it_behaves_like() -> None:
    program: Path | None = packaged_server()
    if program is None:
        pytest.skip("there is no Valkey: install pagefault[test]")
    with Standalone(program) as server:
        (one,) = await primaries(server.url("x"))
    assert re.fullmatch(r"Valkey ([89]|\d\d)\.\d+\.\d+", one.product)
    assert one.level >= (7, 2)


async def test_every_primary_of_a_cluster_says_what_it_is(redis_cluster: Cluster) -> None:
    found = await primaries(redis_cluster.url("x"))
    assert {one.name for one in found} == {f"127.0.0.1:{node.port}" for node in redis_cluster.nodes}
    assert {(one.in_cluster, one.cluster_state, one.told) for one in found} == {(True, "ok", True)}


def test_a_cluster_of_which_slots_are_lost_is_a_failure() -> None:
    part = Primary("x", told=True, level=(7, 0), in_cluster=True, cluster_state="fail")
    (said,) = (one for one in about(part, Settings()) if one.what == "cluster")
    assert said.state == "fail"


@pytest.mark.parametrize("level", [(6, 2, 14), (5, 0), ()])
def test_a_server_before_7_is_a_failure_with_advice(level: tuple[int, ...]) -> None:
    old = Primary("x", told=True, product="Redis 6.2.14", level=level)
    (said,) = (one for one in about(old, Settings()) if one.what == "version")
    assert (said.state, said.advice) == ("fail", "Update the server")
    assert "Redis 6.2.14 does not know the flags of scripts" in said.found
