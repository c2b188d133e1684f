"""A bad network: every call is answered or fails within its deadline, and nothing is left behind.

A write whose answer is lost on its way happens once. What goes another way is not held up.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from tests.redis.conftest import OpenRedis
from tests.redis.proxy import Proxy, Way
from tests.redis.servers import Cluster, Standalone, fresh_prefix, until
from tests.stores.making import Bench, added, open_workspace

from pagefault.base.errors import StoreBusy, StoreError, StoreUnavailable
from pagefault.index.document import Search
from pagefault.stores.contract import Applied, Store, Workspace

pytestmark = pytest.mark.anyio

DEADLINE = 0.5  # seconds, where a call is to fail
MARGIN = 0.5  # for a machine that does other things as well
TURNS = 40  # of callers that give up
BOUND = 32  # connections of one process to one server

Call = Callable[[Bench], Awaitable[Any]]


def through(proxy: Proxy) -> str:
    return f"redis://127.0.0.1:{proxy.port}?prefix={fresh_prefix()}"


@pytest.fixture
async def bench(proxy: Proxy, open_redis: OpenRedis) -> Bench:
    """A store behind the proxy, whose calls give up early."""
    return await Bench.at(open_redis(through(proxy), timeout=DEADLINE))


@pytest.fixture
async def patient(proxy: Proxy, open_redis: OpenRedis) -> Bench:
    """A store behind the proxy, as the settings have it."""
    return await Bench.at(open_redis(through(proxy)))


async def no_connections(proxy: Proxy) -> None:
    """Wait until there is none."""
    await anyio.to_thread.run_sync(proxy.wait_for, 0)


async def few_connections(proxy: Proxy) -> None:
    """Wait until there are no more than there may be: the proxy hears late of those that ended."""
    await anyio.to_thread.run_sync(until, lambda: proxy.connections <= BOUND, "few connections")


async def search(bench: Bench) -> None:
    await bench.store.search(bench.workspace, "s1", Search("words", workspace=0))


CALLS: dict[str, Call] = {
    "read": Bench.session,
    "write": Bench.write,
    "search": search,
    "open": lambda bench: open_workspace(bench.store, "another"),
    "list": lambda bench: bench.store.principals(),
}


class Timed:
    """What came of calls, and how long each took."""

    def __init__(self) -> None:
        self.failures: dict[Any, StoreError] = {}
        self.answers: dict[Any, Any] = {}
        self.seconds: dict[Any, float] = {}

    async def run(self, name: Any, call: Callable[[], Awaitable[Any]]) -> None:
        began = time.monotonic()
        try:
            self.answers[name] = await call()
        except StoreError as error:
            self.failures[name] = error
        finally:
            self.seconds[name] = time.monotonic() - began


async def at_once(calls: dict[Any, Callable[[], Awaitable[Any]]]) -> Timed:
    timed = Timed()
    async with anyio.create_task_group() as tasks:
        for name, call in calls.items():
            tasks.start_soon(timed.run, name, call)
    return timed


def of(bench: Bench, calls: dict[str, Call]) -> dict[Any, Callable[[], Awaitable[Any]]]:
    return {name: (lambda call=call: call(bench)) for name, call in calls.items()}


# --- slow, gone, silent ------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0.05, 0.5])
async def test_a_slow_network_is_waited_for(patient: Bench, proxy: Proxy, seconds: float) -> None:
    proxy.delay(seconds, to="client")
    page = await patient.write("what is late is not lost")
    assert await patient.text(page) == "what is late is not lost"


SPOILT: dict[str, Callable[[Proxy], None]] = {
    "late": lambda proxy: proxy.delay(5.0),
    "dropped": Proxy.drop,
    "half closed": Proxy.half_close,
    "black hole": Proxy.black_hole,
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
async def test_calls_fail_within_their_deadline_with_what_to_do_and_work_again_by_themselves(
    bench: Bench, proxy: Proxy, spoil: Callable[[Proxy], None]
) -> None:
    await bench.write("words")
    spoil(proxy)
    for _ in range(2):  # with connections that were good, and with new ones
        timed = await at_once(of(bench, CALLS))
        assert timed.failures.keys() == CALLS.keys()
        assert max(timed.seconds.values()) < DEADLINE + MARGIN
        for name, failure in timed.failures.items():
            assert isinstance(failure, StoreUnavailable), name
            assert failure.message.startswith(f"redis://127.0.0.1:{proxy.port} ")
            assert "Try again" in failure.message or "Check that it runs" in failure.message
    proxy.forward()
    timed = await at_once(of(bench, CALLS))
    assert not timed.failures
    await bench.store.close()
    await no_connections(proxy)


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
async def test_a_store_that_never_reached_its_server_works_as_soon_as_it_can(
    proxy: Proxy, open_redis: OpenRedis, spoil: Callable[[Proxy], None]
) -> None:
    store = open_redis(through(proxy), timeout=DEADLINE)
    spoil(proxy)
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await open_workspace(store)
    assert time.monotonic() - began < DEADLINE + MARGIN
    proxy.forward()
    assert await (await Bench.at(store)).write() == "claim_1"


async def test_a_call_that_waits_is_answered_when_the_network_comes_back(
    patient: Bench, proxy: Proxy
) -> None:
    proxy.drop()
    timed = Timed()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(timed.run, "read", patient.session)
        tasks.start_soon(timed.run, "write", patient.write)
        await anyio.sleep(0.2)
        proxy.forward()
    assert timed.answers.keys() == {"read", "write"}
    assert timed.answers["write"] == "claim_1"


async def test_an_idle_connection_that_was_cut_costs_no_call(patient: Bench, proxy: Proxy) -> None:
    for _ in range(5):
        proxy.drop()
        proxy.forward()
        timed = await at_once(of(patient, {"read": Bench.session, "write": Bench.write}))
        assert not timed.failures


# --- in the middle of a request, or of a reply -------------------------------------------------


@pytest.mark.parametrize("to", ["server", "client"])
@pytest.mark.parametrize("after", [0, 1, 9, 200, 70_000])
async def test_a_call_that_is_severed_in_its_middle_is_answered_all_the_same(
    patient: Bench, proxy: Proxy, to: Way, after: int
) -> None:
    text = "long " * 20_000
    page = await patient.write(text)
    reader = await patient.store.page(patient.workspace, page, "s1")
    assert reader is not None
    proxy.sever(after, to=to)
    assert await patient.store.content(patient.workspace, reader.content) == text.encode()
    proxy.sever(after, to=to)
    assert await patient.write(text) == "claim_2"
    proxy.forward()
    assert (await patient.store.totals(patient.workspace))["pages"] == 2
    assert await patient.positions() == [1, 2, 3]


@pytest.mark.parametrize("times", [1, 3])
async def test_a_write_whose_reply_is_lost_happens_once(
    patient: Bench, proxy: Proxy, redis_server: Standalone, times: int
) -> None:
    lost = 0
    with redis_server.client() as client:

        def runs() -> int:
            told: Any = client.info("commandstats")
            return int(told.get("cmdstat_evalsha", {}).get("calls", 0))

        async with anyio.create_task_group() as tasks:
            ran = runs()
            proxy.sever(3, to="client")
            timed = Timed()
            tasks.start_soon(timed.run, "write", patient.write)
            while "write" not in timed.seconds and lost < times:
                if runs() > ran:
                    lost, ran = lost + 1, runs()
                    if lost < times:
                        proxy.sever(3, to="client")
                await anyio.sleep(0.001)
    assert lost >= 1
    assert timed.answers == {"write": "claim_1"}
    assert await patient.positions() == [1, 2]
    assert await patient.write() == "claim_2"


async def test_a_write_that_was_never_answered_says_so_and_can_be_repeated(
    bench: Bench, proxy: Proxy
) -> None:
    proxy.half_close()  # requests arrive, replies do not
    with pytest.raises(StoreUnavailable, match="Whether this write stands is not known") as raised:
        await bench.say("once", key="k1")
    assert "same key" in raised.value.message
    proxy.forward()
    await bench.say("once", key="k1")
    assert (await bench.store.totals(bench.workspace))["pages"] == 1


async def test_a_write_that_was_never_sent_does_not_say_that_it_may_stand(
    proxy: Proxy, open_redis: OpenRedis
) -> None:
    bench = await Bench.at(open_redis(through(proxy), timeout=DEADLINE))
    proxy.drop()
    with pytest.raises(StoreUnavailable):
        await bench.session()  # finds out that the old connections are cut
    with pytest.raises(StoreUnavailable) as raised:
        await bench.write()
    assert "cannot be reached" in raised.value.message
    assert "not known" not in raised.value.message


async def test_writes_behind_one_that_fails_fail_with_it_and_do_not_stand(
    bench: Bench, proxy: Proxy
) -> None:
    proxy.black_hole()
    timed = Timed()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(timed.run, "sent", bench.write)
        await anyio.sleep(DEADLINE / 4)
        for number in range(4):
            tasks.start_soon(timed.run, number, bench.write)
    doubtful = {name for name, error in timed.failures.items() if "not known" in error.message}
    assert (len(timed.failures), doubtful) == (5, {"sent"})
    assert max(timed.seconds.values()) < DEADLINE + MARGIN
    proxy.forward()
    assert await bench.write() == "claim_1"


# --- bounds ------------------------------------------------------------------------------------


async def test_however_many_calls_there_are_the_connections_are_bounded(
    patient: Bench, proxy: Proxy
) -> None:
    proxy.delay(0.02, to="client")
    most = 0
    timed = Timed()

    async with anyio.create_task_group() as tasks:
        for number in range(200):
            tasks.start_soon(timed.run, number, patient.session)
        while len(timed.seconds) < 200:
            most = max(most, proxy.connections)
            await anyio.sleep(0.001)
    assert not timed.failures
    assert 1 < most <= BOUND
    await patient.store.close()
    await no_connections(proxy)


async def test_calls_that_find_all_connections_in_use_say_so_within_their_deadline(
    bench: Bench, proxy: Proxy
) -> None:
    proxy.black_hole()
    timed = await at_once(dict.fromkeys(range(200), bench.session))
    assert max(timed.seconds.values()) < DEADLINE + MARGIN * 2
    crowded = [each for each in timed.failures.values() if isinstance(each, StoreBusy)]
    assert len(timed.failures) == 200
    assert crowded
    assert all(f"{BOUND} requests under way" in each.message for each in crowded)
    await few_connections(proxy)
    proxy.forward()
    assert not (await at_once(dict.fromkeys(range(10), bench.session))).failures
    await bench.store.close()
    await no_connections(proxy)


async def test_closing_ends_what_is_under_way_and_leaves_no_connection(
    patient: Bench, proxy: Proxy
) -> None:
    proxy.black_hole()
    timed = Timed()
    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(timed.run, number, patient.session)
        await anyio.sleep(0.05)
        began = time.monotonic()
        await patient.store.close()
    assert time.monotonic() - began < MARGIN
    assert all("was closed" in failure.message for failure in timed.failures.values())
    assert len(timed.failures) == 5
    await no_connections(proxy)
    with pytest.raises(StoreUnavailable, match="was closed"):
        await patient.session()


async def test_closing_waits_for_the_writes_that_were_handed_over(
    patient: Bench, proxy: Proxy, open_redis: OpenRedis
) -> None:
    proxy.delay(0.1, to="client")
    timed = Timed()
    async with anyio.create_task_group() as tasks:
        for number in range(3):
            tasks.start_soon(timed.run, number, patient.write)
        await anyio.sleep(0.02)
        await patient.store.close()
    assert sorted(timed.answers.values()) == ["claim_1", "claim_2", "claim_3"]


async def test_closing_ends_at_whatever_moment_it_comes(
    redis_server: Standalone, open_redis: OpenRedis
) -> None:
    url = redis_server.url(fresh_prefix())
    for turn in range(60):
        store = open_redis(url)
        await Bench.at(store)
        for _ in range(turn % 12):  # the index begins to follow, or is about to
            await anyio.lowlevel.checkpoint()
        with anyio.fail_after(5):
            await store.close()


# --- callers that give up ----------------------------------------------------------------------


async def test_a_caller_that_is_cancelled_does_not_cancel_its_commit(
    patient: Bench, proxy: Proxy
) -> None:
    proxy.delay(0.2, to="client")
    with anyio.move_on_after(0.05):
        await patient.write("it stands")
    proxy.forward()
    assert await patient.text("claim_1") == "it stands"
    assert await patient.write("the next") == "claim_2"


class Readers:
    """Callers that read pages, or write, and may give up at any moment."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.texts: dict[str, str] = {}
        self.contents: dict[str, int] = {}
        self.wrong: list[str] = []

    async def prepare(self) -> None:
        for number in range(8):
            text = f"{number} " * 2 ** (number * 2)  # so that some replies come in pieces
            page = await self.bench.write(text)
            self.texts[page], self.contents[page] = text, await content_of(self.bench, page)

    async def read(self, page: str, patience: float) -> None:
        with anyio.move_on_after(patience):
            workspace, content = self.bench.workspace, self.contents[page]
            kept = await self.bench.store.content(workspace, content)
            if kept.decode() != self.texts[page]:
                self.wrong.append(page)

    async def write(self, number: int, patience: float) -> None:
        with anyio.move_on_after(patience):
            await self.bench.say(f"said {number}", key=f"key-{number}")


async def test_no_answer_reaches_another_call_however_callers_are_cancelled(
    patient: Bench, proxy: Proxy
) -> None:
    random = Random(7)
    readers = Readers(patient)
    await readers.prepare()
    proxy.delay(0.002, to="client")
    for turn in range(TURNS):
        async with anyio.create_task_group() as tasks:
            for page in readers.texts:
                tasks.start_soon(readers.read, page, random.uniform(0, 0.012))
            tasks.start_soon(readers.write, turn, random.uniform(0, 0.006))
            if turn % 5 == 0:
                proxy.sever(random.randrange(5_000), to="client")
    proxy.forward()
    await few_connections(proxy)
    for page in readers.texts:
        await readers.read(page, 5)
    assert not readers.wrong
    for turn in range(TURNS):  # those that were cancelled on their way happened, all the same once
        await readers.write(turn, 5)
    pages = (await patient.store.totals(patient.workspace))["pages"]
    assert pages == len(readers.texts) + TURNS


async def content_of(bench: Bench, page: str) -> int:
    found = await bench.store.page(bench.workspace, page, "s1")
    assert found is not None
    return found.content


# --- what goes another way ---------------------------------------------------------------------


async def test_a_store_on_another_way_is_not_held_up(
    redis_server: Standalone, proxy: Proxy, open_redis: OpenRedis
) -> None:
    with Proxy(redis_server.port) as other:
        bad = await Bench.at(open_redis(through(proxy), timeout=DEADLINE))
        good = await Bench.at(open_redis(through(other)))
        proxy.black_hole()
        calls = {("bad", number): bad.session for number in range(40)}
        timed = await at_once(calls | {("good", number): good.session for number in range(40)})
        assert timed.failures.keys() == calls.keys()
        assert min(timed.seconds[name] for name in timed.answers) < DEADLINE / 2


class Maze:
    """A cluster of which each node stands behind a proxy of its own."""

    def __init__(self, cluster: Cluster, stack: ExitStack) -> None:
        self.cluster = cluster
        self.proxies = [stack.enter_context(Proxy(node.port)) for node in cluster.nodes]
        for node, proxy in zip(cluster.nodes, self.proxies, strict=True):
            with node.client() as client:
                client.config_set("cluster-announce-port", proxy.port)
        until(self._is_known, "the ports of the proxies in the cluster")

    def url(self) -> str:
        nodes = ",".join(f"127.0.0.1:{proxy.port}" for proxy in self.proxies)
        return f"redis+cluster://{nodes}?prefix={fresh_prefix()}"

    def forward(self) -> None:
        for proxy in self.proxies:
            proxy.forward()

    def way_to(self, bench: Bench) -> Proxy:
        """The proxy before the node that has the bench's workspace."""
        place = place_of(bench.store, bench.workspace)
        return self.proxies[self.cluster.nodes.index(self.cluster.owner(place))]

    async def benches(self, store: Store) -> list[Bench]:
        """A workspace on each node, in the order of the proxies."""
        found: dict[Proxy, Bench] = {}
        number = 0
        while len(found) < len(self.proxies):
            with suppress(StoreError):  # a store that is quick to give up
                bench = await Bench.at(store, f"w{number}")
                found.setdefault(self.way_to(bench), bench)
            number += 1
        return [found[proxy] for proxy in self.proxies]

    def _is_known(self) -> bool:
        ports = {str(proxy.port) for proxy in self.proxies}
        for node in self.cluster.nodes:
            with node.client() as client:
                told: Any = client.execute_command("CLUSTER NODES")
                if {name.rpartition(":")[2] for name in told} != ports:
                    return False
        return True


def place_of(store: Any, workspace: Workspace) -> str:
    return str(store._places[workspace.key])


@pytest.fixture(scope="module")
def cluster(redis_program: Path) -> Iterator[Cluster]:
    with Cluster(redis_program, node_timeout=60) as cluster:  # a silent node has not failed
        yield cluster


@pytest.fixture(scope="module")
def mazes(cluster: Cluster) -> Iterator[Maze]:
    with ExitStack() as stack:
        yield Maze(cluster, stack)


@pytest.fixture
def maze(mazes: Maze) -> Iterator[Maze]:
    mazes.forward()
    yield mazes
    mazes.cluster.flush()


@asynccontextmanager
async def many_at(bench: Bench) -> AsyncIterator[None]:
    """Calls to a workspace, again and again, whatever comes of them."""

    async def call() -> None:
        while True:
            with suppress(StoreError):
                await bench.session()
            await anyio.sleep(0.1)

    async with anyio.create_task_group() as tasks:
        for _ in range(BOUND + 8):
            tasks.start_soon(call)
        yield
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
async def test_in_a_cluster_a_bad_way_to_one_node_holds_up_no_other(
    maze: Maze, open_redis: OpenRedis, spoil: Callable[[Proxy], None]
) -> None:
    bad, *good = await maze.benches(open_redis(maze.url(), timeout=DEADLINE))
    spoil(maze.way_to(bad))
    async with many_at(bad):
        for _ in range(2):
            others: dict[Any, Callable[[], Awaitable[Any]]] = dict(enumerate(b.write for b in good))
            timed = await at_once({"bad": bad.write} | others)
            assert timed.failures.keys() == {"bad"}  # the others are answered in their time
    maze.forward()
    assert (await bad.session()).id == "s1"


async def test_a_cluster_that_was_gone_works_again_by_itself(
    maze: Maze, open_redis: OpenRedis
) -> None:
    benches = await maze.benches(open_redis(maze.url(), timeout=DEADLINE))
    for proxy in maze.proxies:
        proxy.drop()
    timed = await at_once({number: bench.write for number, bench in enumerate(benches)})
    assert len(timed.failures) == 3
    assert max(timed.seconds.values()) < DEADLINE + MARGIN
    maze.forward()
    timed = await at_once({number: bench.write for number, bench in enumerate(benches)})
    assert not timed.failures
    await benches[0].store.close()
    for proxy in maze.proxies:
        await no_connections(proxy)


async def test_a_cluster_is_found_through_any_of_the_nodes_that_are_named(
    maze: Maze, open_redis: OpenRedis
) -> None:
    maze.proxies[0].drop()
    maze.proxies[1].black_hole()
    store = open_redis(maze.url(), timeout=2.5)
    with suppress(StoreError):  # the workspace's own node may be one of those
        await store.principals()
    maze.forward()
    began = time.monotonic()
    await Bench.at(store)
    assert time.monotonic() - began < 1


async def test_no_cluster_at_all_is_said(open_redis: OpenRedis, redis_server: Standalone) -> None:
    store = open_redis(f"redis+cluster://127.0.0.1:{redis_server.port}?prefix=x", timeout=DEADLINE)
    with pytest.raises(StoreUnavailable, match=r"is no cluster\. Write redis://"):
        await open_workspace(store)
    store = open_redis("redis+cluster://127.0.0.1:1?prefix=x", timeout=DEADLINE)
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        await open_workspace(store)


async def test_a_workspace_that_moves_to_another_node_is_followed(
    maze: Maze, open_redis: OpenRedis
) -> None:
    bench = await Bench.at(open_redis(maze.url(), timeout=DEADLINE))
    page = await bench.write("it moves")
    with Move(maze.cluster, place_of(bench.store, bench.workspace)) as move:
        with pytest.raises(StoreBusy, match="is moving this workspace between nodes"):
            await bench.write()
        with pytest.raises(StoreBusy, match="is moving this workspace between nodes"):
            await bench.text(page)
        move.finish()
        assert await bench.text(page) == "it moves"
        assert await bench.write() == "claim_2"
    assert await bench.write() == "claim_3"
    assert await bench.positions() == [1, 2, 3, 4]


class Move:
    """A slot on its way from one node to another; at the end it is back where it was."""

    def __init__(self, cluster: Cluster, place: str) -> None:
        self.cluster = cluster
        self.place = place
        self.source = cluster.owner(place)
        self.target = next(node for node in cluster.nodes if node is not self.source)
        with self.source.client() as client:
            told: Any = client.execute_command("CLUSTER KEYSLOT", place)
        self.slot = int(told)

    def __enter__(self) -> Move:
        self._begin(self.source, self.target)
        return self

    def __exit__(self, *_: object) -> None:
        self._begin(self.target, self.source)
        self._end(self.target, self.source)

    def finish(self) -> None:
        self._end(self.source, self.target)

    def _begin(self, source: Standalone, target: Standalone) -> None:
        self._set_slot(target, "IMPORTING", source)
        self._set_slot(source, "MIGRATING", target)

    def _end(self, source: Standalone, target: Standalone) -> None:
        with source.client() as client:
            keys: Any = client.execute_command("CLUSTER GETKEYSINSLOT", self.slot, 10_000)
            if keys:
                where = ("127.0.0.1", target.port, "", 0, 5_000, "KEYS")
                client.execute_command("MIGRATE", *where, *keys)
        for node in (target, source, *self.cluster.nodes):
            self._set_slot(node, "NODE", target)

    def _set_slot(self, node: Standalone, state: str, other: Standalone) -> None:
        with other.client() as client:
            name: Any = client.execute_command("CLUSTER MYID")
        with node.client() as client:
            client.execute_command("CLUSTER SETSLOT", self.slot, state, name)


async def test_slots_that_no_node_serves_are_said(maze: Maze, open_redis: OpenRedis) -> None:
    cluster = maze.cluster
    store = open_redis(maze.url(), timeout=DEADLINE)
    bench = await Bench.at(store)
    place = place_of(store, bench.workspace)
    with cluster.owner(place).client() as client:
        slot = client.execute_command("CLUSTER KEYSLOT", place)
        client.execute_command("CLUSTER DELSLOTS", slot)
        try:
            with pytest.raises(StoreUnavailable, match="parts that no node serves"):
                await bench.write()
        finally:
            client.execute_command("CLUSTER ADDSLOTS", slot)
    await anyio.to_thread.run_sync(cluster.wait)
    assert await bench.write() == "claim_1"


async def test_confirmed_writes_of_a_cluster_fail_and_recover_as_others_do(
    maze: Maze, open_redis: OpenRedis
) -> None:
    bench = await Bench.at(open_redis(maze.url(), timeout=DEADLINE, replicas=1))
    maze.way_to(bench).drop()
    timed = await at_once(dict.fromkeys(range(BOUND + 8), bench.write))
    assert len(timed.failures) == BOUND + 8
    maze.forward()
    page = added(page_id="+0")
    answer = await bench.do(page, contents=[b"x"], new=["claim"])
    assert isinstance(answer, Applied)
    assert answer.obtained == "on 0 of 1 replicas"
