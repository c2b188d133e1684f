"""What a durable write waits for beyond the server's word, and in which words it is told.

A confirmation speaks of the connection that it was asked on, so it has to be the one that wrote.
"""

from __future__ import annotations

import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

import anyio
import anyio.to_thread
import pytest
from redis.client import Redis
from tests.redis.conftest import OpenRedis
from tests.redis.proxy import Proxy
from tests.redis.servers import Standalone, packaged_server, server_or_skip, until
from tests.redis.watching import watched
from tests.stores.making import Bench, added, mapped

from pagefault.stores.contract import Applied

pytestmark = pytest.mark.anyio

AT_ONCE = ("--repl-diskless-sync-delay", "0")  # a replica does not wait for others

StartServer = Callable[..., Standalone]


@pytest.fixture(scope="module", params=["of the system", "packaged"])
def program(request: pytest.FixtureRequest) -> Path:
    """The usual server, and the one of the extra `test`."""
    usual = server_or_skip()
    if request.param == "of the system":
        return usual
    packaged = packaged_server()
    if packaged is None or packaged == usual:
        pytest.skip("there is no second server: install pagefault[test]")
    return packaged


@pytest.fixture
def start_server(program: Path) -> Iterator[StartServer]:
    """Starts servers of the test's own."""
    with ExitStack() as started:

        def start(**options: bool) -> Standalone:
            return started.enter_context(Standalone(program, *AT_ONCE, **options))

        yield start


def info(client: Redis) -> dict[str, Any]:
    return cast("dict[str, Any]", client.info())


def follow(replica: Standalone, primary: Standalone) -> None:
    """Make one server the replica of another, and wait until it acknowledges."""
    with replica.client() as client, primary.client() as other:
        client.replicaof("127.0.0.1", primary.port)
        until(lambda: info(client)["master_link_status"] == "up", "a replica in step")
        until(lambda: info(other)["slave0"]["lag"] <= 1, "a replica that acknowledges")


@pytest.fixture(scope="module")
def pairs(program: Path) -> Iterator[tuple[Standalone, Standalone]]:
    with Standalone(program, *AT_ONCE) as primary, Standalone(program, *AT_ONCE) as replica:
        follow(replica, primary)
        yield primary, replica


@pytest.fixture
def pair(pairs: tuple[Standalone, Standalone]) -> tuple[Standalone, Standalone]:
    """A primary and its replica, that are empty."""
    pairs[0].flush()
    return pairs


def waits(server: Standalone) -> bool:
    """Whether somebody waits for a confirmation there."""
    with server.client() as client:
        return bool(info(client)["blocked_clients"])


@contextmanager
def halted(server: Standalone) -> Iterator[None]:
    """The server is there, and does nothing."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


def knows(server: Standalone, command: str) -> bool:
    with server.client() as client:
        return command.lower() in cast("dict[str, Any]", client.command())


async def write(bench: Bench, text: bytes = b"x", **options: Any) -> Applied:
    """A page, and the words about it."""
    return await bench.do(added(), contents=[text], new=["claim"], **options)


async def test_a_write_says_on_how_many_replicas_it_is(
    pair: tuple[Standalone, Standalone], open_redis: OpenRedis
) -> None:
    primary, _ = pair
    bench = await Bench.at(open_redis(primary.url("t"), replicas=1, timeout=4))
    assert (await write(bench)).obtained == "on 1 of 1 replicas"
    more = await Bench.at(open_redis(primary.url("t"), replicas=2, timeout=0.5))
    assert (await write(more)).obtained == "on 1 of 2 replicas"


async def test_a_replica_that_is_silent_does_not_keep_a_write_from_standing(
    pair: tuple[Standalone, Standalone], open_redis: OpenRedis
) -> None:
    primary, replica = pair
    bench = await Bench.at(open_redis(primary.url("t"), replicas=1, timeout=0.6))
    with halted(replica):
        began = time.monotonic()
        applied = await write(bench)
        assert time.monotonic() - began < 0.6
        assert (applied.obtained, applied.ids) == ("on 0 of 1 replicas", ("claim_1",))
        assert await bench.text("claim_1") == "x"
    patient = await Bench.at(open_redis(primary.url("t"), replicas=1, timeout=20))
    assert (await write(patient)).obtained == "on 1 of 1 replicas"


async def test_the_scripts_first_run_is_confirmed_within_the_same_deadline(
    start_server: StartServer, open_redis: OpenRedis
) -> None:
    server = start_server()
    bench = await Bench.at(open_redis(server.url("t"), replicas=1, timeout=0.6))
    with server.client() as client:
        client.script_flush()
    assert (await write(bench)).obtained == "on 0 of 1 replicas"


async def test_a_write_that_is_sent_again_is_confirmed_anew_and_not_for_nothing(
    pair: tuple[Standalone, Standalone], open_redis: OpenRedis
) -> None:
    primary, replica = pair
    with Proxy(primary.port) as proxy:
        url = f"redis://127.0.0.1:{proxy.port}?prefix=t"
        bench = await Bench.at(open_redis(url, replicas=1, timeout=1.0))
        with halted(replica):
            proxy.sever(1, to="client")  # the write happens, the answer is lost
            applied = await write(bench)
        assert (applied.obtained, applied.ids) == ("on 0 of 1 replicas", ("claim_1",))
        assert await bench.positions() == [1, 2]
        assert proxy.accepted > 1


async def test_a_write_whose_confirmation_is_lost_stands_and_says_so(
    pair: tuple[Standalone, Standalone], open_redis: OpenRedis
) -> None:
    primary, replica = pair
    with Proxy(primary.port) as proxy:
        url = f"redis://127.0.0.1:{proxy.port}?prefix=t"
        bench = await Bench.at(open_redis(url, replicas=1, timeout=2.0))
        with halted(replica):
            told: list[Applied] = []

            async def run() -> None:
                told.append(await write(bench))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(run)
                await anyio.to_thread.run_sync(until, lambda: waits(primary), "a WAIT")
                proxy.drop()
        proxy.forward()
        assert (told[0].obtained, told[0].ids) == (
            "not confirmed: no answer in time",
            ("claim_1",),
        )
        assert (await write(bench)).ids == ("claim_2",)


async def test_the_servers_own_sync_is_told_where_it_can_tell(
    start_server: StartServer, open_redis: OpenRedis
) -> None:
    server = start_server(appendonly=True)
    bench = await Bench.at(open_redis(server.url("t"), aof=True))
    obtained = (await write(bench)).obtained
    if knows(server, "WAITAOF"):
        assert obtained == "fsynced here"
    else:
        assert obtained is not None
        assert obtained.startswith("not confirmed: the server cannot (")
        assert "WAITAOF" in obtained
    assert await bench.text("claim_1") == "x"


async def test_sync_and_replicas_are_told_together(
    start_server: StartServer, open_redis: OpenRedis
) -> None:
    primary, replica = start_server(appendonly=True), start_server(appendonly=True)
    if not knows(primary, "WAITAOF"):
        pytest.skip("this server has no WAITAOF: it came with Redis 7.2")
    follow(replica, primary)
    bench = await Bench.at(open_redis(primary.url("t"), aof=True, replicas=1, timeout=8))
    assert (await write(bench)).obtained == "fsynced here, on 1 of 1 replicas"
    with halted(replica):
        hasty = await Bench.at(open_redis(primary.url("t"), aof=True, replicas=1, timeout=0.6))
        assert (await write(hasty)).obtained == "fsynced here, on 0 of 1 replicas"


async def test_a_sync_that_the_server_does_not_make_is_said(
    start_server: StartServer, open_redis: OpenRedis
) -> None:
    server = start_server()
    if not knows(server, "WAITAOF"):
        pytest.skip("this server has no WAITAOF: it came with Redis 7.2")
    bench = await Bench.at(open_redis(server.url("t"), aof=True))
    obtained = (await write(bench)).obtained
    assert obtained is not None
    assert obtained.startswith("not confirmed: the server cannot (WAITAOF cannot be used")
    assert "appendonly" in obtained


async def test_nothing_is_waited_for_where_nobody_asked_or_the_write_is_derived(
    start_server: StartServer, open_redis: OpenRedis
) -> None:
    server = start_server()
    plain = await Bench.at(open_redis(server.url("t")))
    assert (await write(plain)).obtained is None
    waiting = await Bench.at(open_redis(server.url("t"), replicas=1, timeout=1))
    began = time.monotonic()
    derived = await waiting.do(mapped("claim_1"), durable=False)
    assert derived.obtained is None
    assert time.monotonic() - began < 0.4


async def test_every_confirmation_is_asked_on_the_connection_that_wrote(
    pair: tuple[Standalone, Standalone], open_redis: OpenRedis
) -> None:
    primary, _ = pair
    store = open_redis(primary.url("t"), replicas=1)
    benches = [await Bench.at(store, f"w{number}") for number in range(12)]
    with watched(primary) as seen:
        async with anyio.create_task_group() as tasks:
            for bench in benches:
                for _ in range(3):
                    tasks.start_soon(bench.write)
                    tasks.start_soon(bench.session)
    lines: defaultdict[str, list[str]] = defaultdict(list)
    for one in seen:
        if not one.by_script:
            lines[one.source].append("write" if one.name in ("EVALSHA", "EVAL") else one.name)
    waits = 0
    for names in lines.values():
        for number, name in enumerate(names):
            if name == "WAIT":
                waits += 1
                assert names[number - 1] == "write"
    assert waits >= len(benches)
    assert len(lines) > 2
