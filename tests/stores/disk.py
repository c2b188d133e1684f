"""A disk that can be watched, slowed down and filled up: a shim below SQLite's own file access."""

from __future__ import annotations

import threading
from pathlib import Path

import apsw

_BELOW = apsw.vfs_names()[0]


class WatchedDisk(apsw.VFS):
    """Stands between SQLite and the files of every connection that is opened while it is there.

    ``syncs`` holds the name of every file that was synced. While ``held`` a sync of the
    write-ahead log waits for `release`; ``entered`` says that one does. ``room`` is how many more
    writes succeed, None for all. ``fails`` makes syncs fail. ``cut`` says that the write-ahead log
    was emptied.
    """

    def __init__(self) -> None:
        super().__init__("watched", _BELOW, makedefault=True)
        self.syncs: list[str] = []
        self.entered = threading.Event()
        self.cut = threading.Event()
        self.room: int | None = None
        self.fails = False
        self._open = threading.Event()
        self._open.set()

    def xOpen(  # noqa: N802 - SQLite's name
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> apsw.VFSFile:
        return WatchedFile(self, name, flags)

    def hold(self) -> None:
        """Let syncs of the write-ahead log wait from here on."""
        self._open.clear()

    def release(self) -> None:
        """Let them happen again."""
        self._open.set()

    def synced(self, name: str) -> None:
        """A file is about to be synced."""
        self.syncs.append(name)
        if name.endswith("-wal") and not self._open.is_set():
            self.entered.set()
            self._open.wait(30)
        if self.fails:
            message = "the disk failed"
            raise apsw.IOError(message)

    def written(self) -> None:
        """A file is about to be written."""
        if self.room is None:
            return
        if self.room == 0:
            message = "the disk is full"
            raise apsw.FullError(message)
        self.room -= 1


class WatchedFile(apsw.VFSFile):
    """One open file of a `WatchedDisk`."""

    def __init__(
        self, disk: WatchedDisk, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> None:
        super().__init__(_BELOW, name, flags)
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._name = Path(path or "temporary").name
        self._disk = disk

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._disk.synced(self._name)
        super().xSync(flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._disk.written()
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        super().xTruncate(newsize)
        if newsize == 0 and self._name.endswith("-wal"):
            self._disk.cut.set()
