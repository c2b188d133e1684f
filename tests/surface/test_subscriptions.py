"""Who hears of a change: clients of both eras, other processes' writes, and nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import mcp.types as types
import pytest
from anyio.streams.memory import MemoryObjectReceiveStream
from mcp import Client
from mcp.client.session import IncomingMessage
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.subscriptions import ResourceUpdated

from pagefault.base.errors import LimitExceeded, StoreBusy
from pagefault.memory import Memory
from pagefault.stores.contract import Workspace
from pagefault.stores.sqlite.store import SqliteStore
from pagefault.surface.app import PagefaultServer, build_server
from pagefault.surface.door import Place
from pagefault.surface.watch import Topic, Watch

# Subscribing to one resource is what clients before 2026-07-28 do, and deprecated since.
pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore::mcp.MCPDeprecationWarning")]

Ask = Callable[..., Awaitable[dict[str, Any]]]
Serve = Callable[..., AbstractAsyncContextManager[str]]
MakeMemory = Callable[..., Memory]
Heard = MemoryObjectReceiveStream[str]
Listener = Callable[..., AbstractAsyncContextManager[Heard]]

HERE = {"session_id": "s"}
SOON = 1.0  # seconds in which a change has to be told
ERAS = pytest.mark.parametrize("mode", ["legacy", "auto"])


def server_over(memory: Memory, workspace: str = "default") -> PagefaultServer:
    return build_server(memory, Place("", workspace, None, "estimate"))


@asynccontextmanager
async def listening(server: Any, *uris: str, mode: str) -> AsyncIterator[tuple[Client, Heard]]:
    """A client that listens to the URIs in the way of its era, and what it hears."""
    send, heard = anyio.create_memory_object_stream[str](1_000)

    async def on_message(message: IncomingMessage) -> None:
        if isinstance(message, types.ResourceUpdatedNotification):
            await send.send(str(message.params.uri))

    async def pump(client: Client, started: anyio.Event) -> None:
        async with client.listen(resource_subscriptions=list(uris)) as stream:
            started.set()
            async for event in stream:
                assert isinstance(event, ResourceUpdated)
                await send.send(event.uri)

    async with (
        send,
        heard,
        Client(server, mode=mode, message_handler=on_message) as client,
        anyio.create_task_group() as tasks,
    ):
        if mode == "legacy":
            for uri in uris:
                await client.session.subscribe_resource(uri)
        else:
            started = anyio.Event()
            tasks.start_soon(pump, client, started)
            await started.wait()
        yield client, heard
        tasks.cancel_scope.cancel()


async def told(heard: Heard) -> str:
    with anyio.fail_after(SOON):
        return await heard.receive()


async def all_told(heard: Heard, last: str) -> list[str]:
    """What is heard up to the named URI."""
    uris = []
    while not uris or uris[-1] != last:
        uris.append(await told(heard))
    return uris


# A change of this is made after others, to see that they were not told.
LAST = "memory://pages/claim_9"


async def nine_pages(ask: Ask) -> None:
    for number in range(9):
        await ask("page_write", content=f"page {number}", **HERE)


async def change(ask: Ask, *page_ids: str) -> None:
    for page_id in page_ids:
        await ask("page_write", content="changed", page_id=page_id, **HERE)


@ERAS
@pytest.mark.parametrize("form", ["memory://", "memory://default/"])
async def test_a_new_version_is_told_within_a_second(
    make_memory: MakeMemory, asking: Callable[[Client], Ask], mode: str, form: str
) -> None:
    uri = f"{form}pages/claim_1"
    async with listening(server_over(make_memory()), uri, mode=mode) as (client, heard):
        await asking(client)("page_write", content="one", **HERE)
        assert await told(heard) == uri
        await change(asking(client), "claim_1")
        assert await told(heard) == uri


@ERAS
@pytest.mark.parametrize(
    ("path", "tool", "arguments"),
    [
        ("pages/claim_1", "page_write", {"content": "new", "page_id": "claim_1"}),
        ("pages/claim_1?level=0", "page_write", {"content": "new", "page_id": "claim_1"}),
        ("pages/claim_1/history", "page_pin", {"page_id": "claim_1", "pinned": True}),
        ("pages/claim_1", "page_forget", {"page_id": "claim_1", "reason": "asked"}),
        ("sessions", "session_start", {"session_id": "new"}),
        ("sessions/s", "session_record", {"events": [{"role": "user", "content": "x"}]}),
        ("sessions/s/events", "session_record", {"events": [{"role": "user", "content": "x"}]}),
        ("sessions/s/log", "page_write", {"content": "x"}),
        ("sessions/s/manifest", "page_evict", {"page_ids": ["claim_1"]}),
        ("sessions/s/context", "page_write", {"content": "x"}),
        ("sessions/s/messages", "session_record", {"events": [{"role": "user", "content": "x"}]}),
    ],
)
async def test_every_resource_that_changes_is_told(
    make_memory: MakeMemory,
    asking: Callable[[Client], Ask],
    mode: str,
    path: str,
    tool: str,
    arguments: dict[str, Any],
) -> None:
    server = server_over(make_memory())
    async with listening(server, LAST, f"memory://{path}", mode=mode) as (client, heard):
        ask = asking(client)
        await nine_pages(ask)
        while await told(heard) != LAST:
            continue
        with anyio.move_on_after(0.3):  # what the nine pages did is told first
            while await heard.receive():
                continue
        await ask(tool, **(HERE | arguments))
        assert await told(heard) == f"memory://{path}"


@ERAS
async def test_only_what_was_asked_for_is_told(
    make_memory: MakeMemory, asking: Callable[[Client], Ask], mode: str
) -> None:
    server = server_over(make_memory())
    wanted = "memory://pages/claim_2"
    async with listening(server, wanted, LAST, mode=mode) as (client, heard):
        await nine_pages(asking(client))
        await all_told(heard, LAST)
        await change(asking(client), "claim_1", "claim_2", "claim_3", "claim_9")
        assert await all_told(heard, LAST) == [wanted, LAST]


@ERAS
async def test_writes_of_another_process_are_told_too(
    make_memory: MakeMemory, asking: Callable[[Client], Ask], tmp_path: Path, mode: str
) -> None:
    url = str(tmp_path / "shared.db")
    async with (
        listening(server_over(make_memory(url)), "memory://pages/claim_1", mode=mode) as (_, heard),
        Client(server_over(make_memory(url))) as other,
    ):
        await asking(other)("page_write", content="from elsewhere", **HERE)
        assert await told(heard) == "memory://pages/claim_1"


async def test_unsubscribing_ends_it(
    make_memory: MakeMemory, asking: Callable[[Client], Ask]
) -> None:
    server = server_over(make_memory())
    uris = ("memory://pages/claim_1", "memory://default/pages/claim_1", LAST)
    async with listening(server, *uris, mode="legacy") as (client, heard):
        await nine_pages(asking(client))
        await all_told(heard, LAST)
        await client.session.unsubscribe_resource(uris[0])
        await change(asking(client), "claim_1", "claim_9")
        assert await all_told(heard, LAST) == [uris[1], LAST]
        await client.session.unsubscribe_resource("memory://pages/claim_77")  # never asked for


async def test_asking_twice_is_told_once(
    make_memory: MakeMemory, asking: Callable[[Client], Ask]
) -> None:
    uri = "memory://pages/claim_1"
    server = server_over(make_memory())
    async with listening(server, uri, uri, LAST, mode="legacy") as (client, heard):
        await nine_pages(asking(client))
        assert await all_told(heard, LAST) == [uri, LAST]


@ERAS
async def test_who_leaves_is_forgotten(
    make_memory: MakeMemory, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    made: list[Watch] = []
    monkeypatch.setattr("pagefault.surface.app.Watch", lambda memory: keep(made, Watch(memory)))
    server = server_over(make_memory())
    async with listening(server, "memory://guide", LAST, mode=mode):
        assert made[0].listeners == 2
    assert made[0].listeners == 0


def keep(made: list[Watch], watch: Watch) -> Watch:
    made.append(watch)
    return watch


def workspace_of(key: int) -> Workspace:
    return Workspace(key, 1, f"w{key}", f"w{key}", "local", "estimate")


@ERAS
@pytest.mark.parametrize("uri", ["test://watched-resource", "memory://nothing", "memory://x/y/z"])
async def test_any_uri_can_be_asked_for(
    make_memory: MakeMemory, asking: Callable[[Client], Ask], mode: str, uri: str
) -> None:
    server = server_over(make_memory())
    async with listening(server, uri, LAST, mode=mode) as (client, heard):
        await nine_pages(asking(client))
        assert await told(heard) == LAST


@ERAS
async def test_another_workspace_of_ones_own_is_heard_by_its_name_alone(
    make_memory: MakeMemory, asking: Callable[[Client], Ask], tmp_path: Path, mode: str
) -> None:
    url = str(tmp_path / "shared.db")
    async with Client(server_over(make_memory(url))) as other:
        ask = asking(other)
        await ask("session_start", workspace="garden", session_id="g")
        uris = ("memory://garden/pages/claim_1", "memory://pages/claim_1", "memory://pages/claim_2")
        async with listening(server_over(make_memory(url)), *uris, mode=mode) as (_, heard):
            await ask("page_write", content="roses", session_id="g")
            assert await told(heard) == uris[0]
            await ask("page_write", content="one", **HERE)
            await ask("page_write", content="two", **HERE)
            assert await all_told(heard, uris[2]) == [uris[1], uris[2]]


@ERAS
async def test_nobody_hears_of_another_principals_changes(
    make_memory: MakeMemory,
    serve: Serve,
    visit: Callable[..., AbstractAsyncContextManager[Client]],
    asking: Callable[[Client], Ask],
    token_file: Path,
    mode: str,
) -> None:
    async with (
        serve(server_over(make_memory()), token_file) as url,
        visit(url, "ann-1") as anns,
        httpx2.AsyncClient(
            headers={"Authorization": "Bearer ben-1"}, trust_env=False, timeout=10
        ) as http,
    ):
        await asking(anns)("session_start", workspace="diary", session_id="a")
        bens = streamable_http_client(url, http_client=http)
        uris = ("memory://pages/claim_1", "memory://diary/pages/claim_1", LAST)
        async with listening(bens, *uris, mode=mode) as (client, heard):
            await asking(anns)("page_write", content="in the diary", session_id="a")
            await asking(anns)("page_write", content="in her own", **HERE)
            await asking(client)("page_write", content="his own", **HERE)
            assert await told(heard) == uris[0]
            for _ in range(8):
                await asking(client)("page_write", content="more", **HERE)
            assert await all_told(heard, LAST) == [LAST]


async def test_a_store_that_is_away_for_a_while_loses_no_news(
    make_memory: MakeMemory, asking: Callable[[Client], Ask], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = anyio.Event()

    async def busy(*_: object, **__: object) -> None:
        looked.set()
        raise StoreBusy("another process holds the write lock")

    uri = "memory://pages/claim_1"
    async with listening(server_over(make_memory()), uri, mode="auto") as (client, heard):
        with monkeypatch.context() as away:
            away.setattr(SqliteStore, "log", busy)
            await asking(client)("page_write", content="x", **HERE)
            with anyio.fail_after(SOON):
                await looked.wait()
        assert await told(heard) == uri


async def test_the_number_of_subscriptions_is_bounded(make_memory: MakeMemory) -> None:
    async with make_memory() as memory:
        await memory.ready()
        watch = Watch(memory)
        workspace = workspace_of(1)

        async def tell() -> None:
            return

        for number in range(10_000):
            uri = f"memory://pages/claim_{number + 1}"
            watch.add("one", Topic(workspace, uri[9:], uri, 0), tell)
        with pytest.raises(LimitExceeded, match="10,000"):
            await watch.topic(workspace, "guide", "memory://guide")
