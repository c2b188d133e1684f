"""Who hears of a change: clients of both eras, other processes' writes, and nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx2
import mcp.types as types
import pytest
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp import Client
from mcp.client.session import IncomingMessage
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.subscriptions import ResourceUpdated

from pagefault.base.errors import LimitExceeded, StoreBusy
from pagefault.base.log import LogLine, Pinned
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

HERE = {"session_id": "s"}
SOON = 1.0  # seconds in which a change has to be told
PATIENCE = 10.0  # seconds where only a failure takes long
ERAS = pytest.mark.parametrize("mode", ["legacy", "auto"])


def server_over(memory: Memory, workspace: str = "default") -> PagefaultServer:
    return build_server(memory, Place("", workspace, None, "estimate"))


@dataclass
class Ear:
    """A client that listens in the way of its era, and what it has heard."""

    client: Client
    mode: str
    tasks: TaskGroup
    send: MemoryObjectSendStream[str]
    heard: MemoryObjectReceiveStream[str]

    async def listen(self, *uris: str) -> None:
        if self.mode == "legacy":
            for uri in uris:
                await self.client.session.subscribe_resource(uri)
        else:
            started = anyio.Event()
            self.tasks.start_soon(self._pump, uris, started)
            await started.wait()

    async def told(self, within: float = PATIENCE) -> str:
        with anyio.fail_after(within):
            return await self.heard.receive()

    async def until(self, *uris: str) -> list[str]:
        """Everything that is heard until all of the URIs have been."""
        heard: list[str] = []
        with anyio.fail_after(PATIENCE):
            while not set(uris) <= set(heard):
                heard.append(await self.heard.receive())
        return heard

    async def _pump(self, uris: Sequence[str], started: anyio.Event) -> None:
        async with self.client.listen(resource_subscriptions=uris) as stream:
            started.set()
            async for event in stream:
                assert isinstance(event, ResourceUpdated)
                await self.send.send(event.uri)


@asynccontextmanager
async def listening(server: Any, *uris: str, mode: str) -> AsyncIterator[Ear]:
    """A client that listens to the URIs from the start."""
    send, heard = anyio.create_memory_object_stream[str](1_000)

    async def on_message(message: IncomingMessage) -> None:
        if mode == "legacy" and isinstance(message, types.ResourceUpdatedNotification):
            await send.send(str(message.params.uri))

    async with (
        send,
        heard,
        Client(server, mode=mode, message_handler=on_message) as client,
        anyio.create_task_group() as tasks,
    ):
        ear = Ear(client, mode, tasks, send, heard)
        await ear.listen(*uris)
        yield ear
        tasks.cancel_scope.cancel()


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
    async with listening(server_over(make_memory()), uri, mode=mode) as ear:
        await asking(ear.client)("page_write", content="one", **HERE)
        assert await ear.told(SOON) == uri
        await change(asking(ear.client), "claim_1")
        assert await ear.told(SOON) == uri


@ERAS
async def test_every_resource_that_changes_is_told(
    make_memory: MakeMemory, asking: Callable[[Client], Ask], mode: str
) -> None:
    said = {"events": [{"role": "user", "content": "x"}]}
    changes: list[tuple[str, dict[str, Any], set[str]]] = [
        (
            "page_write",
            {"content": "new", "page_id": "claim_1"},
            {"pages/claim_1", "pages/claim_1?level=0", "pages/claim_1/history", "sessions/s/log"},
        ),
        ("page_pin", {"page_id": "claim_2", "pinned": True}, {"pages/claim_2/history"}),
        ("page_forget", {"page_id": "claim_3", "reason": "asked"}, {"pages/claim_3"}),
        ("page_evict", {"page_ids": ["claim_4"]}, {"sessions/s/manifest", "sessions/s/context"}),
        ("session_start", {"session_id": "new"}, {"sessions"}),
        ("session_record", said, {"sessions/s", "sessions/s/events", "sessions/s/messages"}),
    ]
    async with listening(server_over(make_memory()), mode=mode) as ear:
        await nine_pages(asking(ear.client))
        await ear.listen(*(f"memory://{path}" for *_, paths in changes for path in paths))
        for tool, arguments, paths in changes:
            await asking(ear.client)(tool, **(HERE | arguments))
            await ear.until(*(f"memory://{path}" for path in paths))


@ERAS
async def test_only_what_was_asked_for_is_told(
    make_memory: MakeMemory, asking: Callable[[Client], Ask], mode: str
) -> None:
    server = server_over(make_memory())
    wanted = "memory://pages/claim_2"
    async with listening(server, wanted, LAST, mode=mode) as ear:
        await nine_pages(asking(ear.client))
        await ear.until(LAST)
        await change(asking(ear.client), "claim_1", "claim_2", "claim_3", "claim_9")
        assert await ear.until(LAST) == [wanted, LAST]


@ERAS
async def test_writes_of_another_process_are_told_too(
    make_memory: MakeMemory, asking: Callable[[Client], Ask], tmp_path: Path, mode: str
) -> None:
    url = str(tmp_path / "shared.db")
    async with (
        listening(server_over(make_memory(url)), "memory://pages/claim_1", mode=mode) as ear,
        Client(server_over(make_memory(url))) as other,
    ):
        await asking(other)("page_write", content="from elsewhere", **HERE)
        assert await ear.told(SOON) == "memory://pages/claim_1"


async def test_unsubscribing_ends_it(
    make_memory: MakeMemory, asking: Callable[[Client], Ask]
) -> None:
    server = server_over(make_memory())
    uris = ("memory://pages/claim_1", "memory://default/pages/claim_1", LAST)
    async with listening(server, *uris, mode="legacy") as ear:
        await nine_pages(asking(ear.client))
        await ear.until(LAST)
        await ear.client.session.unsubscribe_resource(uris[0])
        await change(asking(ear.client), "claim_1", "claim_9")
        assert await ear.until(LAST) == [uris[1], LAST]
        await ear.client.session.unsubscribe_resource("memory://pages/claim_77")  # never asked for


async def test_asking_twice_is_told_once(
    make_memory: MakeMemory, asking: Callable[[Client], Ask]
) -> None:
    uri = "memory://pages/claim_1"
    server = server_over(make_memory())
    async with listening(server, uri, uri, LAST, mode="legacy") as ear:
        await nine_pages(asking(ear.client))
        assert await ear.until(LAST) == [uri, LAST]


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
    async with listening(server, uri, LAST, mode=mode) as ear:
        await nine_pages(asking(ear.client))
        assert await ear.told() == LAST


@ERAS
async def test_another_workspace_of_ones_own_is_heard_by_its_name_alone(
    make_memory: MakeMemory, asking: Callable[[Client], Ask], tmp_path: Path, mode: str
) -> None:
    url = str(tmp_path / "shared.db")
    async with Client(server_over(make_memory(url))) as other:
        ask = asking(other)
        await ask("session_start", workspace="garden", session_id="g")
        uris = ("memory://garden/pages/claim_1", "memory://pages/claim_1", "memory://pages/claim_2")
        async with listening(server_over(make_memory(url)), *uris, mode=mode) as ear:
            await ask("page_write", content="roses", session_id="g")
            assert await ear.told() == uris[0]
            await ask("page_write", content="one", **HERE)
            await ask("page_write", content="two", **HERE)
            assert await ear.until(uris[2]) == [uris[1], uris[2]]


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
        async with listening(bens, *uris, mode=mode) as ear:
            await asking(anns)("page_write", content="in the diary", session_id="a")
            await asking(anns)("page_write", content="in her own", **HERE)
            await asking(ear.client)("page_write", content="his own", **HERE)
            assert await ear.told() == uris[0]
            for _ in range(8):
                await asking(ear.client)("page_write", content="more", **HERE)
            assert await ear.until(LAST) == [LAST]


async def test_a_store_that_is_away_for_a_while_loses_no_news(
    make_memory: MakeMemory, asking: Callable[[Client], Ask], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = anyio.Event()

    async def busy(*_: object, **__: object) -> None:
        looked.set()
        raise StoreBusy("another process holds the write lock")

    uri = "memory://pages/claim_1"
    async with listening(server_over(make_memory()), uri, mode="auto") as ear:
        with monkeypatch.context() as away:
            away.setattr(SqliteStore, "log", busy)
            await asking(ear.client)("page_write", content="x", **HERE)
            with anyio.fail_after(PATIENCE):
                await looked.wait()
        assert await ear.told() == uri


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


async def test_a_client_that_takes_nothing_is_dropped_and_the_others_are_told(
    make_memory: MakeMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pagefault.surface.watch._PATIENCE", 0.01)
    pinned = Pinned(session="s", page_id="claim_1", pinned=True)

    async def one_line(*_: object) -> list[LogLine]:
        return [LogLine(1, 0.0, "model", 1, 0, pinned)]

    monkeypatch.setattr(SqliteStore, "log", one_line)
    heard: list[str] = []

    async def stuck() -> None:
        await anyio.sleep_forever()

    async def fine() -> None:
        heard.append("told")

    async with make_memory() as memory:
        await memory.ready()
        watch = Watch(memory)
        topic = Topic(workspace_of(1), "pages/claim_1", "memory://pages/claim_1", 0)
        watch.add("stuck", topic, stuck)
        watch.add("fine", topic, fine)
        with anyio.fail_after(PATIENCE):
            await watch.look()
            await watch.look()
        assert heard == ["told", "told"]
        assert watch.listeners == 1


async def test_when_telling_fails_the_server_goes_on(
    make_memory: MakeMemory, asking: Callable[[Client], Ask], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = anyio.Event()

    async def explode(*_: object, **__: object) -> None:
        looked.set()
        raise RuntimeError("unforeseen")

    async with listening(server_over(make_memory()), LAST, mode="auto") as ear:
        monkeypatch.setattr(SqliteStore, "log", explode)
        with anyio.fail_after(PATIENCE):
            await looked.wait()
        await anyio.wait_all_tasks_blocked()
        assert (await asking(ear.client)("page_write", content="x"))["page_id"] == "claim_1"
