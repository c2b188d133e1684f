"""What differs between systems; the parts of other systems are only type-checked here."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagefault.base import portable

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX only")
linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux only")

LOCKER = """
import os, sys
from pagefault.base.portable import try_lock
print(try_lock(os.open(sys.argv[1], os.O_RDWR)))
"""


def locked_by_another_process(path: Path) -> bool:
    """Whether a child process is refused the lock."""
    env = {**os.environ, "PYTHONPATH": str(Path(portable.__file__).parents[2])}
    command = [sys.executable, "-c", LOCKER, str(path)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return done.stdout.strip() == "False"


@pytest.fixture
def two_descriptors(tmp_path):
    """The same file, opened twice."""
    path = tmp_path / "lock"
    path.touch()
    pair = os.open(path, os.O_RDWR), os.open(path, os.O_RDWR)
    yield path, *pair
    for fd in pair:
        os.close(fd)


def test_a_lock_keeps_other_processes_out_until_it_is_released(two_descriptors):
    path, fd, _ = two_descriptors
    assert portable.try_lock(fd)
    assert locked_by_another_process(path)
    portable.unlock(fd)
    assert not locked_by_another_process(path)


def test_a_lock_keeps_a_second_opening_in_the_same_process_out(two_descriptors):
    _, one, two = two_descriptors
    assert portable.try_lock(one)
    assert not portable.try_lock(two)
    portable.unlock(one)
    assert portable.try_lock(two)


def test_a_lock_ends_with_its_descriptor(tmp_path):
    path = tmp_path / "lock"
    path.touch()
    fd = os.open(path, os.O_RDWR)
    assert portable.try_lock(fd)
    os.close(fd)
    assert not locked_by_another_process(path)


def test_a_locked_file_can_still_be_written(two_descriptors):
    path, one, two = two_descriptors
    assert portable.try_lock(one)
    os.write(two, b"content")
    assert path.read_bytes() == b"content"


def test_the_stop_signals_can_be_handled_here():
    assert {signal.SIGTERM, signal.SIGINT} <= set(portable.stop_signals())
    for each in portable.stop_signals():
        signal.signal(each, signal.getsignal(each))


@posix
def test_the_parent_has_vanished_when_it_is_another_one():
    assert not portable.parent_vanished(portable.parent_id())
    assert portable.parent_vanished(portable.parent_id() + 1)


@posix
def test_a_file_and_a_folder_are_kept_from_others(tmp_path):
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.touch(0o666)
    folder.mkdir(0o777)
    assert portable.owner_only(file)
    assert portable.owner_only(folder)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
proc /proc proc rw 0 0
server:/home /home nfs4 rw 0 0
tmpfs /home/me/fast tmpfs rw 0 0
//server/share /mnt/my\\040share cifs rw 0 0
overlay /covered overlay rw 0 0
host /covered 9p rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/var/lib", "ext4"),
        ("/home", "nfs4"),
        ("/home/me", "nfs4"),
        ("/home/me/fast/x", "tmpfs"),
        ("/home/me/faster", "nfs4"),
        ("/homework", "ext4"),
        ("/mnt/my share/data", "cifs"),
        ("/covered/x", "9p"),
    ],
)
def test_the_innermost_mount_point_names_the_file_system(path, kind):
    assert portable.kind_in(MOUNTS, path) == kind


def test_without_mount_points_the_file_system_is_unknown():
    assert portable.kind_in("", "/home") is None


@linux
def test_a_path_that_does_not_exist_yet_has_a_file_system(tmp_path):
    assert portable.filesystem_kind(tmp_path / "not" / "yet") == portable.filesystem_kind(tmp_path)
    assert portable.filesystem_kind("/proc/self") == "proc"


@linux
@pytest.mark.parametrize(("kind", "expected"), [("nfs4", True), ("9p", True), ("ext4", False)])
def test_a_folder_is_on_the_network_by_the_kind_of_its_file_system(monkeypatch, kind, expected):
    monkeypatch.setattr(portable, "filesystem_kind", lambda path: kind)
    assert portable.is_network_folder("/data") is expected


@pytest.mark.parametrize(
    "path",
    [
        "/home/me/Dropbox/memory",
        "/home/me/Dropbox (Personal)/memory",
        r"C:\Users\me\OneDrive\memory",
        r"C:\Users\me\OneDrive - Company\memory",
        r"C:\Users\me\iCloudDrive\memory",
        "/Users/me/Library/Mobile Documents/com~apple~CloudDocs/memory",
        "/Users/me/Library/CloudStorage/GoogleDrive-me@example.com/My Drive/memory",
        "/Users/me/Google Drive/memory",
    ],
)
def test_a_folder_that_a_cloud_client_copies_is_recognised(path):
    assert portable.is_synced_folder(path)


@pytest.mark.parametrize("path", ["/home/me/dropboxes/x", "/home/me/onedriver", "/srv/memory"])
def test_an_ordinary_folder_is_not_taken_for_a_synced_one(path):
    assert not portable.is_synced_folder(path)


@posix
def test_a_link_into_a_synced_folder_is_followed(tmp_path):
    target = tmp_path / "Dropbox" / "memory"
    target.mkdir(parents=True)
    link = tmp_path / "memory"
    link.symlink_to(target)
    assert portable.is_synced_folder(link)


@pytest.fixture
def pipe():
    ends = os.pipe()
    yield ends
    for fd in ends:
        os.close(fd)


@posix
def test_pipes_can_be_watched_and_files_cannot(pipe, tmp_path):
    assert portable.watchable(pipe[0])
    with (tmp_path / "file").open("wb") as file:
        assert not portable.watchable(file.fileno())


@posix
@given(portions=st.lists(st.integers(1, 70_000), max_size=30), reads=st.randoms())
def test_a_write_of_the_room_never_blocks(portions, reads):
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    for portion in portions:
        if room := portable.write_room(writer):
            size = min(room, portion)
            assert os.write(writer, b"x" * size) == size
        if reads.random() < 0.3 and portable.write_room(writer) == 0:
            os.read(reader, reads.randrange(1, 70_000))
    os.close(reader)
    os.close(writer)


@posix
def test_an_empty_pipe_has_room_and_a_full_one_has_none(pipe):
    reader, writer = pipe
    total = 0
    while room := portable.write_room(writer):
        total += os.write(writer, b"x" * room)
    assert total >= 512  # the least that POSIX allows a pipe to hold at once
    os.read(reader, total)
    assert portable.write_room(writer)
