"""Failures, as a model reads them: a code, the value, the rule, the next step, and no insides."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import mcp.types as types
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from mcp import Client, MCPError

from pagefault.base import errors
from pagefault.base.errors import InvalidArgument, PagefaultError
from pagefault.stores.sqlite.store import SqliteStore
from pagefault.surface.parameters import Parameters
from pagefault.surface.tools import GROUPS
from pagefault.surface.tools.pages import page_write
from pagefault.surface.tools.sessions import session_record

pytestmark = pytest.mark.anyio

Ask = Callable[..., Awaitable[dict[str, Any]]]
Refuse = Callable[..., Awaitable[str]]
Direct = Callable[[str, dict[str, Any]], Awaitable[types.CallToolResult]]
Connect = Callable[..., AbstractAsyncContextManager[Client]]

HERE = {"session_id": "s"}
SECRET = "postgres://root:hunter2@10.0.0.7"
TOOLS = {spec.body.__name__: Parameters(spec.body) for group in GROUPS.values() for spec in group}
CODES = {
    error.code
    for error in vars(errors).values()
    if isinstance(error, type) and issubclass(error, PagefaultError)
} | {"tool_not_found", "internal"}

# A call that fails, and what its text has to hold: the value, the rule, the next step.
FAILURES: list[tuple[str, dict[str, Any], tuple[str, str, str, str]]] = [
    (
        "page_fault",
        {"page_id": "msg_77"},
        ("page_not_found", "'msg_77'", "Ids look like", "search_pages"),
    ),
    (
        "page_fault",
        {"page_id": "claim_1"},
        ("page_forgotten", "claim_1", "deleted for good", "page_history"),
    ),
    (
        "page_fault",
        {"page_id": "msg_1", "target_level": 9},
        ("invalid_argument", "target_level is 9", "0 (full)", "leave it out"),
    ),
    (
        "page_fault",
        {"page_id": "msg_1", "offset": 50_000},
        ("invalid_argument", "50000", "characters", "next_offset"),
    ),
    (
        "page_history",
        {"page_id": "msg_1", "version": 4},
        ("version_not_found", "version 4", "It has 1", "1"),
    ),
    (
        "session_stats",
        {"session_id": "a b"},
        ("session_not_found", "'a b'", "1 to 128 letters", "session_start"),
    ),
    (
        "session_start",
        {"workspace": "a b"},
        ("invalid_argument", "'a b'", "1 to 64 letters", "leave it out"),
    ),
    (
        "session_start",
        {"parent_id": "nobody"},
        ("session_not_found", "'nobody'", "no session of this workspace", "session_start"),
    ),
    (
        "search_pages",
        {"query": "x", "page_type": "poem"},
        ("invalid_argument", "'poem'", "use one of", "claim"),
    ),
    (
        "search_pages",
        {"query": "x", "since": "soon"},
        ("invalid_argument", "'soon'", "ISO 8601", "leave it out"),
    ),
    (
        "session_record",
        {"events": [{"role": "narrator", "content": "x"}]},
        ("invalid_argument", "'narrator'", "events[0].role", "use one of"),
    ),
    (
        "context_build",
        {"budget_tokens": 10},
        ("token_limit_exceeded", "10", "budget_tokens", "Raise it"),
    ),
    ("no_such_tool", {}, ("tool_not_found", "'no_such_tool'", "There are", "page_fault")),
]


class Keeping(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.kept: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.kept.append(record)


@contextmanager
def records(logger: str = "pagefault") -> Iterator[list[logging.LogRecord]]:
    """What is logged meanwhile."""
    handler = Keeping()
    logging.getLogger(logger).addHandler(handler)
    try:
        yield handler.kept
    finally:
        logging.getLogger(logger).removeHandler(handler)


async def explode(*_: object, **__: object) -> None:
    raise RuntimeError(SECRET)


async def talk(ask: Ask) -> None:
    await ask("session_record", events=[{"role": "user", "content": "hello there"}], **HERE)
    await ask("page_write", content="gone soon", **HERE)
    await ask("page_forget", page_id="claim_1", reason="test", **HERE)


@pytest.mark.parametrize(("tool", "arguments", "words"), FAILURES)
async def test_a_failure_names_code_value_rule_and_next_step(
    ask: Ask,
    refuse: Refuse,
    tool: str,
    arguments: dict[str, Any],
    words: tuple[str, str, str, str],
) -> None:
    await talk(ask)
    text = await refuse(tool, **(HERE | arguments))
    assert text.startswith(f"{words[0]}: ")
    for word in words[1:]:
        assert word in text


@pytest.mark.parametrize("tool", TOOLS)
async def test_however_long_an_argument_is_the_error_stays_short(
    client: Client, ask: Ask, tool: str
) -> None:
    await talk(ask)
    fine: dict[str, Any] = {
        "page_id": "msg_1",
        "query": "x",
        "content": "x",
        "reason": "x",
        "page_ids": ["msg_1"],
        "events": [{"role": "user", "content": "x"}],
    }
    properties = TOOLS[tool].schema["properties"]
    for name in properties:
        for value in ("w" * 50_000, ["w" * 50_000], {"w" * 50_000: 1}, 10**300):
            given = {each: fine[each] for each in fine if each in properties} | HERE
            result = await client.call_tool(tool, given | {name: value})
            (block,) = result.content
            assert isinstance(block, types.TextContent)
            assert not block.text.startswith("internal: "), (name, block.text)
            if result.is_error:
                assert len(block.text) < 2_000
                assert block.text.partition(": ")[0] in CODES


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_what_nobody_foresaw_is_logged_once_and_answered_with_its_number(
    connect: Connect,
    refusing: Callable[[Client], Refuse],
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
) -> None:
    monkeypatch.setattr(SqliteStore, "search", explode)
    async with connect(mode=mode) as client:
        with records() as logged:
            text = await refusing(client)("search_pages", query="x", **HERE)
        assert text.startswith("internal: ")
        assert "error1" in text
        assert "hunter2" not in text
        (record,) = logged
        assert "error1" in record.getMessage()
        assert record.exc_info is not None


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_no_other_request_tells_of_our_insides_either(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    for method in ("totals", "ids_like", "sessions"):
        monkeypatch.setattr(SqliteStore, method, explode)
    reference = types.ResourceTemplateReference(uri="memory://pages/{page_id}{?level,version}")
    async with connect(mode=mode) as client:
        requests: list[Callable[[], Awaitable[object]]] = [
            partial(client.read_resource, "memory://health"),
            partial(client.read_resource, "memory://sessions"),
            partial(client.complete, reference, {"name": "page_id", "value": ""}),
        ]
        for number, request in enumerate(requests):
            with records() as logged, pytest.raises(MCPError) as failed:
                await request()
            assert failed.value.error.code == types.INTERNAL_ERROR
            assert failed.value.error.message.startswith("internal: ")
            assert f"error{number + 1}" in failed.value.error.message
            assert "hunter2" not in str(failed.value.error)
            assert len(logged) == 1


async def test_a_store_that_cannot_be_opened_is_told_and_tried_again(
    connect: Connect,
    asking: Callable[[Client], Ask],
    refusing: Callable[[Client], Refuse],
    tmp_path: Path,
) -> None:
    path = tmp_path / "memory.db"
    path.mkdir()
    async with connect(url=str(path)) as client:
        text = await refusing(client)("page_write", content="x", **HERE)
        assert text.startswith("store_")
        with pytest.raises(MCPError) as failed:
            await client.read_resource("memory://health")
        assert failed.value.error.message.startswith("store_")
        assert (await client.list_tools()).tools
        path.rmdir()
        assert (await asking(client)("page_write", content="x", **HERE))["page_id"] == "claim_1"


# Arguments, before any tool sees them


def test_numbers_that_are_not_finite_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="finite"):
        Parameters(page_write).read({"content": {"n": [float("nan")]}})
    with pytest.raises(InvalidArgument, match="finite"):
        Parameters(page_write).read({"content": "x", "importance": float("inf")})


def test_unpaired_surrogates_are_replaced_wherever_they_stand() -> None:
    read = Parameters(page_write).read(
        {"content": {"\ud83d": ["\udc00"]}, "name": "a\ud83d", "derived_from": ["\ud83d"]}
    )
    json.dumps(read, ensure_ascii=False).encode()


def test_what_nests_too_deep_is_refused() -> None:
    deep: object = "x"
    for _ in range(200):
        deep = [deep]
    with pytest.raises(InvalidArgument, match="64 levels"):
        Parameters(page_write).read({"content": deep})
    with pytest.raises(InvalidArgument, match="events"):
        Parameters(session_record).read({"events": "[" * 100_000})


# Any arguments at all

names = sorted({name for tool in TOOLS.values() for name in tool.schema["properties"]})
known = st.sampled_from(
    ["msg_1", "claim_1", "claim_2", "msg_999", "k", "s", "last", "workspace", "2026-01-01", ""]
)
text = st.one_of(known, st.text(max_size=30), st.text(st.characters(categories=["Cs"]), max_size=3))
whole = st.one_of(st.integers(-3, 60), st.integers())
leaf = st.one_of(st.none(), st.booleans(), whole, st.floats(width=32), text)
event = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(["user", "assistant", "tool", "system", "human", "x"]),
        "content": leaf,
        "key": text,
        "name": text,
        "created_at": text,
        "tool_calls": st.lists(leaf, max_size=2),
        "tool_name": text,
        "usage": st.dictionaries(st.sampled_from(["prompt_tokens", "total"]), whole, max_size=2),
    },
)
value = st.recursive(
    leaf,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(text, inner, max_size=3)),
    max_leaves=6,
)
likely = st.one_of(value, st.lists(event, max_size=4), st.lists(known, max_size=4))
arguments = st.dictionaries(st.one_of(st.sampled_from(names), text), likely, max_size=5)
calls = st.lists(st.tuples(st.sampled_from(sorted(TOOLS)), arguments), max_size=4)


@given(calls)
@example([("page_write", {"content": "x", "key": "\ud83d"})])
@example([("session_record", {"events": [{"role": "user", "content": "x", "created_at": ""}]})])
@example([("page_history", {"page_id": "claim_1", "offset": -(2**53)})])
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_no_arguments_break_a_tool_or_show_its_insides(
    direct: Direct, calls: list[tuple[str, dict[str, Any]]]
) -> None:
    for tool, given_arguments in [("page_write", {"content": "seed"}), *calls]:
        result = await direct(tool, given_arguments)
        (block,) = result.content
        assert isinstance(block, types.TextContent)
        block.text.encode()
        code = block.text.partition(": ")[0]
        assert code != "internal", (tool, given_arguments)
        if result.is_error:
            assert code in CODES, block.text
            assert len(block.text) < 2_000
            assert SECRET not in block.text
        else:
            reply = json.loads(block.text)
            assert reply == result.structured_content
            assert block.text == json.dumps(
                reply, ensure_ascii=False, separators=(",", ":"), allow_nan=False
            )
