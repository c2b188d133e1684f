"""`pagefault doctor`: it finds what is wrong, says what to do, and changes nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest
from tests.redis.servers import Cluster, Standalone, fresh_prefix, until

from pagefault.base.config import SETTINGS
from pagefault.paging.levels import thumbnail

Command = Callable[..., Any]

posix = pytest.mark.skipif(sys.platform == "win32", reason="permission bits are POSIX")


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file of the folder with its bytes and permissions."""
    return {
        path.name: (path.read_bytes(), path.stat().st_mode)
        for path in folder.iterdir()
        if path.is_file()
    }


@contextmanager
def unchanged(folder: Path) -> Iterator[None]:
    before = snapshot(folder)
    yield
    assert snapshot(folder) == before


def checks(outcome: Any, state: str) -> dict[str, str]:
    """What was found in this state, by what was looked at."""
    return {one["what"]: one["found"] for one in outcome.json["checks"] if one["state"] == state}


@pytest.fixture
def examine(pagefault: Command, tmp_path: Path) -> Callable[[Path], Any]:
    """Runs doctor on a data file, and sees that it leaves everything beside it as it was."""

    def examined(store: Path) -> Any:
        with unchanged(tmp_path):
            return pagefault("doctor", "--json", "--store", store)

    return examined


def test_a_sound_store_has_no_failure(examine: Callable[[Path], Any], lived: Path) -> None:
    done = examine(lived)
    assert (done.code, done.json["healthy"]) == (0, True)
    assert checks(done, "fail") == {}
    found = checks(done, "ok")
    assert {"SQLite", "structure", "contents", "schema", "tokenizer", "permissions"} <= set(found)
    assert "2 sessions, 6 pages" in found["workspace"]
    assert "english 5%" in found["tokenizer"]


def test_every_setting_is_shown_with_its_origin(
    pagefault: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PAGEFAULT_BUDGET_TOKENS", "9000")
    done = pagefault("doctor", "--json", "--store", tmp_path / "x.db", "--mode", "strict")
    shown = done.json["settings"]
    assert set(shown) == {setting.name for setting in SETTINGS}
    assert shown["budget_tokens"] == {"value": "9000", "from": "PAGEFAULT_BUDGET_TOKENS"}
    assert shown["mode"] == {"value": "strict", "from": "--mode"}
    assert shown["durability"] == {"value": "full", "from": "default"}


def test_a_person_gets_lines_without_escape_codes(pagefault: Command, lived: Path) -> None:
    done = pagefault("doctor", "--store", lived)
    assert done.code == 0
    assert "  ok    structure        sound (integrity_check)" in done.out.splitlines()
    assert "\x1b" not in done.out


def test_a_store_that_is_not_there_yet_is_no_failure(
    examine: Callable[[Path], Any], tmp_path: Path
) -> None:
    done = examine(tmp_path / "new" / "memory.db")
    assert done.code == 0
    assert "is not there yet" in checks(done, "ok")["data"]


def test_a_changed_byte_of_a_content_is_found_and_its_page_named(
    examine: Callable[[Path], Any], lived: Path
) -> None:
    with apsw.Connection(str(lived)) as db:
        db.execute("UPDATE content SET data=CAST('Pink it is.' AS BLOB) WHERE data=?",
                   (b"Blue it is.",))  # fmt: skip
        db.execute("DELETE FROM content WHERE data=?", ("船屋漆成蓝色。".encode(),))
    db.close()
    done = examine(lived)
    assert done.code == 1
    found = [one["found"] for one in done.json["checks"] if one["state"] == "fail"]
    assert any("msg_2 has changed in default of local" in one for one in found)
    assert any("msg_5 is gone in default of local" in one for one in found)
    assert len(found) == 2


def test_a_page_of_the_file_overwritten_with_noise_is_found(
    examine: Callable[[Path], Any], lived: Path
) -> None:
    data = bytearray(lived.read_bytes())
    data[8192:40_960] = os.urandom(40_960 - 8192)
    lived.write_bytes(data)
    done = examine(lived)
    assert done.code == 1
    assert {"structure", "data file"} & set(checks(done, "fail"))


@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_file_that_was_cut_is_found(
    examine: Callable[[Path], Any], lived: Path, kept: float
) -> None:
    data = lived.read_bytes()
    lived.write_bytes(data[: int(len(data) * kept)])
    assert examine(lived).code == 1


def test_a_file_of_something_else_is_found(examine: Callable[[Path], Any], tmp_path: Path) -> None:
    other = tmp_path / "letter.db"
    other.write_bytes(b"not a database, only a letter to nobody" * 99)
    done = examine(other)
    assert done.code == 1
    assert "is not a pagefault store" in checks(done, "fail")["data file"]


def test_an_empty_file_is_no_failure_since_the_next_start_fills_it(
    examine: Callable[[Path], Any], tmp_path: Path
) -> None:
    (tmp_path / "memory.db").touch()
    done = examine(tmp_path / "memory.db")
    assert done.code == 0
    assert "empty" in checks(done, "warn")["data file"]


def test_a_file_of_a_later_version_is_not_called_damaged(
    examine: Callable[[Path], Any], lived: Path
) -> None:
    db = apsw.Connection(str(lived))
    db.pragma("user_version", 99)
    db.close()
    done = examine(lived)
    assert done.code == 1
    assert "Update pagefault" in checks(done, "fail")["data file"]


def test_a_folder_in_the_files_place_is_found(
    examine: Callable[[Path], Any], tmp_path: Path
) -> None:
    (tmp_path / "memory.db").mkdir()
    assert examine(tmp_path / "memory.db").code == 1


HOLD = """
import apsw, sys
db = apsw.Connection(sys.argv[1])
db.pragma("locking_mode", "EXCLUSIVE")
db.execute("BEGIN EXCLUSIVE")
db.execute("UPDATE workspace SET name=name")
print("held", flush=True)
sys.stdin.read()
"""


def test_a_file_that_another_program_keeps_to_itself_is_reported_as_locked(
    pagefault: Command, lived: Path
) -> None:
    holder = [sys.executable, "-c", HOLD, str(lived)]
    with subprocess.Popen(holder, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"held"
        done = pagefault("doctor", "--json", "--store", lived)
        process.communicate()
    assert done.code == 1
    assert "locked" in checks(done, "fail")["data file"]


def test_what_a_server_has_not_moved_into_the_file_yet_is_checked_too(
    pagefault: Command, lived: Path
) -> None:
    db = apsw.Connection(str(lived))
    db.execute("UPDATE content SET data=CAST('Pink it is.' AS BLOB) WHERE data=?",
               (b"Blue it is.",))  # fmt: skip
    assert Path(f"{lived}-wal").stat().st_size > 0
    done = pagefault("doctor", "--json", "--store", lived)
    db.close()
    assert done.code == 1
    assert "has changed" in checks(done, "fail")["contents"]


@posix
def test_a_data_file_that_others_may_read_is_warned_of(
    examine: Callable[[Path], Any], lived: Path
) -> None:
    lived.chmod(0o644)
    lived.parent.chmod(0o755)
    done = examine(lived)
    assert done.code == 0
    assert "other users" in checks(done, "warn")["permissions"]


def test_a_synced_folder_is_warned_of(pagefault: Command, tmp_path: Path) -> None:
    synced = tmp_path / "Dropbox"
    synced.mkdir()
    done = pagefault("doctor", "--json", "--store", synced / "memory.db")
    assert "cloud client" in checks(done, "warn")["folder"]


def test_memory_that_ends_with_the_process_is_warned_of(pagefault: Command) -> None:
    done = pagefault("doctor", "--json", "--store", "sqlite://:memory:")
    assert done.code == 0
    assert "nothing is kept" in checks(done, "warn")["data"]


def test_a_vocabulary_that_is_not_on_this_machine_is_a_failure_that_says_how_to_get_it(
    pagefault: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path / "nothing"))
    store = tmp_path / "x.db"
    done = pagefault("doctor", "--json", "--store", store, "--tokenizer", "o200k_base")
    assert done.code == 1
    assert "pagefault vocabulary o200k_base" in checks(done, "fail")["tokenizer"]


@pytest.mark.parametrize(
    ("flag", "value", "what"),
    [
        ("--policy", "whim", "settings"),
        ("--compressors", "whim:made", "settings"),
        ("--store", "ftp://x", "data"),
    ],
)
def test_a_setting_that_names_nothing_is_a_failure(
    pagefault: Command, tmp_path: Path, flag: str, value: str, what: str
) -> None:
    done = pagefault("doctor", "--json", "--store", tmp_path / "x.db", flag, value)
    assert done.code == 1
    assert what in checks(done, "fail")


# A Redis server is the store.


def all_checks(outcome: Any) -> list[tuple[str, str]]:
    """State and text of every check."""
    return [(one["state"], f"{one['what']}: {one['found']}") for one in outcome.json["checks"]]


def raw(server: Standalone) -> Any:
    """A client of the server, whose answers have any type."""
    return server.client()


def says(outcome: Any, state: str, *phrases: str) -> bool:
    """Whether one check of this state says all of that."""
    return any(
        found == state and all(phrase in text for phrase in phrases)
        for found, text in all_checks(outcome)
    )


@pytest.fixture
def remote(
    pagefault: Command, lived: Path, redis_server: Standalone, tmp_path: Path
) -> Iterator[str]:
    """The URL of a store in which something of every kind has happened."""
    url = redis_server.url(fresh_prefix())
    assert pagefault("migrate", lived, url).code == 0
    yield url
    redis_server.flush()


@pytest.fixture(scope="module")
def configurable(redis_program: Path) -> Iterator[Standalone]:
    """A server whose configuration the tests may change."""
    with Standalone(redis_program) as server:
        yield server


@pytest.fixture
def configured(configurable: Standalone) -> Iterator[Any]:
    """A client of it; afterwards its configuration is what it was."""
    names = ("appendonly", "appendfsync", "maxmemory", "maxmemory-policy", "save")
    with raw(configurable) as client:
        before = {name: client.config_get(name)[name] for name in names}
        yield client
        for name, value in {**before, "min-replicas-to-write": "0"}.items():
            client.config_set(name, value)


def test_a_sound_server_has_no_failure_and_is_not_touched(
    pagefault: Command, remote: str, redis_server: Standalone, tmp_path: Path
) -> None:
    with raw(redis_server) as client, unchanged(tmp_path):
        keys = client.keys("*")
        before = {key: client.dump(key) for key in keys}
        done = pagefault("doctor", "--json", "--store", remote)
        assert {key: client.dump(key) for key in client.keys("*")} == before
    assert (done.code, done.json["healthy"]) == (0, True)
    assert checks(done, "fail") == {}
    assert says(done, "ok", "data: ", f"127.0.0.1:{redis_server.port}?prefix=t", "answers in ")
    assert says(done, "ok", "version: ")
    assert says(done, "ok", "scripts: ")
    assert says(done, "ok", "default of local: 2 sessions, 6 pages", "log lines")
    assert says(done, "ok", "contents: ", "every checksum holds")
    assert says(done, "ok", "structure: ", "agree")
    assert says(done, "warn", "persistence: ", "when it ends, everything is lost")
    assert "nothing is kept" not in done.out


def test_a_server_with_nothing_on_it_is_no_failure_and_stays_so(
    pagefault: Command, redis_server: Standalone, tmp_path: Path
) -> None:
    with unchanged(tmp_path):
        done = pagefault("doctor", "--json", "--store", redis_server.url(fresh_prefix()))
    assert done.code == 0
    assert says(done, "ok", "workspace: ", "there is none yet")
    assert says(done, "ok", "local index: ", "is not there yet")
    with raw(redis_server) as client:
        assert client.dbsize() == 0


def test_a_unix_socket_is_shown_with_its_path(pagefault: Command, redis_server: Standalone) -> None:
    done = pagefault("doctor", "--json", "--store", redis_server.unix_url("x"))
    assert done.code == 0
    assert says(done, "ok", f"data: unix://{redis_server.socket}?prefix=x answers in ")


def test_the_local_index_is_shown_with_what_it_does_not_know_yet(
    pagefault: Command, remote: str, tmp_path: Path
) -> None:
    done = pagefault("doctor", "--json", "--store", remote)
    assert says(done, "ok", "the local index is ", " behind: the next search catches up")
    assert pagefault("export", "x.jsonl", "--store", remote).code == 0  # makes the file
    (index,) = (tmp_path / "home").rglob("index-*.db")
    done = pagefault("doctor", "--json", "--store", remote)
    assert says(done, "ok", f"local index: {index}, {index.stat().st_size:,} bytes, format 2")


def test_an_indexed_workspace_is_said_to_be(
    pagefault: Command, remote: str, inside: Any, tmp_path: Path
) -> None:
    searched = [sys.executable, "-c", SEARCH, remote, str(tmp_path / "home" / "pagefault")]
    subprocess.run(searched, check=True, timeout=60)
    done = pagefault("doctor", "--json", "--store", remote)
    assert says(done, "ok", "default of local: ", " log lines, indexed")


SEARCH = """
import anyio, sys
from pathlib import Path
from pagefault.index.document import Search
from pagefault.stores.redis import RedisStore

async def search():
    store = RedisStore.open(sys.argv[1], Path(sys.argv[2]))
    (place,) = await store.workspaces("local")
    await store.search(place, "boat", Search("blue", workspace=0))
    await store.close()

anyio.run(search)
"""


def of_noise(index: Path) -> None:
    index.write_bytes(os.urandom(8192))


def of_another_format(index: Path) -> None:
    with apsw.Connection(str(index)) as db:
        db.pragma("user_version", 99)
    db.close()


def of_something_else(index: Path) -> None:
    index.unlink()
    with apsw.Connection(str(index)) as db:
        db.execute("CREATE TABLE letter (text)")
    db.close()


@pytest.mark.parametrize(
    ("spoil", "state", "said"),
    [
        (of_noise, "warn", "is damaged: the next start makes it anew"),
        (of_another_format, "warn", "format 99: another version's, the next start makes it anew"),
        (of_something_else, "fail", "is no search index of pagefault"),
    ],
)
def test_a_local_index_that_cannot_be_used_is_told_from_one_that_is_made_anew(
    pagefault: Command,
    remote: str,
    tmp_path: Path,
    spoil: Callable[[Path], None],
    state: str,
    said: str,
) -> None:
    pagefault("export", "x.jsonl", "--store", remote)
    (index,) = (tmp_path / "home").rglob("index-*.db")
    spoil(index)
    with unchanged(index.parent):
        done = pagefault("doctor", "--json", "--store", remote)
    assert says(done, state, "local index: ", said)
    assert says(done, "ok", "contents: ")


def test_a_changed_byte_at_the_server_is_found_and_its_page_named(
    pagefault: Command, remote: str, redis_server: Standalone
) -> None:
    with raw(redis_server) as client:
        (changed,) = (
            key for key in client.keys("*:c:*") if client.get(key).endswith(b"Blue it is.")
        )
        client.setrange(changed, 20, "Pink")
    done = pagefault("doctor", "--json", "--store", remote)
    assert done.code == 1
    assert says(done, "fail", "contents: ", "msg_2 has changed in default of local")


def test_keys_that_the_server_threw_away_are_found(
    pagefault: Command, remote: str, redis_server: Standalone
) -> None:
    with raw(redis_server) as client:
        (counters,) = client.keys("*:counters")
        (people,) = client.keys("*:principals")
        client.delete(counters, people)
    done = pagefault("doctor", "--json", "--store", remote)
    assert done.code == 1
    assert says(done, "fail", "numbers: ", "the next msg would be msg_1")
    assert says(done, "fail", "structure: ", "the list of principals has lost local")


@pytest.fixture
def guarded(redis_server: Standalone) -> Iterator[Callable[..., str]]:
    """Makes a user with a password of the server; gives the URL with both."""

    def made(*rules: str, password: str = "s3cret") -> str:
        with raw(redis_server) as client:
            client.execute_command(
                *("ACL", "SETUSER", "doctor", "reset", "on", ">s3cret", "~*", "+@all", *rules)
            )
        return redis_server.url(fresh_prefix()).replace("://", f"://doctor:{password}@")

    yield made
    with raw(redis_server) as client:
        client.execute_command("ACL", "DELUSER", "doctor")


@pytest.mark.parametrize("password", ["s3cret", "wr0ng"])
def test_a_password_is_never_shown(
    pagefault: Command, guarded: Callable[..., str], password: str
) -> None:
    url = guarded(password=password)
    for options in ((), ("--json",)):
        done = pagefault("doctor", *options, "--store", url)
        assert done.code == int(password == "wr0ng")
        assert "redis://127.0.0.1:" in done.out
        assert password not in done.out + done.err
        assert "doctor:" not in done.out


@pytest.mark.parametrize(
    "store",
    [
        "redis://:pa/ss@127.0.0.1:1",
        "redis://:pa#ss@127.0.0.1:1",
        "redis://:pa?ss@127.0.0.1:1",
        "redis://:pa@ss@127.0.0.1:1",
        "redis://127.0.0.1:1?password=pass",
        "redis+cluster://u:pa/ss@127.0.0.1:1,127.0.0.1:2",
        "unix://u:pass@/no/where.sock?db=1",
    ],
)
def test_nor_is_a_part_of_one_that_was_written_wrongly(pagefault: Command, store: str) -> None:
    done = pagefault("doctor", "--json", "--redis-timeout-ms", 50, "--store", store)
    assert done.code == 1
    assert says(done, "fail", "data: ")
    assert "pa" not in done.json["settings"]["store"]["value"]
    found = " ".join(text for _, text in all_checks(done))
    assert [part for part in ("ss@", ":pa", "pass@", "=pass") if part in found] == []


def test_a_server_that_forbids_config_is_said_to_hide_it(
    pagefault: Command, guarded: Callable[..., str]
) -> None:
    done = pagefault("doctor", "--json", "--store", guarded("-config"))
    assert done.code == 0
    assert says(done, "warn", "configuration: ", "does not let this user see CONFIG")
    assert says(done, "warn", "persistence: ", "append-only file is off")
    done = pagefault("doctor", "--json", "--store", guarded("-config", "-info"))
    assert done.code == 0
    assert says(done, "warn", "version: ", "does not let this user ask INFO")


def test_a_user_who_may_not_run_scripts_is_a_failure(
    pagefault: Command, guarded: Callable[..., str]
) -> None:
    done = pagefault("doctor", "--json", "--store", guarded("-@scripting"))
    assert done.code == 1
    assert says(done, "fail", "data: ", "does not let this user do what pagefault needs")


Settings = dict[str, str]


@pytest.mark.parametrize(
    ("settings", "options", "state", "said"),
    [
        ({"save": "60 1"}, [], "warn", "persistence: the append-only file is off: a crash loses"),
        ({"appendonly": "yes"}, [], "warn", "everysec: a power cut may lose about the last second"),
        ({"appendonly": "yes"}, ["--durability", "normal"], "ok", "everysec: a power cut may lose"),
        ({"appendonly": "yes", "appendfsync": "no"}, [], "warn", "may lose the last half minute"),
        ({"appendonly": "yes", "appendfsync": "always"}, [], "ok", "synced before each reply"),
        ({}, ["--redis-aof", "yes"], "warn", "confirmation: --redis-aof yes"),
        ({}, ["--redis-replicas", "2"], "warn", "0 connected, and --redis-replicas is 2"),
        ({"min-replicas-to-write": "1"}, [], "fail", "min-replicas-to-write is 1: it takes no"),
        ({"maxmemory-policy": "allkeys-lru"}, [], "warn", "it throws pages away"),
        ({"maxmemory-policy": "volatile-ttl"}, [], "warn", "throws its memory of what was sent"),
        ({"maxmemory": "100kb"}, [], "fail", "it is full, and takes no writes"),
        ({"maxmemory": "1gb"}, [], "ok", "bytes used of 1,073,741,824"),
    ],
)  # fmt: skip
def test_how_a_server_is_set_up_is_told_with_what_it_may_lose(
    pagefault: Command,
    configurable: Standalone,
    configured: Any,
    settings: Settings,
    options: list[str],
    state: str,
    said: str,
) -> None:
    for name, value in settings.items():
        configured.config_set(name, value)
    url = configurable.url(fresh_prefix())
    done = pagefault("doctor", "--json", "--store", url, *options)
    assert says(done, state, said), all_checks(done)
    assert done.code == (state == "fail")


def test_memory_that_is_nearly_full_is_warned_of(
    pagefault: Command, configurable: Standalone, configured: Any
) -> None:
    used = configured.info("memory")["used_memory"]
    configured.config_set("maxmemory", int(used * 1.06))
    done = pagefault("doctor", "--json", "--store", configurable.url(fresh_prefix()))
    assert says(done, "warn", "memory: ", "it is nearly full")


def test_a_replica_in_place_of_the_primary_is_a_failure(
    pagefault: Command, redis_program: Path, configurable: Standalone
) -> None:
    follows = ("--replicaof", f"127.0.0.1 {configurable.port}")
    with raw(configurable) as client, Standalone(redis_program, *follows) as replica:
        client.config_set("repl-diskless-sync-delay", 0)
        until(lambda: "online" in str(client.info("replication").get("slave0")), "a replica")
        done = pagefault("doctor", "--json", "--store", replica.url("x"))
        assert done.code == 1
        assert says(done, "fail", "role: the server is a replica")
        url = configurable.url(fresh_prefix())
        done = pagefault("doctor", "--json", "--store", url, "--redis-replicas", 1)
        assert says(done, "ok", "replicas: 1 connected")


def test_a_server_that_is_not_there_is_a_failure_within_the_time_out(
    pagefault: Command, redis_program: Path
) -> None:
    with Standalone(redis_program) as server:
        url, pid = server.url("x"), server.pid
        os.kill(pid, signal.SIGSTOP)
        begun = time.monotonic()
        frozen = pagefault("doctor", "--json", "--redis-timeout-ms", 400, "--store", url)
        os.kill(pid, signal.SIGCONT)
        server.kill()
        away = pagefault("doctor", "--json", "--redis-timeout-ms", 400, "--store", url)
        assert time.monotonic() - begun < 5
    assert (frozen.code, away.code) == (1, 1)
    assert says(frozen, "fail", "data: ", "did not answer in time")
    assert says(away, "fail", "data: ", "cannot be reached")


def test_a_cluster_is_looked_at_whole_and_one_node_of_it_is_not_enough(
    pagefault: Command, redis_cluster: Cluster, lived: Path
) -> None:
    url = redis_cluster.url(fresh_prefix())
    assert pagefault("migrate", lived, url).code == 0
    done = pagefault("doctor", "--json", "--store", url)
    node = pagefault("doctor", "--json", "--store", redis_cluster.nodes[0].url("x"))
    redis_cluster.flush()
    assert (done.code, node.code) == (0, 1)
    assert says(done, "ok", "data: ", "3 of 3 primaries answer, in ")
    assert says(done, "ok", "cluster: its state is ok")
    assert says(done, "ok", "contents: ", "every checksum holds")
    assert says(node, "fail", "cluster: the server is one node of a cluster")


def test_a_cluster_of_which_a_node_is_gone_is_a_failure_that_names_it(
    pagefault: Command, redis_program: Path
) -> None:
    with Cluster(redis_program) as cluster:
        gone = cluster.nodes[0]
        gone.kill()
        url = cluster.url("x")
        done = pagefault("doctor", "--json", "--redis-timeout-ms", 400, "--store", url)
    assert done.code == 1
    assert says(done, "fail", "data: ", f"127.0.0.1:{gone.port}: ", "cannot be reached")
    assert says(done, "ok", "data: ", "2 of 3 primaries answer")


def test_it_says_whether_thumbnails_can_be_drawn(
    examine: Callable[[Path], Any], lived: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Pillow" in checks(examine(lived), "ok")["images"]
    monkeypatch.setattr(thumbnail, "installed", lambda: False)
    done = examine(lived)
    assert done.json["healthy"]
    (said,) = (one for one in done.json["checks"] if one["what"] == "images")
    assert "no thumbnails" in said["found"]
    assert "pagefault[image]" in said["advice"]


def test_an_image_that_is_gone_is_named_with_its_page(
    examine: Callable[[Path], Any], lived: Path
) -> None:
    db = apsw.Connection(str(lived))
    (page,) = db.execute("SELECT page FROM version LIMIT 1").fetchone()
    db.execute("INSERT INTO blob VALUES(1, 9999, ?, x'00')", (page,))
    db.close()
    assert f"content 9999 of {page}" in checks(examine(lived), "fail")["contents"]
