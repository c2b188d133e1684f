"""`pagefault doctor`: it finds what is wrong, says what to do, and changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest

from pagefault.base.config import SETTINGS

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
    assert any("msg_2 in default has changed" in one for one in found)
    assert any("msg_5 in default is gone" in one for one in found)
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
    ("flag", "value", "what"), [("--policy", "whim", "settings"), ("--store", "ftp://x", "data")]
)
def test_a_setting_that_names_nothing_is_a_failure(
    pagefault: Command, tmp_path: Path, flag: str, value: str, what: str
) -> None:
    done = pagefault("doctor", "--json", "--store", tmp_path / "x.db", flag, value)
    assert done.code == 1
    assert what in checks(done, "fail")
