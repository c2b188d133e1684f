"""What an import does with keys and passwords in the file: note, mask, refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pagefault.memory.core import Memory

Command = Callable[..., Any]
Inside = Callable[[Path, Callable[[Memory], Any]], Any]

TOKEN = "ghp_" + "aB3dE5fG7h" * 4
CHAT = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": f"push {TOKEN}"}]


async def contents(memory: Memory) -> bytes:
    store = memory.store
    places = await store.workspaces("local")
    found = [await store.contents(place, 0, 1_000) for place in places]
    return b" ".join(data for piece in found for _, data in piece)


@pytest.fixture(params=["conversation", "export"])
def file(request: pytest.FixtureRequest, pagefault: Command, tmp_path: Path) -> Path:
    """A file to import with a token in it."""
    chat = tmp_path / "chat.json"
    chat.write_text(json.dumps(CHAT), encoding="utf-8")
    if request.param == "conversation":
        return chat
    pagefault("import", chat, "--store", tmp_path / "old.db")
    pagefault("export", tmp_path / "all.jsonl", "--store", tmp_path / "old.db")
    return tmp_path / "all.jsonl"


def test_a_secret_in_a_file_is_noted_with_its_place(
    pagefault: Command, file: Path, tmp_path: Path, inside: Inside
) -> None:
    new = tmp_path / "new.db"
    done = pagefault("import", file, "--store", new, "--json")
    (note,) = done.json["notes"]
    assert "content holds a GitHub token: kept as it is" in note
    assert TOKEN not in done.out
    assert TOKEN.encode() in inside(new, contents)


def test_a_masked_import_brings_no_secret_in_and_agrees_with_its_log(
    pagefault: Command, file: Path, tmp_path: Path, inside: Inside
) -> None:
    new = tmp_path / "new.db"
    done = pagefault("import", file, "--store", new, "--secrets", "mask")
    assert (done.code, TOKEN in done.out) == (0, False)
    assert "masked, the original was not kept" in done.out
    kept = inside(new, contents)
    assert b"push [GitHub token masked]" in kept
    assert TOKEN.encode() not in kept
    assert pagefault("doctor", "--store", new).code == 0
    again = pagefault("import", file, "--store", new, "--secrets", "mask")
    assert again.code == 0, again.err


def test_a_refused_import_changes_nothing(
    pagefault: Command, file: Path, tmp_path: Path, inside: Inside
) -> None:
    new = tmp_path / "new.db"
    pagefault("import", file, "--store", new, "--secrets", "mask", "--workspace", "other")
    before = inside(new, contents)
    done = pagefault("import", file, "--store", new, "--secrets", "refuse", "--workspace", "other")
    assert done.code == 1
    assert "holds a GitHub token; this server keeps no secrets" in done.err
    assert TOKEN not in done.err
    assert inside(new, contents) == before
