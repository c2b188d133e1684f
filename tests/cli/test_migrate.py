"""`pagefault migrate`: a store into another, however often it is killed on the way."""

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
from tests.redis.servers import fresh_prefix
from tests.stores.histories import everything
from tests.stores.making import Bench, added

from pagefault.cli.setting_up import shown
from pagefault.stores.contract import WorkspaceRequest
from pagefault.stores.sqlite import SqliteStore

Command = Callable[..., Any]

PIECES = 5  # of the large file's log


async def _fill(path: Path) -> None:
    bench = await Bench.at(SqliteStore.open(path, synced=False))
    for hundred in range(PIECES * 5):
        pages = [added(page_id=f"+{n}", content=-1 - n, key=f"{hundred}.{n}") for n in range(100)]
        texts = [f"page {hundred}.{n} about alder".encode() for n in range(100)]
        await bench.do(*pages, contents=texts, new=["claim"] * 100)
    await bench.forget("claim_7", "claim_2000")
    await bench.store.close()


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A data file with some thousand log lines and contents."""
    path = tmp_path / "large.db"
    anyio.run(_fill, path)
    return path


def exported(pagefault: Command, store: Path) -> bytes:
    """All of a store's workspace, as an export writes it."""
    name = f"{store.stem}.jsonl"
    done = pagefault("export", name, "--store", store)
    assert done.code == 0, done.err
    return Path(name).read_bytes()


def test_a_store_comes_whole_and_the_command_says_so(
    pagefault: Command, lived: Path, tmp_path: Path
) -> None:
    new = tmp_path / "new.db"
    done = pagefault("migrate", lived, new)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("default: ")
    assert "compared, all of it is the same up to log position" in done.out
    assert exported(pagefault, new) == exported(pagefault, lived)
    assert pagefault("doctor", "--store", new).code == 0


def test_the_result_is_told_as_json(pagefault: Command, lived: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new.db"
    first = pagefault("migrate", lived, url, "--json").json
    (place,) = first["workspaces"]
    assert (first["from"], first["to"], first["equal"]) == (str(lived), url, True)
    assert (place["principal"], place["workspace"], place["name"]) == (
        "local",
        "default",
        "default",
    )
    assert place["brought"] == place["position"] > 20
    assert (place["damaged"], place["equal"]) == ([], True)
    (again,) = pagefault("migrate", lived, url, "--json").json["workspaces"]
    assert again == {**place, "brought": 0}


def test_what_was_written_since_the_last_run_is_brought_by_the_next(
    pagefault: Command, lived: Path, tmp_path: Path
) -> None:
    new = tmp_path / "new.db"
    pagefault("migrate", lived, new)
    Path("more.json").write_text('[{"role":"user","content":"And one more word."}]')
    pagefault("import", "more.json", "--store", lived, "--session", "boat")
    (place,) = pagefault("migrate", lived, new, "--json").json["workspaces"]
    assert 0 < place["brought"] < place["position"]
    assert exported(pagefault, new) == exported(pagefault, lived)


# Killed on the way


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pagefault", *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, encoding="utf-8")


def killed_after(words: int, *arguments: object) -> str:
    """Run a command with progress and kill it after so many words; the last of them.

    At once, so that it is in the middle of its next step, unless this machine is very slow.
    """
    with start(*arguments, "--progress") as process:
        assert process.stderr is not None
        said = [process.stderr.readline() for _ in range(words)]
        process.kill()
    return said[-1]


@pytest.mark.parametrize(
    ("moments", "last"),
    [
        ((1,), "default: 500 of 2,503 log lines\n"),
        ((3,), "default: 1,500 of 2,503 log lines\n"),
        ((1, 2, 3), "default: 1,500 of 2,503 log lines\n"),
        ((9,), "log lines compared\n"),
        ((15,), "contents compared\n"),
    ],
)
def test_a_killed_run_is_gone_on_with_and_ends_equal(
    pagefault: Command, large: Path, tmp_path: Path, moments: tuple[int, ...], last: str
) -> None:
    new = tmp_path / "new.db"
    said = [killed_after(words, "migrate", large, new) for words in moments]
    assert any(line.endswith(last) for line in said), said
    done = pagefault("migrate", large, new, "--json")
    assert done.code == 0, done.err
    (place,) = done.json["workspaces"]
    assert place["position"] == 2_503
    assert place["brought"] <= 2_503 - 500
    assert (place["contents"], place["equal"]) == (2_498, True)
    anyio.run(assert_same, large, new)


async def assert_same(one: Path, other: Path) -> None:
    benches = [await Bench.at(SqliteStore.open(path)) for path in (one, other)]
    here, there = [await everything(bench) for bench in benches]
    assert there == here
    assert [await bench.write(key="0.3") for bench in benches] == ["claim_4", "claim_4"]
    numbers = [await bench.write() for bench in benches]
    assert numbers[0] == numbers[1]
    for bench in benches:
        await bench.store.close()


@pytest.mark.parametrize("kind", ["redis_server", "redis_cluster"])
def test_a_file_goes_to_a_server_and_comes_back_the_same_though_both_runs_were_killed(
    pagefault: Command, large: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    server, back = request.getfixturevalue(kind).url(fresh_prefix()), Path("back.db")
    for source, target in ((large, server), (server, back)):
        killed_after(3, "migrate", source, target)
        done = pagefault("migrate", source, target, "--json")
        assert (done.code, done.json["equal"]) == (0, True), done.err
    assert exported(pagefault, back) == exported(pagefault, large)


def test_a_run_while_a_server_writes_brings_what_was_there_and_says_up_to_where(
    pagefault: Command, large: Path, tmp_path: Path
) -> None:
    new = tmp_path / "new.db"

    async def write_until(ended: anyio.Event) -> None:
        bench = await Bench.at(SqliteStore.open(large))
        while not ended.is_set():
            await bench.write("written while it was moved")
        await bench.store.close()

    async def migrate() -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "pagefault", "migrate", str(large), str(new)]
        ended = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write_until, ended)
            done = await anyio.run_process(command, check=False)
            ended.set()
        return done

    done = anyio.run(migrate)
    told = done.stdout.decode()
    assert done.returncode == (1 if "run it again" in told else 0), done.stderr
    assert pagefault("migrate", large, new).code == 0
    anyio.run(assert_same, large, new)


# Progress


def test_progress_is_told_when_it_is_asked_for(child: Command, large: Path) -> None:
    done = child("migrate", large, "new.db", "--progress")
    assert done.code == 0
    words = done.err.splitlines()
    assert words[0] == "default: 500 of 2,503 log lines"
    assert words[-1] == "default: 2,500 of 2,500 contents compared"
    assert len(words) < 70


def test_progress_is_not_told_into_a_file_or_a_pipe(child: Command, large: Path) -> None:
    assert child("migrate", large, "new.db").err == ""


@pytest.mark.skipif(os.name != "posix", reason="terminals of POSIX")
def test_progress_is_told_at_a_terminal(large: Path, tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "pagefault", "migrate", str(large), str(tmp_path / "new.db")]
    with subprocess.Popen(command, stderr=theirs, stdout=subprocess.DEVNULL) as process:
        os.close(theirs)
        assert b"default: 500 of 2,503 log lines" in os.read(ours, 1_000)
        while process.poll() is None:
            try:
                os.read(ours, 10_000)
            except OSError:  # its end is closed
                break
    os.close(ours)
    assert process.returncode == 0


# Which workspaces


def test_one_workspace_is_moved_when_its_id_is_named(
    pagefault: Command, lived: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("more.json").write_text('[{"role":"user","content":"Elsewhere."}]')
    pagefault("import", "more.json", "--store", lived, "--workspace", "other")
    done = pagefault("migrate", lived, tmp_path / "one.db", "--workspace", "other", "--json")
    assert [place["workspace"] for place in done.json["workspaces"]] == ["other"]
    monkeypatch.setenv("PAGEFAULT_WORKSPACE", "other")  # what servers use does not narrow a move
    done = pagefault("migrate", lived, tmp_path / "all.db", "--json")
    assert [place["workspace"] for place in done.json["workspaces"]] == ["default", "other"]


async def _houses(path: Path) -> None:
    store = SqliteStore.open(path)
    for principal, repository in (("local", "/a/house"), ("ann", "/c/house"), ("ann", "/b/house")):
        await store.open_workspace(
            WorkspaceRequest(principal, "estimate", 1.0, name="house", fingerprint=repository)
        )
    await store.close()


def test_whose_workspace_it_is_is_told_and_a_name_that_could_not_be_kept(
    pagefault: Command, tmp_path: Path
) -> None:
    old = tmp_path / "old.db"
    anyio.run(_houses, old)
    done = pagefault("migrate", old, tmp_path / "new.db", "--workspace", "house-2")
    assert done.code == 0, done.err
    assert done.out.startswith("house-2 of ann (called 'house-2' there, 'house' here): 0 log lines")


# What is refused, and damage


async def _make_empty(path: Path) -> None:
    await SqliteStore.open(path).close()


@pytest.mark.parametrize(
    ("source", "target", "complaint"),
    [
        ("none.db", "new.db", "store_unavailable: there is no data file at none.db"),
        ("lived.db", "./lived.db", "invalid_argument: FROM and TO are the same store"),
        ("redis://h/0", "redis://u:p@h/0", "invalid_argument: FROM and TO are the same store"),
        ("lived.db", "sqlite://:memory:", "invalid_argument: sqlite://:memory: ends with this"),
        ("sqlite://:memory:", "new.db", "invalid_argument: sqlite://:memory: ends with this"),
        ("lived.db", "postgres://h/d", "there is no store for postgres://"),
        ("empty.db", "new.db", "invalid_argument: empty.db holds no workspace"),
        ("lived.db", "text.txt", "pagefault: store_"),
    ],
)
def test_a_move_that_leads_nowhere_is_refused(
    pagefault: Command, lived: Path, source: str, target: str, complaint: str
) -> None:
    anyio.run(_make_empty, Path("empty.db"))
    Path("text.txt").write_text("no database " * 1000)
    done = pagefault("migrate", source, target)
    assert done.code == 1
    assert done.err.startswith("pagefault: ")
    assert complaint in done.err
    assert not Path("none.db").exists()
    assert not Path("new.db").exists()
    assert Path("text.txt").read_text() == "no database " * 1000


def test_a_call_without_both_stores_is_wrong(pagefault: Command) -> None:
    assert pagefault("migrate", "one.db").code == 2


def test_a_workspace_that_is_not_there_is_an_error_that_names_those_that_are(
    pagefault: Command, lived: Path
) -> None:
    done = pagefault("migrate", lived, "new.db", "--workspace", "nowhere")
    assert done.code == 1
    assert done.err == (
        f"pagefault: workspace_not_found: {lived} has no workspace 'nowhere'. It has: default\n"
    )


def test_a_target_that_holds_something_else_is_refused_by_the_names_of_both(
    pagefault: Command, lived: Path
) -> None:
    Path("more.json").write_text('[{"role":"user","content":"Elsewhere."}]')
    pagefault("import", "more.json", "--store", "other.db")
    before = exported(pagefault, Path("other.db"))
    done = pagefault("migrate", lived, "other.db")
    assert done.code == 1
    assert done.err.startswith(
        "pagefault: invalid_argument: workspace 'default' of local is another one in other.db "
        f"than in {lived}: "
    )
    assert "name another file, or another prefix, to move to" in done.err
    Path("other.jsonl").unlink()
    assert exported(pagefault, Path("other.db")) == before


def test_damaged_contents_are_told_and_everything_else_is_moved(
    pagefault: Command, lived: Path, tmp_path: Path
) -> None:
    with apsw.Connection(str(lived)) as db:
        db.execute("UPDATE content SET data=CAST('Pink it is.' AS BLOB) WHERE data=?",
                   (b"Blue it is.",))  # fmt: skip
    db.close()
    done = pagefault("migrate", lived, tmp_path / "new.db", "--json")
    assert done.code == 1
    assert done.err.startswith("pagefault: store_damaged: 1 contents cannot be read in ")
    assert "content 2 of msg_2. Everything else was moved." in done.err
    (place,) = done.json["workspaces"]
    assert place["damaged"] == [{"content": 2, "page_id": "msg_2"}]
    assert place["equal"]
    again = pagefault("export", "new.jsonl", "--store", tmp_path / "new.db")
    assert again.code == 0
    assert b"We paint the boat house blue." in Path("new.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("redis://user:secret@host:6379/1", "redis://host:6379/1"),
        ("rediss://:secret@host/0?prefix=mine&password=secret", "rediss://host/0?prefix=mine"),
        ("redis+cluster://u:secret@a:1,b:2", "redis+cluster://a:1,b:2"),
        ("unix:///run/redis.sock?password=secret", "unix:///run/redis.sock"),
        ("sqlite:////data/memory.db", "sqlite:////data/memory.db"),
        ("data/memory.db", "data/memory.db"),
    ],
)
def test_a_store_is_called_by_its_url_without_what_is_secret(url: str, text: str) -> None:
    assert shown(url) == text
