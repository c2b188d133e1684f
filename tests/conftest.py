"""What tests share: a clock that stands still, ids that count, a memory on every store."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from mcp import Client
from tests.redis.servers import Cluster, Standalone, fresh_prefix, server_or_skip

from pagefault.base.config import Settings
from pagefault.base.tokens import open_tokenizer
from pagefault.memory.core import Memory, Tools
from pagefault.memory.opening import find_policy
from pagefault.residency import Residency
from pagefault.stores.contract import Store, Workspace, WorkspaceRequest
from pagefault.stores.opening import Options, opener
from pagefault.surface.app import build_server
from pagefault.surface.door import Place

hypothesis.settings.register_profile("steady", deadline=None)  # these machines are noisy
hypothesis.settings.load_profile("steady")

START = 1_767_225_600.0  # 2026-01-01T00:00:00Z

STORES = ("memory", "file", "redis", "cluster")  # every store there is; a new one is a line here
SERVERS = {"redis": "redis_server", "cluster": "redis_cluster"}


class HandClock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> float:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += seconds


class CountingIds:
    """Handles and error numbers that can be foretold."""

    def __init__(self) -> None:
        self.handles = 0
        self.errors = 0

    def handle(self, bits: int) -> str:
        self.handles += 1
        return f"s_{'a' * (-(-bits // 5) - 1)}{self.handles}"

    def short(self) -> str:
        self.errors += 1
        return f"error{self.errors}"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the stores that PAGEFAULT_TEST_STORES, as in ``memory,file``, does not name."""
    chosen = os.environ.get("PAGEFAULT_TEST_STORES", ",".join(STORES)).split(",")
    if unknown := set(chosen) - set(STORES):
        message = f"PAGEFAULT_TEST_STORES: {sorted(unknown)} not of {', '.join(STORES)}"
        raise pytest.UsageError(message)

    def is_left_out(item: pytest.Item) -> bool:
        varied = item.callspec.params if hasattr(item, "callspec") else {}
        return "store_url" in varied and varied["store_url"] not in chosen

    config.hook.pytest_deselected(items=[item for item in items if is_left_out(item)])
    items[:] = [item for item in items if not is_left_out(item)]


@pytest.fixture(scope="session")
def redis_program() -> Path:
    """The server program; for tests that start servers of their own."""
    return server_or_skip()


@pytest.fixture(scope="session")
def redis_server(redis_program: Path) -> Iterator[Standalone]:
    """The server of all tests that do not end it."""
    with Standalone(redis_program) as server:
        yield server


@pytest.fixture(scope="session")
def redis_cluster(redis_program: Path) -> Iterator[Cluster]:
    """The cluster of all tests that do not end it."""
    with Cluster(redis_program) as cluster:
        yield cluster


@pytest.fixture(params=STORES)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A store of the test's own, of every kind in turn."""
    if request.param == "memory":
        yield "sqlite://:memory:"
    elif request.param == "file":
        yield str(tmp_path / "memory.db")
    else:
        server: Standalone | Cluster = request.getfixturevalue(SERVERS[request.param])
        yield server.url(fresh_prefix())
        server.flush()


@pytest.fixture
def open_store(store_url: str, tmp_path: Path) -> Callable[[], Store]:
    return opener(store_url, Options(folder=tmp_path))


MakeMemory = Callable[..., Memory]


@pytest.fixture
def make_memory(store_url: str, clock: HandClock, tmp_path: Path) -> MakeMemory:
    """A memory over the test's store, with settings by name; to be entered by the test."""

    def make(url: str | None = None, **settings: Any) -> Memory:
        chosen = Settings(**settings)
        tools = Tools(
            clock,
            CountingIds(),
            opener(url or store_url, Options(folder=tmp_path)),
            lambda name: open_tokenizer(name, tmp_path),
            find_policy(chosen.policy),
        )
        return Memory(chosen, tools)

    return make


@pytest.fixture
async def memory(make_memory: MakeMemory) -> AsyncIterator[Memory]:
    async with make_memory() as made:
        await made.ready()
        yield made


async def home(memory: Memory, principal: str = "local", name: str = "default") -> Workspace:
    """A workspace to work in."""
    await memory.ready()
    return await memory.store.open_workspace(
        WorkspaceRequest(principal, "estimate", memory.now(), name=name)
    )


@pytest.fixture
async def seat(memory: Memory) -> Residency:
    """A session that nothing has happened in yet."""
    return await memory.seat(await home(memory), "s1")


PLACE = Place("", "default", None, "estimate")
Connect = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
def connect(make_memory: MakeMemory) -> Connect:
    """A client of a server in this process; settings by name."""

    @asynccontextmanager
    async def connected(*, mode: str | None = None, **settings: Any) -> AsyncIterator[Client]:
        server = build_server(make_memory(**settings), PLACE)
        options = {} if mode is None else {"mode": mode}
        async with Client(server, **options) as client:
            yield client

    return connected


@pytest.fixture
async def client(connect: Connect) -> AsyncIterator[Client]:
    async with connect() as connected:
        yield connected
