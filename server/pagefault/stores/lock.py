"""One writer at a time, fairly, among the processes that share a file.

SQLite's own busy timeout starves writers (one of eight processes may wait for seconds); a file
lock taken before the transaction hands the turn round. The lock goes with the process: a crash
releases it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

from ..base.portable import unlock, wait_lock


class FileLock:
    """An exclusive lock on a side file, which names its holder's process id."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)

    def __enter__(self) -> Self:
        wait_lock(self._handle)
        os.lseek(self._handle, 0, os.SEEK_SET)
        os.write(self._handle, f"{os.getpid():<20}".encode())
        return self

    def __exit__(self, *_: object) -> None:
        unlock(self._handle)

    def holder(self) -> str:
        """Who wrote its name last: "process 123", "this process" or "another process"."""
        try:
            name = self._path.read_text(encoding="ascii", errors="replace").strip()
        except OSError:
            name = ""
        if name == str(os.getpid()):
            return "this process"
        return f"process {name}" if name.isdigit() else "another process"

    def close(self) -> None:
        """Let go of the side file; it stays on the disk for the others. A second time is none."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)
