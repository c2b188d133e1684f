"""`pagefault archive`: chooses, keeps small and loses nothing, killed or while others write."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from tests.redis.driving import environment
from tests.stores.making import LASTING, Bench, added, mapped

from pagefault.base.log import Archived, SessionOpened
from pagefault.stores.contract import Store
from pagefault.stores.opening import Options, opener

pytestmark = pytest.mark.anyio

Command = Callable[..., Any]
OpenStore = Callable[[], Store]

MANY = 600
WORDS = "what was said about alders and beeches by the lake, and by whom"


def text_of(number: int) -> str:
    return f"page {number}: {WORDS} {number * number % 991}. " * (1 + number % 20)


async def fill(bench: Bench, pages: int, session: str = "s1") -> None:
    """Pages of a conversation that ended long ago; none of them is mapped."""
    await bench.do(SessionOpened(session=session))
    for start in range(0, pages, 50):
        texts = [text_of(start + number).encode() for number in range(min(50, pages - start))]
        await bench.do(
            *(
                added(
                    page_id=f"+{n}",
                    page_type="transcript",
                    session=session,
                    content=-1 - n,
                    size=len(text),
                )
                for n, text in enumerate(texts)
            ),
            contents=texts,
            new=["msg"] * len(texts),
        )


async def whole(bench: Bench, pages: int, step: int = 1) -> None:
    """Every page, or every so many-th, is what was written, and the log has no gap."""
    for number in range(0, pages, step):
        assert await bench.text(f"msg_{number + 1}") == text_of(number)
    positions = [line.position for line in await bench.store.log(bench.workspace, 0, 100_000)]
    assert positions == list(range(1, len(positions) + 1))


async def archived(bench: Bench) -> list[str]:
    """The pages that were archived, in the order in which they were."""
    lines = await bench.store.log(bench.workspace, 0, 100_000)
    return [line.operation.page_id for line in lines if isinstance(line.operation, Archived)]


@contextmanager
def process_of(url: str, home: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A real process at work; it is gone at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pagefault", "archive", "--json", *options],
        env=environment(url, home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


async def run(url: str, home: Path, *options: str) -> dict[str, Any]:
    with process_of(url, home, *options) as process:
        out, err = await anyio.to_thread.run_sync(process.communicate)
        assert process.returncode == 0, err
    (said,) = json.loads(out)["workspaces"]
    return dict(said)


async def sizes(bench: Bench) -> int:
    return sum(size for _, size in await bench.store.sizes(bench.workspace, 0, 100_000))


@LASTING
async def test_a_dry_run_says_what_the_real_one_then_does_and_changes_nothing(
    open_store: OpenStore, store_url: str, tmp_path: Path
) -> None:
    bench = await Bench.at(open_store())
    await fill(bench, 150)
    await bench.write("a claim, which is meant to last")
    await bench.do(mapped("msg_7"))
    lines, size = (await bench.counts())["lines"], await sizes(bench)
    dry = await run(store_url, tmp_path, "--dry-run")
    assert ((await bench.counts())["lines"], await sizes(bench)) == (lines, size)
    assert (dry["pages"], dry["types"], dry["saved_bytes"]) == (149, {"transcript": 149}, 0)
    done = await run(store_url, tmp_path)
    assert (done["pages"], done["types"]) == (149, {"transcript": 149})
    assert done["saved_bytes"] == size - await sizes(bench) > size // 10
    assert (await bench.counts())["archived"] == 149
    assert (await bench.find("alders", limit=5))[0] == "msg_7"
    assert len(await bench.find("alders", limit=200)) == 150
    await whole(bench, 150)
    assert (await run(store_url, tmp_path))["pages"] == 0
    await bench.store.close()


@LASTING
async def test_killed_in_the_middle_it_has_lost_nothing_and_goes_on_the_next_time(
    open_store: OpenStore, store_url: str, tmp_path: Path
) -> None:
    bench = await Bench.at(open_store())
    await fill(bench, MANY)
    with process_of(store_url, tmp_path) as process:
        while not (await bench.counts())["archived"] and process.poll() is None:
            await anyio.lowlevel.checkpoint()
        process.kill()
    killed = len(await archived(bench))
    assert 0 < killed < MANY, "it was done before it was killed: give it more to do"
    await whole(bench, MANY, step=41)
    assert (await run(store_url, tmp_path))["pages"] == MANY - killed
    pages = await archived(bench)
    assert len(pages) == len(set(pages)) == MANY
    await whole(bench, MANY)
    examined = await bench.store.examine(bench.workspace)
    assert (list(examined.damage), list(examined.numbers)) == ([], [])
    await bench.store.close()


@LASTING
async def test_others_read_and_write_while_it_works(
    open_store: OpenStore, store_url: str, tmp_path: Path
) -> None:
    bench = await Bench.at(open_store())
    await fill(bench, MANY)
    written: list[str] = []
    with process_of(store_url, tmp_path) as process:
        while process.poll() is None:
            written.append(await bench.write("a page of a server that goes on"))
            number = len(written) % MANY
            assert await bench.text(f"msg_{1 + number}") == text_of(number)
        _, err = process.communicate()
    assert process.returncode == 0, err
    assert len(await archived(bench)) == MANY
    kinds = [
        line.operation.kind
        for line in await bench.store.log(bench.workspace, 0, 100_000)
        if line.operation.kind in ("page", "archive")
    ]
    first = kinds.index("archive")
    assert "page" in kinds[first : len(kinds) - kinds[::-1].index("archive")]  # in its midst
    await whole(bench, MANY, step=7)
    await bench.store.close()


async def filled(path: Path) -> str:
    bench = await Bench.at(opener(str(path), Options())())
    await fill(bench, 10)
    await fill(bench, 5, "s2")
    await bench.store.close()
    return str(path)


async def test_only_what_is_old_and_of_the_session_that_is_named(
    pagefault: Command, tmp_path: Path
) -> None:
    store = await filled(tmp_path / "memory.db")

    def ask(*options: str) -> int:
        done = pagefault("archive", "--store", store, "--dry-run", "--json", *options)
        assert done.code == 0, done.err
        (said,) = done.json["workspaces"]
        return int(said["pages"])

    found = [
        await anyio.to_thread.run_sync(lambda given=given: ask(*given))
        for given in ([], ["--older-than", "9999w"], ["--session", "s2"], ["--older-than", "36h"])
    ]
    assert found == [15, 0, 5, 15]


@LASTING
async def test_an_export_and_a_backup_say_what_is_archived(
    open_store: OpenStore, store_url: str, pagefault: Command, tmp_path: Path
) -> None:
    bench = await Bench.at(open_store())
    await fill(bench, 30)
    await bench.do(mapped("msg_3"))
    await run(store_url, tmp_path)
    await bench.store.close()
    written, copy, again = (tmp_path / name for name in ("x.jsonl", "copy.db", "again.db"))

    def carry() -> None:
        for arguments in (
            ("export", written, "--store", store_url),
            ("import", written, "--store", again),
            ("backup", copy, "--store", store_url),
        ):
            done = pagefault(*arguments)
            assert done.code == 0, done.err

    await anyio.to_thread.run_sync(carry)
    for path in (again, copy):
        there = await Bench.at(opener(str(path), Options())())
        assert (await there.counts())["archived"] == 29
        assert (await there.find("alders", limit=3))[0] == "msg_3"
        for number in range(30):
            assert await there.text(f"msg_{number + 1}") == text_of(number)
        await there.store.close()


@pytest.mark.parametrize("given", ["soon", "90", "-3d", "3m", "1.5d", ""])
def test_what_is_no_length_of_time_is_refused(pagefault: Command, given: str) -> None:
    done = pagefault("archive", f"--older-than={given}")
    assert done.code == 2
    assert "give hours, days or weeks, as 36h, 90d or 8w" in done.err


async def test_a_session_that_there_is_not_is_said_to_be_none(
    pagefault: Command, tmp_path: Path
) -> None:
    store = await filled(tmp_path / "memory.db")
    done = await anyio.to_thread.run_sync(
        lambda: pagefault("archive", "--store", store, "--session", "s9")
    )
    assert done.code == 1
    assert "no session 's9'" in done.err


async def test_it_says_in_words_what_it_has_done(pagefault: Command, tmp_path: Path) -> None:
    store = await filled(tmp_path / "memory.db")
    done = await anyio.to_thread.run_sync(lambda: pagefault("archive", "--store", store))
    assert done.code == 0
    assert "default of local: 15 pages archived" in done.out
    assert "bytes saved" in done.out
