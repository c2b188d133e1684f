"""What every store promises of principals, workspaces and sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest
from tests.stores.making import LASTING, START, Bench, open_workspace

from pagefault.base.errors import WorkspaceNotFound
from pagefault.base.log import SessionChanged, SessionOpened
from pagefault.stores.contract import Session, Store, Workspace, WorkspaceRequest

pytestmark = pytest.mark.anyio

OpenStore = Callable[[], Store]


async def opened(bench: Bench, **fields: Any) -> Workspace:
    usual = {"principal": "local", "tokenizer": "estimate", "at": START}
    return await bench.store.open_workspace(WorkspaceRequest(**{**usual, **fields}))


async def test_a_workspace_is_made_once_and_then_found(bench: Bench) -> None:
    made = await opened(bench, name="house", fingerprint="/src/house", tokenizer="o200k_base")
    again = await opened(bench, name="other name", fingerprint="/src/house", at=START + 9)
    assert (made.id, made.name, made.principal) == ("house", "house", "local")
    assert (made.tokenizer, made.created_at, made.renamed_from) == ("o200k_base", START, None)
    assert again == made


async def test_a_new_fingerprint_whose_name_is_taken_becomes_the_second(bench: Bench) -> None:
    first = await opened(bench, name="house", fingerprint="/a/house")
    second = await opened(bench, name="house", fingerprint="/b/house")
    third = await opened(bench, name="house", fingerprint="/c/house")
    assert [w.id for w in (first, second, third)] == ["house", "house-2", "house-3"]
    assert [w.renamed_from for w in (first, second, third)] == [None, "house", "house"]
    assert (await opened(bench, name="house", fingerprint="/b/house")).key == second.key


async def test_a_workspace_is_named_outright_by_its_id(bench: Bench) -> None:
    await opened(bench, name="house", fingerprint="/a/house")
    second = await opened(bench, name="house", fingerprint="/b/house")
    assert (await opened(bench, id="house-2", fingerprint="/a/house")).key == second.key


@pytest.mark.parametrize("name", ["my project", "проект", "日本語", "..", "a/b"])
async def test_a_name_that_is_no_id_leads_to_the_same_workspace_each_time(
    bench: Bench, name: str
) -> None:
    by_id = await opened(bench, id=name)
    assert by_id.name == name
    assert by_id.key != bench.workspace.key
    assert (await opened(bench, id=name)).key == by_id.key
    assert (await opened(bench, name=name)).key == by_id.key
    assert (await opened(bench, id=by_id.id)).key == by_id.key


async def test_a_workspace_that_is_not_to_be_made_is_not_made(bench: Bench) -> None:
    with pytest.raises(WorkspaceNotFound, match="nowhere"):
        await opened(bench, id="nowhere", create=False)
    assert [w.id for w in await bench.store.workspaces("local")] == ["default"]


async def test_workspaces_are_listed_oldest_first(bench: Bench) -> None:
    for name in ("zebra", "ant"):
        await opened(bench, name=name)
    listed = await bench.store.workspaces("local")
    assert [w.id for w in listed] == ["default", "zebra", "ant"]
    assert listed[0] == bench.workspace


async def test_a_workspace_opened_by_many_at_once_is_made_once(bench: Bench) -> None:
    found: list[Workspace] = []

    async def open_one() -> None:
        found.append(await opened(bench, name="new", fingerprint="/new"))

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(open_one)
    assert len({w.key for w in found}) == 1
    assert {w.renamed_from for w in found} == {None}


# Principals


async def test_everybody_is_listed_once_in_the_order_of_their_first_workspace(
    bench: Bench,
) -> None:
    for principal, name in (("zoe", "one"), ("ann", "one"), ("zoe", "two"), ("local", "two")):
        await opened(bench, principal=principal, name=name)
    assert await bench.store.principals() == ["local", "zoe", "ann"]


async def test_nobody_is_listed_who_has_no_workspace(
    open_store: OpenStore,
) -> None:
    store = open_store()
    assert await store.principals() == []
    with pytest.raises(WorkspaceNotFound):
        await store.open_workspace(
            WorkspaceRequest("ann", "estimate", START, id="none", create=False)
        )
    assert await store.principals() == []
    assert await store.workspaces("ann") == []
    assert await store.principals() == []
    await store.close()


async def test_principals_see_nothing_of_each_other(bench: Bench) -> None:
    page = await bench.write("a secret alder", key="k1")
    other = Bench(bench.store, await open_workspace(bench.store, principal="stranger"))
    store, theirs = other.store, other.workspace
    assert theirs.id == bench.workspace.id
    assert await store.workspaces("stranger") == [theirs]
    assert await store.workspaces("nobody") == []
    assert await store.workspace_of("stranger", "s1") is None
    assert await store.session(theirs, "s1") is None
    assert await store.sessions(theirs, 10) == []
    assert await store.page(theirs, page, "s1") is None
    assert await store.pages(theirs, [page], "s1") == {}
    assert await store.recent_pages(theirs, "s1", 10) == []
    assert await store.page_of_key(theirs, "s1", "k1") is None
    assert await store.versions(theirs, page) == []
    assert await store.residents(theirs, "s1") == []
    assert await store.contents(theirs, 0, 10) == []
    assert await store.log(theirs, 0, 10) == []
    assert await store.log(theirs, 0, 10, page_id=page) == []
    assert await store.log(theirs, 0, 10, session="s1") == []
    assert await store.events(theirs, "s1", 0, 10) == []
    assert await store.ids_like(theirs, "page", "", 10) == []
    assert await store.ids_like(theirs, "session", "", 10) == []
    assert await store.derived_pages(theirs, page) == []
    assert await other.find("alder") == []


async def test_what_a_stranger_forgets_stays_ours(bench: Bench) -> None:
    page = await bench.write("our alder")
    other = await Bench.at(bench.store, principal="stranger")
    assert await other.write("their alder") == page
    await other.forget(page)
    assert await bench.text(page) == "our alder"
    assert await bench.find("alder") == [page]


async def test_the_workspace_of_a_session_is_found_by_its_handle(bench: Bench) -> None:
    other = await Bench.at(bench.store, "other")
    await other.do(SessionOpened(session="theirs"))
    assert await bench.store.workspace_of("local", "theirs") == other.workspace
    assert await bench.store.workspace_of("local", "s1") == bench.workspace
    assert await bench.store.workspace_of("local", "unknown") is None
    assert await bench.store.workspace_of("stranger", "theirs") is None


# Sessions


async def test_a_session_comes_back_with_its_settings(bench: Bench) -> None:
    opened = SessionOpened(
        session="s2", title="Title", parent="s1", model="m", budget=900, mode="strict"
    )
    await bench.do(opened)
    assert await bench.session("s2") == Session(
        id="s2",
        revision=0,
        created_at=bench.now,
        active_at=bench.now,
        title="Title",
        parent="s1",
        model="m",
        budget=900,
        mode="strict",
    )


async def test_a_session_that_is_opened_again_stays_as_it_is(bench: Bench) -> None:
    await bench.do(SessionOpened(session="s2", title="first"))
    before = await bench.session("s2")
    applied = await bench.do(SessionOpened(session="s2", title="second"))
    assert await bench.session("s2") == before
    assert applied.position == len(await bench.positions())


async def test_only_the_settings_that_are_named_change(bench: Bench) -> None:
    await bench.do(SessionOpened(session="s2", title="old", model="m", budget=900))
    await bench.do(SessionChanged(session="s2", title="new", mode="passive"))
    row = await bench.session("s2")
    assert (row.title, row.model, row.budget, row.mode) == ("new", "m", 900, "passive")


async def test_sessions_are_listed_last_active_first(bench: Bench) -> None:
    for session in ("s2", "s3", "s2"):
        await bench.write(session=session)
    listed = await bench.store.sessions(bench.workspace, 2)
    assert [row.id for row in listed] == ["s2", "s3"]
    assert listed[0].active_at == bench.now


@LASTING
async def test_two_openings_agree_on_a_workspace(bench: Bench, open_store: OpenStore) -> None:
    other = open_store()
    assert await open_workspace(other) == bench.workspace
    await other.close()
