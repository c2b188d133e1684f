"""`pagefault backup`: a consistent, verified copy while servers write."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import apsw
import pytest
from mcp import Client, StdioServerParameters

from pagefault.stores.sqlite.inspecting import Inspector

Command = Callable[..., Any]


def test_a_backup_is_the_whole_store_and_says_its_size(
    pagefault: Command, lived: Path, tmp_path: Path
) -> None:
    done = pagefault("backup", tmp_path / "copy.db", "--store", lived)
    assert done.code == 0, done.err
    size = (tmp_path / "copy.db").stat().st_size
    assert f"{size:,} bytes, verified" in done.out
    pagefault("export", "a.jsonl", "--store", lived)
    pagefault("export", "b.jsonl", "--store", tmp_path / "copy.db")
    assert Path("a.jsonl").read_bytes() == Path("b.jsonl").read_bytes()
    assert sorted(path.name for path in tmp_path.glob("copy*")) == ["copy.db", "copy.db.lock"]


def test_an_existing_file_is_never_overwritten(
    pagefault: Command, lived: Path, tmp_path: Path
) -> None:
    target = tmp_path / "copy.db"
    target.write_text("precious")
    done = pagefault("backup", target, "--store", lived)
    assert done.code == 1
    assert done.err.startswith("pagefault: invalid_argument: ")
    assert target.read_text() == "precious"


def test_nothing_is_not_backed_up(pagefault: Command, tmp_path: Path) -> None:
    done = pagefault("backup", tmp_path / "copy.db", "--store", tmp_path / "none.db")
    assert done.code == 1
    assert done.err.startswith("pagefault: store_unavailable: ")
    assert list(tmp_path.glob("*.db*")) == []


def test_a_damaged_store_gives_no_backup_that_passes_for_a_good_one(
    pagefault: Command, lived: Path, tmp_path: Path
) -> None:
    with apsw.Connection(str(lived)) as db:
        db.execute("UPDATE content SET data=CAST('Pink it is.' AS BLOB) WHERE data=?",
                   (b"Blue it is.",))  # fmt: skip
    db.close()
    done = pagefault("backup", tmp_path / "copy.db", "--store", lived)
    assert done.code == 1
    assert done.err.startswith("pagefault: store_damaged: the copy is not sound: content ")
    assert list(tmp_path.glob("copy*")) == []


def serving(store: Path) -> StdioServerParameters:
    return StdioServerParameters(
        command=sys.executable,
        args=["-m", "pagefault", "serve", "--store", str(store)],
        env=dict(os.environ),
    )


async def backed_up_while_writing(store: Path, copy: Path) -> tuple[int, int, int]:
    """Messages acknowledged before the backup began, those that it holds, those at its end."""
    command = [sys.executable, "-m", "pagefault", "backup", str(copy), "--store", str(store)]
    written = before = 0
    async with Client(serving(store)) as client, anyio.create_task_group() as tasks:

        async def write() -> None:
            nonlocal written
            while True:
                events = [{"role": "user", "content": f"message {written} " + "word " * 50}]
                await client.call_tool("session_record", {"session_id": "w", "events": events})
                written += 1

        tasks.start_soon(write)
        while written < 20:
            await anyio.lowlevel.checkpoint()
        before = written
        done = await anyio.run_process(command, check=False, stderr=subprocess.PIPE)
        assert done.returncode == 0, done.stderr
        tasks.cancel_scope.cancel()
    with Inspector(copy) as inspector:
        assert inspector.complaints() == []
        (place,) = inspector.workspaces()
    return before, place.pages, written


def test_a_backup_while_a_server_writes_is_consistent_and_misses_nothing_acknowledged(
    lived: Path, tmp_path: Path
) -> None:
    store, copy = tmp_path / "busy.db", tmp_path / "copy.db"
    before, kept, after = anyio.run(backed_up_while_writing, store, copy)
    assert 20 <= before <= kept <= after + 1


@pytest.mark.parametrize("target", ["no/such/folder/copy.db"])
def test_a_folder_that_is_not_there_is_said_to_be_missing(
    pagefault: Command, lived: Path, target: str
) -> None:
    done = pagefault("backup", target, "--store", lived)
    assert done.code == 1
    assert "is no folder" in done.err
