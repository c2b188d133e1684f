"""What tests share: a clock that stands still, ids that count, a memory on every store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from mcp import Client

from pagefault.base.config import Settings
from pagefault.base.tokens import open_tokenizer
from pagefault.memory.core import Memory, Tools
from pagefault.memory.opening import find_policy
from pagefault.residency import Residency
from pagefault.stores.contract import Store, Workspace, WorkspaceRequest
from pagefault.stores.opening import opener
from pagefault.surface.app import build_server
from pagefault.surface.door import Place

hypothesis.settings.register_profile("steady", deadline=None)  # these machines are noisy
hypothesis.settings.load_profile("steady")

START = 1_767_225_600.0  # 2026-01-01T00:00:00Z


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


@pytest.fixture(params=["memory", "file"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Every store there is; a new one is a line here."""
    return {"memory": "sqlite://:memory:", "file": str(tmp_path / "memory.db")}[request.param]


@pytest.fixture
def open_store(store_url: str) -> Callable[[], Store]:
    return opener(store_url, synced=True)


MakeMemory = Callable[..., Memory]


@pytest.fixture
def make_memory(store_url: str, clock: HandClock, tmp_path: Path) -> MakeMemory:
    """A memory over the test's store, with settings by name; to be entered by the test."""

    def make(url: str | None = None, **settings: Any) -> Memory:
        chosen = Settings(**settings)
        tools = Tools(
            clock,
            CountingIds(),
            opener(url or store_url, synced=True),
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
