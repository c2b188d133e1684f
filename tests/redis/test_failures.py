"""A server that cannot, or may not: calls say what is wrong and what to do, and do no half."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import anyio.to_thread
import pytest
from redis import exceptions
from redis._parsers.base import BaseParser
from redis.client import Redis
from tests.redis.conftest import OpenRedis
from tests.redis.proxy import Proxy
from tests.redis.servers import Cluster, Standalone, until
from tests.stores.making import Bench, open_workspace

from pagefault.base.errors import (
    PageForgotten,
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)
from pagefault.stores.contract import Store
from pagefault.stores.redis.address import read_address
from pagefault.stores.redis.failures import explain

pytestmark = pytest.mark.anyio

SHORT = 0.3  # seconds, where a call is to fail although it is tried again
SECRET = "geheim-91x"
AT_ONCE = ("--repl-diskless-sync-delay", "0")  # a replica does not wait for others

StartServer = Callable[..., Standalone]


@pytest.fixture
def start_server(redis_program: Path) -> Iterator[StartServer]:
    """Starts servers of the test's own."""
    started: list[Standalone] = []

    def start(*options: str, **more: Any) -> Standalone:
        started.append(Standalone(redis_program, *options, **more))
        return started[-1]

    yield start
    for server in started:
        server.stop()


def config(server: Standalone, **settings: object) -> None:
    with server.client() as client:
        for name, value in settings.items():
            client.config_set(name.replace("_", "-"), value)


async def bench_at(open_redis: OpenRedis, server: Standalone, **options: Any) -> Bench:
    return await Bench.at(open_redis(server.url("t"), **options))


async def fill(bench: Bench, size: int, texts: dict[str, bytes]) -> None:
    """Write pages until there is no room."""
    while True:
        text = noise(size)
        texts[await bench.write(text)] = text


def keys_of(server: Standalone) -> set[bytes]:
    with server.client() as client:
        return set(client.scan_iter(count=1_000))


def noise(size: int) -> bytes:
    """Bytes that no compression makes smaller, and that are text."""
    return os.urandom(size).hex()[:size].encode()


# --- no room -----------------------------------------------------------------------------------


async def test_a_full_server_refuses_writes_whole_and_forgetting_makes_room(
    start_server: StartServer, open_redis: OpenRedis
) -> None:
    server = start_server("--maxmemory", "5mb")
    bench = await bench_at(open_redis, server)
    texts: dict[str, bytes] = {}
    # The request itself takes room, and what it took comes back when the server gets to it.
    for size in (200_000, 20_000, 1_000, 1_000, 1_000, 1_000):
        with pytest.raises(StoreFull, match=r"maxmemory.* forget pages"):
            await fill(bench, size, texts)
    before = await bench.store.totals(bench.workspace)
    keys = keys_of(server)
    for size in (1_000, 200_000, 2_000_000):  # the last in several requests
        with pytest.raises(StoreFull):
            await bench.write(noise(size))
    assert keys_of(server) == keys
    assert await bench.store.totals(bench.workspace) == before
    assert before["contents"] == before["pages"] == len(texts)
    for page, text in texts.items():
        assert (await bench.text(page)).encode() == text
    await bench.find("words")
    forgotten = await make_room(bench, list(texts))
    assert 0 < len(forgotten) < len(texts)
    with pytest.raises(PageForgotten):
        await bench.text(forgotten[0])
    assert await bench.write() == f"claim_{len(texts) + 2}"


async def make_room(bench: Bench, pages: list[str]) -> list[str]:
    """Forget pages until another can be written; those that had to go."""
    for number, page in enumerate(pages, start=1):
        await bench.forget(page)  # a server gives memory back when it gets to it
        with suppress(StoreFull):
            await bench.write("there is room again")
            return pages[:number]
    return pages


# --- no writes ---------------------------------------------------------------------------------


async def test_a_replica_takes_no_writes_and_answers_reads(
    start_server: StartServer, open_redis: OpenRedis
) -> None:
    primary, replica = start_server(*AT_ONCE), start_server(*AT_ONCE)
    bench = await bench_at(open_redis, primary)
    page = await bench.write("on both")
    follow(replica, primary)
    reader = open_redis(replica.url("t"))
    there = Bench(reader, await open_workspace(reader))
    assert await there.text(page) == "on both"
    for write in (there.write, lambda: open_workspace(reader, "another")):
        with pytest.raises(StoreReadOnly, match=r"is a replica .* Name the primary with --store"):
            await write()
    with replica.client() as client:
        client.replicaof("NO", "ONE")
    assert await there.write() == "claim_2"


async def test_a_name_that_leads_to_another_primary_is_followed_without_a_failure(
    start_server: StartServer, open_redis: OpenRedis
) -> None:
    old, new = start_server(*AT_ONCE), start_server(*AT_ONCE)
    with Proxy(old.port) as name:
        bench = await Bench.at(open_redis(f"redis://127.0.0.1:{name.port}?prefix=t"))
        await bench.write()
        follow(new, old)
        with new.client() as client:
            client.replicaof("NO", "ONE")
        follow(old, new)
        name.target = new.port  # the old connections go on to lead to the old server
        assert await bench.write() == "claim_2"


def follow(replica: Standalone, primary: Standalone) -> None:
    """Make one server the replica of another, and wait until it has everything."""
    with replica.client() as client:
        client.replicaof("127.0.0.1", primary.port)
        until(lambda: info(client)["master_link_status"] == "up", "a replica in step")


def info(client: Redis) -> dict[str, Any]:
    return cast("dict[str, Any]", client.info())


async def test_a_server_that_cannot_save_says_so(
    start_server: StartServer, open_redis: OpenRedis, tmp_path: Path
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    server = start_server("--dir", str(folder), "--save", "3600 1000")
    bench = await bench_at(open_redis, server)
    folder.rmdir()
    with server.client() as client:
        client.bgsave()
        until(lambda: info(client)["rdb_last_bgsave_status"] == "err", "a save that failed")
    with pytest.raises(StoreReadOnly, match="cannot save to its disk"):
        await bench.write()
    assert (await bench.session()).id == "s1"


async def test_a_server_that_misses_its_replicas_says_so(
    start_server: StartServer, open_redis: OpenRedis
) -> None:
    server = start_server()
    bench = await bench_at(open_redis, server)
    config(server, min_replicas_to_write=1)
    with pytest.raises(StoreReadOnly, match="too few replicas follow it"):
        await bench.write()
    config(server, min_replicas_to_write=0)
    assert await bench.write() == "claim_1"


async def test_a_replica_that_has_lost_its_primary_says_so(
    start_server: StartServer, open_redis: OpenRedis
) -> None:
    server = start_server("--replica-serve-stale-data", "no")
    bench = await bench_at(open_redis, server, timeout=SHORT)
    with server.client() as client:
        client.replicaof("127.0.0.1", 1)
    with pytest.raises(StoreUnavailable, match="has lost its primary"):
        await bench.session()


# --- who may -----------------------------------------------------------------------------------


@pytest.fixture
def guarded(start_server: StartServer) -> Standalone:
    """A server with users: one that may do all, one that may only look, one for a prefix."""
    server = start_server()
    with server.client() as client:
        for name, keys, commands in (
            ("owner", "*", "+@all"),
            ("guest", "*", "+@read"),
            ("other", "o*", "+@all"),
            ("default", "*", "+@all"),
        ):
            rules = ("reset", "on", f">{SECRET}", f"~{keys}", commands)
            client.execute_command("ACL", "SETUSER", name, *rules)
    return server


@pytest.mark.parametrize(
    ("who", "said"),
    [
        ("", "wants a password"),
        ("owner:wrong@", "refuses this user or password"),
        ("nobody:x@", "refuses this user or password"),
        (f"guest:{SECRET}@", "does not let this user"),
        (f"other:{SECRET}@", "does not let this user"),
    ],
)
async def test_who_may_not_is_told_at_once(
    guarded: Standalone, open_redis: OpenRedis, who: str, said: str
) -> None:
    store = open_redis(f"redis://{who}127.0.0.1:{guarded.port}?prefix=t")
    with anyio.fail_after(1), pytest.raises(StoreUnavailable, match=said) as raised:
        await Bench.at(store)
    assert SECRET not in str(raised.value)
    assert "not known" not in raised.value.message


async def test_a_user_with_all_rights_under_one_prefix_has_enough(
    guarded: Standalone, open_redis: OpenRedis
) -> None:
    url = f"redis://other:{SECRET}@127.0.0.1:{guarded.port}?prefix=ours"
    bench = await Bench.at(open_redis(url))
    assert await bench.text(await bench.write("allowed")) == "allowed"


async def test_rights_that_are_taken_away_are_missed_and_nothing_is_half_written(
    guarded: Standalone, open_redis: OpenRedis
) -> None:
    bench = await Bench.at(open_redis(f"redis://owner:{SECRET}@127.0.0.1:{guarded.port}?prefix=t"))
    await bench.write()
    with Redis(port=guarded.port, password=SECRET) as client:
        client.execute_command("ACL", "SETUSER", "owner", "-@scripting")
        with pytest.raises(StoreUnavailable, match="does not let this user"):
            await bench.write()
        client.execute_command("ACL", "SETUSER", "owner", "+@all")
    assert await bench.write() == "claim_2"
    assert await bench.positions() == [1, 2, 3]


async def test_a_database_that_there_is_not_is_said(
    redis_server: Standalone, open_redis: OpenRedis
) -> None:
    store = open_redis(f"redis://127.0.0.1:{redis_server.port}/9999?prefix=t")
    with pytest.raises(StoreUnavailable, match="no database with this number"):
        await open_workspace(store)


async def test_a_node_of_a_cluster_is_no_single_server(
    redis_cluster: Cluster, open_redis: OpenRedis
) -> None:
    store = open_redis(f"redis://127.0.0.1:{redis_cluster.nodes[0].port}?prefix=t")
    with pytest.raises(StoreUnavailable, match=r"Write redis\+cluster://"):
        await some_workspaces(store)
    redis_cluster.flush()


async def some_workspaces(store: Store) -> None:
    """So many that not all are in the same place."""
    for number in range(40):
        await Bench.at(store, f"w{number}")


# --- busy --------------------------------------------------------------------------------------


@contextmanager
def busy(server: Standalone, *command: str) -> Iterator[None]:
    """A command that takes the server long, in a connection of its own."""

    def run() -> None:
        with server.client() as client, suppress(exceptions.RedisError):
            client.execute_command(*command)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def answers(server: Standalone) -> str:
    """What the server says to a PING."""
    try:
        with server.client() as client:
            return "PONG" if client.ping() else ""
    except exceptions.RedisError as error:
        return str(error)


async def test_a_server_that_is_busy_with_another_script_is_waited_for_and_then_told(
    start_server: StartServer, open_redis: OpenRedis
) -> None:
    server = start_server("--busy-reply-threshold", "20")
    bench = await bench_at(open_redis, server, timeout=SHORT)
    with busy(server, "EVAL", "while true do end", "0"), server.client() as client:
        until(lambda: answers(server).startswith("BUSY"), "a script that takes long")
        with pytest.raises(StoreBusy, match="busy with a script"):
            await bench.write()
        client.script_kill()
    assert await bench.write() == "claim_1"


async def test_a_server_that_loads_its_data_is_waited_for_and_then_told(
    start_server: StartServer, open_redis: OpenRedis
) -> None:
    server = start_server("--enable-debug-command", "yes")
    bench = await bench_at(open_redis, server, timeout=SHORT)
    page = await bench.write("it comes back")
    with server.client() as client:
        client.mset({f"other:{number}": "x" * 100 for number in range(2_000)})
    config(server, key_load_delay=400, loading_process_events_interval_bytes=1_024)
    with busy(server, "DEBUG", "RELOAD"):
        until(lambda: "loading" in answers(server), "a server that loads")
        with pytest.raises(StoreBusy, match="still loading its data"):
            await bench.session()
        config(server, key_load_delay=0)
    assert await bench.text(page) == "it comes back"


async def test_a_server_with_no_place_for_another_connection_says_so(
    start_server: StartServer, open_redis: OpenRedis
) -> None:
    server = start_server()
    store = open_redis(server.url("t"), timeout=SHORT)
    with server.client() as client:
        client.config_set("maxclients", 1)
        with pytest.raises(StoreBusy, match="maxclients"):
            await open_workspace(store)
        client.config_set("maxclients", 100)
    await open_workspace(store)


# --- foreign, flushed, restarted ---------------------------------------------------------------


@pytest.mark.parametrize("key", ["t:principals", "registry"])
async def test_keys_of_another_program_are_not_touched(
    start_server: StartServer, open_redis: OpenRedis, key: str
) -> None:
    server = start_server()
    with server.client() as client:
        if key == "registry":
            await bench_at(open_redis, server)
            key = next(name.decode() for name in client.scan_iter("t:{p:*}:workspaces"))
        client.flushall()
        client.set(key, "theirs")
        with pytest.raises(StoreDamaged, match=r"another program under this prefix.*\?prefix="):
            await bench_at(open_redis, server)
        assert client.get(key) == b"theirs"
        await Bench.at(open_redis(server.url("ours")))


async def test_a_server_that_was_flushed_takes_no_writes_for_what_is_gone(
    start_server: StartServer, open_redis: OpenRedis
) -> None:
    server = start_server()
    bench = await bench_at(open_redis, server)
    await bench.write()
    server.flush()
    with pytest.raises(StoreUnavailable, match="has lost this workspace") as raised:
        await bench.write()
    assert "Start pagefault again" in raised.value.message
    with server.client() as client:
        assert client.dbsize() == 0
    again = await bench_at(open_redis, server)
    assert await again.write("a new beginning") == "claim_1"
    assert await again.find("beginning") == ["claim_1"]
    with pytest.raises(StoreUnavailable, match="has lost this workspace"):
        await bench.write()


async def test_scripts_that_the_server_has_dropped_are_sent_again(
    start_server: StartServer, open_redis: OpenRedis
) -> None:
    server = start_server()
    bench = await bench_at(open_redis, server)
    with server.client() as client:
        for number in (1, 2, 3):
            client.script_flush()
            assert await bench.write() == f"claim_{number}"
            client.script_flush()
            assert await bench.session()


async def test_a_server_that_kept_nothing_begins_anew_after_a_restart(
    start_server: StartServer, open_redis: OpenRedis
) -> None:
    server = start_server()
    bench = await bench_at(open_redis, server)
    await bench.write()
    await anyio.to_thread.run_sync(server.restart)
    with pytest.raises(StoreUnavailable, match="has lost this workspace"):
        await bench.write()
    assert await (await Bench.at(bench.store)).write() == "claim_1"


async def test_a_server_that_kept_everything_goes_on_after_a_restart(
    start_server: StartServer, open_redis: OpenRedis
) -> None:
    server = start_server(appendonly=True)
    bench = await bench_at(open_redis, server)
    page = await bench.write("kept")
    await anyio.to_thread.run_sync(server.restart)
    assert await bench.text(page) == "kept"
    assert await bench.write() == "claim_2"


async def test_what_listens_there_and_is_no_redis_is_named(
    open_redis: OpenRedis, redis_server: Standalone
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        def greet() -> None:
            with suppress(OSError):
                while True:
                    one, _ = listening.accept()
                    one.sendall(b"220 mail.example ready\r\n")
                    one.recv(10_000)
                    one.close()

        threading.Thread(target=greet, daemon=True).start()
        store = open_redis(f"redis://127.0.0.1:{port}", timeout=SHORT)
        with pytest.raises(StoreUnavailable) as raised:
            await open_workspace(store)
    assert f"redis://127.0.0.1:{port}" in raised.value.message


# --- words -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "meaning"),
    [
        ("OOM command not allowed when used memory > 'maxmemory'.", StoreFull),
        ("READONLY You can't write against a read only replica.", StoreReadOnly),
        ("MISCONF Redis is configured to save RDB snapshots", StoreReadOnly),
        ("NOREPLICAS Not enough good replicas to write.", StoreReadOnly),
        ("LOADING Redis is loading the dataset in memory", StoreBusy),
        ("BUSY Redis is busy running a script.", StoreBusy),
        ("TRYAGAIN Multiple keys request during rehashing of slot", StoreBusy),
        ("ASK 866 127.0.0.1:7001", StoreBusy),
        ("MASTERDOWN Link with MASTER is down", StoreUnavailable),
        ("CLUSTERDOWN The cluster is down", StoreUnavailable),
        ("MOVED 866 127.0.0.1:7001", StoreUnavailable),
        ("NOAUTH Authentication required.", StoreUnavailable),
        ("WRONGPASS invalid username-password pair", StoreUnavailable),
        ("NOPERM this user has no permissions", StoreUnavailable),
        ("WRONGTYPE Operation against a key holding the wrong kind of value", StoreDamaged),
        ("ERR max number of clients reached", StoreBusy),
        ("ERR something that is new", StoreUnavailable),
    ],
)
def test_what_a_server_replies_has_a_meaning_and_a_next_step(
    reply: str, meaning: type[StoreError]
) -> None:
    for error in (BaseParser.parse_error(reply), exceptions.ResponseError(reply)):
        found = explain(error, "redis://there")
        assert type(found) is meaning
        assert found.message.startswith("redis://there ")
        assert len(found.message) < 250


async def test_a_password_is_in_no_message_and_in_no_log(
    guarded: Standalone,
    open_redis: OpenRedis,
    redis_cluster: Cluster,
    proxy: Proxy,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    said = ""
    proxy.black_hole()
    cluster = f"redis+cluster://owner:{SECRET}@127.0.0.1"
    urls = [
        f"redis://owner:{SECRET}x@127.0.0.1:{guarded.port}",
        f"redis://guest:{SECRET}@127.0.0.1:{guarded.port}",
        f"redis://owner:{SECRET}@127.0.0.1:1",
        f"redis://owner:{SECRET}@127.0.0.1:{proxy.port}",
        f"redis://127.0.0.1:1?password={SECRET}",
        f"rediss://owner:{SECRET}@127.0.0.1:{guarded.port}",
        f"unix://owner:{SECRET}@{guarded.socket}x",
        f"{cluster}:1",
        f"{cluster}:{guarded.port}",
        f"{cluster}:{redis_cluster.nodes[0].port}",
    ]
    for url in urls:
        store = open_redis(url, timeout=SHORT)
        with pytest.raises(StoreError) as raised:
            await Bench.at(store)
        said += f"{raised.value} {raised.value!r} {store!r} {read_address(url)!r} {store.name}"
    assert SECRET not in said + caplog.text
