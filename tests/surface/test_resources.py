"""What can be read by URI, in the short form and under a workspace's name."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import mcp.types as types
import pytest
from mcp import Client, MCPError

from pagefault.base import assets
from pagefault.memory import Memory
from pagefault.surface.app import build_server
from pagefault.surface.door import Place
from pagefault.surface.views import VIEWS, locate

pytestmark = pytest.mark.anyio

Ask = Callable[..., Awaitable[dict[str, Any]]]
Connect = Callable[..., AbstractAsyncContextManager[Client]]
Serve = Callable[..., AbstractAsyncContextManager[str]]
Visit = Callable[..., AbstractAsyncContextManager[Client]]
MakeMemory = Callable[..., Memory]

HERE = {"session_id": "s"}
FORMS = pytest.mark.parametrize("form", ["memory://", "memory://default/"])


async def text_of(client: Client, uri: str) -> str:
    (contents,) = (await client.read_resource(uri, cache_mode="bypass")).contents
    assert isinstance(contents, types.TextResourceContents)
    contents.text.encode()
    return contents.text


async def value_of(client: Client, uri: str) -> dict[str, Any]:
    (contents,) = (await client.read_resource(uri, cache_mode="bypass")).contents
    assert isinstance(contents, types.TextResourceContents)
    assert contents.mime_type == "application/json"
    value: dict[str, Any] = json.loads(contents.text)
    assert contents.text == json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return value


async def refused(client: Client, uri: str) -> str:
    """The message of a resource that cannot be read; the code and the URI are checked."""
    with pytest.raises(MCPError) as failed:
        await client.read_resource(uri)
    error = failed.value.error
    assert error.code == types.INVALID_PARAMS
    assert error.data == {"uri": uri}
    return error.message


@pytest.fixture
async def talk(ask: Ask) -> None:
    """A session of two messages and a claim in two versions."""
    await ask("session_start", title="Animals", **HERE)
    await ask(
        "session_record",
        events=[
            {"role": "user", "content": "Where do zebras drink?"},
            {"role": "assistant", "content": "At the river.", "tool_calls": [{"name": "map"}]},
        ],
        **HERE,
    )
    await ask("page_write", content="Zebras drink at noon.", **HERE)
    await ask("page_write", content="Zebras drink at dusk.", page_id="claim_1", **HERE)


async def test_what_has_no_blank_is_listed_and_the_rest_are_templates(client: Client) -> None:
    listed = {resource.uri: resource for resource in (await client.list_resources()).resources}
    assert set(listed) == {
        "memory://guide",
        "memory://sessions",
        "memory://procedures",
        "memory://health",
        "memory://metrics",
    }
    templates = {
        template.uri_template
        for template in (await client.list_resource_templates()).resource_templates
    }
    assert templates == {
        "memory://rules/{mode}",
        "memory://sessions/{session_id}",
        "memory://sessions/{session_id}/manifest",
        "memory://sessions/{session_id}/context{?turn}",
        "memory://sessions/{session_id}/messages{?format,budget}",
        "memory://sessions/{session_id}/events{?after}",
        "memory://sessions/{session_id}/log{?after}",
        "memory://sessions/{session_id}/bindings",
        "memory://procedures/{tool_name}",
        "memory://pages/{page_id}{?level,version}",
        "memory://pages/{page_id}/history",
    }
    for resource in listed.values():
        assert resource.name
        assert resource.description
        assert await text_of(client, resource.uri)


@pytest.mark.usefixtures("talk")
@FORMS
async def test_every_view_can_be_read(client: Client, form: str) -> None:
    blanks = {"mode": "strict", "session_id": "s", "page_id": "claim_1", "tool_name": "t"}
    for view in VIEWS:
        path = re.sub(r"\{(\w+)\}", lambda blank: blanks[blank[1]], view.path)
        (contents,) = (await client.read_resource(f"{form}{path}")).contents
        assert contents.mime_type == view.mime_type


@FORMS
async def test_the_guide_and_the_rules_are_texts(client: Client, form: str) -> None:
    assert await text_of(client, f"{form}guide") == assets.text("guide.md")
    assert "3 faults" in await text_of(client, f"{form}rules/strict")
    assert await text_of(client, f"{form}rules/passive") == ""


@pytest.mark.usefixtures("talk")
@FORMS
async def test_sessions_are_told_with_their_counts(client: Client, form: str) -> None:
    (row,) = (await value_of(client, f"{form}sessions"))["sessions"]
    assert (row["session_id"], row["title"], row["total_messages"]) == ("s", "Animals", 2)
    session = await value_of(client, f"{form}sessions/s")
    assert session["mapped"] == ["msg_1", "msg_2", "claim_1"]
    assert session["mapped_tokens"] <= session["budget_tokens"]


@pytest.mark.usefixtures("talk")
@FORMS
async def test_context_and_manifest_are_those_of_context_build(
    client: Client, ask: Ask, form: str
) -> None:
    built = (await ask("context_build", **HERE))["developer_message"]
    assert await text_of(client, f"{form}sessions/s/context") == built
    manifest = await value_of(client, f"{form}sessions/s/manifest")
    assert [page["page_id"] for page in manifest["working_set"]] == ["msg_1", "msg_2", "claim_1"]


@pytest.mark.usefixtures("talk")
async def test_a_passive_session_has_a_manifest_all_the_same(client: Client, ask: Ask) -> None:
    await ask("session_start", mode="passive", **HERE)
    assert (await value_of(client, "memory://sessions/s/manifest"))["session_id"] == "s"
    assert "VM:RULES" not in await text_of(client, "memory://sessions/s/context")


@pytest.mark.usefixtures("talk")
@FORMS
@pytest.mark.parametrize("name", ["openai_chat", "anthropic"])
async def test_messages_are_those_of_context_build(
    client: Client, ask: Ask, form: str, name: str
) -> None:
    built = await ask("context_build", format=name, **HERE)
    told = await value_of(client, f"{form}sessions/s/messages?format={name}")
    assert (told["messages"], told["tokens"]) == (built["messages"], built["tokens"])
    assert (await value_of(client, f"{form}sessions/s/messages"))["messages"]
    small = await value_of(client, f"{form}sessions/s/messages?budget={built['tokens'] - 1}")
    assert small["tokens"] < built["tokens"]


@pytest.mark.usefixtures("talk")
@FORMS
async def test_events_are_what_was_recorded(client: Client, form: str) -> None:
    told = await value_of(client, f"{form}sessions/s/events")
    first, second = told["events"]
    assert (first["event_id"], first["role"], first["page_id"]) == ("evt_1", "user", "msg_1")
    assert second["tool_calls"] == [{"name": "map"}]
    later = await value_of(client, f"{form}sessions/s/events?after={first['position']}")
    assert [event["event_id"] for event in later["events"]] == ["evt_2"]


async def test_long_lists_go_on_after_the_position_they_name(client: Client, ask: Ask) -> None:
    events = [{"role": "user", "content": f"line {number}"} for number in range(150)]
    await ask("session_record", events=events, **HERE)
    seen: list[str] = []
    after = 0
    while after is not None:
        part = await value_of(client, f"memory://sessions/s/events?after={after}")
        seen += [event["event_id"] for event in part["events"]]
        after = part["next"]
    assert seen == [f"evt_{number + 1}" for number in range(150)]


@pytest.mark.usefixtures("talk")
@FORMS
async def test_the_log_tells_every_change_in_order(client: Client, form: str) -> None:
    lines = (await value_of(client, f"{form}sessions/s/log"))["log"]
    positions = [line["position"] for line in lines]
    assert positions == sorted(positions)
    assert {"session", "event", "page", "version"} <= {line["kind"] for line in lines}


@pytest.mark.usefixtures("talk")
@FORMS
async def test_a_page_is_its_text_at_a_level_or_version(client: Client, form: str) -> None:
    assert await text_of(client, f"{form}pages/claim_1") == "Zebras drink at dusk."
    assert await text_of(client, f"{form}pages/claim_1?version=1") == "Zebras drink at noon."
    assert await text_of(client, f"{form}pages/msg_1?level=0") == "Where do zebras drink?"
    assert "zebras" in await text_of(client, f"{form}pages/msg_1?level=3")


@pytest.mark.usefixtures("talk")
@FORMS
async def test_a_pages_history_has_its_versions(client: Client, form: str) -> None:
    past = await value_of(client, f"{form}pages/claim_1/history")
    assert [version["version"] for version in past["versions"]] == [1, 2]
    assert past["log"][0]["kind"] == "page"


@pytest.mark.usefixtures("talk")
@FORMS
async def test_health_counts_what_there_is(client: Client, form: str) -> None:
    health = await value_of(client, f"{form}health")
    assert (health["status"], health["workspace"]) == ("ok", "default")
    assert (health["sessions"], health["pages"]) == (1, 3)


@pytest.mark.usefixtures("talk")
@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("pages/claim_99", "page_not_found"),
        ("pages/nonsense", "page_not_found"),
        ("pages/claim_1?version=9", "version_not_found"),
        ("sessions/nobody", "session_not_found"),
        ("sessions/nobody/context", "session_not_found"),
        ("rules/loud", "not_found"),
        ("nothing", "not_found"),
        ("", "not_found"),
        ("elsewhere/guide", "workspace_not_found"),
        ("sessions/s/messages?format=poem", "invalid_argument"),
        ("pages/claim_1?level=x", "invalid_argument"),
        ("pages/claim_1?level=²", "invalid_argument"),
        ("sessions/s/log?after=99999999999999999999", "invalid_argument"),
    ],
)
async def test_a_missing_resource_is_invalid_params_with_its_uri(
    client: Client, connect: Connect, mode: str, path: str, code: str
) -> None:
    async with connect(mode=mode) as other:
        reader = client if mode == "auto" else other
        if mode == "legacy":  # a store of its own: the session and the page are made again
            events = [{"role": "user", "content": "x"}]
            await reader.call_tool("session_record", {"events": events} | HERE)
            await reader.call_tool("page_write", {"content": "x"} | HERE)
        message = await refused(reader, f"memory://{path}")
        assert message.startswith(f"{code}: ")
        assert len(message) < 500


@pytest.mark.parametrize("uri", ["test://nothing", "file:///etc/passwd", "memory:guide"])
async def test_other_schemes_are_missing_too(client: Client, uri: str) -> None:
    await refused(client, uri)


@pytest.mark.usefixtures("talk")
async def test_a_forgotten_page_is_missing_and_its_tombstone_stays(
    client: Client, ask: Ask
) -> None:
    await ask("page_forget", page_id="claim_1", reason="asked", **HERE)
    assert (await refused(client, "memory://pages/claim_1")).startswith("page_forgotten: ")
    past = await value_of(client, "memory://pages/claim_1/history")
    assert [line["reason"] for line in past["log"] if line["kind"] == "forget"] == ["asked"]
    for uri in ("memory://sessions/s/log", "memory://sessions/s/events"):
        assert "dusk" not in await text_of(client, uri)


@pytest.mark.usefixtures("talk")
async def test_another_workspace_of_ones_own_is_read_by_its_name(client: Client, ask: Ask) -> None:
    await ask("session_start", workspace="garden", session_id="g")
    await ask("page_write", content="Roses in May.", session_id="g")
    assert await text_of(client, "memory://garden/pages/claim_1") == "Roses in May."
    assert await text_of(client, "memory://pages/claim_1") == "Zebras drink at dusk."


async def test_a_workspace_of_another_principal_is_missing(
    make_memory: MakeMemory,
    serve: Serve,
    visit: Visit,
    token_file: Path,
    asking: Callable[[Client], Ask],
) -> None:
    server = build_server(make_memory(), Place("", "default", None, "estimate"))
    async with (
        serve(server, token_file) as url,
        visit(url, "ann-1") as ann,
        visit(url, "ben-1") as ben,
    ):
        await asking(ann)("session_start", workspace="diary", session_id="a")
        await asking(ann)("page_write", content="Ann's secret", session_id="a")
        assert await text_of(ann, "memory://diary/pages/claim_1") == "Ann's secret"
        message = await refused(ben, "memory://diary/pages/claim_1")
        assert message.startswith("workspace_not_found: ")


async def test_a_uri_names_workspace_path_and_query() -> None:
    located = locate("memory://garden/sessions/a%2Db/events?after=3")
    assert (located.workspace, located.path) == ("garden", "sessions/a-b/events")
    assert (located.names, located.query) == ({"session_id": "a-b"}, {"after": "3"})
