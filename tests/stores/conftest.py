"""What the tests of the SQLite file share: a bench on a file, second processes, a watched disk."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from tests.stores.disk import WatchedDisk
from tests.stores.making import Bench

import pagefault
from pagefault.stores.sqlite import SqliteStore

CHILD = Path(__file__).with_name("child.py")
PATIENT = 30  # seconds until a child that says nothing has failed


class Child:
    """A second process at work on a file."""

    def __init__(self, verb: str, path: Path, argument: str = "") -> None:
        environment = {**os.environ, "PYTHONPATH": str(Path(pagefault.__file__).parents[1])}
        self.process = subprocess.Popen(
            [sys.executable, str(CHILD), verb, str(path), argument],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def line(self) -> str:
        """The next thing it says."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def ready(self) -> Child:
        """Wait until it pauses."""
        assert self.line() == "ready"
        return self

    def go(self) -> None:
        """Let it go on."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def finish(self) -> list[str]:
        """Let it end by itself; what it said."""
        said, _ = self.process.communicate("\n", timeout=PATIENT)
        assert self.process.returncode == 0
        return said.split()

    def kill(self) -> list[str]:
        """End it in the middle of whatever it does; what it had still said."""
        self.process.kill()
        said, _ = self.process.communicate(timeout=PATIENT)
        return said.split()


StartChild = Callable[..., Child]


@pytest.fixture
def start_child() -> Iterator[StartChild]:
    children: list[Child] = []

    def start(verb: str, path: Path, argument: object = "") -> Child:
        children.append(Child(verb, path, str(argument)))
        return children[-1]

    yield start
    for child in children:
        if child.process.poll() is None:
            child.kill()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "memory.db"


@pytest.fixture
async def bench(path: Path) -> AsyncIterator[Bench]:
    """A bench on a file of its own."""
    store = SqliteStore.open(path)
    yield await Bench.at(store)
    await store.close()


@pytest.fixture
def disk() -> Iterator[WatchedDisk]:
    """The disk under every file that is opened after it."""
    watched = WatchedDisk()
    yield watched
    watched.release()
    watched.unregister()


@pytest.fixture
async def watched(disk: WatchedDisk, path: Path) -> AsyncIterator[Bench]:
    """A bench on a file of the watched disk."""
    store = SqliteStore.open(path)
    yield await Bench.at(store)
    disk.release()
    disk.room, disk.fails = None, False
    await store.close()
