"""Which session a call belongs to, and who may reach it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, MCPError

from pagefault.memory import Memory
from pagefault.surface.app import PagefaultServer, build_server
from pagefault.surface.door import Place

pytestmark = pytest.mark.anyio

Ask = Callable[..., Awaitable[dict[str, Any]]]
Refuse = Callable[..., Awaitable[str]]
Connect = Callable[..., AbstractAsyncContextManager[Client]]
Serve = Callable[..., AbstractAsyncContextManager[str]]
Visit = Callable[..., AbstractAsyncContextManager[Client]]
MakeMemory = Callable[..., Memory]

OURS = "io.pagefault/session"
VSCODE = "vscode.conversationId"


def server_over(memory: Memory) -> PagefaultServer:
    return build_server(memory, Place("", "default", None, "estimate"))


async def test_the_argument_comes_before_the_hosts_hint_and_the_operators_choice(
    connect: Connect, asking: Callable[[Client], Ask]
) -> None:
    async with connect(session="operators") as client:
        ask = asking(client)
        hint = {OURS: "hosts"}
        assert (await ask("session_stats", session_id="mine", _meta=hint))["session_id"] == "mine"
        assert (await ask("session_stats", _meta=hint))["session_id"] == "hosts"
        named_by_operator = await ask("session_stats")
        assert named_by_operator["session_id"] == "operators"
        assert "notes" not in named_by_operator


@pytest.mark.parametrize("key", [OURS, VSCODE])
async def test_a_hosts_hint_names_the_conversation(ask: Ask, key: str) -> None:
    written = await ask("page_write", content="kept", _meta={key: "3f1c-77"})
    assert written["session_id"] == "3f1c-77"
    assert "notes" not in written


async def test_a_hint_that_cannot_be_a_handle_still_names_one_session_each(ask: Ask) -> None:
    first = await ask("session_stats", _meta={VSCODE: "чат один"})
    again = await ask("session_stats", _meta={VSCODE: " чат один "})
    other = await ask("session_stats", _meta={VSCODE: "чат два"})
    broken = await ask("session_stats", _meta={VSCODE: "\ud83d"})
    assert first["session_id"] == again["session_id"]
    assert len({reply["session_id"] for reply in (first, other, broken)}) == 3


@pytest.mark.parametrize("hint", [{}, {OURS: ""}, {OURS: "  "}, {OURS: 7}, {OURS: None}])
async def test_a_hint_that_says_nothing_is_none(ask: Ask, hint: dict[str, Any]) -> None:
    assert (await ask("session_stats", _meta=hint))["session_id"] == "default"


@pytest.mark.parametrize("empty", [{}, {"session_id": ""}, {"session_id": None}])
async def test_without_a_handle_the_standing_session_is_used_and_says_so(
    ask: Ask, empty: dict[str, Any]
) -> None:
    reply = await ask("page_write", content="the first thing a new user does", **empty)
    assert reply["session_id"] == "default"
    (note,) = reply["notes"]
    assert "session_start" in note


async def test_the_note_about_the_standing_session_is_not_repeated_in_a_turn(ask: Ask) -> None:
    await ask("session_stats")
    assert "notes" not in await ask("session_stats")
    assert "notes" not in await ask("page_write", content="x")


async def test_every_tool_works_first_and_without_a_handle(
    connect: Connect, asking: Callable[[Client], Ask]
) -> None:
    first: list[tuple[str, dict[str, Any]]] = [
        ("session_start", {}),
        ("session_record", {"events": [{"role": "user", "content": "hello"}]}),
        ("session_stats", {}),
        ("search_pages", {"query": "hello"}),
        ("page_write", {"content": "hello"}),
        ("context_build", {}),
        ("context_build", {"message": "what did we say?"}),
        ("page_evict", {"page_ids": []}),
    ]
    for tool, arguments in first:
        async with connect() as client:
            await asking(client)(tool, **arguments)


async def test_over_http_a_call_without_a_handle_is_told_to_start_a_session(
    make_memory: MakeMemory,
    serve: Serve,
    visit: Visit,
    asking: Callable[[Client], Ask],
    refusing: Callable[[Client], Refuse],
) -> None:
    async with serve(server_over(make_memory())) as url, visit(url) as client:
        text = await refusing(client)("page_write", content="whose?")
        assert text.startswith("session_not_found: ")
        assert "session_start" in text
        started = await asking(client)("session_start")
        again = await asking(client)("page_write", content="x", session_id=started["session_id"])
        assert again["session_id"] == started["session_id"]
        hinted = await asking(client)("page_write", content="y", _meta={VSCODE: "tab-1"})
        assert hinted["session_id"] == "tab-1"


async def test_over_http_the_operators_session_is_enough(
    make_memory: MakeMemory, serve: Serve, visit: Visit, asking: Callable[[Client], Ask]
) -> None:
    async with serve(server_over(make_memory(session="desk"))) as url, visit(url) as client:
        assert (await asking(client)("session_stats"))["session_id"] == "desk"


async def test_session_start_mints_a_new_handle_each_time(ask: Ask) -> None:
    first = await ask("session_start", title="same title")
    second = await ask("session_start", title="same title")
    assert first["session_id"] != second["session_id"]
    for started in (first, second):
        assert started["resumed"] is False
        assert started["session_id"].startswith("s_")
        assert len(started["session_id"]) == 12
        assert "resume" not in started


@pytest.mark.parametrize("handle", ["a", "A.b_c-9", "z" * 128])
async def test_an_unknown_handle_that_can_be_one_is_created(ask: Ask, handle: str) -> None:
    assert (await ask("page_write", content="x", session_id=handle))["session_id"] == handle
    assert (await ask("session_start", session_id=handle))["resumed"] is True


@pytest.mark.parametrize(
    "handle", [" ", "a b", "../up", "a/b", "é", "a\n", "z" * 129, "\ud83d", "x\x00"]
)
@pytest.mark.parametrize("tool", ["session_start", "session_stats"])
async def test_what_cannot_be_a_handle_is_refused(refuse: Refuse, tool: str, handle: str) -> None:
    text = await refuse(tool, session_id=handle)
    assert text.startswith("session_not_found: ")
    assert "session_start" in text


async def test_last_resumes_the_latest_session(ask: Ask) -> None:
    await ask("page_write", content="older", session_id="one")
    await ask("page_write", content="newer", session_id="two")
    resumed = await ask("session_start", session_id="last")
    assert (resumed["session_id"], resumed["resumed"]) == ("two", True)
    assert [other["session_id"] for other in resumed["sessions"]] == ["one"]


async def test_last_in_an_empty_workspace_is_a_new_session_and_says_so(ask: Ask) -> None:
    started = await ask("session_start", session_id="last")
    assert started["resumed"] is False
    assert started["session_id"] not in ("last", "")
    assert "no earlier session" in started["notes"][0]


async def test_last_is_no_handle_of_other_tools(ask: Ask, refuse: Refuse) -> None:
    text = await refuse("page_write", content="where to?", session_id="last")
    assert text.startswith("session_not_found: ")
    assert "session_start" in text
    assert (await ask("session_start"))["sessions"] == []


async def test_a_resumed_session_tells_its_pins_its_mapped_pages_and_its_last_summary(
    ask: Ask,
) -> None:
    started = await ask("session_start", title="the plan")
    here = {"session_id": started["session_id"]}
    await ask("page_write", content="we ship on Friday", pinned=True, **here)
    await ask("page_write", content="early talk", page_type="summary", **here)
    await ask("page_write", content="later talk", page_type="summary", **here)
    resumed = await ask("session_start", **here)
    assert resumed["resumed"] is True
    assert resumed["title"] == "the plan"
    assert resumed["resume"] == {
        "pins": ["claim_1"],
        "mapped": ["sum_2", "sum_1", "claim_1"],
        "last_summary": {"page_id": "sum_2", "text": "later talk"},
    }


async def test_session_start_lists_the_five_latest_other_sessions(ask: Ask) -> None:
    for number in range(8):
        await ask("session_start", session_id=f"talk-{number}", title=f"Talk {number}")
    started = await ask("session_start", session_id="mine", title="word " * 40)
    assert [other["session_id"] for other in started["sessions"]] == [
        "talk-7",
        "talk-6",
        "talk-5",
        "talk-4",
        "talk-3",
    ]
    assert started["sessions"][0] == {
        "session_id": "talk-7",
        "title": "Talk 7",
        "when": "2026-01-01T00:00:00Z",
    }
    assert len(started["title"]) < 130


async def test_a_child_knows_its_parent(ask: Ask) -> None:
    parent = await ask("session_start", title="research")
    child = await ask("session_start", parent_id=parent["session_id"])
    stats = await ask("session_stats", session_id=child["session_id"])
    assert stats["parent_id"] == parent["session_id"]


async def test_a_refused_start_leaves_no_session_behind(ask: Ask, refuse: Refuse) -> None:
    for wrong, code in (
        ({"parent_id": "nobody"}, "session_not_found"),
        ({"budget_tokens": 1}, "invalid_argument"),
        ({"mode": "loud"}, "invalid_argument"),
        ({"title": "t" * 201}, "invalid_argument"),
    ):
        text = await refuse("session_start", session_id="half", **wrong)
        assert text.startswith(f"{code}: ")
    assert (await ask("session_start", session_id="half"))["resumed"] is False


async def test_a_session_in_a_named_workspace_stays_there(ask: Ask) -> None:
    started = await ask("session_start", workspace="garden")
    assert started["workspace"] == "garden"
    here = {"session_id": started["session_id"]}
    written = await ask("page_write", content="roses in May", **here)
    assert (written["workspace"], written["page_id"]) == ("garden", "claim_1")
    assert (await ask("search_pages", query="roses", **here))["results"]
    own = await ask("search_pages", query="roses", session_id="elsewhere")
    assert own["workspace"] == "default"
    assert own["results"] == []


async def test_the_same_name_is_the_same_workspace(ask: Ask) -> None:
    for _ in range(3):
        assert (await ask("session_start", workspace="my-project"))["workspace"] == "my-project"


@pytest.mark.parametrize("name", ["my project", "../x", "-", "a-", "é", "w" * 65, "\ud83d"])
async def test_a_name_that_cannot_be_a_workspace_is_refused(refuse: Refuse, name: str) -> None:
    text = await refuse("session_start", workspace=name)
    assert text.startswith("invalid_argument: workspace ")
    assert "leave it out" in text


async def test_resuming_a_session_of_another_workspace_says_where_it_lives(
    ask: Ask, refuse: Refuse
) -> None:
    await ask("session_start", session_id="weeding", workspace="garden")
    resumed = await ask("session_start", session_id="weeding")
    assert (resumed["workspace"], resumed["resumed"]) == ("garden", True)
    assert "'garden'" in resumed["notes"][0]
    text = await refuse("session_start", session_id="weeding", workspace="kitchen")
    assert text.startswith("invalid_argument: ")
    assert "'garden'" in text


async def test_the_standing_session_is_the_own_workspaces_whatever_others_have(
    connect: Connect, asking: Callable[[Client], Ask], tmp_path: Path, make_memory: MakeMemory
) -> None:
    url = str(tmp_path / "shared.db")
    for name in ("first", "second"):
        server = build_server(make_memory(url), Place("", name, f"/repo/{name}", "estimate"))
        async with Client(server) as client:
            written = await asking(client)("page_write", content=f"about {name}")
            assert (written["session_id"], written["workspace"]) == ("default", name)


async def test_a_repository_whose_name_is_taken_gets_another_and_is_told(
    asking: Callable[[Client], Ask], tmp_path: Path, make_memory: MakeMemory
) -> None:
    url = str(tmp_path / "shared.db")
    replies = []
    for path in ("/home/a/app", "/home/b/app"):
        server = build_server(make_memory(url), Place("", "app", path, "estimate"))
        async with Client(server) as client:
            replies.append(await asking(client)("session_start"))
    assert [reply["workspace"] for reply in replies] == ["app", "app-2"]
    assert "notes" not in replies[0]
    assert "'app-2'" in replies[1]["notes"][0]


async def test_two_clients_of_one_session_see_each_others_writes(
    asking: Callable[[Client], Ask], tmp_path: Path, make_memory: MakeMemory
) -> None:
    url = str(tmp_path / "shared.db")
    async with (
        Client(server_over(make_memory(url))) as one,
        Client(server_over(make_memory(url))) as two,
    ):
        written = await asking(one)("page_write", content="the door is green", session_id="x")
        found = await asking(two)("search_pages", query="door", session_id="x")
        assert [hit["page_id"] for hit in found["results"]] == [written["page_id"]]
        read = await asking(two)("page_fault", page_id=written["page_id"], session_id="x")
        assert read["page"]["content"] == "the door is green"
        third = await asking(two)("page_write", content="and the roof is red", session_id="x")
        assert third["page_id"] == "claim_2"


async def test_what_another_principal_keeps_is_out_of_reach(
    make_memory: MakeMemory,
    serve: Serve,
    visit: Visit,
    token_file: Path,
    asking: Callable[[Client], Ask],
    refusing: Callable[[Client], Refuse],
) -> None:
    async with (
        serve(server_over(make_memory()), token_file) as url,
        visit(url, "ann-1") as anns,
        visit(url, "ben-1") as bens,
    ):
        ann, ben, no = asking(anns), asking(bens), refusing(bens)
        started = await ann("session_start", title="Ann's diary", workspace="diary")
        handle = {"session_id": started["session_id"]}
        await ann("page_write", content="Ann's secret is zanzibar", key="secret", **handle)

        assert (await ben("session_start"))["sessions"] == []
        last = await ben("session_start", session_id="last")
        assert last["session_id"] != started["session_id"]
        taken = await ben("session_start", **handle)  # the same words, another session
        assert (taken["resumed"], taken["workspace"]) == (False, "default")
        named = await ben("session_start", workspace="diary", session_id="bens")
        assert named["resumed"] is False

        for mine in (handle, {"session_id": "bens"}):
            assert (await ben("search_pages", query="zanzibar secret", **mine))["results"] == []
            assert (await ben("session_stats", **mine))["total_messages"] == 0
            for tool, page in (
                ("page_fault", {"page_id": "claim_1"}),
                ("page_fault", {"page_id": "secret"}),
                ("page_history", {"page_id": "claim_1"}),
                ("page_pin", {"page_id": "claim_1"}),
                ("page_evict", {"page_ids": ["claim_1"]}),
                ("page_write", {"page_id": "claim_1", "content": "mine now"}),
                ("page_write", {"derived_from": ["claim_1"], "content": "mine now"}),
                ("page_forget", {"page_id": "claim_1", "reason": "spite"}),
            ):
                text = await no(tool, **page, **mine)
                assert text.startswith("page_not_found: ")
                assert "zanzibar" not in text
        text = await no("session_start", parent_id=started["session_id"], workspace="other")
        assert text.startswith("session_not_found: ")
        for uri in ("memory://diary/pages/claim_1", "memory://pages/claim_1"):
            with pytest.raises(MCPError) as refused:
                await bens.read_resource(uri)
            assert "zanzibar" not in str(refused.value)

        kept = await ann("page_fault", page_id="secret", **handle)
        assert kept["page"]["content"] == "Ann's secret is zanzibar"
