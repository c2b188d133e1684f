"""What differs between Linux, macOS and Windows, in one file; everything else is written once."""

from __future__ import annotations

import os
import re
import select
import signal
import stat
import sys
import threading
from contextlib import suppress
from pathlib import Path

if sys.platform == "win32":
    import ctypes
    import msvcrt
else:
    import fcntl
    import termios

# msvcrt locks a range and forbids others to read it: one byte far behind any content.
_LOCKED_BYTE = 2**30

# fmt: off
_NETWORK_KINDS = frozenset({
    "9p", "afs", "ceph", "cifs", "davfs", "drvfs", "fuse.davfs2", "fuse.glusterfs", "fuse.rclone",
    "fuse.s3fs", "fuse.sshfs", "fuse.vmhgfs-fuse", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4",
    "prl_fs", "smb3", "smbfs", "vboxsf", "virtiofs",
})
# fmt: on

_SYNCED_NAME = re.compile(
    r"(?:dropbox|onedrive|google ?drive|icloud ?drive|icloud~\S*|com~apple~clouddocs"
    r"|mobile documents|cloudstorage)(?:[ (-].*)?",
    re.IGNORECASE,
)


def try_lock(fd: int) -> bool:
    """Take the exclusive advisory lock of an open file; False when another holder has it.

    The lock belongs to this open file: a second `open` of the same path competes with it, even
    within one process, and closing the descriptor releases it.

    Raises OSError when the file system has no locks at all.
    """
    try:
        if sys.platform == "win32":
            os.lseek(fd, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def wait_lock(fd: int) -> None:
    """Take the lock of `try_lock`, waiting for it as long as it takes, in the order of asking."""
    if sys.platform == "win32":
        while not try_lock(fd):  # LK_LOCK gives up after ten tries; its own pause is a second
            threading.Event().wait(0.001)
    else:
        fcntl.flock(fd, fcntl.LOCK_EX)


def unlock(fd: int) -> None:
    """Release what `try_lock` took on this descriptor."""
    if sys.platform == "win32":
        os.lseek(fd, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)
    else:
        fcntl.flock(fd, fcntl.LOCK_UN)


def stop_signals() -> tuple[signal.Signals, ...]:
    """The signals by which this system asks a process to end."""
    if sys.platform == "win32":
        return (signal.SIGTERM, signal.SIGINT, signal.SIGBREAK)
    return (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def parent_id() -> int:
    """The process id of the parent, to be remembered for `parent_vanished`."""
    return os.getppid()


def parent_vanished(original: int) -> bool:
    """Whether the parent of that id is gone: its orphans are given to another process.

    Always False on Windows, which keeps the dead parent's id; there a closed stdin tells.
    """
    return sys.platform != "win32" and os.getppid() != original


def owner_only(path: str | Path) -> bool:
    """Keep a file or folder from other users; False where the file system cannot say so.

    On Windows nothing is done: folders in a user's profile are private by inheritance.
    """
    if sys.platform == "win32":
        return False
    mode = 0o700 if Path(path).is_dir() else 0o600
    with suppress(PermissionError):  # FAT, CIFS and other people's files
        Path(path).chmod(mode)
    return stat.S_IMODE(Path(path).stat().st_mode) == mode


def open_to_others(path: str | Path) -> bool:
    """Whether other users of this machine may read or write it; False on Windows, as above."""
    return sys.platform != "win32" and bool(Path(path).stat().st_mode & 0o077)


def filesystem_kind(path: str | Path) -> str | None:
    """The kind of file system that holds the path, such as "ext4", "nfs" or "tmpfs".

    None where the system does not tell (macOS, Windows); the path need not exist.
    """
    with suppress(OSError):
        mounts = Path("/proc/mounts").read_text(encoding="utf-8", errors="surrogateescape")
        return kind_in(mounts, os.path.realpath(path))
    return None


def kind_in(mounts: str, path: str) -> str | None:
    """As `filesystem_kind`, from the text of /proc/mounts, for an absolute path without links.

    The innermost mount point around the path tells; of two on one point the later, which covers.
    """
    found, kind = -1, None
    for line in mounts.splitlines():
        _, point, this, *_ = line.split(" ")
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), point)
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= found:
            found, kind = len(point), this
    return kind


def is_network_folder(path: str | Path) -> bool:
    """Whether another machine, or the host of this one, serves the folder: locks may lie there."""
    if sys.platform == "win32":
        drive = os.path.splitdrive(os.path.realpath(path))[0]
        # 4 is DRIVE_REMOTE of the Windows API.
        return drive.startswith("\\\\") or ctypes.windll.kernel32.GetDriveTypeW(drive + "\\") == 4
    return filesystem_kind(path) in _NETWORK_KINDS


def is_synced_folder(path: str | Path) -> bool:
    """Whether a cloud client (Dropbox, OneDrive, iCloud, Google Drive) copies the folder about.

    Told by the names of the folders on the path, as given and with links followed.
    """
    names = re.split(r"[/\\]", f"{path}/{os.path.realpath(path)}")
    return any(_SYNCED_NAME.fullmatch(name) for name in names)


def watchable(fd: int) -> bool:
    """Whether an event loop can wait for this descriptor: pipes and sockets, not on Windows.

    Terminals and files are left out since kqueue never reports the end of a file.
    """
    mode = os.fstat(fd).st_mode
    return sys.platform != "win32" and (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode))


def write_room(fd: int) -> int | None:
    """Bytes that one write to the descriptor takes now without blocking; None if unknown (Windows).

    0 when it is full. A ready pipe takes PIPE_BUF bytes (POSIX); on Linux an empty one takes its
    whole capacity.
    """
    if sys.platform == "win32":
        return None
    if not select.select([], [fd], [], 0)[1]:
        return 0
    return _empty_pipe(fd) or select.PIPE_BUF


def wait_for_bytes(fd: int) -> None:
    """Block this thread until a descriptor that somebody made non-blocking has bytes."""
    select.select([fd], [], [])


def wait_for_room(fd: int) -> None:
    """Block this thread until a descriptor that somebody made non-blocking takes bytes again."""
    select.select([], [fd], [])


def _empty_pipe(fd: int) -> int:
    if sys.platform == "linux":
        with suppress(OSError):  # a socket, a terminal or a file
            capacity = fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)
            waiting = fcntl.ioctl(fd, termios.FIONREAD, b"\0\0\0\0")
            return 0 if any(waiting) else capacity
    return 0
