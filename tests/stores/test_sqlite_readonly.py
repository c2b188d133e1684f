"""A file that may only be read: it is read, writing is refused, and is possible again later."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import mkdtemp

import apsw
import pytest
from tests.stores.making import Bench

from pagefault.base.errors import StoreError, StoreReadOnly, StoreUnavailable
from pagefault.stores.sqlite import SqliteStore

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(os.name != "posix", reason="modes of files and folders are POSIX"),
]

NOBODY = 65534


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user can reach, as pytest's own are not."""
    made = Path(mkdtemp(prefix="pagefault-"))
    made.chmod(0o755)
    yield made
    made.chmod(0o755)
    shutil.rmtree(made)


@contextmanager
def as_somebody_else() -> Iterator[None]:
    """Without root's rights, which no mode binds."""
    if os.geteuid() != 0:
        yield
        return
    try:
        os.seteuid(NOBODY)
    except OSError as error:
        pytest.skip(f"tried to be user {NOBODY} for a moment and was refused: {error}")
    try:
        yield
    finally:
        os.seteuid(0)


@contextmanager
def modes(folder: Path, of_folder: int, of_files: int) -> Iterator[None]:
    before = [(path, path.stat().st_mode) for path in (folder, *folder.iterdir())]
    for path in folder.iterdir():
        path.chmod(of_files)
    folder.chmod(of_folder)
    try:
        with as_somebody_else():
            yield
    finally:
        for path, mode in before:
            path.chmod(mode)


@contextmanager
def no_mode(folder: Path) -> Iterator[None]:
    """The folder and its files may be read and not written."""
    with modes(folder, 0o555, 0o444):
        yield


@contextmanager
def read_only_mount(folder: Path) -> Iterator[None]:
    """The folder lies on a file system that may not be written."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("a read-only mount is made by root on Linux; the modes show the same")
    bind = ["mount", "--bind", str(folder), str(folder)]
    if subprocess.run(bind, capture_output=True, check=False).returncode:
        pytest.skip("tried a bind mount and was refused; the modes show the same")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


WAYS = pytest.mark.parametrize("forbidden", [no_mode, read_only_mount])
Forbidden = Callable[[Path], AbstractContextManager[None]]


async def filled(folder: Path) -> Path:
    """A closed store with an indexed page and one that is not indexed yet."""
    path = folder / "memory.db"
    bench = await Bench.at(SqliteStore.open(path))
    await bench.write("about alder")
    await bench.find("alder")
    await bench.write("about beech")
    await bench.store.close()
    return path


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


async def reopened(path: Path) -> Bench:
    store = SqliteStore.open(path)
    (workspace,) = await store.workspaces("local")
    return Bench(store, workspace)


@WAYS
async def test_what_may_not_be_written_is_read(folder: Path, forbidden: Forbidden) -> None:
    path = await filled(folder)
    with forbidden(folder):
        bench = await reopened(path)
        assert await bench.text("claim_1") == "about alder"
        assert await bench.text("claim_2") == "about beech"
        assert await bench.find("alder") == ["claim_1"]
        await bench.store.close()


@WAYS
async def test_writing_is_refused_and_possible_again_without_a_restart(
    folder: Path, forbidden: Forbidden
) -> None:
    path = await filled(folder)
    with forbidden(folder):
        bench = await reopened(path)
        for _ in range(2):
            with pytest.raises(StoreReadOnly, match="Check the permissions"):
                await bench.write("refused")
    assert await bench.write("accepted") == "claim_3"
    assert await bench.text("claim_3") == "accepted"
    assert sorted(await bench.find("beech")) == ["claim_2"]
    await bench.store.close()
    again = await reopened(path)
    assert await again.text("claim_3") == "accepted"
    await again.store.close()


async def test_a_workspace_cannot_be_made_in_a_file_that_is_only_read(folder: Path) -> None:
    path = await filled(folder)
    with no_mode(folder):
        bench = await reopened(path)
        with pytest.raises(StoreReadOnly):
            await Bench.at(bench.store, "another")
        await bench.store.close()


async def crashed(folder: Path, *left: str) -> Path:
    """A data file as a crash leaves it, with what was acknowledged last still in its log."""
    live = folder / "live"
    live.mkdir()
    bench = await Bench.at(SqliteStore.open(live / "memory.db"))
    await bench.write("acknowledged")
    for name in ("memory.db", *left):
        shutil.copy(live / name, folder / name)
    await bench.store.close()
    shutil.rmtree(live)
    return folder / "memory.db"


@WAYS
async def test_what_lies_in_the_log_of_a_crash_is_read_too(
    folder: Path, forbidden: Forbidden
) -> None:
    path = await crashed(folder, "memory.db-wal", "memory.db-shm")
    with forbidden(folder):
        bench = await reopened(path)
        assert await bench.text("claim_1") == "acknowledged"
        await bench.store.close()


async def test_a_log_that_cannot_be_read_is_not_passed_over_in_silence(folder: Path) -> None:
    path = await crashed(folder, "memory.db-wal")
    with no_mode(folder), pytest.raises(StoreUnavailable, match="cannot be opened"):
        SqliteStore.open(path)
    bench = await reopened(path)
    assert await bench.text("claim_1") == "acknowledged"
    await bench.store.close()


async def test_a_file_without_permission_says_so_and_opens_when_it_is_given(folder: Path) -> None:
    path = await filled(folder)
    with modes(folder, 0o755, 0o000), pytest.raises(StoreError) as failure:
        SqliteStore.open(path)
    assert str(path) in str(failure.value)
    bench = await reopened(path)
    assert await bench.text("claim_1") == "about alder"
    await bench.store.close()


async def test_a_new_file_in_a_folder_that_may_not_be_written_is_refused(folder: Path) -> None:
    with modes(folder, 0o555, 0o444), pytest.raises(StoreReadOnly, match="may not be written"):
        SqliteStore.open(folder / "memory.db")
    assert names(folder) == []


async def test_nothing_appears_beside_a_file_that_is_only_read(folder: Path) -> None:
    path = await filled(folder)
    path.with_name("memory.db.lock").unlink()
    with no_mode(folder):
        bench = await reopened(path)
        await bench.text("claim_1")
        await bench.store.close()
    assert names(folder) == ["memory.db"]


@WAYS
async def test_a_file_of_an_older_schema_asks_to_be_written_once(
    folder: Path, forbidden: Forbidden
) -> None:
    path = await filled(folder)
    db = apsw.Connection(str(path))
    db.execute("PRAGMA user_version = 1")
    db.close()
    with forbidden(folder), pytest.raises(StoreReadOnly, match=r"schema 1,.*write it.*once"):
        SqliteStore.open(path)
