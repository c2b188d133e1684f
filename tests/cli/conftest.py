"""Commands as a person runs them: in this process where it is quick, else as children."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest

from pagefault.base import portable
from pagefault.base.config import Settings
from pagefault.cli import run
from pagefault.ledger import StartRequest, record, start
from pagefault.memory.core import Memory
from pagefault.memory.faulting import FaultRequest, fault
from pagefault.memory.forgetting import forget
from pagefault.memory.keeping import pin
from pagefault.memory.opening import Folders, open_memory
from pagefault.memory.writing import WriteRequest, write
from pagefault.stores.contract import WorkspaceRequest

PACKAGE = Path(portable.__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings, data or repository of whoever runs the tests."""
    for name in list(os.environ):
        if name.startswith(("PAGEFAULT_", "SESSION_")):
            monkeypatch.delenv(name)
    for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "APPDATA", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", str(PACKAGE))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def pagefault(capfd: pytest.CaptureFixture[str]) -> Command:
    """Runs a command in this process."""

    def ran(*arguments: object) -> Outcome:
        capfd.readouterr()
        try:
            code = run([str(argument) for argument in arguments])
        except SystemExit as leaving:  # as argparse does
            code = int(str(leaving.code))
        captured = capfd.readouterr()
        return Outcome(code, captured.out, captured.err)

    return ran


@pytest.fixture
def child() -> Command:
    """Runs a command in a process of its own."""

    def ran(*arguments: object, **environment: str) -> Outcome:
        done = subprocess.run(
            [sys.executable, "-m", "pagefault", *map(str, arguments)],
            capture_output=True,
            encoding="utf-8",
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return ran


MESSAGES = [
    {"role": "user", "content": "We paint the boat house blue.", "key": "k1"},
    {"role": "assistant", "content": "Blue it is.", "model": "a-model"},
    {"role": "user", "content": "My card number is 4000 1234, forget it again."},
    {"role": "assistant", "tool_calls": [{"id": "c1", "function": {"name": "paint"}}]},
    {"role": "tool", "tool_call_id": "c1", "tool_name": "paint", "content": "done " * 300},
    {"role": "user", "content": "船屋漆成蓝色。", "created_at": "2026-05-08T13:56:00Z"},
]


async def _live(path: Path) -> None:
    folders = Folders(path.parent, path.parent / "vocabularies")
    memory = open_memory(Settings(store=str(path), budget_tokens=400), folders)
    await memory.ready()
    place = await memory.store.open_workspace(WorkspaceRequest("local", "estimate", memory.now()))
    seat = (await start(memory, place, StartRequest("boat", title="The boat house"))).seat
    done = await record(memory, seat, MESSAGES)
    ids = [str(event.page_id) for event in done.events]
    claim = await write(memory, seat, WriteRequest("Boat house: blue.", derived_from=ids[:1]))
    await write(memory, seat, WriteRequest("Boat house: light blue.", page_id=claim.page_id))
    await write(memory, seat, WriteRequest("Paint log", represents=ids[4], level=3))
    await pin(memory, seat, claim.page_id, pinned=True, turns=None)
    await fault(memory, seat, FaultRequest(ids[0]))
    await forget(memory, seat, ids[2], "a secret")
    await start(memory, place, StartRequest("harbour", parent_id="boat"))
    await memory.close()


@pytest.fixture
def lived(tmp_path: Path) -> Path:
    """A data file in which something of every kind has happened."""
    path = tmp_path / "lived.db"
    anyio.run(_live, path)
    return path


Look = Callable[[Memory], Any]


@pytest.fixture
def inside() -> Callable[[Path, Look], Any]:
    """What an async function finds in the open memory of a data file."""

    def looked(path: Path, look: Look) -> Any:
        async def look_inside() -> Any:
            folders = Folders(path.parent, path.parent / "vocabularies")
            memory = open_memory(Settings(store=str(path)), folders)
            await memory.ready()
            try:
                return await look(memory)
            finally:
                await memory.close()

        return anyio.run(look_inside)

    return looked
