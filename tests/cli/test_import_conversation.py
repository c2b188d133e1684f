"""`pagefault import` of a conversation that another program kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pagefault.base.page import Page, Trust
from pagefault.memory.core import Memory

Command = Callable[..., Any]
Inside = Callable[[Path, Callable[[Memory], Any]], Any]

OPENAI = [
    {"role": "user", "content": "What is the weather in Oslo?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "weather"}}],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "rain, 8 degrees"},
    {"role": "assistant", "content": "It rains."},
]


def kept(path: Path, messages: object) -> Path:
    path.write_text(json.dumps(messages), encoding="utf-8")
    return path


async def pages(memory: Memory) -> list[tuple[Page, str]]:
    store = memory.store
    (place,) = await store.workspaces("local")
    (session,) = await store.sessions(place, 2)
    ids = await store.ids_like(place, "page", "", 100)
    found = await store.pages(place, sorted(ids), session.id)
    return [(page, await memory.text(place, page.content)) for page in found.values()]


def test_a_conversation_becomes_pages_from_outside_and_none_is_mapped(
    pagefault: Command, tmp_path: Path, inside: Inside
) -> None:
    store = tmp_path / "a.db"
    done = pagefault("import", kept(tmp_path / "chat.json", OPENAI), "--store", store, "--json")
    assert done.code == 0, done.err
    assert {name: done.json[name] for name in ("events", "new", "empty")} == {
        "events": 4,
        "new": 4,
        "empty": 0,
    }
    assert done.json["session_id"].startswith("chat-")
    found = inside(store, pages)
    assert ("rain, 8 degrees", "weather") in [(text, page.tool_name) for page, text in found]
    assert {(page.source, page.trust) for page, _ in found} == {("import", Trust.LOW)}

    async def mapped(memory: Memory) -> Any:
        (place,) = await memory.store.workspaces("local")
        return await memory.store.residents(place, done.json["session_id"])

    assert inside(store, mapped) == []


def test_importing_twice_keeps_everything_once_and_a_longer_file_adds_the_rest(
    pagefault: Command, tmp_path: Path
) -> None:
    store, file = tmp_path / "a.db", tmp_path / "chat.json"
    first = pagefault("import", kept(file, OPENAI[:3]), "--store", store, "--json").json
    second = pagefault("import", file, "--store", store, "--json").json
    third = pagefault("import", kept(file, OPENAI), "--store", store, "--json").json
    assert [first["new"], second["new"], third["new"]] == [3, 0, 1]
    assert first["session_id"] == second["session_id"] == third["session_id"]


def test_anthropics_request_brings_its_system_prompt_and_tool_results(
    pagefault: Command, tmp_path: Path, inside: Inside
) -> None:
    request = {
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "t", "name": "weather", "input": {}}],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "t", "content": "rain"}],
            },
        ],
    }
    file = tmp_path / "request.json"
    file.write_text(json.dumps(request, indent=2), encoding="utf-8")
    store = tmp_path / "a.db"
    assert pagefault("import", file, "--store", store).code == 0
    found = {text: page.role for page, text in inside(store, pages)}
    assert found["Be brief."] == "system"
    assert found["rain"] == "tool"


def test_bad_lines_are_named_and_nothing_is_imported(pagefault: Command, tmp_path: Path) -> None:
    file = tmp_path / "bad.jsonl"
    lines = ['{"role":"user","content":"a"}', "{oops", '{"role":"clown","content":"b"}', "7"]
    file.write_text("\n".join(lines), encoding="utf-8")
    done = pagefault("import", file, "--store", tmp_path / "a.db")
    assert done.code == 1
    assert done.err.startswith("pagefault: invalid_argument: ")
    assert "line 2 is no JSON" in done.err
    assert "line 3.role is 'clown'" in done.err
    assert "line 4 is int '7'" in done.err
    assert "line 1" not in done.err
    assert not (tmp_path / "a.db").exists()


def test_empty_messages_are_left_out_and_counted(pagefault: Command, tmp_path: Path) -> None:
    file = kept(tmp_path / "chat.json", [*OPENAI, {"role": "assistant", "content": ""}])
    done = pagefault("import", file, "--store", tmp_path / "a.db")
    assert "1 messages are empty and were left out" in done.out


def test_the_session_and_the_workspace_can_be_chosen(pagefault: Command, tmp_path: Path) -> None:
    file = kept(tmp_path / "chat.json", OPENAI)
    chosen = ("--session", "mine", "--workspace", "work")
    done = pagefault("import", file, "--store", tmp_path / "a.db", "--json", *chosen)
    assert (done.json["session_id"], done.json["workspace"]) == ("mine", "work")


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"", b"[]"])
def test_a_file_without_a_readable_message_is_refused(
    pagefault: Command, tmp_path: Path, data: bytes
) -> None:
    file = tmp_path / "odd.json"
    file.write_bytes(data)
    done = pagefault("import", file, "--store", tmp_path / "a.db")
    assert done.code == 1
    assert str(file) in done.err


def test_a_missing_file_is_an_error_and_no_traceback(pagefault: Command, tmp_path: Path) -> None:
    done = pagefault("import", tmp_path / "none.json", "--store", tmp_path / "a.db")
    assert done.code == 1
    assert done.err.startswith("pagefault: invalid_argument: ")
