"""Commands that read, with a Redis server as the store: they make nothing, and miss nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from tests.redis.servers import Standalone, fresh_prefix, with_fresh_prefix

from pagefault.stores.sqlite.inspecting import Inspector

Command = Callable[..., Any]


@pytest.fixture
def url(redis_server: Standalone) -> Iterator[str]:
    yield redis_server.url(fresh_prefix())
    redis_server.flush()


@pytest.mark.parametrize("command", ["export", "backup"])
def test_where_there_is_nothing_a_command_that_reads_makes_nothing(
    pagefault: Command, url: str, redis_server: Standalone, tmp_path: Path, command: str
) -> None:
    secret = url.replace("://", "://default:s3cret@")  # a user without a password takes any
    before = sorted(tmp_path.rglob("*"))
    done = pagefault(command, tmp_path / "out", "--store", secret)
    assert done.code == 1
    assert done.err.startswith("pagefault: store_unavailable: redis://127.0.0.1:")
    assert "holds no workspace" in done.err
    assert "s3cret" not in done.err
    assert sorted(tmp_path.rglob("*")) == before
    with redis_server.client() as client:
        assert not client.keys(f"{url.rpartition('=')[2]}:*")


def test_a_workspace_that_is_not_there_is_not_made_by_an_export(
    pagefault: Command, lived: Path, url: str, redis_server: Standalone
) -> None:
    pagefault("migrate", lived, url)
    with redis_server.client() as client:
        keys = client.dbsize()
        done = pagefault("export", "out.jsonl", "--store", url, "--workspace", "harbour")
        assert client.dbsize() == keys
    assert done.code == 1
    assert done.err.startswith("pagefault: workspace_not_found: ")
    assert not Path("out.jsonl").exists()


@pytest.mark.parametrize("command", ["export", "backup"])
def test_a_scheme_that_is_none_is_said_to_be_none(pagefault: Command, command: str) -> None:
    done = pagefault(command, "out", "--store", "ftp://somewhere")
    assert done.code == 1
    assert "there is no store for ftp://" in done.err


def test_a_backup_of_a_server_is_a_sound_file_that_holds_everything(
    pagefault: Command, lived: Path, url: str, tmp_path: Path
) -> None:
    pagefault("migrate", lived, url)
    done = pagefault("backup", tmp_path / "copy.db", "--store", url)
    assert done.code == 0, done.err
    assert "verified" in done.out
    with Inspector(tmp_path / "copy.db") as inspector:
        assert (inspector.complaints(), inspector.damaged()) == ([], [])
        (place,) = inspector.workspaces()
    assert (place.id, place.principal, place.sessions, place.pages) == ("default", "local", 2, 6)
    assert export(pagefault, tmp_path / "copy.db") == export(pagefault, lived)


def test_a_backup_of_a_damaged_server_does_not_pass_for_a_good_one(
    pagefault: Command, lived: Path, url: str, redis_server: Standalone, tmp_path: Path
) -> None:
    pagefault("migrate", lived, url)
    with redis_server.client() as client:
        (damaged,) = cast("list[bytes]", client.keys("*:c:1"))
        client.setrange(damaged, 20, "XX")
    done = pagefault("backup", tmp_path / "copy.db", "--store", url)
    assert done.code == 1
    assert done.err.startswith("pagefault: store_damaged: 1 contents in redis://127.0.0.1:")
    assert not list(tmp_path.glob("copy*"))


def test_what_goes_from_a_file_to_a_server_and_back_is_the_same_byte_by_byte(
    pagefault: Command, lived: Path, url: str, tmp_path: Path
) -> None:
    first = export(pagefault, lived)
    Path("first.jsonl").write_bytes(first)
    done = pagefault("import", "first.jsonl", "--store", url)
    assert done.code == 0, done.err
    assert rows(export(pagefault, url)) == rows(first)
    Path("second.jsonl").write_bytes(export(pagefault, url))
    for store in (str(tmp_path / "back.db"), with_fresh_prefix(url)):
        done = pagefault("import", "second.jsonl", "--store", store)
        assert done.code == 0, done.err
        assert rows(export(pagefault, store)) == rows(first)
    assert pagefault("doctor", "--store", url).code == 0


def export(pagefault: Command, store: Path | str) -> bytes:
    """What an export of the store writes."""
    target = Path("exported.jsonl")
    target.unlink(missing_ok=True)
    done = pagefault("export", target, "--store", store)
    assert done.code == 0, done.err
    return target.read_bytes()


def rows(exported: bytes) -> list[bytes]:
    """Everything but the header, which says when the workspace was made."""
    return exported.splitlines()[1:]
